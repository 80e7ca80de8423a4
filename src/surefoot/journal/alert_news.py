"""What is new in the journal since alerts last read it, and how things stand that were told of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..store.base import Store
from .alerts import Reader
from .leases import Owner

__all__ = [
    "News",
    "RunNow",
    "Tops",
    "circuit_news",
    "circuit_now",
    "failure_news",
    "halt_news",
    "incident_news",
    "latest_body",
    "latest_failure",
    "letter_news",
    "open_letters",
    "run_now",
    "stale_news",
    "tops",
]


@dataclass(frozen=True)
class News:
    """One thing that happened, or ``number`` things alike. Texts are scrubbed already.

    ``event`` is ``failure``, ``halted``, ``dead_letters``, ``circuit_open``, ``opened``,
    ``regressed`` or ``stale``. ``at`` is the latest time, ``run`` the pk and fence that were read.
    """

    event: str
    at: float
    number: int = 1
    fingerprint: str | None = None
    run_id: str | None = None
    workflow: str | None = None
    step: str | None = None
    stage: str | None = None
    kind: str | None = None
    category: str | None = None
    severity: str | None = None
    type: str | None = None
    message: str | None = None
    reason: str | None = None
    resource: str | None = None
    quiet: float | None = None
    run: tuple[int, int] | None = None
    mark: str | None = None


@dataclass(frozen=True)
class RunNow:
    run_id: str
    workflow: str
    status: str
    held: bool


@dataclass(frozen=True)
class Tops:
    """The last primary keys, now."""

    failures: int
    letters: int
    events: int


def tops(store: Store) -> Tops:
    # many writers at once: a smaller key may be committed later
    rows = store.read_alone(
        "SELECT (SELECT coalesce(max(pk), 0) FROM failures), "
        "(SELECT coalesce(max(pk), 0) FROM dead_letters), "
        "(SELECT coalesce(max(pk), 0) FROM incident_events)"
    )
    return Tops(*rows[0])


def failure_news(store: Store, known: Reader, top: int, oldest: float) -> list[News]:
    """Failed attempts, those alike put together."""
    groups = store.read(
        "SELECT max(f.pk), max(f.at), count(*) FROM failures f JOIN runs r ON r.pk = f.run_pk "
        "WHERE f.pk > ? AND f.pk <= ? AND f.at >= ? "
        "GROUP BY f.fingerprint, r.workflow, f.step, f.stage, f.category, f.severity ORDER BY 1",
        (known.failures, top, oldest),
    )
    return [
        replace(_failure(store, pk), event="failure", at=at, number=number)
        for pk, at, number in groups
    ]


FAILURE = (
    "SELECT f.fingerprint, r.run_id, r.workflow, f.step, f.stage, f.kind, f.category, f.severity, "
    "f.type, f.message, f.reason, f.at FROM failures f JOIN runs r ON r.pk = f.run_pk "
)


def _failure(store: Store, pk: int) -> News:
    [row] = store.read(f"{FAILURE} WHERE f.pk = ?", (pk,))
    return _told(row)


def _told(row: Sequence[Any]) -> News:
    names = "fingerprint run_id workflow step stage kind category severity type message reason"
    return News("failure", row[-1], **dict(zip(names.split(), row)))


def latest_failure(
    store: Store, fingerprints: Sequence[str], run_id: str | None = None
) -> News | None:
    """The latest failure of these fingerprints."""
    marks = ", ".join("?" * len(fingerprints))
    of_run = "" if run_id is None else "AND r.run_id = ? "
    rows = store.read(
        f"{FAILURE} WHERE f.fingerprint IN ({marks}) {of_run}ORDER BY f.at DESC, f.pk DESC LIMIT 1",
        (*fingerprints, *(() if run_id is None else (run_id,))),
    )
    return _told(rows[0]) if rows else None


def latest_body(store: Store, fingerprints: Sequence[str]) -> News | None:
    """The latest run whose own code failed so, and no call of it."""
    rows = store.read(
        "SELECT b.fingerprint, r.run_id, r.workflow, NULL, NULL, i.kind, i.category, i.severity, "
        "i.type, i.message, NULL, b.at FROM body_failures b JOIN runs r ON r.pk = b.run_pk "
        "JOIN incidents i ON i.fingerprint = b.fingerprint "
        f"WHERE b.fingerprint IN ({', '.join('?' * len(fingerprints))}) ORDER BY b.at DESC LIMIT 1",
        tuple(fingerprints),
    )
    return _told(rows[0]) if rows else None


def letter_news(store: Store, known: Reader, top: int, oldest: float) -> list[News]:
    """Items that were set aside, those alike put together, and are not settled yet."""
    rows = store.read(
        "SELECT max(l.created_at), count(*), l.fingerprint, r.workflow, l.step, l.kind, "
        "max(r.run_id), max(l.reason) FROM dead_letters l JOIN runs r ON r.pk = l.run_pk "
        "WHERE l.pk > ? AND l.pk <= ? AND l.created_at >= ? AND l.state = 'open' "
        "GROUP BY l.fingerprint, r.workflow, l.step, l.kind ORDER BY max(l.pk)",
        (known.letters, top, oldest),
    )
    found = []
    for at, number, fingerprint, workflow, step, kind, run_id, reason in rows:
        failed = latest_failure(store, (fingerprint,)) or News("failure", at)
        found.append(
            replace(
                failed,
                event="dead_letters",
                at=at,
                number=number,
                fingerprint=fingerprint,
                workflow=workflow,
                step=step,
                kind=kind,
                run_id=run_id,
                reason=reason,
            )
        )
    return found


def open_letters(store: Store) -> list[tuple[str, str, str, int]]:
    """Workflow, step, kind, and how many of their items wait for a person."""
    rows = store.read(
        "SELECT r.workflow, l.step, l.kind, count(*) FROM dead_letters l "
        "JOIN runs r ON r.pk = l.run_pk WHERE l.state = 'open' GROUP BY 1, 2, 3"
    )
    return [(workflow, step, kind, number) for workflow, step, kind, number in rows]


def incident_news(store: Store, known: Reader, top: int, oldest: float) -> list[News]:
    """Incidents that were opened, or came back."""
    rows = store.read(
        "SELECT e.event, e.at, i.fingerprint, i.step, i.stage, i.kind, i.category, i.severity, i.type, "
        "i.message, i.quiet FROM incident_events e JOIN incidents i ON i.pk = e.incident_pk "
        "WHERE e.pk > ? AND e.pk <= ? AND e.at >= ? AND e.event IN ('opened', 'regressed') "
        "ORDER BY e.pk",
        (known.events, top, oldest),
    )
    found = []
    for (
        event,
        at,
        fingerprint,
        step,
        stage,
        kind,
        category,
        severity,
        type_,
        message,
        quiet,
    ) in rows:
        failed = latest_failure(store, (fingerprint,)) or latest_body(store, (fingerprint,))
        found.append(
            News(
                event,
                at,
                fingerprint=fingerprint,
                run_id=failed.run_id if failed is not None else None,
                workflow=failed.workflow if failed is not None else None,
                step=step or None,
                stage=stage,
                kind=kind,
                category=category,
                severity=severity,
                type=type_,
                message=failed.message if failed is not None else message,
                reason=failed.reason if failed is not None else None,
                quiet=quiet if event == "regressed" else None,
            )
        )
    return found


def halt_news(store: Store, oldest: float) -> list[News]:
    """Runs that a failure ended, which were not read yet; those that were rolled back then, too."""
    rows = store.read(
        "SELECT r.pk, r.fence, r.run_id, r.workflow, r.status, r.ended_at, r.error FROM runs r "
        "WHERE r.status IN ('halted', 'rolled_back') AND r.ended_at >= ? AND r.error IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM alert_runs a WHERE a.run_pk = r.pk AND a.what = 'halted' "
        # a rollback that a person ordered later is no second halt
        "AND (a.fence = r.fence OR r.status = 'rolled_back')) ORDER BY r.ended_at",
        (oldest,),
    )
    found = []
    for pk, fence, run_id, workflow, status, at, text in rows:
        error = _read(text)
        fingerprint = error.get("fingerprint") or f"halt:{run_id}"
        failed = latest_failure(store, (fingerprint,), run_id) or News("failure", at)
        reason = failed.reason
        if status == "rolled_back":
            reason = "its effects were rolled back" + (f"; {reason}" if reason else "")
        found.append(
            replace(
                failed,
                event="halted",
                at=at,
                fingerprint=fingerprint,
                run_id=run_id,
                workflow=workflow,
                kind=error.get("kind") or failed.kind,
                category=error.get("category") or failed.category,
                type=error.get("type") or failed.type,
                message=error.get("message") or failed.message,
                reason=reason,
                run=(pk, fence),
            )
        )
    return found


def _read(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def stale_news(store: Store, owner: Owner, now: float, oldest: float) -> list[News]:
    """Runs that go on nowhere: their process died, or its lease ran out on another host.

    :param owner: this process, which knows of its own runs.
    """
    rows = store.read(
        "SELECT r.pk, r.fence, r.run_id, r.workflow, r.started_at, r.owner, r.lease_until FROM runs r "
        "WHERE r.status IN ('running', 'rolling_back') "
        "AND (r.started_at >= ? OR r.lease_until >= ?) "
        "AND NOT EXISTS (SELECT 1 FROM alert_runs a WHERE a.run_pk = r.pk AND a.what = 'stale' "
        "AND a.fence = r.fence) ORDER BY r.started_at",
        (oldest, oldest),
    )
    found = []
    for pk, fence, run_id, workflow, started, dumped, lease in rows:
        if dumped is None or _holds(dumped, lease, owner, now):
            continue
        why = f"{Owner.parse(dumped)} died, or does not answer any more"
        found.append(
            News(
                "stale",
                max(started, lease or started),
                run_id=run_id,
                workflow=workflow,
                severity="error",
                reason=why,
                run=(pk, fence),
            )
        )
    return found


def _holds(dumped: str, lease: float | None, owner: Owner, now: float) -> bool:
    holder = Owner.parse(dumped)
    if holder == owner:
        return True
    alive = holder.alive()
    return bool(alive) or (alive is None and (lease or 0) > now)


def circuit_news(store: Store, oldest: float) -> list[News]:
    """Resources whose circuit is open. ``mark`` tells one opening from the next."""
    rows = store.read(
        "SELECT name, detail, updated_at FROM resources WHERE circuit = 'open' AND updated_at >= ? "
        "ORDER BY updated_at",
        (oldest,),
    )
    return [
        News("circuit_open", at, resource=name, severity="warning", mark=str(detail))
        for name, detail, at in rows
    ]


def circuit_now(store: Store, name: str) -> str | None:
    """The circuit of a resource: ``open``, ``closed``, or None if nothing was told of it."""
    rows = store.read("SELECT circuit FROM resources WHERE name = ?", (name,))
    return str(rows[0][0]) if rows else None


def run_now(store: Store, run_id: str, owner: Owner, now: float) -> RunNow | None:
    """How a run stands, and whether someone who lives holds it."""
    rows = store.read(
        "SELECT workflow, status, owner, lease_until FROM runs WHERE run_id = ?", (run_id,)
    )
    if not rows:
        return None
    workflow, status, dumped, lease = rows[0]
    held = dumped is not None and _holds(dumped, lease, owner, now)
    return RunNow(run_id, workflow, status, held)
