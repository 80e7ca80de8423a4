"""SIGTERM, Ctrl-C, a closed terminal and a closed pipe, in real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import Project

SLOW = """
import asyncio
import time
from pathlib import Path
from surefoot import on, step, workflow

def sign(name: str) -> None:
    Path(name).touch()

@step
def quick() -> int:
    return 1

@step
def nap(seconds: float) -> float:
    sign("napping")
    time.sleep(seconds)
    return seconds

@step
async def soft_nap(seconds: float) -> float:
    sign("napping")
    await asyncio.sleep(seconds)
    return seconds

@step(recover=[on("connection").retry(attempts=3, base=600, cap=600)])
def refused() -> None:
    sign("napping")
    raise ConnectionError("refused")

@step(recover=[on("connection").retry(attempts=3, base=600, cap=600)])
async def softly_refused() -> None:
    sign("napping")
    raise ConnectionError("refused")

@workflow
def naps(seconds: float) -> float:
    quick()
    slept = nap(seconds)
    sign("after")
    return slept + quick()

@workflow
async def soft_naps(seconds: float) -> float:
    slept = await soft_nap(seconds)
    return slept + await soft_nap(0.0)

@workflow
def waits() -> None:
    refused()

@workflow
async def soft_waits() -> None:
    await softly_refused()

@workflow
def mapped(seconds: float) -> int:
    return len(nap.map([seconds, seconds + 0.01, seconds + 0.02], workers=2).results)
"""


@pytest.fixture
def slow(project: Project) -> Project:
    project.write("slow.py", SLOW)
    return project


def status(project: Project) -> str:
    found: str = project.json("runs")[0]["status"]
    return found


def freed(project: Project) -> bool:
    return project.json("runs")[0]["holder"] is None


def test_on_sigterm_the_running_step_ends_and_no_new_one_begins(slow: Project) -> None:
    child = slow.process("run", "slow.py:naps", "--input", "0.5").until("napping")
    out, err = child.signal(signal.SIGTERM).end(143)
    assert (slow.path / "after").exists()
    assert "calls  2 completed" in out
    assert "stopped by SIGTERM" in err
    assert status(slow) == "interrupted"
    assert freed(slow)
    resumed = slow.json("resume", slow.latest())
    assert resumed["result"] == 1.5
    assert resumed["reused"] == 2


@pytest.mark.parametrize("workflow", ["naps", "soft_naps", "mapped"])
def test_a_step_that_takes_longer_than_the_grace_is_ended(slow: Project, workflow: str) -> None:
    child = slow.process(
        "run", f"slow.py:{workflow}", "--input", "60", env={"SUREFOOT_GRACE": "0.3"}
    ).until("napping")
    began = time.monotonic()
    child.signal(signal.SIGTERM).end(143)
    assert time.monotonic() - began < 20
    assert not (slow.path / "after").exists()
    assert status(slow) == "interrupted"
    assert freed(slow)


@pytest.mark.parametrize("workflow", ["waits", "soft_waits"])
def test_on_sigterm_a_wait_for_the_next_attempt_ends_at_once(slow: Project, workflow: str) -> None:
    child = slow.process("run", f"slow.py:{workflow}").until("napping")
    time.sleep(0.3)  # the failure is written, the wait begins
    began = time.monotonic()
    child.signal(signal.SIGTERM).end(143)
    assert time.monotonic() - began < 8  # the grace is 10 s
    assert status(slow) == "interrupted"


def test_a_second_sigterm_ends_it_at_once(slow: Project) -> None:
    child = slow.process("run", "slow.py:naps", "--input", "60").until("napping")
    child.signal(signal.SIGTERM)
    time.sleep(0.3)
    child.signal(signal.SIGTERM).end(143)
    assert status(slow) == "interrupted"


def test_a_closed_terminal_is_like_sigterm(slow: Project) -> None:
    child = slow.process("run", "slow.py:naps", "--input", "0.3").until("napping")
    child.signal(signal.SIGHUP).end(129)
    assert status(slow) == "interrupted"


@pytest.mark.parametrize("workflow", ["naps", "soft_naps", "mapped"])
def test_ctrl_c_leaves_the_run_interrupted_and_says_how_to_go_on(
    slow: Project, workflow: str
) -> None:
    child = slow.process("run", f"slow.py:{workflow}", "--input", "60").until("napping")
    out, err = child.signal(signal.SIGINT).end(130)
    assert f"go on with: surefoot resume {slow.latest()}" in out
    assert "surefoot: stopped by Ctrl-C" in err
    assert "Traceback" not in err
    assert status(slow) == "interrupted"
    assert freed(slow)


def test_an_interrupted_run_gives_its_document_to_a_program(slow: Project) -> None:
    child = slow.process("run", "slow.py:naps", "--input", "60", "--json").until("napping")
    out, err = child.signal(signal.SIGINT).end(130)
    told = json.loads(out)
    assert told["status"] == "interrupted"
    assert f"Go on with: surefoot resume {told['run_id']}" in err


def test_sigterm_while_the_module_is_imported_ends_it(project: Project) -> None:
    project.write(
        "importing.py",
        "import time\nfrom pathlib import Path\nPath('importing').touch()\ntime.sleep(60)\n",
    )
    child = project.process("run", "importing.py:x").until("importing")
    _, err = child.signal(signal.SIGTERM).end(143)
    assert err == "surefoot: stopped before a run began\n"


def test_ctrl_c_before_a_run_began_is_told_in_a_line(project: Project) -> None:
    project.write(
        "importing.py",
        "import time\nfrom pathlib import Path\nPath('importing').touch()\ntime.sleep(60)\n",
    )
    child = project.process("run", "importing.py:x").until("importing")
    _, err = child.signal(signal.SIGINT).end(130)
    assert err.strip() == "surefoot: stopped by Ctrl-C"


def test_a_run_that_is_held_ends_with_4(slow: Project) -> None:
    child = slow.process("run", "slow.py:naps", "--input", "1", "--run-id", "one").until("napping")
    done = slow.run("resume", "one", wanted=4)
    assert f"run one is held by pid {child.child.pid} on " in done.stderr
    assert slow.json("resume", "one", wanted=4)["error"]["type"] == "RunLocked"
    assert f"pid {child.child.pid}" in slow.run("runs").stdout
    assert "is at it" in slow.run("show", "one").stdout
    child.end(0)


@pytest.mark.parametrize("args", [["runs"], ["show", "one", "--json"], ["catalog", "list"]])
def test_a_closed_pipe_is_quiet(project: Project, args: list[str]) -> None:
    project.run("run", "pipeline.py:nothing", "--run-id", "one")
    reading, writing = os.pipe()
    os.close(reading)
    child = project.process(*args, stdout=writing)
    os.close(writing)
    _, err = child.end(0)
    assert err == ""


def test_a_run_whose_output_nobody_reads_still_ends_as_it_ends(project: Project) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    child = project.process("run", "pipeline.py:gate", stdout=writing)
    os.close(writing)
    _, err = child.end(1)
    assert "BrokenPipe" not in err
    assert status(project) == "halted"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_an_output_that_cannot_be_written_is_told(project: Project) -> None:
    project.run("run", "pipeline.py:nothing")
    with open("/dev/full", "w") as full:
        child = project.process("runs", stdout=full)
        child.child.wait(timeout=60)
        assert child.child.stderr is not None
        err = child.child.stderr.read()
        child.child.stderr.close()
    assert child.child.returncode != 0
    assert "surefoot: the system refused: [Errno 28]" in err


def test_python_m_surefoot_is_the_command(project: Project) -> None:
    out, _ = project.process("--version").end(0)
    assert out.startswith("surefoot ")


def test_help_loads_neither_asyncio_nor_rich_nor_the_catalog() -> None:
    code = (
        "import sys; from surefoot.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'asyncio', 'rich', 'sqlite3', 're2', 'surefoot.catalog'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: surefoot" in done.stdout
    assert done.stdout.endswith("LOADED []\n")
