"""A postmortem as plain data: what each page is written from, and what ``--json`` gives.

Fields named ``at``, or ending in ``_at``, are seconds since the epoch (ISO 8601 in JSON); ``seconds``
and fields ending in ``_seconds`` are durations; costs are US dollars. All text is scrubbed by the time
a :class:`Postmortem` exists. The sections stand in the order in which a person on call reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

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


# -- 4 and 5: why ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evidence:
    what: str
    value: str


@dataclass(frozen=True)
class Decided:
    """What was decided ``failures`` times, and for which ``reasons`` (a few of them)."""

    decision: str
    words: str
    failures: int
    waited_seconds: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Classified:
    """Failures of one step with one fingerprint: what they were taken for, and what was done."""

    step: str
    stage: str | None
    fingerprint: str
    kind: str
    category: str
    title: str | None
    meaning: str | None
    recoverable: bool | None
    retryable: bool | None
    outcome: str | None
    retry_after_seconds: float | None
    rule: str
    evidence: tuple[Evidence, ...]
    ladder: tuple[str, ...]
    failures: int
    calls: int
    decided: tuple[Decided, ...]


@dataclass(frozen=True)
class Frame:
    """``own``: the user's code, neither Python's nor a library's."""

    file: str
    line: int | None
    module: str | None
    function: str
    code: str
    own: bool


@dataclass(frozen=True)
class Link:
    """An exception behind the one raised: its ``cause``, its ``context``, or a ``member`` of it."""

    how: str
    type: str
    message: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Input:
    name: str
    type: str
    preview: str
    size: int | None
    digest: str | None


@dataclass(frozen=True)
class Breadcrumb:
    at: float | None
    level: str
    logger: str
    message: str


@dataclass(frozen=True)
class Environment:
    """Where it ran. What an older Surefoot did not record is None, or empty."""

    host: str | None
    pid: int | None
    python: str | None
    platform: str | None
    surefoot: str | None
    packages: tuple[tuple[str, str], ...]
    git_commit: str | None
    git_branch: str | None
    cwd: str | None
    argv: str | None


@dataclass(frozen=True)
class Cause:
    """The latest failure of one step with one fingerprint. ``frames`` are the user's own ones first;
    ``stack`` is the traceback as Python prints it, cut."""

    step: str
    kind: str
    fingerprint: str
    type: str
    message: str
    at: float
    attempt: int | None
    item: int | None
    frames: tuple[Frame, ...]
    causes: tuple[Link, ...]
    stack: str
    notes: tuple[str, ...]
    inputs: tuple[Input, ...]
    breadcrumbs: tuple[Breadcrumb, ...]
    resource: str | None
    thread: str | None
    task: str | None
    code: str | None
    locals: tuple[tuple[str, str], ...]
    environment: Environment | None


# -- 6 and 7: what it touched, and the proof ------------------------------------------------------


@dataclass(frozen=True)
class RunSeen:
    """A run with the same failures, and how it ended."""

    run_id: str
    workflow: str
    status: str
    words: str
    failures: int
    items: int
    first_at: float
    last_at: float


@dataclass(frozen=True)
class Touched:
    """``failures``, ``items`` and costs are of this run, or of all runs of an incident; ``runs`` are
    all runs with the same fingerprints, the latest first, ``runs_total`` of them."""

    failures: int
    calls: int
    items: int
    steps: tuple[str, ...]
    resources: tuple[str, ...]
    cost_wasted: float
    tokens_wasted: int
    cost: float
    runs_total: int
    failures_elsewhere: int
    runs: tuple[RunSeen, ...]


@dataclass(frozen=True)
class StepDone:
    """What became of a step's calls. ``reused`` results were taken as they were by the latest resume,
    ``run_now`` were made since."""

    step: str
    form: str
    calls: int
    completed: int
    failed: int
    set_aside: int
    running: int
    superseded: int
    degraded: int
    again: int
    reused: int
    run_now: int
    seconds: float
    cost: float


@dataclass(frozen=True)
class Undone:
    """What a rollback did about an effect: ``done``, ``failed``, ``in_doubt`` or ``kept``."""

    effect: str
    key: str
    state: str
    at: float
    detail: str | None


@dataclass(frozen=True)
class Settled:
    """An effect that was in doubt: ``done``, ``not_done`` or ``skipped``, as a person said."""

    effect: str
    key: str
    how: str
    at: float


@dataclass(frozen=True)
class Letters:
    step: str
    kind: str
    state: str
    letters: int
    with_input: int


@dataclass(frozen=True)
class Recovery:
    """``seconds`` is the longest time from a call's first failure to its result; None where none
    recovered."""

    recovered: int
    seconds: float | None
    resumes: int
    reused: int
    saved_seconds: float
    cost_saved: float
    verified: int
    """Effects whose verify found that they had happened."""
    steps: tuple[StepDone, ...]
    undone: tuple[Undone, ...]
    settled: tuple[Settled, ...]
    letters: tuple[Letters, ...]


# -- 8, 9, 10 -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """``before`` or ``now`` is None where it was, or is, not there."""

    what: str
    before: str | None
    now: str | None


@dataclass(frozen=True)
class Similar:
    number: int
    fingerprint: str
    kind: str
    step: str
    state: str
    failures: int
    last_at: float
    message: str


@dataclass(frozen=True)
class Changes:
    """``run_id`` is the latest completed run of the workflow before this one; None where there is
    none. ``same`` and ``unknown`` say what does not differ, and what was not recorded."""

    run_id: str | None
    began_at: float | None
    changes: tuple[Change, ...]
    same: tuple[str, ...]
    unknown: tuple[str, ...]
    similar: tuple[Similar, ...]


@dataclass(frozen=True)
class Alert:
    """``outcome`` says whether it was sent, waits, or was held back."""

    at: float
    sink: str
    outcome: str
    text: str


@dataclass(frozen=True)
class Note:
    """What a person (``author`` None: Surefoot itself) did about an incident, or wrote."""

    at: float
    incident: int
    event: str
    author: str | None
    note: str | None


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
