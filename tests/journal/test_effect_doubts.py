"""An effect that failed and may have happened all the same is not done again by anybody, whatever
it was that halted its run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, WorkflowCriticalError, effect, idempotency_key, workflow
from surefoot.clock import ManualClock
from surefoot.config import Config

ACTS: list[str] = []
CLOCK = ManualClock()


@effect(key=lambda n: f"critical:{n}")
def critical(n: int) -> str:
    ACTS.append("critical")
    raise WorkflowCriticalError("it was sent, but a person must look")


@effect(key=lambda n: f"late:{n}", deadline=10)
def late(n: int) -> str:
    idempotency_key()
    ACTS.append("late")
    CLOCK.advance(11)
    raise TimeoutError("no answer")


@effect(key=lambda n: f"broken:{n}")
def broken(n: int) -> str:
    ACTS.append("broken")
    raise ZeroDivisionError("after the act")


@effect(key=lambda n: f"refused:{n}")
def refused(n: int) -> str:
    ACTS.append("refused")
    raise ConnectionRefusedError(111, "Connection refused")


def flow_of(part: Any) -> Any:
    @workflow(name=f"with {part.__name__}")
    def made(n: int) -> str:
        result: str = part(n)
        return result

    return made


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    ACTS.clear()
    with Runtime(journal=tmp_path / "journal.db", clock=CLOCK, config=Config()) as one:
        yield one


@pytest.mark.parametrize("part", [critical, late, broken], ids=lambda part: part.__name__)
def test_the_claim_of_an_open_failure_stays_in_doubt(runtime: Runtime, part: Any) -> None:
    run = flow_of(part).with_options(run_id="run").start(1)
    assert run.status == "halted"
    assert runtime.journal.store.read("SELECT state FROM claims") == [("in_doubt",)]


@pytest.mark.parametrize("part", [critical, broken], ids=lambda part: part.__name__)
def test_what_may_have_happened_is_not_done_again(runtime: Runtime, part: Any) -> None:
    made = flow_of(part)
    made.with_options(run_id="run").start(1)
    for go_on in (
        lambda: made.with_options(run_id="other").start(1),
        lambda: made.resume("run"),
        lambda: made.resume("other"),
    ):
        run = go_on()
        assert run.error is not None
        assert (run.status, run.error["kind"]) == ("halted", "in_doubt")
    assert ACTS == [part.__name__]


def test_what_was_refused_may_be_done_by_another_run(runtime: Runtime) -> None:
    made = flow_of(refused.with_options(attempts=1))
    made.with_options(run_id="run").start(1)
    assert runtime.journal.store.read("SELECT state FROM claims") == [("refused",)]
    made.with_options(run_id="other").start(1)
    assert len(ACTS) == 2
