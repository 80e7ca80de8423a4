"""A journal whose files were cut off or changed: a consistent beginning of it, or a clear error."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from surefoot.clock import ManualClock
from surefoot.errors import CheckpointDamaged, JournalError, SurefootError
from surefoot.journal.claims import claim, finish_claim
from surefoot.journal.runs import Ending
from surefoot.journal.writes import end, failure
from tests.support.journals import (
    begun,
    ended,
    failed_attempt,
    intent,
    new_call,
    open_journal,
)

SEED = int(os.environ.get("CRASH_SEED") or 20261123)
TIMES = 400 if os.environ.get("CRASH_SWEEP") == "full" else 60
FRAME = 4096 + 24
"""Bytes of a page in the write-ahead log, with its header."""

Story = tuple[list[str], int, list[str]]
"""The calls that ended, in their order; how many failures; the keys that are done."""


def tell(journal: Any) -> Story:
    read = journal.store.read
    return (
        [call for (call,) in read("SELECT call_id FROM calls ORDER BY seq")],
        read("SELECT count(*) FROM failures")[0][0],
        [key for (key,) in read("SELECT effect_key FROM claims ORDER BY at")],
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Story]]:
    """A journal as a crash leaves it, with all of its story in the write-ahead log; and what the
    story was after each commit."""
    folder = tmp_path_factory.mktemp("original")
    open_journal(folder).close()
    clock = ManualClock()
    journal = open_journal(folder, clock)
    story: list[Story] = [tell(journal)]
    lease = begun(journal)
    journal.let_go(lease)
    story.append(tell(journal))
    for number in range(25):
        call = new_call(f"call {number}")
        clock.advance(1)

        def write(tx: Any, number: int = number, call: Any = call) -> None:
            end(lease, call, ended(result=b"x" * 40 * number))(tx)
            if number % 3 == 0:
                failure(lease, failed_attempt(call.call_id))(tx)
            if number % 5 == 0:
                claim(lease, intent(str(number), at=clock.now()), clock.now())(tx)
                finish_claim(lease, "pay", str(number), "done", format="json", result=b"1")(tx)

        journal.group.commit(write)
        story.append(tell(journal))
    copy = tmp_path_factory.mktemp("crashed")
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(folder / name, copy / name)
    journal.close()
    return copy, story


def reopened(original: Path, folder: Path, name: str, data: bytes) -> Story | JournalError:
    """The story as it is told after one file was replaced."""
    for each in ("journal.db", "journal.db-wal"):
        (folder / each).write_bytes((original / each).read_bytes())
    (folder / name).write_bytes(data)
    (folder / "journal.db-shm").unlink(missing_ok=True)
    try:
        journal = open_journal(folder)
    except JournalError as exc:
        assert "journal.db" in str(exc)
        return exc
    try:
        told = tell(journal)
        journal.runs()
        begun(journal, "another")  # and it can be gone on with
        return told
    except JournalError as exc:
        return exc
    finally:
        journal.close()


def test_a_whole_journal_is_read_whole(original: tuple[Path, list[Story]], tmp_path: Path) -> None:
    copy, story = original
    data = (copy / "journal.db-wal").read_bytes()
    assert len(data) > 25 * FRAME
    assert reopened(copy, tmp_path, "journal.db-wal", data) == story[-1]


def test_a_log_that_was_cut_off_tells_the_story_up_to_some_commit(
    original: tuple[Path, list[Story]], tmp_path: Path
) -> None:
    copy, story = original
    data = (copy / "journal.db-wal").read_bytes()
    chance = random.Random(SEED)
    frames = [32 + FRAME * number for number in range((len(data) - 32) // FRAME + 1)]
    lengths = [0, 31, *chance.sample(frames, min(len(frames), TIMES // 2))]
    lengths += [chance.randrange(len(data)) for _ in range(TIMES // 2)]
    seen = set()
    for length in lengths:
        told = reopened(copy, tmp_path, "journal.db-wal", data[:length])
        assert told in story, f"cut off at {length}, seed {SEED}: {told!r}"
        assert not isinstance(told, JournalError)
        seen.add(story.index(told))
    assert len(seen) > 5, "all cuts told the same: nothing was tested"


def test_a_changed_bit_in_the_log_ends_the_story_there(
    original: tuple[Path, list[Story]], tmp_path: Path
) -> None:
    copy, story = original
    data = (copy / "journal.db-wal").read_bytes()
    chance = random.Random(SEED)
    seen = set()
    for _ in range(TIMES):
        at, bit = chance.randrange(len(data)), 1 << chance.randrange(8)
        changed = bytearray(data)
        changed[at] ^= bit
        told = reopened(copy, tmp_path, "journal.db-wal", bytes(changed))
        if not isinstance(told, JournalError):
            assert told in story, f"bit {bit} of byte {at}, seed {SEED}: {told!r}"
            seen.add(story.index(told))
    assert len(seen) > 5, "all changes told the same: nothing was tested"


def test_a_changed_database_is_an_error_of_ours_and_no_traceback_of_something_else(
    original: tuple[Path, list[Story]], tmp_path: Path
) -> None:
    """Rows have no checksum, so a changed byte may go unseen; it must not break anything else."""
    folder = tmp_path / "whole"
    folder.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(original[0] / name, folder / name)
    journal = open_journal(folder)
    lease = journal.take("run")[1] if journal.run("run").owner is None else None
    journal.close()  # all is in the database now
    assert lease is None
    data = (folder / "journal.db").read_bytes()
    chance = random.Random(SEED)
    errors: list[SurefootError] = []
    for turn in range(TIMES * 2):
        place = tmp_path / str(turn)
        place.mkdir()
        changed = bytearray(data)
        for _ in range(chance.choice([1, 1, 20])):
            changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        (place / "journal.db").write_bytes(changed)
        try:
            use(place)
        except (JournalError, CheckpointDamaged) as exc:
            errors.append(exc)
        except SurefootError:  # a run that is not found, or held, as its row says now
            continue
        finally:
            shutil.rmtree(place)
    assert len(errors) > 2, "no change was noticed: nothing was tested"
    assert all("journal.db" in str(error) for error in errors)


def use(place: Path) -> None:
    """Read all that there is, and go on with the run."""
    journal = open_journal(place)
    try:
        [record] = journal.runs()
        calls = journal.calls(record.pk)
        journal.failures(record.pk)
        journal.dead_letters(record.pk)
        for call in calls:
            for _, _, inline, digest in journal.checkpoints(record.pk, call.seq)[:1]:
                journal.fetch(inline, digest)
        _, lease = journal.take("run")
        if lease is not None:
            journal.group.commit(end(lease, new_call("more"), ended()))
            journal.end_run(lease, Ending("completed"))
    finally:
        journal.close()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": 1}', "null"])
def test_a_damaged_owner_is_an_error_of_ours(tmp_path: Path, text: str) -> None:
    journal = open_journal(tmp_path)
    lease = begun(journal)
    journal.group.commit(claim(lease, intent(), 1.0))
    other = begun(journal, "other")
    journal.group.commit(lambda tx: tx("UPDATE runs SET owner = ? WHERE run_id = 'run'", (text,)))
    journal.let_go(lease)
    for use in (
        lambda: journal.take("run"),
        lambda: journal.group.commit(claim(other, intent(), 1.0)),
    ):
        try:  # it may be taken for a holder that is gone, or told; nothing else
            use()
        except SurefootError:
            pass
    journal.close()


@pytest.mark.parametrize("length", [0, 1, 15, 16, 50, 100, 4095, 4096, 10_000])
def test_a_database_that_was_cut_off_is_told_or_begun_anew(
    original: tuple[Path, list[Story]], tmp_path: Path, length: int
) -> None:
    data = (original[0] / "journal.db").read_bytes()
    assert len(data) > 10_000
    (tmp_path / "journal.db").write_bytes(data[:length])
    if length == 0:  # an empty file is a journal that nobody has written to
        open_journal(tmp_path).close()
        return
    with pytest.raises(JournalError, match=r"journal\.db"):
        open_journal(tmp_path).close()
    assert (tmp_path / "journal.db").read_bytes() == data[:length], "it was changed"
