"""Texts within texts: URL-encoded (``%3A%2F%2F``) and with escapes of JSON (``\\/``, ``\\u003d``).

The pieces that are encoded are decoded, the rules look at them, and what they find is hidden where it
stands.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from .engine import compiled
from .hits import Hit

__all__ = ["ENCODED", "TRIGGERS", "encoded"]

ENCODED = "encoded"
"""The name of the rule."""

# Signs that a secret or a URL has: + / : = @ and those of passwords.
TRIGGERS = (r"%(?:2[1-9A-Fa-f]|3[ABDFabdf]|40|5[BDEbde]|7[BCDEbcde])", r"\\/", r"\\u00[2-7]")
_TOKEN = r"[^\s\"'<>`]*(?:%[2-7][0-9A-Fa-f]|\\/|\\u00[2-7][0-9A-Fa-f])[^\s\"'<>`]*"


@cache
def _escape() -> re.Pattern[bytes]:
    return re.compile(rb"%([2-7][0-9A-Fa-f])|\\(/)|\\u00([2-7][0-9A-Fa-f])")


def encoded(text: bytes, look: Callable[[bytes], Iterable[Hit]]) -> Iterator[Hit]:
    """:param look: finds secrets in what was decoded.

    >>> [text[hit.start : hit.end] for text in (b"to=pg%3A%2F%2Fu%3Apw%40h",)
    ...     for hit in encoded(text, lambda decoded: [Hit(10, 12, "password", "url")])]
    [b'pw']
    """
    pieces: list[bytes] = []
    # where the pieces begin: in what is decoded, and in the text
    there: list[int] = []
    here: list[int] = []
    size = 0
    for token in compiled(_TOKEN).finditer(text):
        at, end = token.span()
        for match in _escape().finditer(text, at, end):
            begin = match.start()
            digits = match.group(1) or match.group(3)
            sign = bytes((int(digits, 16),)) if digits else b"/"
            there += [size, size + begin - at]
            here += [at, begin]
            pieces += [text[at:begin], sign]
            size += begin - at + 1
            at = match.end()
        there += [size, size + end - at]
        here += [at, end]
        pieces += [text[at:end], b"\n"]
        size += end - at + 1
    for hit in look(b"".join(pieces)):
        start, end = _place(hit.start, there, here), _place(hit.end, there, here)
        yield hit._replace(start=start, end=end)


def _place(at: int, there: list[int], here: list[int]) -> int:
    number = bisect_right(there, at) - 1
    return here[number] + at - there[number]
