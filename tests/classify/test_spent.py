"""Retries that a client library already made are recognised and counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from surefoot.catalog import load
from surefoot.catalog.examples import build
from surefoot.classify import classify

CATALOG = load()


def spent(exc: BaseException) -> int:
    return classify(exc, catalog=CATALOG).retries_spent


def sent(**headers: str) -> SimpleNamespace:
    return SimpleNamespace(headers={name.replace("_", "-"): headers[name] for name in headers})


def last(number: int) -> dict[str, Any]:
    return {"type": "tenacity.RetryError", "attrs": {"last_attempt": tries(number)}}


def tries(number: int) -> SimpleNamespace:
    return SimpleNamespace(attempt_number=number)


BOTOCORE = {"type": "botocore.exceptions.ClientError"}
REDRESS = {"type": "redress.errors.RetryExhaustedError"}
SLOW = {"Error": {"Code": "SlowDown"}}


@pytest.mark.parametrize(
    ("example", "count"),
    [
        ({"type": "openai.E", "attrs": {"request": sent(x_stainless_retry_count="2")}}, 2),
        ({"type": "openai.E", "attrs": {"request": sent()}}, 0),
        ({"type": "acme.E", "attrs": {"request": SimpleNamespace()}}, 0),
        ({**BOTOCORE, "message": "An error occurred (SlowDown) (reached max retries: 4): x"}, 4),
        ({"type": "acme.E", "message": "reached max retries, whatever"}, 0),
        ({**BOTOCORE, "body": {**SLOW, "ResponseMetadata": {"RetryAttempts": 3}}}, 3),
        ({**BOTOCORE, "body": SLOW}, 0),
        (last(5), 4),
        (last(10**8), 1_000),
        (last(0), 0),
        ({"type": "tenacity.RetryError", "attrs": {"last_attempt": None}}, 0),
        ({**REDRESS, "attrs": {"last_exception": ValueError(), "attempts": 3}}, 2),
        ({**REDRESS, "attrs": {"last_exception": ValueError()}}, 0),
        ({"type": "urllib3.exceptions.MaxRetryError"}, 1),
        ({"type": "acme.E"}, 0),
    ],
)
def test_what_the_exception_says(example: dict[str, Any], count: int) -> None:
    assert spent(build(example)) == count


def increment(history: Any) -> None:
    """Like the method of urllib3's Retry that gives up."""
    new_retry = SimpleNamespace(history=history)
    assert new_retry.history is history
    raise build({"type": "urllib3.exceptions.MaxRetryError"})


@pytest.mark.parametrize(
    ("history", "count"), [(("first",), 0), (("first", "second", "third"), 2), (None, 1)]
)
def test_urllib3_keeps_the_number_in_its_frames(history: Any, count: int) -> None:
    def deeper(left: int) -> None:
        if left:
            deeper(left - 1)
        increment(history)

    with pytest.raises(Exception) as caught:
        deeper(3)
    assert spent(caught.value) == count
    with pytest.raises(Exception) as caught:
        deeper(250)  # farther down than anyone looks
    assert spent(caught.value) == 1


def test_a_traceback_that_cannot_be_read_is_one_retry() -> None:
    def fail(self: Any) -> Any:
        raise RuntimeError

    cls = type(build({"type": "urllib3.exceptions.MaxRetryError"}))
    cls.__traceback__ = property(fail)  # type: ignore[assignment]
    assert spent(cls()) == 1


def test_the_retries_stand_in_the_evidence() -> None:
    exc = build({"type": "urllib3.exceptions.MaxRetryError"})
    found = classify(exc, catalog=CATALOG)
    assert ("retries already made", "1") in [(e.what, e.value) for e in found.evidence]


def test_retries_of_a_cause_count() -> None:
    exc = build({"type": "acme.Odd"})
    exc.__cause__ = build({"type": "urllib3.exceptions.MaxRetryError"})
    assert spent(exc) == 1
