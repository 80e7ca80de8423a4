"""Time, sleep and chance, as things that are passed in.

No other module reads the clock or rolls dice. Tests pass a :class:`ManualClock`, whose sleeps cost
nothing and whose time can be read afterwards.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Chance", "Clock", "ManualClock", "SystemClock", "seconds_of"]

Chance = Callable[[float, float], float]
"""``chance(low, high)`` returns a number between the two, like :func:`random.uniform`."""

UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}


def seconds_of(text: str) -> float:
    """A duration as people write it, in seconds.

    :raises ValueError: it is no number with one of the units s, m, h, d and w.

    >>> seconds_of("90s"), seconds_of("1.5h"), seconds_of("2d")
    (90.0, 5400.0, 172800.0)
    """
    seconds = float(text[:-1]) * UNITS.get(text[-1:], float("nan"))
    if not 0 <= seconds < float("inf"):
        raise ValueError(text)
    return seconds


class Clock(Protocol):
    """What the rest of Surefoot knows of time. All values are seconds."""

    def now(self) -> float:
        """Seconds since the epoch, for people and for records."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards, for waits and limits."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        ...

    async def sleep_async(self, seconds: float) -> None:
        """Suspend the calling task."""
        ...

    def uniform(self, low: float, high: float) -> float:
        """Chance: see :data:`Chance`."""
        ...


class SystemClock:
    """The real thing. ``seed`` makes its chance repeatable."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)

    async def sleep_async(self, seconds: float) -> None:
        import asyncio  # only an async program, which has it loaded already, gets here

        await asyncio.sleep(max(0.0, seconds))

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)


class ManualClock:
    """A clock that stands still until someone sleeps on it, or calls :meth:`advance`.

    ``sleeps`` lists every wait in seconds. Chance always gives the upper end, so that back-off
    reads as its cap.

    >>> clock = ManualClock(start=1000.0)
    >>> clock.sleep(2.5)
    >>> clock.now(), clock.sleeps
    (1002.5, [2.5])
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._lock = threading.Lock()
        self.sleeps: list[float] = []

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass without anyone sleeping."""
        with self._lock:
            self._now += seconds

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)
            self._now += max(0.0, seconds)

    async def sleep_async(self, seconds: float) -> None:
        import asyncio  # only an async program, which has it loaded already, gets here

        self.sleep(seconds)
        await asyncio.sleep(0)  # no time passes, but the other tasks get their turn

    def uniform(self, low: float, high: float) -> float:
        return high
