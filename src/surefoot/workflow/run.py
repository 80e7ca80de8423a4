"""A run, as ``start`` and ``resume`` give it back, and as it is read from the journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar

from ..codec import Codec
from ..errors import SurefootError
from ..journal import CallRecord, FailureRecord, Journal, RunRecord
from ..journal.doubts import resolved
from ..journal.undo import Compensation, compensations
from .inputs import show_input

__all__ = ["Run", "RunFailure", "document", "short_error", "stamp"]

R = TypeVar("R")


@dataclass(frozen=True)
class RunFailure:
    """One failed attempt. ``message`` is scrubbed; ``waited`` is seconds."""

    step: str
    call_id: str
    item: int | None
    attempt: int
    kind: str
    category: str
    decision: str
    reason: str
    message: str
    type: str
    rule: str
    fingerprint: str
    at: float
    waited: float | None


class Run(Generic[R]):
    """One execution of a workflow.

    ``status`` is ``completed``, ``halted``, ``interrupted``, ``cancelled``, ``running`` or
    ``rolled_back``. ``exception`` is what ended it in this process, None for a run that was only
    read. ``reused``, ``time_saved`` (seconds) and ``cost_saved`` (US dollars) tell what the latest
    resume did not run again; ``cost`` is what all attempts have cost. ``undone`` tells what a
    rollback did about each effect.
    """

    def __init__(
        self,
        record: RunRecord,
        failures: tuple[RunFailure, ...],
        location: str,
        *,
        value: Any = None,
        exception: BaseException | None = None,
        document: Mapping[str, Any],
        cost: float = 0.0,
        undone: tuple[Compensation, ...] = (),
    ) -> None:
        self._record = record
        self._value = value
        self._document = document
        self.run_id = record.run_id
        self.workflow = record.workflow
        self.status = record.status
        self.failures = failures
        self.journal = location
        self.exception = exception
        self.degraded = bool(record.degraded)
        self.reused = record.reused
        self.time_saved = record.time_saved
        self.cost = cost
        self.cost_saved = record.cost_saved
        self.undone = undone

    @property
    def result(self) -> R:
        """What the workflow returned.

        :raises SurefootError: it has not completed; the message says what it is instead.
        """
        if self.status != "completed":
            why = self.error or {}
            because = f" ({why.get('type')}: {why.get('message')})" if why else ""
            raise SurefootError(
                f"run {self.run_id} is {self.status}{because} and has no result; resume it with: "
                f"surefoot resume {self.run_id}"
            )
        value: R = self._value
        return value

    @property
    def error(self) -> dict[str, Any] | None:
        """What ended it: type, scrubbed message, kind, category; None for a completed run. Where the
        workflow's own code failed, its ``stack`` and ``detail``, too."""
        return json.loads(self._record.error) if self._record.error else None

    def document(self) -> dict[str, Any]:
        """What ``surefoot show --json`` prints: input, result, failures, and one entry a call."""
        return dict(self._document)

    def __repr__(self) -> str:
        return f"<Run {self.run_id} of {self.workflow}: {self.status}>"


def stamp(seconds: float | None) -> str | None:
    """A time for people and programs: ISO 8601, UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")


def failures_of(rows: list[FailureRecord]) -> tuple[RunFailure, ...]:
    return tuple(
        RunFailure(
            row.step,
            row.call_id,
            row.item,
            row.attempt,
            row.kind,
            row.category,
            row.decision,
            row.reason,
            row.message,
            row.type,
            row.rule,
            row.fingerprint,
            row.at,
            row.waited,
        )
        for row in rows
    )


def read_run(journal: Journal, run_id: str, codec: Codec | None = None, **seen: Any) -> Run[Any]:
    """A run as the journal has it.

    :param codec: for its result; without one, the result's own tags say what it is.
    """
    record = journal.run(run_id)
    value = seen.pop("value", None)
    if value is None and record.status == "completed" and record.format is not None:
        assert record.result_digest is not None
        data = journal.fetch(record.result, record.result_digest)
        value = (codec or Codec()).decode(record.format, data)
    told = Document(journal, record, value)
    return Run(
        record,
        failures_of(journal.failures(record.pk)),
        journal.store.location,
        value=value,
        document=told,
        cost=journal.cost(record.pk),
        undone=tuple(compensations(journal.store, record.pk)),
        **seen,
    )


class Document(Mapping[str, Any]):
    """The document of a run, put together when it is first looked at: a run may have 100,000 items."""

    def __init__(self, journal: Journal, record: RunRecord, value: Any) -> None:
        self._path: str = getattr(journal.store, "url", journal.store.location)
        self._journal = journal
        self._record = record
        self._value = value
        self._made: dict[str, Any] | None = None

    def _get(self) -> dict[str, Any]:
        if self._made is None:
            from ..clock import SystemClock

            journal = Journal.open(self._path, SystemClock(), create=False)
            try:
                self._made = document(journal, self._record, self._value)
            finally:
                journal.close()
        return self._made

    def __getitem__(self, key: str) -> Any:
        return self._get()[key]

    def __iter__(self) -> Any:
        return iter(self._get())

    def __len__(self) -> int:
        return len(self._get())


def document(journal: Journal, record: RunRecord, value: Any = None) -> dict[str, Any]:
    """All that is known of a run, ready for JSON. Nothing in it is scrubbed but the failures."""
    calls = journal.calls(record.pk)
    failures = journal.failures(record.pk)
    letters = {letter.call_id: letter for letter in journal.dead_letters(record.pk)}
    return {
        "run_id": record.run_id,
        "workflow": record.workflow,
        "status": record.status,
        "input": show_input(record.input),
        "result": as_json(value) if record.status == "completed" else None,
        "error": short_error(record.error),
        "degraded": bool(record.degraded),
        "created_at": stamp(record.created_at),
        "started_at": stamp(record.started_at),
        "ended_at": stamp(record.ended_at),
        "resumes": record.resumes,
        "reused": record.reused,
        "time_saved": round(record.time_saved, 6),
        "journal": journal.store.location,
        "failures": [_failure(row) for row in failures],
        "cost": round(journal.cost(record.pk), 6),
        "cost_saved": round(record.cost_saved, 6),
        "cost_wasted": round(sum(row.cost for row in failures), 6),
        "undone": [_undone(one) for one in compensations(journal.store, record.pk)],
        "resolved": [
            {"step": one.effect, "key": one.key, "resolved": one.how, "at": stamp(one.at)}
            for one in resolved(journal.store, record.pk)
        ],
        "steps": [_step(call, record, letters.get(call.call_id)) for call in calls],
    }


RECORD = ("stack", "detail")
"""What the error of a run holds besides, where its own code failed."""


def short_error(text: str | None) -> dict[str, Any] | None:
    """What ended a run, without its stack and its record."""
    if text is None:
        return None
    return {key: value for key, value in json.loads(text).items() if key not in RECORD}


def _failure(row: FailureRecord) -> dict[str, Any]:
    return {
        "step": row.step,
        "call": row.call_id,
        "stage": row.stage,
        "item": row.item,
        "attempt": row.attempt,
        "at": stamp(row.at),
        "kind": row.kind,
        "category": row.category,
        "severity": row.severity,
        "type": row.type,
        "message": row.message,
        "rule": row.rule,
        "fingerprint": row.fingerprint,
        "decision": row.decision,
        "reason": row.reason,
        "retry_after": json.loads(row.classification).get("retry_after"),
        "waited": row.waited,
        "fallback": row.fallback,
        "fallback_to": row.fallback_to,
        "changes": json.loads(row.changes) if row.changes else None,
        "cost": row.cost,
        "tokens": row.tokens,
    }


def _undone(one: Compensation) -> dict[str, Any]:
    return {
        "step": one.step,
        "key": one.effect_key,
        "state": one.state,
        "at": stamp(one.at),
        "detail": one.detail,
    }


def _step(call: CallRecord, record: RunRecord, letter: Any) -> dict[str, Any]:
    return {
        "id": call.call_id,
        "step": call.step,
        "form": call.form,
        "stage": call.stage,
        "scope": call.scope,
        "item": call.item,
        "item_id": call.item_id,
        "key": call.effect_key,
        "status": call.status,
        "attempts": call.attempts,
        "started_at": stamp(call.started_at),
        "duration": call.duration,
        "reused": call.status in ("completed", "skipped")
        and record.resumes > 0
        and call.started_at < record.started_at,
        "degraded": call.degraded,
        "cost": call.cost,
        "dead_letter": letter.state if letter is not None else None,
        "taken_from": call.taken_from,
        "note": call.note,
    }


def as_json(value: Any) -> Any:
    """A result as JSON; what JSON has no word for is told as its ``repr``."""
    import dataclasses

    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return as_json(dump())
    if isinstance(value, Mapping):
        return {str(key): as_json(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [as_json(part) for part in value]
    return str(value)
