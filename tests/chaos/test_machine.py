"""Faults of the machine: memory, disk, the clock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from surefoot import Runtime, classify, step, workflow
from surefoot.chaos import Injector, Place, clock_jump, fail, system_fault
from surefoot.chaos.clocks import SkippingClock
from surefoot.chaos.model import FaultSpec
from surefoot.chaos.specs import made
from surefoot.clock import ManualClock, SystemClock
from surefoot.config import Config
from surefoot.errors import JournalError, UsageError

HUNGRY = """
from surefoot import classify
from surefoot.chaos import Place, out_of_memory
try:
    out_of_memory().action.act(Place("before"), None)
except MemoryError as exc:
    print(classify(exc).kind)
bytearray(200_000_000)  # afterwards there is memory again
"""


def test_memory_really_runs_out_and_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", HUNGRY], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("host_out_of_memory\n", "")


@pytest.mark.parametrize(("name", "kind"), [("ENOSPC", "disk_full"), ("EIO", "storage_fault")])
def test_a_disk_fails_a_step_as_the_system_says_it(name: str, kind: str) -> None:
    with pytest.raises(OSError) as caught:
        system_fault(name).action.act(Place("before"), None)
    assert classify(caught.value).kind == kind


@pytest.mark.parametrize("name", ["ENOSPC", "EIO", "EROFS", "EBUSY"])
def test_a_disk_that_fails_the_journal_stops_the_run_and_loses_nothing(
    tmp_path: Path, name: str
) -> None:
    done: list[int] = []

    @step
    def work(n: int) -> int:
        done.append(n)
        return n

    def within(injector: Injector) -> Runtime:
        return Runtime(
            tmp_path / "j.db",
            clock=ManualClock(),
            durability="process",
            config=Config(),
            faults=injector,
        )

    flow = workflow(lambda: work(1) + work(2)).with_options(run_id="r")
    spec = FaultSpec("journal", name, "write", script="nth:2", event="inside")
    injector = Injector([made(spec)])
    with within(injector), pytest.raises(JournalError):
        flow.start()
    assert len(injector.fired()) == 1
    with within(Injector()):
        assert flow.start().result == 3


def test_a_clock_that_jumps_back_moves_the_wall_and_not_the_waits() -> None:
    clock = SkippingClock()
    wall, waits = clock.now(), clock.monotonic()
    clock_jump(-3600, clock).action.act(Place("before"), None)
    assert clock.now() < wall - 3000 and clock.monotonic() >= waits


def test_a_run_bears_a_clock_that_jumps(tmp_path: Path) -> None:
    clock = SkippingClock()
    work = step(lambda n: n, name="work")
    faults = [clock_jump(seconds, clock).at("work", script=fail(1)) for seconds in (-7200, 90_000)]
    with Runtime(tmp_path / "j.db", clock=clock, config=Config(), faults=Injector(faults)):
        assert workflow(lambda: work(1) + work(2)).start().result == 3


def test_a_clock_that_cannot_be_set_is_told() -> None:
    with pytest.raises(UsageError, match="cannot be set"):
        clock_jump(-1, SystemClock())
    assert clock_jump(5, ManualClock()).name == "clock jumps +5 s"


def test_a_skipping_clock_counts_what_it_does_not_wait(tmp_path: Path) -> None:
    import asyncio

    clock = SkippingClock(skipped=10)
    clock.sleep(100)
    asyncio.run(clock.sleep_async(100))
    assert 209 < clock.skipped <= 210


@pytest.mark.parametrize(
    "spec",
    [
        FaultSpec("kind", "timeout"),
        FaultSpec("kill", "15"),
        FaultSpec("exit", "3"),
        FaultSpec("value", "empty", "value"),
        FaultSpec("system", "EMFILE"),
        FaultSpec("delay", "2.5"),
        FaultSpec("http", "reset", "http"),
        FaultSpec("journal", "EIO", "write"),
        FaultSpec("memory"),
        FaultSpec("jump", "60"),
    ],
)
def test_every_kind_of_spec_makes_a_fault(spec: FaultSpec) -> None:
    fault = made(spec, clock=ManualClock())
    assert fault.seam == spec.seam and str(fault.script) == "fail:1" and spec.words


def test_a_spec_that_nobody_knows_is_told() -> None:
    with pytest.raises(UsageError, match="is no fault"):
        made(FaultSpec("flood"))  # type: ignore[arg-type]
