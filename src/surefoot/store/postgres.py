"""The journal in a Postgres schema, for many hosts at once. Needs Postgres 13 and psycopg 3.

Writes were made for one writer at a time, so each transaction is SERIALIZABLE and is repeated where
the database says that two got into each other's way. Each takes a shared advisory lock; one that lost
:data:`PATIENCE` times takes it exclusively, and then nobody can be in its way. A COMMIT whose answer
was lost is asked for by its transaction's id.
"""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..clock import Clock, SystemClock
from ..errors import ConfigError, JournalError
from ..journal_url import shown
from .base import SCHEMA_VERSION, Committed, Op, Refused, Row, Seam
from .forks import around_forks
from .postgres_schema import prepare

__all__ = ["PATIENCE", "SCHEMA_VERSION", "PostgresStore"]

T = TypeVar("T")

PATIENCE = 5
"""Transactions that failed in a row for others' sake before one asks for the journal alone."""
RECONNECT_SECONDS = 60.0
LONGEST_WAIT = 2.0
FENCE = "(SELECT fence FROM runs WHERE pk = ?)"
HELD_FENCE = "(SELECT fence FROM runs WHERE pk = ? FOR SHARE)"
"""A serializable order need not be the order in time: a process that lost its run could commit after
the new owner has read. The row's lock forbids it."""


class _Again(Exception):  # noqa: N818  no error: what was to be written is written once more
    """Others were in the way, or the connection is gone and nothing was committed."""

    def __init__(self, cause: Exception, *, lost: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.lost = lost


class PostgresStore:
    """A journal in Postgres. Safe to use from many threads; after a fork it connects anew.

    :param url: ``postgresql://user:password@host/database``; a schema by
        ``?options=-csearch_path%3Dname``.
    :param seam: for failure tests, see :data:`surefoot.store.base.Seam`.
    :param create: whether to make the tables where there are none.
    :param wait: seconds to wait for a server that does not answer, as it restarts.
    :param sleep: called with seconds; tests pass their own. :param clock: for its chance.
    :raises ConfigError: psycopg is not installed, or the URL is wrong.
    :raises JournalTooNew: a newer Surefoot made the tables.
    :raises JournalError: it cannot be used; the message says what to do.
    """

    def __init__(
        self,
        url: str,
        *,
        seam: Seam | None = None,
        create: bool = True,
        wait: float = RECONNECT_SECONDS,
        sleep: Callable[[float], None] = time.sleep,  # noqa: TID251  waits for a server
        clock: Clock | None = None,
    ) -> None:
        try:
            from .postgres_types import psycopg
        except ImportError as exc:
            raise ConfigError(
                "a journal in Postgres needs psycopg: pip install 'surefoot[postgres]'"
            ) from exc
        self._psycopg = psycopg
        self.url = url
        self.location = shown(url)
        self._seam = seam
        self._create = create
        self._wait = wait
        self._sleep = sleep
        self._random = (clock or SystemClock()).uniform
        self._key = 0
        self._lock = threading.RLock()
        self._read_lock = threading.RLock()
        self._parents: list[Any] = []
        """Connections of a parent process, kept so that nothing closes them here."""
        self._writer: Any = None
        self._reader: Any = None
        around_forks(self)
        with self._lock:
            self._patiently(self._open_writer)

    # -- connections --------------------------------------------------------------------------

    def _connect(self) -> Any:
        from .postgres_types import connect

        return connect(self.url)

    def _open_writer(self) -> Any:
        """:raises psycopg.Error: it cannot."""
        if self._writer is not None and not self._writer.closed:
            return self._writer
        connection = self._connect()
        try:
            schema = prepare(connection, self.location, self._create)
        except BaseException:
            connection.close()
            raise
        told = hashlib.sha256(f"surefoot journal {schema}".encode()).digest()
        self._key = int.from_bytes(told[:8], "big", signed=True)
        self._create = True  # it was there: what it lacks after an upgrade may be made
        self._writer = connection
        return connection

    def _open_reader(self) -> Any:
        if self._reader is None or self._reader.closed:
            self._reader = self._connect()
        return self._reader

    def _patiently(self, call: Callable[[], T]) -> T:
        """Call what needs the server; while it does not answer, wait and try again.

        :raises JournalError: it did not answer for too long, or said no.
        """
        end, pause = time.monotonic() + self._wait, 0.05
        while True:
            try:
                return call()
            except self._psycopg.Error as exc:
                if not self._unreachable(exc) or time.monotonic() > end:
                    raise self._translated(exc) from exc
            self._sleep(pause * self._random(0.5, 1.5))
            pause = min(pause * 2, LONGEST_WAIT)

    def _unreachable(self, exc: BaseException) -> bool:
        """Whether the server, or the connection to it, is gone: for a moment, perhaps."""
        state = getattr(exc, "sqlstate", None)
        if state is None:
            text = str(exc)
            wrong = ("authentication failed", "does not exist", "no password supplied", "no pg_hba")
            return isinstance(exc, self._psycopg.OperationalError) and not any(
                one in text for one in wrong
            )
        return str(state).startswith("08") or state in ("57P01", "57P02", "57P03", "53300")

    def _before_fork(self) -> None:
        self._lock.acquire()
        self._read_lock.acquire()

    def _after_fork_in_parent(self) -> None:
        self._read_lock.release()
        self._lock.release()

    def _after_fork_in_child(self) -> None:
        # the connections are the parent's: closing them would end them there
        self._parents += [one for one in (self._writer, self._reader) if one is not None]
        self._writer = self._reader = None
        self._lock = threading.RLock()
        self._read_lock = threading.RLock()

    # -- use ----------------------------------------------------------------------------------

    def transact(self, ops: Sequence[Op]) -> list[Any]:
        with self._lock:
            failures, end = 0, time.monotonic() + self._wait
            while True:
                self._patiently(self._open_writer)
                try:
                    return self._once(ops, alone=failures >= PATIENCE)
                except _Again as again:
                    if again.lost and time.monotonic() > end:
                        raise self._translated(again.cause) from again.cause
                    failures += not again.lost
                    self._sleep(self._random(0.0, min(0.005 * 2**failures, 0.2)))
                except self._psycopg.Error as exc:
                    raise self._translated(exc) from exc

    def _once(self, ops: Sequence[Op], *, alone: bool) -> list[Any]:
        """One try.

        :raises _Again: nothing was written, and it may be tried again.
        """
        connection, seam = self._writer, self._seam
        if seam is not None:
            seam("before")
        xid, sent = None, False
        results: list[Any] = []
        try:
            if alone:
                # before the transaction begins, whose view of the rows must be of after the lock
                connection.execute(f"SELECT pg_advisory_lock({self._key})")
            xid = _begin(connection, self._key)
            execute = _executor(connection)
            for op in ops:
                try:
                    results.append(op(execute))
                except Refused as refused:
                    results.append(refused)
            if seam is not None:
                seam("inside")
            sent = True
            connection.execute("COMMIT")
            if alone:
                self._unlock(connection)
            if seam is not None:
                seam("after")
        except BaseException as exc:
            if sent and self._was_committed(connection, xid, exc):
                if isinstance(exc, self._psycopg.Error):
                    return results
                if not isinstance(exc, Exception):
                    raise Committed(results, exc) from exc
                raise
            self._undo(connection, alone)
            if isinstance(exc, self._psycopg.Error):
                if connection.closed or self._unreachable(exc):
                    raise _Again(exc, lost=True) from exc
                if exc.sqlstate in ("40001", "40P01"):
                    raise _Again(exc, lost=False) from exc
            raise
        return results

    def _was_committed(self, connection: Any, xid: str | None, exc: BaseException) -> bool:
        """Whether a transaction whose COMMIT was sent is there."""
        told = getattr(exc, "sqlstate", None)
        if told is not None and not self._unreachable(exc):
            return False  # the server itself refused it
        if connection.closed:
            self._writer = None

        def ask() -> str | None:
            row = self._open_writer().execute(f"SELECT pg_xact_status('{xid}'::xid8)").fetchone()
            return None if row[0] is None else str(row[0])

        end = time.monotonic() + self._wait
        while True:
            status = self._patiently(ask)
            if status in ("committed", "aborted"):
                return status == "committed"
            if status is None or time.monotonic() > end:
                raise JournalError(
                    f"cannot tell whether the last write to the journal {self.location} was made: "
                    "the connection was lost while it was committed. See what is there with: "
                    "surefoot runs"
                ) from exc
            self._sleep(0.05)

    def _undo(self, connection: Any, alone: bool) -> None:
        try:
            connection.execute("ROLLBACK")
            if alone:
                self._unlock(connection)
        except self._psycopg.Error:
            connection.close()
        if connection.closed and self._writer is connection:
            self._writer = None

    def _unlock(self, connection: Any) -> None:
        try:
            connection.execute("SELECT pg_advisory_unlock_all()")
        except self._psycopg.Error:  # with its connection the lock goes, too
            connection.close()

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        def ask() -> list[Row]:
            cursor = self._open_reader().execute(_translate(sql), parameters)
            return list(cursor.fetchall())

        with self._read_lock:
            return self._patiently(ask)

    def read_alone(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The same while no transaction is open: whatever has a smaller pk than what is there now is
        there, too. Keys are given out before they are committed."""

        def ask() -> list[Row]:
            connection = self._open_reader()
            with connection.transaction():
                connection.execute(f"SELECT pg_advisory_xact_lock({self._key})")
                return list(connection.execute(_translate(sql), parameters).fetchall())

        with self._read_lock:
            return self._patiently(ask)

    def close(self) -> None:
        with self._lock, self._read_lock:
            for connection in (self._writer, self._reader):
                if connection is not None:
                    connection.close()
            self._writer = self._reader = None

    # -- errors -------------------------------------------------------------------------------

    def _translated(self, exc: Exception) -> JournalError:
        if isinstance(exc, JournalError):
            return exc
        state = getattr(exc, "sqlstate", None) or ""
        text = " ".join(str(exc).split())
        start = f"the journal {self.location} cannot be used: {text}"
        if state == "53100":
            return JournalError(
                f"{start}; the server's disk is full; what was committed is safe. Free some space "
                "there, then: surefoot resume RUN"
            )
        if state == "42501":
            return JournalError(
                f"{start}; have its owner GRANT what docs/postgres.md lists to this user"
            )
        if self._unreachable(exc):
            return JournalError(
                f"{start}; it was waited for {self._wait:g} s; what was committed is safe. See that "
                "the server runs and can be reached, then: surefoot resume RUN"
            )
        return JournalError(f"{start}; check SUREFOOT_JOURNAL; what was committed is safe")


def _begin(connection: Any, key: int) -> str:
    """Begin a transaction, in one round trip; answers its id."""
    cursor = connection.execute(
        f"BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT pg_advisory_xact_lock_shared({key}); "
        "SELECT pg_current_xact_id()::text"
    )
    while cursor.nextset():
        pass
    return str(cursor.fetchone()[0])


def _executor(connection: Any) -> Callable[..., Any]:
    def execute(sql: str, parameters: Sequence[Any] = ()) -> Any:
        return connection.execute(_translate(sql), parameters)

    return execute


@functools.lru_cache(maxsize=1024)
def _translate(sql: str) -> str:
    """
    >>> _translate("SELECT 1 WHERE a LIKE '%.undo' AND b = ?")
    "SELECT 1 WHERE a LIKE '%%.undo' AND b = %s"
    """
    return sql.replace(FENCE, HELD_FENCE).replace("%", "%%").replace("?", "%s")
