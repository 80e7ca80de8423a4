"""However a child ends, its step fails as what it was, and the run goes on."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, classify, workflow
from surefoot.errors import StepCrashed, StepKilled, StepOutOfMemory, StepTimeout

from . import bodies
from .processes import alive, wait_for, wait_gone


def fails(step: Any, *args: Any) -> BaseException:
    @workflow(name="one")
    def one() -> None:
        step(*args)

    with pytest.raises(Exception) as caught:
        one()
    return caught.value


def test_a_segfault_is_a_failure_that_tells_where_it_was(runtime: Runtime) -> None:
    exc = fails(bodies.segfault)
    assert isinstance(exc, StepCrashed)
    assert (exc.returncode, exc.signal) == (-signal.SIGSEGV, "SIGSEGV")
    assert "Segmentation fault" in exc.trace
    names = []
    traceback = exc.__traceback__
    while traceback is not None:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert names[-2:] == ["segfault", "string_at"]
    assert classify(exc).kind == "process_crashed"


def test_an_abort_is_a_crash(runtime: Runtime) -> None:
    exc = fails(bodies.abort)
    assert isinstance(exc, StepCrashed)
    assert exc.signal == "SIGABRT"


@pytest.mark.parametrize("code", [0, 3])
def test_os_exit_is_a_crash_whatever_its_code(runtime: Runtime, code: int) -> None:
    exc = fails(bodies.leave, code)
    assert isinstance(exc, StepCrashed)
    assert (exc.returncode, exc.signal) == (code, None)
    assert f"exit code {code}" in str(exc)
    assert classify(exc).kind == "process_crashed"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_from_outside_is_told_from_a_crash(
    runtime: Runtime, tmp_path: Path, number: signal.Signals
) -> None:
    told = tmp_path / "pid"

    def kill() -> None:
        os.kill(int(wait_for(told)), number)

    killer = threading.Thread(target=kill)
    killer.start()
    exc = fails(bodies.wait_to_be_killed, str(told))
    killer.join()
    assert isinstance(exc, StepKilled)
    assert (exc.returncode, exc.signal) == (-number, number.name)
    assert classify(exc).kind == "process_killed"


def test_more_memory_than_allowed_is_host_out_of_memory(runtime: Runtime) -> None:
    exc = fails(bodies.fill, 512)
    assert isinstance(exc, StepOutOfMemory)
    assert isinstance(exc, MemoryError)
    assert exc.memory == 256 << 20
    assert type(exc.__cause__) is MemoryError
    assert classify(exc).kind == "host_out_of_memory"


def test_less_memory_than_allowed_is_given(runtime: Runtime) -> None:
    assert bodies.fill(64) == 64 << 20


def test_the_bound_is_lifted_for_the_next_step_in_the_same_child(runtime: Runtime) -> None:
    bodies.fill(1)
    assert runtime.workers.pids == [bodies.pid()]
    assert bodies.fill.with_options(memory=None, name="more")(300) == 300 << 20


def test_a_hanging_step_is_killed_at_its_timeout_with_all_that_it_started(
    runtime: Runtime, tmp_path: Path
) -> None:
    told = tmp_path / "pids"
    exc = fails(bodies.hang, str(told))
    assert isinstance(exc, StepTimeout)
    assert "was killed" in str(exc)
    assert not exc.running()
    own, started = map(int, told.read_text().split())
    assert not alive(own)
    assert wait_gone(started)


def test_a_killed_attempt_is_tried_again_in_a_new_child(runtime: Runtime) -> None:
    @workflow
    def again() -> int:
        return bodies.dies_once()

    run = again.start()
    assert run.result == 2
    [failure] = run.document()["failures"]
    assert (failure["kind"], failure["decision"]) == ("process_killed", "retry")


def test_outside_of_a_run_it_works_just_so() -> None:
    assert bodies.double(21) == 42
    with pytest.raises(StepCrashed):
        bodies.leave(1)
