"""A process is killed at a write of its journal, and another one goes on.

``CRASH_SWEEP=full`` takes every point and every pair of points; without it a sample is taken, whose
seed is printed (``CRASH_SEED`` takes the same again).
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.plants import PLANTS
from tests.crash.sweep import Control, Report, Sweep
from tests.crash.toy import PROGRAMS
from tests.support.nursery import Nursery

FULL = os.environ.get("CRASH_SWEEP") == "full"
SEED = int(os.environ.get("CRASH_SEED") or random.SystemRandom().randrange(10**6))

pytestmark = pytest.mark.timeout(1_200)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder in memory where there is one: a killed process tests atomicity, not fsync."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def controls(nursery: Nursery, place: Path) -> dict[str, Control]:
    """The undisturbed runs, made once."""
    return {program: Sweep(nursery, place, program).control for program in PROGRAMS}


def closed(report: Report, wanted: int) -> None:
    """Tell what was done, and that there was something to it."""
    print(f"\n{report}; seed {SEED}")
    assert not report.findings, f"{report}\nCRASH_SEED={SEED}"
    assert report.points >= wanted, f"only {report.points} points"
    assert report.fired >= report.points


@pytest.mark.parametrize(
    ("program", "sample"), [("whole", 16), ("async", 8), ("shaky", 8), ("climb", 8), ("saga", 8)]
)
def test_a_run_that_is_killed_at_any_point_ends_as_if_nothing_had_happened(
    nursery: Nursery, place: Path, controls: dict[str, Control], program: str, sample: int
) -> None:
    sweep = Sweep(nursery, place, program, control=controls[program])
    if FULL:
        sweep.every()
        closed(sweep.report, len(sweep.control.events) - 12)
    else:
        sweep.some(sample, random.Random(SEED))
        closed(sweep.report, sample)


@pytest.mark.parametrize("program", ["small", "saga"])
def test_a_run_whose_resume_is_killed_too_ends_as_if_nothing_had_happened(
    nursery: Nursery, place: Path, controls: dict[str, Control], program: str
) -> None:
    sweep = Sweep(nursery, place, program, control=controls[program])
    events = len(sweep.control.events)
    if FULL and program == "small":
        for at in range(1, events + 1):
            sweep.pairs(at, range(1, 10_000))
        closed(sweep.report, events * 20)
    elif FULL:  # all pairs of a rollback would take half an hour
        chance = random.Random(SEED)
        for at in chance.sample(range(1, events + 1), 30):
            sweep.pairs(at, sorted(chance.sample(range(1, 40), 8)))
        closed(sweep.report, 30)
    else:
        chance = random.Random(SEED)
        for at in chance.sample(range(1, events + 1), 5):
            sweep.pairs(at, sorted(chance.sample(range(1, 30), 2)))
        closed(sweep.report, 5)


@pytest.mark.parametrize(
    ("program", "act"),
    [
        ("whole", "act charge"),
        ("whole", "act row"),
        ("whole", "act mail"),
        ("whole", "act label"),
        ("whole", "act label#2"),
        ("async", "act charge_async"),
        ("async", "act row_async"),
        ("shaky", "act unheard"),
        ("shaky", "act unheard_row"),
        ("shaky", "wait"),  # after a refusal
        ("shaky", "wait#2"),  # after an attempt that carried its key and was not heard of
    ],
)
def test_an_effect_whose_process_dies_between_the_act_and_the_record_is_applied_once(
    nursery: Nursery, place: Path, controls: dict[str, Control], program: str, act: str
) -> None:
    sweep = Sweep(nursery, place, program, control=controls[program])
    sweep.single(act)
    closed(sweep.report, 1)
    if "label" not in act:  # beside one label the other may just be about to ask for its key
        assert sweep.report.asked_a_person == 0


def test_a_run_that_survives_power_loss_survives_kills_as_well(
    nursery: Nursery, tmp_path: Path
) -> None:
    sweep = Sweep(nursery, tmp_path, "small", durability="power")
    sweep.some(3, random.Random(SEED))
    closed(sweep.report, 3)


RED = {
    "intent not waited for": ("small", "act row", "duplicate"),
    "doubt is ignored": ("small", "act row", "duplicate"),
    "end not waited for": ("small", "begin convert", "hasty"),
    "map not waited for": ("small", "begin total", "hasty"),
    "result forgotten": ("small", "begin total", "ran_again"),
    "failure not written": ("whole", "begin flaky#2", "hasty"),
    "killer is blunt": ("small", "act row", "not_fired"),
}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_sweep_finds_a_planted_bug(
    nursery: Nursery, place: Path, controls: dict[str, Control], plant: str
) -> None:
    program, point, verdict = RED[plant]
    sound = Sweep(nursery, place, program, control=controls[program])
    sound.single(point)
    closed(sound.report, 1)

    sick = Sweep(nursery, place, program, plant=plant, control=sound.control)
    if FULL:
        sick.every(enough=1)
    else:
        sick.single(point)
    assert verdict in sick.report.verdicts(), sick.report
