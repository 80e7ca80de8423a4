"""The actions and probes for Chaos Toolkit, called as it calls them."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot.chaos import toolkit
from surefoot.errors import SurefootError, UsageError

ROOT = Path(__file__).resolve().parents[2]
SHOP = str(ROOT / "examples" / "chaos_toolkit" / "pipeline.py") + ":shop"
DEEDS = ["order 1", "order 2"]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "experiment")


def test_a_killed_run_is_resumed_and_nothing_is_twice_or_lost(folder: str) -> None:
    assert toolkit.lost_effects(folder, DEEDS) == 0 and toolkit.run_status(folder) == "none"
    killed = toolkit.crash_run(SHOP, folder, step="pay", script="nth:2", input=2)
    assert (killed["seam"], killed["step"]) == ("after", "pay")
    assert toolkit.run_status(folder) == "running" and toolkit.faults_fired(folder) == 1
    told = toolkit.resume_run(SHOP, folder)
    assert told == {"status": "completed", "result": 30, "kind": None}
    assert toolkit.duplicate_effects(folder) == toolkit.lost_effects(folder, DEEDS) == 0
    assert toolkit.lost_effects(folder, [*DEEDS, "order 3"]) == 1
    assert toolkit.lost_effects(folder, ["order 1"], effect="mail") == 1
    assert toolkit.faults_not_fired(folder) == 0


def test_a_fault_of_a_kind_acts_and_the_answer_says_what_came_of_it(folder: str) -> None:
    told = toolkit.inject_fault(SHOP, folder, "price", "rate_limited", args={"orders": 1})
    assert told == {"status": "completed", "result": 10, "kind": None, "fired": 1}


def test_a_run_that_halts_says_as_what(folder: str) -> None:
    told = toolkit.inject_fault(SHOP, folder, "price", "auth", script="always", input=1)
    assert (told["status"], told["kind"]) == ("halted", "auth")
    assert toolkit.run_status(folder) == "halted"
    assert toolkit.resume_run(SHOP, folder)["status"] == "completed"


def test_a_write_of_the_journal_can_be_the_place(folder: str) -> None:
    killed = toolkit.crash_run(SHOP, folder, write=2, event="before", input=1)
    assert (killed["seam"], killed["event"]) == ("write", "before")


def test_a_fault_that_does_not_act_is_an_error_and_stays_counted(folder: str) -> None:
    with pytest.raises(
        toolkit.FaultNotFired, match=r"not_fired: killed at after pya .*before pay 1×"
    ):
        toolkit.crash_run(SHOP, folder, step="pya", input=1)
    assert toolkit.faults_not_fired(folder) == 1
    with pytest.raises(UsageError, match="cannot be imported"):
        toolkit.inject_fault("nowhere.py:shop", folder, "pay", "auth")
    assert toolkit.faults_not_fired(folder) == 2


def test_wrong_use_says_what_is_right(folder: str) -> None:
    with pytest.raises(UsageError, match="give step=, or write="):
        toolkit.crash_run(SHOP, folder)
    with pytest.raises(UsageError, match="start it with inject_fault or crash_run"):
        toolkit.resume_run(SHOP, folder)
    with pytest.raises(UsageError, match="give expected="):
        toolkit.lost_effects(folder, [])
    with pytest.raises(SurefootError):
        toolkit.inject_fault(SHOP, folder, "price", "rate_limited", input={"wrong": 1})


def test_the_module_imports_without_chaos_toolkit() -> None:
    code = "import sys; sys.modules['chaoslib'] = None; import surefoot.chaos.toolkit"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_experiment_calls_what_there_is() -> None:
    path = ROOT / "examples" / "chaos_toolkit" / "experiment.json"
    told = json.loads(path.read_text())
    activities = [*told["steady-state-hypothesis"]["probes"], *told["method"]]
    assert {one["provider"]["func"] for one in activities} < set(toolkit.__all__)
    for one in activities:
        assert one["provider"]["module"] == "surefoot.chaos.toolkit"
        function = getattr(toolkit, one["provider"]["func"])
        inspect.signature(function).bind(**one["provider"]["arguments"])
