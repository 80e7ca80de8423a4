"""Replaying letters: their calls run once more, in their run, and what comes of it takes their place.

A replay is a call like any other: attempts, failures, claims and keys are journaled under the run's
lease. A success is the call's checkpoint from then on, written in one commit with the letter's end.
A failure leaves the letter open, and its call set aside as before.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from ..context import Frame
from ..errors import (
    CheckpointDamaged,
    InputError,
    JournalError,
    UnknownStep,
    UnsavableError,
    UsageError,
)
from ..execution.call import Call, SetAside, key_for, leave_scope
from ..execution.driving import carry_out_async, carry_out_sync
from ..execution.failures import judged
from ..execution.kept import keep, restore
from ..execution.output import OneForEach
from ..execution.spec import StepSpec
from ..execution.state import Recorded, RunState, Scope, Services
from ..journal.letters import LetterRecord, begin_replay, end_replay
from ..journal.undo import UNDO

__all__ = ["Replay", "Replaying", "replayable"]

BATCH = "batch:"


@dataclass(frozen=True)
class Replay:
    """What came of one replay: ``completed``, ``failed`` or ``not_tried``.

    ``result`` is the step's, where it completed. ``error`` is the exception it failed with, ``kind``
    what that was, and ``message`` its text, scrubbed, or why it was not tried.
    """

    letter: int
    run_id: str
    step: str
    item: int | None
    outcome: str
    result: Any = None
    error: BaseException | None = None
    kind: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class _Begun:
    letter: LetterRecord
    call: Call
    pk: int


def replayable(letter: LetterRecord) -> None:
    """:raises UsageError: it cannot be replayed; the message says what can be done instead."""
    if letter.state != "open":
        note = f" ({letter.note})" if letter.note else ""
        raise UsageError(
            f"dead letter {letter.pk} is {letter.state}{note}; only open ones are replayed"
        )
    if letter.run_status in ("rolling_back", "rolled_back") and not letter.step.endswith(UNDO):
        raise UsageError(
            f"run {letter.run_id} is {letter.run_status}: what it did is undone, so its dead letter "
            f"{letter.pk} has no place there any more; discard it: "
            f"surefoot dead-letters discard {letter.pk} --reason …"
        )


class Replaying:
    """A run that is held while its letters are replayed: use it with ``with``.

    :param specs: the steps by name, as the workflow's code has them now.
    :param max_cost: US dollars that the run may cost in all.
    :raises RunLocked: a living process holds the run.
    """

    def __init__(
        self,
        services: Services,
        run_id: str,
        specs: Mapping[str, StepSpec],
        max_cost: float | None = None,
    ) -> None:
        self._services = services
        self._journal = services.journal
        record, self._lease = self._journal.visit(run_id)
        calls = self._journal.calls(record.pk)
        self._calls = {call.call_id: call for call in calls}
        self._specs = dict(specs)
        self.state = RunState(
            services, self._lease, record.workflow, record.created_at, Recorded(calls)
        )
        self.state.cost = self._journal.cost(record.pk)
        self.state.max_cost = max_cost
        self.state.specs.update(self._specs)
        self.state.after_inference = any(
            call.stage == "inference" and call.status == "completed" for call in calls
        )

    def __enter__(self) -> Replaying:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.state.writable():
            self._journal.leave(self._lease)
        else:
            self._journal.let_go(self._lease)

    # -- one letter ---------------------------------------------------------------------------

    def spec(self, letter: LetterRecord) -> StepSpec:
        """:raises UnknownStep: the workflow's code has no such step any more."""
        found = self._specs.get(letter.step)
        if found is None:
            import difflib

            near = difflib.get_close_matches(letter.step, list(self._specs), n=1)
            hint = f"did you mean to rename {near[0]!r}?" if near else "was it renamed, or moved?"
            raise UnknownStep(
                f"workflow {letter.workflow} names no step {letter.step!r}, whose dead letter "
                f"{letter.pk} is; {hint} A step that is renamed keeps its letters with "
                f'name="{letter.step}"'
            )
        return found

    def replay_sync(self, letter: LetterRecord, changes: Mapping[str, Any] | None = None) -> Replay:
        """Replay one letter in the calling thread.

        :param changes: arguments that differ from the saved ones.
        :raises UsageError: it cannot be replayed. :raises JournalError: nothing more can be written.
        """
        begun = self._begin(letter, changes)
        try:
            value = carry_out_sync(begun.call)
        except Exception as exc:
            return self._failed(begun, exc)
        finally:
            leave_scope(begun.call)
        return self._completed(begun, value)

    async def replay_async(
        self, letter: LetterRecord, changes: Mapping[str, Any] | None = None
    ) -> Replay:
        """The same in the calling task."""
        begun = self._begin(letter, changes)
        try:
            value = await carry_out_async(begun.call)
        except Exception as exc:
            return self._failed(begun, exc)
        finally:
            leave_scope(begun.call)
        return self._completed(begun, value)

    def _begin(self, letter: LetterRecord, changes: Mapping[str, Any] | None) -> _Begun:
        replayable(letter)
        row = self._calls.get(letter.call_id)
        if row is None or row.status != "skipped":
            raise UsageError(
                f"the item of dead letter {letter.pk} has run since and is "
                f"{row.status if row is not None else 'gone'}; discard the letter: "
                f"surefoot dead-letters discard {letter.pk} --reason …"
            )
        spec = self.spec(letter)
        given = {**self._saved(letter, spec, changes), **(changes or {})}
        kept: bytes | None = None
        if changes:
            try:
                kept = keep(given, spec.where)
            except UnsavableError:
                kept = None  # it may run all the same; only its history misses it
        call = self._open(letter, spec, given)
        pk = self.state.commit(
            begin_replay(self._lease, letter.pk, kept, bool(changes), self.state.clock.now())
        )
        done = end_replay(self._lease, letter.pk, pk, "completed", self.state.clock.now())
        call.also = done
        return _Begun(letter, call, pk)

    def _saved(
        self, letter: LetterRecord, spec: StepSpec, changes: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        if letter.input is None:
            if changes:
                return {}
            raise InputError(
                f"the input of dead letter {letter.pk} was not kept: {letter.input_note}. Give all of "
                "its arguments as changes, or discard it"
            )
        try:
            return restore(letter.input, spec.fn)
        except CheckpointDamaged as exc:
            raise InputError(f"dead letter {letter.pk}: {exc}") from exc

    def _open(self, letter: LetterRecord, spec: StepSpec, given: Mapping[str, Any]) -> Call:
        """The call under its old identity, with what it is given now."""
        row = self._calls[letter.call_id]
        try:
            args, kwargs = spec.digester.call_args(given)
            digest = spec.digester.digest(args, kwargs)
        except (TypeError, KeyError) as exc:
            raise InputError(f"dead letter {letter.pk}: {exc}") from exc
        if (letter.input_note or "").startswith(BATCH):
            count = int((letter.input_note or "").removeprefix(BATCH))
            spec = copy.copy(spec)
            spec.check = OneForEach(spec.check, spec.where, count)
        own_key = spec.effect is not None and spec.effect.key is not None
        key = None
        if spec.effect is not None:
            # another key is another deed: it is claimed as what it is now
            key = key_for(spec, digest) if own_key else f"{self.state.run_id}:{row.call_id}"
        scope = Scope(row.scope, mapped=row.item is not None)
        scope.active = 1
        return Call(
            spec,
            self.state,
            Frame(runtime=self._services, run=self.state, scope=scope),
            scope,
            replace(spec.policy, in_map=True, quarantine=True),
            args,
            kwargs,
            digest,
            row.call_id,
            row.ordinal,
            row.repeat,
            row.item,
            row.item_id,
            key,
            own_key,
        )

    def _completed(self, begun: _Begun, value: Any) -> Replay:
        letter = begun.letter
        self._calls[letter.call_id].status = "completed"
        return Replay(letter.pk, letter.run_id, letter.step, letter.item, "completed", value)

    def _failed(self, begun: _Begun, exc: Exception) -> Replay:
        if not self.state.writable() or isinstance(exc, JournalError):
            raise exc
        error: BaseException = exc
        kind: str | None = None
        said = str(exc)
        if isinstance(exc, SetAside) and exc.failure is not None:
            error, kind = exc.failure.exception, exc.failure.kind
            said = exc.failure.classification.message
        else:
            found = judged(exc)
            kind = found.kind if found is not None else self._classified(exc, begun.call.spec)
            said = found.message if found is not None else said
        letter = begun.letter
        message = self._services.scrub_text(f"{type(error).__name__}: {said}"[:10_000])
        self.state.commit(
            end_replay(
                self._lease, letter.pk, begun.pk, "failed", self.state.clock.now(), kind, message
            )
        )
        return Replay(
            letter.pk, letter.run_id, letter.step, letter.item, "failed", None, error, kind, message
        )

    def _classified(self, exc: Exception, spec: StepSpec) -> str:
        return self._services.classify(exc, spec, self.state.after_inference).kind
