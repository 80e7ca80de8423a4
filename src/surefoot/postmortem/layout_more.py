"""The later sections of a page: what was touched, the proof, what changed, alerts, notes."""

from __future__ import annotations

from collections.abc import Iterator

from .blocks import Block, Para, Rows, Table, money
from .model import Postmortem
from .words import code, counted, joined, moment, took, usd

__all__ = ["alerts", "changes", "notes", "recovery", "touched"]

UNDONE = {"done": "undone", "kept": "left as done", "failed": "not undone", "in_doubt": "in doubt"}
SETTLED = {"done": "it happened", "not_done": "it did not happen", "skipped": "skipped"}
EVENTS = {"note": "wrote", "acknowledged": "acknowledged it", "assigned": "was given it"}


def touched(one: Postmortem) -> Iterator[Block]:
    told = one.touched
    if not told.failures and not told.runs:
        yield Para("Nothing: no attempt failed.")
        return
    rows = []
    if told.failures:
        rows = [("failed attempts", f"{told.failures:,}"), ("calls", f"{told.calls:,}")]
    else:
        yield Para("No step: the workflow's own code failed.")
    if told.items:
        rows.append(("of them items", f"{told.items:,}"))
    if told.steps:
        names = joined([code(name) for name in told.steps[:8]])
        rest = f" and {len(told.steps) - 8:,} more" if len(told.steps) > 8 else ""
        rows.append(("steps", names + rest))
    if told.resources:
        rows.append(("resources", joined([code(name) for name in told.resources])))
    if told.cost_wasted:
        rows.append(("cost wasted", f"{usd(told.cost_wasted)} of {usd(told.cost)}"))
    if told.tokens_wasted:
        rows.append(("tokens wasted", f"{told.tokens_wasted:,}"))
    if rows:
        yield Rows(tuple(rows))
    if len(told.runs) > 1 or (told.runs and one.about.incident is not None):
        runs = tuple(
            (
                each.run_id,
                each.workflow,
                each.words,
                f"{each.failures:,}",
                f"{each.items:,}" if each.items else "",
                moment(each.last_at),
            )
            for each in told.runs
        )
        headings = ("run", "workflow", "ended", "failures", "items", "last failure")
        yield Table("Runs with the same failures", headings, runs)
        if told.runs_total > len(runs):
            yield Para(f"{told.runs_total - len(runs):,} earlier runs are not shown.", quiet=True)
    elif one.about.incident is None:
        yield Para("No other run had the same failures.")


def recovery(one: Postmortem) -> Iterator[Block]:
    told = one.recovery
    if told is None:
        yield Para("No run of it is in the journal any more.")
        return
    rows = []
    if told.recovered:
        slowest = f", the slowest after {took(told.seconds)}" if told.seconds else ""
        rows.append(("recovered", f"{counted(told.recovered, 'call')}{slowest}"))
    if told.resumes:
        rows.append(("resumed", counted(told.resumes, "time")))
        saved = f"; {took(told.saved_seconds)} not spent again" if told.saved_seconds else ""
        saved += f", {usd(told.cost_saved)} not paid again" if told.cost_saved else ""
        rows.append(("reused", f"{counted(told.reused, 'result')} in the latest resume{saved}"))
    if told.verified:
        rows.append(("verified", f"{counted(told.verified, 'effect')} found to have happened"))
    if rows:
        yield Rows(tuple(rows))
    if told.steps:
        done = ("reused", "run again") if told.resumes else ("completed",)
        headings: tuple[str, ...] = ("step", "calls", *done, "other", "tried again", "took", "cost")
        yield Table("Its steps", headings, tuple(_steps(one)))
    if told.undone:
        undone = tuple(
            (each.effect, each.key, UNDONE.get(each.state, each.state), each.detail or "")
            for each in told.undone
        )
        yield Table("Undone by the rollback", ("effect", "key", "is", ""), undone)
    if told.settled:
        settled = tuple(
            (each.effect, each.key, SETTLED.get(each.how, each.how), moment(each.at))
            for each in told.settled
        )
        heads = ("effect", "key", "a person said", "at")
        yield Table("Effects that were in doubt", heads, settled)
    if told.letters:
        letters = tuple(
            (each.step, each.kind, each.state, f"{each.letters:,}", f"{each.with_input:,}")
            for each in told.letters
        )
        yield Table("Dead letters", ("step", "as", "is", "letters", "with input"), letters)
    if not rows and not told.steps and not told.undone:
        yield Para("Nothing has been done yet that could be reused.")


def _steps(one: Postmortem) -> Iterator[tuple[str, ...]]:
    assert one.recovery is not None
    for each in one.recovery.steps:
        words = (
            (each.failed, "failed"),
            (each.set_aside, "set aside"),
            (each.running, "begun"),
            (each.degraded, "degraded"),
            (each.superseded, "superseded"),
        )
        other = ", ".join(f"{number:,} {word}" for number, word in words if number)
        done: tuple[str, ...] = (f"{each.completed:,}",)
        if one.recovery.resumes:
            done = (f"{each.reused:,}", f"{each.run_now:,}")
        yield (
            each.step,
            f"{each.calls:,}",
            *done,
            other,
            f"{each.again:,}" if each.again else "",
            took(each.seconds),
            money(each.cost),
        )


def changes(one: Postmortem) -> Iterator[Block]:
    told = one.changes
    if told.run_id is None:
        yield Para(
            "No earlier run of this workflow has completed, so there is nothing to compare with."
        )
    else:
        before = f"the run {code(told.run_id)} of {moment(told.began_at)}, the latest that completed before"
        if told.changes:
            rows = tuple((each.what, each.before or "–", each.now or "–") for each in told.changes)
            yield Para(f"Compared with {before}:")
            yield Table("What differs", ("what", "then", "now"), rows)
        else:
            yield Para(f"Nothing that is recorded differs from {before}.")
        if told.same:
            yield Para(f"The same: {joined(told.same)}.", quiet=True)
        if told.unknown:
            yield Para(f"Not recorded for both: {joined(told.unknown)}.", quiet=True)
    if told.similar:
        others = tuple(
            (
                str(each.number),
                each.step or "(workflow)",
                each.kind,
                each.state,
                f"{each.failures:,}",
                moment(each.last_at),
                each.message,
            )
            for each in told.similar
        )
        headings = ("incident", "step", "as", "is", "failures", "last", "said")
        yield Table("Similar incidents (the same kind or step)", headings, others)


def alerts(one: Postmortem) -> Iterator[Block]:
    if not one.alerts:
        yield Para("No alert about it is recorded, neither sent nor held back.")
        return
    rows = tuple((moment(each.at), each.sink, each.outcome, each.text) for each in one.alerts)
    yield Table("Alerts sent and held back", ("at", "sink", "outcome", "text"), rows)


def notes(one: Postmortem) -> Iterator[Block]:
    if not one.notes:
        yield Para("Nobody has written anything about it.")
        return
    rows = tuple(
        (
            moment(each.at),
            str(each.incident),
            each.author or "Surefoot",
            EVENTS.get(each.event, each.event),
            each.note or "",
        )
        for each in one.notes
    )
    yield Table("What people did and wrote", ("at", "incident", "who", "did", "note"), rows)
