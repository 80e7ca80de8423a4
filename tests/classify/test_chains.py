"""Causes, contexts, wrappers, groups: the most specific wins, and in a group the worst."""

from __future__ import annotations

import asyncio
import builtins
from typing import Any

import pytest

from surefoot.catalog import load
from surefoot.catalog.examples import build
from surefoot.classify import classify
from surefoot.errors import RunCancelled, WorkflowCriticalError, WorkflowRetryError
from surefoot.model import Classification, Evidence, Rung

CATALOG = load(
    extra_rules={
        "rule": [
            {"id": "own.wrapper", "kind": "connection", "class": "acme.Wrapper", "wrapper": True},
            {"id": "own.known", "kind": "overloaded", "class": "acme.Known"},
            {"id": "own.group", "kind": "auth", "class": "acme.KnownGroup"},
            {"id": "own.code", "kind": "quota_exhausted", "class": "beta.Code", "attr": {"x": 1}},
        ]
    }
)


def judged(exc: BaseException, **setting: Any) -> Classification:
    return classify(exc, catalog=CATALOG, **setting)


def made(type: str, **example: Any) -> BaseException:
    return build({"type": type, **example})


def raised(exc: BaseException, handling: BaseException | None = None) -> BaseException:
    """``exc`` as it is when it was raised, while ``handling`` another."""
    try:
        if handling is None:
            raise exc
        try:
            raise handling
        except BaseException:
            raise exc  # noqa: B904
    except BaseException as caught:
        return caught


KNOWN = {"type": "acme.Known"}
REFUSED = {"type": "builtins.ConnectionRefusedError", "errno": "ECONNREFUSED", "message": "x"}


def test_a_known_cause_decides_over_an_unknown_exception() -> None:
    found = judged(made("acme.Odd", message="outer", cause={**KNOWN, "message": "inner"}))
    assert (found.kind, found.type, found.message) == ("overloaded", "acme.Known", "inner")
    assert Evidence("cause of", "acme.Odd") in found.evidence


def test_a_specific_cause_decides_over_a_builtin_class() -> None:
    assert judged(made("builtins.ValueError", message="bad", cause=KNOWN)).kind == "overloaded"
    assert judged(made("acme.Known", cause={"type": "builtins.KeyError"})).kind == "overloaded"


def test_the_nearest_of_equals_decides() -> None:
    assert judged(made("socket.gaierror", cause={"type": "zipfile.BadZipFile"})).kind == "dns"
    assert judged(made("zipfile.BadZipFile", cause={"type": "socket.gaierror"})).kind == (
        "corrupt_file"
    )


def test_users_rules_decide_wherever_in_the_chain_they_hold() -> None:
    assert judged(made("zipfile.BadZipFile", cause=KNOWN)).kind == "overloaded"


def test_a_code_deeper_down_decides_over_a_class() -> None:
    assert judged(made("acme.Known", cause={"type": "beta.Code", "attrs": {"x": 1}})).kind == (
        "quota_exhausted"
    )


def test_a_wrapper_steps_back_for_whatever_it_wraps() -> None:
    assert judged(made("acme.Wrapper", cause={"type": "builtins.TypeError"})).kind == "bug"
    assert judged(made("acme.Wrapper", cause=REFUSED)).rule == "builtins.connection_refused"
    assert judged(made("acme.Wrapper", cause={"type": "acme.Odd"})).rule == "own.wrapper"
    assert judged(made("acme.Wrapper")).rule == "own.wrapper"


@pytest.mark.parametrize(
    "name",
    [
        *("orig", "reason", "last_exception", "original_exception", "inner_exception"),
        "exception",
    ],
)
def test_what_libraries_keep_in_attributes_is_a_cause(name: str) -> None:
    assert judged(made("acme.Odd", attrs={name: made("acme.Known")})).kind == "overloaded"
    assert judged(made("acme.Odd", attrs={name: "a text"})).kind == "unknown"


def test_tenacity_is_looked_through_without_waiting() -> None:
    class Future:
        attempt_number = 3

        def __init__(self) -> None:
            self._exception = made("acme.Known")

        def exception(self) -> BaseException:
            raise AssertionError("a future that is not done would wait here")

    found = judged(made("tenacity.RetryError", attrs={"last_attempt": Future()}))
    assert (found.kind, found.retries_spent) == ("overloaded", 2)
    assert judged(made("tenacity.RetryError", attrs={"last_attempt": None})).kind == (
        "retries_exhausted"
    )


def test_an_exception_among_the_arguments_is_a_cause() -> None:
    assert judged(made("acme.Odd", args=["x", made("acme.Known")])).kind == "overloaded"
    odd: Any = made("acme.Odd")
    odd.args = ("x",)
    assert judged(odd).kind == "unknown"


def test_what_was_being_handled_counts_where_nothing_certain_is_known() -> None:
    known = made("acme.Known")
    assert judged(raised(made("acme.Odd"), known)).kind == "overloaded"
    assert judged(raised(ValueError("bad"), known)).kind == "overloaded"
    found = judged(raised(made("acme.Odd"), known))
    assert Evidence("handled before", "acme.Odd") in found.evidence


def test_what_was_being_handled_does_not_count_against_what_is_certain() -> None:
    code = made("beta.Code", attrs={"x": 1})
    assert judged(raised(made("acme.Known"), code)).kind == "overloaded"
    # a bug in the handler is a bug
    assert judged(raised(TypeError("None is not callable"), made("acme.Known"))).kind == "bug"
    assert judged(raised(TypeError("x", made("acme.Odd")), made("acme.Known"))).kind == "bug"


def test_what_was_hidden_does_not_count() -> None:
    exc = made("acme.Odd", context=KNOWN)
    assert judged(exc).kind == "overloaded"
    exc.__suppress_context__ = True
    assert judged(exc).kind == "unknown"


def test_a_long_way_of_contexts_and_causes_is_followed() -> None:
    inner = made("acme.Odd", cause={"type": "acme.Odd2", "context": KNOWN})
    assert judged(raised(made("acme.Odd3"), inner)).kind == "overloaded"


def test_a_cancellation_deeper_down_is_no_cancellation() -> None:
    timeout = TimeoutError()
    timeout.__cause__ = asyncio.CancelledError()
    assert judged(timeout).kind == "timeout"
    odd = made("acme.Odd")
    odd.__cause__ = asyncio.CancelledError()
    assert judged(odd).kind == "unknown"


def test_a_cancellation_is_one_whatever_it_interrupted() -> None:
    assert judged(raised(KeyboardInterrupt(), made("acme.Known"))).kind == "cancelled"
    assert judged(raised(asyncio.CancelledError(), made("acme.Known"))).kind == "cancelled"
    assert judged(raised(GeneratorExit())).kind == "control_flow"


class Group(Exception):
    """An exception group as Python 3.10 has none."""

    def __init__(self, *members: Any) -> None:
        super().__init__("a group")
        self.exceptions = members


def test_in_a_group_the_worst_decides() -> None:
    found = judged(Group(made("acme.Known"), KeyError("x"), TimeoutError()))
    assert (found.kind, found.type) == ("bug", "builtins.KeyError")
    assert Evidence("member of", f"{__name__}.Group") in found.evidence
    assert judged(Group(TimeoutError(), made("acme.Odd"))).kind == "unknown"
    assert judged(Group(made("acme.Odd"), PermissionError(13, "x"))).kind == "permission"


def test_members_are_judged_with_their_causes() -> None:
    assert judged(Group(made("acme.Odd", cause=KNOWN))).kind == "overloaded"


def test_a_group_of_groups_is_one_group() -> None:
    assert judged(Group(Group(Group(TimeoutError())), Group(KeyError("x")))).kind == "bug"
    inner = Group(TimeoutError())
    assert judged(Group(inner, inner)).kind == "timeout"


def test_a_group_further_down_is_a_cause() -> None:
    odd = made("acme.Odd")
    odd.__cause__ = Group(made("acme.Known"))
    assert judged(odd).kind == "overloaded"
    known = made("acme.Known")
    known.__cause__ = Group(KeyError("x"))
    assert judged(known).kind == "overloaded"


def test_a_rule_for_the_group_itself_decides() -> None:
    group: Any = made("acme.KnownGroup")
    group.exceptions = (made("acme.Known"),)
    assert judged(group).kind == "auth"


def test_a_group_without_exceptions_is_an_exception() -> None:
    assert judged(Group("x", 3)).kind == "unknown"
    assert judged(Group()).kind == "unknown"
    odd: Any = made("acme.Odd")
    odd.exceptions = "nothing of the sort"
    assert judged(odd).kind == "unknown"


def test_a_group_of_cancellations_is_a_cancellation() -> None:
    assert judged(Group(asyncio.CancelledError())).kind == "cancelled"
    assert judged(Group(asyncio.CancelledError(), TimeoutError())).kind == "timeout"


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(), RunCancelled()])
def test_who_wants_the_program_to_end_is_heard_in_a_group_too(stop: BaseException) -> None:
    assert judged(Group(KeyError("x"), stop, WorkflowCriticalError("x"))).kind == "cancelled"


def test_the_real_groups_are_groups() -> None:
    real: Any = getattr(builtins, "ExceptionGroup", None)  # from Python 3.11 on
    group = real("x", [TimeoutError(), KeyError("x")]) if real else Group(KeyError("x"))
    assert judged(group).kind == "bug"


# -- what users' code says itself ------------------------------------------------------------


def test_a_retry_error_is_always_retried() -> None:
    found = judged(WorkflowRetryError("not ready", retry_after=30))
    assert (found.kind, found.rule) == ("dependency_failed", "surefoot.retry")
    assert (found.retryable, found.recoverable, found.retry_after) == (True, True, 30)
    assert found.ladder[0].name == "retry"
    assert judged(WorkflowRetryError("not ready")).retry_after is None


def test_a_retry_error_has_the_kind_of_its_cause_and_its_own_wait() -> None:
    exc = WorkflowRetryError("again", retry_after=9)
    exc.__cause__ = made("openai.RateLimitError", headers={"retry-after": "7"}, status=429)
    found = judged(exc)
    assert (found.kind, found.rule, found.retry_after) == ("rate_limited", "surefoot.retry", 9)
    exc.retry_after = None
    assert judged(exc).retry_after == 7
    found = judged(raised(WorkflowRetryError("again"), PermissionError(13, "x")))
    assert (found.kind, found.retryable, found.ladder[0]) == ("permission", True, Rung("retry"))
    assert Evidence("rule of its cause", "builtins.permission") in found.evidence


@pytest.mark.parametrize("cause", [KeyError("x"), asyncio.CancelledError(), made("acme.Odd")])
def test_a_retry_error_takes_no_kind_that_says_do_not(cause: BaseException) -> None:
    exc = WorkflowRetryError("again")
    exc.__cause__ = cause
    found = judged(exc)
    assert (found.kind, found.retryable) == ("dependency_failed", True)


def test_a_derived_retry_error_is_one_too_and_so_is_one_in_a_group() -> None:
    class NotReady(WorkflowRetryError):
        pass

    assert judged(NotReady("x")).rule == "surefoot.retry"
    cause = PermissionError(13, "x")
    exc = WorkflowRetryError("x", retry_after=3)
    exc.__cause__ = cause
    found = judged(Group(exc))
    assert (found.kind, found.rule, found.retry_after) == ("permission", "surefoot.retry", 3)


def test_a_server_that_refuses_retries_does_not_overrule_a_retry_error() -> None:
    exc = WorkflowRetryError("again")
    exc.__cause__ = made("acme.Known", status=429, headers={"x-should-retry": "false"})
    assert judged(exc).retryable


def test_a_critical_error_halts_whatever_it_comes_from() -> None:
    exc = WorkflowCriticalError("the contract has ended")
    found = judged(exc)
    assert (found.kind, found.rule) == ("misconfiguration", "surefoot.critical")
    assert (found.retryable, found.recoverable) == (False, False)
    assert (found.ladder, found.severity) == ((Rung("halt"),), "critical")
    exc.__cause__ = made("acme.Known")
    found = judged(exc)
    assert (found.kind, found.rule) == ("overloaded", "surefoot.critical")
    assert (found.retryable, found.ladder) == (False, (Rung("halt"),))


def test_a_critical_error_is_heard_through_what_is_wrapped_around_it() -> None:
    exc = made("acme.Known")
    exc.__cause__ = WorkflowCriticalError("stop")
    assert judged(exc).rule == "surefoot.critical"
    assert judged(Group(TimeoutError(), WorkflowCriticalError("stop"))).rule == "surefoot.critical"
    handled = raised(made("acme.Odd"), WorkflowCriticalError("stop"))
    assert judged(handled).rule == "surefoot.critical"
    exc = made("acme.Known")
    exc.__cause__ = Group(WorkflowCriticalError("stop"))
    assert judged(exc).rule == "surefoot.critical"


def test_a_critical_error_that_was_handled_is_over() -> None:
    inner = made("acme.Odd")
    inner.__cause__ = WorkflowCriticalError("stop")
    outer = raised(made("acme.Known"), inner)
    assert judged(outer).rule == "own.known"
    found = judged(raised(made("acme.Odd2"), inner))
    assert found.kind == "misconfiguration"


def test_users_rules_come_before_what_a_server_says_about_retries() -> None:
    headers = {"x-should-retry": "false"}
    theirs = judged(made("openai.RateLimitError", status=429, headers=headers))
    assert (theirs.kind, theirs.retryable) == ("rate_limited", False)
    assert "retry" not in [rung.name for rung in theirs.ladder]
    assert Evidence("header x-should-retry", "false") in theirs.evidence
    assert judged(made("acme.Known", status=429, headers=headers)).retryable
