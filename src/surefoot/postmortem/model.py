"""A postmortem as plain data: what each page is written from, and what ``--json`` gives.

Fields named ``at``, or ending in ``_at``, are seconds since the epoch (ISO 8601 in JSON); ``seconds``
and fields ending in ``_seconds`` are durations; costs are US dollars. All text is scrubbed by the time
a :class:`Postmortem` exists. The sections stand in the order in which a person on call reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

from .parts import (
    Alert,
    Breadcrumb,
    Cause,
    Change,
    Changes,
    Classified,
    Decided,
    Environment,
    Evidence,
    Frame,
    Input,
    Letters,
    Link,
    Note,
    Recovery,
    RunSeen,
    Settled,
    Similar,
    StepDone,
    Touched,
    Undone,
)

__all__ = [
    "SCHEMA",
    "About",
    "Alert",
    "Bar",
    "Breadcrumb",
    "Cause",
    "Change",
    "Changes",
    "Classified",
    "Data",
    "Decided",
    "Doubt",
    "Environment",
    "Evidence",
    "Frame",
    "Incident",
    "Input",
    "Lane",
    "Letters",
    "Link",
    "Mark",
    "Note",
    "Now",
    "Postmortem",
    "Recovery",
    "RunSeen",
    "Settled",
    "Similar",
    "StepDone",
    "Summary",
    "Timeline",
    "ToDo",
    "Touched",
    "Undone",
]

SCHEMA = 1
"""Of the JSON document. Fields may be added under one number; it changes where one goes or means
something else."""


@dataclass(frozen=True)
class Incident:
    """All failures of one fingerprint. ``quiet_seconds`` passed without one before the latest
    regression."""

    number: int
    fingerprint: str
    state: str
    owner: str | None
    kind: str
    step: str
    severity: str
    first_at: float
    last_at: float
    failures: int
    regressions: int
    quiet_seconds: float | None
    muted_until_at: float | None
    resolved_at: float | None
    resolved_by: str | None
    merged: tuple[str, ...]
    """Fingerprints of the incidents that were merged into it."""


@dataclass(frozen=True)
class About:
    """``what`` is ``run`` or ``incident``; of an incident the run is its latest one."""

    what: str
    run_id: str | None
    workflow: str | None
    status: str | None
    degraded: bool
    began_at: float | None
    started_at: float | None
    ended_at: float | None
    seconds: float | None
    input: str | None
    """A preview, as JSON."""
    journal: str
    made_at: float
    incident: Incident | None


# -- 1 and 2: what happened, and what now ---------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """``level`` is ``fine``, ``look`` (someone should look when there is time) or ``act``."""

    sentence: str
    level: str


@dataclass(frozen=True)
class Doubt:
    """An effect of which nobody knows whether it happened. ``run_id`` is the run whose claim it is."""

    effect: str
    key: str
    began_at: float
    run_id: str


@dataclass(frozen=True)
class Data:
    """``safe`` is False where something may be done twice, half done, or lost."""

    safe: bool
    words: tuple[str, ...]
    results_kept: int
    effects_done: int
    effects_in_doubt: int
    doubts: tuple[Doubt, ...]
    effects_undone: int
    effects_not_undone: int
    letters_open: int
    letters_without_input: int


@dataclass(frozen=True)
class ToDo:
    """``command`` is one line to paste; ``first`` is what a person does before it, ``effect`` what it
    will do. ``action`` is what the catalog says a person does about this kind."""

    needed: bool
    words: str
    command: str | None
    first: str | None
    effect: str | None
    action: str | None


@dataclass(frozen=True)
class Now:
    """``happening`` is ``no``, ``running``, ``waiting`` (it stands still) or ``elsewhere`` (other runs
    fail so)."""

    happening: str
    happening_words: tuple[str, ...]
    data: Data
    to_do: ToDo


# -- 3: the timeline ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """``kind`` is ``ok``, ``failed``, ``degraded``, ``skipped``, ``running``, ``wait``, ``undone`` or
    ``many`` (several calls)."""

    kind: str
    began_at: float
    ended_at: float
    attempt: int | None
    words: str


@dataclass(frozen=True)
class Lane:
    """One call, or ``calls`` of them together."""

    label: str
    step: str
    call_id: str | None
    item: int | None
    item_id: str | None
    status: str
    calls: int
    failures: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Mark:
    """``kind`` is ``began``, ``resumed``, ``died``, ``ended`` or ``now``."""

    kind: str
    at: float
    words: str


@dataclass(frozen=True)
class Timeline:
    began_at: float
    ended_at: float
    lanes: tuple[Lane, ...]
    marks: tuple[Mark, ...]
    left_out: str | None
    """What is counted only."""


@dataclass(frozen=True)
class Postmortem:
    about: About
    summary: Summary
    now: Now
    timeline: Timeline | None
    classified: tuple[Classified, ...]
    causes: tuple[Cause, ...]
    touched: Touched
    recovery: Recovery | None
    changes: Changes
    alerts: tuple[Alert, ...]
    notes: tuple[Note, ...]
