"""The journal's tables in Postgres: made and changed under an advisory lock, so that of many processes
that start at once one does it."""

from __future__ import annotations

from typing import Any

from ..errors import JournalError, JournalTooNew, NotAJournal
from .base import SCHEMA_VERSION, scripts

__all__ = ["prepare"]

LOCK = 0x53464A31
"""Of all Surefoot journals of a database; held only while tables are made."""


def prepare(connection: Any, location: str, create: bool) -> str:
    """See that the tables are there; answers the name of their schema.

    :raises NotAJournal: the schema holds other tables of our names.
    :raises JournalTooNew: a newer Surefoot made them.
    :raises JournalError: there is no schema, or no journal and none is to be made.
    """
    schema = connection.execute("SELECT current_schema()").fetchone()[0]
    if schema is None:
        raise JournalError(
            f"{location}: none of the schemas in its search_path exists; have one made with: "
            "CREATE SCHEMA surefoot; and name it by ?options=-csearch_path%3Dsurefoot"
        )
    if _version(connection, location) == SCHEMA_VERSION:
        return str(schema)
    if not create:
        raise JournalError(
            f"there is no journal of schema {SCHEMA_VERSION} at {location}; run a workflow first, or "
            "name the journal with --journal or SUREFOOT_JOURNAL"
        )
    with connection.transaction():
        connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        known = _version(connection, location)  # another one may have been quicker
        for number, script in scripts("migrations_postgres"):
            if number > known:
                connection.execute(script)
        if known < SCHEMA_VERSION:
            connection.execute("DELETE FROM surefoot_schema")
            connection.execute(f"INSERT INTO surefoot_schema VALUES ({SCHEMA_VERSION})")
    return str(schema)


def _version(connection: Any, location: str) -> int:
    there = {
        row[0]
        for row in connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = current_schema() AND c.relname IN ('surefoot_schema', 'runs')"
        ).fetchall()
    }
    if "surefoot_schema" not in there:
        if there:
            raise NotAJournal(
                f"{location} has a table 'runs' that is no Surefoot journal's; it was left as it is. "
                "Name another schema: ?options=-csearch_path%3Dsurefoot"
            )
        return 0
    version = int(connection.execute("SELECT max(version) FROM surefoot_schema").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise JournalTooNew(
            f"{location} has schema {version}, this Surefoot knows up to {SCHEMA_VERSION}; it was "
            "left as it is. Upgrade with: pip install --upgrade surefoot"
        )
    return version
