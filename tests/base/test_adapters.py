"""The adapters that come with Surefoot: what an argument becomes in the next attempt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from surefoot import grow, halve, last_error, on, split, truncate
from surefoot.attempts import Failure
from surefoot.catalog import load
from surefoot.catalog.examples import build
from surefoot.classify import classify
from surefoot.errors import DefinitionError, UnexpectedOutput
from surefoot.policy.adapters import Parts


def failure(exc: BaseException, stage: str | None = "inference") -> Failure:
    return Failure(1, exc, classify(exc, catalog=load(), stage=stage))


def test_a_limit_grows_up_to_its_maximum_and_stays_a_whole_number() -> None:
    assert grow(1.5)(1000, None) == 1500 and type(grow(1.5)(1000, None)) is int
    assert grow(2, maximum=1500)(1000, None) == 1500
    assert grow(2, maximum=1500)(1500, None) == 1500
    assert grow(2.0)(0.5, None) == 1.0


@pytest.mark.parametrize("made", [lambda: grow(1), lambda: grow(0.5), lambda: truncate(1.0)])
def test_what_changes_nothing_is_refused(made: Any) -> None:
    with pytest.raises(DefinitionError):
        made()


@pytest.mark.parametrize("minimum", [0, -1, 1.5])
def test_a_part_has_at_least_one_element(minimum: Any) -> None:
    with pytest.raises(DefinitionError, match="minimum"):
        split(minimum=minimum)


def test_what_is_short_enough_is_not_split() -> None:
    assert split()([1], None) == [1]
    assert split(minimum=4)([1, 2, 3, 4], None) == [1, 2, 3, 4]
    assert split(minimum=4)([1, 2, 3, 4, 5], None) == Parts(([1, 2, 3], [4, 5]))
    assert split()("", None) == ""


@pytest.mark.parametrize(
    ("results", "whole"),
    [
        ([[1], [2, 3]], [1, 2, 3]),
        ([(1,), (2,)], (1, 2)),
        (["ab", "c"], "abc"),
        ([{"a": 1}, {"b": 2}], {"a": 1, "b": 2}),
    ],
)
def test_results_of_parts_are_put_one_after_the_other(results: list[Any], whole: Any) -> None:
    assert split().put_together(results) == whole


def test_results_that_have_no_order_need_a_join() -> None:
    assert split(join=sum).put_together([1, 2]) == 3
    for results in ([1, 2], [[1], (2,)], [{"a": 1}, [2]]):
        with pytest.raises(TypeError, match="join="):
            split().put_together(results)


def test_what_is_wrong_with_an_answer_is_handed_back() -> None:
    try:
        json.loads('{"a" 1}')
    except ValueError as exc:
        told = last_error(None, failure(exc))
    assert "delimiter" in told
    assert "expected a number" in last_error("", failure(UnexpectedOutput("expected a number")))


def test_the_text_of_an_apis_error_is_never_handed_to_a_model() -> None:
    limited = build({"type": "openai.RateLimitError", "message": "org-secret", "status": 429})
    assert last_error("before", failure(limited)) == "before"
    # a server's complaint about the request looks like a validation error, and is none
    wrapped = build(
        {
            "type": "instructor.Odd",
            "message": "malformed",
            "cause": {"type": "openai.BadRequestError", "message": "key sk-1", "status": 400},
        }
    )
    as_if = Failure(1, wrapped, failure(UnexpectedOutput("x")).classification)
    assert as_if.feedback is None


def test_a_chain_of_causes_without_end_is_left_alone() -> None:
    one = UnexpectedOutput("one")
    one.__cause__ = one
    assert failure(one).feedback == "one"


def test_a_fallback_may_have_a_limit_of_its_own() -> None:
    made = on("timeout").fall_back(print, timeout=5.0)
    assert made.fallbacks[0].timeout == 5.0
    assert on("timeout").fall_back(model="small", timeout=5.0).fallbacks[0].timeout == 5.0
    assert on("timeout").fall_back(print).fallbacks[0].timeout is None
    with pytest.raises(DefinitionError, match="timeout"):
        on("timeout").fall_back(print, timeout=0)


def test_halving_ends_at_its_floor() -> None:
    assert [halve(2)(n, None) for n in (9, 3, 2)] == [4, 2, 2]
