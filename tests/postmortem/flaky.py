"""Functions that fail as often, and as, they are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class RateLimited(Exception):
    """What many clients raise for a 429: judged by its status."""

    def __init__(self, message: str = "slow down", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status_code = 429
        self.headers = {} if retry_after is None else {"retry-after": str(retry_after)}


class Times:
    """Raises what ``make`` gives in the first ``number`` calls; ``mended`` ends that."""

    def __init__(self, number: float, make: Callable[[], BaseException]) -> None:
        self.left = number
        self.calls = 0
        self._make = make

    def __call__(self, *_: Any) -> None:
        self.calls += 1
        if self.left > 0:
            self.left -= 1
            raise self._make()

    def mend(self) -> None:
        self.left = 0


def refused() -> BaseException:
    return ConnectionRefusedError(111, "Connection refused")
