"""Clocks for tests."""

from __future__ import annotations

import time

from surefoot.clock import SystemClock


class HurriedClock(SystemClock):
    """Real time, but nobody waits for long: a back-off of seconds becomes two milliseconds."""

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.002))

    async def sleep_async(self, seconds: float) -> None:
        await super().sleep_async(min(seconds, 0.002))
