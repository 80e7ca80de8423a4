"""Each answer of cases.toml, served on loopback, raised by the real library, judged by the catalog."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot.catalog import Catalog
from surefoot.classify import classify
from tests.rules.clients import call, call_service
from tests.rules.conftest import Verdicts
from tests.rules.servers import Answer, event_stream_error, serving

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CASES = tomllib.loads(Path(__file__).with_name("cases.toml").read_text("utf-8"))["case"]
Served = tuple[str, Callable[[Answer], None]]


def _name(case: dict[str, Any]) -> str:
    return f"{case['sdk']}: {case['name']}"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving() as served:
        yield served


def _answer(case: dict[str, Any]) -> Answer:
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
    headers["Content-Type"] = kinds.get(case["body"][:1], "text/plain")
    return Answer(case["status"], body, headers)


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_the_providers_real_answer_is_judged_right(
    case: dict[str, Any], server: Served, catalog: Catalog, verdicts: Verdicts
) -> None:
    url, answer = server
    answer(_answer(case))
    stream = bool(case.get("stream"))
    with pytest.raises(Exception) as raised:
        if case["sdk"] == "botocore":
            call_service(case["service"], url, stream)
        else:
            call(case["sdk"], url, stream)
    found = classify(raised.value, catalog=catalog, stage=case.get("stage"))
    verdicts.add(_name(case), case["retryable"], found)
    said = f"{found.rule}: {found.type}: {found.message[:300]}"
    assert found.type.split(".")[0].removesuffix("2") in (case["sdk"], "httpx"), said
    assert (found.kind, found.retryable, found.recoverable, found.outcome) == (
        case["kind"],
        case["retryable"],
        case["recoverable"],
        case["outcome"],
    ), said
    if "wait" in case:
        assert found.retry_after == pytest.approx(case["wait"]), said


def test_no_two_cases_share_a_name() -> None:
    names = [_name(case) + case.get("service", "") for case in CASES]
    assert sorted(set(names)) == sorted(names)


def test_every_case_says_where_it_is_from() -> None:
    assert [case["name"] for case in CASES if not case.get("source")] == []
