"""The verifier goes red: each thing that may go wrong is done by hand, and it is seen."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from examples.file_triage import check
from examples.file_triage.check import Check, Evidence, Kill, check_all
from examples.file_triage.faults import FAULTS
from examples.file_triage.pipeline import Source, shown
from examples.file_triage.places import Planted
from examples.file_triage.receiver import Books

COLUMNS = "key, path, size, digest, says, label, group_, description, score, verdict, writer, at"


class World:
    """Files, a result table, a server's record and a receiver's books that fit together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "files"
        self.folder.mkdir()
        self.table = folder / "findings.db"
        self.served = folder / "served.jsonl"
        self.paths = [self._file(f"{n}.txt", f"text {n}\n".encode() * 99) for n in range(20)]
        self.liar = self._file("liar.jpg", b"import os\n" * 2000)
        self.empty = self._file("empty.log", b"")
        expected = [*self.paths, self.liar, self.empty]
        # whatever changes from now on changes "while the demo runs"
        started = time.time() + 0.2
        self._fill_table()
        items = [f"item {n}" for n in range(21)]
        self.record: list[dict[str, Any]] = [
            {"at": started + 1 + n / 10, "fault": None, "item": item}
            for n, item in enumerate(items)
        ]
        self.record += [
            {"at": started + 5, "fault": fault, "item": f"item {n}", "wait": 1.0}
            for n, fault in enumerate(FAULTS)
        ]
        self.write_record()
        books = Books(folder / "deliveries.db", frozenset({1}))
        for _ in range(2):
            books.take("triage:r:files", "{}")
        books.close()
        kinds = ("rate_limited", "overloaded", "timeout", "output_truncated", "connection")
        self.evidence = Evidence(
            sources=[Source("files", str(self.folder))],
            expected=expected,
            planted=[
                Planted(self.liar, "a script named .jpg", "belies"),
                Planted(self.empty, "an empty file", "aside"),
            ],
            started=started,
            table=self.table,
            served=self.served,
            deliveries=folder / "deliveries.db",
            run_id="r",
            workers=2,
            kills=[Kill(started + 4, -signal.SIGKILL, "in the middle", 10, 8)],
            exit_code=0,
            failures=[
                *({"step": "identify", "kind": kind} for kind in kinds),
                {"step": "notify", "kind": "connection"},
            ],
        )

    def _file(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def _fill_table(self) -> None:
        with closing(sqlite3.connect(self.table)) as db:
            db.execute(f"CREATE TABLE findings ({COLUMNS})")
            for path in [*self.paths, self.liar]:
                verdict = "belies" if path == self.liar else "agrees"
                row = ("k" + path, shown(path), 1, check.window_digest(path), "text", "txt")
                row += ("text", "text", 0.9, verdict, 1, 0.0)  # type: ignore[assignment]
                db.execute(f"INSERT INTO findings VALUES ({', '.join('?' * 12)})", row)
            db.commit()

    def write_record(self) -> None:
        self.served.write_text("".join(json.dumps(line) + "\n" for line in self.record))

    def sql(self, statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(self.table)) as db:
            assert db.execute(statement, values).rowcount > 0
            db.commit()

    def red(self, **changes: Any) -> dict[str, Check]:
        checks = check_all(replace(self.evidence, **changes))
        return {one.name: one for one in checks if not one.ok}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_undisturbed_world_is_green(world: World) -> None:
    assert world.red() == {}


def test_a_deleted_row_is_missing(world: World) -> None:
    world.sql("DELETE FROM findings WHERE path = ?", world.paths[3])
    red = world.red()
    assert list(red) == ["every file has its row"]
    assert list(red["every file has its row"].examples) == [world.paths[3]]


def test_a_row_that_is_there_twice_is_seen(world: World) -> None:
    world.sql("INSERT INTO findings SELECT * FROM findings WHERE path = ?", world.paths[3])
    assert list(world.red()) == ["no row twice"]


def test_a_row_of_a_file_that_was_never_there_is_foreign(world: World) -> None:
    path = world.folder / "elsewhere.txt"
    path.write_bytes(b"x")
    world.sql("UPDATE findings SET path = ? WHERE path = ?", str(path), world.paths[3])
    red = world.red()["every file has its row"]
    assert "1 missing, 1 foreign" in red.detail


def test_a_row_with_another_digest_is_wrong(world: World) -> None:
    world.sql("UPDATE findings SET digest = 'x' WHERE path = ?", world.paths[3])
    assert list(world.red()) == ["rows say what is on the disk"]


def test_an_empty_table_is_no_success(world: World) -> None:
    world.sql("DELETE FROM findings")
    assert {"every file has its row", "no row twice"} <= set(world.red())


def test_a_table_that_was_never_made_is_no_success(world: World) -> None:
    world.table.unlink()
    assert {"every file has its row", "no row twice"} <= set(world.red())


def test_too_few_files_are_no_success(world: World) -> None:
    assert list(world.red(fewest=500)) == ["every file has its row"]


def test_a_file_that_somebody_changed_meanwhile_is_not_held_against_the_run(world: World) -> None:
    time.sleep(max(0.0, world.evidence.started - time.time()))
    Path(world.paths[3]).write_text("edited while the demo ran")
    Path(world.paths[4]).unlink()
    assert world.red() == {}


def test_a_planted_file_that_was_not_flagged_is_seen(world: World) -> None:
    world.sql("UPDATE findings SET verdict = 'agrees' WHERE path = ?", world.liar)
    assert list(world.red()) == ["planted files were seen through"]


def test_a_row_for_an_empty_file_is_seen(world: World) -> None:
    world.sql("UPDATE findings SET path = ? WHERE path = ?", world.empty, world.paths[0])
    assert "planted files were seen through" in world.red()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_never_fired_is_no_survival(world: World, fault: str) -> None:
    world.record = [line for line in world.record if line["fault"] != fault]
    world.write_record()
    red = world.red()
    assert "every fault fired" in red
    assert red["every fault fired"].examples[0].endswith("did not fire")


def test_an_answer_that_was_never_lost_is_no_survival(world: World) -> None:
    with closing(sqlite3.connect(world.evidence.deliveries)) as db:
        db.execute("UPDATE received SET answer_lost = 0")
        db.commit()
    assert list(world.red()) == ["every fault fired"]


@pytest.mark.parametrize(
    "kind", ["rate_limited", "overloaded", "timeout", "output_truncated", "connection"]
)
def test_a_fault_that_was_taken_for_something_else_is_seen(world: World, kind: str) -> None:
    failures = [
        failure | {"kind": "unknown"} if failure == {"step": "identify", "kind": kind} else failure
        for failure in world.evidence.failures
    ]
    assert list(world.red(failures=failures)) == ["and was recognised"]


def test_a_lost_answer_that_was_not_recognised_is_seen(world: World) -> None:
    assert list(world.red(failures=world.evidence.failures[:-1])) == ["and was recognised"]


def test_more_failures_than_faults_are_seen(world: World) -> None:
    more = [*world.evidence.failures, {"step": "identify", "kind": "timeout"}]
    assert list(world.red(failures=more)) == ["and was recognised"]


def test_a_retry_before_its_time_is_seen(world: World) -> None:
    told = next(line for line in world.record if line["fault"] == "rate_limit")
    world.record.append({"at": told["at"] + 0.5, "fault": "reset", "item": told["item"]})
    world.write_record()
    assert list(world.red()) == ["every Retry-After was kept"]


def test_who_was_killed_after_a_429_was_told_nothing(world: World) -> None:
    told = next(line for line in world.record if line["fault"] == "rate_limit")
    world.record.append({"at": told["at"] + 0.5, "fault": "reset", "item": told["item"]})
    world.write_record()
    kill = replace(world.evidence.kills[0], at=told["at"] + 0.2)
    assert world.red(kills=[kill]) == {}


def test_asking_again_for_what_was_answered_is_seen(world: World) -> None:
    again = [dict(line) for line in world.record[10:13]]
    world.record += again[:2]  # they may have been on their way, with two workers
    world.write_record()
    assert world.red() == {}
    world.record += again[2:]
    world.write_record()
    assert list(world.red()) == ["nothing done was done again"]


@pytest.mark.parametrize("exit_code", [0, 1, -signal.SIGTERM])
def test_a_process_that_ended_by_itself_was_not_killed(world: World, exit_code: int) -> None:
    kill = replace(world.evidence.kills[0], exit_code=exit_code)
    assert list(world.red(kills=[kill])) == ["killed in the middle"]


def test_a_kill_after_the_last_row_or_before_the_first_answer_is_not_in_the_middle(
    world: World,
) -> None:
    late = replace(world.evidence.kills[0], rows=len(world.evidence.expected))
    early = replace(world.evidence.kills[0], answered=0)
    assert list(world.red(kills=[late])) == ["killed in the middle"]
    assert list(world.red(kills=[early])) == ["killed in the middle"]


def test_a_run_that_was_never_killed_proves_nothing(world: World) -> None:
    assert "killed in the middle" in world.red(kills=[])


def test_a_notification_applied_twice_or_never_is_seen(world: World) -> None:
    with closing(sqlite3.connect(world.evidence.deliveries)) as db:
        db.execute("INSERT INTO applied SELECT * FROM applied")
        db.commit()
        assert list(world.red()) == ["each notification applied once"]
        db.execute("DELETE FROM applied")
        db.commit()
        assert list(world.red()) == ["each notification applied once"]


def test_a_notification_under_another_key_is_seen(world: World) -> None:
    books = Books(world.evidence.deliveries)
    books.take("triage:r:files:again", "{}")
    books.close()
    assert list(world.red()) == ["each notification applied once"]


def test_a_run_that_did_not_complete_is_seen(world: World) -> None:
    assert list(world.red(exit_code=1)) == ["the run came to its end"]


def test_the_window_is_both_ends_of_a_file(tmp_path: Path) -> None:
    digest: Callable[[Path], str | None] = lambda path: check.window_digest(str(path))
    large = tmp_path / "large"
    large.write_bytes(b"a" * 5000 + b"b" * 5000 + b"c" * 5000)
    ends = tmp_path / "ends"
    ends.write_bytes(large.read_bytes()[:4096] + large.read_bytes()[-4096:])
    assert digest(large) == digest(ends)
    assert digest(tmp_path) is None
    assert digest(tmp_path / "nowhere") is None
    os.mkfifo(tmp_path / "pipe")
    assert digest(tmp_path / "pipe") is None
