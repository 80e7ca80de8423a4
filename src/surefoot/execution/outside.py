"""A step outside of a run: its errors are handled just so, and nothing is journaled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..attempts import (
    Done,
    Note,
    Outcome,
    Passed,
    Raised,
    Returned,
    Skipped,
    Try,
    Verdict,
    Wait,
    attempts,
    drive,
    drive_async,
)
from ..clock import Clock
from ..context import Frame
from ..decide import Halt, Retry
from ..events import AttemptFailed, CallHalted, Event, Where
from ..model import Classification
from ..policy import Policy
from .apart import refuse_in_child
from .call import SetAside
from .commands import Invoke
from .cost import checked
from .driving import invoke_async, invoke_sync
from .effects import EffectState
from .failures import decision_name, note_for_people, tag
from .spec import StepSpec

if TYPE_CHECKING:
    from ..isolation.pool import Pool

__all__ = ["Helpers", "outside_async", "outside_sync"]


class Helpers(Protocol):
    """What is needed where there is no journal."""

    @property
    def clock(self) -> Clock: ...
    @property
    def workers(self) -> Pool: ...
    def classify(
        self, exc: BaseException, spec: StepSpec, after_inference: bool
    ) -> Classification: ...
    def emit(self, event: Event) -> None: ...


class _Outside:
    """One call without a run."""

    def __init__(
        self,
        spec: StepSpec,
        helpers: Helpers,
        policy: Policy,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        frame: Frame | None,
        item: int | None,
    ) -> None:
        self.spec = spec
        self.helpers = helpers
        self.args = args
        self.kwargs = kwargs
        self.frame = frame
        self.item = item
        self.policy = policy
        if spec.isolation is not None and frame is not None and frame.child is not None:
            if frame.child.importing:  # its process would start the next one, and that the next
                refuse_in_child(frame, spec.where)
        self.loop = attempts(policy, helpers.clock, self._classify, self._arguments)

    def _classify(self, exc: BaseException) -> Classification:
        return self.helpers.classify(exc, self.spec, False)

    def _arguments(self) -> Mapping[str, Any]:
        digester = self.spec.digester
        return {**digester.defaults, **digester.bind(self.args, self.kwargs)}

    def invoke(self, command: Try) -> Invoke:
        spec, outer = self.spec, self.frame
        here = Frame(
            runtime=outer.runtime if outer is not None else None,
            step=spec.name,
            attempt=command.attempt,
            item=self.item,
            failure=command.previous,
            effect=EffectState(f"outside:{spec.name}", None) if spec.effect is not None else None,
            once=self.policy.attempts != 1,
            disabled=outer is not None and outer.disabled,
            child=outer.child if outer is not None else None,
            stage=spec.stage,
        )
        fn, args, kwargs, changes = spec.fn, self.args, self.kwargs, command.changes
        if command.fallback is not None:
            if command.fallback.argument is not None:
                changes = {**changes, command.fallback.argument: command.fallback.target}
            else:
                fn = command.fallback.target
        if changes:
            args, kwargs = spec.digester.call_args(
                {**spec.digester.bind(self.args, self.kwargs), **changes}
            )
        isolation = None
        if spec.isolation is not None and fn is spec.fn and not (here.disabled or here.child):
            isolation = spec.isolation.within(self.helpers.workers, self)
        return Invoke(fn, args, kwargs, here, command.timeout, spec.where, isolation)

    def checked(self, reply: Returned | Raised) -> Returned | Raised:
        return checked(self.spec, reply, None) if isinstance(reply, Returned) else reply

    def note(self, note: Note) -> None:
        failed = note.failure
        where = Where(None, self.spec.name, "", failed.attempt, self.item, self.spec.stage)
        reason = note.decision.reason
        if isinstance(note.decision, Halt):
            self.helpers.emit(CallHalted(where, failed.classification, reason, failed.exception))
            return
        waits = note.decision.after if isinstance(note.decision, Retry) else None
        self.helpers.emit(
            AttemptFailed(
                where,
                failed.classification,
                decision_name(note.decision),
                reason,
                failed.exception,
                waits,
            )
        )

    def end(self, outcome: Outcome) -> Any:
        if isinstance(outcome, Done):
            return outcome.value
        if isinstance(outcome, Passed):
            raise outcome.exception
        if isinstance(outcome, Skipped):
            if self.policy.in_map:
                raise SetAside(outcome.failure, outcome.reason)
            return outcome.default
        failed = outcome.failure
        tag(failed.exception, None, failed.classification, outcome.decision.kind)
        if self.frame is None or self.frame.step is None:
            note_for_people(
                failed.exception,
                f"surefoot: {self.spec.where} failed as {failed.kind} "
                f"({failed.classification.category}); {outcome.decision.reason}",
            )
        raise failed.exception


def outside_sync(
    spec: StepSpec,
    helpers: Helpers,
    policy: Policy,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    frame: Frame | None,
    item: int | None = None,
) -> Any:
    call = _Outside(spec, helpers, policy, args, kwargs, frame, item)

    def handle(command: Any) -> Any:
        if isinstance(command, Try):
            return call.checked(invoke_sync(call.invoke(command)))
        if isinstance(command, Note):
            return call.note(command)
        if isinstance(command, Wait):
            return helpers.clock.sleep(command.seconds)
        return Verdict("open")

    return call.end(drive(call.loop, handle))


async def outside_async(
    spec: StepSpec,
    helpers: Helpers,
    policy: Policy,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    frame: Frame | None,
    item: int | None = None,
) -> Any:
    call = _Outside(spec, helpers, policy, args, kwargs, frame, item)

    async def handle(command: Any) -> Any:
        if isinstance(command, Try):
            return call.checked(await invoke_async(call.invoke(command)))
        if isinstance(command, Note):
            return call.note(command)
        if isinstance(command, Wait):
            return await helpers.clock.sleep_async(command.seconds)
        return Verdict("open")

    return call.end(await drive_async(call.loop, handle))
