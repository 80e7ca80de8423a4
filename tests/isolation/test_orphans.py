"""No child outlives its parent, however that ends; and what was done before is there on a resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .processes import alive, wait_for, wait_gone

PIPELINE = """
import os
import re
import subprocess
import time
from pathlib import Path
from surefoot import Runtime, current, effect, idempotency_key, on, step, workflow

def say(name: str, *pids: int) -> None:
    Path(name + ".aside").write_text(" ".join(map(str, pids)))
    os.rename(name + ".aside", name)

@step(isolation="process")
def first() -> int:
    Path("first").open("a").write("x")
    return 1

@step(isolation="process")
def hold(how: str) -> int:
    if Path("go").exists():
        return 2
    own = subprocess.Popen(["sleep", "60"])
    say("pids", os.getpid(), own.pid)
    if how == "computes":
        re.match("(a+)+b", "a" * 64)  # never ends, and holds the GIL
    time.sleep(60)
    return 0

@step(isolation="process")
def item(n: int) -> int:
    if not Path("go").exists() and n < 2:
        say(f"item{n}", os.getpid())
        time.sleep(60)
    return n

@workflow
def flow(how: str) -> int:
    return first() + hold(how)

@workflow
def items() -> list[int]:
    return item.map(range(4), workers=2).results
"""


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pipeline.py").write_text(PIPELINE)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "surefoot", *arguments, "--journal", "sqlite:///j.db"],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "SUREFOOT_GRACE": "0.2"},
        )

    def run(self, *arguments: str) -> tuple[int, Any]:
        process = self.start(*arguments, "--json")
        out, err = process.communicate(timeout=60)
        assert out, err
        return process.returncode, json.loads(out)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("how", ["sleeps", "computes"])
def test_a_killed_parents_child_dies_with_all_that_it_started_and_the_run_resumes(
    project: Project, how: str
) -> None:
    parent = project.start("run", "pipeline.py:flow", "--run-id", "r", "--input", f'"{how}"')
    pids = [int(pid) for pid in wait_for(project.folder / "pids").split()]
    assert all(alive(pid) for pid in pids)
    parent.kill()
    parent.communicate(timeout=10)
    assert wait_gone(*pids)
    (project.folder / "go").touch()
    code, document = project.run("resume", "r")
    assert (code, document["status"], document["result"]) == (0, "completed", 3)
    assert (project.folder / "first").read_text() == "x"  # its checkpoint was used


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_stopped_run_ends_its_child_and_stays_resumable(
    project: Project, number: signal.Signals, exit_code: int
) -> None:
    parent = project.start("run", "pipeline.py:flow", "--run-id", "r", "--input", '"sleeps"')
    pids = [int(pid) for pid in wait_for(project.folder / "pids").split()]
    parent.send_signal(number)
    parent.communicate(timeout=20)
    assert parent.returncode == exit_code
    assert wait_gone(*pids)
    _, document = project.run("show", "r")
    assert document["status"] == "interrupted"
    assert document["failures"] == []  # to be stopped is no failure
    (project.folder / "go").touch()
    code, document = project.run("resume", "r")
    assert (code, document["result"]) == (0, 3)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_map_ends_all_its_children(
    project: Project, number: signal.Signals, exit_code: int
) -> None:
    parent = project.start("run", "pipeline.py:items", "--run-id", "m")
    pids = [int(wait_for(project.folder / f"item{n}")) for n in range(2)]
    parent.send_signal(number)
    _, err = parent.communicate(timeout=20)
    assert parent.returncode == exit_code, err
    assert wait_gone(*pids)
    _, document = project.run("show", "m")
    assert document["status"] == "interrupted"
    assert document["failures"] == []
    (project.folder / "go").touch()
    code, document = project.run("resume", "m")
    assert (code, document["result"]) == (0, [0, 1, 2, 3])
