"""What Airflow does after a failure: `dag.test()` in a child process, with its own retries."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime
from surefoot.journal.origin import Origin

from .conftest import ROOT, Receiver

Env = dict[str, str]


@pytest.fixture
def env(airflow_home: Env, receiver: Receiver, tmp_path: Path) -> Env:
    return airflow_home | {
        "SCRATCH": str(tmp_path),
        "RECEIVER": receiver.url,
        "SUREFOOT_JOURNAL": str(tmp_path / "journal.db"),
    }


def play(name: str, env: Env) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, env["PLAYED"], name],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
    )


def ended(name: str, env: Env) -> str:
    done = play(name, env)
    told = [line for line in done.stdout.splitlines() if line.startswith("END ")]
    assert told, done.stdout[-3000:] + done.stderr[-6000:]
    return told[0].removeprefix("END ")


def count(tmp_path: Path, name: str) -> int:
    file = tmp_path / name
    return file.stat().st_size if file.exists() else 0


def runs(env: Env) -> list[Any]:
    with Runtime(journal=env["SUREFOOT_JOURNAL"]) as runtime:
        return list(runtime.journal.runs())


def test_a_429_waits_as_long_as_the_server_says_and_is_tried_again_once(
    env: Env, receiver: Receiver, tmp_path: Path
) -> None:
    assert ended("waiting", env) == "success"
    assert len(receiver.at) == 2
    assert receiver.at[1] - receiver.at[0] >= 2.0
    assert (tmp_path / "result").read_text() == "hello world"


def test_a_step_that_was_done_in_the_first_try_is_not_run_in_the_second(
    env: Env, receiver: Receiver, tmp_path: Path
) -> None:
    assert ended("waiting", env) == "success"
    assert len(receiver.at) == 2
    assert count(tmp_path, "prepared") == 1
    assert count(tmp_path, "finished") == 1
    (run,) = runs(env)
    assert (run.status, run.resumes) == ("completed", 1)
    assert run.run_id.startswith("airflow:waiting/")
    assert Origin.parse(run.origin).ids["dag_id"] == "waiting"


def test_a_plain_function_is_tried_again_as_the_catalog_says(
    env: Env, receiver: Receiver, tmp_path: Path
) -> None:
    assert ended("plain", env) == "success"
    assert len(receiver.at) == 2
    assert receiver.at[1] - receiver.at[0] >= 2.0
    (run,) = runs(env)
    assert run.run_id.endswith("/one")


@pytest.mark.parametrize("name, file", [("hopeless", "refused"), ("bug", "bug")])
def test_what_no_retry_can_mend_fails_the_task_at_its_first_try(
    env: Env, tmp_path: Path, name: str, file: str
) -> None:
    assert ended(name, env) == "failed"
    assert count(tmp_path, file) == 1
    (run,) = runs(env)
    assert run.status == "halted"


def test_an_effect_in_flight_at_a_kill_is_verified_in_the_next_try(
    env: Env, tmp_path: Path
) -> None:
    """`dag.test()` runs the task in its own process, which dies: the same DAG run is played again."""
    assert play("paying", env).returncode == -signal.SIGKILL
    (run,) = runs(env)
    assert run.status == "running"
    assert ended("paying", env) == "success"
    assert count(tmp_path, "paid") == 1
    assert count(tmp_path, "verified") == 1
    assert count(tmp_path, "prepared") == 1
    assert count(tmp_path, "finished") == 1
    (run,) = runs(env)
    assert run.status == "completed"
