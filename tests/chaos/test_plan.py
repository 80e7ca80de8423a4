"""Which cells there are: each step of the map × each fault that can happen there, and each write."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot import NotHappened, effect, idempotency_key, on, step, workflow
from surefoot.catalog import load
from surefoot.chaos.arena import Control
from surefoot.chaos.expect import Expect
from surefoot.chaos.model import Cell, FaultSpec
from surefoot.chaos.plan import (
    Only,
    can_follow,
    ends_process,
    kill_at,
    kill_id,
    pair_of,
    planned,
    writes_of,
)
from surefoot.chaos.specs import made
from surefoot.errors import UsageError
from surefoot.workflow.mapping.failure_map import failure_map
from tests.chaos.seen import CONTROL


@step(stage="ingestion")
def fetch(n: int) -> str:
    return "x" * n


@step(stage="inference", recover=[on("rate_limited").retry(attempts=3)])
def ask(text: str) -> str:
    return text


@step
def unused() -> None:
    """In the code, and not in the run."""


def looked_up(text: str) -> NotHappened:
    return NotHappened()


@effect(key=lambda text: text, verify=looked_up)
def store(text: str) -> None: ...


@effect(key=lambda text: text)
def send(text: str) -> str:
    return idempotency_key()


@effect(key=lambda text: text)
def shout(text: str) -> None: ...


@workflow
def flow(n: int) -> None:
    if n < 0:
        unused()
    text = ask(fetch(n))
    store(text)
    send(text)
    shout(text)


DOCUMENT = failure_map(flow, load(), None)
REACHED = {f"before {name}": 1 for name in ("fetch", "ask", "store", "send", "shout")}
TRACED: Control = replace(CONTROL, reached={**REACHED, "http ask": 1}, writes=30)


@functools.cache
def cells(*words: str, pauses: bool = True, expects: tuple[Expect, ...] = ()) -> list[Cell]:
    only = Only.parse(words)
    return planned(DOCUMENT, load(), TRACED, only=only, pauses=pauses, expects=expects).cells


def ids(*words: str, pauses: bool = True) -> list[str]:
    return [one.id for one in cells(*words, pauses=pauses)]


def test_each_cell_has_a_name_of_its_own() -> None:
    names = ids()
    assert len(names) == len(set(names)) > 100


def test_each_fault_of_the_plan_can_be_made() -> None:
    for one in cells():
        for each in one.faults:
            assert made(each, clock=None).seam == each.seam


def test_the_kinds_are_those_of_the_map() -> None:
    rows = next(one for one in DOCUMENT["steps"] if one["name"] == "ask")["failures"]
    known = {one["kind"] for one in rows}
    found = {one.faults[0].value for one in cells("step=ask") if one.faults[0].what == "kind"}
    assert found <= known
    assert {"rate_limited", "content_filtered", "auth"} <= found
    assert not found & {"process_killed", "in_doubt", "cancelled"}  # Surefoot makes these itself


def test_each_step_is_killed_before_and_after_its_body_and_exits_and_is_paused() -> None:
    names = ids("step=fetch", "kind=killed,os._exit,paused")
    assert names == [
        "fetch/before/killed",
        "fetch/after/killed",
        "fetch/before/os._exit",
        "fetch/after/paused",
    ]
    assert "fetch/after/paused" not in ids("step=fetch", pauses=False)


def test_values_are_changed_where_a_model_answers_and_nowhere_else() -> None:
    assert "ask/value/truncated" in ids()
    assert [one for one in ids("kind=truncated") if not one.startswith("ask/")] == []


def test_only_a_step_that_talks_http_gets_the_faults_of_http() -> None:
    assert [one for one in ids("kind=http") if not one.startswith("ask/")] == []
    assert "ask/http/HTTP_429" in ids("kind=429")


def test_a_step_that_was_not_called_is_left_out_with_a_note_unless_it_is_asked_for() -> None:
    plan = planned(DOCUMENT, load(), TRACED)
    assert not any(one.step == "unused" for one in plan.cells)
    assert any(note.startswith("unused was not called") for note in plan.notes)
    assert "unused/before/killed" in ids("step=unused")


def test_a_step_or_a_fault_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'fetch'"):
        cells("step=fetsh")
    with pytest.raises(UsageError, match="did you mean 'rate_limited'"):
        cells("kind=rate_limit")
    with pytest.raises(UsageError, match="write step=NAME or kind=NAME"):
        cells("fetch")


def test_a_kind_that_no_step_can_meet_is_noted() -> None:
    plan = planned(DOCUMENT, load(), TRACED, only=Only.parse(["step=store,kind=gpu_fault"]))
    assert not plan.cells
    assert any("kind=gpu_fault: it can happen at none" in note for note in plan.notes)


def test_what_is_allowed_after_a_kill_depends_on_whether_somebody_can_know() -> None:
    told = {one.id: one.allowed for one in cells("kind=killed")}
    assert told["store/before/killed"] == told["store/after/killed"] == ("recovered",)
    assert told["send/after/killed"] == ("recovered",)  # its key was sent
    assert "halted" in told["send/before/killed"]  # it had not asked for its key yet
    assert "halted" in told["shout/after/killed"] and "halted" in told["shout/before/killed"]


def test_an_effect_that_nobody_can_look_up_is_no_excuse_for_a_recoverable_kind() -> None:
    told = {one.id: one for one in cells("step=shout,send")}
    recoverable = [one.id for one in told.values() if one.recoverable]
    assert {"shout/before/unknown", "send/before/unknown"} <= set(recoverable)
    for one in recoverable:
        assert ("halted" in told[one].allowed) == one.startswith("send/"), one
    assert "halted" in told["shout/after/connection"].allowed


def test_a_teams_word_stands_over_the_default() -> None:
    mine = Expect(("halted",), step="ask", kind="killed", place="mine")
    told = {one.id: one for one in cells("kind=killed", expects=(mine,))}
    assert told["ask/before/killed"].allowed == ("halted",)
    assert told["ask/before/killed"].because == "mine"
    assert told["fetch/before/killed"].allowed == ("recovered",)


# -- writes ---------------------------------------------------------------------------------------


def test_a_sweep_kills_before_inside_and_after_each_write() -> None:
    told = writes_of(TRACED, DOCUMENT)
    assert len(told) == TRACED.writes
    assert [one.id for one in told[:4]] == [
        "write/1/before",
        "write/1/inside",
        "write/1/after",
        "write/2/before",
    ]
    assert all("halted" in one.allowed for one in told)  # shout cannot be looked up


@given(st.integers(1, 10_000))
def test_the_events_at_the_journal_are_counted_in_their_order(number: int) -> None:
    fault = kill_at(number)
    at = int(fault.script.removeprefix("nth:"))
    assert (at - 1) * 3 + ["before", "inside", "after"].index(str(fault.event)) + 1 == number
    assert kill_id(fault) == f"write/{at}/{fault.event}"


# -- pairs ----------------------------------------------------------------------------------------


def test_a_second_fault_follows_where_its_place_was_reached_again() -> None:
    kind = Cell("ask/before/auth", (FaultSpec("kind", "auth", step="ask"),), "ask")
    assert can_follow(kind, {"before ask": 1})
    assert not can_follow(kind, {"before fetch": 1, "after ask": 1})
    disk = Cell("write/4/EIO", (FaultSpec("journal", "EIO", "write", script="nth:4"),), None)
    assert can_follow(disk, {"write": 12}) and not can_follow(disk, {"write": 11})
    paused = Cell("ask/after/paused", (FaultSpec("pause", "", "after", "ask"),), "ask")
    assert not can_follow(paused, {"after ask": 1})


def test_a_pair_allows_what_either_of_them_does_and_both_its_faults_are_told() -> None:
    first, second = cells("step=fetch", "kind=killed")[0], cells("step=ask", "kind=auth")[0]
    assert ends_process(first) and not ends_process(second)
    pair = pair_of(first, second)
    assert pair.id == "fetch/before/killed+ask/before/auth"
    assert pair.faults == (*first.faults, *second.faults)
    assert set(pair.allowed) == {*first.allowed, *second.allowed}
    assert not ends_process(pair)


def test_a_cell_goes_to_json_and_back() -> None:
    import json

    for one in [*cells(), pair_of(cells()[0], cells()[1])]:
        assert Cell.of(json.loads(json.dumps(one.as_dict()))) == one
