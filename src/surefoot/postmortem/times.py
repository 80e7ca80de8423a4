"""The timeline: which call was tried when, for how long it waited, where the run stopped."""

from __future__ import annotations

import json
from collections import defaultdict

from ..journal import aftermath as read
from ..journal.records import FailureRecord
from .facts import Facts
from .model import Bar, Lane, Mark, Timeline
from .moves import DONE
from .words import code, counted, ordinal, short, took, usd

__all__ = ["timeline_of"]

ALONE = 12
"""Calls with failures that get a lane of their own; the others are folded, a step a lane."""
ATTEMPTS = 20
"""The latest attempts of a call that are shown."""
FOLDED = 30
UNFAILED = 6
"""Running calls without a failure that get a lane."""

ENDS = {"completed": "ok", "skipped": "skipped", "failed": "failed", "running": "running"}


def timeline_of(facts: Facts) -> Timeline:
    """Each failing call on a lane, the others folded by step, and what happened to the run."""
    store, run = facts.journal.store, facts.run
    calls = read.troubled_calls(store, run.pk, ALONE)
    calls += read.waiting_calls(store, run.pk, UNFAILED)
    end = run.ended_at if run.ended_at is not None else facts.last_sign if facts.died else facts.now
    lanes = [_lane(facts, one, end) for one in calls]
    folded, left_out = _folded(facts, calls)
    every = sorted((*lanes, *folded), key=lambda one: one.bars[0].began_at if one.bars else 0.0)
    undos = _undos(facts)
    if undos is not None:
        every.append(undos)
    times = [bar.began_at for lane in every for bar in lane.bars] + [run.created_at]
    last = [bar.ended_at for lane in every for bar in lane.bars] + [end, facts.last_sign]
    return Timeline(min(times), max(last), tuple(every), _marks(facts, end), left_out)


# -- lanes ----------------------------------------------------------------------------------------


def _label(step: str, item: int | None, item_id: str | None) -> str:
    if item is None:
        return short(step)
    return f"{short(step)}[{item if item_id is None else item_id}]"


def _lane(facts: Facts, call: read.CallSpan, end: float) -> Lane:
    failures = read.failures_of_call(facts.journal.store, facts.run.pk, call.call_id, ATTEMPTS)
    bars: list[Bar] = []
    begins = call.began
    if failures and call.began > failures[0].at:
        begins = failures[0].at  # begun anew since: when it first began is not known any more
    before = float("-inf")
    for one in failures:
        if before < call.began <= one.at:
            begins = call.began  # a resume began it anew
        before = one.at
        began = min(begins, one.at)
        bars.append(Bar("failed", began, one.at, one.attempt, _failed(one)))
        begins = one.at
        if one.waited and one.decision == "retry":
            until = one.at + one.waited
            if end < until:
                until = max(end, one.at)  # stopped while it waited
            bars.append(Bar("wait", one.at, until, None, f"waits {took(one.waited)}"))
            begins = until
    last = _last(call, begins, end, failures)
    if last is not None:
        bars.append(last)
    return Lane(
        _label(call.step, call.item, call.item_id),
        call.step,
        call.call_id,
        call.item,
        call.item_id,
        call.status,
        1,
        call.failures,
        tuple(bars),
    )


def _last(
    call: read.CallSpan, begins: float, end: float, failures: list[FailureRecord]
) -> Bar | None:
    """The attempt that did not fail, or that goes on."""
    ends = call.began + call.duration if call.duration is not None else end
    begins = max(begins, call.began)
    if call.status == "completed":
        if call.degraded == "skipped":
            return Bar("degraded", min(begins, ends), ends, None, "a default stands in")
        if call.degraded is not None:
            words = f"through {short(call.degraded)} (degraded)"
            return Bar("degraded", min(begins, ends), ends, None, words)
        number = max(call.attempts, 1)
        return Bar("ok", min(begins, ends), ends, number, f"{ordinal(number)} attempt succeeded")
    if call.status == "skipped":
        return Bar("skipped", ends, ends, None, "set aside as a dead letter")
    if call.status == "running" and (not failures or failures[-1].decision != "halt"):
        return Bar("running", min(begins, end), end, None, "begun, not ended")
    return None


def _failed(one: FailureRecord) -> str:
    told = f"{ordinal(one.attempt)} attempt"
    if one.fallback:
        told += f" through {short(one.fallback)}"
    told += f": {one.kind}, {DONE.get(one.decision, one.decision)}"
    if one.decision == "fall_back" and one.fallback_to:
        told += f" to {short(one.fallback_to)}"
    if one.changes:
        told += f": {_changes(one.changes)}"
    if one.waited:
        told += f" after {took(one.waited)}"
    return f"{told} ({usd(one.cost)} lost)" if one.cost else told


def _changes(changes: str) -> str:
    """What an adaptation changed: ``batch_size 32 → 16``."""
    try:
        told = json.loads(changes)
        return ", ".join(
            f"{name} {str(one['was'])[:40]} → {str(one['now'])[:40]}" for name, one in told.items()
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return "arguments"


def _folded(facts: Facts, alone: list[read.CallSpan]) -> tuple[list[Lane], str | None]:
    """What has no lane of its own: a lane a step."""
    shown: dict[str, int] = defaultdict(int)
    failures_shown: dict[str, int] = defaultdict(int)
    for one in alone:
        shown[one.step] += 1
        failures_shown[one.step] += one.failures
    failures: dict[str, int] = defaultdict(int)
    for group in facts.groups:
        failures[group.step] += group.failures
    by_step: dict[str, list[read.StepGroup]] = {}
    for step in facts.steps:
        if step.form != "map":
            by_step.setdefault(step.step, []).append(step)
    lanes = []
    for name, groups in by_step.items():
        calls = sum(one.calls for one in groups) - shown[name]
        if calls <= 0:
            continue
        items = any(one.items for one in groups)
        failed = max(0, failures[name] - failures_shown[name])
        counts = ", ".join(f"{one.calls:,} {_word(one.status)}" for one in groups)
        words = f"{counted(calls, 'other ' + _noun(items)) if shown[name] else counted(calls, _noun(items))}"
        words += f" of {code(name)}" + (f", {counted(failed, 'failed attempt')}" if failed else "")
        if shown[name] == 0:
            words += f" ({counts})"
        began, ended = min(one.began for one in groups), max(one.ended for one in groups)
        only = groups[0].status if len(groups) == 1 else "several"
        kind = "many" if failed or only not in ENDS else ENDS[only]
        label = f"{short(name)} ({calls:,} {'more' if shown[name] else _noun(items) + 's'})"
        if calls == 1 and not shown[name]:
            label = short(name)
        bar = Bar(kind, began, ended, None, words)
        lanes.append(Lane(label, name, None, None, None, only, calls, failed, (bar,)))
    if len(lanes) <= FOLDED:
        return lanes, None
    rest = lanes[FOLDED:]
    number = sum(one.calls for one in rest)
    return lanes[:FOLDED], f"{counted(number, 'call')} of {counted(len(rest), 'step')} not shown"


def _noun(items: bool) -> str:
    return "item" if items else "call"


def _word(status: str) -> str:
    return {"skipped": "set aside", "running": "begun"}.get(status, status)


def _undos(facts: Facts) -> Lane | None:
    from ..journal.undo import compensations

    if not facts.undos or sum(facts.undos.values()) > 1_000:
        return None
    kinds = {"done": "undone", "kept": "skipped", "failed": "failed", "in_doubt": "failed"}
    words = {"done": "undone", "kept": "left as done", "failed": "not undone"}
    bars = tuple(
        Bar(
            kinds.get(one.state, "failed"),
            one.at,
            one.at,
            None,
            f"{one.step} {words.get(one.state, 'in doubt')}",
        )
        for one in compensations(facts.journal.store, facts.run.pk)[:100]
    )
    done = len(bars)
    return Lane("rollback", "rollback", None, None, None, facts.run.status, done, 0, bars)


# -- marks ----------------------------------------------------------------------------------------


def _marks(facts: Facts, end: float) -> tuple[Mark, ...]:
    run = facts.run
    marks = [Mark("began", run.created_at, "the run began")]
    if run.resumes:
        why = " after its process died" if run.takeovers else ""
        words = f"the {ordinal(run.resumes)} resume{why}"
        marks.append(Mark("resumed", run.started_at, words))
    if facts.died:
        holder = (facts.holder or {}).get("process") or "unknown"
        words = f"the last sign of its process ({holder}), which died"
        marks.append(Mark("died", facts.last_sign, words))
    elif run.ended_at is not None:
        marks.append(Mark("ended", run.ended_at, f"the run is {run.status.replace('_', ' ')}"))
    else:
        marks.append(Mark("now", end, "now"))
    return tuple(marks)
