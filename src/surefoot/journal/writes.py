"""The journal's writes, each as one operation inside a transaction.

Every write of a run carries its lease's fencing token, and the SQL itself compares it: a process
that lost its lease cannot write, however late it wakes up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import RunLocked
from ..store.base import Op, Refused, Tx
from .incidents import seen
from .leases import Lease

__all__ = [
    "CallEnd",
    "FailureWrite",
    "NewCall",
    "ProcessWrite",
    "begin",
    "end",
    "failure",
    "fenced",
    "forget",
]

FENCE = "(SELECT fence FROM runs WHERE pk = ?) = ?"


class NewCall:
    """A call as it begins: its identity and what is known of it before its body runs."""

    __slots__ = (
        "call_id",
        "digest",
        "effect_key",
        "form",
        "item",
        "item_id",
        "ordinal",
        "parts",
        "repeat",
        "resource",
        "scope",
        "source",
        "stage",
        "started_at",
        "step",
    )

    def __init__(
        self,
        call_id: str,
        scope: str,
        step: str,
        form: str,
        stage: str | None,
        resource: str | None,
        ordinal: int,
        digest: str,
        repeat: int,
        parts: str | None,
        item: int | None,
        item_id: str | None,
        effect_key: str | None,
        started_at: float,
        source: str | None,
    ) -> None:
        self.call_id = call_id
        self.scope = scope
        self.step = step
        self.form = form
        self.stage = stage
        self.resource = resource
        self.ordinal = ordinal
        self.digest = digest
        self.repeat = repeat
        self.parts = parts
        self.item = item
        self.item_id = item_id
        self.effect_key = effect_key
        self.started_at = started_at
        self.source = source

    def values(self, lease: Lease) -> tuple[Any, ...]:
        return (
            lease.run_pk,
            self.call_id,
            self.scope,
            self.step,
            self.form,
            self.stage,
            self.resource,
            self.ordinal,
            self.digest,
            self.repeat,
            self.parts,
            self.item,
            self.item_id,
            self.effect_key,
            self.started_at,
            self.source,
        )


class CallEnd(NamedTuple):
    """How a call ended. ``result`` is None where the bytes lie in a file."""

    status: str
    attempts: int
    duration: float
    overlapped: bool
    format: str | None = None
    result: bytes | None = None
    result_digest: str | None = None
    degraded: str | None = None
    exception: str | None = None
    taken_from: str | None = None
    note: str | None = None
    cost: float = 0.0
    tokens: int = 0


IDENTITY = (
    "run_pk, call_id, scope, step, form, stage, resource, ordinal, digest, repeat, parts, item, "
    "item_id, effect_key, started_at, source"
)
MARKS = "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
BEGIN = (
    f"INSERT INTO calls ({IDENTITY}, status, attempts, overlapped) "
    f"SELECT {MARKS}, 'running', ?, ? WHERE {FENCE} "
    "ON CONFLICT (run_pk, call_id) DO UPDATE SET status = 'running', attempts = excluded.attempts, "
    "started_at = excluded.started_at, source = excluded.source, item = excluded.item, "
    "overlapped = excluded.overlapped"
)
END = (
    f"INSERT INTO calls ({IDENTITY}, status, attempts, duration, overlapped, format, result, "
    "result_digest, degraded, exception, taken_from, note, cost, tokens) "
    f"SELECT {MARKS}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE {FENCE} "
    "ON CONFLICT (run_pk, call_id) DO UPDATE SET status = excluded.status, "
    "attempts = excluded.attempts, duration = excluded.duration, started_at = excluded.started_at, "
    "overlapped = excluded.overlapped, format = excluded.format, result = excluded.result, "
    "result_digest = excluded.result_digest, degraded = excluded.degraded, "
    "exception = excluded.exception, taken_from = excluded.taken_from, note = excluded.note, "
    "source = excluded.source, item = excluded.item, cost = excluded.cost, "
    "tokens = excluded.tokens, ended_run = 0"
)


def fenced(lease: Lease) -> Refused:
    """The answer to a write whose lease is gone."""
    lease.lost = True
    return Refused(
        RunLocked(
            f"run {lease.run_id} was taken over by another process; this one stops. "
            f"See who holds it with: surefoot show {lease.run_id}"
        )
    )


def checked(lease: Lease, tx: Tx, sql: str, parameters: tuple[Any, ...]) -> None:
    """Run a statement that ends in the fence's condition; it must change a row."""
    if tx(sql, (*parameters, lease.run_pk, lease.fence)).rowcount < 1:
        raise fenced(lease)


def begin(lease: Lease, call: NewCall, attempts: int, overlapped: bool) -> Op:
    """A call has begun."""
    values = (*call.values(lease), attempts, int(overlapped), lease.run_pk, lease.fence)

    def write(tx: Tx) -> None:
        if tx(BEGIN, values).rowcount < 1:
            raise fenced(lease)

    return write


def end(lease: Lease, call: NewCall, how: CallEnd) -> Op:
    """A call has ended: completed, failed or skipped."""
    values = (*call.values(lease), *how, lease.run_pk, lease.fence)

    def write(tx: Tx) -> None:
        if tx(END, values).rowcount < 1:
            raise fenced(lease)

    return write


@dataclass(frozen=True)
class FailureWrite:
    """A failed attempt. All text in it is scrubbed already."""

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
    changes_kept: bytes | None = None
    fallback_to: str | None = None
    cost: float = 0.0
    tokens: int = 0
    detail: str | None = None
    """JSON: frames, causes, inputs, and what else is known of it."""


class ProcessWrite(NamedTuple):
    """The process that saw a failure; ``detail`` is JSON, scrubbed."""

    name: str
    detail: str


PROCESS = (
    f"INSERT INTO processes (name, at, detail) SELECT ?, ?, ? WHERE {FENCE} "
    "ON CONFLICT (name) DO NOTHING"
)
FAILURE = (
    "INSERT INTO failures (run_pk, call_id, step, stage, item, attempt, at, kind, category, "
    "severity, rule, fingerprint, type, message, stack, classification, decision, reason, waited, "
    "changes, fallback, changes_kept, fallback_to, cost, tokens, detail, process_pk) "
    f"SELECT {', '.join('?' * 26)}, (SELECT pk FROM processes WHERE name = ?) WHERE {FENCE}"
)


def failure(lease: Lease, row: FailureWrite, process: ProcessWrite | None = None) -> Op:
    """A failed attempt and what was decided; with its first one a process tells who it is."""
    values = tuple(getattr(row, name) for name in row.__dataclass_fields__)
    name = process.name if process is not None else None

    def write(tx: Tx) -> None:
        if process is not None:
            known = tx("SELECT 1 FROM processes WHERE name = ?", (name,)).fetchone()
            if known is None:
                fence = (lease.run_pk, lease.fence)
                tx(PROCESS, (name, row.at, process.detail, *fence))
        checked(lease, tx, FAILURE, (lease.run_pk, *values, name))
        seen(tx, row, lease.regression_after)

    return write


def forget(lease: Lease, call_ids: tuple[str, ...]) -> Op:
    """These calls' failures ended the run: a resume runs them again instead of replaying them."""

    def write(tx: Tx) -> None:
        for call_id in call_ids:
            tx(
                "UPDATE calls SET ended_run = 1 WHERE run_pk = ? AND call_id = ? "
                f"AND status = 'failed' AND {FENCE}",
                (lease.run_pk, call_id, lease.run_pk, lease.fence),
            )

    return write
