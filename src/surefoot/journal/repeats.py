"""What a postmortem reads across runs: where else a failure was seen, and other incidents.
Nothing here writes or locks. Times are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..store.base import Store
from .incident_reading import IncidentEvent
from .incidents import marks
from .records import FailureRecord, RunRecord, columns

__all__ = [
    "AlertRow",
    "SeenIn",
    "SimilarRow",
    "Totals",
    "alert_rows",
    "endings",
    "history_of",
    "latest_of",
    "run_of",
    "runs_with",
    "similar",
    "totals",
]


@dataclass(frozen=True)
class SimilarRow:
    """Another incident, as its own row tells of it."""

    number: int
    fingerprint: str
    kind: str
    step: str
    state: str
    failures: int
    last_at: float
    message: str


def similar(
    store: Store, kinds: Sequence[str], steps: Sequence[str], but: Sequence[str], limit: int
) -> list[SimilarRow]:
    """Other incidents of the same kind or step, the latest first.

    :param but: fingerprints of those that are none.
    """
    if not kinds and not steps:
        return []
    rows = store.read(
        "SELECT pk, fingerprint, kind, step, state, failures, last_at, message FROM incidents "
        f"WHERE merged_into IS NULL AND fingerprint NOT IN ({marks(but)}) "
        f"AND (kind IN ({marks(kinds)}) OR step IN ({marks(steps)})) "
        "ORDER BY last_at DESC, pk LIMIT ?",
        (*but, *kinds, *steps, limit),
    )
    return [SimilarRow(*row) for row in rows]


def history_of(store: Store, fingerprints: Sequence[str], limit: int) -> list[IncidentEvent]:
    """What people, and Surefoot itself, did about the incidents of these failures: the latest events,
    the first one first. Incidents that were merged count with what they were merged into."""
    rows = store.read(
        "SELECT incident_pk, at, event, author, note FROM incident_events WHERE incident_pk IN "
        "(SELECT coalesce(merged_into, pk) FROM incidents "
        f"WHERE fingerprint IN ({marks(fingerprints)})) ORDER BY at DESC, pk DESC LIMIT ?",
        (*fingerprints, limit),
    )
    return [IncidentEvent(*row) for row in reversed(rows)]


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


def runs_with(store: Store, fingerprints: Sequence[str], limit: int) -> list[SeenIn]:
    """The runs that had such failures, of their steps or of their own code, the latest first."""
    if not fingerprints:
        return []
    m = marks(fingerprints)
    rows = store.read(
        "SELECT r.pk, r.run_id, r.workflow, r.status, r.degraded, t.n, t.items, t.first, t.last, "
        "t.cost, r.resumes, (SELECT count(*) FROM dead_letters l WHERE l.run_pk = r.pk "
        f"AND l.state = 'open' AND l.fingerprint IN ({m})) FROM (SELECT run_pk, count(*) AS n, "
        "count(DISTINCT item) AS items, min(at) AS first, max(at) AS last, sum(cost) AS cost FROM ("
        "SELECT run_pk, CASE WHEN item IS NOT NULL THEN call_id END AS item, at, cost FROM failures "
        f"WHERE fingerprint IN ({m}) UNION ALL SELECT run_pk, NULL, at, 0 FROM body_failures "
        f"WHERE fingerprint IN ({m})) f GROUP BY run_pk) t JOIN runs r ON r.pk = t.run_pk "
        "ORDER BY t.last DESC, r.pk DESC LIMIT ?",
        (*fingerprints, *fingerprints, *fingerprints, limit),
    )
    return [SeenIn(*row) for row in rows]


def totals(store: Store, fingerprints: Sequence[str]) -> Totals:
    """:param fingerprints: at least one."""
    [row] = store.read(
        "SELECT count(*), count(DISTINCT run_pk), "
        "count(DISTINCT CASE WHEN item IS NOT NULL THEN run_pk || ':' || call_id END), min(at), "
        "max(at), coalesce(sum(cost), 0), coalesce(sum(tokens), 0) "
        f"FROM failures WHERE fingerprint IN ({marks(fingerprints)})",
        list(fingerprints),
    )
    return Totals(*row)


def endings(store: Store, fingerprints: Sequence[str]) -> dict[str, int]:
    """How the runs with such failures ended: their status, ``degraded`` for a completed one to which a
    fallback or a default helped."""
    rows = store.read(
        "SELECT CASE WHEN r.status = 'completed' AND r.degraded <> 0 THEN 'degraded' ELSE r.status END, "
        f"count(*) FROM (SELECT run_pk FROM failures WHERE fingerprint IN ({marks(fingerprints)}) "
        f"UNION SELECT run_pk FROM body_failures WHERE fingerprint IN ({marks(fingerprints)})) t "
        "JOIN runs r ON r.pk = t.run_pk GROUP BY 1",
        (*fingerprints, *fingerprints),
    )
    return dict(rows)


def latest_of(store: Store, fingerprints: Sequence[str]) -> FailureRecord | None:
    """The latest failure of these, whole."""
    names = columns(FailureRecord).replace("changes_kept,", "NULL,")
    rows = store.read(
        f"SELECT {names} FROM failures WHERE fingerprint IN ({marks(fingerprints)}) "
        "ORDER BY pk DESC LIMIT 1",
        list(fingerprints),
    )
    return FailureRecord(*rows[0]) if rows else None


@dataclass(frozen=True)
class AlertRow:
    """A message to a sink, or how many alerts were held back since the latest one."""

    at: float
    sink: str
    outcome: str
    text: str


OUTCOME = (
    "CASE state WHEN 'sent' THEN 'sent' WHEN 'merged' THEN 'held back: told in another message' "
    "WHEN 'held' THEN 'held back' || coalesce(': ' || why, '') "
    "WHEN 'failed' THEN 'not sent' || coalesce(': ' || why, '') ELSE 'waits to be sent' END"
)


def alert_rows(
    store: Store, run_id: str | None, fingerprints: Sequence[str], limit: int
) -> list[AlertRow]:
    """The latest alerts about a run, or about failures of these fingerprints, the first one
    first."""
    subjects = [*fingerprints, *([f"run:{run_id}"] if run_id is not None else [])]
    about = (
        f"subject IN ({marks(subjects)}) OR subject IN (SELECT r.fingerprint FROM incidents m "
        f"JOIN incidents r ON r.pk = m.merged_into WHERE m.fingerprint IN ({marks(fingerprints)}))"
    )
    rows = store.read(
        f"SELECT coalesce(sent_at, created_at), sink, {OUTCOME}, title FROM alert_messages "
        f"WHERE {about} UNION ALL SELECT told_at, sink, 'held back', held || ' more since then' "
        f"FROM alert_subjects WHERE held > 0 AND ({about}) ORDER BY 1 DESC LIMIT ?",
        (*subjects, *fingerprints, *subjects, *fingerprints, limit),
    )
    return [AlertRow(*row) for row in reversed(rows)]


def run_of(store: Store, pk: int) -> RunRecord:
    """A run by its row's number."""
    rows = store.read(f"SELECT {columns(RunRecord)} FROM runs WHERE pk = ?", (pk,))
    return RunRecord(*rows[0])
