"""What each toxic does to one direction of one connection.

A stage is given bytes by :meth:`Stage.feed` and, once, the end of them by :meth:`Stage.end`; it hands
both on to the next one, now or later. A stage that delays keeps what it holds in order, so nothing is
lost or overtaken. It never blocks: waits are timers of the event loop that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ...clock import Chance

__all__ = ["Bytes", "Next", "Scheduler", "Stage", "Timer", "Way"]

Bytes = bytes | bytearray | memoryview


class Timer(Protocol):
    def cancel(self) -> None: ...


class Scheduler(Protocol):
    """What a stage needs of an event loop; times are its own seconds."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer: ...


class Next(Protocol):
    """Whatever a stage hands its bytes to."""

    def feed(self, data: Bytes) -> None: ...

    def end(self) -> None: ...


class Way(Protocol):
    """What a stage can do to its connection beyond handing bytes on."""

    loop: Scheduler

    def fire(self, stage: Stage) -> bool:
        """Write down that this stage's toxic acts on this connection now; False: it must not, since
        it has acted on its ``first_n`` connections."""
        ...

    def spent(self, stage: Stage) -> bool:
        """Whether :meth:`fire` would say no."""
        ...

    def cut(self) -> None:
        """From here on the end of this direction closes the whole connection."""

    def reset(self) -> None:
        """Tear both sides of the connection down with a TCP reset."""

    def answer(self, data: bytes) -> None:
        """Give the client these bytes in the server's place, and close."""

    def check(self) -> None:
        """Look again whether the source must wait."""


class Stage:
    """One toxic on one direction of one connection. The base passes everything: ``noop``."""

    window = 64 * 1024
    """Bytes that it may hold before the source has to wait."""

    def __init__(self, attributes: Mapping[str, Any], way: Way, chance: Chance) -> None:
        self.attributes = attributes
        self.way = way
        self.chance = chance
        self.next: Next = _Nowhere()
        self.held = 0
        self.over = False
        self.passing = False
        self._fired = False

    def start(self) -> None:
        """The connection is there."""

    def feed(self, data: Bytes) -> None:
        self.next.feed(data)

    def end(self) -> None:
        """The source sends no more."""
        self.next.end()

    def update(self, attributes: Mapping[str, Any]) -> None:
        """The toxic has changed; what is still held is treated by the new attributes."""
        self.attributes = attributes

    def release(self) -> None:
        """The toxic is removed: what is held goes on at once."""

    def stop(self) -> None:
        """The connection is gone: no timer may come any more."""

    def afresh(self) -> None:
        """The toxic's ``first_n`` has changed: it may act, and be counted, again."""
        self._fired = self.passing = False

    def _fire(self) -> bool:
        """Called before it acts. False: it must let everything pass, now and later (``passing``)."""
        if not (self._fired or self.passing):
            self._fired = self.way.fire(self)
            self.passing = not self._fired
        return not self.passing

    def _close(self) -> None:
        """End this direction here, and with it the connection; later bytes are dropped."""
        if not self.over:
            self.over = True
            self.way.cut()
            self.next.end()


class _Nowhere:
    def feed(self, data: Bytes) -> None:
        raise AssertionError("a stage was fed before it stood in a link")

    def end(self) -> None:
        raise AssertionError("a stage was ended before it stood in a link")
