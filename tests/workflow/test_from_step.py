"""`resume(from_step=…)`: what runs again, and what stays."""

from __future__ import annotations

import pytest

from surefoot import Runtime, effect, step, workflow
from surefoot.clock import ManualClock
from surefoot.errors import UnknownStep, UsageError


class Log(list[str]):
    def __call__(self, what: str) -> str:
        self.append(what)
        return what


@pytest.fixture
def log() -> Log:
    return Log()


def test_items_of_a_map_and_what_came_after_run_again(runtime: Runtime, log: Log) -> None:
    @step(name="first")
    def first() -> str:
        return log("first")

    @step(name="each")
    def each(text: str) -> str:
        return log(text)

    @step(name="last")
    def last() -> str:
        return log("last")

    @workflow(name="w")
    def work() -> str:
        return first() + "".join(each.map(["a", "b"], workers=1).results) + last()

    work.with_options(run_id="one").start()
    for name in ("each", "each.map"):
        log.clear()
        assert work.resume("one", from_step=name).result == "firstablast"
        assert log == ["a", "b", "last"]
    assert work.resume("one", from_step="last").result == "firstablast"
    assert log == ["a", "b", "last", "last"]


def test_a_nested_step_runs_again_with_what_stands_around_it(runtime: Runtime, log: Log) -> None:
    @step(name="before")
    def before() -> str:
        return log("before")

    @step(name="inner")
    def inner() -> str:
        return log("inner")

    @step(name="outer")
    def outer() -> str:
        log("outer")
        return before() + inner()

    @workflow(name="w")
    def work() -> str:
        return outer()

    work.with_options(run_id="one").start()
    log.clear()
    work.resume("one", from_step="inner")
    assert log == ["outer", "inner"], "what it had done before is kept"
    log.clear()
    work.resume("one", from_step="outer")
    assert log == ["outer", "before", "inner"]


def test_the_failures_of_what_is_set_aside_go_with_it(runtime: Runtime, log: Log) -> None:
    @step(name="flaky")
    def flaky() -> str:
        if log("flaky") and len(log) == 1:
            raise ConnectionRefusedError(111, "no")
        return "ok"

    @workflow(name="w")
    def work() -> str:
        return flaky()

    work.with_options(run_id="one").start()
    work.resume("one", from_step="flaky")
    (failure,) = runtime.journal.failures(runtime.journal.run("one").pk)
    assert failure.call_id.partition("~")[2], "it belongs to the superseded call"


def test_an_item_that_was_set_aside_is_open_to_the_new_pass(
    runtime: Runtime, log: Log, clock: ManualClock
) -> None:
    bad = ["b"]

    @step(name="each")
    def each(text: str) -> str:
        if text in bad:
            raise ValueError("no")
        return log(text)

    @workflow(name="w")
    def work() -> list[str]:
        return each.map(["a", "b"], workers=1).results

    work.with_options(run_id="one").start()
    clock.sleep(1)
    assert work.resume("one", from_step="each").result == ["a"]
    assert len(work.dead_letters()) == 1
    bad.clear()
    assert work.resume("one", from_step="each").result == ["a", "b"]
    assert [one.state for one in work.dead_letters(state=None)] == ["reopened"]


def test_a_keyed_effect_gives_its_result_again_and_is_recorded_again(
    runtime: Runtime, log: Log
) -> None:
    @effect(name="send", key=lambda: "k")
    def send() -> str:
        return log("sent")

    @workflow(name="w")
    def work() -> str:
        return send()

    work.with_options(run_id="one").start()
    assert work.resume("one", from_step="send").result == "sent"
    assert log == ["sent"]
    states = [call.status for call in runtime.journal.calls(runtime.journal.run("one").pk)]
    assert sorted(states) == ["completed", "superseded"]
    assert work.resume("one").result == "sent" and log == ["sent"]


@pytest.mark.parametrize("fails", [False, True])
def test_an_effect_without_a_key_that_may_have_happened_is_not_repeated(
    runtime: Runtime, log: Log, fails: bool
) -> None:
    @step(name="first")
    def first() -> str:
        return log("first")

    @effect(name="send")
    def send() -> str:
        log("sent")
        if fails:
            raise ConnectionResetError(104, "lost")
        return "sent"

    @workflow(name="w")
    def work() -> str:
        return first() + send()

    run = work.with_options(run_id="one").start()
    with pytest.raises(UsageError, match="would do send again: an effect without a key"):
        work.resume("one", from_step="first")
    with pytest.raises(UsageError, match="would do send again"):
        work.dry_run("one", from_step="send")
    assert runtime.journal.run("one").status == run.status and log == ["first", "sent"]


def test_an_effect_without_a_key_that_was_refused_is_done(runtime: Runtime, log: Log) -> None:
    @effect(name="send", attempts=1)
    def send() -> str:
        if log("try") and len(log) == 1:
            raise ConnectionRefusedError(111, "refused")
        return "sent"

    @workflow(name="w")
    def work() -> str:
        return send()

    assert work.with_options(run_id="one").start().status == "halted"
    assert work.resume("one", from_step="send").result == "sent"


def test_what_the_run_does_not_know_is_told(runtime: Runtime, log: Log) -> None:
    @step(name="load")
    def load() -> str:
        return log("load")

    @workflow(name="w")
    def work() -> str:
        return load()

    work.with_options(run_id="one").start()
    with pytest.raises(UnknownStep, match="no call of 'laod'; did you mean 'load'"):
        work.resume("one", from_step="laod")
    work.rollback("one")
    with pytest.raises(UsageError, match="cannot be resumed"):
        work.resume("one", from_step="load")


def test_a_dry_run_from_code_says_what_is_saved(runtime: Runtime, clock: ManualClock) -> None:
    mended: list[bool] = []

    @step(name="slow", cost=lambda value: 0.5)
    def slow() -> int:
        clock.sleep(4)
        return 1

    @step(name="broken")
    def broken() -> int:
        if not mended:
            raise FileNotFoundError("no")
        return 2

    @step(name="caught")
    def caught() -> int:
        raise PermissionError(13, "no")

    @workflow(name="w")
    def work() -> int:
        try:
            caught()
        except PermissionError:
            pass
        return slow() + broken()

    work.with_options(run_id="one").start()
    told = work.dry_run("one")
    assert (told.reused, told.again, told.replayed) == ({"slow": 1}, {"broken": 1}, {"caught": 1})
    assert told.time_saved == pytest.approx(4) and told.cost_saved == 0.5
    assert not told.only_read and told.status == "halted" and told.effects == ()
    mended.append(True)
    run = work.resume("one")
    assert (run.time_saved, run.cost_saved) == (pytest.approx(4), 0.5)
    assert work.dry_run("one").only_read
