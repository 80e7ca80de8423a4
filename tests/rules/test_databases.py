"""Real errors of SQLite, through sqlite3 and SQLAlchemy, and of PostgreSQL's client."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from surefoot.catalog import Catalog
from surefoot.classify import classify
from tests.rules.conftest import Judge
from tests.rules.servers import closed_port, misbehaving

Run = Callable[[str], Any]


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "t"
    a: Mapped[int] = mapped_column(primary_key=True)
    b: Mapped[str]


SCHEMA = "create table t(a integer primary key, b text not null unique, c int check(c > 0))"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "t.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(SCHEMA)
        connection.execute("insert into t values(1, 'x', 1)")
        connection.execute("create table child(t references t(a))")
        connection.commit()
    return path


@pytest.fixture(params=["sqlite3", "sqlite3, 3.10", "sqlalchemy"])
def run(request: pytest.FixtureRequest, file: Path) -> Iterator[Run]:
    """Run a statement over the file: with sqlite3, as Python 3.10 has it, and with SQLAlchemy."""
    if request.param == "sqlalchemy":
        import sqlalchemy

        engine = sqlalchemy.create_engine(f"sqlite:///{file}", connect_args={"timeout": 0.02})
        with engine.connect() as session:
            session.exec_driver_sql("pragma foreign_keys = on")
            yield lambda statement: session.exec_driver_sql(statement).fetchall()
        engine.dispose()
        return
    with closing(sqlite3.connect(file, timeout=0.02)) as connection:
        connection.execute("pragma foreign_keys = on")

        def execute(statement: str) -> Any:
            try:
                return connection.execute(statement).fetchall()
            except sqlite3.Error as exc:
                if request.param == "sqlite3":
                    raise
                raise type(exc)(str(exc)) from None  # without sqlite_errorname

        yield execute


def _failure(run: Run, *statements: str) -> Exception:
    with pytest.raises(Exception) as raised:
        for statement in statements:
            run(statement)
    return raised.value


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("insert into t values(2, 'x', 1)", "duplicate"),
        ("insert into t values(1, 'y', 1)", "duplicate"),
        ("insert into t values(2, null, 1)", "missing_value"),
        ("insert into t values(2, 'y', -1)", "invalid_value"),
        ("insert into t values('q', 'y', 1)", "invalid_value"),
        ("insert into child values(99)", "invalid_value"),
        ("select * from absent", "schema_mismatch"),
        ("select absent from t", "schema_mismatch"),
        ("insert into t values(1)", "schema_mismatch"),
        ("selec 1", "bug"),
        ("create table t(a)", "duplicate"),
        ("select absent(1)", "misconfiguration"),
    ],
)
def test_what_sqlite_rejects_is_not_tried_again(
    run: Run, judge: Judge, statement: str, kind: str
) -> None:
    judge(_failure(run, statement), kind, retryable=False, outcome="refused")


def test_a_locked_database_is_tried_again(run: Run, file: Path, judge: Judge) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("begin exclusive")
        exc = _failure(run, "insert into t values(2, 'y', 1)")
    judge(exc, "db_locked", retryable=True, outcome="refused")


def test_a_stale_snapshot_is_tried_again(tmp_path: Path, judge: Judge) -> None:
    path = tmp_path / "wal.db"
    with (
        closing(sqlite3.connect(path, isolation_level=None, timeout=0.02)) as one,
        closing(sqlite3.connect(path, isolation_level=None, timeout=0.02)) as two,
    ):
        one.execute("pragma journal_mode = wal")
        one.execute("create table t(a)")
        two.execute("begin")
        two.execute("select * from t").fetchall()
        one.execute("insert into t values(1)")
        exc = _failure(two.execute, "insert into t values(2)")
    assert getattr(exc, "sqlite_errorname", "SQLITE_BUSY_SNAPSHOT") == "SQLITE_BUSY_SNAPSHOT"
    judge(exc, "db_locked", retryable=True, outcome="refused")


def test_a_locked_table_of_a_shared_cache_is_tried_again(judge: Judge) -> None:
    where = "file:surefoot-test?mode=memory&cache=shared"
    with (
        closing(sqlite3.connect(where, uri=True)) as one,
        closing(sqlite3.connect(where, uri=True)) as two,
    ):
        one.execute("create table t(a)")
        one.commit()
        one.execute("insert into t values(1)")
        exc = _failure(two.execute, "select * from t")
    judge(exc, "db_locked", retryable=True, outcome="refused")


def test_a_full_database_needs_a_person(run: Run, judge: Judge) -> None:
    many = "with recursive n(i) as (select 2 union all select i + 1 from n where i < 9999) "
    fill = f"insert into t {many} select i, 'value ' || i, 1 from n"
    exc = _failure(run, "pragma max_page_count = 6", fill)
    judge(exc, "disk_full", retryable=False, outcome="refused")


def test_a_file_that_is_no_database_is_corrupt(run: Run, file: Path, judge: Judge) -> None:
    file.write_bytes(b"this is not a database at all, " * 200)
    judge(_failure(run, "select * from t"), "corrupt_file", retryable=False)


def test_a_damaged_database_is_corrupt(tmp_path: Path, judge: Judge) -> None:
    path = tmp_path / "damaged.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t(a)")
        connection.executemany("insert into t values(?)", [("x" * 500,)] * 2_000)
        connection.commit()
    data = bytearray(path.read_bytes())
    data[4_096:12_288] = os.urandom(8_192)
    path.write_bytes(bytes(data))
    with closing(sqlite3.connect(path)) as connection:
        exc = _failure(connection.execute, "select count(*) from t where a like '%y%'")
    judge(exc, "corrupt_file", retryable=False)


def test_a_readonly_database_is_a_matter_of_permission(file: Path, judge: Judge) -> None:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        exc = _failure(connection.execute, "insert into t values(2, 'y', 1)")
    judge(exc, "permission", retryable=False, outcome="refused")


def test_a_database_in_no_folder_is_not_found(tmp_path: Path, judge: Judge) -> None:
    exc = _failure(sqlite3.connect, str(tmp_path / "nothing" / "t.db"))
    judge(exc, "not_found", retryable=False, outcome="refused")


def test_a_query_that_was_stopped_is_cancelled(judge: Judge) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.set_progress_handler(lambda: 1, 10)
        endless = (
            "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
        )
        exc = _failure(connection.execute, endless)
    judge(exc, "cancelled", retryable=False)


def test_a_batch_with_too_many_values_is_too_large(judge: Judge) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        exc = _failure(connection.execute, f"select {','.join('?' * 300_000)}")
    judge(exc, "payload_too_large", retryable=False, outcome="refused")


def test_wrong_use_of_the_module_is_a_bug(judge: Judge) -> None:
    connection = sqlite3.connect(":memory:")
    connection.close()
    judge(_failure(connection.execute, "select 1"), "bug", retryable=False, outcome="refused")


# -- SQLAlchemy's own -------------------------------------------------------------------------


def test_an_empty_pool_of_sqlalchemy_is_worth_a_wait(judge: Judge) -> None:
    import sqlalchemy
    from sqlalchemy.pool import QueuePool

    engine = sqlalchemy.create_engine(
        "sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.02
    )
    with engine.connect():
        with pytest.raises(sqlalchemy.exc.TimeoutError) as raised:
            engine.connect()
    engine.dispose()
    assert not isinstance(raised.value, TimeoutError)
    judge(raised.value, "too_many_connections", retryable=True, outcome="refused")


def test_the_orm_finds_nothing_too_much_or_something_else(file: Path, judge: Judge) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    with Session(engine) as session:
        with pytest.raises(sqlalchemy.exc.NoResultFound) as nothing:
            session.execute(sqlalchemy.select(Row).where(Row.a == 9)).one()
        judge(nothing.value, "not_found", retryable=False, outcome="refused")
        session.add(Row(a=2, b="y"))
        session.commit()
        with pytest.raises(sqlalchemy.exc.MultipleResultsFound) as many:
            session.execute(sqlalchemy.select(Row)).one()
        judge(many.value, "duplicate", retryable=False, outcome="refused")

        row = session.get_one(Row, 2)
        with closing(sqlite3.connect(file)) as other:
            other.execute("delete from t where a = 2")
            other.commit()
        row.b = "z"
        with pytest.raises(sqlalchemy.orm.exc.StaleDataError) as stale:
            session.flush()
        judge(stale.value, "conflict", retryable=True, outcome="refused")
        session.rollback()
        session.add(Row(a=1, b="again"))
        with pytest.raises(sqlalchemy.exc.IntegrityError) as duplicate:
            session.flush()
        judge(duplicate.value, "duplicate", retryable=False, outcome="refused")
    engine.dispose()


def test_sqlalchemys_wrong_url_and_driver_are_wrong_settings(judge: Judge) -> None:
    import sqlalchemy

    for url in ("nonsense", "nothing://x/y", "postgresql+nothing://x/y"):
        with pytest.raises(sqlalchemy.exc.ArgumentError) as raised:
            sqlalchemy.create_engine(url)
        judge(raised.value, "misconfiguration", retryable=False, outcome="refused")


def test_a_refused_connection_through_sqlalchemy_and_psycopg(judge: Judge) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"postgresql+psycopg://x@127.0.0.1:{closed_port()}/y")
    with pytest.raises(sqlalchemy.exc.OperationalError) as raised:
        engine.connect()
    engine.dispose()
    judge(raised.value, "connection", retryable=True, outcome="refused")


@pytest.mark.parametrize(
    ("state", "kind", "retryable"),
    [("40001", "transaction_conflict", True), ("23505", "duplicate", False)],
)
def test_a_sqlstate_counts_through_sqlalchemy(
    state: str, kind: str, retryable: bool, judge: Judge
) -> None:
    import psycopg.errors
    import sqlalchemy.exc

    orig = psycopg.errors.lookup(state)("the server says no")
    exc = sqlalchemy.exc.DBAPIError.instance("select 1", {}, orig, psycopg.Error)
    judge(exc, kind, retryable=retryable, outcome="refused")


# -- psycopg ----------------------------------------------------------------------------------


def _connect(address: str) -> Exception:
    import psycopg

    with pytest.raises(psycopg.Error) as raised:
        psycopg.connect(f"{address} user=x dbname=y connect_timeout=2")
    return raised.value


def test_psycopg_is_refused_without_a_sqlstate(judge: Judge) -> None:
    exc = _connect(f"host=127.0.0.1 port={closed_port()}")
    assert getattr(exc, "sqlstate", None) is None
    judge(exc, "connection", retryable=True, outcome="refused")


def test_psycopg_finds_no_socket(tmp_path: Path, judge: Judge) -> None:
    judge(_connect(f"host={tmp_path}"), "connection", retryable=True, outcome="refused")


def test_psycopg_finds_no_host(judge: Judge) -> None:
    judge(_connect("host=nothing.invalid"), "dns", retryable=True, outcome="refused")


def test_psycopg_waits_in_vain(judge: Judge) -> None:
    with misbehaving("hang") as url:
        exc = _connect(f"host=127.0.0.1 port={url.rpartition(':')[2]}")
    judge(exc, "timeout", retryable=True, outcome="refused")


def test_psycopg_is_cut_off(judge: Judge) -> None:
    with misbehaving("close") as url:
        exc = _connect(f"host=127.0.0.1 port={url.rpartition(':')[2]}")
    judge(exc, "connection", retryable=True)


def test_a_wrong_option_of_psycopg_is_a_wrong_setting(judge: Judge) -> None:
    judge(_connect("hots=127.0.0.1"), "misconfiguration", retryable=False, outcome="refused")


@pytest.mark.parametrize(
    ("said", "kind", "retryable"),
    [
        ('FATAL:  password authentication failed for user "x"', "auth", False),
        ('FATAL:  role "x" does not exist', "auth", False),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', "auth", False),
        ("fe_sendauth: no password supplied", "auth", False),
        ('FATAL:  database "y" does not exist', "misconfiguration", False),
        ("FATAL:  sorry, too many clients already", "too_many_connections", True),
        (
            "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "too_many_connections",
            True,
        ),
        ("FATAL:  the database system is starting up", "connection", True),
        ("FATAL:  the database system is shutting down", "connection", True),
        ("FATAL:  the database system is in recovery mode", "connection", True),
        ("SSL error: certificate verify failed", "tls", False),
        ("server does not support SSL, but SSL was required", "tls", False),
        ("server closed the connection unexpectedly", "connection", True),
        ("SSL SYSCALL error: EOF detected", "connection", True),
        ("Network is unreachable", "connection", True),
        ("Connection timed out", "timeout", True),
    ],
)
def test_while_connecting_the_text_of_libpq_decides(
    said: str, kind: str, retryable: bool, judge: Judge
) -> None:
    import psycopg

    where = 'connection failed: connection to server at "10.0.0.1", port 5432 failed: '
    judge(psycopg.OperationalError(where + said), kind, retryable=retryable)


# What each of PostgreSQL's states means for a second try. appendix A; "concurrency control".
RETRYABLE = {
    *("08000", "08001", "08003", "08004", "08006", "08007"),  # the connection
    *("25P03", "25P04", "57P05"),  # it was idle, or the transaction took, for too long
    *("40000", "40001", "40003", "40P01"),  # the transaction must run again
    *("53000", "53300", "55006", "55P03"),  # room or a lock, later
    *("57014", "57P01", "57P02", "57P03"),  # statement timeout, restart
    *("57000", "72000", "HV000", "HV00L", "HV00M", "HV00N", "XX000"),
}


def _states() -> list[str]:
    import psycopg.errors

    return sorted(code for code in psycopg.errors._sqlcodes if re.fullmatch("[0-9A-Z]{5}", code))


@pytest.mark.parametrize("state", _states())
def test_every_sqlstate_that_psycopg_knows_is_judged_right(
    state: str, catalog: Catalog, judge: Judge
) -> None:
    import psycopg.errors

    exc = psycopg.errors.lookup(state)("the server says no")
    kind = classify(exc, catalog=catalog).kind
    assert kind != "unknown"
    judge(exc, kind, retryable=state in RETRYABLE)


@pytest.mark.parametrize(
    ("said", "kind", "retryable"),
    [
        ("canceling statement due to statement timeout", "timeout", True),
        ("canceling statement due to user request", "cancelled", False),
        ("canceling statement due to lock timeout", "db_locked", True),
        ("canceling statement due to conflict with recovery", "transaction_conflict", True),
    ],
)
def test_a_cancelled_query_says_why(said: str, kind: str, retryable: bool, judge: Judge) -> None:
    import psycopg.errors

    judge(psycopg.errors.QueryCanceled(said), kind, retryable=retryable, outcome="refused")


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("08006", "connection"),
        ("08007", "connection"),
        ("22P02", "invalid_value"),
        ("22021", "encoding_error"),
        ("23502", "missing_value"),
        ("23503", "invalid_value"),
        ("23505", "duplicate"),
        ("23514", "invalid_value"),
        ("28P01", "auth"),
        ("40001", "transaction_conflict"),
        ("40P01", "transaction_conflict"),
        ("42501", "permission"),
        ("42601", "bug"),
        ("42703", "schema_mismatch"),
        ("42P01", "schema_mismatch"),
        ("53100", "disk_full"),
        ("53200", "host_out_of_memory"),
        ("53300", "too_many_connections"),
        ("54000", "payload_too_large"),
        ("55P03", "db_locked"),
        ("57014", "timeout"),
        ("57P01", "connection"),
        ("57P03", "connection"),
        ("58030", "storage_fault"),
        ("XX001", "storage_fault"),
    ],
)
def test_a_sqlstate_has_its_kind(state: str, kind: str, judge: Judge) -> None:
    import psycopg.errors

    judge(psycopg.errors.lookup(state)("no"), kind, retryable=state in RETRYABLE)
