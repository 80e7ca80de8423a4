"""One proxy: a listener, the connections through it, and its toxics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .addresses import BACKLOG, bind, shown, split, where
from .chain import Chain, Toxic
from .firing import FiringLog
from .link import Connection, Side

__all__ = ["Proxy"]

STREAMS = ("upstream", "downstream")


class Proxy:
    """``listen`` and ``upstream`` are ``host:port``; once it listens, ``listen`` is the real one."""

    def __init__(self, name: str, listen: str, upstream: str, *, seed: int, log: FiringLog) -> None:
        """
        :raises ValueError: an address is none.
        """
        split(listen or "127.0.0.1:0")
        split(upstream)
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self.chain = Chain(seed, name)
        self._log = log
        self._listener: asyncio.Server | None = None
        self._connections: dict[Connection, None] = {}  # in the order of their coming
        self._accepted = 0
        self._bytes = {(stream, way): 0 for stream in STREAMS for way in ("received", "sent")}

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "toxics": self.chain.shown(),
        }

    # -- up and down ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen; nothing happens if it does.

        :raises OSError: the address cannot be listened at.
        """
        if self.enabled:
            return
        sock = bind(self.listen)
        try:
            loop = asyncio.get_running_loop()
            factory = self._connect(loop)
            self._listener = await loop.create_server(factory, sock=sock, backlog=BACKLOG)
        except BaseException:
            sock.close()
            raise
        self.listen = shown(sock.getsockname())
        self.enabled = True

    def _connect(self, loop: asyncio.AbstractEventLoop) -> Callable[[], Side]:
        def connection() -> Side:
            made = Connection(self, self._accepted, loop)
            self._accepted += 1
            made.address = split(self.upstream)
            if not self.enabled:
                made.abort()  # accepted by the system before the listener was closed
                return made.client
            self._connections[made] = None
            self.chain.dress(made)
            return made.client

        return connection

    async def stop(self) -> None:
        """Close the listener and every connection; toxics stay."""
        if not self.enabled:
            return
        self.enabled = False
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)  # asyncio closes an aborted socket at its next turn

    async def change(self, listen: str, upstream: str, enabled: bool) -> None:
        """What differs is changed; another address closes all connections.

        :raises ValueError: an address is none.
        :raises OSError: the new address cannot be listened at.
        """
        if self.differs(listen, upstream):
            await self.stop()
            self.listen, self.upstream = listen, upstream
        if enabled:
            await self.start()
        else:
            await self.stop()

    def differs(self, listen: str, upstream: str) -> bool:
        """Whether these are other addresses; ``localhost:80`` is ``127.0.0.1:80``.

        :raises ValueError: an address is none.
        :raises OSError: a host to listen at is not known.
        """
        split(upstream)
        if upstream != self.upstream:
            return True
        return listen != self.listen and shown(where(listen)[1]) != self.listen

    # -- toxics ---------------------------------------------------------------------------------

    def add(self, toxic: Toxic) -> None:
        self.chain.add(toxic, self._accepted, list(self._connections))

    def update(self, toxic: Toxic, toxicity: float, attributes: dict[str, Any]) -> None:
        self.chain.update(toxic, toxicity, attributes, list(self._connections))

    def remove(self, toxic: Toxic) -> None:
        self.chain.remove(toxic, list(self._connections))

    def remove_all(self) -> None:
        for toxic in list(self.chain.toxics):
            self.remove(toxic)

    # -- what connections tell ------------------------------------------------------------------

    def fire(self, toxic: Toxic, connection: Connection) -> bool:
        """A toxic is about to act on a connection for the first time: first told, then counted.

        False: it must not, since it has acted on its ``first_n`` connections.
        """
        if toxic.spent:
            return False
        self._log.write(
            {
                "proxy": self.name,
                "toxic": toxic.name,
                "type": toxic.kind.name,
                "stream": toxic.stream,
                "connection": connection.number,
                "client": connection.peer,
            }
        )
        toxic.fired += 1
        toxic.acted += 1
        return True

    def gone(self, connection: Connection) -> None:
        if connection in self._connections:
            del self._connections[connection]
            for stream, link in connection.links.items():
                self._bytes[stream, "received"] += link.received
                self._bytes[stream, "sent"] += link.sent

    def bytes(self) -> dict[tuple[str, str], int]:
        """{("upstream", "received"): bytes so far, …} of all its connections."""
        counted = dict(self._bytes)
        for connection in self._connections:
            for stream, link in connection.links.items():
                counted[stream, "received"] += link.received
                counted[stream, "sent"] += link.sent
        return counted

    @property
    def open_connections(self) -> int:
        return len(self._connections)
