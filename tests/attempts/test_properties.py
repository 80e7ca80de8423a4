"""What holds of every attempt loop, whatever fails in whichever order."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from surefoot.attempts import Done, Halted, Note, Passed, Skipped, Try, Wait, attempts, simulate
from surefoot.clock import ManualClock
from surefoot.model import Classification, Rung
from surefoot.policy import Policy, on

KINDS = ["timeout", "rate_limited", "auth", "unknown", "bug", "cancelled"]


class Failed(Exception):
    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def classify(exc: BaseException) -> Classification:
    assert isinstance(exc, Failed)
    retryable = exc.kind in ("timeout", "rate_limited", "unknown")
    ladder = ((Rung("retry"),) if retryable else ()) + (Rung("halt"),)
    return Classification(
        exc.kind, "infrastructure", True, retryable, "test.rule", "v1-0", ladder, "Failed", ""
    )


scripts = st.lists(st.sampled_from([*KINDS, "fine"]), min_size=1, max_size=40)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    recover = []
    for kind in draw(st.lists(st.sampled_from(KINDS[:5]), max_size=3, unique=True)):
        one = on(kind)
        if draw(st.booleans()):
            one = one.retry(attempts=draw(st.integers(1, 4)))
        if draw(st.booleans()):
            one = one.adapt(rounds=draw(st.integers(1, 3)), size=lambda value, failure: value // 2)
        if draw(st.booleans()):
            one = one.fall_back(classify)
        if draw(st.booleans()):
            one = one.skip(default=None)
        recover.append(one)
    return Policy(
        attempts=draw(st.none() | st.integers(1, 4)),
        deadline=draw(st.none() | st.floats(0.5, 50)),
        recover=tuple(recover),
    )


@given(scripts, policies())
def test_the_loop_ends_within_its_script_and_tells_all_that_it_did(
    script: list[str], policy: Policy
) -> None:
    clock = ManualClock(start=0.0)
    # far more failures than any ladder allows
    plays: list[Any] = [word if word == "fine" else Failed(word) for word in script * 20]
    loop = attempts(policy, clock, classify, lambda: {"size": 64})
    outcome, told = simulate(loop, plays, clock)
    tries = [command for command in told if isinstance(command, Try)]
    notes = [command for command in told if isinstance(command, Note)]
    waits = [command.seconds for command in told if isinstance(command, Wait)]
    assert [one.attempt for one in tries] == list(range(1, len(tries) + 1))
    assert clock.sleeps == waits
    if policy.deadline is not None:
        assert clock.now() < policy.deadline
    failed = [word for word in (script * 20)[: len(tries)] if word != "fine"]
    if isinstance(outcome, Passed):
        assert failed.pop() == "cancelled"
    assert [note.failure.kind for note in notes] == failed
    assert "cancelled" not in failed
    if isinstance(outcome, Halted):
        assert len(outcome.tried) == len(notes)
        assert outcome.failure is notes[-1].failure
    if isinstance(outcome, Done):
        assert outcome.value == "fine"
    assert isinstance(outcome, (Done, Halted, Skipped, Passed))
