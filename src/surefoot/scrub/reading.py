"""Where a value begins and ends: in quotes, escaped or not, or up to where it must end.

All is read from one place onward, within bounds, one class of characters at a time: the standard
library's ``re`` cannot backtrack over that.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

__all__ = ["LONGEST_VALUE", "Value", "closing", "opening", "plain_value", "value_at"]

LONGEST_VALUE = 8_000
"""Bytes of a value in quotes that are looked at."""

LONGEST_PLAIN = 2_000
"""Bytes of a value without them."""


class Value(NamedTuple):
    """A value: where it is, and whether it stood in quotes."""

    start: int
    end: int
    quoted: bool


@cache
def _open() -> re.Pattern[bytes]:
    return re.compile(rb"""[ \t]{0,8}(?:[bfruBFRU]{1,2}(?=["']))?(\\{0,7})(["'`])""")


@cache
def _space() -> re.Pattern[bytes]:
    return re.compile(rb"[ \t]{0,8}")


@cache
def _plain() -> re.Pattern[bytes]:
    # A comma, semicolon or & ends it where another name follows, or nothing; else it is a part.
    return re.compile(
        rb"""(?:[^\s"'`<>\\,;&|]|\\(?![nrt"'\\u])|[,;&|](?![\s"'`\\]|\Z|[\w.-]{1,60}[=:]))+"""
    )


@cache
def _template() -> re.Pattern[bytes]:
    return re.compile(
        rb"<[^<>\r\n]{0,80}>|\$\{\{[^}\r\n]{0,200}\}\}|\{\{[^}\r\n]{0,200}\}\}|\$\{[^}\r\n]{0,200}\}"
        rb"|\[[A-Za-z0-9][A-Za-z0-9 .&/+-]{0,80}\]|%\([\w.-]{1,80}\)[sdr]|\$\([^)\r\n]{0,200}\)"
    )


def opening(text: bytes, at: int) -> re.Match[bytes] | None:
    """A quotation mark at ``at``: its backslashes and itself are the groups."""
    return _open().match(text, at, at + 24)


def value_at(text: bytes, at: int) -> Value | None:
    """The value that begins at ``at``.

    >>> [text[value_at(text, 2).start : value_at(text, 2).end] for text in (
    ...     b"a=b,c d", b"a=b,c=d", b"a='b c' d", b"a= f(b))", rb'a=\\"b\\" c')]
    [b'b,c', b'b', b'b c', b'f(b)', b'b']
    """
    opened = opening(text, at)
    if opened is not None:
        return Value(opened.end(), closing(text, opened), True)
    return plain_value(text, at)


def plain_value(text: bytes, at: int) -> Value | None:
    """One that stands in no quotes."""
    limit = at + LONGEST_PLAIN
    space = _space().match(text, at)
    start = space.end() if space is not None else at
    template = _template().match(text, start, limit)
    if template is not None:
        return Value(start, template.end(), False)
    plain = _plain().match(text, start, limit)
    if plain is None:
        return None
    return Value(start, _without_closers(text, start, plain.end()), False)


def closing(text: bytes, opened: re.Match[bytes]) -> int:
    """Where a text in quotes ends: at the same quotation mark, escaped as the first one was."""
    slashes, quote = opened.group(1), opened.group(2)
    sign = slashes + quote
    begin = opened.end()
    limit = min(len(text), begin + LONGEST_VALUE)
    at = begin
    for _ in range(200):
        found = text.find(sign, at, limit)
        if found < 0:
            break
        before = found
        while before > begin and text[before - 1] == 0x5C:
            before -= 1
        if (found - before) % 2 == 0 if not slashes else found == before:
            return found
        at = found + len(sign)
    # never closed: a text that was cut, or an apostrophe
    line = text.find(b"\n", begin, limit)
    return limit if line < 0 else line


_PAIRED = {0x29: b"()", 0x5D: b"[]", 0x7D: b"{}"}


def _without_closers(text: bytes, start: int, end: int) -> int:
    """Less the brackets, stops and colons that belong to what is around it."""
    for _ in range(16):
        if end <= start:
            break
        last = text[end - 1]
        if last in _PAIRED:
            pair = _PAIRED[last]
            piece = text[start:end]
            if piece.count(pair[1:]) <= piece.count(pair[:1]):
                break
        elif last not in b".:,;":
            break
        end -= 1
    return end
