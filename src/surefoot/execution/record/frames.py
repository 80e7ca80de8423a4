"""The frames of a traceback, with the user's own ones marked."""

from __future__ import annotations

import linecache
import os
from collections import deque
from functools import lru_cache
from itertools import islice
from types import FrameType, TracebackType
from typing import Any, NamedTuple

from ...classify.safely import attribute
from ...fingerprint.failure import OwnFrames
from .texts import Text, part

__all__ = ["FRAMES", "Place", "code_file", "innermost", "is_own", "is_surefoots", "places", "told"]

FRAMES = 40
"""Frames of one traceback that are kept."""
FIRST = 8
"""Of these, the outermost ones: where a recursion began. The others are the innermost."""
WALKED = 100_000
CODE = 200
"""Characters of a source line."""


class Place(NamedTuple):
    """One frame and the line that it was at. ``skipped``: frames left out before it."""

    frame: FrameType
    line: int
    skipped: int = 0


@lru_cache(maxsize=1)
def _own() -> OwnFrames:
    return OwnFrames()


@lru_cache(maxsize=1)
def _package() -> str:
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.path.join(package, "")


def is_surefoots(filename: str) -> bool:
    """Whether it is code of Surefoot itself."""
    return filename.startswith(_package())


@lru_cache(maxsize=4_096)
def is_own(filename: str) -> bool:
    """Whether code of this file belongs to the user.

    >>> is_own("/home/ada/pipeline.py"), is_own(__file__)
    (True, False)
    """
    return _own().is_own(filename)


def places(exc: BaseException) -> list[Place]:
    """The frames of an exception, outermost first: at most 40 of them, those in the middle left out."""
    traceback = attribute(exc, "__traceback__")
    first: list[Place] = []
    last: deque[Place] = deque(maxlen=FRAMES - FIRST)
    walked = 0
    while type(traceback) is TracebackType and walked < WALKED:
        place = Place(traceback.tb_frame, traceback.tb_lineno or 0)
        if len(first) < FIRST:
            first.append(place)
        else:
            last.append(place)
        traceback = traceback.tb_next
        walked += 1
    skipped = walked - len(first) - len(last)
    if skipped:
        last[0] = last[0]._replace(skipped=skipped)
    return [*first, *last]


def told(found: list[Place]) -> list[dict[str, Any]]:
    """These frames, to be scrubbed. ``surefoot`` and ``skipped`` are for the text of the stack."""
    for file in {place.frame.f_code.co_filename for place in found}:
        part(linecache.checkcache, file)  # it may have been edited since it was last read
    return [_told(place) for place in found]


def _told(place: Place) -> dict[str, Any]:
    frame = place.frame
    code = frame.f_code
    file = code.co_filename
    module = frame.f_globals.get("__name__")
    return {
        "file": file,
        "line": place.line,
        "module": module if type(module) is str else "",
        "function": getattr(code, "co_qualname", code.co_name),  # co_qualname: from 3.11
        "code": Text(_line(place), CODE),
        "own": is_own(file),
        "surefoot": is_surefoots(file),
        "skipped": place.skipped,
    }


def _line(place: Place) -> str:
    file = place.frame.f_code.co_filename
    try:
        return linecache.getline(file, place.line, place.frame.f_globals).strip()
    except Exception:  # a loader of the user's, a file in another encoding
        return ""


def code_file(fn: Any) -> str | None:
    """The user's own file in which a function stands, if there is one."""
    seen = 0
    while seen < 20 and (inner := attribute(fn, "__wrapped__")) is not None:
        fn, seen = inner, seen + 1
    code = attribute(attribute(fn, "__func__") or fn, "__code__")
    file = attribute(code, "co_filename")
    if type(file) is not str or not is_own(file) or not os.path.isfile(file):
        return None
    return os.path.abspath(file)


def innermost(found: list[Place], count: int) -> list[tuple[int, Place]]:
    """(index, frame) of the user's own frames, the innermost ``count`` of them."""
    own = [(n, one) for n, one in enumerate(found) if is_own(one.frame.f_code.co_filename)]
    return list(islice(own, max(0, len(own) - count), None))
