"""The attempt loop, as a generator that does nothing itself.

It yields commands (:class:`Try`, :class:`Note`, :class:`Wait`, :class:`Verify`) and is sent replies;
it returns an outcome. :func:`drive` and :func:`drive_async` have the commands carried out by a
handler that the caller brings; :func:`simulate` plays a script against a manual clock. So the sync
and the async world, the orchestrators and the tests all climb the same ladder.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar

from .clock import Clock, ManualClock
from .decide import (
    PASSING,
    Adapt,
    Decision,
    Doubt,
    FallBack,
    Halt,
    History,
    Retry,
    Settled,
    Skip,
    decide,
)
from .errors import BudgetExceeded, StepTimeout
from .model import Classification
from .policy import Fallback, Policy, Split
from .policy.adapters import Parts

__all__ = [
    "Budget",
    "Command",
    "Done",
    "Failure",
    "Halted",
    "Note",
    "Outcome",
    "Passed",
    "Progress",
    "Raised",
    "Returned",
    "Skipped",
    "Try",
    "Verdict",
    "Verify",
    "Wait",
    "attempts",
    "drive",
    "drive_async",
    "simulate",
]

R = TypeVar("R")

Classify = Callable[[BaseException], Classification]


NOTHING: Mapping[str, Any] = MappingProxyType({})


class Budget(Protocol):
    """What bounds retries over all calls of a resource."""

    def allows_retry(self, kind: str) -> bool: ...
    def retried(self, kind: str) -> None: ...


@dataclass(frozen=True)
class Failure:
    """One failed attempt: what an adapter and ``current().failure`` get to see."""

    attempt: int
    exception: BaseException
    classification: Classification

    @property
    def kind(self) -> str:
        return self.classification.kind

    @property
    def message(self) -> str:
        """The text of the exception, as raised."""
        return self.classification.message

    @property
    def feedback(self) -> str | None:
        """What was wrong with a model's answer, fit to be handed back to the model; None where the
        failure is of another sort. The text of an API's error never is feedback."""
        if self.kind not in ABOUT_THE_ANSWER:
            return None
        link: BaseException | None = self.exception
        seen = 0
        while link is not None and seen < 50:
            if getattr(link, "response", None) is not None or hasattr(link, "status_code"):
                return None  # a server said so
            link, seen = link.__cause__, seen + 1
        return self.message


ABOUT_THE_ANSWER = frozenset(
    (
        *("malformed_output", "output_truncated", "unexpected_output", "numerical_error"),
        *("schema_mismatch", "missing_value", "invalid_value", "parse_error", "empty_data"),
    )
)
"""Kinds whose message says what is wrong with an answer."""


class Try(NamedTuple):
    """Run the function once. ``changes`` are arguments to change, ``timeout`` is seconds."""

    attempt: int
    changes: Mapping[str, Any]
    fallback: Fallback | None
    timeout: float | None
    previous: Failure | None


class Note(NamedTuple):
    """Record a failed attempt and its decision, durably, before anything else happens."""

    failure: Failure
    decision: Decision
    fallback: Fallback | None
    doubt: Doubt = "none"
    """For an effect: whether it may have happened all the same."""
    changed: Mapping[str, tuple[Any, Any]] = NOTHING
    """What an adaptation changed: argument → what it was and what it is."""
    changes: Mapping[str, Any] = NOTHING
    """All arguments that differ from the original ones from now on."""


class Wait(NamedTuple):
    seconds: float


class Verify(NamedTuple):
    """An effect failed and may have happened: find out. Answered with a :class:`Verdict`."""

    failure: Failure


class Verdict(NamedTuple):
    """What is known of the effect: it happened with ``value``, or ``doubt`` says how sure we are."""

    doubt: Doubt
    happened: bool = False
    value: Any = None


Command = Try | Note | Wait | Verify


class Returned:
    """The answer to a Try: its value. Plain, since every call makes one."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Raised:
    """The answer to a Try: what it raised."""

    __slots__ = ("exception",)

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception


class Done(NamedTuple):
    value: Any
    attempts: int
    degraded: str | None = None
    """The fallback that gave the value."""
    verified: bool = False
    """The effect had happened although its attempt failed."""


class Skipped(NamedTuple):
    default: Any
    failure: Failure
    reason: str


class Halted(NamedTuple):
    failure: Failure
    decision: Halt
    tried: tuple[str, ...]


class Passed(NamedTuple):
    """Cancellation or an orchestrator's control flow: no failure, let it through."""

    exception: BaseException


Outcome = Done | Skipped | Halted | Passed
Loop = Generator[Command, Any, Outcome]


class Progress(NamedTuple):
    """How far up the ladder a call had come before this loop: its adapted arguments, its fallback,
    and the argument that was split. A resume after a crash goes on from there."""

    changes: Mapping[str, Any] = NOTHING
    fallback: Fallback | None = None
    split: tuple[str, Split] | None = None


class _State:
    """Where a call stands. Plain, since every call makes one."""

    __slots__ = ("attempt", "changed", "changes", "fallback", "parts", "previous", "tried")

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self.changes: dict[str, Any] = {}
        self.fallback: Fallback | None = None
        self.previous: Failure | None = None
        self.tried: list[str] = []
        self.changed: dict[str, tuple[Any, Any]] = {}
        self.parts: tuple[str, Split, Parts] | None = None


def attempts(
    policy: Policy,
    clock: Clock,
    classify: Classify,
    arguments: Callable[[], Mapping[str, Any]],
    *,
    first: int = 1,
    history: History | None = None,
    progress: Progress | None = None,
    cost: Callable[[], float] = lambda: 0.0,
    budget: Budget | None = None,
) -> Loop:
    """The loop itself.

    :param arguments: the call's arguments by name, asked for only where adapting needs them.
    :param first: the number of the first attempt (a resume after a crash goes on counting).
    :param progress: where the ladder was left.
    :param cost: US dollars that the call has cost so far.
    :param budget: of its resource; it bounds retries over all calls.
    """
    history = history or History(clock.monotonic())
    state = _State(first)
    if progress is not None:
        state.changes = dict(progress.changes)
        state.fallback = progress.fallback
        if state.fallback is not None and state.fallback.form == "value":
            return Done(state.fallback.target, first - 1, state.fallback.name)
        if progress.split is not None:
            name, splitter = progress.split
            parts = splitter({**arguments(), **state.changes}[name], None)
            if isinstance(parts, Parts):
                state.parts = (name, splitter, parts)
    while True:
        if state.parts is not None:
            return (
                yield from _in_parts(
                    state, policy, clock, classify, arguments, history, cost, budget
                )
            )
        timeout = policy.timeout
        if state.fallback is not None and state.fallback.timeout is not None:
            timeout = state.fallback.timeout
        if policy.deadline is not None:
            left = max(0.001, history.started + policy.deadline - clock.monotonic())
            timeout = left if timeout is None else min(timeout, left)
        reply = yield Try(state.attempt, state.changes, state.fallback, timeout, state.previous)
        if isinstance(reply, Returned):
            degraded = state.fallback.name if state.fallback is not None else None
            return Done(reply.value, state.attempt, degraded)
        exc: BaseException = reply.exception
        if not isinstance(exc, Exception):
            return Passed(exc)
        classification = classify(exc)
        if classification.kind in PASSING:
            return Passed(exc)
        now = clock.monotonic()
        history = history.after(classification, now)
        failure = Failure(state.attempt, exc, classification)
        doubt: Doubt = "none"
        if policy.effect and classification.outcome == "open":
            verdict: Verdict = yield Verify(failure)
            if verdict.happened:
                yield Note(failure, Settled("verify found that it had happened"), state.fallback)
                return Done(verdict.value, state.attempt, verified=True)
            doubt = verdict.doubt
            now = clock.monotonic()
        decide_now = functools.partial(
            decide,
            classification,
            exc,
            policy,
            now=now,
            chance=clock.uniform,
            doubt=doubt,
            cost=cost(),
            may_retry=budget is None or budget.allows_retry(classification.kind),
        )
        decision = decide_now(history)
        state.changed = {}
        if isinstance(decision, Adapt):
            decision, history = _adapt(decision, state, failure, arguments, history, decide_now)
        if isinstance(decision, Retry) and budget is not None:
            budget.retried(classification.kind)
        state.tried.append(_told(failure, decision))
        changed, changes = state.changed, dict(state.changes)
        yield Note(failure, decision, state.fallback, doubt, changed, changes)
        state.previous = failure
        state.attempt += 1
        if isinstance(decision, Halt):
            return Halted(failure, decision, tuple(state.tried))
        if isinstance(decision, Skip):
            return Skipped(decision.default, failure, decision.reason)
        if isinstance(decision, FallBack):
            history = history.fell_back(decision.to)
            state.fallback = decision.to
            if decision.to.form == "value":
                return Done(decision.to.target, failure.attempt, decision.to.name)
        if isinstance(decision, Retry) and decision.after > 0:
            yield Wait(decision.after)


def _adapt(
    decision: Adapt,
    state: _State,
    failure: Failure,
    arguments: Callable[[], Mapping[str, Any]],
    history: History,
    decide_now: Callable[[History], Decision],
) -> tuple[Decision, History]:
    """Carry an adaptation out; where it changes nothing, the next rung's turn has come."""
    kind = failure.kind
    current = {**arguments(), **state.changes}
    changed = {}
    for name, adapter in decision.adapters.items():
        old = current.get(name)
        try:
            new = adapter(old, failure)
        except Exception as exc:
            told = f"its adapter of {name} failed: {type(exc).__name__}: {exc}"
            return Halt(told), history.unchanged(kind)
        if isinstance(new, Parts) and isinstance(adapter, Split):
            state.parts = (name, adapter, new)
            state.changed[name] = (old, new.values)
        elif not _same(old, new):
            changed[name] = new
            state.changed[name] = (old, new)
    if state.changed:
        state.changes = {**state.changes, **changed}
        return decision, history.adapted(kind)
    history = history.unchanged(kind)
    return decide_now(history), history


def _in_parts(
    state: _State,
    policy: Policy,
    clock: Clock,
    classify: Classify,
    arguments: Callable[[], Mapping[str, Any]],
    history: History,
    cost: Callable[[], float],
    budget: Budget | None,
) -> Loop:
    """Each part of the argument by itself, one after the other; then one result of theirs."""
    assert state.parts is not None
    name, splitter, parts = state.parts
    results: list[Any] = []
    attempt, degraded = state.attempt, None
    for part in parts.values:
        changes = {**state.changes, name: part}
        stopped = _out_of_means(policy, history, clock, cost()) if results else None
        if stopped is not None:
            failure = Failure(attempt - 1, stopped[0], classify(stopped[0]))
            yield Note(failure, stopped[1], state.fallback)
            return Halted(failure, stopped[1], (*state.tried, _told(failure, stopped[1])))
        # its failures are counted anew; how often was split already, and what was used up, is not
        own = History(history.started, rounds=history.rounds, used=history.used)
        outcome = yield from attempts(
            policy,
            clock,
            classify,
            arguments,
            first=attempt,
            history=own,
            progress=Progress(changes, state.fallback),
            cost=cost,
            budget=budget,
        )
        if not isinstance(outcome, Done):
            return outcome
        results.append(outcome.value)
        degraded = outcome.degraded or degraded
        attempt = outcome.attempts + 1
    try:
        return Done(splitter.put_together(results), attempt - 1, degraded)
    except Exception as exc:
        failure = Failure(attempt - 1, exc, classify(exc))
        halt = Halt(f"the results of its parts cannot be put together: {type(exc).__name__}")
        yield Note(failure, halt, state.fallback)
        return Halted(failure, halt, (*state.tried, _told(failure, halt)))


def _out_of_means(
    policy: Policy, history: History, clock: Clock, cost: float
) -> tuple[Exception, Halt] | None:
    """Why no further part may be begun, if so: no failure has asked :func:`decide`."""
    if policy.max_cost is not None and cost >= policy.max_cost:
        told = f"its parts have cost ${cost:.4g}, and max_cost is ${policy.max_cost:.4g}"
        return BudgetExceeded(told), Halt(told, kind="budget_exceeded")
    if policy.deadline is not None and clock.monotonic() >= history.started + policy.deadline:
        told = f"its deadline of {policy.deadline:g} s has passed between two parts"
        return StepTimeout(told, timeout=policy.deadline), Halt(told, kind="deadline_exceeded")
    return None


def _same(old: Any, new: Any) -> bool:
    if old is new:
        return True
    try:
        return bool(old == new)
    except Exception:  # arrays have no single truth: what is not the same object has changed
        return False


def _told(failure: Failure, decision: Decision) -> str:
    step = type(decision).__name__.lower()
    if isinstance(decision, Retry):
        step = f"retried after {decision.after:.3g} s"
    return f"attempt {failure.attempt}: {failure.kind}, {step}"


def drive(loop: Generator[Any, Any, R], handle: Callable[[Any], Any]) -> R:
    """Carry a loop's commands out in the calling thread.

    :param handle: takes a command and gives its reply; what it raises is raised inside the loop.
    """
    reply: Any = None
    error: BaseException | None = None
    while True:
        try:
            command = loop.send(reply) if error is None else loop.throw(error)
        except StopIteration as stop:
            result: R = stop.value
            return result
        error = None
        try:
            reply = handle(command)
        except BaseException as exc:
            error = exc


async def drive_async(loop: Generator[Any, Any, R], handle: Callable[[Any], Awaitable[Any]]) -> R:
    """The same in the calling task: ``handle`` is awaited."""
    reply: Any = None
    error: BaseException | None = None
    while True:
        try:
            command = loop.send(reply) if error is None else loop.throw(error)
        except StopIteration as stop:
            result: R = stop.value
            return result
        error = None
        try:
            reply = await handle(command)
        except BaseException as exc:
            error = exc


def simulate(
    loop: Loop, script: Sequence[Any], clock: ManualClock, verdicts: Sequence[Verdict] = ()
) -> tuple[Outcome, list[Command]]:
    """Play ``script`` (values to return, exceptions to raise) and tell what happened.

    :raises IndexError: where the loop tries more often than the script is long.
    """
    told: list[Command] = []
    left = list(script)
    answers = list(verdicts)

    def handle(command: Command) -> Any:
        told.append(command)
        if isinstance(command, Try):
            value = left.pop(0)
            return Raised(value) if isinstance(value, BaseException) else Returned(value)
        if isinstance(command, Wait):
            clock.sleep(command.seconds)
        return answers.pop(0) if isinstance(command, Verify) else None

    return drive(loop, handle), told
