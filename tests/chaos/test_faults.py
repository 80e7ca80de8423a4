"""Faults act where and when their scripts say, are written down first, and are told if they do not."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, classify, effect, step, workflow
from surefoot.chaos import (
    Fault,
    Injector,
    Place,
    always,
    crash,
    delay,
    fail,
    fault,
    nth,
    raises,
    sometimes,
    system_fault,
    value_fault,
    when,
)
from surefoot.chaos.firings import Firings
from surefoot.chaos.scripts import parse
from surefoot.clock import ManualClock
from surefoot.config import Config
from surefoot.errors import UsageError

Make = Callable[[Injector], Runtime]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def within(tmp_path: Path, clock: ManualClock) -> Make:
    def make(injector: Injector) -> Runtime:
        return Runtime(
            tmp_path / "j.db", clock=clock, durability="process", config=Config(), faults=injector
        )

    return make


# -- scripts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "acts"),
    [
        (fail(2), [1, 2]),
        (fail(2).then_pass(), [1, 2]),
        (nth(3), [3]),
        (always(), [1, 2, 3, 4, 5]),
        (when(lambda place: True), [1, 2, 3, 4, 5]),
        (parse("fail:3"), [1, 2, 3]),
        (parse("nth:2x2"), [2, 3]),
    ],
)
def test_a_script_acts_at_its_times(script: Any, acts: list[int]) -> None:
    assert [number for number in range(1, 6) if script.acts(number, 0.0)] == acts


def test_chance_is_the_dice_that_are_given() -> None:
    assert sometimes(0.5).acts(7, 0.49) and not sometimes(0.5).acts(7, 0.5)


@pytest.mark.parametrize("script", [fail(2), nth(3), always(), sometimes(0.25), parse("nth:2x2")])
def test_a_script_is_written_as_it_is_read(script: Any) -> None:
    assert parse(str(script)) == script


@pytest.mark.parametrize("text", ["", "fail:0", "fail:x", "nth", "sometimes:2", "sometimes", "al"])
def test_what_is_no_script_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=r"give"):
        parse(text)


def test_always_has_no_then() -> None:
    with pytest.raises(UsageError, match=r"use fail\(n\)"):
        always().then_pass()


# -- faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "library"),
    [
        ("rate_limited", "openai"),
        ("timeout", None),
        ("disk_full", None),
        ("context_length_exceeded", None),
    ],
)
def test_a_fault_by_kind_is_judged_as_that_kind(kind: str, library: str | None) -> None:
    made = fault(kind, library=library)
    with pytest.raises(BaseException) as caught:
        made.action.act(Place("before"), None)
    assert classify(caught.value).kind == kind


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'rate_limited'"):
        fault("rate_limitted")


def test_a_library_without_an_example_names_those_that_have_one() -> None:
    with pytest.raises(
        UsageError, match=r"no example of rate_limited for library 'acme'; .*openai"
    ):
        fault("rate_limited", library="acme")


def test_what_is_no_step_or_no_seam_is_told() -> None:
    with pytest.raises(UsageError, match="is no step"):
        crash().at(print)
    with pytest.raises(UsageError, match="give one of before"):
        crash().at("s", seam="beside")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="ENOSPC"):
        system_fault("EWHAT")
    with pytest.raises(UsageError, match="truncated"):
        value_fault("odd")


# -- in runs --------------------------------------------------------------------------------------


def test_a_step_that_fails_twice_and_then_passes_recovers(within: Make, clock: ManualClock) -> None:
    @step
    def ask(n: int) -> int:
        return n

    injector = Injector()
    injector.add(fault("rate_limited", library="openai"), ask, script=fail(2).then_pass())
    with within(injector):
        run = workflow(lambda: ask(1)).start()
    assert run.status == "completed" and [one.kind for one in run.failures] == ["rate_limited"] * 2
    assert [(one.attempt, one.seen) for one in injector.fired()] == [(1, 1), (2, 2)]
    assert injector.not_fired() == []
    assert injector.reached[f"before {ask.spec.name}"] == 3


def test_after_the_body_and_before_the_record_is_where_effects_are_done_twice(within: Make) -> None:
    done: list[str] = []

    @step
    def careless(n: int) -> int:
        done.append("careless")
        return n

    @effect(key=lambda n: f"k{n}", verify=lambda n: _happened(done))
    def careful(n: int) -> int:
        done.append("careful")
        return n

    injector = Injector()
    broken = raises(lambda: ConnectionError("answer lost"), "answer lost").at(
        seam="after", script=fail(1).of_each_call()
    )
    injector.add(broken)
    with within(injector):
        run = workflow(lambda: careless(1) + careful(1)).start()
    assert run.status == "completed"
    assert done == ["careless", "careless", "careful"]


def _happened(done: list[str]) -> Any:
    from surefoot import Happened, NotHappened

    return Happened(1) if "careful" in done else NotHappened()


def test_the_value_that_comes_back_can_be_another(within: Make) -> None:
    @step(returns=str, expect=lambda text: text.endswith("."))
    def answer(n: int) -> str:
        return "a whole answer."

    injector = Injector([value_fault("truncated").at("answer", script=fail(1))])
    with within(injector):
        run = workflow(lambda: answer(1)).start()
    assert run.result == "a whole answer." and len(run.failures) == 1


def test_a_fault_can_be_for_one_item_alone(within: Make) -> None:
    @step(attempts=1)
    def double(n: int) -> int:
        return 2 * n

    injector = Injector([fault("invalid_value").at(double, item=1)])
    with within(injector):
        run = workflow(lambda: len(double.map([1, 2, 3], on_failure="quarantine").results)).start()
    assert run.result == 2 and [one.item for one in injector.fired()] == [1]


def test_a_condition_sees_the_arguments(within: Make) -> None:
    @step(attempts=1)
    def double(n: int) -> int:
        return 2 * n

    odd = raises(ValueError).at(double, script=when(lambda place: place.arguments[0] % 2))
    with within(Injector([odd])):
        run = workflow(lambda: double.map([1, 2, 3], on_failure="quarantine").results).start()
    assert run.result == [4]


@pytest.mark.parametrize("is_async", [False, True])
def test_async_steps_fail_alike(within: Make, is_async: bool) -> None:
    @step
    async def ask(n: int) -> int:
        await asyncio.sleep(0)
        return n

    @workflow
    async def flow() -> int:
        return await ask(1)

    injector = Injector([fault("overloaded").at(ask, script=fail(1))])
    injector.add(value_fault("wrong_type"), ask)
    with within(injector):
        run = asyncio.run(flow.start())
    assert run.result == "1" and len(run.failures) == 1


def test_a_delay_waits_on_the_clock_it_is_given(within: Make, clock: ManualClock) -> None:
    @step
    def slow(n: int) -> int:
        return n

    with within(Injector([delay(30, clock.sleep).at(slow)])):
        workflow(lambda: slow(1)).start()
    assert clock.sleeps == [30]


def test_a_fault_at_a_step_that_is_never_called_has_not_fired(within: Make) -> None:
    @step
    def ask(n: int) -> int:
        return n

    unused = crash().at("other")
    injector = Injector([unused])
    with within(injector):
        workflow(lambda: ask(1)).start()
    assert injector.not_fired() == [unused] and injector.fired(unused) == []


def test_with_one_seed_the_same_faults_act() -> None:
    def acted(seed: int) -> list[int]:
        injector = Injector([Fault("n", _Nothing(), script=sometimes(0.5))], seed=seed)
        for number in range(40):
            injector.at(Place("before", step="s", item=number))
        return [one.item or 0 for one in injector.fired()]

    assert acted(1) == acted(1) != acted(2)
    assert 5 < len(acted(1)) < 35


class _Nothing:
    words = "nothing"

    def act(self, place: Place, value: Any) -> Any:
        return value


# -- processes ------------------------------------------------------------------------------------

PROGRAM = """
import sys
from pathlib import Path
from surefoot import Runtime, step, workflow
from surefoot.chaos import Firings, Injector, crash, exit_process, fail, nth
from surefoot.config import Config

@step
def one(n: int) -> int:
    Path(sys.argv[1], "ledger").open("a").write(f"{n}\\n")
    return n

@workflow
def flow() -> int:
    return one(1) + one(2)

faults = {"after": crash().at("one", seam="after", script=nth(2)),
          "write": crash().at(seam="write", event="inside", script=nth(3)),
          "exit": exit_process(9).at("one")}
injector = Injector([faults[sys.argv[2]]], firings=Firings(Path(sys.argv[1], "fired.jsonl")))
with Runtime(Path(sys.argv[1], "j.db"), durability="process", config=Config(), faults=injector):
    flow.with_options(run_id="r").start()
"""


@pytest.mark.parametrize(
    ("which", "code", "bodies"),
    [("after", -signal.SIGKILL, 2), ("write", -signal.SIGKILL, 1), ("exit", 9, 0)],
)
def test_a_killed_process_has_said_so_first(
    tmp_path: Path, which: str, code: int, bodies: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), which], capture_output=True, env=os.environ
    )
    assert done.returncode == code, done.stderr
    (line,) = (tmp_path / "fired.jsonl").read_text().splitlines()
    assert json.loads(line)["seam"] == (
        "write" if which == "write" else line and json.loads(line)["seam"]
    )
    ledger = tmp_path / "ledger"
    assert (len(ledger.read_text().splitlines()) if ledger.exists() else 0) >= bodies


def test_a_firing_that_cannot_be_written_down_does_not_act(tmp_path: Path) -> None:
    injector = Injector([raises(ValueError)], firings=Firings(tmp_path / "no" / "folder"))
    with pytest.raises(FileNotFoundError):
        injector.at(Place("before", step="s"))


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    firings = Firings(tmp_path / "f.jsonl")
    injector = Injector([raises(ValueError)], firings=firings)
    with pytest.raises(ValueError):
        injector.at(Place("before", step="s"))
    with firings.path.open("a") as file:  # type: ignore[union-attr]
        file.write('{"fault": "x", "se')
    assert [one.fault for one in firings.all()] == ["raises ValueError"]
