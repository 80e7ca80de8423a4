"""What happened, as frozen data. Upper layers listen: logs, progress, later metrics and alerts.

A listener that raises is warned about once and never breaks a run. Most are named tuples, which
import faster than dataclasses; those with an exception leave it out of comparing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .model import Classification

__all__ = [
    "AttemptFailed",
    "CallHalted",
    "CallSkipped",
    "Drifted",
    "Event",
    "ItemEnded",
    "MapEnded",
    "MapStarted",
    "Replayed",
    "RunEnded",
    "RunStarted",
    "Where",
]


class Where(NamedTuple):
    """Which call an event is about."""

    run_id: str | None
    step: str
    call_id: str
    attempt: int = 0
    item: int | None = None
    stage: str | None = None


class RunStarted(NamedTuple):
    run_id: str
    workflow: str
    resumed: bool


@dataclass(frozen=True)
class RunEnded:
    run_id: str
    workflow: str
    status: str
    error: BaseException | None = field(default=None, compare=False)


@dataclass(frozen=True)
class AttemptFailed:
    """An attempt failed and something is tried next. ``waits`` is seconds."""

    where: Where
    classification: Classification
    decision: str
    reason: str
    exception: BaseException = field(compare=False)
    waits: float | None = None


@dataclass(frozen=True)
class CallHalted:
    where: Where
    classification: Classification
    reason: str
    exception: BaseException = field(compare=False)


@dataclass(frozen=True)
class CallSkipped:
    where: Where
    classification: Classification
    reason: str
    exception: BaseException = field(compare=False)


class Replayed(NamedTuple):
    """A recorded call was used again. ``saved`` is its recorded duration in seconds."""

    where: Where
    saved: float


class Drifted(NamedTuple):
    """Something differs from the record, or cannot be trusted: worth a warning, no failure."""

    where: Where
    message: str


class MapStarted(NamedTuple):
    where: Where
    total: int | None


class ItemEnded(NamedTuple):
    where: Where
    status: str


class MapEnded(NamedTuple):
    where: Where
    counts: dict[str, Any]


Event = (
    RunStarted
    | RunEnded
    | AttemptFailed
    | CallHalted
    | CallSkipped
    | Replayed
    | Drifted
    | MapStarted
    | ItemEnded
    | MapEnded
)
