"""How a DAG's author comes by it: ``@task.recover`` through the provider, options for plain tasks."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from surefoot import on, step, workflow
from surefoot.adapters.airflow import dag, task_options
from surefoot.adapters.airflow.running import run_id_of
from surefoot.adapters.airflow.versions import has_retry_policy
from surefoot.errors import UsageError

from .conftest import ROOT

# Airflow 2 warns about its own settings when it is imported
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

ASKS = """
try:
    from airflow.sdk import task
except ImportError:
    from airflow.decorators import task
print("FOUND", task.recover.__module__, task.recover.__name__)
"""


def test_airflow_finds_task_recover_through_the_entry_point(
    airflow_home: dict[str, str], tmp_path: Path
) -> None:
    text = (ROOT / "pyproject.toml").read_text()
    (line,) = re.findall(r"^\[project.entry-points.apache_airflow_provider\]\n(.*)$", text, re.M)
    told = tmp_path / "surefoot-0.1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: surefoot\nVersion: 0.1.0\n")
    entry = line.replace('"', "")
    (told / "entry_points.txt").write_text(f"[apache_airflow_provider]\n{entry}\n")
    env = airflow_home | {"PYTHONPATH": f"{tmp_path}:{airflow_home['PYTHONPATH']}"}
    done = subprocess.run(
        [sys.executable, "-c", ASKS], env=env, capture_output=True, text=True, timeout=100
    )
    said = done.stdout + done.stderr
    assert "FOUND surefoot.adapters.airflow.operator recover_task" in said


def test_the_example_is_a_dag_of_one_task(airflow_home: dict[str, str]) -> None:
    asks = "from examples.file_triage.on_airflow import triage_dag as d; print('HAS', d.task_ids)"
    done = subprocess.run(
        [sys.executable, "-c", asks], env=airflow_home, capture_output=True, text=True, timeout=100
    )
    assert "HAS ['run']" in done.stdout, done.stderr[-3000:]


def test_a_plain_task_gets_the_limits_of_a_step() -> None:
    @step(timeout=30, recover=[on("rate_limited").retry(attempts=8)])
    def answer() -> None: ...

    found = task_options(answer)
    assert found["retries"] == 7
    assert found["execution_timeout"] == timedelta(seconds=30)
    assert ("retry_policy" in found) == has_retry_policy()


@pytest.mark.skipif(not has_retry_policy(), reason="policies came with Airflow 3.3")
def test_the_policy_asks_the_catalog_about_what_no_run_has_decided() -> None:
    from surefoot.adapters.airflow.policy import CatalogRetries

    policy = CatalogRetries.deserialize(CatalogRetries().serialize())
    refused = policy.evaluate(ConnectionRefusedError(111, "Connection refused"), 1, 5)
    assert (refused.action.value, (refused.reason or "").split()[0]) == ("retry", "connection")
    mistake = policy.evaluate(AttributeError("'str' has no 'x'"), 1, 5)
    assert (mistake.action.value, (mistake.reason or "").split()[0]) == ("fail", "bug")
    assert len(policy.evaluate(ValueError("x" * 9000), 1, 5).reason or "") <= 500


def test_an_argument_without_a_value_is_told_when_the_dag_is_made() -> None:
    @workflow
    def needs(path: str) -> None: ...

    with pytest.raises(UsageError, match="params="):
        dag(needs, schedule=None)


def test_the_id_of_a_run_is_the_same_in_all_tries_and_never_too_long() -> None:
    long = run_id_of("d" * 150, "r" * 150, "t", 2)
    assert len(long) <= 200
    assert (
        long == run_id_of("d" * 150, "r" * 150, "t", 2) != run_id_of("d" * 150, "r" * 150, "t", 3)
    )
