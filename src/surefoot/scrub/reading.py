"""Where a value begins and ends: in quotes, escaped or not, or up to where it must end.

All is read from one place onward, within bounds, one class of characters at a time: the standard
library's ``re`` cannot backtrack over that.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

__all__ = [
    "LONGEST_PLAIN",
    "LONGEST_VALUE",
    "Value",
    "closing",
    "plain_value",
    "start_of",
    "value_at",
    "whole",
]

LONGEST_VALUE = 8_000
"""Bytes of a value in quotes that are looked at."""

LONGEST_PLAIN = 400
"""Bytes of a value without them that are looked at before it is known to be a secret."""


class Value(NamedTuple):
    """A value: where it is, and whether it stood in quotes."""

    start: int
    end: int
    quoted: bool


@cache
def _start() -> re.Pattern[bytes]:
    return re.compile(
        rb"""[ \t]{0,8}(?:[bfruBFRU]{1,2}(?=["']))?(?:(\\{0,7})(["'`])|([\[({<$%]))?"""
    )


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


def start_of(text: bytes, at: int) -> re.Match[bytes]:
    """What stands at ``at``, after blanks. Groups: the backslashes and the mark of a text in quotes;
    a sign that something else than a plain value may begin with."""
    found = _start().match(text, at, at + 24)
    assert found is not None  # all of it may be missing
    return found


def value_at(text: bytes, at: int) -> Value | None:
    """The value that begins at ``at``.

    >>> [text[value_at(text, 2).start : value_at(text, 2).end] for text in (
    ...     b"a=b,c d", b"a=b,c=d", b"a='b c' d", b"a= f(b))", rb'a=\\"b\\" c')]
    [b'b,c', b'b', b'b c', b'f(b)', b'b']
    """
    start = start_of(text, at)
    if start.group(2) is not None:
        return Value(start.end(), closing(text, start), True)
    return plain_value(text, start)


def plain_value(text: bytes, start: re.Match[bytes]) -> Value | None:
    """One that stands in no quotes."""
    begin = start.end()
    if start.group(3) is not None:
        begin -= 1
        template = _template().match(text, begin, begin + 300)
        if template is not None:
            return Value(begin, template.end(), False)
    plain = _plain().match(text, begin, begin + LONGEST_PLAIN)
    if plain is None:
        return None
    return Value(begin, _without_closers(text, begin, plain.end()), False)


def whole(text: bytes, value: Value) -> Value:
    """All of a plain value of which a part was looked at."""
    if value.quoted or value.end - value.start < LONGEST_PLAIN:
        return value
    rest = _plain().match(text, value.end)
    return value if rest is None else Value(value.start, rest.end(), False)


def closing(text: bytes, start: re.Match[bytes]) -> int:
    """Where a text in quotes ends: at the same quotation mark, escaped as the first one was."""
    slashes, quote = start.group(1), start.group(2)
    sign = slashes + quote
    begin = start.end()
    limit = min(len(text), begin + LONGEST_VALUE)
    at = begin
    for _ in range(200):
        found = text.find(sign, at, limit)
        if found < 0:
            break
        if text[found - 1] != 0x5C or found == begin:
            return found
        if not slashes:
            escapes = text[begin:found]
            if (len(escapes) - len(escapes.rstrip(b"\\"))) % 2 == 0:
                return found
        at = found + len(sign)
    # never closed: a text that was cut, or an apostrophe
    line = text.find(b"\n", begin, limit)
    return limit if line < 0 else line


_PAIRED = {0x29: b"()", 0x5D: b"[]", 0x7D: b"{}"}


def _without_closers(text: bytes, start: int, end: int) -> int:
    """Less the brackets, stops and colons that belong to what is around it."""
    for _ in range(16):
        if end <= start or text[end - 3 : end] == b"...":
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
