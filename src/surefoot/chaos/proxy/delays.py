"""Toxics that hold bytes back: ``latency``, ``bandwidth`` and ``slicer``."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from ...clock import Chance
from .stages import Bytes, Stage, Timer, Way

__all__ = ["Bandwidth", "Latency", "Slicer"]


class _Timed(Stage):
    """Holds pieces until each one's time has come, the first in the first out."""

    def __init__(self, attributes: Mapping[str, Any], way: Way, chance: Chance) -> None:
        super().__init__(attributes, way, chance)
        self._queue: deque[tuple[float, memoryview]] = deque()
        self._last = -math.inf
        self._ending = False
        self._timer: Timer | None = None

    def plan(self, data: memoryview, now: float) -> Iterable[tuple[float, memoryview]]:
        """(when it may go on, piece) in order; ``math.inf`` is never."""
        raise NotImplementedError

    def feed(self, data: Bytes) -> None:
        now = self.way.loop.time()
        planned = [] if self.passing else list(self.plan(memoryview(data), now))
        late = bool(planned) and max(self._last, planned[-1][0]) > now
        if not planned or ((late or len(planned) > 1) and not self._fire()):
            self.next.feed(data)  # nothing is held: it has never acted on this connection
            return
        for when, piece in planned:
            self._last = max(self._last, when)  # later bytes never overtake earlier ones
            self._queue.append((self._last, piece))
            self.held += len(piece)
        self._run()

    def end(self) -> None:
        self._ending = True
        self._run()

    def update(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = attributes
        again, ending = [piece for _, piece in self._queue], self._ending
        self.stop()
        self._last, self.held, self._ending = -math.inf, 0, False
        for piece in again:
            self.feed(piece)
        if ending:
            self.end()

    def release(self) -> None:
        pieces = [piece for _, piece in self._queue]
        self.stop()
        self.held = 0
        for piece in pieces:
            self.next.feed(piece)
        if self._ending and not self.over:
            self.over = True
            self.next.end()

    def stop(self) -> None:
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        """Hand on what is due, and come again for the rest."""
        now = self.way.loop.time()
        while self._queue and self._queue[0][0] <= now:
            piece = self._queue.popleft()[1]
            self.held -= len(piece)
            self.next.feed(piece)
        if self._queue:
            if self._timer is None and self._queue[0][0] < math.inf:
                self._timer = self.way.loop.call_at(self._queue[0][0], self._wake)
        elif self._ending and not self.over:
            self.over = True
            self.next.end()
        self.way.check()

    def _wake(self) -> None:
        self._timer = None
        self._run()


class Latency(_Timed):
    """Each byte comes ``latency`` ± ``jitter`` ms later; how much flows does not change."""

    window = 32 * 1024 * 1024

    def plan(self, data: memoryview, now: float) -> Iterable[tuple[float, memoryview]]:
        delay = self.attributes["latency"]
        jitter = self.attributes["jitter"]
        if jitter > 0:
            delay += self.chance(-jitter, jitter)
        yield now + max(delay, 0) / 1000, data


class Bandwidth(_Timed):
    """At most ``rate`` KB (1,000 bytes) a second; at 0 nothing passes."""

    SLICE = 0.1
    """Seconds: a longer piece is sent in parts of this length, so that the flow looks like one."""

    def plan(self, data: memoryview, now: float) -> Iterable[tuple[float, memoryview]]:
        rate = self.attributes["rate"] * 1000
        if rate <= 0:
            yield math.inf, data
            return
        size = max(1, int(rate * self.SLICE))
        when = max(now, self._last) if self._last < math.inf else now
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            when += len(piece) / rate
            yield when, piece


class Slicer(_Timed):
    """Pieces of ``average_size`` ± ``size_variation`` bytes, ``delay`` µs apart."""

    def plan(self, data: memoryview, now: float) -> Iterable[tuple[float, memoryview]]:
        delay = max(0, self.attributes["delay"]) / 1_000_000
        sizes = list(self._sizes(len(data)))
        when, start = max(now, self._last + delay), 0
        for size in sizes:
            yield when, data[start : start + size]
            start += size
            when += delay

    def _sizes(self, length: int) -> Iterable[int]:
        average = max(1, self.attributes["average_size"])
        variation = max(0, min(self.attributes["size_variation"], average - 1))
        while length > average + variation:
            size = average
            if variation:
                size += round(self.chance(-variation, variation))
            yield size
            length -= size
        if length:
            yield length
