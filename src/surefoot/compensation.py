"""Rollback: the completed effects of a run are undone, the last one first.

Each undo is an effect by itself: its intent is on disk before it acts, it has a key of its own, and
it is tried again as its failures allow. So a rollback that is killed goes on where it was, and no
undo is done twice. One that fails for good, or of which nobody knows whether it happened, is set
aside as a dead letter, and the others go on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from .attempts import drive, drive_async
from .codec import Codec
from .context import Frame, frame
from .errors import InDoubt, JournalError, SurefootError
from .execution.driving import call_async, call_sync
from .execution.effects import EffectState
from .execution.failures import judged
from .execution.kept import restore
from .execution.spec import EffectOptions, Happened, NotHappened, StepSpec
from .execution.state import RunState, Scope
from .fingerprint.arguments import ArgumentDigester
from .journal.letters import dead_letter
from .journal.undo import UNDO, Deed, compensations, deeds, settle_deed, undone
from .journal.writes import NewCall
from .policy import Policy

__all__ = ["Undone", "rollback_async", "rollback_sync"]


@dataclass(frozen=True)
class Undone:
    """What became of one effect: ``done``, ``failed``, ``in_doubt``, ``refused`` (it had not
    happened), or ``kept`` (it has no ``compensate``)."""

    step: str
    key: str
    state: str
    detail: str | None = None


def rollback_sync(run: RunState, specs: Mapping[str, StepSpec]) -> list[Undone]:
    """Undo in the calling thread.

    :param run: with the lease of a run that is ``rolling_back``.
    :param specs: the effects by name, as the workflow's code has them now.
    """

    def handle(what: StepSpec | float) -> Any:
        if isinstance(what, float):
            return run.clock.sleep(what)
        try:
            here, scope = _place(run)
            return call_sync(what, run, here, scope, what.policy, (), {}), None
        except Exception as exc:
            return None, _unless_unwritten(run, exc)

    return drive(_plan(run, specs), handle)


async def rollback_async(run: RunState, specs: Mapping[str, StepSpec]) -> list[Undone]:
    """The same in the calling task; what is no coroutine is simply called."""

    async def handle(what: StepSpec | float) -> Any:
        if isinstance(what, float):
            return await run.clock.sleep_async(what)
        try:
            here, scope = _place(run)
            return await call_async(what, run, here, scope, what.policy, (), {}), None
        except Exception as exc:
            return None, _unless_unwritten(run, exc)

    return await drive_async(_plan(run, specs), handle)


def _unless_unwritten(run: RunState, exc: Exception) -> Exception:
    """The failure of an undo. A journal that fails, or a lease that is lost, is none: the rollback
    stops, and whoever takes the run over goes on with it."""
    if isinstance(exc, JournalError) or not run.writable():
        raise exc
    return exc


def _place(run: RunState) -> tuple[Frame, Scope]:
    scope = Scope("rollback")
    return Frame(runtime=run.services, run=run, scope=scope), scope


Plan = Generator[StepSpec | float, tuple[Any, BaseException | None], list[Undone]]


def _plan(run: RunState, specs: Mapping[str, StepSpec]) -> Plan:
    """Yields effects to carry out, and is sent what came of them; or seconds to wait."""
    told: list[Undone] = []
    journal, lease = run.journal, run.lease
    settled = {
        (one.step, one.effect_key, one.generation)
        for one in compensations(journal.store, lease.run_pk)
        if one.state == "done"
    }
    for deed in deeds(journal.store, lease.run_pk):
        run.check()
        if (deed.effect, deed.key, deed.generation) in settled:
            continue
        spec = specs.get(deed.effect)
        if spec is None or spec.effect is None or spec.effect.compensate is None:
            why = "no effect of this name is found in the code" if spec is None else None
            told.append(_note(run, deed, "kept", why or "it has no compensate="))
            continue
        if deed.state == "done":
            told.append((yield from _undo(run, spec, deed)))
            continue
        known, why = yield from _settled(run, spec, deed)
        if known is not None:
            told.append((yield from _undo(run, spec, known)))
        elif why is None:
            told.append(Undone(deed.effect, deed.key, "refused", "it had not happened"))
        else:
            told.append(_aside(run, spec, deed, "in_doubt", why, None))
    return told


def _settled(
    run: RunState, spec: StepSpec, deed: Deed
) -> Generator[StepSpec | float, tuple[Any, BaseException | None], tuple[Deed | None, str | None]]:
    """An effect in doubt: the deed with its result, or None; and why nobody knows."""
    assert spec.effect is not None
    verify = spec.effect.verify
    if verify is None:
        return None, "nobody knows whether it happened: it has no verify="
    arguments = _arguments(spec, deed)
    if arguments is None:
        return None, "nobody knows whether it happened: its arguments were not kept"
    args, kwargs = spec.digester.unbind(arguments)
    settle = spec.effect.settle if spec.effect.settle is not None else (spec.policy.timeout or 0.0)
    while True:
        answer, error = yield _part(
            f"{deed.effect}.verify",
            lambda: verify(*args, **kwargs),
            spec,
            EffectState(deed.key, None),
            None,
        )
        left = deed.at + settle - run.clock.now()
        if not isinstance(answer, NotHappened) or left <= 0:
            break
        yield left  # what is still on its way there could arrive after the look: look again later
    if isinstance(answer, Happened):
        stored = run.journal.keep(*spec.codec.encode(answer.result))
        run.commit(settle_deed(run.lease, deed, "done"))
        return (
            Deed(
                deed.effect,
                deed.key,
                deed.generation,
                "done",
                deed.call_id,
                deed.at,
                deed.arguments,
                stored.format,
                stored.inline,
                stored.digest,
            ),
            None,
        )
    if isinstance(answer, NotHappened):
        run.commit(settle_deed(run.lease, deed, "refused"))
        return None, None
    return None, f"its verify could not tell: {error or answer!r}"


def _undo(
    run: RunState, spec: StepSpec, deed: Deed
) -> Generator[StepSpec | float, tuple[Any, BaseException | None], Undone]:
    assert spec.effect is not None and spec.effect.compensate is not None
    try:
        args, kwargs = _for_undo(run, spec, deed)
    except SurefootError as exc:
        return _aside(run, spec, deed, "failed", f"its result cannot be read: {exc}", exc)
    compensate = spec.effect.compensate
    key = f"undo:{deed.effect}:{deed.key}:{deed.generation}"
    _, error = yield _part(
        f"{deed.effect}{UNDO}", lambda: compensate(*args, **kwargs), spec, None, key
    )
    if error is None:
        return _note(run, deed, "done", None)
    found = judged(error)
    doubt = isinstance(error, InDoubt) or (found is not None and found.outcome == "open")
    state = "in_doubt" if doubt else "failed"
    return _aside(run, spec, deed, state, f"{type(error).__name__}: {error}", error)


def _part(
    name: str,
    act: Callable[[], Any],
    of: StepSpec,
    asks: EffectState | None,
    key: str | None,
) -> StepSpec:
    """An undo (an effect, under its ``key``) or a look (a step, whose ``idempotency_key()`` is
    ``asks``), with the limits of the effect it belongs to."""

    def undo() -> Any:
        outcome = act()
        if inspect.isawaitable(outcome):
            return _ended(outcome)
        return None  # what an undo returns is of no interest

    def look() -> Any:
        here = frame()
        assert here is not None
        here.effect = asks
        return act()

    fn = look if key is None else undo
    fn.__qualname__ = fn.__name__ = name
    policy = Policy(
        attempts=of.policy.attempts,
        timeout=of.policy.timeout,
        deadline=of.policy.deadline,
        backoff=of.policy.backoff,
        effect=key is not None,
        on_doubt=of.policy.on_doubt,
    )
    return StepSpec(
        name=name,
        fn=fn,
        form="step" if key is None else "effect",
        is_async=of.is_async,
        policy=policy,
        stage=of.stage,
        resource=of.resource,
        checkpoint=key is not None,
        digester=ArgumentDigester(fn),
        codec=Codec(where=name),
        effect=EffectOptions(lambda: key, (), None, None, None) if key is not None else None,
    )


async def _ended(outcome: Any) -> None:
    await outcome


def _for_undo(run: RunState, spec: StepSpec, deed: Deed) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The result, and the effect's arguments after it where ``compensate`` takes more."""
    assert spec.effect is not None and deed.format is not None and deed.digest is not None
    data = run.journal.fetch(deed.result, deed.digest)
    result = spec.codec_for(run.services).decode(deed.format, data)
    return (result,), _more(spec.effect.compensate, _arguments(spec, deed) or {})


def _arguments(spec: StepSpec, deed: Deed) -> dict[str, Any] | None:
    return restore(deed.arguments, spec.fn) if deed.arguments is not None else None


def _more(fn: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those arguments that an undo takes after the result."""
    code = getattr(fn, "__code__", None)
    if code is None:
        return {}
    if code.co_flags & 0x08:  # **kwargs takes them all
        return dict(arguments)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    skip = 2 if getattr(fn, "__self__", None) is not None else 1
    return {name: arguments[name] for name in names[skip:] if name in arguments}


def _note(run: RunState, deed: Deed, state: str, detail: str | None) -> Undone:
    scrubbed = run.services.scrub_text(detail) if detail is not None else None
    run.commit(undone(run.lease, deed, state, scrubbed, run.clock.now()))
    return Undone(deed.effect, deed.key, state, scrubbed)


def _aside(
    run: RunState,
    spec: StepSpec,
    deed: Deed,
    state: str,
    why: str,
    error: BaseException | None,
) -> Undone:
    """Set an undo aside as a dead letter; the others go on."""
    found = run.services.classify(error, spec, False) if error is not None else None
    call = NewCall(
        f"{deed.call_id}{UNDO}",  # the effect's own call may have had a letter of its own
        "rollback",
        f"{deed.effect}{UNDO}",
        "effect",
        spec.stage,
        spec.resource,
        0,
        "",
        0,
        None,
        None,
        None,
        deed.key,
        run.clock.now(),
        None,
    )
    letter = dead_letter(
        run.lease,
        call,
        deed.arguments,
        None,
        found.kind if found is not None else "in_doubt",
        found.fingerprint if found is not None else "",
        run.services.scrub_text(why),
        run.clock.now(),
    )
    run.commit(letter)
    return _note(run, deed, state, why)
