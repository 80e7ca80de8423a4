"""``surefoot resolve``: a person who looked tells the journal whether an effect happened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from ..codec import Codec, convert, hints
from ..errors import InputError, UnknownStep, UsageError
from ..execution.spec import StepSpec
from ..journal import Journal
from ..journal.doubts import Doubt, deed_of, doubts, resolve
from ..journal.undo import UNDO
from ..runtime import Runtime

__all__ = ["How", "pick", "resolve_doubt"]

How = Literal["done", "not_done", "skipped"]


def pick(found: Sequence[Doubt], name: str, run_id: str) -> Doubt:
    """The doubt that is meant by an effect's name, its key, or its call's id.

    :raises UnknownStep: there is none. :raises UsageError: there are several; the message lists them.
    """
    named = [one for one in found if name in (one.effect, one.key, one.call_id)]
    waiting = [one for one in named if one.status not in ("completed", "skipped")]
    named = waiting or named
    if len(named) == 1:
        return named[0]
    lines = "".join(
        f"\n  {one.effect}  key {one.key}  call {one.call_id}" for one in named or found
    )
    if named:
        raise UsageError(
            f"{len(named)} calls of {name} in run {run_id} are in doubt; name one by its key or its "
            f"call:{lines}"
        )
    if not found:
        raise UnknownStep(f"nothing in run {run_id} is in doubt; see: surefoot show {run_id}")
    raise UnknownStep(f"no {name!r} is in doubt in run {run_id}; what is:{lines}")


def resolve_doubt(
    runtime: Runtime,
    run_id: str,
    name: str,
    how: How,
    *,
    value: Any = None,
    spec_of: Any = None,
) -> Doubt:
    """Settle a doubt.

    :param name: the effect's name, its key, or its call's id.
    :param value: with ``done``: its result as JSON has it.
    :param spec_of: gives the effect's spec by name, for its return type; None where nobody knows it.
    :raises UnknownStep: no such doubt. :raises RunLocked: a living process holds the run.
    :raises InputError: the value does not fit what the effect returns.
    """
    journal = runtime.journal
    _, lease = journal.visit(run_id)
    try:
        found = doubts(journal.store, lease.run_pk, runtime.clock.now(), journal.held_here)
        doubt = pick(found, name, run_id)
        record = journal.run(run_id)
        deed = deed_of(journal.store, lease.run_pk, doubt)
        undo = doubt.effect.endswith(UNDO)
        spec = spec_of(doubt.effect) if how == "done" and not undo and spec_of else None
        if undo and deed is None and how != "not_done":
            raise UsageError(
                f"what {doubt.effect} was to undo is not in the journal any more as it was; see: "
                f"surefoot show {run_id}"
            )
        given = value if how == "done" and not undo else None
        stored = _stored(runtime, journal, spec, doubt, given, typed=how == "done" and not undo)
        journal.group.commit(
            resolve(
                lease,
                doubt,
                how,
                runtime.clock.now(),
                stored=stored,
                deed=deed,
                rolled_back=record.status in ("rolled_back", "rolling_back"),
            )
        )
        return doubt
    finally:
        journal.leave(lease)


def _stored(
    runtime: Runtime,
    journal: Journal,
    spec: StepSpec | None,
    doubt: Doubt,
    value: Any,
    *,
    typed: bool,
) -> tuple[str, bytes | None, str]:
    codec = spec.codec_for(runtime) if spec is not None else Codec(where=doubt.effect)
    if typed and spec is not None:
        annotation = hints(spec.fn).get("return", Any)
        try:
            value = convert(value, annotation, name="--value")
        except InputError as exc:
            hint = "; give it with --value" if value is None else ""
            raise InputError(f"{spec.where} returns something else: {exc}{hint}") from exc
    kept = journal.keep(*codec.encode(value))
    return kept.format, kept.inline, kept.digest


def read_value(text: str | None) -> Any:
    """``--value`` as JSON, or as the text that it is."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
