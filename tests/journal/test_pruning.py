"""Old runs go, with what only they needed; nothing that a run or a row needs goes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from surefoot import Runtime, effect, step, workflow
from surefoot.clock import ManualClock
from surefoot.journal.pruning import NAMED, prune

DAY = 86_400.0
BIG = b"ab" * 50_000


@step
def load(seed: str) -> bytes:
    return seed.encode() + BIG


@step
def check(data: bytes, good: bool) -> int:
    if not good:
        raise ValueError("halts")
    return len(data)


@workflow
def flow(seed: str, good: bool = True) -> int:
    return check(load(seed), good)


def files(journal: Path) -> set[str]:
    return {path.name for path in Path(f"{journal}.blobs").rglob("*") if path.is_file()}


def dangling(journal: Path) -> list[object]:
    with closing(sqlite3.connect(journal)) as db:
        missing = {row[0] for row in db.execute(NAMED)} - files(journal)
        return [*db.execute("PRAGMA foreign_key_check"), *missing]


def test_old_runs_go_and_young_or_failed_ones_stay(tmp_path: Path) -> None:
    path, clock = tmp_path / "j.db", ManualClock()
    with Runtime(journal=path, clock=clock) as runtime:
        flow.with_options(run_id="old").start("a")
        flow.with_options(run_id="shares").start("c")
        assert flow.with_options(run_id="failed").start("b", good=False).status == "halted"
        clock.sleep(40 * DAY)
        flow.with_options(run_id="young").start("c")
        assert prune(runtime.journal, 30 * DAY, keep_failed=True, dry_run=True).run_ids == (
            "old",
            "shares",
        )
        assert len(files(path)) == 3
        told = prune(runtime.journal, 30 * DAY, keep_failed=True)
        assert (told.run_ids, told.blobs) == (("old", "shares"), 1)  # "c" is the young run's, too
        assert sorted(one.run_id for one in runtime.journal.runs()) == ["failed", "young"]
        assert dangling(path) == []
        assert flow.resume("failed").failures[-1].kind != "corrupt_file"
        assert prune(runtime.journal, 30 * DAY, keep_failed=True).run_ids == ()


def test_a_key_stays_done_after_its_run_is_gone(tmp_path: Path) -> None:
    sent: list[str] = []

    @effect(key=lambda who: who)
    def send(who: str) -> str:
        sent.append(who)
        return f"sent {who}"

    @workflow
    def mail(who: str) -> str:
        return send(who)

    clock = ManualClock()
    with Runtime(journal=tmp_path / "j.db", clock=clock) as runtime:
        mail.with_options(run_id="first").start("ann")
        clock.sleep(40 * DAY)
        mail.with_options(run_id="other").start("bob")
        assert prune(runtime.journal, 30 * DAY).run_ids == ("first",)
        assert mail.with_options(run_id="again").start("ann").result == "sent ann"
    assert sent == ["ann", "bob"]


def test_a_checkpoint_that_is_pruned_before_its_row_is_written_is_written_again(
    tmp_path: Path,
) -> None:
    path, clock = tmp_path / "j.db", ManualClock()
    with Runtime(journal=path, clock=clock) as runtime:
        journal = runtime.journal
        stored = journal.keep("json", BIG)  # put, and no row names it yet
        assert prune(journal, 0).blobs == 1
        assert files(path) == set()
        journal.group.commit(stored.guarded(lambda tx: None))
        assert files(path) == {stored.digest}
        assert journal.store.read("SELECT digest FROM removed_blobs") == []


@pytest.mark.parametrize("nth", range(1, 12))
def test_a_prune_that_breaks_off_at_any_write_is_finished_by_the_next(
    nth: int, tmp_path: Path
) -> None:
    path, clock = tmp_path / "j.db", ManualClock()
    with Runtime(journal=path, clock=clock):
        for name in "abc":
            flow.with_options(run_id=name).start(name)
        clock.sleep(40 * DAY)
        flow.with_options(run_id="young").start("young")
    count = 0

    def seam(where: str) -> None:
        nonlocal count
        count += 1
        if count == nth:
            raise OSError("broken off by this test")

    with Runtime(journal=path, clock=clock, seam=seam) as broken:
        journal = broken.journal
        try:
            prune(journal, 30 * DAY)
        except OSError:
            pass
    assert dangling(path) == []
    with Runtime(journal=path, clock=clock) as runtime:
        prune(runtime.journal, 30 * DAY)
        assert [one.run_id for one in runtime.journal.runs()] == ["young"]
    assert dangling(path) == []
    assert len(files(path)) == 1
