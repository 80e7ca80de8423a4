"""The SQLite store: what it makes, what it refuses, and that what it refuses stays as it was."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import surefoot
from surefoot import Runtime, step, workflow
from surefoot.clock import ManualClock
from surefoot.config import Config
from surefoot.errors import JournalError, JournalTooNew, NotAJournal
from surefoot.store import sqlite as module
from surefoot.store.base import Refused
from surefoot.store.sqlite import (
    SCHEMA_VERSION,
    SqliteStore,
    migrations,
    network_file_system,
    statements,
)

SOURCES = Path(surefoot.__file__).parent.parent


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make(path: Path, **options: Any) -> None:
    SqliteStore(path, **options).close()


def sql(path: Path, *commands: str) -> list[Any]:
    """What another program sees, or does, with the file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found: list[Any] = []
        for command in commands:
            found = connection.execute(command).fetchall()
        connection.commit()
    return found


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Without root's power to write everywhere, for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that everybody may enter (pytest's own are closed to others)."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


# -- what it makes ----------------------------------------------------------------------------


def test_a_new_journal_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / ".surefoot" / "journal.db"
    store = SqliteStore(path)
    try:
        store.transact([lambda tx: tx("UPDATE runs SET status = status")])
        files = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    finally:
        store.close()
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert files["journal.db"] == files["journal.db-wal"] == 0o600
    assert (path.parent / ".gitignore").read_text() == "*\n"


def test_a_gitignore_of_ones_own_stays_and_another_folder_gets_none(tmp_path: Path) -> None:
    own = tmp_path / ".surefoot"
    own.mkdir()
    (own / ".gitignore").write_text("!kept\n")
    make(own / "j.db")
    make(tmp_path / "deep" / "er" / "j.db")
    assert (own / ".gitignore").read_text() == "!kept\n"
    assert sorted(each.name for each in (tmp_path / "deep" / "er").iterdir()) == ["j.db"]


@pytest.mark.parametrize(("durability", "level"), [("power", 2), ("process", 1)])
def test_durability_is_sqlites_synchronous(tmp_path: Path, durability: str, level: int) -> None:
    store = SqliteStore(tmp_path / "j.db", durability=durability)
    try:
        seen = store.transact([lambda tx: tx("PRAGMA synchronous").fetchone()[0]])
        assert seen == [level]
        assert store.read("PRAGMA journal_mode") == [("wal",)]
    finally:
        store.close()


def test_it_says_what_it_is_and_of_which_schema(tmp_path: Path) -> None:
    make(tmp_path / "j.db")
    (ours,) = sql(tmp_path / "j.db", "PRAGMA application_id")
    (version,) = sql(tmp_path / "j.db", "PRAGMA user_version")
    assert (ours, version) == ((0x53464A31,), (SCHEMA_VERSION,))


def test_opening_it_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    make(path)
    before = digest(path)
    make(path)
    assert digest(path) == before


def test_an_empty_file_becomes_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    path.touch()
    make(path)
    assert path.stat().st_size > 0


def test_where_none_is_to_be_made_a_missing_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"there is no journal at .*--journal"):
        SqliteStore(tmp_path / "deep" / "j.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_eight_processes_make_one_journal_at_once(tmp_path: Path) -> None:
    path = tmp_path / ".surefoot" / "journal.db"
    go = tmp_path / "go"
    code = textwrap.dedent(
        f"""
        import os, sys, time
        sys.path.insert(0, {str(SOURCES)!r})
        from surefoot.store.sqlite import SqliteStore
        print("ready", flush=True)
        while not os.path.exists({str(go)!r}):
            time.sleep(0.001)
        store = SqliteStore({str(path)!r})
        store.transact([lambda tx: tx(
            "INSERT INTO resources (name, updated_at) VALUES (?, 0)", (str(os.getpid()),))])
        store.close()
        """
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    go.touch()
    told = [child.communicate(timeout=60) for child in children]
    assert [(child.returncode, err) for child, (_, err) in zip(children, told)] == [(0, "")] * 8
    assert sql(path, "SELECT count(*) FROM resources") == [(8,)]


# -- what it refuses --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"dear diary", b"dear diary\n" * 500, bytes(range(256)) * 64],
    ids=["short", "text", "binary"],
)
def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(NotAJournal) as caught:
        SqliteStore(path)
    assert caught.value.exit_code == 3
    assert str(path) in str(caught.value) and "left as it is" in str(caught.value).replace(
        "was ", ""
    )
    assert path.read_bytes() == content and [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "commands",
    [
        ["CREATE TABLE albums (id INTEGER)"],
        ["CREATE TABLE runs (id INTEGER)"],
        ["PRAGMA application_id = 77", "CREATE TABLE t (id INTEGER)"],
        ["PRAGMA journal_mode = WAL", "CREATE TABLE albums (id INTEGER)"],
    ],
)
def test_another_programs_database_is_left_as_it_is(tmp_path: Path, commands: list[str]) -> None:
    path = tmp_path / "albums.db"
    sql(path, *commands)
    before = digest(path)
    with pytest.raises(NotAJournal, match="no Surefoot journal; it was left as it is"):
        SqliteStore(path)
    assert digest(path) == before


def test_a_journal_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    make(path)
    sql(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = digest(path)
    with pytest.raises(JournalTooNew) as caught:
        SqliteStore(path)
    assert caught.value.exit_code == 3 and "pip install --upgrade surefoot" in str(caught.value)
    assert f"schema {SCHEMA_VERSION + 1}" in str(caught.value) and digest(path) == before


def test_a_folder_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(NotAJournal, match=r"is a folder; name a file, as .*/j\.db"):
        SqliteStore(tmp_path)


def test_a_damaged_journal_says_what_to_keep_and_to_try(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    make(path)
    data = bytearray(path.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page : page + 64] = b"\xff" * 64
    path.write_bytes(data)
    with pytest.raises(JournalError, match=r"is damaged .*keep a copy.*\.recover"):
        SqliteStore(path)
    assert path.read_bytes() == bytes(data)


def test_damage_that_shows_up_later_is_told_by_whoever_meets_it(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    make(path)
    (root,) = sql(path, "SELECT rootpage FROM sqlite_master WHERE name = 'runs'")
    data = bytearray(path.read_bytes())
    start = (root[0] - 1) * 4096
    data[start : start + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    store = SqliteStore(path)
    try:
        with pytest.raises(JournalError, match="is damaged"):
            store.read("SELECT * FROM runs")
        with pytest.raises(JournalError, match="is damaged"):
            store.transact([lambda tx: tx("UPDATE runs SET status = 'x'")])
    finally:
        store.close()
    assert path.read_bytes() == bytes(data)


def test_a_path_through_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(JournalError, match="cannot write the journal"):
        SqliteStore(tmp_path / "file" / "j.db")
    with pytest.raises(JournalError, match="cannot write the journal"):
        SqliteStore(tmp_path / "file" / "deeper" / "j.db")


@pytest.mark.parametrize("name", ["x" * 300 + ".db", "nul\0byte.db"], ids=["long", "nul"])
def test_a_name_that_no_file_can_have_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(JournalError):
        SqliteStore(tmp_path / name)


@pytest.mark.parametrize("name", ["j.db", "new/j.db"])
def test_a_folder_that_cannot_be_written_is_told(open_place: Path, name: str) -> None:
    os.chmod(open_place, 0o555)
    try:
        with nobody(), pytest.raises(JournalError, match="make its folder writable"):
            SqliteStore(open_place / name)
    finally:
        os.chmod(open_place, 0o755)
    assert list(open_place.iterdir()) == []


@pytest.mark.parametrize("create", [True, False])
def test_a_folder_that_cannot_be_entered_is_told(open_place: Path, create: bool) -> None:
    closed = open_place / "closed"
    closed.mkdir()
    os.chmod(closed, 0)
    try:
        with nobody(), pytest.raises(JournalError):
            SqliteStore(closed / "j.db", create=create)
    finally:
        os.chmod(closed, 0o755)


def test_a_journal_that_cannot_be_written_is_told_and_left_as_it_is(open_place: Path) -> None:
    path = open_place / "j.db"
    make(path)
    os.chmod(path, 0o444)
    before = digest(path)
    with nobody(), pytest.raises(JournalError) as caught:
        SqliteStore(path).transact([lambda tx: tx("UPDATE runs SET status = 'x'")])
    assert "make its folder writable" in str(caught.value) and digest(path) == before


def test_where_there_is_no_write_ahead_log_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system without shared memory: SQLite then stays in another mode."""
    path = tmp_path / "j.db"
    sql(path, "PRAGMA application_id = 0")
    real = SqliteStore._connect

    class Stubborn:
        def __init__(self, inner: sqlite3.Connection) -> None:
            self._inner = inner

        def execute(self, command: str) -> Any:
            if command == "PRAGMA journal_mode=WAL":
                command = "PRAGMA journal_mode=DELETE"
            return self._inner.execute(command)

        def close(self) -> None:
            self._inner.close()

    monkeypatch.setattr(SqliteStore, "_connect", lambda self: Stubborn(real(self)))
    with pytest.raises(JournalError, match=r"write-ahead log here \(mode delete\).*local disk"):
        SqliteStore(path)


def test_another_programs_lock_is_waited_for_and_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    path = tmp_path / "j.db"
    make(path)
    store = SqliteStore(path)
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalError, match="held its lock for 0.05 s.*fuser"):
                store.transact([lambda tx: tx("UPDATE runs SET status = 'x'")])
            other.execute("ROLLBACK")
        assert store.transact([lambda tx: tx("SELECT 1").fetchone()]) == [(1,)]
    finally:
        store.close()


def test_a_switch_to_the_log_that_another_program_blocks_is_tried_and_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    path = tmp_path / "j.db"
    path.touch()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalError, match="held its lock"):
            SqliteStore(path)
        other.execute("ROLLBACK")
    make(path)


# -- a full disk ------------------------------------------------------------------------------


def fill_up(store: SqliteStore, pages: int = 2) -> None:
    """From now on SQLite itself answers SQLITE_FULL after so many pages more."""
    (used,) = store.transact([lambda tx: tx("PRAGMA page_count").fetchone()[0]])
    assert store._writer is not None
    store._writer.execute(f"PRAGMA max_page_count={used + pages}")


def insert(name: str, size: int = 10) -> Callable[[Any], Any]:
    return lambda tx: tx(
        "INSERT INTO resources (name, detail, updated_at) VALUES (?, ?, 0)", (name, "x" * size)
    )


def test_a_full_disk_is_told_and_what_was_committed_is_safe(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "j.db")
    try:
        store.transact([insert("before")])
        fill_up(store)
        with pytest.raises(JournalError, match=r"the disk is full.*Free some space.*resume"):
            store.transact([insert("small"), insert("large", 100_000)])
        assert store.read("SELECT name FROM resources") == [("before",)]
        store.transact([insert("after")])
        assert store.read("SELECT name FROM resources") == [("after",), ("before",)]
    finally:
        store.close()
    assert sql(tmp_path / "j.db", "PRAGMA integrity_check") == [("ok",)]


def test_a_run_on_a_full_disk_raises_and_goes_on_in_the_same_process_once_there_is_room(
    tmp_path: Path,
) -> None:
    calls: list[int] = []

    @step
    def load(n: int) -> str:
        calls.append(n)
        return "x" * 10_000

    @workflow
    def work() -> int:
        return sum(len(load(n)) for n in range(20))

    named = work.with_options(run_id="r")
    with Runtime(journal=tmp_path / "j.db", clock=ManualClock(), config=Config()) as runtime:
        store: Any = runtime.journal.store
        fill_up(store, pages=20)
        with pytest.raises(JournalError, match="the disk is full") as caught:
            named.start()
        assert caught.value.exit_code == 3
        done = len(calls)
        assert 0 < done < 20
        store._writer.execute("PRAGMA max_page_count=1000000")
        assert named.resume("r").result == 200_000
        # at most the one whose end could not be written ran again
        assert len(calls) - 20 <= 1


def test_a_checkpoint_file_that_finds_no_room_is_told(tmp_path: Path) -> None:
    @step
    def load(n: int) -> bytes:
        return bytes(n)

    @workflow
    def work(n: int) -> int:
        return len(load(n))

    named = work.with_options(run_id="r")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Runtime(journal=tmp_path / "j.db", clock=ManualClock(), config=Config()):
        named.with_options(run_id="warm").start(100_001)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
        try:
            with pytest.raises(JournalError, match=r"cannot write a checkpoint to .*\.blobs"):
                named.start(2_000_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert named.resume("r").result == 2_000_000
    assert not list(tmp_path.rglob(".aside-*"))


# -- transactions -----------------------------------------------------------------------------


def test_a_refused_write_leaves_the_others_of_its_batch(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "j.db")

    def refuse(tx: Any) -> None:
        raise Refused(ValueError("no"))

    try:
        one, refused, other = store.transact([insert("a"), refuse, insert("b")])
        assert isinstance(refused, Refused) and str(refused) == "no"
        assert (one.rowcount, other.rowcount) == (1, 1)
        assert len(store.read("SELECT * FROM resources")) == 2
    finally:
        store.close()


@pytest.mark.parametrize("exc", [KeyboardInterrupt, ValueError])
def test_an_exception_rolls_all_of_it_back(tmp_path: Path, exc: type[BaseException]) -> None:
    store = SqliteStore(tmp_path / "j.db")

    def fail(tx: Any) -> None:
        raise exc

    try:
        with pytest.raises(exc):
            store.transact([insert("a"), fail])
        assert store.read("SELECT * FROM resources") == []
        store.transact([insert("b")])
    finally:
        store.close()


@pytest.mark.parametrize("doing", ["read", "write"])
def test_any_other_error_of_sqlite_is_a_journal_error_too(tmp_path: Path, doing: str) -> None:
    store = SqliteStore(tmp_path / "j.db")
    try:
        with pytest.raises(JournalError, match=f"cannot {doing} the journal .*no such table"):
            if doing == "read":
                store.read("SELECT * FROM nobody")
            else:
                store.transact([lambda tx: tx("DELETE FROM nobody")])
    finally:
        store.close()


def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "j.db")
    seen: list[Any] = []

    def look(tx: Any) -> None:
        tx("INSERT INTO resources (name, updated_at) VALUES ('a', 0)")
        thread = threading.Thread(target=lambda: seen.extend(store.read("SELECT 1")))
        thread.start()
        thread.join(timeout=5)

    try:
        store.transact([look])
        assert seen == [(1,)]
    finally:
        store.close()


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "j.db")
    store.read("SELECT 1")
    store.close()
    store.close()


def test_a_forked_child_opens_the_journal_anew(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "j.db")
    try:
        store.transact([insert("parent")])
        assert store.read("SELECT count(*) FROM resources") == [(1,)]
        child = os.fork()
        if child == 0:
            code = 1
            try:
                store.transact([insert("child")])
                code = 0 if store.read("SELECT count(*) FROM resources") == [(2,)] else 2
                store.close()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        store.transact([insert("parent again")])
        assert store.read("SELECT count(*) FROM resources") == [(3,)]
    finally:
        store.close()


# -- migrations -------------------------------------------------------------------------------


def test_scripts_are_numbered_without_a_gap_and_the_last_is_the_schemas_version() -> None:
    numbers = [number for number, _ in migrations()]
    assert numbers == list(range(1, SCHEMA_VERSION + 1))


def test_statements_are_taken_apart_and_their_comments_left_out() -> None:
    script = "-- first\nCREATE TABLE a (b INT); -- why; not\n\nCREATE INDEX c\nON a (b);\n"
    assert statements(script) == ["CREATE TABLE a (b INT)", "CREATE INDEX c\nON a (b)"]


def test_an_older_journal_is_brought_forward_and_keeps_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.db"
    store = SqliteStore(path)
    store.transact([insert("kept")])
    store.close()
    newer = [*migrations(), (SCHEMA_VERSION + 1, "ALTER TABLE resources ADD COLUMN extra TEXT;")]
    monkeypatch.setattr(module, "migrations", lambda: newer)
    monkeypatch.setattr(module, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    make(path)
    make(path)
    assert sql(path, "SELECT name, extra FROM resources") == [("kept", None)]
    assert sql(path, "PRAGMA user_version") == [(SCHEMA_VERSION + 1,)]


def test_a_migration_that_fails_leaves_the_journal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.db"
    make(path)
    schema = sql(path, "SELECT sql FROM sqlite_master ORDER BY name")
    broken = [*migrations(), (SCHEMA_VERSION + 1, "CREATE TABLE new (a INT); SELECT nonsense;")]
    with monkeypatch.context() as patch:
        patch.setattr(module, "migrations", lambda: broken)
        patch.setattr(module, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
        with pytest.raises(JournalError, match="cannot open the journal"):
            SqliteStore(path)
    assert sql(path, "SELECT sql FROM sqlite_master ORDER BY name") == schema
    make(path)


def test_a_process_that_died_while_making_it_left_nothing_half_done(tmp_path: Path) -> None:
    """The tables come in one transaction: a kill in it leaves an empty file that opens anew."""
    path = tmp_path / "j.db"
    code = textwrap.dedent(
        f"""
        import os, sys
        sys.path.insert(0, {str(SOURCES)!r})
        from surefoot.store import sqlite
        scripts = sqlite.migrations()
        sqlite.migrations = lambda: scripts
        def die(script):
            yield from real(script)
            os.kill(os.getpid(), 9)
        real, sqlite.statements = sqlite.statements, die
        sqlite.SqliteStore({str(path)!r})
        """
    )
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert died.returncode == -9, died.stderr
    make(path)
    assert ("runs",) in sql(path, "SELECT name FROM sqlite_master WHERE type = 'table'")


# -- network file systems ---------------------------------------------------------------------

MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/export /mnt/shared nfs4 rw,vers=4.2 0 0
/dev/vdb /mnt/shared/local xfs rw 0 0
//box/team /mnt/our\\040team cifs rw 0 0
me@host:/ /home/me/remote fuse.sshfs rw 0 0
short line
"""


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("/var/lib", None),
        ("/mnt/shared", "nfs4"),
        ("/mnt/shared/project/.surefoot", "nfs4"),
        ("/mnt/shared/local/x", None),
        ("/mnt/sharedness", None),
        ("/mnt/our team/x", "cifs"),
        ("/home/me/remote/x", "fuse.sshfs"),
    ],
)
def test_a_network_file_system_is_known_by_the_table_of_mounts(
    tmp_path: Path, folder: str, found: str | None
) -> None:
    table = tmp_path / "mounts"
    table.write_text(MOUNTS)
    assert network_file_system(Path(folder), str(table)) == found


def test_where_there_is_no_table_nothing_is_known(tmp_path: Path) -> None:
    assert network_file_system(tmp_path, str(tmp_path / "none")) is None


def test_a_journal_on_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "network_file_system", lambda folder: "nfs4")
    with pytest.raises(JournalError, match=r"network file system \(nfs4\).*local disk"):
        SqliteStore(tmp_path / "deep" / "j.db")
    assert list(tmp_path.iterdir()) == []
