"""Incidents as they are read: for the list, for one that is shown, for whoever tells of them.

Nothing here writes or locks. Times are seconds since the epoch, costs are US dollars.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import UsageError
from ..store.base import Store
from .incidents import marks
from .leases import Owner

__all__ = ["STATES", "Incident", "IncidentEvent", "RunTouched", "find_incident", "incidents"]

STATES = ("open", "acknowledged", "muted", "resolved")

WAITING = ("halted", "died", "interrupted", "rolling_back")
"""How calls ended whose runs wait for someone."""


@dataclass(frozen=True)
class IncidentEvent:
    """One line of an incident's history. ``author`` None: Surefoot itself. ``incident`` is another
    number than the incident's own where it came with one that was merged into it."""

    incident: int
    at: float
    event: str
    author: str | None
    note: str | None


@dataclass(frozen=True)
class RunTouched:
    """A run with such failures, and how it stands; ``died`` instead of running, where its process
    did."""

    run_id: str
    workflow: str
    status: str
    failures: int
    last_at: float


@dataclass(frozen=True)
class Incident:
    """All failures of one fingerprint, and of those that were merged into it.

    ``number`` is how people call it. ``step`` is empty for a workflow's own code. ``type`` and
    ``message`` are those of the first failure. ``failures`` are failed attempts; ``items`` are items
    of maps that had any. ``opened_at`` is its latest opening, ``regressions`` how often it came back
    after it had been resolved, ``quiet`` the seconds without a failure before the latest of these.

    ``ended`` counts calls (and runs whose own code failed) by how they ended: ``completed`` (after a
    retry), ``degraded``, ``resumed`` (completed when they were begun anew), ``replayed`` (a dead
    letter), ``set_aside``, ``discarded``, ``caught`` (by a workflow that completed), ``superseded``,
    ``running``, ``died``, and the status of a run that ended with them, as ``halted``.

    ``history``, ``last_runs`` and ``merged`` (number and fingerprint) are only read for one incident.
    """

    number: int
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
    runs: int = 0
    items: int = 0
    workflows: tuple[str, ...] = ()
    ended: Mapping[str, int] = field(default_factory=dict)
    open_letters: int = 0
    cost_wasted: float = 0.0
    tokens_wasted: int = 0
    resource: str | None = None
    merged: tuple[tuple[int, str], ...] = ()
    last_runs: tuple[RunTouched, ...] = ()
    history: tuple[IncidentEvent, ...] = ()

    @property
    def waiting(self) -> int:
        """Calls and runs that somebody must go on with."""
        return sum(self.ended.get(how, 0) for how in WAITING)

    @property
    def urgency(self) -> tuple[Any, ...]:
        """Sorts the most urgent first: what halted, then what was set aside, then what recovers by
        itself; what is muted after all that is not."""
        state = {"resolved": 2, "muted": 1}.get(self.state, 0)
        need = 0 if self.waiting else 1 if self.open_letters else 2
        severities = ("critical", "error", "warning", "info")
        severity = severities.index(self.severity) if self.severity in severities else 1
        return (state, need, self.state == "acknowledged", severity, -self.last_at, self.number)


COLUMNS = (
    "r.pk, r.fingerprint, r.kind, r.category, r.severity, r.step, r.stage, r.type, r.message, "
    "r.state, r.owner, r.first_at, r.last_at, r.failures, r.opened_at, r.muted_until, "
    "r.resolved_at, r.resolved_by, r.regressions, r.quiet, r.merged_into"
)


def incidents(
    store: Store,
    *,
    states: Sequence[str] = ("open", "acknowledged", "muted"),
    kind: str | None = None,
    category: str | None = None,
    step: str | None = None,
    workflow: str | None = None,
    run_pk: int | None = None,
    since: float | None = None,
    limit: int | None = None,
    now: float,
) -> list[Incident]:
    """Incidents, the most urgent first; those that were merged stand in what they were merged into.

    :param since: only those with a failure since then.
    """
    where = [f"r.merged_into IS NULL AND r.state IN ({marks(states)})"]
    given: list[Any] = [*states]
    if since is not None:
        where.append("r.last_at >= ?")
        given.append(since)
    member, of = [], list[Any]()
    for column, value in (("kind", kind), ("category", category), ("step", step)):
        if value is not None:
            member.append(f"m.{column} = ?")
            of.append(value)
    of_runs: tuple[tuple[str, Any], ...] = (("x.workflow = ?", workflow), ("x.pk = ?", run_pk))
    for condition, value in of_runs:
        if value is not None:
            member.append(
                f"(EXISTS (SELECT 1 FROM runs x JOIN failures f ON f.run_pk = x.pk WHERE {condition} "
                "AND f.fingerprint = m.fingerprint) OR EXISTS (SELECT 1 FROM runs x JOIN "
                f"body_failures b ON b.run_pk = x.pk WHERE {condition} "
                "AND b.fingerprint = m.fingerprint))"
            )
            of += [value, value]
    if member:
        where.append(
            "r.pk IN (SELECT coalesce(m.merged_into, m.pk) FROM incidents m "
            f"WHERE {' AND '.join(member)})"
        )
    rows = store.read(
        f"SELECT {COLUMNS} FROM incidents r WHERE {' AND '.join(where)} ORDER BY r.last_at DESC, r.pk",
        (*given, *of),
    )
    found = [Incident(*row) for row in rows]
    # a journal may hold thousands that are resolved: of these, only those that are told are counted
    live = [_with_outcome(store, one, now)[0] for one in found if one.state != "resolved"]
    live.sort(key=lambda one: one.urgency)
    over = [one for one in found if one.state == "resolved"]
    if limit is not None:
        live = live[:limit]
        over = over[: limit - len(live)]
    return live + [_with_outcome(store, one, now)[0] for one in over]


def find_incident(store: Store, name: str, now: float, *, most_runs: int = 10) -> Incident:
    """One incident with its history and its latest runs.

    :param name: its number, its fingerprint, or at least 8 characters that one fingerprint begins
        with.
    :raises UsageError: none has this name, or several; the message names the nearest.
    """
    found, fingerprints = _with_outcome(store, _named(store, name), now)
    merged = store.read(
        "SELECT pk, fingerprint FROM incidents WHERE merged_into = ? ORDER BY pk", (found.number,)
    )
    numbers = [found.number, *(row[0] for row in merged)]
    history = store.read(
        "SELECT incident_pk, at, event, author, note FROM incident_events "
        f"WHERE incident_pk IN ({marks(numbers)}) ORDER BY at, pk",
        numbers,
    )
    return replace(
        found,
        merged=tuple((row[0], row[1]) for row in merged),
        history=tuple(IncidentEvent(*row) for row in history),
        last_runs=_last_runs(store, fingerprints, now, most_runs),
    )


LEAST = 8
"""Characters of a fingerprint that are enough for a name."""


def _named(store: Store, name: str) -> Incident:
    select = f"SELECT {COLUMNS} FROM incidents r WHERE"
    if name.isdecimal() and name.isascii() and len(name) < 16:
        rows = store.read(f"{select} r.pk = ?", (int(name),))
    elif len(name) >= LEAST:
        rows = store.read(
            f"{select} substr(r.fingerprint, 1, ?) = ? ORDER BY r.pk", (len(name), name)
        )
    else:
        rows = []
    exact = [row for row in rows if row[1] == name]
    if len(exact or rows) == 1:
        return Incident(*(exact or rows)[0])
    if rows:
        several = ", ".join(f"{row[0]} ({row[1]})" for row in rows[:5])
        raise UsageError(f"{name!r} fits {len(rows)} incidents: {several}; name one by its number")
    raise UsageError(
        f"there is no incident {name!r} in {store.location}{_nearest(store, name)}; "
        "list them with: surefoot incidents list --state all"
    )


def _nearest(store: Store, name: str) -> str:
    """What was probably meant."""
    import difflib

    known = {row[1]: row[0] for row in store.read("SELECT pk, fingerprint FROM incidents")}
    if not known:
        return ", which has none yet"
    begin = [one for one in known if len(name) > 3 and one.startswith(name)]
    near = begin[:3] or difflib.get_close_matches(name, list(known), n=3, cutoff=0.7)
    if not near:
        hint = f"; a fingerprint is named by at least {LEAST} characters of it"
        return hint if not name.isdecimal() else ""
    return f"; near it are {', '.join(f'{known[one]} ({one})' for one in near)}"


# -- what an incident touched ---------------------------------------------------------------------

PER_CALL = (
    "SELECT run_pk, call_id, count(*) AS n, max(at) AS last, max(item) AS item, sum(cost) AS cost, "
    "sum(tokens) AS tokens FROM failures WHERE fingerprint IN (%s) GROUP BY run_pk, call_id"
)
# A call that was begun anew after its last such failure was resumed; one that only tried again kept
# the time of its start.
HOW = (
    "CASE WHEN c.status = 'completed' AND l.state = 'replayed' THEN 'replayed' "
    "WHEN c.status = 'completed' AND c.degraded IS NOT NULL THEN 'degraded' "
    "WHEN c.status = 'completed' AND c.started_at > t.last THEN 'resumed' "
    "WHEN c.status = 'completed' THEN 'completed' "
    "WHEN c.status = 'skipped' AND l.state = 'discarded' THEN 'discarded' "
    "WHEN c.status = 'skipped' THEN 'set_aside' "
    "WHEN c.status = 'superseded' THEN 'superseded' "
    "WHEN r.status = 'completed' THEN 'caught' ELSE r.status END"
)
LIVE = (
    "CASE WHEN r.status IN ('running', 'rolling_back') THEN r.owner END, "
    "CASE WHEN r.status IN ('running', 'rolling_back') THEN r.lease_until END"
)
ENDED = (
    f"SELECT {HOW}, {LIVE}, count(*), count(t.item), sum(t.cost), sum(t.tokens), max(c.resource) "
    f"FROM ({PER_CALL}) t JOIN runs r ON r.pk = t.run_pk "
    "LEFT JOIN calls c ON c.run_pk = t.run_pk AND c.call_id = t.call_id "
    "LEFT JOIN dead_letters l ON l.run_pk = t.run_pk AND l.call_id = t.call_id GROUP BY 1, 2, 3"
)
BODIES_ENDED = (
    f"SELECT CASE r.status WHEN 'completed' THEN 'resumed' ELSE r.status END, {LIVE}, "
    "count(DISTINCT b.run_pk) FROM body_failures b JOIN runs r ON r.pk = b.run_pk "
    "WHERE b.fingerprint IN (%s) GROUP BY 1, 2, 3"
)
RUNS = (
    "SELECT run_pk FROM failures WHERE fingerprint IN (%s) "
    "UNION SELECT run_pk FROM body_failures WHERE fingerprint IN (%s)"
)


def _with_outcome(store: Store, one: Incident, now: float) -> tuple[Incident, list[str]]:
    """The incident with all that it touched, and its fingerprints."""
    fingerprints = [
        row[0]
        for row in store.read(
            "SELECT fingerprint FROM incidents WHERE pk = ? OR merged_into = ?",
            (one.number, one.number),
        )
    ]
    m = marks(fingerprints)
    ended: Counter[str] = Counter()
    items, cost, tokens = 0, 0.0, 0
    resource: str | None = None
    for how, owner, until, calls, of_items, usd, of_tokens, named in store.read(
        ENDED % m, fingerprints
    ):
        ended[_alive(how, owner, until, now)] += calls
        items += of_items
        cost += usd
        tokens += of_tokens
        resource = resource or named
    for how, owner, until, runs in store.read(BODIES_ENDED % m, fingerprints):
        ended[_alive(how, owner, until, now)] += runs
    names = store.read(
        f"SELECT workflow, count(*) FROM runs WHERE pk IN ({RUNS % (m, m)}) "
        "GROUP BY workflow ORDER BY workflow",
        fingerprints * 2,
    )
    letters = store.read(
        "SELECT count(*) FROM dead_letters l JOIN runs r ON r.pk = l.run_pk "
        f"WHERE l.state = 'open' AND l.fingerprint IN ({m}) "
        "AND (r.status <> 'rolled_back' OR l.step LIKE '%.undo')",
        fingerprints,
    )
    told = replace(
        one,
        runs=sum(row[1] for row in names),
        items=items,
        workflows=tuple(row[0] for row in names),
        ended=dict(sorted(ended.items())),
        open_letters=letters[0][0],
        cost_wasted=round(cost, 9),
        tokens_wasted=tokens,
        resource=resource,
    )
    return told, fingerprints


def _alive(how: str, owner: str | None, until: float | None, now: float) -> str:
    """``died`` for what is running by its run's status, where its process did not live to say else."""
    if how not in ("running", "rolling_back"):
        return how
    if owner is None:
        return "died"
    alive = Owner.parse(owner).alive()
    lives = alive or (alive is None and (until or 0.0) > now)
    return how if lives else "died"


def _last_runs(
    store: Store, fingerprints: Sequence[str], now: float, most: int
) -> tuple[RunTouched, ...]:
    m = marks(fingerprints)
    rows = store.read(
        "SELECT r.run_id, r.workflow, r.status, count(*), max(t.at), r.owner, r.lease_until FROM ("
        f"SELECT run_pk, at FROM failures WHERE fingerprint IN ({m}) UNION ALL "
        f"SELECT run_pk, at FROM body_failures WHERE fingerprint IN ({m})) t "
        "JOIN runs r ON r.pk = t.run_pk GROUP BY r.pk ORDER BY max(t.at) DESC, r.pk DESC LIMIT ?",
        (*fingerprints, *fingerprints, most),
    )
    return tuple(
        RunTouched(run_id, workflow, _alive(status, owner, until, now), failures, last)
        for run_id, workflow, status, failures, last, owner, until in rows
    )
