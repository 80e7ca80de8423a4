"""One connection through the proxy: two sockets, and a link of stages for each direction.

Without a toxic, bytes go from one socket to the other as they come: that is the fast way.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

from .stages import Bytes, Scheduler, Stage

if TYPE_CHECKING:
    from .chain import Toxic

__all__ = ["Connection", "Link", "Owner", "Side"]

HIGH_WATER = 1024 * 1024
"""Bytes that may wait in a socket's write buffer before the other side is read no further."""


class Owner(Protocol):
    """The proxy that a connection belongs to."""

    def fire(self, toxic: Toxic, connection: Connection) -> bool: ...

    def gone(self, connection: Connection) -> None: ...


class Side(asyncio.Protocol):
    """One of the two sockets: what it receives goes ``out``, what it sends comes from ``into``."""

    def __init__(self, connection: Connection, opened: Callable[[], None]) -> None:
        self._connection = connection
        self._opened = opened
        self.transport: asyncio.Transport | None = None
        self.source_over = False
        self.gone = False
        self.out: Link
        self.into: Link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        # Not to be read until the other side is there as well. Python 3.10's transport begins to
        # read after this method, whatever was asked in it: so it is asked right after that.
        self._connection.loop.call_soon(self._wait)
        self._opened()

    def _wait(self) -> None:
        if not self._connection.running:
            self.read(False)

    def data_received(self, data: bytes) -> None:
        self.out.receive(data)

    def eof_received(self) -> bool:
        self.source_over = True
        self.out.source_ended()
        return True  # half-closed: this side may still be written to

    def connection_lost(self, exc: Exception | None) -> None:
        self.source_over = self.gone = True
        self._connection.lost(self)

    def pause_writing(self) -> None:
        self.into.dest_is_full(True)

    def resume_writing(self) -> None:
        self.into.dest_is_full(False)

    def read(self, wanted: bool) -> None:
        if self.transport is None or self.source_over:
            return  # once its end was seen, asyncio must not be asked to read it again
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def close(self) -> None:
        """Close it once all that was written is sent."""
        if self.transport is not None:
            self.transport.close()

    def abort(self, *, reset: bool = False) -> None:
        """Close it now; with ``reset`` the peer sees ECONNRESET and no end of file."""
        if self.transport is None:
            return
        if reset:
            sock = self.transport.get_extra_info("socket")
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass  # it is closed already
        self.transport.abort()


class Link:
    """One direction: from ``source`` through the stages to ``dest``. It is its own last stage."""

    def __init__(self, connection: Connection, stream: str, source: Side, dest: Side) -> None:
        self.stream = stream
        self.stages: list[tuple[Toxic, Stage]] = []
        self.received = 0
        self.sent = 0
        self.over = False
        self.loop: Scheduler = connection.loop
        self._connection = connection
        self._source = source
        self._dest = dest
        self._first: Stage | None = None
        self._dest_full = False
        self._blocked = False
        self._cut = False
        source.out = self
        dest.into = self

    # -- what comes in --------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        self.received += len(data)
        if self.over or self._cut:
            return
        if self._first is None:
            self.feed(data)
        else:
            self._first.feed(data)
            self.check()

    def source_ended(self) -> None:
        if not (self.over or self._cut):
            (self._first or self).end()

    def dest_is_full(self, full: bool) -> None:
        self._dest_full = full
        self.check()

    # -- what goes out: a link is the last of its stages ----------------------------------------

    def feed(self, data: Bytes) -> None:
        transport = self._dest.transport
        if self.over or transport is None or transport.is_closing():
            return
        self.sent += len(data)
        transport.write(data)

    def end(self) -> None:
        if self.over:
            return
        self.over = True
        self._connection.ended(self, cut=self._cut)

    def close_dest_for_writing(self) -> None:
        transport = self._dest.transport
        if transport is None or transport.is_closing():
            return
        try:
            transport.write_eof()
        except OSError:  # the peer has reset it; connection_lost comes by itself
            transport.abort()

    # -- what a stage can do --------------------------------------------------------------------

    def fire(self, stage: Stage) -> bool:
        return self._connection.owner.fire(self._toxic_of(stage), self._connection)

    def spent(self, stage: Stage) -> bool:
        return self._toxic_of(stage).spent

    def _toxic_of(self, stage: Stage) -> Toxic:
        return next(toxic for toxic, one in self.stages if one is stage)

    def cut(self) -> None:
        self._cut = True

    def reset(self) -> None:
        self._connection.abort(reset=True)

    def answer(self, data: bytes) -> None:
        self._connection.answer(data)

    def inject(self, data: bytes) -> None:
        """Bytes that the source never sent, and the end of this direction after them."""
        if self.over or self._cut:
            return
        first = self._first or self
        first.feed(data)
        self._cut = True
        first.end()

    def check(self) -> None:
        """Let the source wait while the destination or a stage holds too much."""
        blocked = self._dest_full or any(s.held >= s.window for _, s in self.stages)
        if blocked != self._blocked:
            self._blocked = blocked
            self._source.read(not blocked)

    # -- toxics come, change and go while the connection is open --------------------------------

    def stage_of(self, toxic: Toxic) -> Stage | None:
        return next((stage for one, stage in self.stages if one is toxic), None)

    def insert(self, index: int, toxic: Toxic, stage: Stage, *, running: bool) -> None:
        self.stages.insert(index, (toxic, stage))
        self._join()
        if running and not self.over:
            stage.start()

    def remove(self, toxic: Toxic) -> None:
        stage = self.stage_of(toxic)
        if stage is None:
            return
        stage.release()  # into the next one, before anything new can pass it
        self.stages = [pair for pair in self.stages if pair[1] is not stage]
        self._join()
        self.check()

    def start(self) -> None:
        for _, stage in list(self.stages):
            stage.start()

    def begin(self) -> None:
        """Read the source from now on."""
        if not self._blocked:
            self._source.read(True)

    def stop(self) -> None:
        self.over = True
        for _, stage in self.stages:
            stage.stop()

    def _join(self) -> None:
        stages = [stage for _, stage in self.stages]
        self._first = stages[0] if stages else None
        for one, after in zip(stages, [*stages[1:], None]):
            one.next = self if after is None else after


class Connection:
    """A client's connection and the one to the upstream that was opened for it."""

    def __init__(self, owner: Owner, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self.owner = owner
        self.number = number
        self.loop = loop
        self.running = False
        self.peer = ""
        self._closed = False
        self._broken = False
        self._dialling: asyncio.Task[None] | None = None
        self.client = Side(self, self._accepted)
        self.upstream = Side(self, lambda: None)
        self.links = {
            "upstream": Link(self, "upstream", self.client, self.upstream),
            "downstream": Link(self, "downstream", self.upstream, self.client),
        }
        self.address: tuple[str, int] = ("", 0)

    def _accepted(self) -> None:
        assert self.client.transport is not None
        name = self.client.transport.get_extra_info("peername")
        self.peer = f"{name[0]}:{name[1]}" if name else ""
        if self._closed:  # the proxy was taken down between the system's accept and ours
            self.client.abort()
            return
        self._dialling = self.loop.create_task(self._dial())

    async def _dial(self) -> None:
        host, port = self.address
        try:
            await self.loop.create_connection(lambda: self.upstream, host, port)
        except OSError:
            self._dialling = None
            self.abort()  # as in Toxiproxy: the client sees its connection closed
            return
        self._dialling = None
        if self._closed:
            self.upstream.abort()
            return
        self.running = True
        for link in self.links.values():
            link.start()
        for link in self.links.values():
            link.begin()

    def ended(self, link: Link, *, cut: bool) -> None:
        """One direction is through."""
        if cut or self._broken or all(one.over for one in self.links.values()):
            self.close()
        else:
            link.close_dest_for_writing()

    def lost(self, side: Side) -> None:
        """A socket is gone: what it had sent still arrives, and then the other one is closed."""
        if self._closed:
            self._settle()
            return
        self._broken = True
        if side.out.over:
            self.close()
        else:
            side.out.source_ended()

    def answer(self, data: bytes) -> None:
        self.links["downstream"].inject(data)

    def close(self) -> None:
        """Close both sides once what was written to them is sent."""
        if self._shut():
            self.client.close()
            self.upstream.close()

    def abort(self, *, reset: bool = False) -> None:
        """Close both sides now, whatever they still hold."""
        self._shut()
        if self._dialling is not None:
            self._dialling.cancel()
            self._dialling = None
        self.client.abort(reset=reset)
        self.upstream.abort(reset=reset)

    def _shut(self) -> bool:
        """Whether it was still open."""
        if self._closed:
            return False
        self._closed = True
        for link in self.links.values():
            link.stop()
        self._settle()
        return True

    def _settle(self) -> None:
        """Tell the owner once both sockets are gone: until then it may still want to abort them."""
        sides = (self.client, self.upstream)
        if all(side.gone or side.transport is None for side in sides):
            self.owner.gone(self)
