"""Retries that a client library already spent, read off its exception.

They count: five attempts around a client that tries three times each are fifteen requests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from surefoot.catalog.plan import Plan
from surefoot.classify.facts import Facts
from surefoot.classify.retry_after import header
from surefoot.classify.safely import attribute, integer, path

__all__ = ["retries_spent"]

_BOTOCORE = re.compile(r"\(reached max retries: (\d{1,3})\)")
_URLLIB3 = "urllib3.exceptions.MaxRetryError"
_MOST = 1_000


def retries_spent(facts: Facts, plan: Plan) -> int:
    """How often a library has already retried before it raised this exception; 0 if nothing says so.

    >>> from surefoot.catalog import load
    >>> error = OSError("An error occurred (503) (reached max retries: 4): Slow Down")
    >>> retries_spent(Facts(error), load().plan(OSError))
    4
    """
    if facts.bare and plan.name != _URLLIB3 and "reached max retries" not in facts.text:
        return 0
    found = _of_stainless(facts)
    if found is None and "reached max retries" in facts.text:
        said = _BOTOCORE.search(facts.text)
        found = int(said[1]) if said else None
    if found is None:
        found = _of_attributes(facts.own)
    if found is None and plan.name == _URLLIB3:
        found = _of_urllib3(facts.exc)
    return 0 if found is None else max(0, min(found, _MOST))


def _of_stainless(facts: Facts) -> int | None:
    """openai, anthropic and their like number their requests in a header."""
    request = facts.own.get("request")
    if request is None:
        return None
    return integer(header(attribute(request, "headers"), "x-stainless-retry-count"))


def _of_attributes(own: Mapping[str, Any]) -> int | None:
    if "last_attempt" in own:  # tenacity.RetryError
        number = integer(attribute(own["last_attempt"], "attempt_number"))
        return None if number is None else number - 1
    if "last_exception" in own:  # redress
        number = integer(own.get("attempts"))
        return None if number is None else number - 1
    if isinstance(own.get("response"), dict):  # botocore
        return integer(path(own["response"], ("ResponseMetadata", "RetryAttempts")))
    return None


def _of_urllib3(exc: Any) -> int:
    """``Retry.history`` of the frame that gave up; requests raises MaxRetryError after no retry too."""
    try:
        traceback: TracebackType | None = exc.__traceback__
        history = None
        for _ in range(200):
            if traceback is None:
                break
            frame = traceback.tb_frame
            if frame.f_code.co_name == "increment":
                history = attribute(frame.f_locals.get("new_retry"), "history")
            traceback = traceback.tb_next
        if isinstance(history, tuple):
            return len(history) - 1
    except BaseException:
        return 1
    return 1
