"""A journal of schema 2 knows failures and no incidents: opening it makes them up for."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.store.sqlite import APPLICATION_ID, SqliteStore, migrations, statements
from tests.support.incidents import Shop

TABLES = (
    *("runs", "calls", "failures", "claims", "dead_letters"),
    *("resources", "compensations", "replays"),
)


def as_schema_2(path: Path, old: Path) -> None:
    """Write what a journal holds as a Surefoot of schema 2 would have written it."""
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as connection:
        for number, script in migrations():
            if number <= 2:
                for statement in statements(script):
                    connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute("PRAGMA user_version=2")
        connection.execute("ATTACH ? AS new", (str(path),))
        for table in TABLES:
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            kept = ", ".join(names)
            connection.execute(f"INSERT INTO {table} ({kept}) SELECT {kept} FROM new.{table}")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Runs with all that can become of a failure."""
    made = Shop(tmp_path / "new.db")
    made.failures = 1
    made.run("recovered")
    made.clock.advance(60)
    made.run("set aside", items=("bad", "worse"), bad=ValueError, worse=ValueError)
    made.run("halted", strict=KeyError)
    made.run("resumed", strict=TypeError)
    made.clock.advance(60)
    made.resume("resumed")
    made.run("body", body=LookupError)
    made.run("given up", strict=ZeroDivisionError)
    with made.runtime() as runtime:
        runtime.journal.cancel("given up")
    made.run("discarded", items=("other",), other=OverflowError)
    with made.runtime():
        [letter] = made.flow.dead_letters(run_id="discarded")
        letter.discard("no")
    return made


def test_old_failures_become_incidents_as_they_would_be_now(shop: Shop, tmp_path: Path) -> None:
    now = shop.incidents()
    as_schema_2(shop.path, tmp_path / "old.db")
    shop.path = tmp_path / "old.db"
    made = shop.incidents()
    assert len(now) == 7
    assert {one.state for one in now.values()} == {"open", "resolved"}
    # when exactly each was settled, and its number, nobody wrote down
    ignored = {"number": 0, "resolved_at": None}
    assert {name: replace(one, **ignored) for name, one in made.items()} == {
        name: replace(one, **ignored) for name, one in now.items()
    }
    for one in made.values():
        events = shop.events(one.number)
        assert events == (["opened", "resolved"] if one.state == "resolved" else ["opened"])


def test_an_incident_of_an_old_journal_goes_on(shop: Shop, tmp_path: Path) -> None:
    as_schema_2(shop.path, tmp_path / "old.db")
    shop.path = tmp_path / "old.db"
    shop.run("again", strict=KeyError)
    [one] = [one for one in shop.incidents().values() if "KeyError" in one.type]
    assert (one.failures, one.runs, one.state) == (2, 2, "open")
    shop.resume("halted")
    shop.resume("again")
    assert shop.whole(one.number).state == "resolved"


def test_an_empty_old_journal_has_none(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "new.db").close()
    as_schema_2(tmp_path / "new.db", tmp_path / "old.db")
    shop = Shop(tmp_path / "old.db")
    assert shop.incidents() == {}
    assert shop.run() == "completed"
