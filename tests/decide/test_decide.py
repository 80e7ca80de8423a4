"""What happens after a failure: the table of the ladder, rung by rung."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from surefoot.decide import (
    Adapt,
    Decision,
    Doubt,
    FallBack,
    Halt,
    History,
    Retry,
    Skip,
    decide,
)
from surefoot.model import Classification, Ladder, Rung
from surefoot.policy import MISSING, Backoff, Policy, halve, on

HALT = Rung("halt")
FULL: Ladder = (Rung("retry"), Rung("adapt"), Rung("fall_back"), Rung("skip"), HALT)


def failure(kind: str = "timeout", **changes: Any) -> Classification:
    """A classification as the catalog would give it."""
    given: dict[str, Any] = {
        "kind": kind,
        "category": "infrastructure",
        "recoverable": True,
        "retryable": True,
        "rule": "test.rule",
        "fingerprint": "v1-0",
        "ladder": FULL,
        "type": "builtins.TimeoutError",
        "message": "too slow",
    }
    return Classification(**{**given, **changes})


def highest(low: float, high: float) -> float:
    return high


def lowest(low: float, high: float) -> float:
    return low


def decided(
    classification: Classification,
    policy: Policy | None = None,
    *,
    failures: int = 1,
    now: float = 0.0,
    exc: BaseException | None = None,
    doubt: Doubt = "none",
    chance: Callable[[float, float], float] = highest,
    history: History | None = None,
) -> Decision:
    """Decide after ``failures`` failures of this kind, the first of which was at 0."""
    history = history or History(started=0.0)
    for _ in range(failures):
        history = history.after(classification, 0.0)
    return decide(
        classification, exc or TimeoutError(), policy or Policy(), history, now, chance, doubt
    )


def first(value: Any, failure: Any) -> Any:
    return value


def second(value: Any, failure: Any) -> Any:
    return value


def small(prompt: str) -> str:
    return prompt


def smaller(prompt: str) -> str:
    return prompt


# -- retry ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failures", "wait"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0)], ids=lambda v: str(v)
)
def test_a_retryable_failure_is_retried_with_a_growing_wait(failures: int, wait: float) -> None:
    decision = decided(failure(), failures=failures)
    assert decision == Retry(wait, f"try {failures + 1} of 5")


def test_the_fifth_failure_of_a_kind_is_the_last_one() -> None:
    decision = decided(failure(), failures=5)
    assert isinstance(decision, Halt)
    assert decision.reason == "tried 5 times as timeout (the limit is 5)" and decision.kind is None


@pytest.mark.parametrize(
    ("rung", "policy", "limit"),
    [
        (Rung("retry"), Policy(), 5),
        (Rung("retry"), Policy(attempts=3), 3),
        (Rung("retry", attempts=2), Policy(), 2),
        (Rung("retry", attempts=2), Policy(attempts=7), 2),
        (Rung("retry", attempts=9), Policy(), 9),
        (Rung("retry", attempts=9), Policy(attempts=4), 4),
        (Rung("retry", attempts=2), Policy(recover=(on("timeout").retry(attempts=8),)), 8),
        (Rung("retry", attempts=2), Policy(attempts=3, recover=(on("timeout").retry(),)), 3),
        (Rung("retry", attempts=2), Policy(recover=(on("timeout").retry(),)), 5),
    ],
)
def test_how_often_is_the_steps_word_then_the_careful_one_of_the_catalog_and_the_step(
    rung: Rung, policy: Policy, limit: int
) -> None:
    what = failure(ladder=(rung, HALT))
    for failures in range(1, limit):
        assert isinstance(decided(what, policy, failures=failures), Retry)
    assert isinstance(decided(what, policy, failures=limit), Halt)


def test_the_back_off_is_the_steps_own_then_the_catalogs_then_the_policys() -> None:
    own = Policy(recover=(on("timeout").retry(base=3, cap=100),))
    catalog = failure(ladder=(Rung("retry", base=7, cap=100), HALT))
    assert decided(catalog, own) == Retry(3.0, "try 2 of 5")
    assert decided(catalog) == Retry(7.0, "try 2 of 5")
    assert decided(failure(), Policy(backoff=Backoff(base=0.1))) == Retry(0.1, "try 2 of 5")
    capped = failure(ladder=(Rung("retry", cap=0.2), HALT))
    assert decided(capped) == Retry(0.2, "try 2 of 5")
    assert decided(catalog, chance=lowest) == Retry(0.0, "try 2 of 5")


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(0.0, 0.0, 0.0), (5.0, 5.0, 5.5), (20.0, 20.0, 21.0)]
)
def test_a_server_that_asks_for_a_wait_gets_it_and_a_little_more(
    asked: float, least: float, most: float
) -> None:
    what = failure("rate_limited", retry_after=asked)
    early, late = decided(what, chance=lowest), decided(what, chance=highest)
    assert isinstance(early, Retry) and isinstance(late, Retry)
    assert (early.after, late.after) == (least, most)
    assert f"as the server asked ({asked:g} s)" in early.reason


def test_a_wait_beyond_the_deadline_is_not_slept() -> None:
    what = failure("rate_limited", retry_after=120.0)
    assert isinstance(decided(what, Policy(deadline=300)), Retry)
    decision = decided(what, Policy(deadline=60))
    assert isinstance(decision, Halt) and "the 60 s left of its deadline" in decision.reason
    away = Policy(deadline=60, recover=(on("rate_limited").fall_back(small),))
    assert isinstance(decided(what, away), FallBack)


def test_after_the_deadline_nothing_is_tried_any_more() -> None:
    policy = Policy(deadline=60, recover=(on(Exception).fall_back(small).skip(default=0),))
    decision = decided(failure(), policy, now=60.0)
    assert decision == Halt("its deadline of 60 s has passed", kind="deadline_exceeded")


@pytest.mark.parametrize(("now", "retried"), [(0.0, True), (8.9, True), (9.5, False), (99, False)])
def test_within_bounds_the_time_since_the_first_such_failure(now: float, retried: bool) -> None:
    policy = Policy(recover=(on("timeout").retry(attempts=99, within=10, base=0.5, cap=0.5),))
    decision = decided(failure(), policy, now=now)
    assert isinstance(decision, Retry) is retried
    if not retried:
        assert "later than 10 s after the first failure" in decision.reason


def test_within_counts_from_the_first_failure_of_that_kind() -> None:
    policy = Policy(recover=(on("timeout", "dns").retry(attempts=9, within=10),))
    history = History(0.0).after(failure("dns"), 0.0).after(failure("timeout"), 100.0)
    decision = decide(failure("timeout"), OSError(), policy, history, 101.0, lowest)
    assert isinstance(decision, Retry)


def test_attempts_are_counted_a_kind() -> None:
    history = History(0.0)
    for _ in range(4):
        history = history.after(failure("timeout"), 0.0)
    other = failure("dns")
    decision = decide(other, OSError(), Policy(), history.after(other, 0.0), 0.0, highest)
    assert decision == Retry(0.5, "try 2 of 5")


def test_retries_that_a_client_library_spent_are_counted() -> None:
    assert isinstance(decided(failure(retries_spent=3)), Retry)
    assert isinstance(decided(failure(retries_spent=4)), Halt)


@pytest.mark.parametrize("kind", ["auth", "quota_exhausted", "bug"])
def test_what_is_not_retryable_is_not_retried(kind: str) -> None:
    what = failure(kind, retryable=False, ladder=(HALT,))
    assert decided(what) == Halt(f"{kind} is not retried")


def test_a_step_may_name_what_the_catalog_would_not_retry() -> None:
    what = failure("auth", retryable=False, ladder=(HALT,))
    policy = Policy(recover=(on("auth").retry(attempts=2),))
    assert isinstance(decided(what, policy), Retry)
    assert isinstance(decided(what, policy, failures=2), Halt)


def test_a_rule_that_is_retryable_though_its_kind_is_not_uses_the_steps_numbers() -> None:
    what = failure("auth", retryable=True, ladder=(HALT,))
    assert isinstance(decided(what, Policy(attempts=3), failures=2), Retry)
    assert isinstance(decided(what, Policy(attempts=3), failures=3), Halt)


def test_a_rule_that_is_not_retryable_though_its_kind_is_overrides_the_ladder() -> None:
    assert isinstance(decided(failure(retryable=False)), Halt)


def test_unknown_gets_one_careful_retry_in_a_step_and_none_in_an_effect() -> None:
    what = failure("unknown", ladder=(Rung("retry", attempts=2), HALT))
    assert isinstance(decided(what), Retry)
    assert isinstance(decided(what, failures=2), Halt)
    decision = decided(what, Policy(effect=True))
    assert isinstance(decision, Halt) and "nobody knows" in decision.reason


def test_inside_a_retrying_step_nothing_is_retried_but_other_rungs_count() -> None:
    assert isinstance(decided(failure(), Policy(once=True)), Halt)
    policy = Policy(once=True, recover=(on("timeout").adapt(size=halve()),))
    assert isinstance(decided(failure(), policy), Adapt)


# -- the other rungs --------------------------------------------------------------------------


def test_adapting_comes_when_retrying_is_spent_and_is_bounded_by_its_rounds() -> None:
    policy = Policy(recover=(on("timeout").retry(attempts=2).adapt(rounds=2, size=first),))
    assert isinstance(decided(failure(), policy), Retry)
    history = History(0.0)
    for number in (1, 2):
        decision = decided(failure(), policy, failures=2, history=history)
        assert decision == Adapt({"size": first}, number, f"round {number} of 2")
        history = history.adapted("timeout")
    decision = decided(failure(), policy, failures=2, history=history)
    assert isinstance(decision, Halt) and "adapted 2 times" in decision.reason


def test_rounds_are_counted_a_kind() -> None:
    policy = Policy(recover=(on("gpu_out_of_memory", "timeout").adapt(rounds=1, size=first),))
    history = History(0.0).adapted("timeout")
    what = failure("gpu_out_of_memory", retryable=False)
    assert isinstance(decided(what, policy, history=history), Adapt)


def test_adapters_that_changed_nothing_end_their_rung() -> None:
    policy = Policy(recover=(on("timeout").retry(attempts=1).adapt(size=first),))
    history = History(0.0).unchanged("timeout")
    decision = decided(failure(), policy, history=history)
    assert isinstance(decision, Halt) and "adapting changes nothing more" in decision.reason


def test_fallbacks_are_taken_in_order_and_each_once() -> None:
    policy = Policy(recover=(on("timeout").retry(attempts=1).fall_back(small, smaller),))
    history = History(0.0)
    names = []
    for _ in range(2):
        decision = decided(failure(), policy, history=history)
        assert isinstance(decision, FallBack)
        names.append(decision.to.name)
        history = history.fell_back(decision.to)
    assert names == ["small", "smaller"]
    decision = decided(failure(), policy, history=history)
    assert isinstance(decision, Halt) and "no fallback is left" in decision.reason


def test_a_fallback_is_a_new_beginning_for_counts_but_not_for_the_deadline() -> None:
    history = History(5.0).after(failure(), 6.0).adapted("timeout").unchanged("timeout")
    (to,) = on("x").fall_back(small).fallbacks
    assert history.fell_back(to) == History(5.0, used=(to,))


@pytest.mark.parametrize(
    ("policy", "decision"),
    [
        (Policy(in_map=True, quarantine=True), Skip),
        (Policy(in_map=True, quarantine=False), Halt),
        (Policy(), Halt),
    ],
)
def test_the_catalogs_skip_counts_only_where_a_map_sets_items_aside(
    policy: Policy, decision: type[Any]
) -> None:
    assert isinstance(decided(failure(retryable=False), policy), decision)


def test_a_kind_without_skip_in_its_ladder_halts_a_map() -> None:
    what = failure("auth", retryable=False, ladder=(Rung("fall_back"), HALT))
    assert isinstance(decided(what, Policy(in_map=True, quarantine=True)), Halt)


@pytest.mark.parametrize("in_map", [True, False])
def test_a_steps_own_skip_has_its_default(in_map: bool) -> None:
    policy = Policy(in_map=in_map, recover=(on("timeout").retry(attempts=1).skip(default=[]),))
    decision = decided(failure(), policy)
    assert isinstance(decision, Skip) and decision.default == []


def test_a_skip_without_default_sets_an_item_aside_and_is_nothing_outside_of_a_map() -> None:
    recover = (on("timeout").retry(attempts=1).skip(),)
    decision = decided(failure(), Policy(in_map=True, recover=recover))
    assert isinstance(decision, Skip) and decision.default is MISSING
    decision = decided(failure(), Policy(recover=recover))
    assert isinstance(decision, Halt) and "skip(default=…)" in decision.reason


def test_none_is_a_default_like_any_other() -> None:
    policy = Policy(recover=(on("timeout").retry(attempts=1).skip(default=None),))
    decision = decided(failure(), policy)
    assert isinstance(decision, Skip) and decision.default is None


def test_all_rungs_chain_in_one_order_however_they_were_written() -> None:
    policy = Policy(
        in_map=True,
        recover=(on("timeout").skip().fall_back(small).adapt(rounds=1, size=first).retry(2),),
    )
    history = History(0.0).after(failure(), 0.0)
    seen: list[str] = []
    for _ in range(5):
        decision = decide(failure(), TimeoutError(), policy, history, 0.0, lowest)
        seen.append(type(decision).__name__)
        if isinstance(decision, Adapt):
            history = history.adapted("timeout")
        if isinstance(decision, FallBack):
            history = history.fell_back(decision.to)
        history = history.after(failure(), 0.0)
    # after the fallback the count of tries begins anew
    assert seen == ["Retry", "Adapt", "FallBack", "Retry", "Adapt"]
    history = history.adapted("timeout")
    assert isinstance(decide(failure(), TimeoutError(), policy, history, 0, lowest), Skip)


# -- which `on` counts ------------------------------------------------------------------------


def test_for_each_rung_the_most_specific_on_counts() -> None:
    policy = Policy(
        recover=(
            on(Exception).retry(attempts=9).adapt(size=first).fall_back(smaller),
            on(OSError).retry(attempts=4).adapt(size=second),
            on("timeout").retry(attempts=2),
        )
    )
    exc = TimeoutError()  # an OSError
    decision = decided(failure(), policy, exc=exc)
    assert decision == Retry(0.5, "try 2 of 2")
    decision = decided(failure(), policy, failures=2, exc=exc)
    assert isinstance(decision, Adapt) and decision.adapters == {"size": second}
    history = History(0.0).unchanged("timeout")
    decision = decided(failure(), policy, failures=2, exc=exc, history=history)
    assert isinstance(decision, FallBack) and decision.to.target is smaller


def test_the_first_listed_wins_a_tie() -> None:
    policy = Policy(
        recover=(on("timeout").retry(attempts=2), on("dns", "timeout").retry(attempts=7))
    )
    assert decided(failure(), policy) == Retry(0.5, "try 2 of 2")


def test_halt_leaves_out_the_rungs_that_its_on_does_not_name() -> None:
    policy = Policy(
        in_map=True,
        quarantine=True,
        recover=(
            on("timeout").retry(attempts=2).halt(),
            on(Exception).retry(attempts=9).adapt(size=first).fall_back(small).skip(),
        ),
    )
    assert isinstance(decided(failure(), policy), Retry)
    assert isinstance(decided(failure(), policy, failures=2), Halt)
    bare = Policy(recover=(on("timeout").halt(),))
    assert decided(failure(), bare) == Halt("timeout is not retried")


def test_a_narrower_rung_stands_before_a_wider_halt() -> None:
    policy = Policy(recover=(on(Exception).halt(), on("timeout").retry(attempts=3)))
    assert isinstance(decided(failure(), policy), Retry)
    assert isinstance(decided(failure("dns"), policy, exc=OSError()), Halt)


def test_an_on_for_something_else_changes_nothing() -> None:
    policy = Policy(recover=(on("dns", KeyError).retry(attempts=1).halt(),))
    assert decided(failure(), policy) == Retry(0.5, "try 2 of 5")


WIDE = on(Exception).retry(attempts=9).fall_back(small).skip(default=0)


@pytest.mark.parametrize("kind", ["bug", "cancelled", "control_flow"])
@pytest.mark.parametrize("wide", [WIDE, replace(WIDE, what=(BaseException,))])
def test_on_exception_never_reaches_a_bug_or_what_is_no_failure(kind: str, wide: Any) -> None:
    what = failure(kind, retryable=False, ladder=(HALT,))
    decision = decided(what, Policy(recover=(wide,)), exc=NameError("x"))
    assert isinstance(decision, Halt)


def test_a_bug_is_reached_by_its_kind_and_by_its_class() -> None:
    what = failure("bug", retryable=False, ladder=(HALT,))
    by_kind = Policy(recover=(on("bug", Exception).retry(),))
    by_class = Policy(recover=(on(Exception, NameError).retry(),))
    assert isinstance(decided(what, by_kind, exc=NameError("x")), Retry)
    assert isinstance(decided(what, by_class, exc=NameError("x")), Retry)
    assert isinstance(decided(what, by_class, exc=TypeError("x")), Halt)


@pytest.mark.parametrize("what", ["misconfiguration", Exception, ValueError])
def test_nothing_overrides_a_critical_error_of_the_users_own_code(what: Any) -> None:
    critical = failure("misconfiguration", rule="surefoot.critical", retryable=False)
    recover = (on(what).retry().fall_back(small).skip(default=0),)
    decision = decided(critical, Policy(recover=recover, in_map=True, quarantine=True))
    assert decision == Halt("the code itself said that a person must act")


@pytest.mark.parametrize("kind", ["cancelled", "control_flow"])
def test_what_is_no_failure_is_never_handled(kind: str) -> None:
    decision = decided(failure(kind), Policy(recover=(on(kind).retry(),)))
    assert decision == Halt(f"{kind} is no failure; it passes through")


# -- effects ----------------------------------------------------------------------------------

ALL = on("timeout").retry(attempts=2).adapt(size=first).fall_back(small).skip(default=0)


def test_an_effect_that_may_have_happened_is_not_touched_where_nothing_can_tell() -> None:
    decision = decided(failure(), Policy(effect=True, recover=(ALL,)), doubt="open")
    assert isinstance(decision, Halt) and decision.kind == "in_doubt"
    for way_out in ("verify=", "idempotency_key()", "on_doubt='rerun'"):
        assert way_out in decision.reason


@pytest.mark.parametrize("doubt", ["key", "rerun"])
def test_under_its_key_an_effect_is_repeated_but_never_changed_or_left_out(doubt: Doubt) -> None:
    policy = Policy(effect=True, in_map=True, quarantine=True, recover=(ALL,))
    assert isinstance(decided(failure(), policy, doubt=doubt), Retry)
    decision = decided(failure(), policy, failures=2, doubt=doubt)
    assert isinstance(decision, Halt) and decision.kind == "in_doubt"
    assert "may have happened" in decision.reason


def test_a_refused_effect_climbs_the_whole_ladder() -> None:
    policy = Policy(effect=True, recover=(ALL,))
    assert isinstance(decided(failure(outcome="refused"), policy, failures=2), Adapt)
