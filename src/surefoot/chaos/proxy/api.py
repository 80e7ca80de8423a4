"""Toxiproxy's HTTP API, version 2.12, over the proxies of one server.

Statuses, texts and defaults were read off a running Toxiproxy: creating a proxy is 201, creating a
toxic 200, deleting and resetting 204; errors are ``{"error", "status"}``; POST updates as PATCH does.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from .chain import Toxic
from .firing import FiringLog
from .metrics import exposition
from .proxy import Proxy
from .toxics import KINDS, BadAttribute, merged
from .wire import Request, Response, as_json, text

__all__ = ["TOXIPROXY", "Api"]

TOXIPROXY = "2.12.0"
"""The version whose API this is."""

BAD_BODY = "bad request body"
Handle = Callable[..., Awaitable[Response]]


class ApiError(Exception):
    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status

    def document(self) -> dict[str, Any]:
        return {"error": str(self), "status": self.status}


class Api:
    """All proxies of a server by name, and what may be asked of them."""

    def __init__(self, *, seed: int, log: FiringLog, metrics: bool, version: str) -> None:
        self.proxies: dict[str, Proxy] = {}
        self._seed = seed
        self._log = log
        self._version = version
        self._routes: dict[tuple[str, ...], dict[str, Handle]] = {
            ("proxies",): {"GET": self._list, "POST": self._create},
            ("proxies", "*"): {
                "GET": self._show,
                "POST": self._change,
                "PATCH": self._change,
                "DELETE": self._delete,
            },
            ("proxies", "*", "toxics"): {"GET": self._toxics, "POST": self._add},
            ("proxies", "*", "toxics", "*"): {
                "GET": self._toxic,
                "POST": self._update,
                "PATCH": self._update,
                "DELETE": self._remove,
            },
            ("populate",): {"POST": self._populate},
            ("reset",): {"POST": self._reset},
            ("version",): {"GET": self._tell_version},
        }
        if metrics:
            self._routes[("metrics",)] = {"GET": self._metrics}

    async def handle(self, request: Request) -> Response:
        """Answer one request, whatever it is."""
        segments = [unquote(part) for part in request.path.split("/")[1:]]
        for pattern, methods in self._routes.items():
            if len(pattern) == len(segments) and all(
                want in ("*", have) and have for want, have in zip(pattern, segments)
            ):
                handle = methods.get(request.method)
                if handle is None:
                    return Response(405)
                if request.headers.get("user-agent", "").startswith("Mozilla/"):
                    # a page in a browser must not steer what listens on loopback
                    return text("User agent not allowed\n", 403)
                names = [have for want, have in zip(pattern, segments) if want == "*"]
                try:
                    return await handle(request.body, *names)
                except ApiError as exc:
                    return as_json(exc.document(), exc.status)
        return text("404 page not found\n", 404)

    # -- proxies --------------------------------------------------------------------------------

    async def _list(self, _: bytes) -> Response:
        return as_json({name: proxy.document() for name, proxy in self.proxies.items()})

    async def _create(self, body: bytes) -> Response:
        told = _object(body)
        name, upstream = _text(told, "name"), _text(told, "upstream")
        _wanted(name, "name")
        _wanted(upstream, "upstream")
        proxy = self._made(name, _text(told, "listen"), upstream)
        if name in self.proxies:
            raise ApiError("proxy already exists", 409)
        if _flag(told, "enabled", True):
            await _started(proxy)
        self.proxies[name] = proxy
        return as_json(proxy.document(), 201)

    def _made(self, name: str, listen: str, upstream: str) -> Proxy:
        try:
            return Proxy(name, listen, upstream, seed=self._seed, log=self._log)
        except ValueError as exc:
            raise ApiError(f"{BAD_BODY}: {exc}", 400) from exc

    async def _show(self, _: bytes, name: str) -> Response:
        return as_json(self._proxy(name).document())

    async def _change(self, body: bytes, name: str) -> Response:
        proxy = self._proxy(name)
        told = _object(body)
        listen = _text(told, "listen", proxy.listen)
        upstream = _text(told, "upstream", proxy.upstream)
        enabled = _flag(told, "enabled", proxy.enabled)
        try:
            await proxy.change(listen, upstream, enabled)
        except ValueError as exc:
            raise ApiError(f"{BAD_BODY}: {exc}", 400) from exc
        except OSError as exc:
            raise ApiError(f"listen tcp {listen}: {exc}", 500) from exc
        return as_json(proxy.document())

    async def _delete(self, _: bytes, name: str) -> Response:
        proxy = self._proxy(name)
        del self.proxies[name]
        await proxy.stop()
        return Response(204)

    def _proxy(self, name: str) -> Proxy:
        try:
            return self.proxies[name]
        except KeyError:
            raise ApiError("proxy not found", 404) from None

    async def populate(self, told: Any) -> list[Proxy]:
        """Make the proxies of a list; one that is there and does not differ stays as it is.

        :raises ApiError: an entry is wrong, and nothing was changed; or an address is taken.
        """
        if not isinstance(told, list):
            raise ApiError(f"{BAD_BODY}: a list of proxies is wanted", 400)
        wanted = []
        for number, entry in enumerate(told, 1):
            if not isinstance(entry, dict):
                raise ApiError(f"{BAD_BODY}: proxy {number} must be an object", 400)
            name, upstream = _text(entry, "name"), _text(entry, "upstream")
            _wanted(name, f"name at proxy {number}")
            _wanted(upstream, f"upstream at proxy {number}")
            listen, enabled = _text(entry, "listen"), _flag(entry, "enabled", True)
            wanted.append((self._made(name, listen, upstream), enabled))
        result = []
        for proxy, enabled in wanted:
            result.append(await self._placed(proxy, enabled))
        return result

    async def _placed(self, proxy: Proxy, enabled: bool) -> Proxy:
        old = self.proxies.get(proxy.name)
        if old is not None:
            try:
                if not old.differs(proxy.listen, proxy.upstream):
                    return old
            except OSError as exc:
                raise ApiError(f"listen tcp {proxy.listen}: {exc}", 500) from exc
            await old.stop()
        if enabled:
            await _started(proxy)
        self.proxies[proxy.name] = proxy
        return proxy

    async def _populate(self, body: bytes) -> Response:
        try:
            made = await self.populate(_json(body))
        except ApiError as exc:
            return as_json({**exc.document(), "proxies": []}, exc.status)
        return as_json({"proxies": [proxy.document() for proxy in made]}, 201)

    async def _reset(self, _: bytes) -> Response:
        for proxy in self.proxies.values():
            await _started(proxy)
            proxy.remove_all()
        return Response(204)

    async def stop(self) -> None:
        for proxy in self.proxies.values():
            await proxy.stop()

    # -- toxics ---------------------------------------------------------------------------------

    async def _toxics(self, _: bytes, name: str) -> Response:
        return as_json(self._proxy(name).chain.shown())

    async def _add(self, body: bytes, name: str) -> Response:
        proxy = self._proxy(name)
        told = _object(body)
        kind = KINDS.get(_text(told, "type"))
        stream = _text(told, "stream", kind.default_stream if kind else "downstream")
        if stream not in ("upstream", "downstream"):
            raise ApiError("stream was invalid, can be either upstream or downstream", 400)
        if kind is None:
            raise ApiError("invalid toxic type", 400)
        if kind.only_stream not in (None, stream):
            message = f"{kind.name} reads requests: its stream is {kind.only_stream}"
            raise ApiError(f"{BAD_BODY}: {message}", 400)
        called = _text(told, "name") or f"{kind.name}_{stream}"
        toxicity = _number(told, "toxicity", 1.0)
        if proxy.chain.find(called) is not None:
            raise ApiError("toxic already exists", 409)
        toxic = Toxic(called, kind, stream, toxicity, _attributes(kind.name, None, told))
        proxy.add(toxic)
        return as_json(toxic.document())

    async def _toxic(self, _: bytes, name: str, toxic: str) -> Response:
        return as_json(self._found(name, toxic)[1].document())

    async def _update(self, body: bytes, name: str, called: str) -> Response:
        proxy, toxic = self._found(name, called)
        told = _object(body)
        attributes = _attributes(toxic.kind.name, toxic.attributes, told)
        proxy.update(toxic, _number(told, "toxicity", toxic.toxicity), attributes)
        return as_json(toxic.document())

    async def _remove(self, _: bytes, name: str, called: str) -> Response:
        proxy, toxic = self._found(name, called)
        proxy.remove(toxic)
        return Response(204)

    def _found(self, name: str, called: str) -> tuple[Proxy, Toxic]:
        proxy = self._proxy(name)
        toxic = proxy.chain.find(called)
        if toxic is None:
            raise ApiError("toxic not found", 404)
        return proxy, toxic

    # -- the server itself ----------------------------------------------------------------------

    async def _tell_version(self, _: bytes) -> Response:
        told = json.dumps({"version": TOXIPROXY, "surefoot": self._version, "seed": self._seed})
        return Response(200, told.encode() + b"\n", "application/json;charset=utf-8")

    async def _metrics(self, _: bytes) -> Response:
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return Response(200, exposition(self.proxies.values()).encode(), kind)


async def _started(proxy: Proxy) -> None:
    try:
        await proxy.start()
    except OSError as exc:
        raise ApiError(f"listen tcp {proxy.listen}: {exc}", 500) from exc


def _json(body: bytes) -> Any:
    """The first value of a body; what follows it is passed over, as Go's decoder does."""
    try:
        document = body.decode().lstrip()
        if not document:
            raise ValueError("EOF")
        return json.JSONDecoder().raw_decode(document)[0]
    except (ValueError, RecursionError) as exc:
        raise ApiError(f"{BAD_BODY}: {exc}", 400) from exc


def _object(body: bytes) -> dict[str, Any]:
    told = _json(body)
    if told is None:
        return {}
    if not isinstance(told, dict):
        raise ApiError(f"{BAD_BODY}: an object is wanted", 400)
    return told


def _wanted(value: str, what: str) -> None:
    if not value:
        raise ApiError(f"missing required field: {what}", 400)


def _text(told: dict[str, Any], name: str, default: str = "") -> str:
    value = told.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise ApiError(f"{BAD_BODY}: {name} must be a text, not {value!r}", 400)
    return value


def _flag(told: dict[str, Any], name: str, default: bool) -> bool:
    value = told.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise ApiError(f"{BAD_BODY}: {name} must be true or false, not {value!r}", 400)
    return value


def _number(told: dict[str, Any], name: str, default: float) -> float:
    value = told.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ApiError(f"{BAD_BODY}: {name} must be a number, not {value!r}", 400)
    return value


def _attributes(kind: str, old: dict[str, Any] | None, told: dict[str, Any]) -> dict[str, Any]:
    try:
        return merged(KINDS[kind], old, told.get("attributes"))
    except BadAttribute as exc:
        raise ApiError(f"{BAD_BODY}: {exc}", 400) from exc
