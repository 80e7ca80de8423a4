"""The parts of a postmortem from its fourth section on; see :mod:`.model`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Alert",
    "Breadcrumb",
    "Cause",
    "Change",
    "Changes",
    "Classified",
    "Decided",
    "Environment",
    "Evidence",
    "Frame",
    "Input",
    "Letters",
    "Link",
    "Note",
    "Recovery",
    "RunSeen",
    "Settled",
    "Similar",
    "StepDone",
    "Touched",
    "Undone",
]

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
