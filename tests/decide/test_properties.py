"""What holds of every decision, whatever the failure, the policy and the history."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from surefoot.decide import Adapt, Decision, FallBack, Halt, History, Retry, Skip, decide
from surefoot.model import BUILTIN_KINDS, Classification, Rung
from surefoot.policy import MISSING, On, Policy, on

ORDER = ["retry", "adapt", "fall_back", "skip", "halt"]
CLASSES: list[type[BaseException]] = [Exception, OSError, TimeoutError, ValueError, KeyError]


def same(value: Any, failure: Any) -> Any:
    return value


def away(*args: Any) -> None:
    return None


def elsewhere(*args: Any) -> None:
    return None


seconds = st.floats(0, 10_000, allow_nan=False)
kinds = st.sampled_from(BUILTIN_KINDS)


@st.composite
def rungs(draw: st.DrawFn) -> Rung:
    return Rung(
        "retry",
        draw(st.none() | st.integers(1, 20)),
        draw(st.none() | st.floats(0.1, 5_000)),
        draw(st.none() | st.floats(0.01, 10)),
        draw(st.none() | st.floats(0.01, 100)),
    )


@st.composite
def classifications(draw: st.DrawFn) -> Classification:
    retryable = draw(st.booleans())
    ladder = [draw(rungs())] if retryable and draw(st.booleans()) else []
    ladder += [Rung(name) for name in ORDER[1:4] if draw(st.booleans())]  # type: ignore[arg-type]
    return Classification(
        kind=draw(kinds),
        category="infrastructure",
        recoverable=True,
        retryable=retryable,
        rule=draw(st.sampled_from(["test.rule", "test.other", "surefoot.critical"])),
        fingerprint="v1-0",
        ladder=(*ladder, Rung("halt")),
        type="builtins.OSError",
        message="",
        retry_after=draw(st.none() | seconds),
        outcome=draw(st.sampled_from(["refused", "open"])),
        retries_spent=draw(st.integers(0, 3)),
    )


@st.composite
def ons(draw: st.DrawFn) -> On:
    one = on(*draw(st.lists(kinds | st.sampled_from(CLASSES), min_size=1, max_size=3)))
    if draw(st.booleans()):
        attempts = draw(st.none() | st.integers(1, 20))
        one = one.retry(attempts, draw(st.none() | st.floats(0.1, 5_000)))
    if draw(st.booleans()):
        one = one.adapt(rounds=draw(st.integers(1, 4)), prompt=same)
    if draw(st.booleans()):
        one = one.fall_back(draw(st.sampled_from([away, elsewhere])))
    if draw(st.booleans()):
        one = one.skip(draw(st.sampled_from([MISSING, None, 0])))
    return one.halt() if draw(st.booleans()) else one


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    in_map = draw(st.booleans())
    return Policy(
        attempts=draw(st.none() | st.integers(1, 20)),
        deadline=draw(st.none() | st.floats(0.1, 20_000)),
        recover=tuple(draw(st.lists(ons(), max_size=4))),
        effect=draw(st.booleans()),
        on_doubt=draw(st.sampled_from(["halt", "rerun"])),
        once=draw(st.booleans()),
        in_map=in_map,
        quarantine=in_map and draw(st.booleans()),
    )


exceptions = st.sampled_from([TimeoutError(), ValueError(), KeyError("k"), RuntimeError()])
doubts = st.sampled_from(["none", "key", "rerun", "open"])
chances = st.floats(0, 1).map(lambda share: lambda low, high: low + (high - low) * share)


def reaches(policy: Policy, kind: str, exc: BaseException) -> bool:
    """Whether some ``on`` of the step is about this failure."""
    return any(
        what == kind if isinstance(what, str) else isinstance(exc, what)
        for one in policy.recover
        for what in one.what
    )


@given(classifications(), exceptions, policies(), doubts, seconds, chances)
def test_deciding_is_pure(
    what: Classification, exc: Exception, policy: Policy, doubt: Any, now: float, chance: Any
) -> None:
    history = History(0.0).after(what, min(now, 5.0))
    one = decide(what, exc, policy, history, now, chance, doubt)
    assert one == decide(what, exc, policy, history, now, chance, doubt)
    assert one.reason


@given(classifications(), exceptions, policies(), doubts, seconds, chances)
def test_what_is_not_retryable_is_never_retried_unless_the_step_names_it(
    what: Classification, exc: Exception, policy: Policy, doubt: Any, now: float, chance: Any
) -> None:
    history = History(0.0).after(what, 0.0)
    decision = decide(what, exc, policy, history, now, chance, doubt)
    if isinstance(decision, Retry) and not what.retryable:
        assert reaches(policy, what.kind, exc)


@given(classifications(), exceptions, policies(), seconds, chances)
def test_a_wait_is_never_below_what_the_server_asked_nor_beyond_the_deadline(
    what: Classification, exc: Exception, policy: Policy, now: float, chance: Any
) -> None:
    history = History(0.0).after(what, 0.0)
    decision = decide(what, exc, policy, history, now, chance)
    if isinstance(decision, Retry):
        assert decision.after >= (what.retry_after or 0.0)
        if policy.deadline is not None:
            assert now + decision.after < policy.deadline
    if policy.deadline is not None and now >= policy.deadline:
        assert isinstance(decision, Halt)


@given(classifications(), exceptions, policies(), doubts, seconds, chances)
def test_a_wide_on_never_reaches_a_bug_a_stop_or_a_critical_error(
    what: Classification, exc: Exception, policy: Policy, doubt: Any, now: float, chance: Any
) -> None:
    wide = Policy(
        deadline=policy.deadline,
        effect=policy.effect,
        in_map=True,
        recover=(on(Exception).retry().adapt(prompt=same).fall_back(away).skip(default=0),),
    )
    history = History(0.0).after(what, 0.0)
    decision = decide(what, exc, wide, history, now, chance, doubt)
    if what.kind in ("cancelled", "control_flow") or what.rule == "surefoot.critical":
        assert isinstance(decision, Halt)
    if what.kind == "bug" and not what.retryable:
        assert isinstance(decision, Halt)


@given(classifications(), exceptions, policies(), doubts, seconds, chances)
def test_what_may_have_happened_is_only_ever_repeated_or_left_alone(
    what: Classification, exc: Exception, policy: Policy, doubt: Any, now: float, chance: Any
) -> None:
    history = History(0.0).after(what, 0.0)
    decision = decide(what, exc, policy, history, now, chance, doubt)
    if doubt != "none":
        assert isinstance(decision, (Retry, Halt))
    if doubt == "open":
        assert isinstance(decision, Halt)


@given(classifications(), exceptions, policies(), seconds)
def test_outside_of_a_map_nothing_is_left_out_without_a_default(
    what: Classification, exc: Exception, policy: Policy, now: float
) -> None:
    history = History(0.0).after(what, 0.0)
    decision = decide(what, exc, policy, history, now, lambda low, high: low)
    if isinstance(decision, Skip) and not policy.in_map:
        assert decision.default is not MISSING


def climb(
    steps: list[Classification], exc: Exception, policy: Policy, chance: Any
) -> list[Decision]:
    """Decide again and again, as the attempt loop does; the failures come round and round."""
    history, now = History(0.0), 0.0
    seen: list[Decision] = []
    while not seen or not isinstance(seen[-1], (Halt, Skip)):
        assert len(seen) < 5_000, "the ladder has no end"
        what = steps[len(seen) % len(steps)]
        history = history.after(what, now)
        decision = decide(what, exc, policy, history, now, chance)
        seen.append(decision)
        if isinstance(decision, Retry):
            now += decision.after
        elif isinstance(decision, Adapt):
            history = history.adapted(what.kind)
        elif isinstance(decision, FallBack):
            history = history.fell_back(decision.to)
    return seen


@given(st.lists(classifications(), min_size=1, max_size=3), exceptions, policies(), chances)
def test_every_ladder_ends_after_a_bounded_number_of_tries(
    steps: list[Classification], exc: Exception, policy: Policy, chance: Any
) -> None:
    seen = climb(steps, exc, policy, chance)
    # a kind is tried at most 20 times (what the strategies ask for) and adapted 4 times, and that
    # anew after each of at most two fallbacks
    assert len(seen) <= len(steps) * (20 + 4 + 1) * 3 + 3


@given(classifications(), exceptions, policies(), chances)
def test_the_ladder_is_climbed_in_one_direction(
    what: Classification, exc: Exception, policy: Policy, chance: Any
) -> None:
    names = {Retry: 0, Adapt: 1, FallBack: 2, Skip: 3, Halt: 4}
    last = 0
    for decision in climb([what], exc, policy, chance):
        rung = names[type(decision)]
        assert rung >= last
        # a fallback begins anew; in between the order holds
        last = 0 if rung == 2 else rung


@given(st.permutations([("timeout",), (TimeoutError,), (OSError,), (Exception,)]))
def test_the_closest_on_decides_however_they_are_ordered(order: list[tuple[Any]]) -> None:
    recover = tuple(on(*what).retry(attempts=10 + i) for i, what in enumerate(order))
    what = Classification(
        "timeout", "infrastructure", True, True, "test.rule", "v1-0", (Rung("halt"),), "x", ""
    )
    for present in range(1, len(order) + 1):
        left = recover[:present]
        closest = min(
            left,
            key=lambda one: [("timeout",), (TimeoutError,), (OSError,), (Exception,)].index(
                one.what  # type: ignore[arg-type]
            ),
        )
        history = History(0.0).after(what, 0.0)
        decision = decide(
            what, TimeoutError(), Policy(recover=left), history, 0.0, lambda low, high: low
        )
        assert closest.retry_rung is not None
        assert decision == Retry(0.0, f"try 2 of {closest.retry_rung.attempts}")
