"""Clocks for tests."""

from __future__ import annotations

import time
from collections.abc import Callable

from surefoot.clock import SystemClock


class HurriedClock(SystemClock):
    """Real time, but nobody waits for long: a back-off of seconds becomes two milliseconds.

    :param told: called with ``wait`` at the beginning of each; failure tests kill there.
    """

    def __init__(self, told: Callable[[str], None] | None = None) -> None:
        super().__init__()
        self._told = told

    def sleep(self, seconds: float) -> None:
        self._tell()
        time.sleep(min(seconds, 0.002))

    async def sleep_async(self, seconds: float) -> None:
        self._tell()
        await super().sleep_async(min(seconds, 0.002))

    def _tell(self) -> None:
        if self._told is not None:
            self._told("wait")
