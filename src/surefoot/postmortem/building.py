"""Reads the journal into a :class:`~surefoot.postmortem.model.Postmortem`; nothing else does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import UnknownRun, UsageError
from ..journal import Journal, RunRecord, incident_reading, repeats
from ..journal.incident_reading import Incident as Found
from ..journal.incident_reading import IncidentEvent
from ..journal.repeats import SeenIn
from ..model import Kind
from . import incident as told_of
from .facts import Facts
from .model import (
    About,
    Alert,
    Changes,
    Data,
    Note,
    Now,
    Postmortem,
    ToDo,
)
from .reach import changes_of, preview, recovery_of, similar_to, touched_of
from .sentence import summary
from .times import timeline_of
from .verdict import now_of
from .why import cause_of, causes_of, classified_of

__all__ = ["each_text", "postmortem_of"]

SEEN = 50
"""Runs with the same failures that are looked at, the latest first."""
NOTES = 50
ALERTS = 50


def postmortem_of(
    journal: Journal,
    name: str,
    *,
    kinds: Mapping[str, Kind],
    scrub: Callable[[Any], Any],
    scrub_text: Callable[[str], str],
    journal_option: str | None = None,
) -> Postmortem:
    """The postmortem of a run or an incident.

    :param name: a run's id, else an incident's number or fingerprint (or 8 characters of it).
    :param kinds: the catalog's kinds by id.
    :param scrub, scrub_text: the one way out for values and texts.
    :param journal_option: how the journal was named, for the commands that are recommended.
    :raises UnknownRun: there is neither. :raises UsageError: it fits several incidents.
    """
    now = journal.clock.now()

    def facts_of(run: RunRecord) -> Facts:
        return Facts(journal, run, kinds, now, scrub, journal_option)

    found = _find(journal, name)
    if isinstance(found, RunRecord):
        made = _of_run(facts_of(found))
    else:
        made = _of_incident(journal, found, facts_of, journal_option, now)
    return _clean(made, scrub_text)


def _find(journal: Journal, name: str) -> RunRecord | Found:
    try:
        return journal.run(name)
    except UnknownRun:
        pass
    try:
        named = name.removeprefix("#")
        return incident_reading.find_incident(journal.store, named, journal.clock.now())
    except UsageError as exc:
        if " fits " in str(exc):
            raise
        raise UnknownRun(
            f"there is no run {name!r} in the journal {journal.store.location}, and no incident of "
            "this number or fingerprint; list them with: surefoot runs, surefoot incidents list"
        ) from exc


# -- a run ----------------------------------------------------------------------------------------


def _of_run(facts: Facts) -> Postmortem:
    store = facts.journal.store
    seen = repeats.runs_with(store, facts.fingerprints, SEEN)
    return Postmortem(
        about=_about(facts, "run", None),
        summary=summary(facts),
        now=now_of(facts, seen),
        timeline=timeline_of(facts),
        classified=classified_of(facts),
        causes=causes_of(facts),
        touched=touched_of(facts, seen),
        recovery=recovery_of(facts),
        changes=changes_of(facts),
        alerts=_alerts(facts.journal, facts.run.run_id, facts.fingerprints),
        notes=_notes(repeats.history_of(store, facts.fingerprints, NOTES)),
    )


def _about(facts: Facts, what: str, row: Found | None) -> About:
    run = facts.run
    return About(
        what=what,
        run_id=run.run_id,
        workflow=run.workflow,
        status=run.status,
        degraded=bool(run.degraded),
        began_at=run.created_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        seconds=facts.seconds,
        input=preview(facts),
        journal=facts.journal.store.location,
        made_at=facts.now,
        incident=told_of.incident_of(row) if row is not None else None,
    )


def _alerts(journal: Journal, run_id: str | None, fingerprints: Sequence[str]) -> tuple[Alert, ...]:
    rows = repeats.alert_rows(journal.store, run_id, fingerprints, ALERTS)
    return tuple(Alert(one.at, one.sink, one.outcome, one.text) for one in rows)


def _notes(events: Sequence[IncidentEvent]) -> tuple[Note, ...]:
    return tuple(Note(one.at, one.incident, one.event, one.author, one.note) for one in events)


# -- an incident ----------------------------------------------------------------------------------


def _of_incident(
    journal: Journal,
    row: Found,
    facts_of: Callable[[RunRecord], Facts],
    journal_option: str | None,
    now: float,
) -> Postmortem:
    store = journal.store
    fingerprints = [row.fingerprint, *(one for _, one in row.merged)]
    seen = repeats.runs_with(store, fingerprints, SEEN)
    endings = repeats.endings(store, fingerprints)
    facts = facts_of(repeats.run_of(store, seen[0].run_pk)) if seen else None
    waits = _waiting(journal, seen, facts_of)
    alerts = _alerts(journal, None, fingerprints)
    notes = _notes(row.history[-NOTES:])
    head = told_of.summary_in(row, seen, endings, facts, now)
    if facts is None:
        return _without_runs(journal, row, fingerprints, now, head, alerts, notes)
    state = told_of.now_in(row, fingerprints, seen, facts, waits, journal_option, now)
    assert state is not None
    changes = changes_of(facts)
    steps = [row.step] if row.step else []
    return Postmortem(
        about=_about(facts, "incident", row),
        summary=head,
        now=state,
        timeline=timeline_of(facts),
        classified=told_of.classified_in(facts, fingerprints, classified_of(facts)),
        causes=_causes(facts, fingerprints),
        touched=told_of.touched_in(row, fingerprints, seen, facts),
        recovery=recovery_of(facts),
        changes=dataclasses.replace(
            changes, similar=similar_to(facts, [row.kind], steps, fingerprints)
        ),
        alerts=alerts,
        notes=notes,
    )


def _waiting(
    journal: Journal, seen: Sequence[SeenIn], facts_of: Callable[[RunRecord], Facts]
) -> Facts | None:
    """The latest run that needs somebody; else the latest that goes on."""
    found = [
        facts_of(repeats.run_of(journal.store, one.run_pk)) for one in told_of.outstanding(seen)
    ]
    for one in found:
        if one.run.status in ("halted", "interrupted") or one.died:
            return one
    return found[0] if found else None


def _causes(facts: Facts, fingerprints: Sequence[str]) -> Any:
    """The latest failure of all; of a workflow's own code, what its run says."""
    latest = repeats.latest_of(facts.journal.store, fingerprints)
    if latest is not None:
        return (cause_of(facts.journal.store, latest, facts.run.versions),)
    return tuple(one for one in causes_of(facts) if one.fingerprint in fingerprints)


def _without_runs(
    journal: Journal,
    row: Found,
    fingerprints: Sequence[str],
    now: float,
    head: Any,
    alerts: tuple[Alert, ...],
    notes: tuple[Note, ...],
) -> Postmortem:
    """Its runs are gone from the journal: what the incident's own row says."""
    about = About(
        what="incident",
        run_id=None,
        workflow=None,
        status=None,
        degraded=False,
        began_at=None,
        started_at=None,
        ended_at=None,
        seconds=None,
        input=None,
        journal=journal.store.location,
        made_at=now,
        incident=told_of.incident_of(row),
    )
    gone = "The journal has no run of it any more."
    data = Data(True, (gone,), 0, 0, 0, (), 0, 0, 0, 0)
    return Postmortem(
        about=about,
        summary=head,
        now=Now("no", (gone,), data, ToDo(False, "Nothing.", None, None, None, None)),
        timeline=None,
        classified=(),
        causes=(),
        touched=told_of.touched_in(row, fingerprints, (), None),
        recovery=None,
        changes=Changes(None, None, (), (), (), ()),
        alerts=alerts,
        notes=notes,
    )


# -- the way out ----------------------------------------------------------------------------------


def _clean(made: Postmortem, scrub_text: Callable[[str], str]) -> Postmortem:
    """The same with every text scrubbed. What cannot be scrubbed is dropped."""
    known: dict[str, str] = {}

    def text(value: str) -> str:
        if value not in known:
            try:
                known[value] = scrub_text(value)
            except Exception:
                known[value] = "[dropped]"
        return known[value]

    return each_text(made, text)


def each_text(made: Postmortem, change: Callable[[str], str]) -> Postmortem:
    """The same with every text changed by ``change``."""

    def at(value: Any) -> Any:
        if isinstance(value, str):
            return change(value)
        if isinstance(value, tuple):
            return tuple(at(one) for one in value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            return type(value)(**{name: at(getattr(value, name)) for name in names})
        return value if isinstance(value, (bool, int, float, type(None))) else change(str(value))

    cleaned: Postmortem = at(made)
    return cleaned
