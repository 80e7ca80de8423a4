"""What the journal holds, as it is read back. Times are seconds since the epoch."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = [
    "CallRecord",
    "DeadLetterRecord",
    "FailureRecord",
    "ProcessRecord",
    "RunRecord",
    "columns",
]


class RunRecord(NamedTuple):
    pk: int
    run_id: str
    workflow: str
    target: str | None
    status: str
    input: bytes
    input_digest: str
    format: str | None
    result: bytes | None
    result_digest: str | None
    degraded: int
    created_at: float
    started_at: float
    ended_at: float | None
    error: str | None
    fence: int
    owner: str | None
    lease_until: float | None
    takeovers: int
    takeover_mark: int
    resumes: int
    cancel_requested: int
    reused: int
    time_saved: float
    versions: str
    cost_saved: float
    parent_pk: int | None
    origin: str | None


class CallRecord:
    """One call, without its result, which is read only when it is asked for."""

    __slots__ = (
        "attempts",
        "call_id",
        "cost",
        "degraded",
        "digest",
        "duration",
        "effect_key",
        "ended_run",
        "form",
        "has_checkpoint",
        "item",
        "item_id",
        "note",
        "ordinal",
        "overlapped",
        "parts",
        "repeat",
        "resource",
        "scope",
        "seq",
        "source",
        "stage",
        "started_at",
        "status",
        "step",
        "taken_from",
    )

    seq: int
    call_id: str
    scope: str
    step: str
    form: str
    stage: str | None
    resource: str | None
    ordinal: int
    repeat: int
    parts: str | None
    item: int | None
    item_id: str | None
    effect_key: str | None
    status: str
    attempts: int
    started_at: float
    duration: float | None
    has_checkpoint: int
    degraded: str | None
    source: str | None
    overlapped: int
    ended_run: int
    taken_from: str | None
    note: str | None
    cost: float
    digest: str | None
    """Only where the call is told apart by its ``item_id``."""

    COLUMNS = (
        "seq, call_id, scope, step, form, stage, resource, ordinal, repeat, parts, item, item_id, "
        "effect_key, status, attempts, started_at, duration, format IS NOT NULL, degraded, source, "
        "overlapped, ended_run, taken_from, note, cost, CASE WHEN item_id IS NOT NULL THEN digest END"
    )

    def __init__(self, row: tuple[Any, ...]) -> None:
        (
            self.seq,
            self.call_id,
            self.scope,
            self.step,
            self.form,
            self.stage,
            self.resource,
            self.ordinal,
            self.repeat,
            self.parts,
            self.item,
            self.item_id,
            self.effect_key,
            self.status,
            self.attempts,
            self.started_at,
            self.duration,
            self.has_checkpoint,
            self.degraded,
            self.source,
            self.overlapped,
            self.ended_run,
            self.taken_from,
            self.note,
            self.cost,
            self.digest,
        ) = row


class FailureRecord(NamedTuple):
    pk: int
    run_pk: int | None
    call_id: str
    step: str
    stage: str | None
    item: int | None
    attempt: int
    at: float
    kind: str
    category: str
    severity: str
    rule: str
    fingerprint: str
    type: str
    message: str
    stack: str
    classification: str
    decision: str
    reason: str
    waited: float | None
    changes: str | None
    fallback: str | None
    changes_kept: bytes | None
    fallback_to: str | None
    cost: float
    tokens: int
    process_pk: int | None
    detail: str | None


class ProcessRecord(NamedTuple):
    """A process that saw a failure; ``at`` is that of its first one, ``detail`` is JSON."""

    pk: int
    name: str
    at: float
    detail: str


class DeadLetterRecord(NamedTuple):
    pk: int
    run_pk: int
    call_id: str
    step: str
    item: int | None
    item_id: str | None
    kind: str
    fingerprint: str
    reason: str
    state: str
    created_at: float


def columns(record: type[Any]) -> str:
    """The columns of a record's class, a NamedTuple or a dataclass, for a SELECT."""
    return ", ".join(getattr(record, "_fields", None) or record.__dataclass_fields__)
