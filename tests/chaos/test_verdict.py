"""What came of a cell is judged by what was seen outside of its processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.chaos.model import CellResult, FaultSpec
from surefoot.chaos.nursery import Ended
from surefoot.chaos.verdict import Seen, judge, times_of
from surefoot.testing import Entry
from tests.chaos.seen import CONTROL, KILL, TIMEOUT, all_did, answer, cell, did, died, fired, lived


def judged(
    *processes: Ended,
    faults: Sequence[FaultSpec] = (TIMEOUT,),
    entries: list[Entry] | None = None,
    control: Any = CONTROL,
    **more: Any,
) -> CellResult:
    """The verdict where each fault fired in its process, unless ``firings`` says otherwise."""
    more.setdefault("firings", [fired(one, process.pid) for one, process in zip(faults, processes)])
    seen = Seen(list(processes), entries=all_did() if entries is None else entries, **more)
    return judge(cell(*faults), control, seen, "/cell")


# -- proof ----------------------------------------------------------------------------------------


def test_a_run_like_the_control_has_recovered() -> None:
    told = judged(lived())
    assert (told.outcome, told.allowed, told.fired) == ("recovered", True, 1)


def test_a_fault_that_nobody_wrote_down_proves_nothing_however_well_the_run_went() -> None:
    told = judged(lived(), firings=[])
    assert (told.outcome, told.allowed) == ("not_fired", False)
    assert "timeout at before of score did not act" in told.detail


def test_not_fired_cannot_be_allowed() -> None:
    one = cell(TIMEOUT, allowed=("not_fired", "recovered"))
    told = judge(one, CONTROL, Seen([lived()], entries=all_did()), None)
    assert (told.outcome, told.allowed) == ("not_fired", False)


@pytest.mark.parametrize(
    "other",
    [
        fired(TIMEOUT, pid=2),
        fired(replace(TIMEOUT, step="pay")),
        fired(replace(TIMEOUT, seam="after")),
    ],
    ids=["another process", "another step", "another seam"],
)
def test_a_firing_elsewhere_is_no_proof(other: Any) -> None:
    assert judged(lived(), firings=[other]).outcome == "not_fired"


def test_a_kill_is_proved_by_a_process_that_died_of_it() -> None:
    assert judged(died(), lived(2), faults=[KILL]).outcome == "recovered"
    assert judged(lived(), faults=[KILL]).outcome == "not_fired"
    assert judged(replace(died(), late=True), lived(2), faults=[KILL]).outcome == "not_fired"
    segfault = replace(died(), signal=11)
    assert judged(segfault, lived(2), faults=[KILL]).outcome == "not_fired"


def test_an_exit_is_proved_by_its_code() -> None:
    ends = FaultSpec("exit", "3", "before", "pay")
    gone = Ended(None, exit_code=3, pid=1, seen=100.5)
    assert judged(gone, lived(2), faults=[ends]).outcome == "recovered"
    assert judged(replace(gone, exit_code=1), lived(2), faults=[ends]).outcome == "not_fired"


def test_of_two_faults_both_have_to_act_each_in_its_process() -> None:
    both = [KILL, TIMEOUT]
    assert judged(died(), lived(2), faults=both).outcome == "recovered"
    first_only = judged(died(), lived(2), faults=both, firings=[fired(KILL)])
    assert first_only.outcome == "not_fired"
    assert first_only.detail.startswith("timeout at before")
    twice_the_first = judged(
        died(), lived(2), faults=[KILL, KILL], firings=[fired(KILL), fired(KILL)]
    )
    assert twice_the_first.outcome == "not_fired"


def test_a_kill_at_a_write_that_never_came_is_beyond_the_run() -> None:
    late = FaultSpec("kill", "", "write", script="nth:11", event="inside")
    told = judged(lived(writes=30), faults=[late], firings=[])
    assert (told.outcome, told.beyond) == ("not_fired", True)
    assert not judged(lived(writes=33), faults=[late], firings=[]).beyond
    assert not judged(lived(), firings=[]).beyond


# -- effects --------------------------------------------------------------------------------------


def test_an_effect_that_was_applied_twice_is_a_duplicate_and_a_correct_retry_is_none() -> None:
    twice = [*all_did(), *did("pay", "7")]
    told = judged(lived(), entries=twice)
    assert told.outcome == "duplicate" and "pay: 7" in told.detail
    again = [*all_did(), *did("pay", "7", applied=False)]
    told = judged(lived(), entries=again)
    assert told.outcome == "recovered"
    pay = next(one for one in told.effects if one.step == "pay")
    assert (pay.received, pay.applied, pay.expected) == (2, 1, 1)


def test_a_duplicate_is_told_also_where_the_run_got_stuck() -> None:
    told = judged(Ended(None, late=True, pid=1, seconds=60), entries=[*did("pay", "7", "7")])
    assert told.outcome == "duplicate" and "still at it after 60 s" in told.detail


def test_a_deed_that_the_control_does_twice_is_expected_twice() -> None:
    control = replace(CONTROL, deeds={"mail": ("a", "a")})
    assert judged(lived(), entries=did("mail", "a", "a"), control=control).outcome == "recovered"
    told = judged(lived(), entries=did("mail", "a"), control=control)
    assert told.outcome == "lost"


@pytest.mark.parametrize("halted", [False, True])
def test_an_effect_that_is_missing_from_a_completed_run_is_lost(halted: bool) -> None:
    first = answer("halted", kind="auth") if halted else None
    told = judged(lived(), entries=did("pay", "7"), halted=first)
    assert told.outcome == "lost" and "mail: a, mail: b" in told.detail


def test_a_deed_that_nobody_expected_is_wrong_output() -> None:
    told = judged(lived(), entries=[*all_did(), *did("mail", "c")])
    assert told.outcome == "wrong_output" and "mail: c" in told.detail


def test_of_an_effect_whose_deeds_are_others_each_time_only_the_number_counts() -> None:
    control = replace(CONTROL, unsteady=("mail",))
    assert judged(
        lived(), entries=[*did("pay", "7"), *did("mail", "x", "y")], control=control
    ).allowed
    told = judged(lived(), entries=[*did("pay", "7"), *did("mail", "x")], control=control)
    assert told.outcome == "lost" and "1 of 2" in told.detail


def test_what_goes_with_an_item_that_was_set_aside_is_not_lost_and_more_is() -> None:
    letters = [{"step": "score", "kind": "parse_error", "item": 0}]
    some = [*did("pay", "7"), *did("mail", "a")]
    told = judged(lived(letters=letters, result=3), entries=some)
    assert told.outcome == "dead_lettered" and "mail: b" in told.detail
    told = judged(lived(letters=letters, result=3), entries=did("pay", "7"))
    assert told.outcome == "lost" and "2 not done" in told.detail
    other = [*did("pay", "3"), *did("mail", "a")]  # another sum was paid: that is one, not none
    assert judged(lived(letters=letters, result=3), entries=other).outcome == "dead_lettered"


def test_a_degraded_run_may_do_other_things_and_one_with_the_controls_result_may_not() -> None:
    some = did("pay", "7")
    assert judged(lived(degraded=True, result=3), entries=some).outcome == "degraded"
    assert judged(lived(degraded=True), entries=some).outcome == "lost"
    told = judged(lived(degraded=True, degraded_steps=["mail"]), entries=some)
    assert told.outcome == "degraded" and "mail: a" in told.detail


# -- ends -----------------------------------------------------------------------------------------


def test_another_result_than_the_controls_is_wrong_output_unless_it_is_another_each_time() -> None:
    assert judged(lived(result=8)).outcome == "wrong_output"
    assert judged(lived(result=8), control=replace(CONTROL, steady=False)).outcome == "recovered"


def test_a_halt_is_clean_if_a_resume_without_the_fault_gives_the_controls_result() -> None:
    halt = lived(1, "halted", kind="auth")
    assert judged(halt, lived(2), halted=halt.answer).outcome == "halted"
    assert judged(halt, lived(2, result=8), halted=halt.answer).outcome == "wrong_output"
    again = lived(2, "halted", kind="bug", message="no")
    told = judged(halt, again, halted=halt.answer)
    assert told.outcome == "stuck" and "halted again: bug: no" in told.detail


def test_a_halt_in_doubt_is_told_as_one_and_has_lost_nothing() -> None:
    halt = lived(1, "halted", kind="in_doubt")
    told = judged(died(), halt, faults=[KILL], halted=halt.answer, entries=did("pay", "7"))
    assert told.outcome == "halted" and "in doubt" in told.detail


def test_a_rollback_that_undid_all_of_it_has_compensated() -> None:
    done = [{"step": "pay", "state": "done"}]
    told = judged(lived(status="rolled_back", undone=done))
    assert (told.outcome, told.detail) == ("compensated", "rolled back: 1 effect undone")
    doubt = [{"step": "pay", "state": "in_doubt"}]
    assert judged(lived(status="rolled_back", undone=doubt)).outcome == "stuck"


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (Ended(None, late=True, seconds=60), "still at it after 60 s"),
        (died(), "after 1 process it had not come to an end"),
        (Ended({"error": "RunLocked: held", "why": "lock"}), "RunLocked: held"),
        (lived(status="interrupted"), "it ended as interrupted"),
    ],
)
def test_a_cell_without_an_end_is_stuck(last: Ended, words: str) -> None:
    told = judged(replace(last, pid=1))
    assert told.outcome == "stuck" and words in told.detail


def test_a_process_that_was_paused_must_not_go_on_once_others_held_the_run() -> None:
    pause = FaultSpec("pause", "", "after", "pay")
    refused = Ended({"error": "RunLocked: taken over", "why": "lock"}, pid=1)
    told = judged(lived(2), faults=[pause], paused=refused, firings=[fired(pause)])
    assert told.outcome == "recovered" and told.processes == 2
    told = judged(lived(2), faults=[pause], paused=lived(1), firings=[fired(pause)])
    assert told.outcome == "wrong_output" and "lost its lease" in told.detail
    alone = judged(lived(1), faults=[pause], firings=[fired(pause)])
    assert alone.outcome == "not_fired"


# -- times ----------------------------------------------------------------------------------------


def test_a_failure_in_one_process_is_told_until_it_was_noticed_and_the_work_after_it() -> None:
    failures = [{"kind": "timeout", "waited": 30.0}]
    seen = Seen(
        [lived(noticed=[100.1, 100.3], failures=failures, ended=101.0)],
        firings=[fired(TIMEOUT, at=100.2)],
    )
    times = times_of(seen)
    assert times.detection == pytest.approx(0.1)
    assert times.restart is None
    assert times.work == pytest.approx(0.7)
    assert times.total == pytest.approx(0.8)
    assert (times.backoff, times.waited) == (30.0, False)


def test_a_death_is_told_until_it_was_seen_and_until_another_process_was_at_it() -> None:
    seen = Seen(
        [died(seen=100.5), lived(2, began=100.6, ended=101.0)], firings=[fired(KILL, at=100.2)]
    )
    times = times_of(seen)
    assert times.detection == pytest.approx(0.3)
    assert times.restart == pytest.approx(0.1)
    assert times.work == pytest.approx(0.4)


def test_what_was_really_waited_for_is_a_part_of_the_total() -> None:
    failures = [{"kind": "timeout", "waited": 0.5}]
    seen = Seen(
        [lived(failures=failures, real_time=True, ended=101.0)], firings=[fired(TIMEOUT, at=100.2)]
    )
    times = times_of(seen)
    assert (times.detection, times.waited, times.backoff) == (None, True, 0.5)
    assert times.work == pytest.approx(0.3)


seconds = st.floats(100, 200, allow_nan=False)


@given(
    at=seconds,
    death=st.none() | seconds,
    began=seconds,
    ended=seconds,
    noticed=st.lists(seconds),
    waited=st.floats(0, 50),
    real=st.booleans(),
)
def test_the_parts_of_a_recovery_are_never_negative_nor_more_than_the_whole(
    at: float,
    death: float | None,
    began: float,
    ended: float,
    noticed: list[float],
    waited: float,
    real: bool,
) -> None:
    failures = [{"kind": "timeout", "waited": waited}]
    last = lived(2, began=began, ended=ended, noticed=noticed, failures=failures, real_time=real)
    before = [died(seen=death)] if death is not None else []
    times = times_of(Seen([*before, last], firings=[fired(TIMEOUT, at=at)]))
    parts = [times.detection or 0.0, times.restart or 0.0, times.work]
    assert all(one >= 0 for one in (*parts, times.total, times.backoff))
    if at <= (death or at) <= began <= ended and not real:
        assert sum(parts) == pytest.approx(times.total)


def test_without_a_firing_there_is_no_time_to_tell() -> None:
    assert times_of(Seen([lived()])).total == 0


@given(st.lists(st.sampled_from(["lived", "died", "halted", "error"]), min_size=1, max_size=4))
def test_a_verdict_never_says_that_something_held_without_a_firing(kinds: list[str]) -> None:
    ends = {
        "lived": lived(),
        "died": died(),
        "halted": lived(status="halted", kind="auth"),
        "error": Ended({"error": "no", "why": "other"}),
    }
    told = judge(
        cell(TIMEOUT, allowed=("recovered", "halted", "stuck")),
        CONTROL,
        Seen([ends[one] for one in kinds], entries=all_did()),
        None,
    )
    assert (told.outcome, told.allowed) == ("not_fired", False)
