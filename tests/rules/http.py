"""One case of a provider's answer: served on loopback, and held against what it must be judged as."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from surefoot.catalog import Catalog
from surefoot.classify import classify
from tests.rules.conftest import Verdicts
from tests.rules.servers import Answer, event_stream_error

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["answer_of", "hold_against", "name_of", "read_cases"]

Case = dict[str, Any]


def read_cases(path: Path) -> list[Case]:
    """The ``[[case]]`` tables of a file."""
    found: list[Case] = tomllib.loads(path.read_text("utf-8"))["case"]
    return found


def name_of(case: Case) -> str:
    return f"{case['sdk']}: {case['name']}"


def answer_of(case: Case) -> Answer:
    """What goes over the wire."""
    body = case["body"].encode()
    headers = dict(case.get("headers", {}))
    if case.get("stream"):
        if case["sdk"] == "botocore":
            code = headers.pop("x-amzn-ErrorType")
            headers["Content-Type"] = "application/vnd.amazon.eventstream"
            return Answer(case["status"], event_stream_error(code, body), headers)
        headers["Content-Type"] = "text/event-stream"
        event = b"event: error\n" if case["sdk"] == "anthropic" else b""
        return Answer(case["status"], event + b"data: " + body + b"\n\n", headers)
    kinds = {"{": "application/json", "[": "application/json", "<": "text/html"}
    headers.setdefault("Content-Type", kinds.get(case["body"][:1], "text/plain"))
    return Answer(case["status"], body, headers)


def hold_against(
    case: Case,
    exc: BaseException,
    catalog: Catalog,
    verdicts: Verdicts,
    raised_by: tuple[str, ...],
) -> None:
    """Judge what was raised, count the verdict, and compare it with the case.

    :param raised_by: packages of which the deciding exception may be.
    """
    import pytest

    found = classify(exc, catalog=catalog, stage=case.get("stage"))
    verdicts.add(name_of(case), case["retryable"], found)
    said = f"{found.rule}: {found.type}: {found.message[:300]}"
    assert found.type.split(".")[0] in raised_by, said
    assert (found.kind, found.retryable, found.recoverable, found.outcome) == (
        case["kind"],
        case["retryable"],
        case["recoverable"],
        case["outcome"],
    ), said
    if "wait" in case:
        assert found.retry_after == pytest.approx(case["wait"]), said
