"""A run as a list of what happened when: what a failed assertion shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ..runtime import scrub

__all__ = ["next_command", "short", "timeline"]

LINES = 40
CHARACTERS = 160

DONE = {
    "retry": "tried again",
    "adapt": "tried again, changed",
    "fall_back": "fell back",
    "skip": "set aside",
    "halt": "halted",
}
"""What was done about a failed attempt, by its decision."""


def short(value: object, characters: int = CHARACTERS) -> str:
    """A value as one scrubbed line.

    >>> short("a" * 300, 20)
    "'aaaaaaaaaaaaaaaaaa…"
    """
    text = str(scrub(repr(value)))
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def timeline(document: Mapping[str, Any]) -> list[str]:
    """Each attempt of a run in the order of time, with what was decided and how long was waited; then
    how it ended.

    :param document: what ``surefoot show --json`` prints; :meth:`surefoot.Run.document`.
    :returns: lines, indented by two spaces.
    """
    began = _seconds(document["created_at"]) or 0.0
    told = sorted(_events(document), key=lambda one: one[0])
    lines = [f"  +{max(0.0, at - began):.3f} s  {words}" for at, words in told]
    if len(lines) > LINES:
        left = len(lines) - LINES
        lines = [*lines[: LINES // 2], f"  … {left} more …", *lines[-LINES // 2 :]]
    waited = sum(one["waited"] or 0.0 for one in document["failures"])
    error = document["error"]
    why = f" as {error['kind']}: {error['message']}" if error else ""
    resumed = f", {_counted(document['resumes'], 'resume')}" if document["resumes"] else ""
    failed = _counted(len(document["failures"]), "failed attempt")
    lines.append(f"  {document['status']}{why} ({failed}, {waited:.1f} s waited{resumed})")
    return lines


def _events(document: Mapping[str, Any]) -> Iterator[tuple[float, str]]:
    """(seconds since the epoch, words) of each attempt that is known."""
    for one in document["failures"]:
        name = _name(one["step"], one["item"])
        done = DONE.get(one["decision"], one["decision"])
        waited = f" after {one['waited']:.1f} s" if one["waited"] else ""
        what = f"{one['kind']} ({one['type'].rpartition('.')[2]}: {_line(one['message'])})"
        why = f": {one['reason']}" if one["decision"] == "halt" and one["reason"] else ""
        yield (
            _seconds(one["at"]) or 0.0,
            f"{name}, attempt {one['attempt']}: {what}; {done}{waited}{why}",
        )
    for one in document["steps"]:
        if one["form"] == "map" or one["started_at"] is None:
            continue
        name = _name(one["step"], one["item"])
        ended = (_seconds(one["started_at"]) or 0.0) + (one["duration"] or 0.0)
        words = f"{name}: {one['status']}"
        if one["status"] == "completed":
            words = f"{name}, attempt {max(1, one['attempts'])}: completed"
        if one["degraded"]:
            words += ", degraded"
        if one["dead_letter"]:
            words += f", dead letter {one['dead_letter']}"
        yield ended, words


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _name(step: str, item: int | None) -> str:
    short_name = step.rpartition("<locals>.")[2]
    return short_name if item is None else f"{short_name}[{item}]"


def _line(message: str) -> str:
    text = " ".join(message.split())
    return text if len(text) <= CHARACTERS else f"{text[: CHARACTERS - 1]}…"


def _seconds(stamp: str | None) -> float | None:
    """From ISO 8601 in UTC."""
    return None if stamp is None else datetime.fromisoformat(stamp).timestamp()


def next_command(document: Mapping[str, Any]) -> str:
    """What to type next.

    >>> next_command({"status": "halted", "run_id": "r1", "journal": "/tmp/j.db"})
    'surefoot show r1 --journal /tmp/j.db; once it is mended: surefoot resume r1 --journal /tmp/j.db'
    """
    import shlex

    where = f"{shlex.quote(document['run_id'])} --journal {shlex.quote(document['journal'])}"
    if document["status"] in ("halted", "interrupted"):
        return f"surefoot show {where}; once it is mended: surefoot resume {where}"
    return f"surefoot show {where}"
