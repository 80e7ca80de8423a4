"""SIGTERM and SIGHUP while a run is going: no new step, some seconds for those that run, then out."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..clock import SystemClock
from ..errors import RunInterrupted

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

__all__ = ["Stopping"]

SIGNALS = ("SIGTERM", "SIGHUP")
NAP = 0.05
"""Seconds that a sleep still lasts once the process is to end: whoever polls must not spin."""


class Stopping:
    """Takes the signals for the length of a ``with`` block.

    The first one calls ``stop`` (no new step begins), wakes whoever waits for a next attempt, and
    after ``grace`` seconds ends the body. A second one ends it at once. Before :meth:`watch` was
    called there is nothing to wait for.

    ``exit_code`` is 128 + the signal's number once one came, else None. ``clock`` is the one to run
    with: its sleeps end early when a signal comes.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._stop: Callable[[], None] | None = None
        self._grace = 0.0
        self._end: Callable[[], None] = _raise
        self._old: dict[int, Any] = {}
        self._readable, self._writable = os.pipe()
        self.clock = WakingClock(self._readable)

    def watch(self, stop: Callable[[], None], grace: float) -> None:
        """From now on a signal calls ``stop``, and gives ``grace`` seconds."""
        self._stop, self._grace = stop, grace

    def end_by(self, end: Callable[[], None]) -> None:
        """What ends the body when its time is over: an event loop has its own way."""
        self._end = end

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            for name in SIGNALS:
                number = getattr(signal, name, None)
                # what was ignored from outside (nohup) stays ignored
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._old[number] = signal.signal(number, self._came)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.exit_code is not None and self._stop is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, old in self._old.items():
            signal.signal(number, old if old is not None else signal.SIG_DFL)
        self.clock.close()
        os.close(self._writable)
        os.close(self._readable)

    def _came(self, number: int, frame: FrameType | None) -> None:
        second = self.exit_code is not None
        self.exit_code = 128 + number
        if self._stop is None or second:
            self._end()
            return
        self._stop()
        os.write(self._writable, b"!")
        self.clock.wake()
        self._old[signal.SIGALRM] = signal.signal(signal.SIGALRM, lambda *_: self._end())
        signal.setitimer(signal.ITIMER_REAL, max(self._grace, 0.001))


def _raise() -> None:
    raise RunInterrupted("stopped before a run began")


class WakingClock(SystemClock):
    """The real clock, but nobody sleeps on when the process is to end."""

    def __init__(self, readable: int) -> None:
        super().__init__()
        self._readable = readable
        self._woken = False
        self._loop: AbstractEventLoop | None = None
        self._sleepers: set[Future[None]] = set()

    def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        if self._woken:
            super().sleep(min(seconds, NAP))
            return
        if not hasattr(select, "poll"):  # Windows, which has no SIGTERM to wake up for
            super().sleep(seconds)
            return
        # A pipe, since a signal's handler must take no lock; nobody reads it, so all wake up.
        poll = select.poll()
        poll.register(self._readable, select.POLLIN)
        poll.poll(seconds * 1000)

    async def sleep_async(self, seconds: float) -> None:
        import asyncio

        if seconds <= 0 or self._woken:
            await asyncio.sleep(max(0.0, min(seconds, NAP)))
            return
        self._loop = asyncio.get_running_loop()
        sleeper: Future[None] = self._loop.create_future()
        self._sleepers.add(sleeper)
        try:
            await asyncio.wait({sleeper}, timeout=seconds)
        finally:
            self._sleepers.discard(sleeper)

    def wake(self) -> None:
        """Called by a signal's handler, in the main thread."""
        self._woken = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_sleepers)

    def _wake_sleepers(self) -> None:
        for sleeper in list(self._sleepers):
            if not sleeper.done():
                sleeper.set_result(None)

    def close(self) -> None:
        self._woken = True
