"""The experiment of examples/chaos_toolkit, run by the real Chaos Toolkit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from surefoot.testing import Ledger

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "chaos_toolkit"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "experiment"
    folder.mkdir()
    for name in ("experiment.json", "pipeline.py"):
        shutil.copy(EXAMPLE / name, folder)
    return folder


def run(folder: Path) -> dict[str, Any]:
    """``chaos run``; its journal."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SUREFOOT_")}
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), environment.get("PYTHONPATH")]))
    command = Path(sys.executable).with_name("chaos")
    subprocess.run(
        [str(command), "--no-version-check", "run", "experiment.json"],
        cwd=folder,
        env={**environment, "PYTHONPATH": path, "EXPERIMENT_FOLDER": "work"},
        capture_output=True,
        check=False,
        timeout=110,
    )
    told: dict[str, Any] = json.loads((folder / "journal.json").read_text())
    return told


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def outputs(told: dict[str, Any]) -> dict[str, Any]:
    return {one["activity"]["name"]: one["output"] for one in told["run"]}


def test_the_experiment_holds_and_all_of_its_faults_acted(copy: Path) -> None:
    told = run(copy)
    assert (told["status"], told["deviated"]) == ("completed", False)
    assert [one["status"] for one in told["run"]] == ["succeeded"] * 5
    found = outputs(told)
    assert found["how-often-faults-acted"] == 3 and found["how-the-run-is"] == "completed"
    killed = found["the-process-is-killed-after-the-second-payment"]
    assert (killed["step"], killed["seam"], killed["seen"]) == ("pay", "after", 2)
    Ledger(copy / "work" / "ledger").assert_once("order 1", "order 2", "order 3")


def test_a_receiver_without_keys_and_an_effect_without_a_check_deviate(copy: Path) -> None:
    change(copy / "pipeline.py", "verify=was_paid", 'on_doubt="rerun"')
    change(copy / "pipeline.py", ", key=idempotency_key()", "")
    told = run(copy)
    assert told["deviated"] is True
    after = told["steady_states"]["after"]
    assert not after["steady_state_met"]
    [bad] = [one for one in after["probes"] if not one["tolerance_met"]]
    assert (bad["activity"]["name"], bad["output"]) == ("duplicate-effects", 1)


def test_a_fault_that_does_not_act_deviates_and_is_no_survival(copy: Path) -> None:
    change(copy / "experiment.json", '"step": "pay"', '"step": "pya"')
    told = run(copy)
    assert told["deviated"] is True
    failed = told["run"][0]
    assert failed["status"] == "failed" and "not_fired" in "".join(failed["exception"])
    [bad] = [one for one in told["steady_states"]["after"]["probes"] if not one["tolerance_met"]]
    assert (bad["activity"]["name"], bad["output"]) == ("faults-not-fired", 2)
