"""The attempt loop, played from scripts against a manual clock: what it asks for, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from surefoot.attempts import (
    Done,
    Failure,
    Halted,
    Note,
    Passed,
    Skipped,
    Try,
    Verdict,
    Verify,
    Wait,
    attempts,
    simulate,
)
from surefoot.clock import ManualClock
from surefoot.decide import History
from surefoot.model import Classification, Rung
from surefoot.policy import MISSING, On, Policy, halve, on, truncate

HALT = Rung("halt")


class Slow(Exception):
    """Classified as timeout: retryable."""


class Full(Exception):
    """Classified as gpu_out_of_memory: not retryable."""


class Limited(Exception):
    """Classified as rate_limited; the server asks for 7 s."""


class Refusal(Exception):
    """Classified as invalid_request, surely not done."""


class Stop(Exception):
    """Classified as cancelled."""


class Critical(Exception):
    """Classified as WorkflowCriticalError is."""


KINDS: dict[type[BaseException], dict[str, Any]] = {
    Slow: {"kind": "timeout", "retryable": True, "ladder": (Rung("retry"), HALT)},
    Full: {"kind": "gpu_out_of_memory", "retryable": False},
    Limited: {"kind": "rate_limited", "retryable": True, "retry_after": 7.0},
    Refusal: {"kind": "invalid_request", "retryable": False, "outcome": "refused"},
    Stop: {"kind": "cancelled", "retryable": False},
    Critical: {"kind": "misconfiguration", "retryable": False, "rule": "surefoot.critical"},
}


def classify(exc: BaseException) -> Classification:
    given: dict[str, Any] = {
        "kind": "unknown",
        "category": "infrastructure",
        "recoverable": True,
        "retryable": True,
        "rule": "test.rule",
        "fingerprint": "v1-0",
        "ladder": (Rung("retry"), HALT),
        "type": type(exc).__qualname__,
        "message": str(exc),
    }
    return Classification(**{**given, **KINDS.get(type(exc), {})})


def play(
    script: Sequence[Any],
    *recover: On,
    arguments: Mapping[str, Any] | None = None,
    verdicts: Sequence[Verdict] = (),
    clock: ManualClock | None = None,
    first: int = 1,
    history: History | None = None,
    **policy: Any,
) -> tuple[Any, list[Any]]:
    clock = clock or ManualClock(start=0.0)
    loop = attempts(
        Policy(recover=recover, **policy),
        clock,
        classify,
        lambda: arguments or {},
        first=first,
        history=history,
    )
    return simulate(loop, script, clock, verdicts)


def shape(told: Sequence[Any]) -> str:
    """The commands in one line: ``try1 note:Retry wait0.5 try2``."""
    words = []
    for command in told:
        if isinstance(command, Try):
            words.append(f"try{command.attempt}")
        elif isinstance(command, Note):
            words.append(f"note:{type(command.decision).__name__}")
        elif isinstance(command, Wait):
            words.append(f"wait{command.seconds:g}")
        else:
            words.append("verify")
    return " ".join(words)


def tries(told: Sequence[Any]) -> list[Try]:
    return [command for command in told if isinstance(command, Try)]


def small(prompt: str) -> str:
    return prompt


def smaller(prompt: str) -> str:
    return prompt


# -- without a failure, and with retries ------------------------------------------------------


def test_what_succeeds_is_tried_once_and_nothing_is_noted() -> None:
    outcome, told = play(["hello"])
    assert outcome == Done("hello", attempts=1)
    assert shape(told) == "try1"


def test_a_retry_is_noted_before_it_is_waited_for() -> None:
    outcome, told = play([Slow("a"), Slow("b"), 42])
    assert outcome == Done(42, attempts=3)
    assert shape(told) == "try1 note:Retry wait0.5 try2 note:Retry wait1 try3"


def test_a_retry_without_a_wait_does_not_wait() -> None:
    _, told = play([Slow(), 1], on("timeout").retry(base=0, cap=0))
    assert shape(told) == "try1 note:Retry try2"


def test_the_server_is_given_the_time_that_it_asked_for() -> None:
    clock = ManualClock(start=0.0)
    outcome, _ = play([Limited(), 1], clock=clock)
    assert isinstance(outcome, Done) and clock.now() == pytest.approx(7.7)


def test_each_try_knows_the_failure_before_it() -> None:
    slow = Slow("too slow")
    _, told = play([slow, 1])
    one, two = tries(told)
    assert one.previous is None and two.previous is not None
    assert two.previous == Failure(1, slow, classify(slow))
    assert (two.previous.kind, two.previous.message) == ("timeout", "too slow")


def test_at_the_end_the_last_failure_comes_out_with_all_that_was_tried() -> None:
    last = Slow("third")
    outcome, told = play([Slow("1st"), Full("2nd"), last], on("timeout", Full).retry(attempts=2))
    assert isinstance(outcome, Halted)
    assert outcome.failure.exception is last and outcome.failure.attempt == 3
    assert outcome.tried == (
        "attempt 1: timeout, retried after 0.5 s",
        "attempt 2: gpu_out_of_memory, retried after 0.5 s",
        "attempt 3: timeout, halt",
    )
    assert shape(told).endswith("try3 note:Halt")


def test_a_resume_goes_on_counting_where_the_crash_was() -> None:
    clock = ManualClock(start=100.0)
    history = History(100.0, spent=(("timeout", 3),), first=(("timeout", 90.0),))
    outcome, told = play([Slow(), Slow()], clock=clock, first=4, history=history)
    assert isinstance(outcome, Halted)
    assert shape(told) == "try4 note:Retry wait4 try5 note:Halt"


# -- what passes through ----------------------------------------------------------------------


@pytest.mark.parametrize("exc", [KeyboardInterrupt(), SystemExit(3), GeneratorExit(), Stop()])
def test_a_cancellation_passes_through_untouched(exc: BaseException) -> None:
    outcome, told = play([exc], on(Exception, "cancelled").retry().fall_back(small))
    assert outcome == Passed(exc)
    assert shape(told) == "try1"


def test_a_cancellation_passes_through_after_failures_too() -> None:
    outcome, told = play([Slow(), KeyboardInterrupt()])
    assert isinstance(outcome, Passed)
    assert shape(told) == "try1 note:Retry wait0.5 try2"


def test_a_critical_error_halts_at_once() -> None:
    outcome, told = play([Critical()], on(Exception).retry().fall_back(small))
    assert isinstance(outcome, Halted) and shape(told) == "try1 note:Halt"


# -- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "timeouts"),
    [
        ({}, [None, None]),
        ({"timeout": 5.0}, [5.0, 5.0]),
        ({"deadline": 4.0}, [4.0, 3.5]),
        ({"deadline": 4.0, "timeout": 3.75}, [3.75, 3.5]),
    ],
)
def test_an_attempt_gets_its_timeout_and_never_more_than_what_is_left(
    policy: dict[str, Any], timeouts: list[float | None]
) -> None:
    _, told = play([Slow(), 1], **policy)
    assert [one.timeout for one in tries(told)] == timeouts


def test_the_deadline_ends_all_attempts() -> None:
    clock = ManualClock(start=0.0)
    recover = on("timeout").retry(attempts=99, base=1, cap=1)
    outcome, told = play([Slow()] * 9, recover, clock=clock, deadline=3.5)
    assert isinstance(outcome, Halted)
    assert len(tries(told)) == 4 and clock.now() == 3.0


def test_an_attempt_that_outlives_the_deadline_halts_as_such() -> None:
    clock = ManualClock(start=0.0)
    loop = attempts(Policy(deadline=10), clock, classify, dict)
    assert isinstance(next(loop), Try)
    clock.advance(11)
    from surefoot.attempts import Raised

    note = loop.send(Raised(Slow()))
    assert isinstance(note, Note)
    with pytest.raises(StopIteration) as stop:
        loop.send(None)
    outcome = stop.value.value
    assert isinstance(outcome, Halted) and outcome.decision.kind == "deadline_exceeded"


def test_what_is_left_of_a_deadline_is_never_nothing() -> None:
    clock = ManualClock(start=0.0)
    loop = attempts(Policy(deadline=10), clock, classify, dict, history=History(-20.0))
    command = next(loop)
    assert isinstance(command, Try) and command.timeout == 0.001


# -- adapt ------------------------------------------------------------------------------------


def test_adapting_changes_arguments_and_tries_again_at_once() -> None:
    outcome, told = play(
        [Full(), Full(), "done"],
        on("gpu_out_of_memory").adapt(batch_size=halve()),
        arguments={"batch_size": 32, "prompt": "p"},
    )
    assert outcome == Done("done", attempts=3)
    assert shape(told) == "try1 note:Adapt try2 note:Adapt try3"
    assert [dict(one.changes) for one in tries(told)] == [{}, {"batch_size": 16}, {"batch_size": 8}]


def test_an_adapter_gets_the_current_value_and_the_failure() -> None:
    seen: list[tuple[Any, Failure]] = []

    def feedback(value: Any, failure: Failure) -> str:
        seen.append((value, failure))
        return f"{value or ''}{failure.message};"

    play(
        [Full("one"), Full("two"), 1],
        on(Full).adapt(feedback=feedback),
        arguments={"feedback": None},
    )
    assert [(value, failure.attempt) for value, failure in seen] == [(None, 1), ("one;", 2)]


def test_an_argument_without_a_value_is_adapted_from_none() -> None:
    _, told = play([Full(), 1], on(Full).adapt(hint=lambda value, failure: [value]))
    assert tries(told)[1].changes == {"hint": [None]}


def test_of_several_arguments_only_those_that_changed_count() -> None:
    _, told = play(
        [Full(), 1],
        on(Full).adapt(size=halve(), text=lambda value, failure: value),
        arguments={"size": 4, "text": "same"},
    )
    assert tries(told)[1].changes == {"size": 2}


def test_adapters_that_change_nothing_give_way_to_the_next_rung() -> None:
    outcome, told = play(
        [Full(), "elsewhere"],
        on(Full).adapt(size=halve(minimum=8)).fall_back(small),
        arguments={"size": 8},
    )
    assert outcome == Done("elsewhere", attempts=2, degraded="small")
    assert shape(told) == "try1 note:FallBack try2"


def test_adapters_that_change_nothing_and_nothing_below_them_halt() -> None:
    outcome, told = play([Full()], on(Full).adapt(size=halve()), arguments={"size": 1})
    assert isinstance(outcome, Halted)
    assert "adapting changes nothing more" in outcome.decision.reason
    assert shape(told) == "try1 note:Halt"


def test_a_value_that_cannot_be_compared_counts_as_changed() -> None:
    class Array:
        def __eq__(self, other: object) -> Any:
            raise ValueError("the truth value of an array is ambiguous")

        __hash__ = None  # type: ignore[assignment]

    fresh = Array()
    _, told = play(
        [Full(), 1],
        on(Full).adapt(rows=lambda value, failure: fresh),
        arguments={"rows": Array()},
    )
    assert tries(told)[1].changes["rows"] is fresh


def test_rounds_bound_adapting() -> None:
    outcome, told = play(
        [Full()] * 4,
        on(Full).adapt(rounds=3, prompt=truncate(0.9)),
        arguments={"prompt": "x" * 100},
    )
    assert isinstance(outcome, Halted)
    assert [len(one.changes.get("prompt", "x" * 100)) for one in tries(told)] == [100, 90, 81, 72]


def test_adapted_arguments_stay_for_later_retries_and_other_adapters() -> None:
    _, told = play(
        [Full(), Slow(), Full(), 1],
        on(Full).adapt(size=halve()),
        arguments={"size": 8},
    )
    assert [dict(one.changes) for one in tries(told)] == [{}, {"size": 4}, {"size": 4}, {"size": 2}]


# -- pairs of rungs ---------------------------------------------------------------------------


def test_retry_then_adapt() -> None:
    _, told = play(
        [Slow(), Slow(), 1],
        on("timeout").retry(attempts=2).adapt(size=halve()),
        arguments={"size": 8},
    )
    assert shape(told) == "try1 note:Retry wait0.5 try2 note:Adapt try3"


def test_retry_then_fall_back() -> None:
    outcome, told = play([Slow(), Slow(), 1], on("timeout").retry(attempts=2).fall_back(small))
    assert shape(told) == "try1 note:Retry wait0.5 try2 note:FallBack try3"
    assert outcome == Done(1, 3, degraded="small")
    assert tries(told)[2].fallback is not None


def test_retry_then_skip_in_a_map() -> None:
    outcome, told = play([Slow(), Slow()], on("timeout").retry(2).skip(), in_map=True)
    assert isinstance(outcome, Skipped) and outcome.default is MISSING
    assert outcome.failure.attempt == 2 and shape(told).endswith("try2 note:Skip")


def test_retry_then_skip_with_a_default() -> None:
    outcome, _ = play([Slow(), Slow()], on("timeout").retry(2).skip(default=[]))
    assert isinstance(outcome, Skipped) and outcome.default == []


def test_adapt_then_fall_back_keeps_the_adapted_arguments() -> None:
    outcome, told = play(
        [Full(), Full(), "f"],
        on(Full).adapt(rounds=1, size=halve()).fall_back(small),
        arguments={"size": 8},
    )
    assert shape(told) == "try1 note:Adapt try2 note:FallBack try3"
    assert tries(told)[2].changes == {"size": 4} and outcome.degraded == "small"


def test_adapt_then_skip() -> None:
    outcome, _ = play(
        [Full(), Full()],
        on(Full).adapt(rounds=1, size=halve()).skip(default=0),
        arguments={"size": 8},
    )
    assert isinstance(outcome, Skipped)


def test_a_fallback_that_fails_climbs_its_own_ladder_then_the_next_one_comes() -> None:
    outcome, told = play(
        [Full(), Slow(), Slow(), "second"],
        on("gpu_out_of_memory", "timeout").retry(2).fall_back(small, smaller),
    )
    # the first failure is retried: the step named it
    assert shape(told) == (
        "try1 note:Retry wait0.5 try2 note:Retry wait0.5 try3 note:FallBack try4"
    )
    assert outcome == Done("second", 4, degraded="small")
    outcome, told = play(
        [Full(), Full(), Full()], on(Full).fall_back(small, smaller).skip(default="none")
    )
    assert [one.fallback.name if one.fallback else None for one in tries(told)] == [
        None,
        "small",
        "smaller",
    ]
    assert isinstance(outcome, Skipped)


def test_a_fallback_that_fails_with_nothing_below_it_halts() -> None:
    outcome, told = play([Full(), Full()], on(Full).fall_back(small))
    assert isinstance(outcome, Halted) and "no fallback is left" in outcome.decision.reason
    notes = [command for command in told if isinstance(command, Note)]
    assert notes[0].fallback is None
    assert notes[1].fallback is not None and notes[1].fallback.name == "small"


def test_a_fallback_to_a_value_needs_no_try() -> None:
    outcome, told = play([Full()], on(Full).fall_back(value=[]))
    assert outcome == Done([], 1, degraded="value=[]")
    assert shape(told) == "try1 note:FallBack"


def test_a_fallback_to_another_model_is_the_same_function_with_that_argument() -> None:
    outcome, told = play([Full(), "ok"], on(Full).fall_back(model="mini"))
    fallback = tries(told)[1].fallback
    assert fallback is not None and (fallback.argument, fallback.target) == ("model", "mini")
    assert outcome.degraded == "model='mini'"


def test_fall_back_then_skip() -> None:
    outcome, told = play([Full(), Full()], on(Full).fall_back(small).skip(), in_map=True)
    assert isinstance(outcome, Skipped)
    assert shape(told) == "try1 note:FallBack try2 note:Skip"


def test_halt_alone_is_the_end() -> None:
    outcome, told = play([Slow()], on("timeout").halt())
    assert isinstance(outcome, Halted) and shape(told) == "try1 note:Halt"


# -- effects ----------------------------------------------------------------------------------


def test_a_refused_effect_is_not_verified() -> None:
    outcome, told = play([Refusal(), 1], on(Refusal).fall_back(small), effect=True)
    assert shape(told) == "try1 note:FallBack try2" and outcome.degraded == "small"


def test_an_open_effect_that_happened_is_done_with_what_verify_says() -> None:
    outcome, told = play([Slow()], effect=True, verdicts=[Verdict("none", True, "receipt")])
    assert outcome == Done("receipt", 1, verified=True)
    assert [type(command) for command in told][:2] == [Try, Verify]


def test_an_open_effect_that_surely_did_not_happen_climbs_the_ladder() -> None:
    outcome, told = play([Slow(), 1], effect=True, verdicts=[Verdict("none")])
    assert shape(told) == "try1 verify note:Retry wait0.5 try2" and outcome == Done(1, 2)


@pytest.mark.parametrize("doubt", ["key", "rerun"])
def test_an_open_effect_is_repeated_under_its_key_and_never_changed(doubt: Any) -> None:
    recover = on("timeout").retry(2).adapt(size=halve()).fall_back(small).skip(default=0)
    outcome, told = play(
        [Slow(), Slow()],
        recover,
        effect=True,
        verdicts=[Verdict(doubt)] * 2,
        arguments={"size": 8},
    )
    assert shape(told) == "try1 verify note:Retry wait0.5 try2 verify note:Halt"
    assert isinstance(outcome, Halted) and outcome.decision.kind == "in_doubt"


def test_an_open_effect_that_nobody_can_tell_about_halts() -> None:
    outcome, told = play([Slow()], effect=True, verdicts=[Verdict("open")])
    assert shape(told) == "try1 verify note:Halt"
    assert isinstance(outcome, Halted) and outcome.decision.kind == "in_doubt"


def test_the_deadline_is_looked_at_again_after_a_slow_verify() -> None:
    clock = ManualClock(start=0.0)
    loop = attempts(Policy(deadline=10, effect=True), clock, classify, dict)
    from surefoot.attempts import Raised

    next(loop)
    assert isinstance(loop.send(Raised(Slow())), Verify)
    clock.advance(11)
    note = loop.send(Verdict("none"))
    assert isinstance(note, Note) and "deadline" in note.decision.reason


def test_an_effects_fallback_that_may_have_happened_is_not_done_again() -> None:
    """A fallback of an effect is an effect too: after a failure that leaves it open, it must be
    neither retried nor left for another one."""
    outcome, told = play(
        [Refusal(), Slow(), "twice"],
        on(Refusal).fall_back(model="mini"),
        effect=True,
        verdicts=[Verdict("open")],
    )
    assert len(tries(told)) == 2
    assert isinstance(outcome, Halted) and outcome.decision.kind == "in_doubt"
