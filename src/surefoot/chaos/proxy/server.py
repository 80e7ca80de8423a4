"""The whole server: the API's listener, the proxies behind it, and the firing log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from ...clock import SystemClock
from ...errors import UsageError
from .addresses import shown
from .api import Api, ApiError
from .firing import FiringLog
from .wire import serve

__all__ = ["FaultServer", "read_config"]


def read_config(path: Path) -> object:
    """A JSON file with a list of proxies, as Toxiproxy's ``-config``.

    :raises UsageError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise UsageError(f"the file of proxies cannot be read: {exc}") from exc
    except ValueError as exc:
        raise UsageError(
            f"{path} is no JSON ({exc}); it must hold a list of proxies, as "
            '[{"name": "api", "listen": "127.0.0.1:8000", "upstream": "127.0.0.1:9000"}]'
        ) from exc


class FaultServer:
    """A fault proxy in this process's event loop.

    :param host, port: where the API listens; port 0 is a free one.
    :param seed: what all chance comes from; None chooses one, which ``seed`` then tells.
    :param log: a file that gets a JSON line before each firing.
    :param metrics: whether there is a ``GET /metrics``.
    :param config: JSON files with proxies to begin with.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 8474,
        seed: int | None = None,
        log: str | Path | None = None,
        metrics: bool = False,
        config: Sequence[str | Path] = (),
    ) -> None:
        self.seed = int(SystemClock().uniform(0, 2**31)) if seed is None else seed
        self.url = ""
        self._host, self._port = host, port
        self._metrics = metrics
        self._log_path = log
        self._config = [(Path(path), read_config(Path(path))) for path in config]
        self._log: FiringLog | None = None
        self._listener: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self.api: Api | None = None

    async def start(self) -> None:
        """Listen; ``url`` is the API's then.

        :raises UsageError: a port is taken, or a file of proxies is wrong.
        """
        from ... import __version__

        try:
            self._log = FiringLog(self._log_path)
        except OSError as exc:
            raise UsageError(f"the firing log cannot be opened: {exc}") from exc
        self.api = Api(seed=self.seed, log=self._log, metrics=self._metrics, version=__version__)
        try:
            for path, told in self._config:
                try:
                    await self.api.populate(told)
                except ApiError as exc:
                    raise UsageError(f"{path}: {exc}") from exc
            try:
                self._listener = await asyncio.start_server(self._client, self._host, self._port)
            except OSError as exc:
                raise UsageError(
                    f"the API cannot listen at {self._host}:{self._port} ({exc.strerror or exc}); "
                    "does another proxy run there? Choose another port (0: a free one)"
                ) from exc
        except BaseException:
            await self.stop()
            raise
        self.url = "http://" + shown(self._listener.sockets[0].getsockname())

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None and self.api is not None
        self._clients.add(task)
        try:
            await serve(reader, writer, self.api.handle)
        except asyncio.CancelledError:
            pass  # the server stops; asyncio would report a cancelled handler as an error
        finally:
            self._clients.discard(task)

    async def stop(self) -> None:
        """Close everything: listeners, connections and the log."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for task in list(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        if self.api is not None:
            await self.api.stop()
        for _ in range(3):  # sockets are closed in the loop's next turns
            await asyncio.sleep(0)
        if self._log is not None:
            self._log.close()
            self._log = None
