"""An incident: the same failure in whatever runs, told in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..journal import aftermath as read
from ..journal import repeats
from ..journal.incident_reading import Incident as Found
from ..journal.repeats import SeenIn
from .facts import Facts
from .model import Classified, Incident, Now, Summary, ToDo, Touched
from .moves import command
from .reach import RUNS, run_seen
from .verdict import now_of
from .words import code, counted, joined, moment, times, took

__all__ = ["classified_in", "incident_of", "now_in", "summary_in", "touched_in"]

UNFINISHED = ("halted", "interrupted", "running", "rolling_back")


def incident_of(row: Found) -> Incident:
    return Incident(
        number=row.number,
        fingerprint=row.fingerprint,
        state=row.state,
        owner=row.owner,
        kind=row.kind,
        step=row.step,
        severity=row.severity,
        first_at=row.first_at,
        last_at=row.last_at,
        failures=row.failures,
        regressions=row.regressions,
        quiet_seconds=row.quiet,
        muted_until_at=row.muted_until,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
        merged=tuple(fingerprint for _, fingerprint in row.merged),
    )


def outstanding(seen: Sequence[SeenIn]) -> list[SeenIn]:
    """The runs among the latest that wait for somebody, or go on."""
    return [one for one in seen if one.status in UNFINISHED]


def summary_in(
    row: Found,
    seen: Sequence[SeenIn],
    endings: dict[str, int],
    facts: Facts | None,
    now: float,
) -> Summary:
    """How often, where, since when, how it ended, what is left to do."""
    who = code(row.step) if row.step else "a workflow's own code"
    kind = f"{row.kind} ({row.resource})" if row.resource else row.kind
    runs = row.runs
    told = f"{who} has failed {times(row.failures)} with {kind}"
    if runs:
        told += f" in {counted(runs, 'run')}"
    if row.failures > 1 and row.last_at > row.first_at:
        told += (
            f" since {moment(row.first_at)}, the last time {took(max(0.0, now - row.last_at))} ago"
        )
    else:
        told += f", {took(max(0.0, now - row.first_at))} ago"
    ends = _ends(endings, seen)
    if ends:
        told += f"; {ends}"
    if row.regressions:
        quiet = f" ({'the latest time ' if row.regressions > 1 else ''}after {took(row.quiet)} without one)"
        told += f"; it came back {times(row.regressions)}{quiet if row.quiet else ''}"
    told += f"; {_state(row)}"
    waiting = outstanding(seen)
    letters = row.open_letters
    if waiting:
        told += f"; see to {code(waiting[0].run_id)}"
        told += f" and {counted(len(waiting) - 1, 'other run')}" if len(waiting) > 1 else ""
        level = "act"
    elif letters:
        told += f"; {counted(letters, 'dead letter')} {'waits' if letters == 1 else 'wait'} to be replayed"
        level = "act"
    else:
        told += "; nothing to do"
        level = "fine" if row.state in ("resolved", "muted") else "look"
    return Summary(f"{told[0].upper()}{told[1:]}.", level)


def _ends(endings: dict[str, int], seen: Sequence[SeenIn]) -> str:
    if not endings:
        for one in seen:
            endings[one.status] = endings.get(one.status, 0) + 1
    total = sum(endings.values())
    words = {
        "completed": "recovered",
        "degraded": "recovered with a degraded result",
        "halted": "halted",
        "interrupted": "stopped",
        "cancelled": "was cancelled" if endings.get("cancelled") == 1 else "were cancelled",
        "running": "not ended",
        "rolling_back": "being rolled back",
        "rolled_back": "rolled back",
    }
    if total == 1:
        [only] = endings
        verb = {"running": "it has not ended", "rolling_back": "it is being rolled back"}
        told = {"rolled_back": "it was rolled back", "interrupted": "it was stopped"}
        told.update(verb, cancelled="it was cancelled")
        return told.get(only, f"it {words.get(only, only)}")
    parts = [f"{endings[one]:,} {words[one]}" for one in words if endings.get(one)]
    return joined(parts)


def _state(row: Found) -> str:
    owner = f", owned by {row.owner}" if row.owner else ""
    if row.state == "resolved":
        by = "by recovery" if row.resolved_by == "recovery" else f"by {row.resolved_by}"
        return f"resolved {by}{owner}"
    if row.state == "muted":
        until = f" until {moment(row.muted_until)}" if row.muted_until is not None else ""
        return f"muted{until}{owner}"
    return f"{row.state}{owner}"


def now_in(
    row: Found,
    fingerprints: Sequence[str],
    seen: Sequence[SeenIn],
    facts: Facts | None,
    waiting: Facts | None,
    journal_option: str | None,
    now: float,
) -> Now | None:
    """:param facts: the latest run. :param waiting: the latest that needs somebody."""
    base = waiting or facts
    if base is None:
        return None
    told = now_of(base, ())
    words = [
        f"Its last failure was at {moment(row.last_at)}, {took(max(0.0, now - row.last_at))} ago."
    ]
    live = [one for one in seen if one.status in ("running", "rolling_back")]
    stands = [one for one in seen if one.status in ("halted", "interrupted")]
    happening = "no"
    if live:
        happening = "running"
        words.insert(0, f"{counted(len(live), 'run')} of it has not ended: {_named(live)}.")
    elif stands:
        happening = "waiting"
        verb = "stands" if len(stands) == 1 else "stand"
        words.insert(
            0, f"{counted(len(stands), 'run')} {verb} still because of it: {_named(stands)}."
        )
    else:
        words.insert(0, "No: no run waits because of it.")
    data = replace(told.data, words=(f"Of its run {code(base.run.run_id)}:", *told.data.words))
    to_do = told.to_do
    letters = row.open_letters
    if waiting is None and letters:
        line = command("dead-letters replay --all --fingerprint", fingerprints[0], journal_option)
        to_do = ToDo(
            True,
            "Mend what they failed of, then paste this.",
            line,
            "mend what they failed of",
            "It runs the items of this incident again with their saved inputs, one first; if that one "
            "fails again, the others are left alone.",
            None,
        )
    elif waiting is None:
        to_do = ToDo(False, "Nothing.", None, None, None, None)
    return Now(happening, tuple(words), data, to_do)


def _named(runs: Sequence[SeenIn]) -> str:
    told = joined([code(one.run_id) for one in runs[:3]])
    return (
        told
        if len(runs) <= 3
        else f"{joined([code(one.run_id) for one in runs[:2]], 'and')} and {len(runs) - 2:,} more"
    )


def classified_in(
    facts: Facts, fingerprints: Sequence[str], found: tuple[Classified, ...]
) -> tuple[Classified, ...]:
    """Only this incident's, with the number of failures in all runs."""
    count: dict[tuple[str, str], int] = {}
    for one in read.failure_groups(facts.journal.store, None, fingerprints):
        key = (one.step, one.fingerprint)
        count[key] = count.get(key, 0) + one.failures
    return tuple(
        replace(one, failures=count.get((one.step, one.fingerprint), one.failures))
        for one in found
        if one.fingerprint in fingerprints
    )


def touched_in(
    row: Found, fingerprints: Sequence[str], seen: Sequence[SeenIn], facts: Facts | None
) -> Touched:
    """All runs together."""
    assert fingerprints
    store = facts.journal.store if facts is not None else None
    total = repeats.totals(store, fingerprints) if store is not None else None
    groups = read.failure_groups(store, None, fingerprints) if store is not None else []
    steps = tuple(dict.fromkeys(one.step for one in groups)) or ((row.step,) if row.step else ())
    resources = facts.resource_of if facts is not None else {}
    return Touched(
        failures=max(row.failures, total.failures if total is not None else 0),
        calls=sum(one.calls for one in groups),
        items=total.items if total is not None else 0,
        steps=steps,
        resources=tuple(sorted({resources.get(one, "") for one in steps} - {""})),
        cost_wasted=total.cost if total is not None else 0.0,
        tokens_wasted=total.tokens if total is not None else 0,
        cost=facts.journal.cost(facts.run.pk) if facts is not None else 0.0,
        runs_total=max(total.runs if total is not None else 0, len(seen)),
        failures_elsewhere=0,
        runs=tuple(run_seen(one) for one in seen[:RUNS]),
    )
