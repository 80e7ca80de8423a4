"""Every source of a wait, in its order, and nothing that is none."""

from __future__ import annotations

import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from surefoot.catalog import load
from surefoot.catalog.examples import build
from surefoot.classify import classify
from surefoot.classify.facts import Facts
from surefoot.classify.retry_after import asked_wait, header, headers_of, in_message

CATALOG = load()
NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


def wait(now: float | None = NOW, **example: Any) -> float | None:
    exc = build({"type": "acme.Error", "status": 429, **example})
    return classify(exc, catalog=CATALOG, now=now).retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"Retry-After": "7"}, 7),
        ({"RETRY-AFTER": " 0.5 "}, 0.5),
        ({"retry-after": 7}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-3"}, 0),
        ({"retry-after-ms": "1574", "retry-after": "2"}, 1.574),
        ({"x-ms-retry-after-ms": "500"}, 0.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2),
        ({"x-retry-after": "4"}, 4),
        ({"retry-after": "20s"}, 20),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"}, 10),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:30 -0000"}, 10),
        ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0),
        ({"retry-after": "2023-11-14T22:13:25Z"}, 5),
        ({"retry-after": "2023-11-14T22:13:25.5+00:00"}, 5.5),
        ({"retry-after": "2023-11-14T22:13:25.123456789Z"}, 5.123456),
        ({"retry-after": "1700000012"}, 12),
        ({"retry-after": "1700000012500"}, 12.5),
        ({"retry-after": "1600000000"}, 0),
        ({"retry-after": "172800"}, 172_800),
        ({"retry-after": "900000000"}, None),
        ({"retry-after": "99999999999"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "2023-99-99"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "x" * 100}, None),
        ({"content-type": "text/plain"}, None),
        ({}, None),
    ],
)
def test_headers_that_name_the_wait(headers: dict[str, Any], seconds: float | None) -> None:
    assert wait(headers=headers) == (None if seconds is None else pytest.approx(seconds))


def test_dates_need_a_now_or_the_date_of_the_response() -> None:
    date = "Tue, 14 Nov 2023 22:13:30 GMT"
    assert wait(now=None, headers={"retry-after": date}) is None
    assert wait(now=None, headers={"retry-after": "1700000012"}) is None
    sent = "Tue, 14 Nov 2023 22:13:28 GMT"
    assert wait(now=None, headers={"retry-after": date, "date": sent}) == 2
    assert wait(now=NOW, headers={"retry-after": date, "date": sent}) == 10
    assert wait(now=None, headers={"retry-after": date, "date": "never"}) is None


@pytest.mark.parametrize(
    ("attrs", "seconds"),
    [
        ({"retry_after": 30}, 30),
        ({"retry_after": 1.5}, 1.5),
        ({"retry_after": "2.5"}, 2.5),
        ({"retry_after": timedelta(minutes=2)}, 120),
        ({"retry_after_seconds": 8}, 8),
        ({"retry_after_ms": 1500}, 1.5),
        ({"retry_after_ms": "250"}, 0.25),
        ({"cooldown_time": 60}, 60),
        ({"next_retry_delay": timedelta(seconds=45)}, 45),  # temporalio
        ({"retry_after": True}, None),
        ({"retry_after": None}, None),
        ({"retry_after": [3]}, None),
        ({"retry_after": float("nan")}, None),
        ({"retry_after": 10**400}, None),
        ({"retry_after": lambda: 3}, None),
        ({"retry_after": "later", "cooldown_time": 5}, 5),
    ],
)
def test_attributes_that_name_the_wait(attrs: dict[str, Any], seconds: float | None) -> None:
    assert wait(attrs=attrs) == seconds


def proto(**delay: int) -> SimpleNamespace:
    """A RetryInfo as google-api-core gives it."""
    return SimpleNamespace(retry_delay=SimpleNamespace(**delay))


DETAIL = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36s"}


@pytest.mark.parametrize(
    ("example", "seconds"),
    [
        ({"body": {"error": {"details": [{"@type": "x"}, DETAIL]}}}, 36),
        ({"body": {"details": [DETAIL]}}, 36),
        ({"response_body": {"error": {"details": [{**DETAIL, "retryDelay": "0.5s"}]}}}, 0.5),
        ({"attrs": {"details": {"error": {"details": [DETAIL]}}}}, 36),
        ({"attrs": {"details": [DETAIL]}}, 36),
        (
            {"attrs": {"details": [proto(seconds=3, nanos=500_000_000)]}},
            3.5,
        ),
        ({"attrs": {"details": [proto(seconds=3)]}}, 3),
        ({"attrs": {"details": [SimpleNamespace(retry_delay=timedelta(seconds=9))]}}, 9),
        ({"attrs": {"details": [SimpleNamespace(retry_delay=None), "x"]}}, None),
        ({"body": {"error": {"details": [{"retryDelay": 3}]}}}, None),
        ({"body": {"error": {"details": "none"}}}, None),
        ({"body": {"error": "none"}}, None),
    ],
)  # fmt: skip
def test_googles_retry_info(example: dict[str, Any], seconds: float | None) -> None:
    assert wait(**example) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        # OpenAI: durations; the longest of the exhausted buckets
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "6m0s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "20ms",
            },
            360,
        ),
        (
            {
                "x-ratelimit-remaining-requests": "499",
                "x-ratelimit-reset-requests": "6m0s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "1.5s",
            },
            1.5,
        ),
        ({"x-ratelimit-remaining-tokens": "100", "x-ratelimit-reset-tokens": "1.5s"}, None),
        # Anthropic: ISO dates
        (
            {
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2023-11-14T22:14:20Z",
                "anthropic-ratelimit-requests-remaining": "3",
                "anthropic-ratelimit-requests-reset": "2023-11-14T23:14:20Z",
            },
            60,
        ),
        # GitHub, Cohere, X: epochs
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700000300"}, 300),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "1700000300"}, 300),
        ({"x-ratelimit-reset": "1700000300000"}, 300),
        # the IETF's drafts
        ({"ratelimit-remaining": "0", "ratelimit-reset": "50"}, 50),
        ({"RateLimit": "limit=100, remaining=0, reset=30"}, 30),
        ({"RateLimit": '"default";r=0;t=45'}, 45),
        ({"RateLimit": '"default";r=9;t=45'}, None),
        ({"RateLimit": "none"}, None),
        # nobody says what remains, and a limit was hit
        ({"ratelimit-reset": "50", "x-ratelimit-reset-tokens": "2s"}, 50),
        ({"x-ratelimit-reset": "whenever"}, None),
        ({"x-ratelimit-limit": "100"}, None),
        # what is said outright goes first
        ({"retry-after": "3", "ratelimit-remaining": "0", "ratelimit-reset": "50"}, 3),
    ],
)
def test_buckets_that_say_when_they_are_full_again(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert wait(headers=headers) == seconds


def test_a_reset_alone_counts_only_where_a_limit_was_hit() -> None:
    assert wait(status=500, headers={"ratelimit-reset": "50"}) is None
    remaining = {"ratelimit-reset": "50", "ratelimit-remaining": "0"}
    assert wait(status=500, headers=remaining) == 50


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 1.574s.", 1.574),
        ("Please try again in 20ms. Visit …", 0.02),
        ("Please try again in 6m0s.", 360),
        ("try again in 1h2m3.5s", 3723.5),
        ("Try again in 1 minute and 30 seconds", 90),
        ("try again in 2 minutes, 5 sec", 125),
        ("retry after 20 seconds", 20),
        ("Please retry after 20", 20),
        ("Retry-After: 30", 30),
        ("retry_after=12.5", 12.5),
        ("Please retry in 36.52s", 36.52),
        ("{'retryDelay': '36s'}", 36),
        ("Retry your request after 2s", 2),
        ("Please wait 5 minutes before", 300),
        ("please wait for 90 secs", 90),
        ("wait another 3 hours", 10_800),
        ("Expected available in 12 seconds.", 12),
        ("Your limit resets in 2 days", 172_800),
        ("quota will reset after 10h", 36_000),
        ("wait 20s, 3 days left", 20),
        ("we retry 3 times; try again in 4 s", 4),
        ("try again in a few minutes", None),
        ("try again later", None),
        ("wait 5", None),
        ("retry 3 hosts", None),
        ("retry after 5 attempts", None),
        ("retry after 2023-11-14", None),
        ("retry after 999999999999 days", None),
        ("available 5 models", None),
        ("nothing", None),
        ("", None),
    ],
)
def test_messages_that_name_the_wait(text: str, seconds: float | None) -> None:
    found = in_message(text)
    assert (None if found is None else found.seconds) == (
        None if seconds is None else pytest.approx(seconds)
    )
    assert wait(message=text) == (None if seconds is None else pytest.approx(seconds))


def test_a_message_counts_only_where_waiting_helps() -> None:
    assert wait(status=401, message="locked, try again in 5 minutes") is None
    assert wait(status=402, message="try again in 5 minutes") == 300
    assert wait(status=503, message="try again in 5 minutes") == 300


def test_what_is_said_outright_goes_before_the_message() -> None:
    assert wait(message="try again in 9s", headers={"retry-after": "3"}) == 3


def test_the_wait_stands_in_the_evidence() -> None:
    exc = build({"type": "acme.E", "status": 429, "headers": {"retry-after": "7"}})
    found = classify(exc, catalog=CATALOG)
    assert ("wait", "7 s (header retry-after)") in [(e.what, e.value) for e in found.evidence]


class Raw:
    """Headers as httpx has them."""

    raw = [(b"Retry-After", b"7"), (b"X-Other", b"1"), (b"X-RateLimit-Reset", b"1")]


class Many(dict):  # type: ignore[type-arg]
    """As requests has them: a mapping, and no plain dict."""


@pytest.mark.parametrize(
    ("attrs", "found"),
    [
        ({"response": SimpleNamespace(headers=Raw())}, {"retry-after": "7", "x-ratelimit-reset": "1"}),
        ({"response": SimpleNamespace(headers=Many({"Retry-After": "7"}))}, {"retry-after": "7"}),
        ({"headers": {"Retry-After": "7"}}, {"retry-after": "7"}),
        (
            {"response": {"ResponseMetadata": {"HTTPHeaders": {"retry-after": "7"}}}},
            {"retry-after": "7"},
        ),
        ({"response": {}}, {}),
        ({"response": SimpleNamespace()}, {}),
        ({"response": SimpleNamespace(headers=3)}, {}),
        ({"response": SimpleNamespace(headers={"retry-after": "7", 3: "x"})}, {}),
        # litellm: the provider's, where the response is only made up, or not there
        ({"litellm_response_headers": {"Retry-After": "7"}}, {"retry-after": "7"}),
        (
            {"litellm_response_headers": Raw(), "response": SimpleNamespace(headers={})},
            {"retry-after": "7", "x-ratelimit-reset": "1"},
        ),
        (
            {
                "litellm_response_headers": {"retry-after": "7"},
                "response": SimpleNamespace(headers={"retry-after": "3"}),
            },
            {"retry-after": "3"},
        ),
        ({"litellm_response_headers": 3}, {}),
        ({}, {}),
    ],
)  # fmt: skip
def test_headers_are_read_wherever_clients_keep_them(
    attrs: dict[str, Any], found: dict[str, str]
) -> None:
    assert headers_of(Facts(build({"type": "acme.E", "attrs": attrs}))) == found


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"retry-after": "7"}, "7"),
        ({"retry-after": 7}, None),
        (Raw(), "7"),
        (SimpleNamespace(raw=[]), None),
        (SimpleNamespace(raw=[(3, 4), b"x"]), None),
        (None, None),
    ],
)
def test_one_header_is_read_wherever_clients_keep_it(headers: Any, found: str | None) -> None:
    assert header(headers, "retry-after") == found


def test_of_thousands_of_headers_the_first_are_read() -> None:
    headers = {f"x-{number}": "1" for number in range(5_000)}
    headers["retry-after"] = "7"
    assert headers_of(Facts(build({"type": "acme.E", "attrs": {"headers": headers}}))) == {}


class Long:
    """As httpx has them, with a name and a value that no server means."""

    raw = [(b"x-limit-" + b"x" * 1_000_000, b"1"), (b"x-ratelimit-reset", b"1" * 1_000_000)]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-limit-" + "x" * 1_000_000: "1", "x-ratelimit-reset": "1" * 1_000_000},
        Long(),
    ],
)
def test_a_long_name_is_none_and_a_long_value_is_cut(headers: Any) -> None:
    facts = Facts(build({"type": "acme.E", "attrs": {"headers": headers}}))
    assert headers_of(facts) == {"x-ratelimit-reset": "1" * 1_024}


def test_headers_of_megabytes_cost_next_to_nothing() -> None:
    headers = {"x-ratelimit-reset-" + letter * 1_000_000: "1" for letter in "abcdef"}
    headers |= {f"x-ratelimit-reset-{number}": "1" * 1_000_000 for number in range(20)}
    headers["ratelimit"] = "reset=" * 200_000
    exc = build({"type": "acme.E", "status": 429, "attrs": {"headers": headers}})
    took = []
    for _ in range(5):  # the quickest: a busy machine is no slow reading
        started = time.process_time()
        classify(exc, catalog=CATALOG, now=NOW)
        took.append(time.process_time() - started)
    assert min(took) < 1.0  # a pattern that backtracks needs minutes; `make bench` has the figures


def test_an_exception_that_holds_nothing_asks_for_nothing() -> None:
    bare = Facts(ValueError(), frozenset())
    assert headers_of(bare) == {}
    assert asked_wait(bare, {}, now=NOW) is None


def test_the_wait_of_the_one_that_decides_goes_first() -> None:
    cause = {"type": "openai.RateLimitError", "status": 429, "headers": {"retry-after": "3"}}
    outer = {"type": "acme.Odd", "headers": {"retry-after": "9"}, "cause": cause}
    assert classify(build(outer), catalog=CATALOG).retry_after == 3
    del cause["headers"]
    assert classify(build(outer), catalog=CATALOG).retry_after == 9
