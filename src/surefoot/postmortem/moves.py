"""What to do now: one move, chosen by where a run stands. Pure; the commands and the pages share it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .words import code, joined

__all__ = [
    "DONE",
    "Move",
    "Standing",
    "after_all",
    "command",
    "halted_map",
    "halting_failure",
    "is_in_doubt",
    "move_of",
]

DONE = {
    "retry": "tried again",
    "adapt": "tried again, changed",
    "fall_back": "fell back",
    "skip": "set aside",
    "halt": "halted",
    "settled": "found that it had happened",
}
"""What was done about a failure, by its decision."""


def command(words: str, run_id: str, journal: str | None) -> str:
    """A command line that can be pasted, for the journal that was named.

    >>> command("resume", "a b", None), command("show", "r", "sqlite:///j.db")
    ("surefoot resume 'a b'", 'surefoot show r --journal sqlite:///j.db')
    """
    line = f"surefoot {words} {shlex.quote(run_id)}"
    return line if journal is None else f"{line} --journal {shlex.quote(journal)}"


@dataclass(frozen=True)
class Standing:
    """Where a run stands.

    ``holder`` is None where nobody holds it, else ``process`` and ``alive`` (None: this machine
    cannot know). ``doubted`` are the effects in doubt, by name. ``not_undone`` counts effects that a
    rollback could not undo, and ``letters`` the open dead letters. ``kind`` is what halted it.
    ``fallen_back`` are steps whose result a fallback or a default gave.
    """

    run_id: str
    status: str
    journal: str | None = None
    holder: Mapping[str, Any] | None = None
    in_doubt: bool = False
    doubted: Sequence[str] = ()
    not_undone: int = 0
    letters: int = 0
    kind: str | None = None
    fallen_back: Sequence[str] = ()
    called_from_code: bool = False
    """There is nothing that the command line could import: it is resumed from code."""


@dataclass(frozen=True)
class Move:
    """``words`` is the whole of it in a line; ``command`` is what to paste, None where only looking
    or waiting helps; ``first`` is what a person does before."""

    words: str
    command: str | None = None
    first: str | None = None


def move_of(one: Standing) -> Move | None:
    """What to do about a run; None where nothing is to be done.

    >>> move_of(Standing("r1", "interrupted")).words
    'go on with: surefoot resume r1'
    >>> move_of(Standing("r1", "completed"))
    """
    run_id, journal = one.run_id, one.journal
    resume = command("resume", run_id, journal)
    back = command("rollback", run_id, journal)
    if one.status == "halted" and one.in_doubt:
        return _settle(one, resume)
    if one.status == "rolled_back" and one.not_undone:
        return Move(f"mend the cause, then: {back}", back, "mend the cause")
    if one.status == "halted" and one.kind == "resume_drift":
        told = f"{resume} --on-drift reuse"
        first = "look which argument differs; to do it again instead, say rerun for reuse"
        return Move(f"mend the cause, then: {resume}", told, first)
    if one.status == "halted":
        return Move(f"mend the cause, then: {resume}", resume, "mend the cause")
    if one.status in ("interrupted", "cancelled"):
        return Move(f"go on with: {resume}", resume)
    if one.holder is not None:
        return _held(one, resume if one.status != "rolling_back" else back)
    return None


def _settle(one: Standing, resume: str) -> Move:
    resolve = command("resolve", one.run_id, one.journal)
    words = (
        f"find out whether it happened, then: {resolve} STEP --done | --not-done | --skip, and: "
        f"{resume}"
    )
    if not one.doubted:
        return Move(words, resume, "find out whether it happened")
    named = joined([code(name) for name in dict.fromkeys(one.doubted)], "and")
    told = f"resolve {shlex.quote(one.run_id)} {shlex.quote(one.doubted[0])} --done"
    line = f"surefoot {told}"
    if one.journal is not None:
        line += f" --journal {shlex.quote(one.journal)}"
    first = (
        f"find out whether {named} happened; if not, say --not-done for --done, or --skip where "
        "nobody can tell"
    )
    return Move(words, line, first)


def _held(one: Standing, go_on: str) -> Move:
    assert one.holder is not None
    process = one.holder["process"]
    if one.holder["alive"] is False:
        return Move(
            f"its process ({process}) died; go on with: surefoot recover, or: {go_on}", go_on
        )
    if one.holder["alive"] is None:
        return Move(
            f"held by {process}, which this machine cannot see; once its lease has run out: {go_on}",
            go_on,
            "wait until its lease has run out",
        )
    return Move(f"{process} is at it")


def after_all(one: Standing) -> Move | None:
    """What is left to do about a run that has come to its end: letters to replay."""
    if not one.letters:
        return None
    words = "dead-letters replay --all --run"
    line = command(words, one.run_id, one.journal)
    first = (
        f"mend what {'the item' if one.letters == 1 else f'the {one.letters:,} items'} failed of"
    )
    return Move(f"{first}, then: {line}", line, first)


# -- what a run's document says -------------------------------------------------------------------

Document = Mapping[str, Any]


def halting_failure(document: Document) -> Any:
    """The failed attempt that halted the run; None where its own body raised."""
    calls = (document["error"] or {}).get("calls", ())
    for one in reversed(document["failures"]):
        if one["call"] in calls and one["decision"] == "halt":
            return one
    return None


def is_in_doubt(document: Document) -> bool:
    """Whether it halted because nobody knows whether an effect happened."""
    error = document["error"] or {}
    known = halting_failure(document) or error
    if known.get("kind") == "in_doubt" or "in_doubt" in str(known.get("reason")):
        return True
    ended = error.get("calls", ())
    return any(one["note"] == "in_doubt" and one["id"] in ended for one in document["steps"])


def halted_map(document: Document, message: str) -> str | None:
    """The map of which too many items failed, if that is what halted the run."""
    for one in reversed(document["steps"]):
        name = one["step"].removesuffix(".map")
        halted = one["form"] == "map" and one["status"] == "failed"
        if halted and "max_failure_ratio" in message and message.startswith(f"step {name}: "):
            return f"{one['step']}: {one['note']}"
    return None
