"""What a postmortem reads of a run: counted in SQL, since a run may have 100,000 calls and 10,000
failures. Nothing here writes or locks. Times are seconds since the epoch, durations seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..store.base import Store
from .incidents import marks
from .records import FailureRecord, RunRecord, columns

__all__ = [
    "CallSpan",
    "FailureGroup",
    "StepGroup",
    "Trouble",
    "failure_groups",
    "failures_of_call",
    "halted_maps",
    "halting_failure",
    "latest_failures",
    "notes_of",
    "reasons_of",
    "step_groups",
    "trouble",
    "troubled_calls",
    "waiting_calls",
]


@dataclass(frozen=True)
class StepGroup:
    """The calls of one step in one status. ``reused`` are those that were there before the latest
    start, ``saved`` their durations; ``began`` and ``ended`` of the first and the last of them."""

    step: str
    form: str
    status: str
    stage: str | None
    resource: str | None
    calls: int
    items: int
    attempts: int
    again: int
    degraded: int
    reused: int
    saved: float
    duration: float
    cost: float
    began: float
    ended: float


def step_groups(store: Store, run: RunRecord) -> list[StepGroup]:
    """All calls of a run, counted by step and status, in the order in which the steps began."""
    reused = "status IN ('completed', 'skipped') AND started_at < ?"
    since = run.started_at if run.resumes else float("-inf")
    rows = store.read(
        "SELECT step, form, status, max(stage), max(resource), count(*), count(item), "
        "sum(attempts), count(CASE WHEN attempts > 1 THEN 1 END), "
        f"count(degraded), count(CASE WHEN {reused} THEN 1 END), "
        f"sum(CASE WHEN {reused} THEN coalesce(duration, 0) "
        "ELSE 0 END), sum(coalesce(duration, 0)), sum(cost), min(started_at), "
        "max(started_at + coalesce(duration, 0)) "
        "FROM calls WHERE run_pk = ? GROUP BY step, form, status ORDER BY min(seq)",
        (since, since, run.pk),
    )
    return [StepGroup(*row) for row in rows]


@dataclass(frozen=True)
class FailureGroup:
    """The failed attempts of one step with one fingerprint and one decision. ``last_pk`` is the
    latest of them; ``calls`` and ``items`` are how many it befell."""

    step: str
    fingerprint: str
    kind: str
    category: str
    severity: str
    rule: str
    type: str
    stage: str | None
    decision: str
    failures: int
    calls: int
    items: int
    first: float
    last: float
    waited: float
    cost: float
    tokens: int
    last_pk: int


def failure_groups(
    store: Store, run_pk: int | None = None, fingerprints: Sequence[str] = ()
) -> list[FailureGroup]:
    """Failed attempts, the most frequent first.

    :param run_pk: only of this run. :param fingerprints: only these.
    """
    where, given = _where(run_pk, fingerprints)
    rows = store.read(
        "SELECT step, fingerprint, max(kind), max(category), max(severity), max(rule), max(type), "
        "max(stage), decision, count(*), "
        "count(DISTINCT run_pk || ':' || call_id), "
        "count(DISTINCT CASE WHEN item IS NOT NULL THEN run_pk || ':' || call_id END), min(at), "
        "max(at), sum(coalesce(waited, 0)), sum(cost), sum(tokens), max(pk) "
        f"FROM failures WHERE {where} GROUP BY step, fingerprint, decision "
        "ORDER BY count(*) DESC, min(pk) LIMIT 500",
        given,
    )
    return [FailureGroup(*row) for row in rows]


def _where(run_pk: int | None, fingerprints: Sequence[str]) -> tuple[str, list[object]]:
    where, given = [], list[object]()
    if run_pk is not None:
        where.append("run_pk = ?")
        given.append(run_pk)
    if fingerprints:
        where.append(f"fingerprint IN ({', '.join('?' * len(fingerprints))})")
        given.extend(fingerprints)
    return " AND ".join(where) or "1 = 1", given


@dataclass(frozen=True)
class Trouble:
    """Calls of one step that had failures, and how they ended.

    ``how``: see :func:`trouble`. ``kind``, ``decision`` and ``via`` are of the last failure (``via``
    is the fallback). ``slowest`` is the longest time from a call's first failure to its end.
    """

    step: str
    kind: str
    how: str
    via: str | None
    is_item: int
    form: str
    calls: int
    failures: int
    attempts: int
    slowest: float | None
    first: float
    last: float
    cost: float
    last_pk: int


PER_CALL = (
    "SELECT call_id, count(*) AS n, min(at) AS first, max(at) AS last, max(pk) AS last_pk, "
    "sum(cost) AS lost FROM failures WHERE run_pk = ? GROUP BY call_id"
)
ENDED = 500
"""Calls behind a run's end that are looked at."""
HOW = (
    "CASE WHEN c.call_id IS NULL THEN 'lost' "
    "WHEN c.status = 'completed' AND c.note LIKE 'resolved by a person%' THEN 'resolved' "
    "WHEN c.status = 'completed' AND c.degraded = 'skipped' THEN 'default' "
    "WHEN c.status = 'completed' AND c.degraded IS NOT NULL THEN 'fallback' "
    "WHEN c.status = 'completed' AND c.note LIKE 'verified%' THEN 'verified' "
    "WHEN c.status = 'completed' AND l.decision = 'adapt' THEN 'adapted' "
    "WHEN c.status = 'completed' AND l.decision = 'skip' THEN 'replayed' "
    "WHEN c.status = 'completed' AND l.decision = 'halt' THEN 'resumed' "
    "WHEN c.status = 'completed' THEN 'retried' "
    "WHEN c.status = 'failed' AND c.note = 'split' THEN 'split' "
    "WHEN c.status = 'failed' AND c.ended_run = 0 AND c.call_id NOT IN (MARKS) THEN 'caught' "
    "ELSE c.status END"
)


def _some(ended: Sequence[str]) -> list[str]:
    """Those that are looked at; no call is named by an empty text."""
    return list(ended[:ENDED]) or [""]


def trouble(store: Store, run_pk: int, ended: Sequence[str] = ()) -> list[Trouble]:
    """The calls of a run that had failures, counted by step and by how they ended:

    ``retried``, ``adapted``, ``fallback``, ``default``, ``verified`` (it had happened), ``resumed``
    (after a halt), ``resolved`` (by a person), ``replayed`` (a letter), ``skipped``, ``failed`` (it
    ended the run), ``caught``, ``split``, ``running``, ``superseded``, ``lost`` (its row was never
    written).

    :param ended: the calls whose failures ended the run.
    """
    some = _some(ended)
    rows = store.read(
        f"WITH t AS ({PER_CALL}) "
        f"SELECT l.step, l.kind, {HOW.replace('MARKS', marks(some))} AS how, "
        "CASE WHEN c.status = 'completed' THEN c.degraded END AS via, "
        "max(CASE WHEN coalesce(c.item, l.item) IS NOT NULL THEN 1 ELSE 0 END), "
        "max(coalesce(c.form, '')), count(*), sum(t.n), "
        "max(coalesce(c.attempts, 0)), max(c.started_at + c.duration - t.first), min(t.first), "
        "max(t.last), sum(t.lost), max(t.last_pk) "
        "FROM t JOIN failures l ON l.pk = t.last_pk "
        "LEFT JOIN calls c ON c.run_pk = ? AND c.call_id = t.call_id "
        "GROUP BY l.step, how, l.kind, via ORDER BY min(t.first), min(t.last_pk) LIMIT 500",
        (run_pk, *some, run_pk),
    )
    return [Trouble(*row) for row in rows]


def halting_failure(store: Store, run_pk: int, ended: Sequence[str]) -> FailureRecord | None:
    """The failed attempt that halted a run; None where its own body raised, or a map did."""
    if not ended:
        return None
    some = _some(ended)
    rows = store.read(
        f"SELECT {columns(FailureRecord)} FROM failures WHERE run_pk = ? AND decision = 'halt' "
        f"AND call_id IN ({marks(some)}) ORDER BY pk DESC LIMIT 1",
        (run_pk, *some),
    )
    return FailureRecord(*rows[0]) if rows else None


def notes_of(store: Store, run_pk: int, ended: Sequence[str]) -> dict[str, str]:
    """What the failed calls that ended a run note, by step: ``in_doubt``, ``deadline_exceeded`` …"""
    some = _some(ended)
    rows = store.read(
        "SELECT step, note FROM calls WHERE run_pk = ? AND status = 'failed' AND note IS NOT NULL "
        f"AND call_id IN ({marks(some)}) ORDER BY seq",
        (run_pk, *some),
    )
    return dict(rows)


def halted_maps(store: Store, run_pk: int) -> dict[str, str]:
    """The maps that halted, by the name of their step, with what they counted."""
    rows = store.read(
        "SELECT step, coalesce(note, '') FROM calls WHERE run_pk = ? AND form = 'map' "
        "AND status = 'failed' ORDER BY seq",
        (run_pk,),
    )
    return {step.removesuffix(".map"): note for step, note in rows}


def reasons_of(
    store: Store, run_pk: int, step: str, fingerprint: str, decision: str, limit: int
) -> list[str]:
    """Why it was decided so, in the words of the decisions; each once."""
    rows = store.read(
        "SELECT reason FROM failures WHERE run_pk = ? AND step = ? AND fingerprint = ? "
        "AND decision = ? GROUP BY reason ORDER BY min(pk) LIMIT ?",
        (run_pk, step, fingerprint, decision, limit),
    )
    return [row[0] for row in rows]


@dataclass(frozen=True)
class CallSpan:
    """A call on the timeline. ``failures`` counts its failed attempts."""

    call_id: str
    step: str
    form: str
    status: str
    item: int | None
    item_id: str | None
    began: float
    duration: float | None
    attempts: int
    degraded: str | None
    failures: int


SPAN = (
    "coalesce(c.call_id, t.call_id) AS call_id, coalesce(c.step, l.step) AS step, "
    "coalesce(c.form, 'step') AS form, coalesce(c.status, 'lost') AS status, "
    "coalesce(c.item, l.item) AS item, c.item_id AS item_id, "
    "coalesce(c.started_at, t.first) AS began, c.duration AS duration, "
    "coalesce(c.attempts, t.n) AS attempts, c.degraded AS degraded"
)


def troubled_calls(store: Store, run_pk: int, limit: int) -> list[CallSpan]:
    """The calls with failures that matter most: what ended the run or goes on, then two of each step,
    then what failed most; in the order in which they began."""
    rows = store.read(
        f"WITH t AS ({PER_CALL}), f AS (SELECT {SPAN}, t.n AS failures, t.last_pk AS last_pk, "
        "(coalesce(c.status, 'running') = 'running') AS goes_on, (c.status = 'failed') AS ended, "
        "row_number() OVER (PARTITION BY l.step ORDER BY t.n DESC, t.last_pk) AS nth "
        "FROM t JOIN failures l ON l.pk = t.last_pk "
        "LEFT JOIN calls c ON c.run_pk = ? AND c.call_id = t.call_id) "
        f"SELECT {', '.join(CallSpan.__dataclass_fields__)} FROM f ORDER BY goes_on DESC, ended DESC, "
        "nth > 2, degraded IS NOT NULL DESC, failures DESC, last_pk LIMIT ?",
        (run_pk, run_pk, limit),
    )
    return sorted((CallSpan(*row) for row in rows), key=lambda one: one.began)


def waiting_calls(store: Store, run_pk: int, limit: int) -> list[CallSpan]:
    """Calls that have begun and not ended, without a failure; a map's own row is none."""
    rows = store.read(
        "SELECT call_id, step, form, status, item, item_id, started_at, duration, attempts, degraded, 0 "
        "FROM calls c WHERE run_pk = ? AND status = 'running' AND form != 'map' AND NOT EXISTS "
        "(SELECT 1 FROM failures f WHERE f.run_pk = c.run_pk AND f.call_id = c.call_id) "
        "ORDER BY seq LIMIT ?",
        (run_pk, limit),
    )
    return [CallSpan(*row) for row in rows]


def failures_of_call(store: Store, run_pk: int, call_id: str, limit: int) -> list[FailureRecord]:
    """The latest failed attempts of a call, the first one first; without stack and detail."""
    names = columns(FailureRecord).replace("stack,", "'',").replace("detail", "NULL")
    names = names.replace("changes_kept,", "NULL,")
    rows = store.read(
        f"SELECT {names} FROM failures WHERE run_pk = ? AND call_id = ? ORDER BY pk DESC LIMIT ?",
        (run_pk, call_id, limit),
    )
    return [FailureRecord(*row) for row in reversed(rows)]


def latest_failures(store: Store, pks: Sequence[int]) -> dict[int, FailureRecord]:
    """Whole records of failed attempts by their pk."""
    if not pks:
        return {}
    names = columns(FailureRecord).replace("changes_kept,", "NULL,")
    rows = store.read(
        f"SELECT {names} FROM failures WHERE pk IN ({', '.join('?' * len(pks))})", list(pks)
    )
    return {row[0]: FailureRecord(*row) for row in rows}
