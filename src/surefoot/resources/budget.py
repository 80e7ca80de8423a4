"""A retry budget: retries can never multiply an outage.

A token bucket. A retry takes tokens, a success gives some back. Where most calls work it is never
empty; where none do, retries end after a while, however many steps would like to retry.

Source: the standard retry mode of the AWS SDKs (a retry costs 5, one after a timeout 10).
"""

from __future__ import annotations

__all__ = ["RetryBudget"]

COST = 5.0
TIMEOUT_COST = 10.0
REFUND = 1.0
FREE = frozenset(("rate_limited", "circuit_open"))
"""Kinds whose retries wait for the word of the server, or of the breaker: they multiply nothing."""


class RetryBudget:
    """Tokens for ``retries`` retries without a success; 0 means no bound.

    >>> budget = RetryBudget(1)
    >>> budget.allows("connection"), budget.take("connection"), budget.allows("connection")
    (True, None, False)
    """

    def __init__(self, retries: int) -> None:
        self._capacity = retries * COST
        self._tokens = self._capacity

    def allows(self, kind: str) -> bool:
        return not self._capacity or kind in FREE or self._tokens >= _cost(kind)

    def take(self, kind: str) -> None:
        if self._capacity and kind not in FREE:
            self._tokens = max(0.0, self._tokens - _cost(kind))

    @property
    def retries_left(self) -> int | None:
        """Retries that it still allows; None: no bound."""
        return int(self._tokens // COST) if self._capacity else None

    def succeeded(self) -> None:
        self._tokens = min(self._capacity, self._tokens + REFUND)


def _cost(kind: str) -> float:
    return TIMEOUT_COST if kind == "timeout" else COST
