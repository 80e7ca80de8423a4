"""What is allowed: by default, by a team's own word, and never what proves nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.chaos.expect import Expect, expectations, permitted, settled
from surefoot.chaos.model import OUTCOMES, FaultSpec
from surefoot.errors import ConfigError, UsageError

AUTH = FaultSpec("kind", "auth", step="pay")
KILL = FaultSpec("kill", "", "after", "pay")


def allowed(fault: FaultSpec, *expects: Expect, **known: Any) -> tuple[str, ...]:
    known = {"recoverable": None, "needs_person": False, **known}
    return permitted(fault.step, fault, expects, **known).allow


def test_a_recoverable_kind_must_recover_or_degrade() -> None:
    told = allowed(AUTH, recoverable=True)
    assert "recovered" in told and "degraded" in told and "halted" not in told


def test_an_unrecoverable_kind_must_halt_cleanly_and_may_recover() -> None:
    told = allowed(AUTH, recoverable=False)
    assert "halted" in told and "recovered" in told and "degraded" not in told


def test_a_kill_must_be_survived_and_may_be_a_doubt_only_where_nobody_can_know() -> None:
    assert allowed(KILL) == ("recovered",)
    assert allowed(KILL, needs_person=True) == ("recovered", "halted")


def test_a_wrong_value_must_be_noticed() -> None:
    told = allowed(FaultSpec("value", "empty", "value", "ask"))
    assert "halted" in told and "wrong_output" not in told


@given(
    what=st.sampled_from(["kind", "kill", "value", "journal", "http"]),
    recoverable=st.sampled_from([True, False, None]),
    person=st.booleans(),
)
def test_no_default_allows_a_duplicate_a_loss_or_a_wrong_result(
    what: Any, recoverable: bool | None, person: bool
) -> None:
    told = allowed(FaultSpec(what, "x"), recoverable=recoverable, needs_person=person)
    assert not {"duplicate", "lost", "wrong_output", "stuck", "not_fired"} & set(told)
    assert "recovered" in told


def test_the_first_expectation_that_fits_counts_and_says_where_it_stands() -> None:
    mine = Expect(("halted",), step="pay", kind="auth", place="here")
    other = Expect(("degraded",), step="pay")
    told = permitted("pay", AUTH, (mine, other), recoverable=True, needs_person=False)
    assert (told.allow, told.because) == (("halted",), "here")
    told = permitted("pay", KILL, (mine, other), recoverable=None, needs_person=False)
    assert told.allow == ("degraded",)
    assert allowed(FaultSpec("kind", "auth", step="load"), mine, other) == ("recovered",)


@pytest.mark.parametrize("kind", ["auth", None])
def test_an_expectation_without_a_step_or_a_kind_speaks_of_all(kind: str | None) -> None:
    assert Expect(("halted",), kind=kind).fits("anything", AUTH)


def test_kills_and_what_happens_at_the_journal_have_names_too() -> None:
    assert Expect(("halted",), kind="killed").fits("pay", KILL)
    assert Expect(("halted",), kind="write").fits(None, FaultSpec("kill", "", "write"))
    assert not Expect(("halted",), kind="write").fits("pay", KILL)


@given(st.text())
def test_an_outcome_that_there_is_not_is_refused(name: str) -> None:
    if name in OUTCOMES:
        return
    with pytest.raises(UsageError, match="give one or more of"):
        Expect((name,))  # type: ignore[arg-type]


@pytest.mark.parametrize("allow", [("not_fired",), ("recovered", "not_fired"), ()])
def test_what_proves_nothing_cannot_be_allowed(allow: Any) -> None:
    with pytest.raises(UsageError):
        Expect(allow)


# -- in the settings ------------------------------------------------------------------------------


def test_a_table_may_name_several_kinds_and_outcomes() -> None:
    table = {"step": "pay", "kind": ["auth", "tls"], "allow": "halted"}
    first, second = expectations([table], "surefoot.toml")
    assert (first.kind, second.kind) == ("auth", "tls")
    assert first.allow == second.allow == ("halted",)
    assert first.place == "surefoot.toml [[chaos.expect]]"


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({}, "must be a list of tables"),
        (["pay"], "must be a table"),
        ([{"stepp": "pay"}], "no key 'stepp'"),
        ([{"step": "pay"}], "allows nothing"),
        ([{"allow": ["fine"]}], "allow='fine'"),
        ([{"allow": 3}], "allow = 3 must be a text"),
        ([{"allow": "halted", "kind": [1]}], "kind = [1] must be"),
        ([{"allow": "halted", "step": ["pay"]}], "must be a step's name"),
    ],
)
def test_a_mistake_in_it_names_the_file_and_what_is_wrong(tables: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        expectations(tables, "surefoot.toml")
    assert "surefoot.toml" in str(caught.value) and words in str(caught.value)


def test_the_table_chaos_has_two_keys_and_no_others() -> None:
    expects, setup = settled({"setup": "tests.chaos:cell", "expect": [{"allow": "halted"}]}, "x")
    assert setup == "tests.chaos:cell" and len(expects) == 1
    assert settled({}, "x") == ((), None)
    with pytest.raises(
        ConfigError, match=r"x: \[chaos\] has no key 'expects'; did you mean 'expect'"
    ):
        settled({"expects": []}, "x")
    with pytest.raises(ConfigError, match="chaos.setup = 3 must be a text"):
        settled({"setup": 3}, "x")
