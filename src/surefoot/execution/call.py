"""The identity of a call, and what a resume finds under it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from ..attempts import Failure, Progress
from ..codec.refusal import shown
from ..context import Frame
from ..decide import History
from ..errors import (
    CheckpointDamaged,
    DefinitionError,
    KeyConflict,
    ResumeDrift,
    RunInterrupted,
    SurefootError,
)
from ..events import Drifted, Replayed, Where
from ..fingerprint.arguments import Digest
from ..journal import CallRecord
from ..journal.journal import Stored
from ..journal.writes import NewCall
from ..policy import Policy
from ..store.base import Op
from .kept import keep, trees
from .progress import climbed
from .spec import StepSpec
from .state import RunState, Scope

__all__ = ["MISS", "Call", "SetAside", "leave_scope", "open_call", "replay"]


NOT_BEGUN = ("surefoot.in_doubt", "surefoot.key_conflict")
"""Rules of failures that stopped an effect before an attempt: they count as none."""


class _Miss:
    """Nothing is recorded that could be used: the body must run."""


MISS = _Miss()


class SetAside(Exception):  # noqa: N818  how a map hears of an item, never seen by users
    """An item of a map was skipped."""

    def __init__(self, failure: Failure | None, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure
        self.reason = reason


class Call:
    """One use of a step in a run, from its arguments to its end.

    A replayed step costs microseconds: what only a running one needs is made when it is asked for.
    """

    __slots__ = (
        "_new",
        "also",
        "args",
        "began",
        "call_id",
        "cost",
        "crumbs",
        "digest",
        "first",
        "frame",
        "history",
        "item",
        "item_id",
        "kept",
        "key",
        "kwargs",
        "ordinal",
        "own_key",
        "policy",
        "progress",
        "record",
        "repeat",
        "run",
        "scope",
        "spec",
        "spent",
        "tokens",
    )

    def __init__(
        self,
        spec: StepSpec,
        run: RunState,
        frame: Frame,
        scope: Scope,
        policy: Policy,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        digest: Digest,
        call_id: str,
        ordinal: int,
        repeat: int,
        item: int | None,
        item_id: str | None,
        key: str | None,
        own_key: bool,
    ) -> None:
        self.spec = spec
        self.run = run
        self.frame = frame
        self.scope = scope
        self.policy = policy
        self.args = args
        self.kwargs = kwargs
        self.digest = digest
        self.call_id = call_id
        self.ordinal = ordinal
        self.repeat = repeat
        self.item = item
        self.item_id = item_id
        self.key = key
        self.own_key = own_key
        self.record: CallRecord | None = None
        self.kept: Stored | None = None
        self.first = 1
        self.history: History | None = None
        self.progress: Progress | None = None
        self.began = 0.0
        self.cost = 0.0  # of the attempt that runs
        self.tokens = 0
        self.spent = 0.0  # of all attempts
        self.crumbs: Any = None  # the log records of the last attempt, if there were any
        self.also: Op | None = None  # what its end writes besides: the letter that it replays
        self._new: NewCall | None = None

    @property
    def new(self) -> NewCall:
        """The row of a call that runs; it begins when this is first asked for."""
        if self._new is None:
            spec, run = self.spec, self.run
            parts = None
            if self.item is None or spec.effect is not None:
                parts = _parts(self.digest)
            self.began = run.clock.monotonic()
            self._new = NewCall(
                self.call_id,
                self.scope.id,
                spec.name,
                spec.form,
                spec.stage,
                spec.resource,
                self.ordinal,
                self.digest.total,
                self.repeat,
                parts,
                self.item,
                self.item_id,
                self.key,
                run.clock.now(),
                spec.source,
            )
        return self._new

    def charge(self, usd: float, tokens: int = 0) -> None:
        """An attempt has cost something: US dollars, and tokens."""
        self.cost += usd
        self.tokens += tokens
        self.spent += usd
        self.run.charge(usd)

    def next_attempt(self) -> None:
        """What is charged from now on is another attempt's."""
        self.cost, self.tokens = 0.0, 0

    def arguments(self) -> dict[str, Any]:
        """The original arguments by name, defaults too."""
        return {**self.spec.digester.defaults, **self.digest.bound}

    def where(self, attempt: int = 0) -> Where:
        return Where(
            self.run.run_id, self.spec.name, self.call_id, attempt, self.item, self.spec.stage
        )

    def warn(self, message: str) -> None:
        self.run.services.emit(Drifted(self.where(), message))


def _parts(digest: Digest) -> str:
    """The digests of the arguments as JSON; names and digests need no escapes."""
    return "{" + ",".join([f'"{name}":"{part}"' for name, part in digest.parts]) + "}"


def open_call(
    spec: StepSpec,
    run: RunState,
    frame: Frame,
    scope: Scope,
    policy: Policy,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    item: int | None = None,
    item_id: str | None = None,
) -> Call:
    """Give a call its identity, before its body runs. The scope is entered: leave it afterwards.

    :raises UnsavableError: an argument cannot be read; the message names ``ignore=``.
    """
    run.check()
    check_fence(frame, spec.where)
    digest = spec.digester.digest(args, kwargs)
    name = spec.name
    key: str | None = None
    own_key = spec.effect is not None and spec.effect.key is not None
    if own_key:
        key = key_for(spec, digest)
    mark = digest.total if item_id is None else f"id:{item_id}"
    with run.lock:
        ordinal = scope.ordinals.get(name, 0)
        scope.ordinals[name] = ordinal + 1
        if own_key:
            repeat = 0
            identity = f"effect\0{name}\0{key}"
        else:
            counted = (name, mark)
            repeat = scope.counts.get(counted, 0)
            scope.counts[counted] = repeat + 1
            identity = f"{scope.id}\0{name}\0{mark}\0{repeat}"
        scope.active += 1
        if scope.active > 1:
            scope.overlapped = True
    call_id = blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()
    if spec.effect is not None and key is None:
        key = f"{run.run_id}:{call_id}"
    call = Call(
        spec,
        run,
        frame,
        scope,
        policy,
        args,
        kwargs,
        digest,
        call_id,
        ordinal,
        repeat,
        item,
        item_id,
        key,
        own_key,
    )
    if frame.once and run.kept:
        call.kept = run.kept.get(scope.id, {}).get(call_id)
    if run.recorded.by_id and call.kept is None:
        try:
            call.record = _find(call)
        except BaseException:
            leave_scope(call)
            raise
    return call


def check_fence(frame: Frame, where: str) -> None:
    """An attempt that was abandoned at its timeout begins nothing more: its next try has begun.

    :raises RunInterrupted: it was; it ends the abandoned thread, and nobody else sees it.
    """
    if frame.fence is not None and frame.fence.down:
        raise RunInterrupted(f"{where}: the attempt around it was abandoned at its timeout")


def leave_scope(call: Call) -> None:
    """The call is over, however it ended."""
    run = call.run
    with run.lock:
        call.scope.active -= 1
    if run.kept:
        run.drop_kept(call.call_id)


def key_for(spec: StepSpec, digest: Digest) -> str:
    assert spec.effect is not None and spec.effect.key is not None
    bound = {**spec.digester.defaults, **digest.bound}
    try:
        key = spec.effect.key(**_wanted(spec.effect.key, bound))
    except SurefootError:
        raise
    except Exception as exc:
        raise DefinitionError(
            f"{spec.where}: its key= raised {type(exc).__name__}: {exc}; a key is made from the "
            "arguments alone"
        ) from exc
    if not isinstance(key, (str, int)) or isinstance(key, bool) or key == "":
        raise DefinitionError(
            f"{spec.where}: its key= gave {key!r}; give a text that is the same whenever it is the "
            "same thing that is done"
        )
    return str(key)


def _wanted(fn: Any, bound: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments that a helper function of an effect takes, by name."""
    code = getattr(fn, "__code__", None)
    if code is None or code.co_flags & 0x08:  # **kwargs takes them all
        return bound
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return {name: bound[name] for name in names if name in bound}


def _find(call: Call) -> CallRecord | None:
    """The record of this call, found by its content first; else drift, or a new call."""
    run, spec = call.run, call.spec
    found = run.recorded.by_id.get(call.call_id)
    if found is not None:
        if found.source and found.source != spec.source and spec.source and _kept(found):
            run.warn_once(
                f"source:{spec.name}",
                lambda: call.warn(
                    f"the code of {spec.where} has changed since its results were recorded; they "
                    "are kept. To have them made anew, start a new run"
                ),
            )
        if call.own_key and found.status == "completed":
            _check_key(call, found)
        if found.digest is not None and found.digest != call.digest.total and not call.own_key:
            return _drifted(call, found, f"item {call.item_id!r} has other contents")
        return found
    if call.scope.mapped or call.own_key:
        return None
    if call.scope.id in run.recorded.overlapped or call.scope.overlapped:
        if spec.effect is not None and any(
            other.scope == call.scope.id
            and other.step == spec.name
            and other.effect_key is not None
            for other in run.recorded.by_id.values()
        ):
            call.warn(
                f"{spec.where} is called with arguments that are not recorded, in a place whose "
                "calls overlapped: it is taken as new. Give it key= to be safe"
            )
        return None
    other = run.recorded.by_position.get((call.scope.id, spec.name, call.ordinal))
    if other is None or other.status not in ("completed", "running", "skipped"):
        return None
    return _drifted(call, other, _difference(other.parts, call.digest))


def _check_key(call: Call, found: CallRecord) -> None:
    """Under one key only what ``match=`` leaves out may differ."""
    effect = call.spec.effect
    assert effect is not None
    before, now = json.loads(found.parts or "{}"), dict(call.digest.parts)
    names = [
        name
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name) and (effect.match is None or name in effect.match)
    ]
    if names:
        raise key_conflict(call, names)


def key_conflict(call: Call, names: list[str]) -> KeyConflict:
    return KeyConflict(
        f"{call.spec.where}: key {call.key!r} was used before with other arguments "
        f"({_told_apart(call, names)}); give each deed a key of its own, or name in match= what must "
        "not differ"
    )


def _told_apart(call: Call, names: list[str]) -> str:
    """What differs, before and now, scrubbed; the names alone where it was not kept."""
    assert call.key is not None
    try:
        kept = call.run.journal.claim_arguments(call.spec.name, call.key)
        before = trees(kept) if kept is not None else {}
        now = trees(keep(call.digest.bound, call.spec.where))
    except (SurefootError, ValueError):
        return ", ".join(names)
    scrub = call.run.services.scrub_text
    told = [
        f"{scrub(f'{name}={shown(before[name], 80)}')} before, "
        f"{scrub(f'{name}={shown(now[name], 80)}')} now"
        if name in before and name in now
        else name
        for name in names
    ]
    return "; ".join(told)


def _kept(record: CallRecord) -> bool:
    return record.status in ("completed", "skipped") and bool(record.has_checkpoint)


def _difference(recorded: str | None, digest: Digest) -> str:
    before = json.loads(recorded or "{}")
    now = dict(digest.parts)
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if not names:
        return "its arguments differ"
    word = "argument" if len(names) == 1 else "arguments"
    return f"{word} {', '.join(names)} differ{'s' if len(names) == 1 else ''}"


def _drifted(call: Call, other: CallRecord, what: str) -> CallRecord | None:
    """The same place, other arguments: what the design says for steps and for effects."""
    run, spec = call.run, call.spec
    remedy = ""
    if any(type(value).__name__ in ("datetime", "date") for value in call.digest.bound.values()):
        remedy = "; for a time that a resume repeats, use surefoot.current().now"
    if run.on_drift == "reuse":
        call.warn(f"{spec.where}: {what} from the recorded call; its result is used (reuse)")
        return other
    if spec.effect is not None and run.on_drift == "stop":
        raise ResumeDrift(
            f"{spec.where}: {what} from the recorded call, and it has no key=, so doing it could "
            f"do it twice. Go on with: surefoot resume {run.run_id} --on-drift rerun (do it again) "
            f"or --on-drift reuse (take the recorded result){remedy}"
        )
    call.warn(f"{spec.where}: {what} from the recorded call; it runs again{remedy}")
    return None


def replay(call: Call) -> Any:
    """The recorded result of a call, or :data:`MISS` where its body must run.

    A failure that the workflow caught is raised again.

    :raises CheckpointDamaged: an effect's result cannot be read.
    """
    run = call.run
    if call.kept is not None:
        data = run.journal.fetch(call.kept.inline, call.kept.digest)
        return call.spec.codec_for(run.services).decode(call.kept.format, data)
    found = call.record
    if found is None:
        return MISS
    status = found.status
    if status == "completed" or (status == "skipped" and found.has_checkpoint):
        if not found.has_checkpoint:
            return MISS
        try:
            format_, inline, digest = run.checkpoint(found.seq)
            data = run.journal.fetch(inline, digest)
            value = call.spec.codec_for(run.services).decode(format_, data)
        except Exception as exc:
            return _damaged(call, exc)
        run.reuse(found)
        if call.spec.stage == "inference":
            run.after_inference = True
        if run.services.listening:
            run.services.emit(Replayed(call.where(), found.duration or 0.0))
        return value
    if status == "skipped":
        run.reuse(found)
        raise SetAside(None, found.note or "set aside")
    if status == "failed" and not found.ended_run and call.frame.call_id is None:
        # within another step it is not replayed: the body around it runs anew anyway
        _raise_again(call, found)
    if status == "running":
        _go_on(call, found)
    return MISS


def _damaged(call: Call, exc: Exception) -> Any:
    spec, run = call.spec, call.run
    if spec.effect is not None:
        raise CheckpointDamaged(
            f"{spec.where}: its recorded result cannot be read ({exc}), and doing it again could "
            f"do it twice. Look at: surefoot show {run.run_id}"
        ) from exc
    call.warn(f"{spec.where}: its checkpoint cannot be read ({exc}); it runs again")
    return MISS


def _raise_again(call: Call, found: CallRecord) -> None:
    from ..codec.exceptions import restore_exception
    from .failures import tag

    recorded = call.run.journal.exception(call.run.lease.run_pk, found.call_id)
    if recorded is None:
        return
    exc = restore_exception(json.loads(recorded))
    tag(exc, found.call_id, None, found.note)
    with call.run.lock:
        call.run.replayed_failures.add(found.call_id)
    raise exc


def _go_on(call: Call, found: CallRecord) -> None:
    """After a crash the attempts and their counts go on where they were."""
    rows = [
        row
        for row in call.run.journal.failures(call.run.lease.run_pk, found.call_id)
        if row.rule not in NOT_BEGUN
    ]
    for number, row in enumerate(rows):
        if row.decision == "halt":
            rows = rows[number + 1 :]  # a halt before that: since then it starts afresh
    if not rows:
        return
    call.first = rows[-1].attempt + 1
    call.spent = sum(row.cost for row in rows)
    call.history, call.progress = climbed(call.spec, call.policy, rows, call.run.clock)
