"""What a postmortem reads across runs: where else a failure was seen, and the incidents' rows.
Nothing here writes or locks. Times are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..store.base import Store
from .records import FailureRecord, RunRecord, columns

__all__ = [
    "AlertRow",
    "EventRow",
    "IncidentRow",
    "SeenIn",
    "Totals",
    "alert_rows",
    "endings",
    "events_of",
    "find_incident",
    "fingerprints_of",
    "incidents_of",
    "latest_of",
    "run_of",
    "runs_with",
    "similar",
    "totals",
]


@dataclass(frozen=True)
class IncidentRow:
    """All failures of one fingerprint; the columns are the table's."""

    pk: int
    fingerprint: str
    kind: str
    category: str
    severity: str
    step: str
    stage: str | None
    type: str
    message: str
    state: str
    owner: str | None
    first_at: float
    last_at: float
    failures: int
    opened_at: float
    muted_until: float | None
    resolved_at: float | None
    resolved_by: str | None
    regressions: int
    quiet: float | None
    merged_into: int | None


def find_incident(store: Store, name: str) -> list[IncidentRow]:
    """The incidents that a number, a fingerprint or at least 8 characters of one name."""
    select = f"SELECT {columns(IncidentRow)} FROM incidents WHERE"
    number = name.removeprefix("#")
    if number.isdecimal() and number.isascii() and len(number) < 16:
        rows = store.read(f"{select} pk = ?", (int(number),))
    elif len(name) >= 8:
        # substr, not LIKE: a fingerprint of a user's own may hold % and _
        rows = store.read(
            f"{select} substr(fingerprint, 1, ?) = ? ORDER BY fingerprint != ?, pk LIMIT 20",
            (len(name), name, name),
        )
        rows = rows[:1] if rows and rows[0][1] == name else rows
    else:
        rows = []
    return [IncidentRow(*row) for row in rows]


def fingerprints_of(store: Store, incident: IncidentRow) -> list[str]:
    """Its own, and those of the incidents that were merged into it."""
    rows = store.read(
        "WITH RECURSIVE m(pk, fingerprint) AS (SELECT pk, fingerprint FROM incidents WHERE pk = ? "
        "UNION SELECT i.pk, i.fingerprint FROM incidents i JOIN m ON i.merged_into = m.pk) "
        "SELECT fingerprint FROM m LIMIT 200",
        (incident.pk,),
    )
    return [row[0] for row in rows]


def incidents_of(store: Store, fingerprints: Sequence[str]) -> list[IncidentRow]:
    """The incidents that failures of these fingerprints belong to, merged ones as what they were
    merged into."""
    if not fingerprints:
        return []
    marks = ", ".join("?" * len(fingerprints))
    rows = store.read(
        f"SELECT {columns(IncidentRow)} FROM incidents WHERE pk IN (SELECT coalesce(merged_into, pk) "
        f"FROM incidents WHERE fingerprint IN ({marks})) ORDER BY last_at DESC, pk",
        list(fingerprints),
    )
    return [IncidentRow(*row) for row in rows]


def similar(
    store: Store, kinds: Sequence[str], steps: Sequence[str], but: Sequence[str], limit: int
) -> list[IncidentRow]:
    """Other incidents of the same kind or step, the latest first."""
    if not kinds and not steps:
        return []
    rows = store.read(
        f"SELECT {columns(IncidentRow)} FROM incidents WHERE merged_into IS NULL "
        f"AND fingerprint NOT IN ({', '.join('?' * len(but))}) "
        f"AND (kind IN ({', '.join('?' * len(kinds))}) OR step IN ({', '.join('?' * len(steps))})) "
        "ORDER BY last_at DESC, pk LIMIT ?",
        (*but, *kinds, *steps, limit),
    )
    return [IncidentRow(*row) for row in rows]


@dataclass(frozen=True)
class EventRow:
    """What a person, or Surefoot itself (``author`` None), did about an incident."""

    incident_pk: int
    at: float
    event: str
    author: str | None
    note: str | None


def events_of(store: Store, pks: Sequence[int], limit: int) -> list[EventRow]:
    """The latest events of incidents, the first one first."""
    if not pks:
        return []
    rows = store.read(
        "SELECT incident_pk, at, event, author, note FROM incident_events "
        f"WHERE incident_pk IN ({', '.join('?' * len(pks))}) ORDER BY at DESC, pk DESC LIMIT ?",
        (*pks, limit),
    )
    return [EventRow(*row) for row in reversed(rows)]


# -- the same failure in other runs ---------------------------------------------------------------


@dataclass(frozen=True)
class SeenIn:
    """A run that had failures of some fingerprints."""

    run_pk: int
    run_id: str
    workflow: str
    status: str
    degraded: int
    failures: int
    items: int
    first: float
    last: float
    cost: float
    resumes: int
    letters: int


@dataclass(frozen=True)
class Totals:
    """All failures of some fingerprints, in whatever run."""

    failures: int
    runs: int
    items: int
    first: float | None
    last: float | None
    cost: float
    tokens: int


BODIES = "r.error LIKE '%\"fingerprint\": \"' || ? || '\"%'"
"""A run whose own body failed so: there is no failed attempt of it."""


def runs_with(store: Store, fingerprints: Sequence[str], limit: int) -> list[SeenIn]:
    """The runs that had such failures, the latest first."""
    if not fingerprints:
        return []
    marks = ", ".join("?" * len(fingerprints))
    letters = (
        "(SELECT count(*) FROM dead_letters l WHERE l.run_pk = r.pk AND l.state = 'open' "
        f"AND l.fingerprint IN ({marks}))"
    )
    rows = store.read(
        "SELECT r.pk, r.run_id, r.workflow, r.status, r.degraded, t.n, t.items, t.first, t.last, "
        f"t.cost, r.resumes, {letters} FROM (SELECT run_pk, count(*) AS n, "
        "count(DISTINCT CASE WHEN item IS NOT NULL THEN call_id END) AS items, min(at) AS first, "
        f"max(at) AS last, sum(cost) AS cost FROM failures WHERE fingerprint IN ({marks}) "
        "GROUP BY run_pk) t JOIN runs r ON r.pk = t.run_pk ORDER BY t.last DESC, r.pk DESC LIMIT ?",
        (*fingerprints, *fingerprints, limit),
    )
    found = [SeenIn(*row) for row in rows]
    known = {one.run_pk for one in found}
    for fingerprint in fingerprints[:20]:
        bodies = store.read(
            "SELECT r.pk, r.run_id, r.workflow, r.status, r.degraded, 1, 0, "
            "coalesce(r.ended_at, r.started_at), coalesce(r.ended_at, r.started_at), 0, r.resumes, 0 "
            f"FROM runs r WHERE r.error IS NOT NULL AND {BODIES} ORDER BY r.pk DESC LIMIT ?",
            (fingerprint, limit),
        )
        found += [SeenIn(*row) for row in bodies if row[0] not in known]
    return sorted(found, key=lambda one: (-one.last, -one.run_pk))[:limit]


def totals(store: Store, fingerprints: Sequence[str]) -> Totals:
    """:param fingerprints: at least one."""
    marks = ", ".join("?" * len(fingerprints))
    [row] = store.read(
        "SELECT count(*), count(DISTINCT run_pk), "
        "count(DISTINCT CASE WHEN item IS NOT NULL THEN run_pk || ':' || call_id END), min(at), "
        "max(at), coalesce(sum(cost), 0), coalesce(sum(tokens), 0) "
        f"FROM failures WHERE fingerprint IN ({marks})",
        list(fingerprints),
    )
    return Totals(*row)


def endings(store: Store, fingerprints: Sequence[str]) -> dict[str, int]:
    """How the runs with such failures ended: their status, ``degraded`` for a completed one to which a
    fallback or a default helped."""
    rows = store.read(
        "SELECT CASE WHEN r.status = 'completed' AND r.degraded THEN 'degraded' ELSE r.status END, "
        "count(*) FROM (SELECT DISTINCT run_pk FROM failures WHERE fingerprint IN "
        f"({', '.join('?' * len(fingerprints))})) t JOIN runs r ON r.pk = t.run_pk GROUP BY 1",
        list(fingerprints),
    )
    return dict(rows)


def latest_of(store: Store, fingerprints: Sequence[str]) -> FailureRecord | None:
    """The latest failure of these, whole."""
    names = columns(FailureRecord).replace("changes_kept,", "NULL,")
    rows = store.read(
        f"SELECT {names} FROM failures WHERE fingerprint IN ({', '.join('?' * len(fingerprints))}) "
        "ORDER BY pk DESC LIMIT 1",
        list(fingerprints),
    )
    return FailureRecord(*rows[0]) if rows else None


@dataclass(frozen=True)
class AlertRow:
    """An alert about some failures. ``outcome``: ``sent``, ``waiting`` or ``held back``."""

    at: float
    sink: str
    outcome: str
    text: str


def alert_rows(
    store: Store, run_id: str | None, fingerprints: Sequence[str], limit: int
) -> list[AlertRow]:
    """Alerts about a run, or about failures of these fingerprints; none where the journal has no
    table of alerts."""
    # WIRING: migration 0004_alerts.sql brings the table; read it here, in AlertRow's columns.
    return []


def run_of(store: Store, pk: int) -> RunRecord:
    """A run by its row's number."""
    rows = store.read(f"SELECT {columns(RunRecord)} FROM runs WHERE pk = ?", (pk,))
    return RunRecord(*rows[0])
