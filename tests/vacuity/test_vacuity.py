"""Can `surefoot chaos` go red, and does it where it must? Bugs are planted; exactly their cells turn red.

The workflow and its bugs are in shop.py. All of it is played by the real command in real processes.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.vacuity.shop import PLANTS

ROOT = Path(__file__).resolve().parents[2]
SHOP = f"{Path(__file__).with_name('shop.py')}:shop"
KINDS = "kind=connection,auth,killed,os._exit,paused,truncated"
"""A recoverable kind, one that halts, three ends of a process, and a wrong value."""
SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Told:
    """What the command said."""

    exit_code: int
    document: dict[str, Any]

    def outcomes(self) -> dict[str, str]:
        return {one["cell"]["id"]: one["outcome"] for one in self.document["cells"]}

    def red(self) -> dict[str, str]:
        """The cells that are not allowed, with their outcomes."""
        return {
            one["cell"]["id"]: one["outcome"]
            for one in self.document["cells"]
            if not one["allowed"]
        }


def chaos(place: Path, *args: str, plant: str = "", given: int = 2) -> Told:
    """``surefoot chaos`` on the shop, with a bug in it."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "surefoot", "chaos", SHOP, "--input", str(given)),
            *("--jobs", "2", "--json", *args),
        ],
        cwd=place,
        env={**os.environ, "PLANT": plant, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.stdout, done.stderr
    return Told(done.returncode, json.loads(done.stdout))


STEPS = ("load", "answer", "total", "weigh")
RED: dict[str, dict[str, str]] = {
    # It is sent again by whoever goes on: only between the act and its record.
    "bare send": {"mail/after/killed": "duplicate", "mail/after/paused": "duplicate"},
    # The one failure that the try hides; what is retried, or kills the process, never gets there.
    "swallowed": {"answer/before/auth": "wrong_output"},
    # Nobody looks at what the model said.
    "unchecked": {"answer/value/truncated": "wrong_output"},
    # Whatever makes total() run again while its cache holds what is not yet true.
    "cached": dict.fromkeys(
        [
            "weigh/before/connection",
            "weigh/before/auth",
            "weigh/before/killed",
            "weigh/before/os._exit",
            "weigh/after/killed",
            "weigh/after/paused",
        ],
        "wrong_output",
    ),
    # Whoever goes on after the payment pays again.
    "lost checkpoint": dict.fromkeys(
        [
            "pay/after/killed",
            "pay/after/paused",
            "mail/before/connection",
            "mail/before/auth",
            "mail/before/killed",
            "mail/before/os._exit",
            "mail/after/killed",
            "mail/after/paused",
        ],
        "duplicate",
    ),
    # A process that was paused writes on. (What effects do is guarded by their claims, too.)
    "no fence": {f"{step}/after/paused": "wrong_output" for step in STEPS},
}


def test_a_sound_workflow_is_green_and_nothing_in_it_is_vacuous(tmp_path: Path) -> None:
    told = chaos(tmp_path, "--only", KINDS)
    assert (told.exit_code, told.red()) == (0, {})
    assert len(told.outcomes()) >= 36
    assert all(one["fired"] >= 1 for one in told.document["cells"])
    assert told.document["control"]["result"] == 16
    assert told.document["control"]["deeds"] == {"pay": ["16"], "mail": ["mail 16"]}
    assert told.document["not_measured"] == []
    every = {cell for cells in RED.values() for cell in cells}
    assert every <= set(told.outcomes()), "a bug is looked for where nothing is played"


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_bug_turns_exactly_its_cells_red(plant: str, tmp_path: Path) -> None:
    told = chaos(tmp_path, "--only", KINDS, plant=plant)
    assert told.red() == RED[plant]
    assert told.exit_code == 1


def test_a_fault_aimed_at_a_step_that_is_never_called_has_not_fired(tmp_path: Path) -> None:
    told = chaos(tmp_path, "--only", "step=never_called", "kind=killed,unknown")
    assert told.exit_code == 5
    assert told.red() == dict.fromkeys(
        [
            "never_called/before/unknown",
            "never_called/before/killed",
            "never_called/after/killed",
        ],
        "not_fired",
    )
    assert "not all of it is proved" in told.document["summary"]


def test_a_control_run_that_fails_proves_nothing(tmp_path: Path) -> None:
    told = chaos(tmp_path, "--only", KINDS, plant="broken")
    assert told.exit_code == 5
    assert told.document["error"]["type"] == "ControlFailed"
    assert "did not complete" in told.document["error"]["message"]
    assert "Nothing was tested" in told.document["error"]["message"]


def test_a_kill_at_some_writes_and_at_two_of_them_loses_nothing(tmp_path: Path) -> None:
    args = ("--crash-sweep", "--only", "kind=write", "--pairs", "--sample", "25")
    told = chaos(tmp_path, *args, "--seed", str(SEED))
    assert (told.exit_code, told.red()) == (0, {}), f"CHAOS_SEED={SEED}"
    pairs = [one for one in told.document["cells"] if len(one["cell"]["faults"]) == 2]
    assert 20 <= len(pairs) <= 25  # one at the last write of a process may find none
    assert all(one["fired"] == 2 for one in pairs)


def test_the_same_sweep_finds_a_send_without_a_key(tmp_path: Path) -> None:
    told = chaos(tmp_path, "--crash-sweep", "--only", "kind=write", plant="bare send")
    assert told.exit_code == 1
    assert set(told.red().values()) == {"duplicate"}
    # between the act and the end of its commit, and nowhere else; which write that is may differ by
    # one from run to run
    where = [cell.split("/")[1:] for cell in told.red()]
    assert {moment for _, moment in where} == {"before", "inside"}
    numbers = {int(number) for number, _ in where}
    assert max(numbers) - min(numbers) <= 2
