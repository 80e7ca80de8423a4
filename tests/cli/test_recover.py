"""`surefoot recover`: runs whose process died, in real processes that are killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from .conftest import Project

DYING = """
import os
import signal
from pathlib import Path
from surefoot import step, workflow

@step
def first() -> int:
    return 1

@step
def die(until: str) -> int:
    if not os.path.exists(until):
        os.kill(os.getpid(), signal.SIGKILL)
    return 1

@workflow
def dies(until: str) -> int:
    if os.path.exists("halting") and until == "halts":
        raise ValueError("no good; password=hunter22")
    return first() + die(until)

@step
def nap() -> int:
    if not os.path.exists("mended"):
        die("x")
    import time
    Path("group").write_text(str(os.getpgrp()))
    Path("napping").touch()
    time.sleep(60)
    return 1

@workflow
def naps() -> int:
    return first() + nap()
"""


@pytest.fixture
def dead(project: Project) -> Project:
    """A project with two runs whose process died: `one` recovers, `two` dies again."""
    project.write("dying.py", DYING)
    for run_id, until in (("one", "mended"), ("two", "never")):
        child = project.process(
            "run", "dying.py:dies", "--run-id", run_id, "--arg", f"until={until}"
        )
        child.end(-signal.SIGKILL)
    Path("mended").touch()
    return project


def test_each_run_whose_process_died_goes_on_and_one_bad_one_stops_no_other(dead: Project) -> None:
    shown = dead.run("runs").stdout
    assert shown.count("died: surefoot recover") == 2
    assert "died; go on with: surefoot recover, or: surefoot resume one" in (
        dead.run("show", "one").stdout
    )
    assert dead.json("show", "one")["holder"]["alive"] is False
    assert "2 runs whose process died" in " ".join(dead.run("doctor").stdout.split())

    done = dead.run("recover", wanted=1)
    assert "run one of dies: completed; 1 result reused, " in done.stdout
    assert "run two of dies: running; its process died again (SIGKILL)" in done.stdout
    assert dead.json("resume", "one")["result"] == 2

    Path("never").touch()
    assert dead.json("recover")["runs"] == [
        {
            "run_id": "two",
            "workflow": "dies",
            "status": "completed",
            "reused": 1,
            "time_saved": pytest.approx(0, abs=10),
            "error": None,
        }
    ]
    assert "there is no run whose process died" in dead.run("recover").stdout


def test_halted_and_interrupted_runs_wait_for_a_person(project: Project) -> None:
    project.run("run", "pipeline.py:gate", wanted=1)
    project.run("run", "pipeline.py:leaving", "--input", "3", wanted=3)
    told = project.run("recover").stdout
    assert "there is no run whose process died" in told
    assert "1 halted run waits for a person: surefoot runs --status halted" in told
    assert "1 interrupted run waits for a person" in told
    assert project.json("recover") == {"runs": []}


def test_a_run_that_halts_while_it_recovers_ends_with_1(project: Project) -> None:
    project.write("dying.py", DYING)
    child = project.process("run", "dying.py:dies", "--run-id", "one", "--arg", "until=halts")
    child.end(-signal.SIGKILL)
    Path("halting").touch()
    told = project.run("recover", wanted=1).stdout
    assert "run one of dies: halted by builtins.ValueError (invalid_value)" in told
    assert "see: surefoot show one" in told
    assert "hunter22" not in told


def test_a_workflow_that_is_gone_is_told(dead: Project) -> None:
    Path("dying.py").unlink()
    told = dead.json("recover", wanted=1)["runs"]
    assert [one["status"] for one in told] == ["running", "running"]
    assert all("if it has moved, name it" in one["error"]["message"] for one in told)


def test_signals_reach_the_run_that_recovers(dead: Project) -> None:
    Path("mended").unlink()
    child = dead.process("run", "dying.py:naps", "--run-id", "three")
    child.end(-signal.SIGKILL)
    Path("mended").touch()
    Path("never").touch()
    recovering = dead.process("recover", env={"SUREFOOT_GRACE": "0.2"}).until("napping")
    _, err = recovering.signal(signal.SIGTERM).end(143)
    assert "stopped while run three went on" in err
    by_id = {one["run_id"]: one["status"] for one in dead.json("runs")}
    assert by_id == {"one": "completed", "two": "completed", "three": "interrupted"}


def test_ctrl_c_ends_a_recovery_with_130(dead: Project) -> None:
    Path("mended").unlink()
    dead.process("run", "dying.py:naps", "--run-id", "three").end(-signal.SIGKILL)
    Path("mended").touch()
    Path("never").touch()
    recovering = dead.process("recover").until("napping")
    # a terminal sends Ctrl-C to a whole group: the run must not get it twice
    assert int(Path("group").read_text()) != os.getpgid(recovering.child.pid)
    recovering.signal(signal.SIGINT).end(130)
    assert json.loads(dead.run("show", "three", "--json").stdout)["status"] == "interrupted"


def test_a_run_that_lives_is_left_alone(project: Project) -> None:
    project.write("dying.py", DYING)
    Path("mended").touch()
    child = project.process("run", "dying.py:naps").until("napping")
    assert project.json("recover") == {"runs": []}
    child.signal(signal.SIGINT).end(130)
