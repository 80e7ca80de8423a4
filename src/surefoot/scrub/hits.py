"""What a rule finds, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

__all__ = ["CLOSE", "FULL", "MANY", "Hit", "Rule", "free"]

MANY, CLOSE = 2_000, 12
"""A rule that finds more than that many secrets, with that many bytes from one to the next or fewer,
does not read a text: the rest is hidden as a whole, since to look at each would take for ever."""

FULL = "text full of secrets"
"""What it is called then."""


class Hit(NamedTuple):
    """A secret in a text: where it begins and ends (places of bytes), what kind of secret it is, the
    rule that says so, and the name that it stood under (``password``), if any."""

    start: int
    end: int
    kind: str
    rule: str
    name: str = ""


class Rule(NamedTuple):
    """One way to find secrets.

    ``triggers`` are patterns of which one must be in a text for the rule to be worth a look; without
    any it is always tried. ``why`` says in words what it goes by.
    """

    name: str
    triggers: tuple[str, ...]
    find: Callable[[bytes], Iterable[Hit]]
    why: str


def _is_word(byte: int) -> bool:
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122


def free(text: bytes, start: int, end: int) -> bool:
    """Whether a piece of text stands by itself, and is no part of a longer word.

    What an escape ends with (``\\\\n`` in a text of JSON, ``%3D`` in a URL) belongs to no word.

    >>> free(b"a=KEY;", 2, 5), free(b"monKEYs", 3, 6), free(rb"line\\nKEY", 6, 9), free(b"%3DKEY", 3, 6)
    (True, False, True, True)
    """
    if end < len(text) and _is_word(text[end]):
        return False
    if start == 0 or not _is_word(text[start - 1]):
        return True
    before = text[max(0, start - 6) : start]
    if before[-2:] in (rb"\n", rb"\r", rb"\t"):
        return True
    return before[-3:-2] == b"%" or before[-6:-4] == rb"\u" or before[-4:-2] == rb"\x"
