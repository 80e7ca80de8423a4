"""What the journal has seen of one workflow: its steps, their failures by kind, and how they ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..store.base import Store

__all__ = ["SeenCalls", "SeenKind", "SeenRuns", "calls_seen", "failures_seen", "runs_seen"]


class SeenRuns(NamedTuple):
    """How often a workflow ran, and when last (seconds since the epoch; None: never)."""

    number: int
    last: float | None


class SeenCalls(NamedTuple):
    """The calls of one step in all runs of a workflow."""

    step: str
    form: str
    stage: str | None
    resource: str | None
    calls: int
    last: float


class SeenKind(NamedTuple):
    """One kind of failure at one step.

    ``times`` are failed attempts, ``halted`` those that the ladder could do no more about, ``last``
    is seconds since the epoch. ``ended`` says how the calls with such a failure ended: by status, or
    ``degraded`` where a fallback gave the result.
    """

    step: str
    kind: str
    category: str
    times: int
    runs: int
    last: float
    halted: int
    ended: Mapping[str, int]


def runs_seen(store: Store, workflow: str) -> SeenRuns:
    rows = store.read("SELECT COUNT(*), MAX(started_at) FROM runs WHERE workflow = ?", (workflow,))
    return SeenRuns(*rows[0])


def calls_seen(store: Store, workflow: str) -> list[SeenCalls]:
    """Each step that the workflow's runs called, in the order in which they were first called."""
    rows = store.read(
        "SELECT c.step, MAX(c.form), MAX(c.stage), MAX(c.resource), COUNT(*), MAX(c.started_at) "
        "FROM calls c JOIN runs r ON r.pk = c.run_pk "
        "WHERE r.workflow = ? AND c.form <> 'map' GROUP BY c.step ORDER BY MIN(c.seq)",
        (workflow,),
    )
    return [SeenCalls(*row) for row in rows]


def failures_seen(store: Store, workflow: str) -> list[SeenKind]:
    """Each kind of failure at each step of the workflow's runs, the most frequent first."""
    ended: dict[tuple[str, str], dict[str, int]] = {}
    for step, kind, how, calls in store.read(
        "SELECT f.step, f.kind, CASE WHEN c.degraded IS NOT NULL THEN 'degraded' ELSE c.status END, "
        "COUNT(*) FROM (SELECT DISTINCT step, kind, run_pk, call_id FROM failures) f "
        "JOIN calls c ON c.run_pk = f.run_pk AND c.call_id = f.call_id "
        "JOIN runs r ON r.pk = f.run_pk WHERE r.workflow = ? GROUP BY 1, 2, 3 ORDER BY 4 DESC",
        (workflow,),
    ):
        ended.setdefault((step, kind), {})[how] = calls
    rows = store.read(
        "SELECT f.step, f.kind, MAX(f.category), COUNT(*), COUNT(DISTINCT f.run_pk), MAX(f.at), "
        "SUM(CASE f.decision WHEN 'halt' THEN 1 ELSE 0 END) "
        "FROM failures f JOIN runs r ON r.pk = f.run_pk "
        "WHERE r.workflow = ? GROUP BY f.step, f.kind ORDER BY 4 DESC, f.step, f.kind",
        (workflow,),
    )
    return [
        SeenKind(step, kind, category, times, runs, last, halted, ended.get((step, kind), {}))
        for step, kind, category, times, runs, last, halted in rows
    ]
