"""A postmortem as a page of blocks, in the order in which a person on call reads."""

from __future__ import annotations

from collections.abc import Iterator

from . import layout_more as more
from . import layout_why
from .blocks import Block, Command, Page, Para, Picture, Rows, Section, Table
from .model import About, Bar, Postmortem
from .words import code, counted, joined, labelled, moment, took

__all__ = ["page_of"]

LABEL = 44
ROWS = 80
"""Rows of the timeline as a table: the first and the last ones."""


def page_of(one: Postmortem) -> Page:
    """The whole postmortem, in the order in which a person on call reads."""
    sections = [
        Section("Is it still happening?", (Para(" ".join(one.now.happening_words)),)),
        Section("Is the data safe?", tuple(_data(one))),
        Section("What should I do?", tuple(_to_do(one))),
        Section("Timeline of attempts", tuple(_timeline(one))),
        Section("Why it was classified and decided so", tuple(layout_why.why(one.classified))),
        Section("Cause", tuple(layout_why.causes(one.causes))),
        Section("What else it touched", tuple(more.touched(one))),
        Section("Proof of recovery", tuple(more.recovery(one))),
        Section("What changed since it last worked", tuple(more.changes(one))),
        Section("Alerts", tuple(more.alerts(one))),
        Section("Notes", tuple(more.notes(one))),
    ]
    return Page(
        _subject(one.about), one.summary.sentence, one.summary.level, _about(one), tuple(sections)
    )


def _subject(about: About) -> str:
    if about.incident is not None:
        return f"incident {about.incident.number} ({about.incident.fingerprint})"
    return f"run {about.run_id} of {about.workflow}"


def _about(one: Postmortem) -> Rows:
    about, rows = one.about, list[tuple[str, str]]()
    incident = about.incident
    if incident is not None:
        rows.append(
            ("incident", f"{incident.number}, {incident.state}: {code(incident.fingerprint)}")
        )
        if incident.owner:
            rows.append(("owner", incident.owner))
        rows.append(("first seen", moment(incident.first_at)))
        rows.append(("last seen", moment(incident.last_at)))
        rows.append(("failures", f"{incident.failures:,}"))
        if incident.regressions:
            quiet = (
                f", the latest after {took(incident.quiet_seconds)}"
                if incident.quiet_seconds
                else ""
            )
            rows.append(("came back", f"{counted(incident.regressions, 'time')}{quiet}"))
        if incident.merged:
            rows.append(("merged in", joined([code(name) for name in incident.merged[:10]])))
    if about.run_id is not None:
        status = (about.status or "").replace("_", " ")
        if about.degraded:
            status += ", degraded"
        label = "latest run" if incident is not None else "run"
        rows.append((label, f"{code(about.run_id)} of {code(about.workflow or '')}: {status}"))
        rows.append(("began", moment(about.began_at)))
        if about.ended_at is not None:
            rows.append(("ended", f"{moment(about.ended_at)}, {took(about.seconds)} later"))
        if about.input and about.input != "{}":
            rows.append(("input", about.input))
    rows.append(("journal", about.journal))
    rows.append(("told at", moment(about.made_at)))
    return Rows(tuple(rows))


def _data(one: Postmortem) -> Iterator[Block]:
    data = one.now.data
    yield Para(" ".join(data.words))
    if data.doubts:
        rows = tuple(
            (each.effect, each.key, moment(each.began_at), each.run_id) for each in data.doubts
        )
        yield Table("Effects in doubt", ("effect", "key", "began", "of run"), rows)
        if data.effects_in_doubt > len(rows):
            yield Para(f"{data.effects_in_doubt - len(rows):,} more are not shown.", quiet=True)


def _to_do(one: Postmortem) -> Iterator[Block]:
    todo = one.now.to_do
    yield Para(todo.words)
    if todo.command is not None:
        yield Command(todo.command)
    if todo.effect is not None:
        yield Para(todo.effect)
    if todo.action is not None:
        yield Para(f"What a person does about this kind: {todo.action}")


# -- the timeline ---------------------------------------------------------------------------------


def _timeline(one: Postmortem) -> Iterator[Block]:
    line = one.timeline
    if line is None:
        yield Para("No run of it is in the journal any more.")
        return
    if one.about.incident is not None:
        yield Para(f"Of its latest run, {code(one.about.run_id or '')}.")
    yield Picture(line)
    rows = [(mark.at, 0 if mark.kind == "began" else 2, "", "", mark.words) for mark in line.marks]
    rows += [
        (bar.began_at, 1, labelled(lane.label, LABEL), _lasted(bar), bar.words)
        for lane in line.lanes
        for bar in lane.bars
        if bar.kind != "wait"  # the failure before it tells of it
    ]
    rows.sort(key=lambda row: row[:2])
    left = max(0, len(rows) - ROWS)
    shown = rows if not left else rows[: ROWS // 2] + rows[-ROWS // 2 :]
    told = [
        (moment(at), "" if at <= line.began_at else f"+{took(at - line.began_at)}", *words)
        for at, _, *words in shown
    ]
    if left:
        told.insert(ROWS // 2, ("…", "", "", "", f"{left:,} more"))
    headings = ("at", "after", "call", "took", "what")
    yield Table("What happened when", headings, tuple(told))
    if line.left_out:
        yield Para(line.left_out, quiet=True)


def _lasted(bar: Bar) -> str:
    seconds = bar.ended_at - bar.began_at
    return took(seconds) if seconds >= 0.0005 else ""
