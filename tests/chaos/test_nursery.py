"""Children that attend to a run: forked, paused, killed, and none of them left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from surefoot.chaos.model import FaultSpec
from surefoot.chaos.nursery import Nursery
from surefoot.errors import UsageError

FLOW = """
import os, subprocess, sys, time
from pathlib import Path
from surefoot import step, workflow

HERE = Path(__file__).parent
LOADED = os.getpid()

@step
def work(word: str) -> str:
    if word == "sleep":
        time.sleep(60)
    if word == "leave":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        (HERE / "left").write_text(str(child.pid))
    print("the step's own words")
    return f"{word} {os.getpid() != LOADED}"

@workflow
def flow(word: str) -> str:
    return work(word)
"""

Make = Callable[..., Nursery]


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:

        def make(code: str = FLOW) -> Nursery:
            (tmp_path / "flow.py").write_text(code)
            made = Nursery(f"{tmp_path / 'flow.py'}:flow", tmp_path / "answers", {})
            return stack.enter_context(made)

        yield make


def job(tmp_path: Path, word: str, *faults: FaultSpec) -> Mapping[str, Any]:
    place = tmp_path / f"cell-{word}"
    place.mkdir(exist_ok=True)
    return {
        "target": f"{tmp_path / 'flow.py'}:flow",
        "folder": str(place),
        "given": {"input": f'"{word}"', "args": {}},
        "faults": [asdict(one) for one in faults],
    }


def gone(pid: int) -> bool:
    """Whether a process ends within a time."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return True
        if stat.rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.01)
    return False


def test_a_child_is_a_fork_that_has_imported_the_workflow_already(
    nursery: Make, tmp_path: Path
) -> None:
    one = nursery()
    assert one.forks
    ended = one.run(job(tmp_path, "go"), 30)
    assert ended.answer is not None and ended.answer["status"] == "completed"
    assert ended.answer["result"] == "go True"
    assert (ended.exit_code, ended.signal, ended.late) == (0, None, False)
    assert "the step's own words" in (tmp_path / "cell-go" / "output.txt").read_text()


def test_a_workflow_whose_import_starts_threads_gets_a_python_for_each_child(
    nursery: Make, tmp_path: Path
) -> None:
    threads = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    one = nursery(threads + FLOW)
    assert not one.forks
    ended = one.run(job(tmp_path, "go"), 60)
    assert ended.answer is not None and ended.answer["result"] == "go False"
    late = one.run(job(tmp_path, "sleep"), 3)
    assert late.late and late.died


def test_a_child_that_takes_too_long_is_killed_and_told_as_late(
    nursery: Make, tmp_path: Path
) -> None:
    ended = nursery().run(job(tmp_path, "sleep"), 0.5)
    assert ended.late and ended.died and ended.signal == signal.SIGKILL


def test_a_child_that_is_killed_leaves_no_answer_and_says_by_what(
    nursery: Make, tmp_path: Path
) -> None:
    one = nursery()
    killed = one.run(job(tmp_path, "go", FaultSpec("kill", "", "before", "work")), 30)
    assert (killed.answer, killed.signal, killed.late) == (None, signal.SIGKILL, False)
    left = one.run(job(tmp_path, "exit", FaultSpec("exit", "3", "before", "work")), 30)
    assert (left.answer, left.exit_code) == (None, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_what_a_child_started_and_left_ends_with_it(nursery: Make, tmp_path: Path) -> None:
    ended = nursery().run(job(tmp_path, "leave"), 30)
    assert ended.answer is not None
    assert gone(int((tmp_path / "left").read_text()))


def test_a_paused_child_goes_on_once_somebody_has_done_what_was_to_be_done(
    nursery: Make, tmp_path: Path
) -> None:
    told = []
    pause = FaultSpec("pause", "", "after", "work")

    def meanwhile() -> None:
        told.append((tmp_path / "cell-go" / "fired.jsonl").read_text())

    ended = nursery().run(job(tmp_path, "go", pause), 30, meanwhile)
    assert ended.answer is not None and ended.answer["status"] == "completed"
    assert len(told) == 1 and "paused" in told[0]


def test_a_paused_child_of_which_nobody_knows_what_to_do_goes_on(
    nursery: Make, tmp_path: Path
) -> None:
    ended = nursery().run(job(tmp_path, "go", FaultSpec("pause", "", "after", "work")), 30)
    assert ended.answer is not None and ended.answer["status"] == "completed"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise KeyError('no')\n", "KeyError: 'no'"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        ("flow = 3\n", "not a workflow"),
        ("", "has no 'flow'"),
    ],
)
def test_a_workflow_that_cannot_be_imported_says_why(nursery: Make, code: str, words: str) -> None:
    with pytest.raises(UsageError, match="cannot be imported") as caught:
        nursery(code)
    assert words in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_no_child_outlives_a_command_that_was_killed(tmp_path: Path) -> None:
    marked = FLOW.replace(
        "        time.sleep(60)\n",
        "        (HERE / 'pid').write_text(str(os.getpid()))\n        time.sleep(60)\n",
    )
    (tmp_path / "flow.py").write_text(marked)
    code = (
        "import sys\nfrom pathlib import Path\nfrom surefoot.chaos.nursery import Nursery\n"
        f"job = {dict(job(tmp_path, 'sleep'))!r}\n"
        f"with Nursery(job['target'], Path({str(tmp_path / 'answers')!r}), {{}}) as one:\n"
        "    one.run(job, 60)\n"
    )
    command = subprocess.Popen([sys.executable, "-c", code], env={**os.environ})
    end = time.monotonic() + 60
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert command.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    command.kill()
    command.wait()
    assert gone(int((tmp_path / "pid").read_text()))
