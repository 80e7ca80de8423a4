"""What an exception carries of the calls that it came from, and the notes that a person gets to read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from ..decide import FallBack
from ..model import Classification

__all__ = [
    "SAID",
    "calls_that_ended",
    "decision_name",
    "halted_as",
    "judged",
    "note_for_people",
    "tag",
    "text_of",
]

TAG = "__surefoot_calls__"
JUDGED = "__surefoot_judged__"
HALTED = "__surefoot_halted__"
SAID = "__surefoot_said__"
"""Where an exception's text is kept before it is given notes (on Python 3.10)."""


def tag(
    exc: BaseException,
    call_id: str | None,
    judged: Classification | None = None,
    halted_as: str | None = None,
) -> None:
    """Remember on an exception which call it came from: that decides what a resume runs again.

    What the innermost call judged it to be stays: there the stage was known.

    :param call_id: None outside of a run, where calls have none.
    :param halted_as: why it was given up, where that is not what it failed with.
    """
    try:
        if call_id is not None:
            exc.__dict__.setdefault(TAG, []).append(call_id)
        exc.__dict__.setdefault(JUDGED, judged)
        exc.__dict__.setdefault(HALTED, halted_as)
    except Exception:  # an exception without a __dict__: it is then not found on its way out
        return


def tags(exc: BaseException) -> list[str]:
    return list(getattr(exc, "__dict__", {}).get(TAG, ()))


def judged(exc: BaseException) -> Classification | None:
    """What the step that failed judged the exception to be; None if it is no step's."""
    found = getattr(exc, "__dict__", {}).get(JUDGED)
    return found if isinstance(found, Classification) else None


def halted_as(exc: BaseException) -> str | None:
    """Why the step that failed was given up, e.g. ``in_doubt``; None: because of the failure itself."""
    found = getattr(exc, "__dict__", {}).get(HALTED)
    return found if isinstance(found, str) else None


def calls_that_ended(exc: BaseException) -> tuple[str, ...]:
    """The calls whose failures ended a run: those behind the exception that left its body.

    These are the exception itself, its ``__cause__``, the members of its group, and its
    ``__context__`` where the exception is no step's failure. All others were caught: they are part
    of the workflow's path.
    """
    found: dict[str, None] = {}
    seen: set[int] = set()
    left: list[BaseException] = [exc]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        own = tags(one)
        found.update(dict.fromkeys(own))
        left.extend(_behind(one, bool(own)))
    return tuple(found)


def _behind(exc: BaseException, is_steps: bool) -> Iterator[BaseException]:
    if exc.__cause__ is not None:
        yield exc.__cause__
    elif not is_steps and exc.__context__ is not None and not exc.__suppress_context__:
        yield exc.__context__
    members = getattr(exc, "exceptions", ())
    if isinstance(members, (tuple, list)):
        yield from (one for one in members if isinstance(one, BaseException))


def decision_name(decision: Any) -> str:
    """``retry``, ``adapt``, ``fall_back``, ``skip`` or ``halt``."""
    return "fall_back" if isinstance(decision, FallBack) else type(decision).__name__.lower()


def note_for_people(exc: BaseException, text: str) -> None:
    """Put a note on an exception (PEP 678); on Python 3.10 it is kept in the message."""
    if sys.version_info >= (3, 11):
        try:
            exc.add_note(text)
        except Exception:  # an exception that will not be changed goes without its note
            return
        return
    try:
        exc.__dict__.setdefault(SAID, str(exc))
        if isinstance(exc, OSError) and isinstance(exc.strerror, str):
            exc.strerror = f"{exc.strerror}\n{text}"
        elif not exc.args or (len(exc.args) == 1 and isinstance(exc.args[0], str)):
            exc.args = (f"{exc.args[0]}\n{text}" if exc.args else text,)
    except (
        BaseException
    ):  # an exception that will not be changed, or printed, goes without its note
        return


def text_of(exc: BaseException) -> str:
    """What an exception said before it was given notes."""
    said = getattr(exc, "__dict__", {}).get(SAID)
    return said if isinstance(said, str) else str(exc)
