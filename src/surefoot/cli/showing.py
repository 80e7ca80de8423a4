"""What ``surefoot show`` tells people of one run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .out import counted, plain, render, table, took, when
from .story import (
    DONE,
    STYLES,
    cut,
    degraded_by_fallback,
    failures_by_kind,
    halt_rows,
    halting_failure,
    headline,
    labelled,
    next_move,
    saved,
    shown,
    told_cost,
    undone_rows,
    usd,
)

if TYPE_CHECKING:
    from ..journal.records import DeadLetterRecord
    from ..model import Kind

__all__ = ["telling"]

Document = Mapping[str, Any]

SINGLY = 5
"""Calls of one step that are listed one by one; more of them are counted."""
LAST = 10
"""Failures and dead letters that are told in full."""
WORDS = {"skipped": "set aside", "running": "begun"}


def telling(
    document: Document,
    letters: Sequence[DeadLetterRecord],
    kinds: Mapping[str, Kind],
    journal: str | None,
) -> str:
    """The run, its steps, its failures and what it set aside."""
    from rich.text import Text

    halted = document["status"] == "halted"
    rows: list[tuple[str, Any]] = [
        ("input", cut(json.dumps(document["input"], ensure_ascii=False), 500)),
        ("began", when(document["created_at"])),
    ]
    if document["resumes"]:
        again = f"{counted(document['resumes'], 'time')}, last at {when(document['started_at'])}"
        rows.append(("resumed", again))
    if document["reused"]:
        rows.append(("reused", f"{counted(document['reused'], 'result')}, {saved(document)} saved"))
    rows += told_cost(document)
    rows += labelled("degraded", degraded_by_fallback(document))
    rows.append(("journal", document["journal"]))
    rows += labelled("failures", failures_by_kind(document))
    if halted:
        known = halting_failure(document) or document["error"] or {}
        kind = kinds.get(str(known.get("kind")))
        rows += halt_rows(document, kind.action if kind is not None else None)
    if document["status"] == "completed":
        rows.append(("result", shown(document["result"], document["run_id"], journal)))
    move = next_move(document, journal)
    if move:
        rows.append(("next", move))
    parts: list[Any] = [headline(document), table(("", ""), rows, indent=2)]
    steps = _step_rows(document)
    if steps:
        parts += [Text(), table(("STEP", "STATUS", "TRIES", "TOOK", ""), steps)]
    parts += _failures(document) + _letters(letters) + _undone(document) + _resolved(document)
    return render(*parts)


# -- steps ----------------------------------------------------------------------------------------


def _step_rows(document: Document) -> list[tuple[Any, ...]]:
    steps = document["steps"]
    by_id = {one["id"]: one for one in steps}
    groups: dict[tuple[str, bool], list[Any]] = {}
    for one in steps:
        name = " › ".join((*_path(one["scope"], by_id), one["step"]))
        if one["status"] == "superseded":
            name += " (set aside by --from)"
        groups.setdefault((name, one["item"] is not None), []).append(one)
    rows: list[tuple[Any, ...]] = []
    for (name, items), members in groups.items():
        if items or len(members) > SINGLY:
            rows.append(_together(name, members, "item" if items else "call"))
        else:
            rows += [_alone(name, one) for one in members]
    return rows


def _path(scope: str, by_id: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the calls around a scope, the outermost first."""
    if not scope:
        return ()
    around = by_id.get(scope)
    if around is not None:
        return (*_path(around["scope"], by_id), around["step"])
    outer, slash, _ = scope.rpartition("/")
    if slash:  # the items of a map stand beside the map
        return _path(outer, by_id)
    return (scope.rpartition(":")[0] or scope,)  # a workflow within the workflow


def _alone(name: str, one: Mapping[str, Any]) -> tuple[Any, ...]:
    from rich.text import Text

    status = one["status"]
    notes = []
    if one["reused"]:
        notes.append("reused")
    if one["degraded"]:
        notes.append(f"degraded: {one['degraded']}")
    if one["key"]:
        notes.append(f"key {one['key']}")
    if one["note"]:
        notes.append(one["note"])
    if one["taken_from"]:
        notes.append(f"done by run {one['taken_from']}")
    if one["cost"]:
        notes.append(usd(one["cost"]))
    return (
        name,
        Text(WORDS.get(status, status), STYLES.get(status, "")),
        one["attempts"] or "",
        took(one["duration"]),
        "; ".join(notes),
    )


def _together(name: str, members: Sequence[Mapping[str, Any]], noun: str) -> tuple[Any, ...]:
    by_status = Counter(one["status"] for one in members)
    words = [
        f"{number:,} {WORDS.get(status, status)}" for status, number in by_status.most_common()
    ]
    again = sum(one["attempts"] > 1 for one in members)
    reused = sum(one["reused"] for one in members)
    notes = [counted(len(members), noun)]
    notes += [one["note"] for one in members if (one["note"] or "").startswith("resolved")]
    if reused:
        notes.append(f"{reused:,} reused")
    if again:
        notes.append(f"{again:,} needed more than one attempt")
    return (
        name,
        ", ".join(words),
        sum(one["attempts"] for one in members) or "",
        took(sum(one["duration"] or 0.0 for one in members)),
        "; ".join(notes),
    )


# -- failures and dead letters --------------------------------------------------------------------


def _failures(document: Document) -> list[Any]:
    from rich.text import Text

    failures = document["failures"]
    if not failures:
        return []
    rows = []
    for one in failures[-LAST:]:
        where = one["step"] if one["item"] is None else f"{one['step']}[{one['item']}]"
        done = DONE.get(one["decision"], one["decision"])
        if one["fallback_to"]:
            done += f" to {one['fallback_to']}"
        if one["waited"]:
            done += f" after {took(one['waited'])}"
        if one["changes"]:
            done += f": {_changes(one['changes'])}"
        if one["cost"]:
            done += f" ({usd(one['cost'])} lost)"
        said = f"{one['type'].removeprefix('builtins.')}: {one['message']}"
        rows.append((where, one["attempt"], one["kind"], done, cut(said, 200)))
    made = table(("FAILED", "TRY", "AS", "DONE", "SAID"), rows)
    parts: list[Any] = [Text(), made]
    if len(failures) > LAST:
        parts.append(Text(f"(the last {LAST} of {len(failures):,}; --json has all)", "dim"))
    return parts


def _changes(changes: Mapping[str, Any]) -> str:
    """What an adaptation changed: ``batch_size 32 → 16``."""
    return ", ".join(
        f"{name} {cut(str(one['was']), 40)} → {cut(str(one['now']), 40)}"
        for name, one in changes.items()
    )


def _undone(document: Document) -> list[Any]:
    from rich.text import Text

    if not document["undone"]:
        return []
    return [Text(), table(("EFFECT", "KEY", "IS", ""), undone_rows(document))]


def _resolved(document: Document) -> list[Any]:
    from rich.text import Text

    words = {"done": "it happened", "not_done": "it did not happen", "skipped": "skipped"}
    rows = [
        (one["step"], one["key"], words.get(one["resolved"], one["resolved"]), when(one["at"]))
        for one in document["resolved"]
    ]
    return [Text(), table(("RESOLVED", "KEY", "A PERSON SAID", ""), rows)] if rows else []


def _letters(letters: Sequence[DeadLetterRecord]) -> list[Any]:
    from rich.text import Text

    if not letters:
        return []
    from ..runtime import scrub

    rows = [
        (
            one.pk,
            f"{one.step}[{one.item}]" if one.item is not None else one.step,
            scrub(one.item_id) or "",
            one.kind,
            one.state,
            cut(plain(scrub(one.reason)), 200),
        )
        for one in letters[:LAST]
    ]
    parts: list[Any] = [Text(), table(("LETTER", "SET ASIDE", "ID", "AS", "IS", "BECAUSE"), rows)]
    if len(letters) > LAST:
        parts.append(Text(f"(the first {LAST} of {len(letters):,}; --json has all)", "dim"))
    return parts
