"""The journal in one SQLite file, in WAL mode.

``durability="power"`` commits with ``synchronous=FULL`` and survives a power cut;
``durability="process"`` commits with ``NORMAL`` and survives a killed process.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..errors import JournalError, JournalTooNew, NotAJournal
from .base import SCHEMA_VERSION, Committed, Op, Refused, Row, Seam, scripts
from .forks import around_forks

__all__ = ["SCHEMA_VERSION", "SqliteStore", "database_failure", "network_file_system"]

T = TypeVar("T")

APPLICATION_ID = 0x53464A31  # "SFJ1"
BUSY_SECONDS = 30.0
DATABASE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""A damaged schema may be told in bytes that are no text: see tests/journal/test_damaged_files.py."""
HEADER = 100
NETWORK = frozenset(
    "nfs nfs4 cifs smb3 smbfs afs ncpfs ceph glusterfs fuse.sshfs fuse.glusterfs fuse.s3fs "
    "fuse.rclone lustre gpfs beegfs".split()
)


class SqliteStore:
    """A journal file. Safe to use from many threads; after a fork it opens anew.

    :param path: the file; its folder is made if it is missing.
    :param durability: ``power`` or ``process``.
    :param seam: for failure tests, see :data:`surefoot.store.base.Seam`.
    :raises NotAJournal: the file is something else.
    :raises JournalTooNew: a newer Surefoot wrote it.
    :raises JournalError: it cannot be opened; the message says what to do.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: str = "power",
        seam: Seam | None = None,
        create: bool = True,
    ) -> None:
        self.path = Path(path).absolute()
        self.location = str(self.path)
        self._full = durability == "power"
        self._seam = seam
        if not create and not self._asked(self.path.exists):
            raise JournalError(
                f"there is no journal at {self.location}; run a workflow first, or name the "
                "journal with --journal or SUREFOOT_JOURNAL"
            )
        self._lock = threading.RLock()
        self._read_lock = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        # first, and then opened under the lock: a fork by another thread must not come in between
        around_forks(self)
        with self._lock:
            self._open_writer()

    # -- opening ------------------------------------------------------------------------------

    def _open_writer(self) -> sqlite3.Connection:
        self._prepare_folder()
        try:
            writer = self._connect()
            try:
                writer.execute(f"PRAGMA synchronous={'FULL' if self._full else 'NORMAL'}")
                self._check_and_migrate(writer)
            except BaseException:
                writer.close()
                raise
        except DATABASE_ERRORS as exc:
            raise self._translated(exc, "open") from exc
        self._writer = writer
        return writer

    # -- forks --------------------------------------------------------------------------------

    def _before_fork(self) -> None:
        """Wait for a running transaction, and close.

        SQLite keeps its locks in memory that a child inherits without the locks themselves: an open
        connection would have the child believe that it holds what the kernel does not know of. See
        tests/journal/test_group_commit.py.
        """
        self._lock.acquire()
        self._read_lock.acquire()
        for connection in (self._writer, self._reader):
            if connection is not None:
                connection.close()
        self._writer = self._reader = None

    def _after_fork_in_parent(self) -> None:
        self._read_lock.release()
        self._lock.release()

    def _after_fork_in_child(self) -> None:
        self._lock = threading.RLock()
        self._read_lock = threading.Lock()

    def _asked(self, look: Callable[[], T]) -> T:
        """What the file system says; where it will not say anything, that is the error."""
        try:
            return look()
        except (OSError, ValueError) as exc:  # ValueError: a name that no file can have
            why = exc.strerror if isinstance(exc, OSError) else None
            raise self._cannot_write(why or str(exc)) from exc

    def _prepare_folder(self) -> None:
        folder = self.path.parent
        if self._asked(self.path.is_dir):
            raise NotAJournal(f"{self.location} is a folder; name a file, as {self.location}/j.db")
        found = self._asked(lambda: network_file_system(folder))
        if found is not None:
            raise JournalError(
                f"{self.location} is on a network file system ({found}), where SQLite's locks do "
                "not hold; put the journal on a local disk: SUREFOOT_JOURNAL=sqlite:////local/j.db"
            )
        try:
            if not folder.exists():
                folder.mkdir(parents=True, mode=0o700, exist_ok=True)
            if folder.name == ".surefoot":
                ignore = folder / ".gitignore"
                if not ignore.exists():
                    ignore.write_text("*\n")
            if self.path.exists() and 0 < self.path.stat().st_size < HEADER:
                raise NotAJournal(
                    f"{self.location} is no Surefoot journal (too short); it was left as it is. "
                    "Name another file with --journal or SUREFOOT_JOURNAL"
                )
            if not self.path.exists():
                os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except ValueError as exc:  # a NUL byte in its name
            raise self._cannot_write(str(exc)) from exc
        except OSError as exc:
            raise self._cannot_write(exc.strerror or str(exc), exc.errno) from exc

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        return connection

    def _check_and_migrate(self, connection: sqlite3.Connection) -> None:
        ours = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if ours not in (0, APPLICATION_ID) or (
            ours == 0 and connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        ):
            raise NotAJournal(
                f"{self.location} is a SQLite database, but no Surefoot journal; it was left as it "
                "is. Name another file with --journal or SUREFOOT_JOURNAL"
            )
        if ours == APPLICATION_ID and version > SCHEMA_VERSION:
            raise JournalTooNew(
                f"{self.location} has schema {version}, this Surefoot knows up to {SCHEMA_VERSION}; "
                "it was left as it is. Upgrade with: pip install --upgrade surefoot"
            )
        self._wal(connection)
        if ours == APPLICATION_ID and version == SCHEMA_VERSION:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            # another process may have been quicker while we waited for the lock
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            for number, script in migrations():
                if number > version:
                    for statement in statements(script):
                        connection.execute(statement)
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def _wal(self, connection: sqlite3.Connection) -> None:
        # The switch to WAL answers SQLITE_BUSY at once, without the busy handler, while another
        # process makes the same switch; see tests/store/test_sqlite.py.
        end = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            except sqlite3.OperationalError as exc:
                if "locked" not in str(exc) or time.monotonic() > end:
                    raise
                time.sleep(0.01)  # noqa: TID251  waits for another process, which no test clock moves
                continue
            if mode != "wal":
                raise JournalError(
                    f"{self.location}: SQLite cannot use its write-ahead log here (mode {mode}); "
                    "put the journal on a local disk"
                )
            return

    # -- use ----------------------------------------------------------------------------------

    def transact(self, ops: Sequence[Op]) -> list[Any]:
        seam = self._seam
        with self._lock:
            # after a fork it opens anew
            writer = self._writer or self._open_writer()
            execute = writer.execute
            try:
                if seam is not None:
                    seam("before")
                execute("BEGIN IMMEDIATE")
            except DATABASE_ERRORS as exc:
                raise self._translated(exc, "write") from exc
            results: list[Any] = []
            try:
                for op in ops:
                    try:
                        results.append(op(execute))
                    except Refused as refused:
                        results.append(refused)
                if seam is not None:
                    seam("inside")
                execute("COMMIT")
                if seam is not None:
                    seam("after")
            except BaseException as exc:
                if len(results) == len(ops) and not writer.in_transaction:
                    if not isinstance(exc, Exception):
                        raise Committed(results, exc) from exc
                elif writer.in_transaction:
                    try:
                        execute("ROLLBACK")
                    except sqlite3.Error:  # a full disk can refuse this too; closing rolls back
                        pass
                if isinstance(exc, DATABASE_ERRORS):
                    raise self._translated(exc, "write") from exc
                raise
            return results

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        with self._read_lock:
            try:
                if self._reader is None:
                    self._reader = self._connect()
                return self._reader.execute(sql, parameters).fetchall()
            except DATABASE_ERRORS as exc:
                raise self._translated(exc, "read") from exc

    read_alone = read  # one writer at a time: keys are given out in the order of the commits

    def close(self) -> None:
        with self._lock, self._read_lock:
            for connection in (self._writer, self._reader):
                if connection is not None:
                    connection.close()
            self._writer = self._reader = None

    # -- errors -------------------------------------------------------------------------------

    def _cannot_write(self, why: str, number: int | None = None) -> JournalError:
        if number == errno.ENOSPC:
            return self._full_disk()
        return JournalError(
            f"cannot write the journal {self.location}: {why}; make its folder writable, or name "
            "another place with --journal or SUREFOOT_JOURNAL"
        )

    def _full_disk(self) -> JournalError:
        return JournalError(
            f"cannot write the journal {self.location}: the disk is full; what was committed is "
            "safe. Free some space, then: surefoot resume RUN"
        )

    def _translated(self, exc: BaseException, doing: str) -> JournalError:
        text = "malformed" if isinstance(exc, UnicodeDecodeError) else str(exc)
        if "not a database" in text:
            return NotAJournal(
                f"{self.location} is no Surefoot journal ({text}); it was left as it is. Name "
                "another file with --journal or SUREFOOT_JOURNAL"
            )
        if "full" in text:
            return self._full_disk()
        if "readonly" in text or "unable to open" in text:
            return self._cannot_write(text)
        if "locked" in text or "busy" in text:
            return JournalError(
                f"cannot {doing} the journal {self.location}: another program held its lock for "
                f"{BUSY_SECONDS:g} s ({text}); find it with: fuser {self.location}"
            )
        if "malformed" in text:
            return JournalError(
                f"the journal {self.location} is damaged ({text}); keep a copy of it and of its "
                "-wal file, then try: sqlite3 JOURNAL .recover"
            )
        return JournalError(
            f"cannot {doing} the journal {self.location}: {text}; what was committed is safe"
        )


FAILURES = {
    "ENOSPC": "database or disk is full",
    "EIO": "disk I/O error",
    "EROFS": "attempt to write a readonly database",
    "EBUSY": "database is locked",
}
"""What SQLite says where the system says so."""


def database_failure(name: str) -> Exception:
    """What the database raises when the system fails it so: for failure tests.

    :param name: ``ENOSPC``, ``EIO``, ``EROFS`` or ``EBUSY``.
    :raises ValueError: another one.

    >>> str(database_failure("ENOSPC"))
    'database or disk is full'
    """
    if name not in FAILURES:
        raise ValueError(f"{name!r}: give one of {', '.join(FAILURES)}")
    return sqlite3.OperationalError(FAILURES[name])


def migrations() -> list[tuple[int, str]]:
    """All schema scripts, oldest first, as (version, SQL)."""
    return scripts("migrations")


def statements(script: str) -> list[str]:
    """The single statements of a script; none of ours has a semicolon inside."""
    lines = [line.split("--", 1)[0] for line in script.splitlines()]
    return [part.strip() for part in "\n".join(lines).split(";") if part.strip()]


def network_file_system(folder: Path, mounts: str = "/proc/self/mounts") -> str | None:
    """The type of the network file system that ``folder`` is on, or None.

    Only Linux tells; elsewhere None.
    """
    try:
        table = Path(mounts).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    place = str(folder.resolve())
    best, found = "", None
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point, kind = fields[1].replace("\\040", " "), fields[2]
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, found = point, kind
    return found if found in NETWORK else None
