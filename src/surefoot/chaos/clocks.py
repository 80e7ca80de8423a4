"""Time in a chaos run: waits are skipped, work is real."""

from __future__ import annotations

import threading

from ..clock import SystemClock

__all__ = ["SkippingClock"]

LONGEST = 0.002
"""Seconds that a wait really takes: whoever polls leaves the processor to others."""


class SkippingClock(SystemClock):
    """The real time, with waits that are counted instead of waited for.

    :param skipped: seconds that earlier processes of the same run have skipped: its time goes on.

    >>> clock = SkippingClock()
    >>> clock.sleep(3600)
    >>> clock.skipped > 3599
    True
    """

    def __init__(self, skipped: float = 0.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.skipped = skipped
        self.shifted = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return super().now() + self.skipped + self.shifted

    def jump(self, seconds: float) -> None:
        """Set the wall clock, forward or back, as NTP or a person does; waits are not touched."""
        with self._lock:
            self.shifted += seconds

    def monotonic(self) -> float:
        return super().monotonic() + self.skipped

    def sleep(self, seconds: float) -> None:
        real = min(max(seconds, 0.0), LONGEST)
        super().sleep(real)
        self._skip(seconds - real)

    async def sleep_async(self, seconds: float) -> None:
        real = min(max(seconds, 0.0), LONGEST)
        await super().sleep_async(real)
        self._skip(seconds - real)

    def _skip(self, seconds: float) -> None:
        with self._lock:
            self.skipped += max(seconds, 0.0)
