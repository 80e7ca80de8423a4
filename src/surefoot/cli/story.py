"""A run told for people: how it ended, what failed, what was done about it, and what to do next."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..postmortem.moves import (
    DONE,
    Standing,
    command,
    halted_map,
    halting_failure,
    is_in_doubt,
    move_of,
)
from ..postmortem.words import cut, usd
from .out import ago, counted, plain, render, table, took

if TYPE_CHECKING:
    from rich.text import Text

__all__ = [
    "DONE",
    "command",
    "cut",
    "degraded_by_fallback",
    "ending",
    "failures_by_kind",
    "halt_rows",
    "halting_failure",
    "headline",
    "labelled",
    "next_move",
    "saved",
    "shown",
    "told_cost",
    "undone_rows",
    "usd",
]

Document = Mapping[str, Any]

STYLES = {
    "completed": "green",
    "halted": "bold red",
    "interrupted": "yellow",
    "cancelled": "yellow",
    "failed": "red",
    "skipped": "yellow",
    "running": "cyan",
    "superseded": "dim",
}
RESULT_CHARACTERS = 2_000


def headline(document: Document, read_only: bool = False) -> Text:
    """Which run, and how it ended."""
    from rich.text import Text

    status = document["status"]
    lasted = ago(document["started_at"], document["ended_at"])
    told = Text("run ").append(plain(document["run_id"]), "bold")
    told.append(f" of {plain(document['workflow'])}: ")
    told.append(status, STYLES.get(status, ""))
    if lasted is not None and not read_only:
        told.append(f" in {took(lasted)}")
    if document["degraded"]:
        told.append(" (degraded: a fallback or a default stands in for a result)")
    if read_only:
        told.append(" (read from the journal; nothing ran)", "dim")
    return told


def ending(
    document: Document, *, journal: str | None, read_only: bool = False, action: str | None = None
) -> str:
    """The summary after ``run`` and ``resume``."""
    rows: list[tuple[str, Any]] = [("calls", _calls(document))]
    if document["reused"]:
        kept = f"{counted(document['reused'], 'result')} kept from before"
        rows.append(("reused", f"{kept}, {saved(document)} saved"))
    rows += told_cost(document)
    rows += labelled("degraded", degraded_by_fallback(document))
    rows += labelled("failures", failures_by_kind(document))
    if document["status"] == "halted":
        rows += halt_rows(document, action)
    rows += _last_rows(document, journal)
    return render(headline(document, read_only), table(("", ""), rows, indent=2))


def saved(document: Document) -> str:
    """What a resume did not spend again."""
    time = took(document["time_saved"])
    return f"{time} and {usd(document['cost_saved'])}" if document["cost_saved"] else time


def told_cost(document: Document) -> list[tuple[str, Any]]:
    """What all attempts cost, and what of it went into those that failed."""
    if not document["cost"]:
        return []
    wasted = document["cost_wasted"]
    lost = f", {usd(wasted)} of it in attempts that failed" if wasted else ""
    return [("cost", f"{usd(document['cost'])}{lost}")]


def degraded_by_fallback(document: Document) -> list[str]:
    """What stands in for results, and in which steps."""
    counts = Counter(
        (one["step"], one["degraded"])
        for one in document["steps"]
        if one["degraded"] and one["status"] != "superseded"
    )
    return [
        f"{step}: {'no result, a default' if name == 'skipped' else f'through {name}'}"
        + (f" ({number:,} calls)" if number > 1 else "")
        for (step, name), number in counts.items()
    ]


UNDONE = {"done": "undone", "kept": "kept", "failed": "not undone", "in_doubt": "in doubt"}


def undone_rows(document: Document) -> list[tuple[Any, ...]]:
    """What a rollback did about each effect; those that another run did are not this one's."""
    rows: list[tuple[Any, ...]] = [
        (one["step"], one["key"], UNDONE.get(one["state"], one["state"]), one["detail"] or "")
        for one in document["undone"]
    ]
    rows += [
        (one["step"], one["key"], "left alone", f"run {one['taken_from']} did it, not this one")
        for one in document["steps"]
        if one["taken_from"]
    ]
    return rows


def labelled(label: str, lines: list[str]) -> list[tuple[str, Any]]:
    """Rows under one label."""
    return [(label if number == 0 else "", line) for number, line in enumerate(lines)]


def _calls(document: Document) -> str:
    steps = [one for one in document["steps"] if one["form"] != "map"]
    by_status = Counter(one["status"] for one in steps)
    words = [
        f"{by_status[status]:,} {word}"
        for status, word in (
            ("completed", "completed"),
            ("skipped", "set aside"),
            ("failed", "failed"),
            ("running", "begun and not ended"),
        )
        if by_status[status]
    ]
    again = sum(one["attempts"] > 1 for one in steps)
    if again:
        words.append(f"{again:,} needed more than one attempt")
    return ", ".join(words) or "none"


def failures_by_kind(document: Document) -> list[str]:
    """How often each kind came, where, and what was done about it; the most frequent first."""
    groups: dict[tuple[str, str, str], list[Any]] = {}
    for one in document["failures"]:
        groups.setdefault((one["kind"], one["step"], one["decision"]), []).append(one)
    lines = []
    ordered = sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    for (kind, step, decision), members in ordered:
        waited = sum(one["waited"] or 0.0 for one in members)
        what = DONE.get(decision, decision) + (f" after {took(waited)}" if waited else "")
        if waited and len(members) > 1:
            what += " in all"
        lines.append(f"{len(members):,} × {kind} in {step}: {what}")
    return lines


def halt_rows(document: Document, action: str | None) -> list[tuple[str, Any]]:
    """What failed, as what, why nothing more was tried."""
    error = document["error"] or {}
    last = halting_failure(document)
    if last is not None:
        where = last["step"] if last["item"] is None else f"{last['step']}, item {last['item']}"
        where += f" (attempt {last['attempt']})"
    else:
        where = halted_map(document, str(error.get("message"))) or "the workflow's own code"
    person = "" if error.get("recoverable", True) else "; a person must act first"
    known = last or error
    rows = [
        ("failed", where),
        ("as", f"{known.get('kind')} ({known.get('category')}{person})"),
    ]
    if last is not None:
        rows.append(("because", last["reason"]))
    said = f"{str(error.get('type')).removeprefix('builtins.')}: {error.get('message')}"
    rows.append(("said", cut(_without_notes(said), 500)))
    if action:
        rows.append(("to do", action))
    return rows


def _without_notes(message: str) -> str:
    """Python 3.10 keeps our notes in the message; they are told beside it."""
    return message.partition("\nsurefoot: ")[0]


def _last_rows(document: Document, journal: str | None) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    aside = sum(one["dead_letter"] == "open" for one in document["steps"])
    if aside:
        show = command("show", document["run_id"], journal)
        rows.append(("set aside", f"{counted(aside, 'item')}; see them with: {show}"))
    if document["status"] == "completed":
        rows.append(("result", shown(document["result"], document["run_id"], journal)))
    move = next_move(document, journal)
    if move:
        rows.append(("next", move))
    return rows


def next_move(document: Document, journal: str | None) -> str | None:
    """What to do now, as a command; None for a run that needs nothing."""
    standing = Standing(
        document["run_id"],
        document["status"],
        journal,
        document.get("holder"),
        in_doubt=is_in_doubt(document),
        not_undone=sum(one["state"] == "failed" for one in document["undone"]),
    )
    move = move_of(standing)
    return None if move is None else move.words


def shown(result: Any, run_id: str, journal: str | None) -> str:
    """A result for people; a long one is cut, and says where all of it is."""
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    if len(text) <= RESULT_CHARACTERS:
        return text
    whole = command("resume --json", run_id, journal)
    left = len(text) - RESULT_CHARACTERS
    return f"{text[:RESULT_CHARACTERS]} … ({left:,} more characters; all of it: {whole})"
