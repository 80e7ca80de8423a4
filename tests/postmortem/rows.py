"""Writes into the tables that others fill: processes, incidents and what people did about them."""

from __future__ import annotations

import json
from typing import Any

from surefoot import Runtime


def commit(runtime: Runtime, *statements: tuple[str, tuple[Any, ...]]) -> None:
    def write(tx: Any) -> None:
        for sql, given in statements:
            tx(sql, given)

    runtime.journal.group.commit(write)


def one(runtime: Runtime, sql: str, *given: Any) -> Any:
    """The first column of a query's first row."""
    return runtime.journal.store.read(sql, given)[0][0]


LATEST = "WHERE run_pk = (SELECT max(run_pk) FROM failures)"


def with_detail(runtime: Runtime, detail: dict[str, Any], process: dict[str, Any]) -> None:
    """Gives the latest run's failures this detail, and has this process seen them."""
    pk = 100 + one(runtime, "SELECT count(*) FROM processes")
    commit(
        runtime,
        ("INSERT INTO processes VALUES (?, ?, 1.0, ?)", (pk, f"p{pk}", json.dumps(process))),
        (f"UPDATE failures SET detail = ?, process_pk = ? {LATEST}", (json.dumps(detail), pk)),
    )


def incident(runtime: Runtime, number: int, **changed: Any) -> str:
    """An incident as the journal keeps it of its latest failure; answers its fingerprint."""
    now = runtime.clock.now()
    row: dict[str, Any] = {
        "pk": number,
        "fingerprint": "v1-0123456789abcdef",
        "kind": "connection",
        "category": "infrastructure",
        "severity": "error",
        "step": "fetch",
        "type": "builtins.ConnectionRefusedError",
        "message": "Connection refused",
        "state": "open",
        "first_at": now,
        "last_at": now,
        "failures": 1,
        "opened_at": now,
        **changed,
    }
    commit(
        runtime,
        ("DELETE FROM incidents WHERE pk = ? OR fingerprint = ?", (number, row["fingerprint"])),
        (
            f"INSERT INTO incidents ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
            tuple(row.values()),
        ),
    )
    return str(row["fingerprint"])


def event(
    runtime: Runtime, number: int, event: str, author: str | None, note: str | None = None
) -> None:
    commit(
        runtime,
        (
            "INSERT INTO incident_events (incident_pk, at, event, author, note) VALUES (?, ?, ?, ?, ?)",
            (number, runtime.clock.now(), event, author, note),
        ),
    )
