"""The journal's database fails at its Nth write, once or for good, for every N."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.crash.sweep import Control, Sweep, applied, failed_attempts, state
from tests.crash.toy import PROGRAMS, in_doubt
from tests.support.failing import MESSAGES
from tests.support.nursery import Nursery

STUMBLE = "tests.crash.toy:stumble"
FULL = os.environ.get("CRASH_SWEEP") == "full"
SEED = int(os.environ.get("CRASH_SEED") or random.SystemRandom().randrange(10**6))

pytestmark = pytest.mark.timeout(1_200)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


def stumbled(
    nursery: Nursery, folder: Path, control: Control, raises: str = "JournalError", **options: Any
) -> bool:
    """Let the journal fail once, check all that must hold, and tell whether it had failed."""
    folder.mkdir(parents=True)
    told = nursery.run(STUMBLE, folder=str(folder), **options).unwrap()
    where = f"{options}, seed {SEED}: {told}"
    if not told["fired"]:
        assert told["first"]["runs"] == control.runs, where
        return False
    # whoever called it sees it, whatever the workflow caught
    assert told["first"].get("error") == raises, where
    assert told["first"]["exit_code"] == (3 if raises == "JournalError" else 1), where
    # nothing is damaged
    with closing(sqlite3.connect(folder / "journal.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], where
    # with the fault gone it ends as if nothing had happened
    last = told.get("person", told["then"])
    if "person" in told:
        assert in_doubt(told["then"]), where
    assert last.get("runs") == control.runs, where
    assert applied(folder) == control.applied, where
    assert state(folder) == control.state, where
    assert max(failed_attempts(folder).values(), default=1) == 1, where
    shutil.rmtree(folder)
    return True


@pytest.fixture(scope="module")
def controls(nursery: Nursery, place: Path) -> dict[str, Control]:
    """The undisturbed runs, made once."""
    return {program: Sweep(nursery, place, program).control for program in PROGRAMS}


def swept(nursery: Nursery, folder: Path, control: Control, sample: int, **options: Any) -> None:
    """Fail at each write, or at a sample of them."""
    chance = random.Random(SEED)
    messages = options.pop("messages")
    every = range(1, control.writes + 12)
    if FULL:
        points = [(at, message) for at in every for message in messages]
    else:
        points = [(at, chance.choice(messages)) for at in chance.sample(every, len(every))]
    done = 0
    for at, message in points:
        given = {**options, "at": at, "message": message}
        # which writes share a commit depends on the threads, so the last ones may not come
        if any(
            stumbled(nursery, folder / f"{at} {message} {turn}", control, **given)
            for turn in range(3)
        ):
            done += 1
        else:
            assert not control.sure(at, control.writes), (
                f"the fault at {at} did not come: not_fired"
            )
        if not FULL and done == sample:
            break
    print(f"\n{options}: {done} times; seed {SEED}")
    assert done >= (len(messages) * (control.writes - 12) if FULL else sample)


@pytest.mark.parametrize("forever", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_whoever_calls_sees_that_the_journal_failed_and_a_resume_completes(
    nursery: Nursery, place: Path, controls: dict[str, Control], program: str, forever: bool
) -> None:
    folder = place / f"{program}-{forever}"
    options = {"program": program, "forever": forever, "messages": MESSAGES}
    swept(nursery, folder, controls[program], 5, **options)


@pytest.mark.parametrize("program", ["small", "shaky", "whole"])
def test_ctrl_c_at_any_write_loses_nothing_and_a_resume_completes(
    nursery: Nursery, place: Path, controls: dict[str, Control], program: str
) -> None:
    options = {"program": program, "raises": "KeyboardInterrupt", "messages": [""]}
    swept(nursery, place / f"{program}-ctrl-c", controls[program], 8, **options)
