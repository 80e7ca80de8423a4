"""A timeout tells the truth: what could not be interrupted is reported as abandoned, and what it does
later counts for nothing."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from surefoot import Runtime, current, effect, idempotency_key, on, spend, step, workflow
from surefoot.cli import main
from surefoot.context import Fence
from surefoot.errors import StepTimeout


class Late:
    """A body that returns only when it is let go; its thread can be waited for."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.ended = threading.Event()

    def let_go(self) -> None:
        self.go.set()
        assert self.ended.wait(10)


def test_the_late_result_of_an_abandoned_attempt_never_reaches_the_journal(
    runtime: Runtime,
) -> None:
    late = Late()

    @step(timeout=0.1, recover=[on("timeout").retry(attempts=2)])
    def slow() -> str:
        if current().attempt == 1:
            try:
                assert late.go.wait(10)
                spend(1.0)  # money is spent, whoever waits for it
                return "late"
            finally:
                late.ended.set()
        return "in time"

    @workflow
    def flow() -> str:
        value = slow()
        late.let_go()
        return value

    run = flow.start()
    assert run.result == "in time"
    [entry] = run.document()["steps"]
    assert (entry["status"], entry["attempts"]) == ("completed", 2)
    assert flow.resume(run.run_id).result == "in time"


def test_a_late_result_does_not_complete_a_run_that_halted(runtime: Runtime) -> None:
    late = Late()

    @step(timeout=0.1, attempts=1)
    def slow() -> str:
        try:
            assert late.go.wait(10)
            return "late"
        finally:
            late.ended.set()

    @workflow
    def flow() -> str:
        return slow()

    run = flow.start()
    late.let_go()
    assert isinstance(run.exception, StepTimeout)
    runtime.journal.group.flush()
    record = runtime.journal.run(run.run_id)
    assert record.status == "halted"
    [call] = runtime.journal.calls(record.pk)
    assert (call.status, call.has_checkpoint) == ("failed", 0)


def test_an_abandoned_attempt_begins_no_step_and_gets_no_key(runtime: Runtime) -> None:
    late = Late()
    seen: list[str] = []

    @step(name="inner")
    def inner() -> None:
        seen.append("inner ran")

    @effect(name="act", key=lambda: "k", timeout=0.1)
    def act() -> None:
        assert late.go.wait(10)
        try:
            idempotency_key()
            seen.append("got its key")
        except BaseException as exc:
            seen.append(type(exc).__name__)
        try:
            inner()
        except BaseException as exc:
            seen.append(f"{type(exc).__name__}: {exc}")
        late.ended.set()

    @workflow
    def flow() -> None:
        try:
            act()
        finally:
            late.let_go()

    run = flow.start()
    assert run.status == "halted"
    assert seen == [
        "RunInterrupted",
        "RunInterrupted: step inner: the attempt around it was abandoned at its timeout",
    ]
    assert [one["step"] for one in run.document()["steps"]] == ["act"]


def test_show_says_that_the_thread_was_abandoned(
    runtime: Runtime, journal_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Late()

    @step(timeout=0.1, attempts=1)
    def slow() -> None:
        assert late.go.wait(10)
        late.ended.set()

    @workflow
    def flow() -> None:
        slow()

    run = flow.with_options(run_id="r").start()
    assert run.status == "halted"
    late.let_go()
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(main, ["show", "r", "--journal", f"sqlite:///{journal_path}"])
    said = " ".join(shown.output.split())
    assert "its thread was abandoned and what it returns later is not used" in said


def test_a_fence_that_fell_is_down_for_all_within_it() -> None:
    outer = Fence()
    inner = Fence(Fence(outer))
    assert not inner.down
    outer.fall()
    assert inner.down
