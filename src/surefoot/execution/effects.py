"""What an effect does more than a step: claim its key before it acts, and settle doubts."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from ..attempts import Failure, Raised, Verdict
from ..context import Frame, frame
from ..errors import (
    InDoubt,
    RunLocked,
    StepTimeout,
    SurefootError,
    UnsavableError,
    UsageError,
)
from ..journal import Claimed
from ..journal.claims import Intent, asked, claim, finish_claim
from ..journal.writes import begin
from ..store.base import Op, Tx
from .call import Call, check_fence, key_conflict
from .commands import Command, Commit, Invoke, Sleep, Until
from .kept import keep
from .spec import Happened, NotHappened

__all__ = ["EffectState", "acquire", "idempotency_key", "release", "settle", "wait_for_key"]

WAIT_FOR_CLAIM = 600.0
"""Seconds that a call waits for another run's hold on its key, unless its deadline is shorter."""


class EffectState:
    """What ``idempotency_key()`` finds in the frame of an effect's attempt."""

    __slots__ = ("_call", "asked", "key", "running")

    def __init__(self, key: str, call: Call | None) -> None:
        self.key = key
        self.asked = False
        self.running: Callable[[], bool] | None = None
        self._call = call

    def ask(self) -> str:
        if not self.asked and self._call is not None:
            call = self._call
            # on disk before the body can act with it: after a crash it says that a repetition
            # carries the same key
            call.run.commit(asked(call.run.lease, call.spec.name, self.key))
        self.asked = True
        return self.key


def idempotency_key() -> str:
    """The key of the effect that is running: the same in each attempt, resume and, where ``key=``
    is given, run. Pass it on to whatever you call.

    :raises UsageError: outside of an effect.

    >>> idempotency_key()
    Traceback (most recent call last):
    surefoot.errors.UsageError: idempotency_key() works inside an @effect, its verify and its compensate
    """
    here = frame()
    if here is None or here.effect is None:
        raise UsageError("idempotency_key() works inside an @effect, its verify and its compensate")
    check_fence(here, "idempotency_key()")  # it would act after its failure was judged
    key: str = here.effect.ask()
    return key


class Acquired(NamedTuple):
    """What came of claiming a key: ``happened`` is None where the effect is to act now.

    ``held``: the claim is this call's. ``by``: the run that did it, where it was not this one.
    """

    happened: Happened[Any] | None
    held: bool = True
    by: str | None = None


def _limit(call: Call) -> float:
    """When a wait for somebody else's hold on the key ends, by the monotonic clock."""
    deadline = call.spec.policy.deadline
    return call.run.clock.monotonic() + min(WAIT_FOR_CLAIM, deadline or WAIT_FOR_CLAIM)


def wait_for_key(call: Call) -> Generator[Command, Any, None]:
    """Wait until no other thread or task of this run is at the key; then this call is, and must
    free it.

    :raises RunLocked: it took too long.
    """
    run, spec = call.run, call.spec
    assert call.key is not None
    limit = _limit(call)
    while (held := run.take_key(spec.name, call.key)) is not None:
        if not (yield Until(held, max(0.0, limit - run.clock.monotonic()))):
            raise RunLocked(
                f"{spec.where}: its key {call.key!r} is held by another thread or task of this run, "
                "longer than this call may wait (its deadline, or ten minutes)"
            )


def acquire(call: Call) -> Generator[Command, Any, Acquired]:
    """Hold the key. Gives the result where the effect has happened already.

    :raises KeyConflict: the key was used with other arguments. :raises InDoubt: nobody knows
        whether it happened. :raises RunLocked: another run holds the key too long.
    """
    run, spec = call.run, call.spec
    assert call.key is not None
    effect, key = spec.name, call.key
    limit = _limit(call)
    arguments = _saved_arguments(call)
    match = _match(call)
    settled: tuple[int, int, float] | None = None
    happened: Happened[Any] | None = None
    pause = 0.05
    while True:
        run.check()
        now = run.clock.now()
        intent = Intent(effect, key, call.call_id, now, arguments, match)
        try:
            answer: Claimed = yield Commit(_intend(call, intent, now, settled))
        except Exception:
            raise
        except BaseException:
            # Ctrl-C before the body began: this time it surely did not act; what an earlier attempt
            # may have done stays in doubt
            state = "refused" if settled is None else "in_doubt"
            run.journal.group.lazily(release(call, state, lenient=True))
            raise
        if answer.state != "fresh":
            _check_match(call, answer.match, match)
        if answer.state == "fresh":
            return Acquired(happened)
        if answer.state == "done":
            return Acquired(_result_of(call, answer), held=False, by=answer.run_id)
        if answer.state == "busy":
            if run.clock.monotonic() + pause > limit:
                raise RunLocked(
                    f"{spec.where}: its key {key!r} is held by run {answer.run_id} "
                    f"({answer.owner}); wait for that run to end, then resume this one"
                )
            yield Sleep(pause)
            pause = min(1.0, pause * 2)
            continue
        verdict = yield from settle(call, answer.at, answer.asked, None, None)
        if verdict.happened:
            happened = Happened(verdict.value)
        elif verdict.doubt == "open":
            raise InDoubt(
                f"{spec.where} with key {key!r} had begun, its end was never seen, and nothing can "
                "tell whether it happened. Find out, then tell: "
                f"surefoot resolve {run.run_id} {spec.name} --done | --not-done | --skip; or give it "
                "verify=, or have its body pass on idempotency_key(), or say on_doubt='rerun', and "
                f"go on: surefoot resume {run.run_id}"
            )
        settled = answer.token


def _intend(call: Call, intent: Intent, now: float, settled: tuple[int, int, float] | None) -> Op:
    """The call's row and its claim in one write."""
    row = begin(call.run.lease, call.new, call.first - 1, call.scope.overlapped)
    journal = call.run.journal
    take = claim(call.run.lease, intent, now, settled=settled, held_here=journal.held_here)

    def write(tx: Tx) -> Any:
        answer = take(tx)
        if answer.state == "fresh":
            row(tx)
        return answer

    return write


def _result_of(call: Call, answer: Claimed) -> Happened[Any]:
    run = call.run
    if answer.format is None or answer.digest is None:
        raise InDoubt(
            f"{call.spec.where} with key {call.key!r} happened in run {answer.run_id}, but its "
            "result was not kept"
        )
    data = run.journal.fetch(answer.result, answer.digest)
    if answer.run_id != run.run_id:
        call.warn(f"{call.spec.where}: key {call.key!r} was done by run {answer.run_id}; not again")
    return Happened(call.spec.codec_for(run.services).decode(answer.format, data))


def settle(
    call: Call,
    since: float,
    was_asked: bool,
    failure: Failure | None,
    state: EffectState | None,
) -> Generator[Command, Any, Verdict]:
    """Find out whether an effect happened that may have.

    :param since: when its intent was written.
    """
    spec, run = call.spec, call.run
    assert spec.effect is not None and call.key is not None
    verify = spec.effect.verify
    if verify is None:
        if was_asked:
            return Verdict("key")
        return Verdict("rerun" if spec.policy.on_doubt == "rerun" else "open")
    wait = spec.effect.settle if spec.effect.settle is not None else (spec.policy.timeout or 0.0)
    abandoned = _abandoned(failure)
    while True:
        told = yield from _ask(call, verify)
        if isinstance(told, Happened):
            return Verdict("none", happened=True, value=told.result)
        if not isinstance(told, NotHappened):
            return Verdict("rerun" if spec.policy.on_doubt == "rerun" else "open")
        left = since + wait - run.clock.now()
        if left > 0:
            # what is still on its way there could arrive after the look: look again later
            yield Sleep(left)
            continue
        if abandoned is not None and abandoned():
            return Verdict("rerun" if spec.policy.on_doubt == "rerun" else "open")
        return Verdict("none")


def _abandoned(failure: Failure | None) -> Callable[[], bool] | None:
    exc = failure.exception if failure is not None else None
    return exc.running if isinstance(exc, StepTimeout) else None


def _ask(call: Call, verify: Callable[..., Any]) -> Generator[Command, Any, Any]:
    """What ``verify`` says; None where it fails."""
    assert call.key is not None
    here = Frame(
        runtime=call.frame.runtime,
        step=call.spec.name,
        call_id=call.call_id,
        effect=EffectState(call.key, None),
    )
    args, kwargs = call.args, call.kwargs
    reply = yield Invoke(verify, args, kwargs, here, call.spec.policy.timeout, "its verify")
    if isinstance(reply, Raised):
        if not isinstance(reply.exception, Exception):
            raise reply.exception
        call.warn(
            f"{call.spec.where}: its verify failed ({type(reply.exception).__name__}: "
            f"{call.run.services.scrub_text(str(reply.exception))}), so it stays in doubt"
        )
        return None
    return reply.value


def release(call: Call, state: str, *, reset_asked: bool = False, lenient: bool = False) -> Op:
    """The write that changes what is known of the claim."""
    assert call.key is not None
    return finish_claim(
        call.run.lease,
        call.spec.name,
        call.key,
        state,
        reset_asked=reset_asked,
        lenient=lenient,
    )


def _saved_arguments(call: Call) -> bytes | None:
    """What ``verify`` and ``compensate`` get after a crash; refused now if it cannot be saved."""
    effect = call.spec.effect
    assert effect is not None
    try:
        return keep(call.digest.bound, f"{call.spec.where}: its arguments")
    except SurefootError as exc:
        if effect.verify is None and not _takes_arguments(effect.compensate):
            return None
        raise UnsavableError(
            f"{exc} Its verify and compensate would miss it after a crash, so it did not act"
        ) from exc


def _takes_arguments(compensate: Callable[..., Any] | None) -> bool:
    """Whether an undo wants more than the result."""
    if compensate is None:
        return False
    code = getattr(compensate, "__code__", None)
    return code is None or code.co_argcount + code.co_kwonlyargcount > 1 or code.co_flags & 0x0C > 0


def _match(call: Call) -> str:
    effect = call.spec.effect
    assert effect is not None
    parts = dict(call.digest.parts)
    if effect.match is not None:
        parts = {name: part for name, part in parts.items() if name in effect.match}
    return json.dumps(parts, separators=(",", ":"), sort_keys=True)


def _check_match(call: Call, before: str, now: str) -> None:
    assert call.spec.effect is not None
    if before == now or call.spec.effect.match == ():
        return
    old, new = json.loads(before), json.loads(now)
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    raise key_conflict(call, names)
