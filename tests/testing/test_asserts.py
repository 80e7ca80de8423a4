"""Assertions about runs: what they accept, and what they say where they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot import Run, Runtime, effect, on, step, workflow
from surefoot.chaos import Injector, fail, fault, raises
from surefoot.config import Config
from surefoot.testing import (
    ManualClock,
    assert_dead_lettered,
    assert_degraded,
    assert_fired,
    assert_halted,
    assert_recovered,
)


@step(recover=[on("timeout").retry(attempts=3)])
def ask(question: str) -> str:
    return question.upper()


@step(recover=[on("timeout").fall_back(value="nobody")])
def who() -> str:
    return "somebody"


@step(recover=[on("invalid_value").skip()])
def check(n: int) -> int:
    if n < 0:
        raise ValueError("price is negative")
    return n


@effect(key=lambda: "k")
def pay() -> int:
    return 1


@workflow
def asked(question: str = "yes") -> str:
    return ask(question)


@workflow
def named() -> str:
    return who()


@workflow
def checked(numbers: list[int]) -> int:
    return len(check.map(numbers).results)


@workflow
def paid() -> int:
    return pay()


@pytest.fixture
def faults(tmp_path: Path) -> Iterator[Injector]:
    injector = Injector()
    with Runtime(
        tmp_path / "j.db",
        clock=ManualClock(),
        durability="process",
        config=Config(),
        faults=injector,
    ):
        yield injector


def complaint(call: Callable[[], Any]) -> str:
    with pytest.raises(AssertionError) as caught:
        call()
    return str(caught.value)


@pytest.fixture
def recovered(faults: Injector) -> Run[str]:
    faults.add(fault("timeout"), ask, script=fail(2))
    return asked.start()


def test_a_recovered_run_is_recovered(recovered: Run[str]) -> None:
    assert_recovered(recovered)
    assert_recovered(recovered, "YES", kinds=["timeout"])
    assert_recovered(recovered, kinds="timeout")


def test_another_result_or_another_kind_is_told_beside_what_happened(recovered: Run[str]) -> None:
    words = complaint(lambda: assert_recovered(recovered, "NO"))
    assert f"run {recovered.run_id} of asked: expected the result 'NO'; it returned 'YES'" in words
    assert "ask, attempt 1: timeout (TimeoutError: " in words
    assert "tried again after " in words and "ask, attempt 3: completed" in words
    assert "completed (2 failed attempts, " in words
    assert f"look at it: surefoot show {recovered.run_id} --journal {recovered.journal}" in words
    words = complaint(lambda: assert_recovered(recovered, kinds=["rate_limited"]))
    assert "expected failures of the kinds rate_limited; they were timeout" in words


def test_a_run_in_which_nothing_went_wrong_proves_nothing(faults: Injector) -> None:
    words = complaint(lambda: assert_recovered(asked.start(), "YES"))
    assert "nothing went wrong in it, so nothing is proved" in words


@pytest.fixture
def halted(faults: Injector) -> Run[str]:
    faults.add(fault("timeout"), ask)
    return asked.start()


def test_a_halted_run_is_halted(halted: Run[str]) -> None:
    assert_halted(halted)
    assert_halted(halted, kind="timeout", step=ask)
    assert_halted(halted, step="ask")


def test_a_run_that_halted_otherwise_is_told_with_the_command_that_resumes_it(
    halted: Run[str], faults: Injector
) -> None:
    words = complaint(lambda: assert_halted(halted, kind="auth"))
    assert "expected a run that halted as auth; it halted as timeout" in words
    assert f"once it is mended: surefoot resume {halted.run_id} --journal " in words
    words = complaint(lambda: assert_halted(halted, step=pay))
    assert "expected a run that halted in pay; it halted in ask" in words
    assert "it is halted" in complaint(lambda: assert_recovered(halted))
    faults.faults.clear()
    assert_recovered(asked.resume(halted.run_id), "YES")  # resumed: that is a recovery
    assert "it is completed" in complaint(lambda: assert_halted(asked.resume(halted.run_id)))


def test_a_degraded_run_is_neither_recovered_nor_whole(faults: Injector) -> None:
    faults.add(fault("timeout"), who)
    run = named.start()
    assert_degraded(run)
    assert_degraded(run, "nobody", step=who)
    assert "use assert_degraded" in complaint(lambda: assert_recovered(run))
    assert "in pay; it was in who" in complaint(lambda: assert_degraded(run, step="pay"))
    assert "the result 'x'; it returned 'nobody'" in complaint(lambda: assert_degraded(run, "x"))


def test_a_whole_run_is_not_degraded(recovered: Run[str]) -> None:
    assert "all of its results are the steps' own" in complaint(lambda: assert_degraded(recovered))


def test_dead_letters_are_counted(faults: Injector) -> None:
    run = checked.start([1, -2, 3, -4])
    assert_dead_lettered(run, 2)
    assert_dead_lettered(run, 2, kind="invalid_value", step=check)
    words = complaint(lambda: assert_dead_lettered(run, 1))
    assert "expected a completed run with 1 set aside; 2 were" in words
    assert "check[1] (invalid_value), check[3] (invalid_value)" in words
    assert "dead letter open" in words
    assert "0 were" in complaint(lambda: assert_dead_lettered(run, 2, kind="timeout"))
    assert "use assert_dead_lettered" in complaint(lambda: assert_recovered(run))
    with pytest.raises(ValueError, match="give 1 or more"):
        assert_dead_lettered(run, 0)


def test_faults_that_acted_are_fired(faults: Injector) -> None:
    first = faults.add(fault("timeout"), ask, script=fail(2))
    asked.start()
    assert_fired(faults)
    assert_fired(faults, first, times=2)
    assert "acted 2 times, not 1" in complaint(lambda: assert_fired(faults, first, times=1))


def test_a_fault_that_did_not_act_is_told_with_what_was_reached(faults: Injector) -> None:
    silent = faults.add(fault("timeout"), "pya")
    words = complaint(lambda: assert_fired(faults))
    assert "not_fired: timeout" in words and "no seam at all" in words
    acted = faults.add(raises(lambda: TimeoutError("x")), ask, script=fail(1))
    asked.start()
    assert_fired(faults, acted)
    assert "before ask 2×" in complaint(lambda: assert_fired(faults, silent))
    assert "was never added" in complaint(lambda: assert_fired(faults, fault("timeout")))
    assert "no fault was added" in complaint(lambda: assert_fired(Injector()))


def test_two_faults_of_one_name_are_told_apart_by_their_places(faults: Injector) -> None:
    first = faults.add(fault("timeout"), ask, script=fail(1))
    second = faults.add(fault("timeout"), "pay", script=fail(1))
    asked.start()
    assert faults.not_fired() == [second]
    assert len(faults.fired(first)) == 1 and faults.fired(second) == []


def test_a_secret_in_a_result_is_not_shown(faults: Injector) -> None:
    faults.add(fault("timeout"), ask, script=fail(1))
    run = asked.start("password=hunter3secret")
    words = complaint(lambda: assert_recovered(run, "password=hunter2secret"))
    assert "expected the result" in words
    assert "hunter2secret" not in words and "HUNTER3SECRET" not in words


def test_a_long_timeline_keeps_its_beginning_and_its_end(faults: Injector) -> None:
    run = checked.start([*range(100), -1])
    words = complaint(lambda: assert_dead_lettered(run, 2))
    assert " more …" in words and len(words.splitlines()) < 60


def test_what_is_no_step_is_refused(halted: Run[str]) -> None:
    with pytest.raises(TypeError, match="is no step"):
        assert_halted(halted, step=3)
