"""``resume --from``: which calls are set aside, so that they run anew."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UnknownStep, UsageError
from ..journal import CallRecord, Journal, RunRecord
from ..journal.superseding import deeds_without_a_key

__all__ = ["calls_from"]


def calls_from(journal: Journal, record: RunRecord, start: str) -> list[CallRecord]:
    """The calls to set aside: those of the step ``start`` (or the call of this id), those begun after
    the first of them ended, what stands in them, and what they stand in.

    :raises UnknownStep: the run has no such call. :raises UsageError: an effect without a key that
        was done, or may have been, is among them.
    """
    calls = [one for one in journal.calls(record.pk) if one.status != "superseded"]
    calls = [one for one in calls if one.scope != "rollback"]
    chosen = {one.call_id: one for one in _named(calls, record, start)}
    first = min(chosen.values(), key=lambda one: (one.started_at, one.seq))
    end = first.started_at + (first.duration or 0.0)
    for one in calls:
        if one.started_at > end or (one.started_at == end and one.seq > first.seq):
            chosen.setdefault(one.call_id, one)
    _close(calls, chosen)
    _refuse(journal, record, start, chosen)
    return sorted(chosen.values(), key=lambda one: one.seq)


def _named(calls: Sequence[CallRecord], record: RunRecord, start: str) -> list[CallRecord]:
    found = [one for one in calls if start in (one.step, one.call_id)]
    maps = {f"{one.scope}/{one.step}" for one in found if one.form == "map"}
    found += [one for one in calls if one.scope in maps]
    if not found:
        from .checks import nearest

        names = {one.step for one in calls}
        raise UnknownStep(
            f"run {record.run_id} has no call of {start!r}{nearest(start, names)}; see its steps with: "
            f"surefoot show {record.run_id}"
        )
    return found


def _close(calls: Sequence[CallRecord], chosen: dict[str, CallRecord]) -> None:
    """What stands in a call that runs anew runs anew, and so does what it stands in."""
    by_id = {one.call_id: one for one in calls}
    inner: dict[str, list[CallRecord]] = {}
    for one in calls:
        inner.setdefault(one.scope.partition("/")[0], []).append(one)
    # what only stands around a chosen call keeps what it had done before
    left = list(chosen)
    for one in list(chosen.values()):
        around = by_id.get(one.scope.partition("/")[0])
        while around is not None:
            chosen.setdefault(around.call_id, around)
            around = by_id.get(around.scope.partition("/")[0])
    while left:
        for one in inner.get(left.pop(), ()):
            if one.call_id not in chosen:
                chosen[one.call_id] = one
                left.append(one.call_id)


def _refuse(journal: Journal, record: RunRecord, start: str, chosen: dict[str, CallRecord]) -> None:
    done = deeds_without_a_key(journal.store, record.pk, record.run_id)
    twice = [chosen[call_id] for call_id in done if call_id in chosen]
    if twice:
        names = sorted({one.step for one in twice})
        raise UsageError(
            f"going on from {start!r} would do {', '.join(names)} again: an effect without a key "
            f"(call {twice[0].call_id}) cannot be told from its repetition. Go on from a later step, "
            "give the effect a key= for the next runs, or start a new run"
        )
