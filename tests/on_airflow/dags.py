"""DAGs that the tests run in child processes; what they did stands in the files of SCRATCH."""

from __future__ import annotations

import os
import signal
import sys
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

from surefoot import Happened, NotHappened, WorkflowCriticalError, effect, step, workflow
from surefoot.adapters.airflow import dag, task

SCRATCH = Path(os.environ["SCRATCH"])
BEGAN = datetime(2026, 1, 1, tzinfo=timezone.utc)


def mark(name: str) -> int:
    """Count in a file, so that what a killed process did counts, too."""
    with open(SCRATCH / name, "a") as file:
        file.write("x")
    return (SCRATCH / name).stat().st_size


def fetch() -> str:
    with urllib.request.urlopen(os.environ["RECEIVER"], timeout=10) as answer:
        return answer.read().decode()


@workflow
def waiting(text: str) -> str:
    return finish(asked(prepared(text)))


@step
def prepared(text: str) -> str:
    mark("prepared")
    return text


@step
def asked(text: str) -> str:
    return f"{text} {fetch()}"


@step
def finish(text: str) -> str:
    mark("finished")
    (SCRATCH / "result").write_text(text)
    return text


@workflow
def hopeless() -> None:
    refused()


@step
def refused() -> None:
    mark("refused")
    raise WorkflowCriticalError("nobody can mend this by trying again")


def was_paid(amount: int) -> Happened[str] | NotHappened:
    mark("verified")
    return Happened("receipt") if (SCRATCH / "paid").exists() else NotHappened()


@effect(key=lambda amount: f"pay:{amount}", verify=was_paid)
def pay(amount: int) -> str:
    mark("paid")
    os.kill(os.getpid(), signal.SIGKILL)
    return "receipt"


@workflow
def paying() -> str:
    prepared("order")
    receipt = pay(7)
    mark("finished")
    return receipt


def plain(text: str) -> str:
    return f"{text} {fetch()}"


def bug(text: str) -> str:
    mark("bug")
    return text.nothing_of_this_name  # type: ignore[attr-defined]


def of_tasks(dag_id: str, fn: object) -> object:
    try:
        from airflow.sdk import DAG
    except ImportError:
        from airflow import DAG
    with DAG(dag_id, start_date=BEGAN, schedule=None) as made:
        task(fn, task_id="one")("hello")
    return made


waiting_dag = dag(waiting, start_date=BEGAN, schedule=None, params={"text": "hello"})
hopeless_dag = dag(hopeless, start_date=BEGAN, schedule=None)
paying_dag = dag(paying, start_date=BEGAN, schedule=None)
plain_dag = of_tasks("plain", plain)
bug_dag = of_tasks("bug", bug)


if __name__ == "__main__":
    # of one date, so that a second process plays the same DAG run once more
    made = globals()[f"{sys.argv[1]}_dag"]
    try:
        tested = made.test(run_after=BEGAN, logical_date=BEGAN)
    except TypeError:  # Airflow 2, which finds a run's table of users only once it was imported
        import airflow.providers.fab.auth_manager.models  # noqa: F401

        tested = made.test(execution_date=BEGAN)
    print(f"END {tested.state}")
