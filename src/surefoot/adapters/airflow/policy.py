"""The retry policy that Airflow asks from 3.3 on. Only imported where it is there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import RetryDecision, RetryPolicy

from ...policy import Backoff
from ...runtime import Runtime
from .running import REASON, decision_on

__all__ = ["CatalogRetries"]


class CatalogRetries(RetryPolicy):  # type: ignore[misc, unused-ignore]
    """Retry or fail, as the run has decided; for what comes from elsewhere, as the catalog says.

    ``retries`` stays the upper bound.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Any = None
    ) -> RetryDecision:
        decided = decision_on(exception)
        if decided is None:
            decided = _by_catalog(exception, try_number)
        what, seconds, reason = decided
        if what == "retry":
            return RetryDecision.retry(timedelta(seconds=seconds), reason)
        return RetryDecision.fail(reason)

    def serialize(self) -> dict[str, Any]:
        return {"__type": "surefoot.CatalogRetries"}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> CatalogRetries:
        return cls()


def _by_catalog(exc: BaseException, attempt: int) -> tuple[str, float, str]:
    runtime = Runtime(create=False)
    found = runtime.classify(exc)
    said = runtime.scrub_text(f"{found.kind} ({found.category}): {found.type}: {found.message}")
    if not found.retryable:
        return "fail", 0.0, said[:REASON]
    seconds = found.retry_after
    if seconds is None:
        seconds = Backoff().wait(attempt, runtime.clock.uniform)
    return "retry", seconds, said[:REASON]
