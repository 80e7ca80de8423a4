"""The journal in Postgres: runs, resumes, what is refused, lost connections and lost answers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from surefoot import Runtime, step, workflow
from surefoot.clock import ManualClock, SystemClock
from surefoot.errors import JournalTooNew, RunLocked, UsageError
from surefoot.journal import Journal, claims, writes
from surefoot.journal.pruning import prune
from surefoot.store.postgres import PATIENCE, PostgresStore
from tests.support.journals import (
    ELSEWHERE,
    begun,
    ended,
    failed_attempt,
    give_to,
    intent,
    new_call,
)


def kill_others(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND application_name = 'surefoot'"
        ).fetchall()
    return len(rows)


def test_a_workflow_that_failed_goes_on_where_it_was(url: str) -> None:
    ran: list[str] = []
    broken = [True]

    @step
    def first(size: int) -> str:
        ran.append("first")
        return "x" * size

    @step
    def second(text: str) -> int:
        ran.append("second")
        if broken[0]:
            raise ValueError("not yet")
        return len(text)

    @workflow
    def both(size: int) -> int:
        return second(first(size))

    with Runtime(url) as runtime:
        with pytest.raises(ValueError, match="not yet"):
            both(100_000)
        journal = runtime.journal
        [failed] = journal.runs()
        assert failed.status == "halted"
        assert journal.store.read("SELECT length(data) > 100000 FROM blobs") == [(True,)]
        broken[0] = False
        done = both.resume(failed.run_id)
    assert done.result == 100_000
    assert ran == ["first", "second", "second"]


def test_a_process_that_lost_its_run_cannot_write(url: str) -> None:
    mine, other = (Journal.open(url, ManualClock()) for _ in range(2))
    lease = begun(mine)
    give_to(mine, lease, ELSEWHERE)
    _, taken = other.take("run")
    assert taken is not None and taken.fence == lease.fence + 1
    with pytest.raises(RunLocked, match="taken over"):
        mine.group.commit(writes.end(lease, new_call(), ended()))
    other.group.commit(writes.end(taken, new_call(), ended()))
    other.group.commit(writes.failure(taken, failed_attempt()))
    assert [one.status for one in other.calls(lease.run_pk)] == ["completed"]
    mine.close()
    other.close()


def test_of_many_that_claim_a_key_at_once_one_gets_it(url: str) -> None:
    journals = [Journal.open(url, SystemClock()) for _ in range(6)]
    leases = [begun(journal, f"run{n}") for n, journal in enumerate(journals)]
    states: list[str] = []
    start = threading.Barrier(len(journals))

    def claim(n: int) -> None:
        start.wait()
        found = journals[n].group.commit(
            claims.claim(leases[n], intent(), 1.0, held_here=journals[n].held_here)
        )
        states.append(found.state)

    threads = [threading.Thread(target=claim, args=(n,)) for n in range(len(journals))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(states) == ["busy"] * 5 + ["fresh"]
    for journal in journals:
        journal.close()


@pytest.mark.parametrize("moment", ["before", "inside", "after"])
def test_a_connection_that_is_killed_costs_nothing(url: str, moment: str) -> None:
    armed = [False]

    def seam(now: str) -> None:
        if armed[0] and now == moment:
            armed[0] = False
            assert kill_others(url) > 0

    journal = Journal.open(url, ManualClock(), seam=seam)
    lease = begun(journal)
    for n in range(3):
        armed[0] = True
        journal.group.commit(writes.failure(lease, failed_attempt(attempt=n)))
        assert not armed[0]
    assert [one.attempt for one in journal.failures(lease.run_pk)] == [0, 1, 2]
    journal.close()


@pytest.mark.parametrize("arrived", [True, False])
def test_the_answer_to_a_commit_is_asked_for_when_it_was_lost(url: str, arrived: bool) -> None:
    store = PostgresStore(url)
    real = store._open_writer()

    class Lossy:
        """Loses the connection right at the next COMMIT: after it arrived, or before."""

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def execute(self, sql: str, *more: Any) -> Any:
            if sql == "COMMIT":
                if arrived:
                    real.execute(sql)
                real.close()
                raise psycopg.OperationalError("the connection is lost")
            return real.execute(sql, *more)

    store._writer = Lossy()
    ran = []

    def write(tx: Any) -> int:
        ran.append(1)
        tx("INSERT INTO resources (name, updated_at) VALUES ('r', 1)")
        return 7

    assert store.transact([write]) == [7]
    assert len(ran) == (1 if arrived else 2)
    assert store.read("SELECT count(*) FROM resources") == [(1,)]
    store.close()


def test_many_writers_of_one_row_all_get_through(url: str) -> None:
    def add(tx: Any) -> None:
        [(n,)] = tx("SELECT version FROM alert_reader").fetchall()
        tx("UPDATE alert_reader SET version = ?", (n + 1,))

    stores = [PostgresStore(url) for _ in range(4)]
    stores[0].transact(
        [lambda tx: tx("INSERT INTO alert_reader VALUES (1, 0, 0, 0, 0, 0)").rowcount]
    )
    rounds = 10 * PATIENCE

    def work(store: PostgresStore) -> None:
        for _ in range(rounds):
            store.transact([add])

    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert stores[0].read("SELECT version FROM alert_reader") == [(4 * rounds,)]
    for store in stores:
        store.close()


def test_a_newer_journal_is_left_alone(url: str) -> None:
    PostgresStore(url).close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE surefoot_schema SET version = 99")
    with pytest.raises(JournalTooNew, match="99"):
        PostgresStore(url)


def test_the_password_is_not_shown(url: str, tmp_path: Path) -> None:
    store = PostgresStore(url.replace("postgres:@", "postgres:geheim@"))
    assert "geheim" not in store.location
    store.close()


def test_all_that_is_told_of_a_run_can_be_read(url: str) -> None:
    @step
    def breaks() -> None:
        raise TimeoutError("too slow\x00 100 %")

    @workflow
    def told() -> None:
        breaks()

    with Runtime(url) as runtime:
        with pytest.raises(TimeoutError):
            told()
        [run] = runtime.journal.runs(limit=1)
        runtime.journal.kinds_seen()
    for words in (
        ["runs"],
        ["show", run.run_id],
        ["postmortem", run.run_id],
        ["incidents", "list"],
        ["incidents", "show", "1"],
        ["dead-letters", "list"],
        ["doctor"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "surefoot", *words],
            env={**os.environ, "SUREFOOT_JOURNAL": url},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)


def test_prune_says_that_it_is_for_sqlite(url: str) -> None:
    with Runtime(url) as runtime:
        with pytest.raises(UsageError, match="prune works on SQLite journals alone so far"):
            prune(runtime.journal, 1.0)
