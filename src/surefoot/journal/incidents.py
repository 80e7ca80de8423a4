"""Incidents as runs write them: all failures of one fingerprint, from the first one to its recovery.

An incident's row is written in the transaction of each failure, so that no failure is missed and none
counts twice. It is settled (resolved, by ``recovery``) when nothing that it touched is outstanding any
more: no call that failed with it and has not completed since, in a run that is not over; no run that
its own code's failure halted; no open dead letter. A failure of a resolved incident opens it again.

What people order is in :mod:`.incident_orders`, how incidents are read in :mod:`.incident_reading`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ..store.base import Tx
from .leases import Lease

__all__ = [
    "RECOVERY",
    "UNFINISHED",
    "Failed",
    "body_failed",
    "event",
    "marks",
    "outstanding",
    "seen",
    "settle",
    "settle_one",
]

RECOVERY = "recovery"
"""Who resolved an incident that nobody had to."""

UNFINISHED = "('running', 'halted', 'interrupted', 'rolling_back')"
"""Statuses of runs that are not over."""


class Failed(Protocol):
    """What an incident keeps of its first failure; all text in it is scrubbed already."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def step(self) -> str: ...
    @property
    def stage(self) -> str | None: ...
    @property
    def type(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def at(self) -> float: ...


# -- a failure ------------------------------------------------------------------------------------

# The incident of a fingerprint, and the one that it was merged into, which is mostly itself.
FIND = (
    "SELECT i.pk, r.pk, r.state, r.last_at, r.muted_until, r.resolved_by FROM incidents i "
    "JOIN incidents r ON r.pk = coalesce(i.merged_into, i.pk) WHERE i.fingerprint = ?"
)
FIRST = (
    "INSERT INTO incidents (fingerprint, kind, category, severity, step, stage, type, message, "
    "state, first_at, last_at, failures, opened_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, ?, 1, ?)"
)
AGAIN = (
    "UPDATE incidents SET failures = failures + 1, "
    "last_at = CASE WHEN last_at > ? THEN last_at ELSE ? END WHERE pk = ?"
)
OPENED = (
    "UPDATE incidents SET state = 'open', opened_at = ?, muted_until = NULL, resolved_at = NULL, "
    "resolved_by = NULL WHERE pk = ?"
)


def seen(tx: Tx, failed: Failed, regression_after: float) -> None:
    """A failure: its incident begins, goes on, or is open again.

    It is a regression if the incident was resolved and was quiet for ``regression_after`` seconds, or
    if a person had resolved it.
    """
    at = failed.at
    row = tx(FIND, (failed.fingerprint,)).fetchone()
    if row is None:
        tx(
            FIRST,
            (
                failed.fingerprint,
                failed.kind,
                failed.category,
                failed.severity,
                failed.step,
                failed.stage,
                failed.type,
                failed.message,
                at,
                at,
                at,
            ),
        )
        event(tx, int(tx(FIND, (failed.fingerprint,)).fetchone()[0]), at, "opened")
        return
    own, pk, state, last_at, muted_until, resolved_by = row
    tx(AGAIN, (at, at, own))
    if pk != own:
        tx(AGAIN, (at, at, pk))
    if state == "resolved":
        tx(OPENED, (at, pk))
        quiet = max(0.0, at - last_at)
        if resolved_by == RECOVERY and quiet < regression_after:
            event(tx, pk, at, "opened")
            return
        tx(
            "UPDATE incidents SET regressions = regressions + 1, quiet = ? WHERE pk = ?",
            (quiet, pk),
        )
        event(tx, pk, at, "regressed")
    elif state == "muted" and muted_until is not None and muted_until <= at:
        tx(OPENED, (at, pk))
        event(tx, pk, at, "opened", note="its mute was over")


def event(
    tx: Tx, pk: int, at: float, what: str, author: str | None = None, note: str | None = None
) -> None:
    """One line of an incident's history. ``author`` None: Surefoot itself."""
    tx(
        "INSERT INTO incident_events (incident_pk, at, event, author, note) VALUES (?, ?, ?, ?, ?)",
        (pk, at, what, author, note),
    )


class _Body(NamedTuple):
    fingerprint: str
    kind: str
    category: str
    severity: str
    step: str
    stage: str | None
    type: str
    message: str
    at: float


def body_failed(tx: Tx, lease: Lease, error: str | None, now: float) -> None:
    """A run ends with ``error`` (JSON). Where it was the workflow's own code that failed, and no
    call's, there is no failed attempt that would tell of it."""
    told = json.loads(error) if error else {}
    fingerprint = told.get("fingerprint")
    if not fingerprint or told.get("calls"):
        return
    tx(
        "INSERT INTO body_failures (run_pk, fingerprint, at) VALUES (?, ?, ?)",
        (lease.run_pk, fingerprint, now),
    )
    failed = _Body(
        fingerprint,
        told.get("kind", "unknown"),
        told.get("category", "code"),
        told.get("severity", "error"),
        "",
        None,
        told.get("type", ""),
        told.get("message", ""),
        now,
    )
    seen(tx, failed, lease.regression_after)


# -- settling -------------------------------------------------------------------------------------

# What most runs are asked: two looks into indexes.
HAD_FAILURES = (
    "SELECT EXISTS (SELECT 1 FROM failures WHERE run_pk = ?) "
    "OR EXISTS (SELECT 1 FROM body_failures WHERE run_pk = ?)"
)
UNSETTLED = (
    "SELECT DISTINCT r.pk FROM incidents r JOIN incidents m ON m.pk = r.pk OR m.merged_into = r.pk "
    "WHERE r.state IN ('open', 'acknowledged', 'muted') AND r.merged_into IS NULL "
    "AND (r.state <> 'muted' OR r.muted_until <= ?) AND (EXISTS "
    "(SELECT 1 FROM failures f WHERE f.fingerprint = m.fingerprint AND f.run_pk = ?) OR EXISTS "
    "(SELECT 1 FROM body_failures b WHERE b.fingerprint = m.fingerprint AND b.run_pk = ?))"
)


def settle(tx: Tx, run_pk: int, now: float) -> None:
    """Something of this run is over: incidents of it that wait for nothing else are resolved.

    A muted incident stays muted until its time is over.
    """
    if not tx(HAD_FAILURES, (run_pk, run_pk)).fetchone()[0]:
        return
    for (pk,) in tx(UNSETTLED, (now, run_pk, run_pk)).fetchall():
        settle_one(tx, pk, now)


def settle_one(tx: Tx, pk: int, now: float) -> bool:
    """Resolve an incident if nothing that it touched is outstanding. Answers whether it is so."""
    rows = tx("SELECT fingerprint FROM incidents WHERE pk = ? OR merged_into = ?", (pk, pk))
    if outstanding(tx, [row[0] for row in rows.fetchall()]):
        return False
    tx(
        "UPDATE incidents SET state = 'resolved', resolved_at = ?, resolved_by = ?, "
        "muted_until = NULL WHERE pk = ?",
        (now, RECOVERY, pk),
    )
    event(tx, pk, now, "resolved")
    return True


# From the few runs that are not over, not from the many failures of a fingerprint: hence CROSS JOIN,
# which keeps the order.
CALLS = (
    f"SELECT 1 FROM runs r CROSS JOIN failures f "
    "LEFT JOIN calls c ON c.run_pk = f.run_pk AND c.call_id = f.call_id "
    f"WHERE f.fingerprint IN (%s) AND f.run_pk = r.pk AND r.status IN {UNFINISHED} AND (c.status IS NULL "
    "OR c.status NOT IN ('completed', 'skipped') OR (c.status = 'skipped' AND EXISTS "
    # a map that halted runs these items again
    "(SELECT 1 FROM dead_letters l WHERE l.run_pk = c.run_pk AND l.call_id = c.call_id "
    "AND l.state = 'reopened'))) LIMIT 1"
)
BODIES = (
    f"SELECT 1 FROM runs r CROSS JOIN body_failures b "
    f"WHERE b.fingerprint IN (%s) AND b.run_pk = r.pk AND r.status IN {UNFINISHED} LIMIT 1"
)
LETTERS = (
    "SELECT 1 FROM dead_letters l JOIN runs r ON r.pk = l.run_pk WHERE l.state = 'open' "
    "AND l.fingerprint IN (%s) "
    # what a run did is undone, and its letters with it, but not the undos that failed
    "AND (r.status <> 'rolled_back' OR l.step LIKE '%%.undo') LIMIT 1"
)


def outstanding(tx: Tx, fingerprints: Sequence[str]) -> bool:
    """Whether anything that failed so waits for a retry, a resume, a replay or a person."""
    return any(
        tx(sql % marks(fingerprints), tuple(fingerprints)).fetchone() is not None
        for sql in (LETTERS, CALLS, BODIES)
    )


def marks(values: Sequence[object]) -> str:
    """
    >>> marks("abc")
    '?, ?, ?'
    """
    return ", ".join("?" * len(values))
