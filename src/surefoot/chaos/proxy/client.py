"""The fault proxy for a test: ``with FaultProxy() as faults: …``."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

from ...errors import SurefootError, UsageError
from .running import InProcess, InThread, Running
from .toxics import EXTENSIONS, KINDS

__all__ = ["FaultProxy", "ProxyHandle", "ToxicHandle"]

SECONDS = 30.0
"""How long an answer of the API may take."""


class FaultProxy:
    """Starts a fault proxy for the length of a ``with`` block, or talks to one that runs.

    :param url: the API of a running server, a real Toxiproxy or ``surefoot fault-proxy``; without it
        one is started here. A real Toxiproxy knows no ``first_n``, ``http_status``, ``corrupt``,
        ``fired`` or seed: asking for one is an error.
    :param seed: same seed, same decisions; None chooses one, which ``seed`` then tells.
    :param log: a file that gets a JSON line before each firing.
    :param process: start it in a process of its own rather than in a thread.
    :param metrics: whether ``GET /metrics`` is there.

    >>> import socket, threading
    >>> server = socket.create_server(("127.0.0.1", 0))
    >>> with FaultProxy(seed=7) as faults:
    ...     api = faults.proxy("api", f"127.0.0.1:{server.getsockname()[1]}")
    ...     slow = api.add("latency", latency=200)
    ...     with api.down():
    ...         api.enabled
    False
    >>> slow.name, api.listen.split(":")[0]
    ('latency_downstream', '127.0.0.1')
    >>> server.close()
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        seed: int | None = None,
        log: str | Path | None = None,
        process: bool = False,
        metrics: bool = False,
    ) -> None:
        """
        :raises UsageError: ``url=`` stands beside what only a server that is started here can have.
        """
        if url is not None and (seed is not None or log is not None or process or metrics):
            raise UsageError(
                "seed=, log=, process= and metrics= are for a proxy that is started here: "
                "leave url= out, or give them to the server behind it"
            )
        self.url = (url or "").rstrip("/")
        self.seed = seed
        self.extended = True
        self._given = url is not None
        self._log = None if log is None else Path(log)
        self._process = process
        self._metrics = metrics
        self._server: Running | None = None
        self._proxies: dict[str, ProxyHandle] = {}

    def __enter__(self) -> FaultProxy:
        """
        :raises SurefootError: the server did not start, or nothing answers at ``url=``.
        """
        if not self._given:
            start = InProcess if self._process else InThread
            self._server = start(seed=self.seed, log=self._log, metrics=self._metrics)
            self.url, self.seed = self._server.url, self._server.seed
            return self
        version = self.ask("GET", "/version")
        # Toxiproxy before 2.7 wrote no JSON here: that is no server of ours either
        self.extended = isinstance(version, dict) and "surefoot" in version
        if self.extended:
            self.seed = version.get("seed")
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None
        else:
            for handle in list(self._proxies.values()):
                self._ask("DELETE", handle.path, missing_is_fine=True)
        self._proxies.clear()

    @property
    def proxies(self) -> Mapping[str, ProxyHandle]:
        """Those that were made here, by name."""
        return dict(self._proxies)

    def proxy(self, name: str, upstream: str, *, listen: str = "127.0.0.1:0") -> ProxyHandle:
        """A new proxy to ``upstream`` (``host:port``). It is gone when the block ends.

        One of this name that an earlier program left on the server is replaced.

        :raises UsageError: there is one of this name in this block; or the server refused.
        """
        if name in self._proxies:
            raise UsageError(f"there is a proxy {name!r} already: use it, or choose another name")
        wanted = {"name": name, "listen": listen, "upstream": upstream, "enabled": True}
        self._ask("DELETE", _path(name), missing_is_fine=True)
        made = ProxyHandle(self, self.ask("POST", "/proxies", wanted))
        self._proxies[name] = made
        return made

    def reset(self) -> None:
        """Enable every proxy of the server and remove all toxics."""
        self.ask("POST", "/reset")
        for handle in self._proxies.values():
            handle.refresh()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the API; its JSON, or its text where it is none.

        :raises UsageError: the server refused.
        :raises SurefootError: nothing answers there.
        """
        return self._ask(method, path, body)

    def _ask(
        self, method: str, path: str, body: Any = None, *, missing_is_fine: bool = False
    ) -> Any:
        if not self.url:
            raise UsageError("the fault proxy is not running: use it in `with FaultProxy() as …`")
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else None
        connection = (kind or http.client.HTTPConnection)(
            parts.hostname or "", parts.port, timeout=SECONDS
        )
        try:
            sent = None if body is None else json.dumps(body)
            headers = {"Content-Type": "application/json", "User-Agent": "surefoot"}
            connection.request(method, parts.path + path, sent, headers)
            answer = connection.getresponse()
            told = _read(answer.read())
        except (OSError, http.client.HTTPException) as exc:
            raise SurefootError(
                f"no fault proxy answers at {self.url} ({exc}): does it run there?"
            ) from exc
        finally:
            connection.close()
        if answer.status >= 400 and not (missing_is_fine and answer.status == 404):
            reason = told.get("error", told) if isinstance(told, dict) else told
            raise UsageError(f"the fault proxy refused {method} {path}: {reason}")
        return told

    def refuse_extension(self, what: str) -> None:
        """
        :raises UsageError: the server is a real Toxiproxy.
        """
        if not self.extended:
            raise UsageError(
                f"{self.url} is a real Toxiproxy, and {what} is Surefoot's own: do without it, "
                "or leave url= out, or point it at a `surefoot fault-proxy`"
            )


class ProxyHandle:
    """One proxy. ``listen`` is where to connect to, as ``host:port``."""

    def __init__(self, faults: FaultProxy, told: Mapping[str, Any]) -> None:
        self._faults = faults
        self.name: str = told["name"]
        self.path = _path(self.name)
        self._read(told)

    def _read(self, told: Mapping[str, Any]) -> None:
        self.listen: str = told["listen"]
        self.upstream: str = told["upstream"]
        self.enabled: bool = told["enabled"]

    def __repr__(self) -> str:
        state = "" if self.enabled else ", down"
        return f"<proxy {self.name}: {self.listen} → {self.upstream}{state}>"

    @property
    def address(self) -> tuple[str, int]:
        """``listen`` as ``socket.create_connection`` takes it."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def url(self) -> str:
        """``http://`` before ``listen``."""
        return f"http://{self.listen}"

    def refresh(self) -> None:
        """Ask the server how it is now."""
        self._read(self._faults.ask("GET", self.path))

    def add(
        self,
        type: str,  # noqa: A002  Toxiproxy's word
        *,
        name: str | None = None,
        stream: str | None = None,
        toxicity: float = 1.0,
        **attributes: Any,
    ) -> ToxicHandle:
        """Add a toxic behind those that are there, as ``add("latency", latency=200, jitter=20)``.

        :param stream: ``downstream`` (to the client; the default) or ``upstream``.
        :param toxicity: the chance that it acts on a connection, from 0 to 1.
        :raises UsageError: an attribute or a type that there is not; or a real Toxiproxy was asked
            for one of Surefoot's own.
        """
        self.check(type, attributes)
        wanted: dict[str, Any] = {"type": type, "toxicity": toxicity, "attributes": attributes}
        if name is not None:
            wanted["name"] = name
        if stream is not None:
            wanted["stream"] = stream
        return ToxicHandle(self, self._faults.ask("POST", f"{self.path}/toxics", wanted))

    def check(self, type: str, attributes: Mapping[str, Any]) -> None:  # noqa: A002
        kind = KINDS.get(type)
        if kind is None:
            if self._faults.extended:
                raise UsageError(
                    f"there is no toxic {type!r}; there are {', '.join(sorted(KINDS))}"
                )
            return  # whoever compiled a Toxiproxy of their own may have more of them
        for word in (type, *attributes):
            if word in EXTENSIONS:
                self._faults.refuse_extension(word)
        for given in attributes:
            # Toxiproxy passes over what it does not know; a fault that was not set proves nothing
            if given not in kind.known():
                raise UsageError(
                    f"{type} has no attribute {given!r}.{kind.nearest(given)} It has: "
                    f"{', '.join(kind.known())}"
                )

    def toxics(self) -> list[ToxicHandle]:
        """Those that are there now."""
        told = self._faults.ask("GET", f"{self.path}/toxics")
        return [ToxicHandle(self, one) for one in told]

    def down(self) -> _Down:
        """Close the listener and every connection. As a context manager it is up again at the end."""
        self._set(False)
        return _Down(self)

    def up(self) -> None:
        """Listen again."""
        self._set(True)

    def _set(self, enabled: bool) -> None:
        # POST, since a Toxiproxy before 2.6 knows no PATCH
        self._read(self._faults.ask("POST", self.path, {"enabled": enabled}))

    def reset(self) -> None:
        """Enable this proxy and remove its toxics."""
        for toxic in self.toxics():
            toxic.remove()
        self._set(True)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return self._faults.ask(method, self.path + path, body)

    def refuse_extension(self, what: str) -> None:
        self._faults.refuse_extension(what)


class _Down:
    def __init__(self, proxy: ProxyHandle) -> None:
        self._proxy = proxy

    def __enter__(self) -> ProxyHandle:
        return self._proxy

    def __exit__(self, *exc_info: object) -> None:
        self._proxy.up()


class ToxicHandle:
    """One toxic of a proxy, as it was when it was last asked for."""

    def __init__(self, proxy: ProxyHandle, told: Mapping[str, Any]) -> None:
        self._proxy = proxy
        self.name: str = told["name"]
        self.type: str = told["type"]
        self.stream: str = told["stream"]
        self._path = f"/toxics/{quote(self.name, safe='')}"
        self._read(told)

    def _read(self, told: Mapping[str, Any]) -> None:
        self.toxicity: float = told["toxicity"]
        self.attributes: dict[str, Any] = told["attributes"]

    def __repr__(self) -> str:
        return f"<toxic {self.name} of {self._proxy.name}: {self.type} {self.attributes}>"

    @property
    def fired(self) -> int:
        """The connections that it has acted on so far (asks the server).

        :raises UsageError: the server is a real Toxiproxy, which does not count.
        """
        self._proxy.refuse_extension("fired")
        count: int = self._proxy.ask("GET", self._path)["fired"]
        return count

    def update(self, *, toxicity: float | None = None, **attributes: Any) -> None:
        """Change it, for open connections as well. Another ``first_n`` counts from there.

        :raises UsageError: as :meth:`ProxyHandle.add`.
        """
        self._proxy.check(self.type, attributes)
        wanted: dict[str, Any] = {"attributes": attributes}
        if toxicity is not None:
            wanted["toxicity"] = toxicity
        self._read(self._proxy.ask("POST", self._path, wanted))

    def remove(self) -> None:
        """Take it away, from open connections as well; what it held arrives."""
        self._proxy.ask("DELETE", self._path)


def _path(name: str) -> str:
    return f"/proxies/{quote(name, safe='')}"


def _read(body: bytes) -> Any:
    try:
        return json.loads(body) if body.strip() else None
    except ValueError:
        return body.decode("utf-8", "replace").strip()
