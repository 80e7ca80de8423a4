"""A call from its start to its end, as a generator of commands.

Written once for the sync and the async world: the drivers in :mod:`surefoot.execution.driving` carry
the commands out.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

from ..attempts import (
    Done,
    Failure,
    Halted,
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
)
from ..codec.exceptions import save_exception
from ..context import Fence, Frame
from ..decide import Halt, Retry, Settled
from ..errors import InDoubt, KeyConflict, SurefootError, UnsavableError
from ..events import AttemptFailed, CallHalted, CallSkipped
from ..journal.letters import dead_letter
from ..journal.writes import CallEnd, begin, end
from ..policy import MISSING
from ..store.base import Op, Tx
from .call import Call, SetAside
from .commands import Again, Command, Commit, Finish, Invoke
from .cost import checked
from .effects import EffectState, acquire, release, settle, wait_for_key
from .failures import decision_name, note_for_people, tag
from .kept import keep
from .output import OneForEach
from .protect import Guard
from .state import RunState, Scope

__all__ = ["flow"]

Flow = Generator[Command, Any, Any]

VERIFIED = "verified: it had happened"
"""The note on an effect whose end was not seen, and whose ``verify`` found it done."""


def flow(call: Call) -> Flow:
    """Run the call. Gives its result; raises what ended it."""
    if call.spec.effect is None:
        start = (call.run.lease, call.new, call.first - 1, call.scope.overlapped)
        call.run.journal.start(call.call_id, start, mapped=call.item is not None)
        return (yield from _attempts(call, None))
    assert call.key is not None
    # outside of the try: a call that gives up waiting must not free another one's hold
    yield from wait_for_key(call)
    try:
        try:
            got = yield from acquire(call)
        except (InDoubt, KeyConflict) as exc:
            return (yield from _not_begun(call, exc))
        if got.happened is None:
            return (yield from _attempts(call, call.key))
        result, by = got.happened.result, got.by
        note = VERIFIED if by is None else None
        if by == call.run.run_id:
            if call.also is None and call.call_id not in call.run.recorded.superseded:
                return result  # done before in this very run, and recorded
            by, note = None, "done before; its result was kept"
        return (
            yield from _complete(call, result, call.first, None, held=got.held, by=by, note=note)
        )
    finally:
        call.run.free_key(call.spec.name, call.key)


def _not_begun(call: Call, exc: SurefootError) -> Flow:
    """An effect may not begin: that is recorded like any failure; what is known of it stays."""
    run = call.run
    classification = run.services.classify(exc, call.spec, run.after_inference)
    kind = classification.kind
    note = Note(
        Failure(call.first, exc, classification), Halt(f"{kind}: a person must look", kind), None
    )
    yield Commit(_failure(call, note))
    tag(exc, call.call_id, classification)
    run.services.emit(CallHalted(call.where(call.first), classification, note.decision.reason, exc))
    return Raised(exc)


def _attempts(call: Call, key: str | None) -> Flow:
    run, spec = call.run, call.spec
    state = EffectState(key, call) if key is not None else None
    since = run.clock.now() if key is not None else 0.0
    reply: Any = None
    policy = call.policy
    guard = Guard(call, run.services.resource(spec.resource)) if spec.resource else None
    if call.history is None and call.progress is None and policy.deadline is None:
        # nearly every call ends with its first attempt: the ladder is only fetched for the others
        first = _invoke(call, Try(call.first, {}, None, policy.timeout, None), state)
        reply = (yield first) if guard is None else (yield from guard.invoke(first))
        call.crumbs = first.frame.crumbs
        if type(reply) is Returned:
            reply = checked(spec, reply, call)
        if type(reply) is Returned:
            return (yield from _complete(call, reply.value, call.first, None))
        _stop_if_lost(run)

    def classify(exc: BaseException) -> Any:
        judged = run.services.classify(exc, spec, run.after_inference)
        if guarded is not None:
            guarded.failed(judged)
        return judged

    guarded = guard

    loop = attempts(
        policy,
        run.clock,
        classify,
        call.arguments,
        first=call.first,
        history=call.history,
        progress=call.progress,
        cost=lambda: call.spent,
        budget=guard.resource if guard is not None else None,
    )
    outcome: Outcome
    due: BaseException | None = None  # what failed, until its next attempt was announced
    if reply is not None:
        loop.send(None)  # the first try, which was made already
    while True:
        try:
            command = loop.send(reply)
        except StopIteration as stop:
            outcome = stop.value
            break
        reply = None
        if isinstance(command, Try):
            if due is not None:
                yield Again(0.0, due)
                due = None
            if command.attempt > call.first:
                run.check()
                if key is not None:
                    got = yield from acquire(call)
                    if got.happened is not None:
                        result = got.happened.result
                        return (
                            yield from _complete(
                                call, result, command.attempt, None, held=got.held, by=got.by
                            )
                        )
            # each attempt asks for its key anew
            state = EffectState(key, call) if key is not None else None
            since = run.clock.now()
            # a function to fall back on does not depend on what this step depends on
            elsewhere = command.fallback is not None and command.fallback.form == "function"
            guarded = None if elsewhere else guard
            invoke = _invoke(call, command, state)
            reply = (yield invoke) if guarded is None else (yield from guarded.invoke(invoke))
            call.crumbs = invoke.frame.crumbs
            _stop_if_lost(run)
            if type(reply) is Returned:
                reply = checked(spec, reply, call)
        elif isinstance(command, Note):
            yield Commit(_noted(call, command))
            call.next_attempt()
            _tell(call, command)
            due = command.failure.exception
        elif isinstance(command, Wait):
            assert due is not None
            yield Again(command.seconds, due)
            due = None
        else:
            reply = yield from _verify(call, command.failure, state, since)
    return (yield from _end(call, outcome, guard))


def _stop_if_lost(run: RunState) -> None:
    """A body fails where its own steps cannot be journaled any more: that is no failure to retry."""
    if run.broken is not None or run.lease.lost:
        run.check()


def _verify(
    call: Call, failed: Failure, state: EffectState | None, since: float
) -> Generator[Command, Any, Verdict]:
    asked = state is not None and state.asked
    return (yield from settle(call, since, asked, failed, state))


def _invoke(call: Call, command: Try, state: EffectState | None) -> Invoke:
    spec, outer = call.spec, call.frame
    fence = outer.fence if command.timeout is None else Fence(outer.fence)
    here = Frame(
        runtime=outer.runtime,
        run=call.run,
        scope=Scope(call.call_id),
        step=spec.name,
        call_id=call.call_id,
        attempt=command.attempt,
        item=call.item if call.item is not None else outer.item,
        item_id=call.item_id if call.item is not None else outer.item_id,
        failure=command.previous,
        effect=state,
        meter=call,
        once=call.policy.once or call.policy.attempts != 1,
        fence=fence,
        stage=spec.stage,
    )
    fn, args, kwargs = spec.fn, call.args, call.kwargs
    fallback = command.fallback
    changes = command.changes
    if fallback is not None:
        if fallback.form == "model":
            assert fallback.argument is not None
            changes = {**changes, fallback.argument: fallback.target}
        else:
            fn = fallback.target
    if changes:
        args, kwargs = spec.digester.call_args({**call.digest.bound, **changes})
    isolation = None
    if spec.isolation is not None and fn is spec.fn:  # what it falls back on is another function
        isolation = spec.isolation.within(call.run.services.workers, call.run)
    within = None
    faults = call.run.services.faults
    if faults is not None:
        if isolation is None:
            fn = faults.around(fn, spec, here)
        else:
            within = faults.within(spec, here)
    return Invoke(fn, args, kwargs, here, command.timeout, f"{spec.where}", isolation, within)


def _failure(call: Call, note: Note) -> Op:
    """The write of a failed attempt, with all that is kept of it."""
    from .record.row import failure_write  # not before there is a failure

    return failure_write(call, note)


def _noted(call: Call, note: Note) -> Op:
    """The write of a failed attempt; for an effect, with what it means for its claim."""
    run = call.run
    write = _failure(call, note)
    begun: Op | None = None
    claim: Op | None = None
    if call.key is None:
        # a failure without its call would not be found after a crash: its attempts go on there
        run.journal.started(call.call_id)
        begun = begin(run.lease, call.new, note.failure.attempt, call.scope.overlapped)
    if call.key is not None:
        if isinstance(note.decision, Settled):
            claim = None  # its end is written next, with the result
        elif not isinstance(note.decision, Halt):
            # what was refused is in nobody's hands while it waits for its next try
            waits = isinstance(note.decision, Retry) and note.doubt == "none"
            state = "refused" if waits else "held"
            claim = release(call, state)
        elif note.decision.kind == "in_doubt" or note.doubt != "none":
            claim = release(call, "in_doubt")
        else:
            claim = release(call, "refused")

    def both(tx: Tx) -> None:
        if claim is not None:
            claim(tx)
        if begun is not None:
            begun(tx)
        write(tx)

    return both


def _tell(call: Call, note: Note) -> None:
    if isinstance(note.decision, Halt):
        return  # told with the call's end
    failed = note.failure
    where = call.where(failed.attempt)
    name = decision_name(note.decision)
    if name == "skip":
        call.run.services.emit(
            CallSkipped(where, failed.classification, note.decision.reason, failed.exception)
        )
        return
    waits = note.decision.after if isinstance(note.decision, Retry) else None
    call.run.services.emit(
        AttemptFailed(
            where, failed.classification, name, note.decision.reason, failed.exception, waits
        )
    )


# -- ends -----------------------------------------------------------------------------------------


def _end(call: Call, outcome: Outcome, guard: Guard | None) -> Flow:
    if isinstance(outcome, Done):
        note = VERIFIED if outcome.verified else None
        return (
            yield from _complete(call, outcome.value, outcome.attempts, outcome.degraded, note=note)
        )
    if isinstance(outcome, Passed):
        if guard is not None:
            guard.passed()
        if call.key is not None:
            # stopped in the middle: whether it happened is for the resume to find out
            call.run.journal.group.lazily(release(call, "in_doubt", lenient=True))
        raise outcome.exception
    if isinstance(outcome, Skipped):
        return (yield from _skip(call, outcome))
    return (yield from _halt(call, outcome))


def _complete(
    call: Call,
    value: Any,
    tries: int,
    degraded: str | None,
    *,
    held: bool = True,
    by: str | None = None,
    note: str | None = None,
) -> Flow:
    """Save the result, then give it back."""
    run, spec = call.run, call.spec
    if call.key is None:
        _stop_if_lost(run)  # what an effect did is offered all the same, as evidence
    if degraded is not None:
        run.degraded = True
    if spec.stage == "inference":
        run.after_inference = True
    stored = None
    if spec.checkpoint is not False:
        try:
            stored = _keep(call, value)
        except UnsavableError as exc:
            return (yield from _unsaved(call, exc, tries))
    how = CallEnd(
        "completed",
        tries,
        run.clock.monotonic() - call.began,
        call.scope.overlapped,
        format=stored.format if stored else None,
        result=stored.inline if stored else None,
        result_digest=stored.digest if stored else None,
        degraded=degraded,
        taken_from=by,
        note=note,
        cost=call.cost,
        tokens=call.tokens,
    )
    run.journal.started(call.call_id)
    op = end(run.lease, call.new, how)
    if call.also is not None:
        op = _together(op, call.also)
    if stored is not None:
        op = stored.guarded(op)
    if call.frame.once and stored is not None and call.key is None:
        run.keep(call.scope.id, call.call_id, stored._replace(guard=None))  # and not its bytes
    if call.key is None or not held:
        yield Finish(op) if call.key is None else Commit(op)
        return value
    from ..journal.claims import finish_claim

    assert stored is not None
    done = finish_claim(
        run.lease,
        spec.name,
        call.key,
        "done",
        format=stored.format,
        result=stored.inline,
        digest=stored.digest,
    )

    def both(tx: Tx) -> None:
        done(tx)  # first: it refuses where the claim is another run's by now
        op(tx)

    yield Commit(both)
    return value


def _together(op: Op, also: Op) -> Op:
    def write(tx: Tx) -> None:
        op(tx)
        also(tx)

    return write


def _keep(call: Call, value: Any) -> Any:
    encoded = call.spec.codec_for(call.run.services).encode(value)
    return call.run.journal.keep(encoded.format, encoded.data)


def _unsaved(call: Call, exc: UnsavableError, tries: int) -> Flow:
    """The body did its work and its result cannot be kept: say so, and do not do it again."""
    run = call.run
    classification = run.services.classify(exc, call.spec, run.after_inference)
    note = Note(Failure(tries, exc, classification), Halt("its result cannot be saved"), None)
    if call.key is not None:
        note = Note(note.failure, Halt("it happened, its result is lost", kind="in_doubt"), None)
    yield Commit(_noted(call, note))
    return (yield from _halt(call, Halted(note.failure, note.decision, ())))  # type: ignore[arg-type]


def _skip(call: Call, outcome: Skipped) -> Flow:
    """Set the item aside as a dead letter; outside a map, go on with the default."""
    run, spec = call.run, call.spec
    if outcome.default is not MISSING:
        run.degraded = True
        return (yield from _complete(call, outcome.default, outcome.failure.attempt, "skipped"))
    failed = outcome.failure
    if call.also is not None:  # a replay in vain: what it was set aside with stays
        run.journal.started(call.call_id)
        if call.key is not None:
            yield Commit(release(call, "refused"))
        raise SetAside(failed, outcome.reason)
    try:
        kept, lost = keep(call.digest.bound, spec.where), None
        if isinstance(spec.check, OneForEach):
            lost = f"batch:{spec.check.count}"
    except SurefootError as exc:
        kept, lost = None, str(exc)
    how = CallEnd(
        "skipped",
        failed.attempt,
        run.clock.monotonic() - call.began,
        call.scope.overlapped,
        note=f"{failed.kind}: {outcome.reason}",
    )
    run.journal.started(call.call_id)
    closing = end(run.lease, call.new, how)
    letter = dead_letter(
        run.lease,
        call.new,
        kept,
        lost,
        failed.kind,
        failed.classification.fingerprint,
        outcome.reason,
        run.clock.now(),
    )
    claim = release(call, "refused") if call.key is not None else None

    def all_of_it(tx: Tx) -> None:
        if claim is not None:
            claim(tx)
        closing(tx)
        letter(tx)

    yield Commit(all_of_it)
    raise SetAside(failed, outcome.reason)


def _halt(call: Call, outcome: Halted) -> Generator[Command, Any, Raised]:
    """The last exception comes through, with notes."""
    run, failed = call.run, outcome.failure
    exc = failed.exception
    how = CallEnd(
        "failed",
        failed.attempt,
        run.clock.monotonic() - call.began,
        call.scope.overlapped,
        exception=json.dumps(save_exception(exc)),
        note=outcome.decision.kind,
    )
    run.journal.started(call.call_id)
    yield Commit(end(run.lease, call.new, how))
    tag(exc, call.call_id, failed.classification, outcome.decision.kind)
    run.services.emit(
        CallHalted(call.where(failed.attempt), failed.classification, outcome.decision.reason, exc)
    )
    if call.frame.call_id is None:
        note_for_people(exc, told(call, outcome))
    # a StopIteration could not be raised through a generator: the driver raises it
    return Raised(exc)


def told(call: Call, outcome: Halted) -> str:
    """What a person reads below the exception."""
    failed, run = outcome.failure, call.run
    kind = failed.classification
    item = f", item {call.item}" if call.item is not None else ""
    what = f"{call.spec.where}{item} failed as {kind.kind} ({kind.category})"
    lines = [f"surefoot: {what}; {outcome.decision.reason}"]
    if len(outcome.tried) > 1:
        lines.append("surefoot: " + "; ".join(outcome.tried))
    lines.append(f"surefoot: run {run.run_id}; resume it with: surefoot resume {run.run_id}")
    return "\n".join(lines)
