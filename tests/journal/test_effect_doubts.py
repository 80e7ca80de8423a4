"""An effect that failed and may have happened all the same is not done again by anybody, whatever
it was that halted its run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot import (
    Happened,
    NotHappened,
    Runtime,
    WorkflowCriticalError,
    effect,
    idempotency_key,
    workflow,
)
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


INTERRUPT: list[str] = []


def interrupt(event: str) -> None:
    """Ctrl-C in the write after a look, if it was asked for."""
    if event == "inside" and INTERRUPT == ["after the look", "now"]:
        INTERRUPT.clear()
        raise KeyboardInterrupt


def look(n: int) -> Happened[str] | NotHappened:
    if INTERRUPT == ["after the look"]:
        INTERRUPT.append("now")
    return Happened("found") if "looking" in ACTS else NotHappened()


@effect(key=lambda n: f"looking:{n}", verify=look)
def looking(n: int) -> str:
    ACTS.append("looking")
    raise KeyboardInterrupt


@effect(key=lambda n: f"asking:{n}")
def asking(n: int) -> str:
    idempotency_key()
    ACTS.append("asking")
    if len(ACTS) == 1:
        raise KeyboardInterrupt
    return "done"


def flow_of(part: Any) -> Any:
    @workflow(name=f"with {part.__name__}")
    def made(n: int) -> str:
        result: str = part(n)
        return result

    return made


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    ACTS.clear()
    INTERRUPT.clear()
    with Runtime(
        journal=tmp_path / "journal.db", clock=CLOCK, config=Config(), seam=interrupt
    ) as one:
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


def test_ctrl_c_while_a_settled_doubt_is_claimed_does_not_forget_it(runtime: Runtime) -> None:
    """The body had not begun *this* time; but it had before, and that is known."""
    made = flow_of(looking)
    with pytest.raises(KeyboardInterrupt):  # in the body, after the act
        made.with_options(run_id="run").start(1)
    INTERRUPT.append("after the look")
    with pytest.raises(KeyboardInterrupt):
        made.resume("run")
    assert INTERRUPT == [], "the write was not interrupted"
    assert runtime.journal.store.read("SELECT state FROM claims") != [("refused",)]
    assert made.resume("run").result == "found"
    assert ACTS == ["looking"]


def test_ctrl_c_before_a_body_ever_began_leaves_no_doubt(runtime: Runtime) -> None:
    made = flow_of(broken)
    writes = 0

    def at_the_intent(event: str) -> None:
        nonlocal writes
        writes += event == "inside"
        if event == "inside" and writes == 2:
            raise KeyboardInterrupt

    seam, runtime.journal.store._seam = runtime.journal.store._seam, at_the_intent  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        made.with_options(run_id="run").start(1)
    runtime.journal.store._seam = seam  # type: ignore[attr-defined]
    assert ACTS == []
    assert runtime.journal.store.read("SELECT state FROM claims") == [("refused",)]


def test_an_interrupted_effect_that_had_asked_for_its_key_is_done_under_it_again(
    runtime: Runtime,
) -> None:
    made = flow_of(asking)
    with pytest.raises(KeyboardInterrupt):
        made.with_options(run_id="run").start(1)
    assert made.resume("run").result == "done"
    assert ACTS == ["asking", "asking"]
