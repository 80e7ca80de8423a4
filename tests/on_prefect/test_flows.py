"""Workflows as flows of a real Prefect server; what happened is counted at a receiver and in files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime
from surefoot.journal.origin import Origin
from surefoot.workflow.workflow import Workflow

from .conftest import ROOT, Receiver, Server

RUN = """
import asyncio, inspect, json, sys
from tests.on_prefect import flows
made = getattr(flows, sys.argv[1] + "_flow")
answer = made(json.loads(sys.argv[2]), return_state=True)
if inspect.isawaitable(answer):
    answer = asyncio.run(answer)
print("STATE", answer.name)
"""

RELEASE = """
import sys
from surefoot.adapters.prefect import release
release(sys.argv[1])
"""


class Place:
    """A folder for a journal and for what the steps did; runs flows in processes of their own."""

    def __init__(self, folder: Path, server: Server, url: str) -> None:
        self.folder = folder
        self.server = server
        self.environment = {
            **server.environment,
            "TEST_PLACE": str(folder),
            "TEST_URL": url,
            "SUREFOOT_JOURNAL": f"sqlite:///{folder}/j.db",
        }

    def run(self, name: str, argument: Any) -> subprocess.CompletedProcess[str]:
        return self.python("-c", RUN, name, json.dumps(argument))

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=100,
        )

    def retry(self, name: str, run_id: str) -> subprocess.CompletedProcess[str]:
        """Prefect's own command."""
        return self.python(
            *("-m", "prefect", "flow-run", "retry", run_id.removeprefix("prefect-")),
            *("--entrypoint", f"{ROOT}/tests/on_prefect/flows.py:{name}_flow"),
        )

    @property
    def did(self) -> list[str]:
        path = self.folder / "did.txt"
        return path.read_text().splitlines() if path.exists() else []

    def only_run(self) -> Any:
        with Runtime(journal=self.folder / "j.db") as runtime:
            (record,) = runtime.journal.runs()
            return record

    def failures(self) -> list[Any]:
        with Runtime(journal=self.folder / "j.db") as runtime:
            (record,) = runtime.journal.runs()
            return runtime.journal.failures(record.pk)

    def task_runs(self, flow_run_id: str) -> list[Any]:
        found = self.server.post(
            "/task_runs/filter", {"flow_runs": {"id": {"any_": [flow_run_id]}}}
        )
        assert isinstance(found, list)
        return found

    def states(self, task_run_id: str) -> list[str]:
        found = self.server.get(f"/task_run_states/?task_run_id={task_run_id}")
        return [one["name"] for one in found]


@pytest.fixture
def place(tmp_path: Path, server: Server, receiver: Receiver) -> Place:
    return Place(tmp_path, server, receiver.url)


def flow_run_id(record: Any) -> str:
    return Origin.parse(record.origin).ids["flow_run_id"]


@pytest.mark.parametrize("name", ["waits", "waits_async"])
def test_a_429_is_waited_for_by_prefect_and_asked_again_once(
    place: Place, receiver: Receiver, name: str
) -> None:
    receiver.script["/ask"] = [(429, {"Retry-After": "2"})]
    done = place.run(name, "/ask")
    assert "STATE Completed" in done.stdout, done.stderr
    one, other = receiver.times("/ask")  # neither more nor less: no loop within the loop
    assert other - one >= 2
    record = place.only_run()
    assert record.status == "completed" and record.run_id == f"prefect-{flow_run_id(record)}"
    (asked,) = [run for run in place.task_runs(flow_run_id(record)) if "first" not in run["name"]]
    assert asked["run_count"] == 2 and "surefoot" in asked["tags"]
    assert "AwaitingRetry" in place.states(asked["id"])
    (failure,) = place.failures()
    assert (failure.kind, failure.decision) == ("rate_limited", "retry")
    assert "surefoot: rate_limited (model, recoverable), tried again after 2" in done.stderr


def test_what_a_person_must_mend_fails_at_the_first_try(place: Place, receiver: Receiver) -> None:
    receiver.script["/ask"] = [(401, {})] * 5
    done = place.run("waits", "/ask")
    assert "STATE Failed" in done.stdout, done.stderr
    assert len(receiver.times("/ask")) == 1
    record = place.only_run()
    assert record.status == "halted"
    (asked,) = [run for run in place.task_runs(flow_run_id(record)) if run["name"] == "post"]
    assert asked["state_name"] == "Failed" and asked["run_count"] == 1


def test_prefects_own_retry_of_a_flow_run_runs_no_completed_step_again(place: Place) -> None:
    done = place.run("breaks", 20)
    assert "STATE Failed" in done.stdout, done.stderr
    record = place.only_run()
    (place.folder / "mended").touch()
    again = place.retry("breaks", record.run_id)
    assert again.returncode == 0, again.stdout + again.stderr
    record = place.only_run()
    assert record.status == "completed" and record.reused == 1, again.stdout + again.stderr
    assert place.did == ["first", "mend_me", "mend_me"]
    found = place.server.get(f"/flow_runs/{flow_run_id(record)}")
    assert found["state_name"] == "Completed"


def test_an_effect_in_flight_at_a_kill_is_verified_and_not_done_twice(place: Place) -> None:
    done = place.run("pays", 7)
    assert done.returncode == -9, done.stderr
    record = place.only_run()
    assert record.status == "running"
    refused = place.retry("pays", record.run_id)
    assert "'RUNNING' and cannot" in refused.stdout  # so much for Prefect alone
    freed = place.python("-c", RELEASE, record.run_id)
    assert freed.returncode == 0, freed.stderr
    again = place.retry("pays", record.run_id)
    assert again.returncode == 0, again.stdout + again.stderr
    assert place.only_run().status == "completed", again.stdout + again.stderr
    assert place.did == ["first", "verify"]
    assert len((place.folder / "paid.txt").read_text().splitlines()) == 1


def test_only_a_dead_flow_run_is_released(place: Place) -> None:
    place.run("breaks", 20)
    record = place.only_run()
    refused = place.python("-c", RELEASE, record.run_id)
    assert (
        "is halted, so Prefect knows of its end; retry it with: prefect flow-run retry"
        in refused.stderr
    )


def test_a_step_that_hangs_is_killed_and_tried_again(place: Place) -> None:
    done = place.run("stuck", 5)
    assert "STATE Completed" in done.stdout, done.stderr
    assert place.did == ["hangs", "hangs"]
    (failure,) = place.failures()
    assert (failure.kind, failure.decision) == ("timeout", "retry")


def test_an_item_that_cannot_be_done_becomes_a_dead_letter(place: Place) -> None:
    done = place.run("many", 6)
    assert "STATE Completed" in done.stdout, done.stderr
    record = place.only_run()
    with Runtime(journal=place.folder / "j.db") as runtime:
        (letter,) = runtime.journal.dead_letters(record.pk)
    assert (letter.item, letter.kind, letter.state) == (3, "invalid_value", "open")
    assert len(place.task_runs(flow_run_id(record))) == 6


def test_a_halted_flow_run_is_rolled_back(place: Place) -> None:
    done = place.run("pays_in_vain", 3)
    assert "STATE Failed" in done.stdout, done.stderr
    record = place.only_run()
    undone = place.python("-m", "surefoot", "rollback", record.run_id)
    assert undone.returncode == 0, undone.stdout + undone.stderr
    assert place.only_run().status == "rolled_back"
    assert place.did == ["mend_me", "give back 3"]


def test_a_flow_keeps_the_workflows_name_and_parameters() -> None:
    from . import flows

    assert isinstance(flows.waits, Workflow)
    assert flows.waits_flow.name == "waits"
    assert list(flows.waits_flow.parameters.properties) == ["path"]
