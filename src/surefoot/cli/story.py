"""A run told for people: how it ended, what failed, what was done about it, and what to do next."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .out import ago, counted, plain, render, table, took

if TYPE_CHECKING:
    from rich.text import Text

__all__ = [
    "DONE",
    "command",
    "cut",
    "ending",
    "failures_by_kind",
    "halt_rows",
    "halting_failure",
    "headline",
    "labelled",
    "next_move",
    "shown",
]

Document = Mapping[str, Any]

DONE = {
    "retry": "tried again",
    "adapt": "tried again, changed",
    "fall_back": "fell back",
    "skip": "set aside",
    "halt": "halted",
}
"""What was done about a failure, by its decision."""

STYLES = {
    "completed": "green",
    "halted": "bold red",
    "interrupted": "yellow",
    "cancelled": "yellow",
    "failed": "red",
    "skipped": "yellow",
    "running": "cyan",
}
RESULT_CHARACTERS = 2_000


def command(words: str, run_id: str, journal: str | None) -> str:
    """A command line that can be pasted, for the journal that was named."""
    line = f"surefoot {words} {shlex.quote(run_id)}"
    return line if journal is None else f"{line} --journal {shlex.quote(journal)}"


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
        saved = took(document["time_saved"])
        rows.append(
            ("reused", f"{counted(document['reused'], 'result')} kept from before, {saved} saved")
        )
    rows += labelled("failures", failures_by_kind(document))
    if document["status"] == "halted":
        rows += halt_rows(document, action)
    rows += _last_rows(document, journal)
    return render(headline(document, read_only), table(("", ""), rows, indent=2))


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
        where = _halted_map(document, str(error.get("message"))) or "the workflow's own code"
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


def _halted_map(document: Document, message: str) -> str | None:
    """The map of which too many items failed, if that is what halted the run."""
    for one in reversed(document["steps"]):
        name = one["step"].removesuffix(".map")
        halted = one["form"] == "map" and one["status"] == "failed"
        if halted and "max_failure_ratio" in message and message.startswith(f"step {name}: "):
            return f"{one['step']}: {one['note']}"
    return None


def halting_failure(document: Document) -> Any:
    """The failed attempt that halted the run; None where its own body raised."""
    calls = (document["error"] or {}).get("calls", ())
    for one in reversed(document["failures"]):
        if one["call"] in calls and one["decision"] == "halt":
            return one
    return None


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
    run_id, status = document["run_id"], document["status"]
    resume = command("resume", run_id, journal)
    if status == "halted":
        return f"mend the cause, then: {resume}"
    if status in ("interrupted", "cancelled"):
        return f"go on with: {resume}"
    holder = document.get("holder")
    if holder is None:
        return None
    if holder["alive"] is False:
        return f"its process ({holder['process']}) died; go on with: surefoot recover, or: {resume}"
    if holder["alive"] is None:
        return (
            f"held by {holder['process']}, which this machine cannot see; once its lease has run "
            f"out: {resume}"
        )
    return f"{holder['process']} is at it"


def shown(result: Any, run_id: str, journal: str | None) -> str:
    """A result for people; a long one is cut, and says where all of it is."""
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    if len(text) <= RESULT_CHARACTERS:
        return text
    whole = command("resume --json", run_id, journal)
    left = len(text) - RESULT_CHARACTERS
    return f"{text[:RESULT_CHARACTERS]} … ({left:,} more characters; all of it: {whole})"


def cut(text: str, length: int) -> str:
    """The first line that says something, at most ``length`` characters of it."""
    first = text.strip().split("\n", 1)[0]
    return first if len(first) <= length else first[: length - 1] + "…"
