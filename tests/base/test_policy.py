"""What a step says of its own recovery is checked when it is made, and is frozen data."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import DefinitionError
from surefoot.policy import (
    MISSING,
    AdaptRung,
    Backoff,
    Fallback,
    On,
    Policy,
    RetryRung,
    SkipRung,
    halve,
    on,
    truncate,
)


def smaller(prompt: str) -> str:
    return prompt


def keep(value: Any, failure: Any) -> Any:
    return value


# -- on(…) ------------------------------------------------------------------------------------


def test_on_chains_and_each_method_gives_a_new_one() -> None:
    bare = on("rate_limited", ConnectionError)
    full = (
        bare.retry(attempts=8, within=600, base=1, cap=20)
        .adapt(rounds=2, prompt=keep)
        .fall_back(smaller)
        .fall_back(value=[])
        .fall_back(model="small")
        .skip(default=None)
        .halt()
    )
    assert bare == On(("rate_limited", ConnectionError))
    assert full.retry_rung == RetryRung(8, 600, Backoff(1, 20))
    assert full.adapt_rung == AdaptRung({"prompt": keep}, 2)
    assert [one.name for one in full.fallbacks] == ["smaller", "value=[]", "model='small'"]
    assert full.skip_rung == SkipRung(None) and full.halts
    assert on("timeout").skip().skip_rung == SkipRung(MISSING)
    assert repr(MISSING) == "MISSING"


def test_a_retry_without_base_and_cap_leaves_the_back_off_to_the_step() -> None:
    assert on("timeout").retry().retry_rung == RetryRung(None, None, None)
    assert on("timeout").retry(cap=3).retry_rung == RetryRung(None, None, Backoff(cap=3))
    assert on("timeout").retry(base=0).retry_rung == RetryRung(None, None, Backoff(base=0))


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: on(), "needs a kind or an exception class"),
        (lambda: on(42), "a kind's name or an exception class"),  # type: ignore[arg-type]
        (lambda: on(int), "a kind's name or an exception class"),  # type: ignore[arg-type]
        (lambda: on("timeout").retry(attempts=0), "attempts=0"),
        (lambda: on("timeout").retry(attempts=True), "attempts=True"),
        (lambda: on("timeout").retry(attempts=1.5), "attempts=1.5"),  # type: ignore[arg-type]
        (lambda: on("timeout").retry(within=0), "within=0"),
        (lambda: on("timeout").retry(within=-1), "within=-1"),
        (lambda: on("timeout").retry(within=math.nan), "within=nan"),
        (lambda: on("timeout").retry(within="9"), "within='9'"),  # type: ignore[arg-type]
        (lambda: on("timeout").retry(within=True), "within=True"),
        (lambda: on("timeout").retry(base=-1), "base=-1"),
        (lambda: on("timeout").retry(cap=-1), "cap=-1"),
        (lambda: on("timeout").adapt(), "at least one argument"),
        (lambda: on("timeout").adapt(rounds=0, prompt=keep), "rounds=0"),
        (lambda: on("timeout").adapt(prompt="x"), "(value, failure) -> value"),  # type: ignore[arg-type]
        (lambda: on("timeout").fall_back(), "a function, value=…"),
        (lambda: on("timeout").fall_back("small"), "fall_back(value='small')"),  # type: ignore[arg-type]
        (lambda: Policy(attempts=0), "attempts=0"),
        (lambda: Policy(timeout=0), "timeout=0"),
        (lambda: Policy(deadline=-3), "deadline=-3"),
        (lambda: Policy(on_doubt="perhaps"), "'halt' or 'rerun'"),  # type: ignore[arg-type]
        (lambda: Policy(recover=("timeout",)), "a list of on(…)"),  # type: ignore[arg-type]
        (lambda: truncate(0), "between 0 and 1"),
        (lambda: truncate(1.0), "between 0 and 1"),
    ],
)
def test_a_mistake_is_told_when_it_is_made_and_says_what_to_write(make: Any, part: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        make()
    assert part in str(caught.value)


def test_a_fallback_is_named_by_what_it_is() -> None:
    class Model:
        def __call__(self, prompt: str) -> str:
            return prompt

        def __repr__(self) -> str:
            return "<the model>"

    assert Fallback("function", smaller).name == "smaller"
    assert Fallback("function", Model()).name == "<the model>"
    assert Fallback("value", 3).name == "value=3"
    assert Fallback("model", "mini", "model").name == "model='mini'"


class Deep(ConnectionResetError):
    pass


@pytest.mark.parametrize(
    ("one", "kind", "exc", "closer"),
    [
        (on("timeout"), "timeout", ValueError(), on(Deep)),
        (on(Deep), "connection", Deep(), on(ConnectionResetError)),
        (on(ConnectionResetError), "connection", Deep(), on(OSError)),
        (on(OSError), "connection", Deep(), on(Exception)),
        (on(Exception), "connection", Deep(), on(BaseException)),
        (on(BaseException), "connection", Deep(), on("timeout")),
        (on(OSError, Exception), "connection", Deep(), on(Exception)),
    ],
)
def test_a_kind_is_closer_than_a_class_and_a_deep_class_closer_than_its_bases(
    one: On, kind: str, exc: BaseException, closer: On
) -> None:
    assert one.specificity(kind, exc) > closer.specificity(kind, exc)


def test_what_does_not_fit_has_no_specificity() -> None:
    assert on("timeout", KeyError).specificity("connection", ValueError()) == 0


def test_no_depth_of_classes_comes_near_a_kind() -> None:
    cls: type[BaseException] = Exception
    for number in range(1_001):
        cls = type(f"E{number}", (cls,), {})
    assert on(cls).specificity("unknown", cls()) < on("unknown").specificity("unknown", cls())


def test_a_policy_names_its_kinds_so_that_they_can_be_checked() -> None:
    policy = Policy(recover=(on("timeout", KeyError).retry(), on(Exception, "dns").skip()))
    assert policy.named_kinds() == ("timeout", "dns")


# -- back-off ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failures", "ceiling"), [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (2_000, 30.0)]
)
def test_back_off_doubles_up_to_its_cap(failures: int, ceiling: float) -> None:
    assert Backoff().ceiling(failures) == ceiling


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_full_jitter_is_anything_from_nothing_to_the_ceiling(failures: int, share: float) -> None:
    backoff = Backoff(base=0.5, cap=20)
    wait = backoff.wait(failures, lambda low, high: low + (high - low) * share)
    assert 0 <= wait <= backoff.ceiling(failures) <= 20


# -- adapters ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("adapter", "value", "after"),
    [
        (halve(), 32, 16),
        (halve(), 5, 2),
        (halve(), 1, 1),
        (halve(minimum=4), 5, 4),
        (halve(minimum=4), 3, 3),
        (halve(minimum=0.1), 0.5, 0.25),
        (truncate(0.5), "abcdef", "abc"),
        (truncate(0.5), [1, 2, 3, 4], [1, 2]),
        (truncate(0.1, minimum=2), "abc", "ab"),
        (truncate(0.9), "a", "a"),
        (truncate(0.9), "", ""),
    ],
)
def test_an_adapter_makes_its_value_smaller(adapter: Any, value: Any, after: Any) -> None:
    changed = adapter(value, None)
    assert changed == after and type(changed) is type(value)


@given(st.integers(1, 10**9), st.integers(1, 64))
def test_halving_ends_at_its_floor_and_never_below(value: int, minimum: int) -> None:
    adapter = halve(minimum=minimum)
    for _ in range(64):
        value = adapter(value, None)
    again = adapter(value, None)
    assert again == value
    assert again >= 1


@given(st.text(max_size=200), st.floats(0.05, 0.95))
def test_truncating_ends_by_changing_nothing_more(text: str, ratio: float) -> None:
    adapter = truncate(ratio)
    for _ in range(300):
        shorter = adapter(text, None)
        assert text.startswith(shorter)
        text = shorter
    assert adapter(text, None) == text and len(text) <= 1
