"""Each rung by itself, in played time: what is asked for in which order, what comes out, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from surefoot.attempts import (
    Done,
    Failure,
    Halted,
    Note,
    Progress,
    Raised,
    Returned,
    Skipped,
    Try,
    Verdict,
    attempts,
    drive,
    simulate,
)
from surefoot.clock import ManualClock
from surefoot.decide import History
from surefoot.policy import Fallback, On, Policy, grow, halve, last_error, on, split, truncate
from tests.attempts.test_attempts import (
    Full,
    Limited,
    Slow,
    classify,
    play,
    shape,
    small,
    tries,
)

ONCE = on(Full).retry(attempts=1)


def outcome_of(outcome: Any) -> tuple[Any, ...]:
    """What came out, in short: (form, value or kind or default, attempts, degraded)."""
    if isinstance(outcome, Done):
        return ("done", outcome.value, outcome.attempts, outcome.degraded)
    if isinstance(outcome, Skipped):
        return ("skipped", outcome.default, outcome.failure.attempt)
    assert isinstance(outcome, Halted)
    return ("halted", outcome.decision.kind or outcome.failure.kind, outcome.failure.attempt)


class Counted:
    """A budget of so many retries, and what it was asked."""

    def __init__(self, retries: int) -> None:
        self.left = retries
        self.asked: list[str] = []

    def allows_retry(self, kind: str) -> bool:
        self.asked.append(kind)
        return self.left > 0

    def retried(self, kind: str) -> None:
        self.left -= 1


ROWS: list[tuple[str, On, Sequence[Any], dict[str, Any], str, tuple[Any, ...], float]] = [
    # name, on, script, options of play, shape, outcome, seconds
    (
        "retry",
        on(Slow).retry(attempts=3, base=1, cap=60),
        [Slow(), Slow(), "v"],
        {},
        "try1 note:Retry wait1 try2 note:Retry wait2 try3",
        ("done", "v", 3, None),
        3.0,
    ),
    (
        "retry_as_the_server_asks",
        on(Limited).retry(attempts=2),
        [Limited(), "v"],
        {},
        "try1 note:Retry wait7.7 try2",
        ("done", "v", 2, None),
        7.7,
    ),
    (
        "retry_within",
        on(Slow).retry(attempts=9, within=3.5, base=1, cap=1),
        [Slow()] * 9,
        {},
        "try1 note:Retry wait1 try2 note:Retry wait1 try3 note:Retry wait1 try4 note:Halt",
        ("halted", "timeout", 4),
        3.0,
    ),
    (
        "adapt_by_halve",
        ONCE.adapt(size=halve(minimum=4)),
        [Full(), "v"],
        {"arguments": {"size": 8}},
        "try1 note:Adapt try2",
        ("done", "v", 2, None),
        0.0,
    ),
    (
        "adapt_to_the_floor",
        ONCE.adapt(size=halve(minimum=4)),
        [Full(), Full(), Full()],
        {"arguments": {"size": 9}},
        "try1 note:Adapt try2 note:Halt",
        ("halted", "gpu_out_of_memory", 2),
        0.0,
    ),
    (
        "adapt_by_grow_to_its_ceiling",
        ONCE.adapt(size=grow(2, maximum=16)),
        [Full(), Full(), Full()],
        {"arguments": {"size": 8}},
        "try1 note:Adapt try2 note:Halt",
        ("halted", "gpu_out_of_memory", 2),
        0.0,
    ),
    (
        "adapt_at_most_so_many_rounds",
        ONCE.adapt(rounds=2, text=truncate(0.5)),
        [Full()] * 3,
        {"arguments": {"text": "x" * 64}},
        "try1 note:Adapt try2 note:Adapt try3 note:Halt",
        ("halted", "gpu_out_of_memory", 3),
        0.0,
    ),
    (
        "adapt_by_split",
        ONCE.adapt(items=split()),
        [Full(), ["a"], ["b", "c"]],
        {"arguments": {"items": [1, 2, 3]}},
        "try1 note:Adapt try2 try3",
        ("done", ["a", "b", "c"], 3, None),
        0.0,
    ),
    (
        "adapt_by_split_within_a_part",
        ONCE.adapt(items=split(sum)),
        [Full(), Full(), 1, 2, Full(), 3, 4],
        {"arguments": {"items": [1, 2, 3, 4]}},
        "try1 note:Adapt try2 note:Adapt try3 try4 try5 note:Adapt try6 try7",
        ("done", 10, 7, None),
        0.0,
    ),
    (
        "adapt_by_split_and_a_part_that_halts",
        ONCE.adapt(items=split(minimum=2)),
        [Full(), [1], Full()],
        {"arguments": {"items": [1, 2, 3, 4]}},
        "try1 note:Adapt try2 try3 note:Halt",
        ("halted", "gpu_out_of_memory", 3),
        0.0,
    ),
    (
        "adapt_by_split_and_parts_that_do_not_go_together",
        ONCE.adapt(items=split()),
        [Full(), 1, 2],
        {"arguments": {"items": [1, 2]}},
        "try1 note:Adapt try2 try3 note:Halt",
        ("halted", "unknown", 3),
        0.0,
    ),
    (
        "adapt_by_an_adapter_that_fails",
        ONCE.adapt(size=lambda value, failure: value["no"]),
        [Full()],
        {"arguments": {"size": 8}},
        "try1 note:Halt",
        ("halted", "gpu_out_of_memory", 1),
        0.0,
    ),
    (
        "adapt_by_what_says_nothing_of_the_answer",
        ONCE.adapt(hint=last_error),
        [Full("key sk-123 is invalid")],
        {"arguments": {"hint": None}},
        "try1 note:Halt",
        ("halted", "gpu_out_of_memory", 1),
        0.0,
    ),
    (
        "fall_back_to_a_function",
        ONCE.fall_back(small),
        [Full(), "v"],
        {},
        "try1 note:FallBack try2",
        ("done", "v", 2, "small"),
        0.0,
    ),
    (
        "fall_back_to_a_model",
        ONCE.fall_back(model="mini"),
        [Full(), "v"],
        {},
        "try1 note:FallBack try2",
        ("done", "v", 2, "model='mini'"),
        0.0,
    ),
    (
        "fall_back_to_a_value",
        ONCE.fall_back(value=0),
        [Full()],
        {},
        "try1 note:FallBack",
        ("done", 0, 1, "value=0"),
        0.0,
    ),
    (
        "fall_back_in_order_to_the_last",
        ONCE.fall_back(small, model="mini", value="none"),
        [Full(), Full(), Full()],
        {},
        "try1 note:FallBack try2 note:FallBack try3 note:FallBack",
        ("done", "none", 3, "value='none'"),
        0.0,
    ),
    (
        "skip_with_a_default",
        ONCE.skip(default=[]),
        [Full()],
        {},
        "try1 note:Skip",
        ("skipped", [], 1),
        0.0,
    ),
    (
        "skip_without_a_map",
        ONCE.skip(),
        [Full()],
        {},
        "try1 note:Halt",
        ("halted", "gpu_out_of_memory", 1),
        0.0,
    ),
    ("halt", on(Slow).halt(), [Slow()], {}, "try1 note:Halt", ("halted", "timeout", 1), 0.0),
]


@pytest.mark.parametrize(
    ("recover", "script", "options", "asked", "came_out", "seconds"),
    [pytest.param(*row[1:], id=row[0]) for row in ROWS],
)
def test_a_rung_by_itself(
    recover: On,
    script: Sequence[Any],
    options: dict[str, Any],
    asked: str,
    came_out: tuple[Any, ...],
    seconds: float,
) -> None:
    clock = ManualClock(start=0.0)
    outcome, told = play(script, recover, clock=clock, **options)
    assert shape(told) == asked
    assert outcome_of(outcome) == came_out
    assert clock.now() == pytest.approx(seconds)


# -- parts ----------------------------------------------------------------------------------------


def test_each_part_has_its_own_arguments_and_what_one_of_them_changed_is_not_the_others() -> None:
    recover = [ONCE.adapt(items=split()), on(Slow).retry(attempts=1).adapt(size=halve())]
    arguments = {"items": [1, 2], "size": 8}
    _, told = play([Full(), Slow(), [1], [2]], *recover, arguments=arguments)
    assert [dict(one.changes) for one in tries(told)] == [
        {},
        {"items": [1]},
        {"items": [1], "size": 4},
        {"items": [2]},
    ]


def test_the_note_of_a_split_says_what_the_argument_was_and_is() -> None:
    _, told = play([Full(), [1], [2]], ONCE.adapt(items=split()), arguments={"items": [1, 2]})
    [note] = [one for one in told if isinstance(one, Note)]
    assert note.changed == {"items": ([1, 2], ([1], [2]))} and note.changes == {}


def loop_of(policy: Policy, clock: ManualClock, **options: Any) -> Any:
    return attempts(policy, clock, classify, lambda: {"items": [1, 2, 3, 4], "size": 8}, **options)


def test_no_part_is_begun_after_the_deadline() -> None:
    clock = ManualClock(start=0.0)
    policy = Policy(recover=(ONCE.adapt(items=split()),), deadline=10)

    def late() -> list[int]:
        clock.advance(11)
        return [1]

    outcome, told = played(loop_of(policy, clock), [Full(), late])
    assert outcome_of(outcome) == ("halted", "deadline_exceeded", 2)
    assert shape(told) == "try1 note:Adapt try2 note:Halt"


def test_no_part_is_begun_that_cannot_be_paid() -> None:
    clock, paid = ManualClock(start=0.0), [0.0]
    policy = Policy(recover=(ONCE.adapt(items=split()),), max_cost=1.0)

    def dear() -> list[int]:
        paid[0] += 1.0
        return [1]

    loop = loop_of(policy, clock, cost=lambda: paid[0])
    outcome, told = played(loop, [Full(), dear])
    assert outcome_of(outcome) == ("halted", "budget_exceeded", 2)
    assert shape(told) == "try1 note:Adapt try2 note:Halt"
    assert "attempt 1: gpu_out_of_memory, adapt" in outcome.tried


def played(loop: Any, script: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Like ``simulate`` without waits; what can be called in the script is called for its value."""
    told: list[Any] = []
    left = list(script)

    def handle(command: Any) -> Any:
        told.append(command)
        if not isinstance(command, Try):
            return None
        value = left.pop(0)
        value = value() if callable(value) else value
        return Raised(value) if isinstance(value, BaseException) else Returned(value)

    return drive(loop, handle), told


# -- where it was left ----------------------------------------------------------------------------

SMALL = Fallback("function", small)
LEFT: list[tuple[str, Progress, Sequence[Any], str, tuple[Any, ...]]] = [
    ("adapted", Progress({"size": 2}), ["v"], "try3", ("done", "v", 3, None)),
    ("fallen_back", Progress({}, SMALL), ["v"], "try3", ("done", "v", 3, "small")),
    (
        "fallen_back_to_a_value",
        Progress({}, Fallback("value", "none")),
        [],
        "",
        ("done", "none", 2, "value='none'"),
    ),
    (
        "split",
        Progress({}, None, ("items", split())),
        [["a"], ["b"]],
        "try3 try4",
        ("done", ["a", "b"], 4, None),
    ),
    (
        "split_by_a_fallback",
        Progress({}, SMALL, ("items", split())),
        [["a"], ["b"]],
        "try3 try4",
        ("done", ["a", "b"], 4, "small"),
    ),
    (
        "split_what_is_too_short_by_now",
        Progress({"items": [1]}, None, ("items", split())),
        ["v"],
        "try3",
        ("done", "v", 3, None),
    ),
]


@pytest.mark.parametrize(
    ("progress", "script", "asked", "came_out"), [pytest.param(*row[1:], id=row[0]) for row in LEFT]
)
def test_a_loop_goes_on_from_the_rung_where_it_was_left(
    progress: Progress, script: Sequence[Any], asked: str, came_out: tuple[Any, ...]
) -> None:
    clock = ManualClock(start=0.0)
    loop = loop_of(Policy(), clock, first=3, history=History(0.0), progress=progress)
    outcome, told = simulate(loop, script, clock)
    assert shape(told) == asked and outcome_of(outcome) == came_out
    for command in tries(told):
        assert command.fallback == progress.fallback
        assert {**progress.changes, **command.changes} == command.changes


# -- what bounds all calls ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retries", "asked", "came_out"),
    [
        (2, "try1 note:Retry wait0.5 try2 note:Retry wait1 try3", ("done", "v", 3, None)),
        (1, "try1 note:Retry wait0.5 try2 note:Adapt try3", ("done", "v", 3, None)),
        (0, "try1 note:Adapt try2 note:Halt", ("halted", "timeout", 2)),
    ],
)
def test_a_budget_bounds_retries_and_nothing_else(
    retries: int, asked: str, came_out: tuple[Any, ...]
) -> None:
    clock, budget = ManualClock(start=0.0), Counted(retries)
    policy = Policy(recover=(on(Slow).retry(attempts=3).adapt(size=halve(minimum=4)),))
    loop = loop_of(policy, clock, budget=budget)
    outcome, told = simulate(loop, [Slow(), Slow(), "v"], clock)
    assert shape(told) == asked and outcome_of(outcome) == came_out
    assert budget.left == 0 and set(budget.asked) == {"timeout"}


@pytest.mark.parametrize(("cost", "asked"), [(0.99, "note:Retry wait0.5 try2"), (1.0, "note:Halt")])
def test_the_next_try_is_bounded_by_what_the_last_ones_cost(cost: float, asked: str) -> None:
    clock = ManualClock(start=0.0)
    loop = loop_of(Policy(max_cost=1.0), clock, cost=lambda: cost)
    outcome, told = simulate(loop, [Slow(), "v"], clock)
    assert shape(told) == f"try1 {asked}"
    if isinstance(outcome, Halted):
        assert outcome.decision.kind == "budget_exceeded"


def test_what_is_given_back_to_a_model_is_never_what_a_server_said() -> None:
    class Answered(Exception):
        """As an HTTP client's error is."""

        status_code = 400

    def feedback(make: Callable[[], BaseException]) -> str | None:
        exc = make()
        return Failure(1, exc, replace(classify(exc), kind="malformed_output")).feedback

    def caused() -> BaseException:
        exc = ValueError("wrapped")
        exc.__cause__ = Answered("the server's text")
        return exc

    assert (
        feedback(lambda: ValueError("line 1: a comma is missing")) == "line 1: a comma is missing"
    )
    assert feedback(lambda: Answered("the server's text")) is None
    assert feedback(caused) is None
    assert Failure(1, ValueError("x"), classify(ValueError("x"))).feedback is None


def test_a_cause_that_leads_to_itself_ends() -> None:
    exc = ValueError("round and round")
    exc.__cause__ = exc
    judged = replace(classify(exc), kind="malformed_output")
    assert Failure(1, exc, judged).feedback == "round and round"


def test_verdicts_are_asked_for_by_effects_alone() -> None:
    _, told = play([Slow(), 1], effect=False, verdicts=[Verdict("open")])
    assert shape(told) == "try1 note:Retry wait0.5 try2"
