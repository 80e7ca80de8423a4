"""A circuit breaker: after so many failures in a row nothing is tried for a while, then one call."""

from __future__ import annotations

from typing import Literal

__all__ = ["DOWN", "Breaker", "State"]

State = Literal["closed", "open", "half_open"]

DOWN = frozenset(
    (
        *("connection", "dns", "tls", "timeout", "server_error", "overloaded", "model_not_ready"),
        *("too_many_connections", "storage_fault", "resource_exhausted"),
    )
)
"""Kinds that say that a resource itself is in trouble, and not the one who asked."""
LONGEST = 10
"""An opening lasts at most so many times the first one."""


class Breaker:
    """Closed, open, half-open. Times are seconds of one clock; not safe for threads by itself.

    >>> breaker = Breaker(failures=2, seconds=30.0)
    >>> breaker.failed(0.0), breaker.failed(1.0), breaker.state(1.0), breaker.left(11.0)
    (False, True, 'open', 20.0)
    """

    def __init__(self, failures: int, seconds: float) -> None:
        self._failures = failures
        self._seconds = seconds
        self._in_a_row = 0
        self._openings = 0
        self._open_until: float | None = None
        self._probing = False

    def state(self, now: float) -> State:
        if self._open_until is None:
            return "closed"
        return "open" if now < self._open_until else "half_open"

    def left(self, now: float) -> float:
        """Seconds until a trial call may be made."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - now)

    def may_try(self, now: float) -> bool:
        """Whether a call may be made; half-open lets one through, whose end decides."""
        state = self.state(now)
        if state == "half_open" and not self._probing:
            self._probing = True
            return True
        return state == "closed"

    def gave_up(self) -> None:
        """The trial call ended without a verdict: another one may be made."""
        self._probing = False

    def succeeded(self) -> bool:
        """A call worked. Answers whether that closed the circuit."""
        closed = self._open_until is not None
        self._in_a_row, self._openings = 0, 0
        self._open_until, self._probing = None, False
        return closed

    def failed(self, now: float) -> bool:
        """A call failed because the resource is in trouble. Answers whether that opened the circuit."""
        self._in_a_row += 1
        state = self.state(now)
        if state == "open":
            return False  # it had begun before
        if state == "closed" and self._in_a_row < self._failures:
            return False
        lasts = self._seconds * min(LONGEST, 2**self._openings)
        self._openings = min(self._openings + 1, 16)
        self._open_until = now + lasts
        self._probing = False
        return True

    def open_until(self, until: float) -> None:
        """Another process opened it."""
        self._open_until = max(until, self._open_until or until)
        self._openings = max(1, self._openings)
