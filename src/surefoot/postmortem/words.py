"""Durations, counts and names in words, as every page and command writes them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime, timezone

__all__ = [
    "code",
    "counted",
    "cut",
    "iso",
    "joined",
    "labelled",
    "moment",
    "ordinal",
    "plain",
    "short",
    "times",
    "took",
    "usd",
]

BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of the text around them: a message could forge the rest of its
line with them (CVE-2021-42574)."""


def plain(text: str) -> str:
    """``text`` without characters that steer a terminal or a page: messages come from anywhere.

    Control characters, changes of direction, line separators and lone surrogates are spelt out; line
    ends and tabs stay.

    >>> plain("red: \\x1b[31m"), plain("a\\u202eb")
    ('red: \\\\x1b[31m', 'a\\\\u202eb')
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\t" else _escaped(one) for one in text)


def _escaped(one: str) -> str:
    category = unicodedata.category(one)
    if category not in ("Cc", "Cs", "Zl", "Zp") and one not in BIDI:
        return one
    return f"\\x{ord(one):02x}" if ord(one) < 0x100 else f"\\u{ord(one):04x}"


def took(seconds: float | None) -> str:
    """A duration for people.

    >>> took(0.0021), took(12.34), took(252), took(7500), took(200_000)
    ('2.1 ms', '12.3 s', '4 min 12 s', '2 h 05 min', '2 days 7 h')
    """
    if seconds is None:
        return ""
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms" if seconds >= 0.001 else f"{seconds * 1000:.2f} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h" if hours else f"{days} days"


def moment(at: float | None) -> str:
    """A recorded time (seconds since the epoch) in the reader's time zone, which it names."""
    if at is None:
        return ""
    return datetime.fromtimestamp(at, timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def iso(at: float | None) -> str | None:
    """The same for programs: ISO 8601, UTC.

    >>> iso(0.5), iso(None)
    ('1970-01-01T00:00:00.500+00:00', None)
    """
    if at is None:
        return None
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds")


def counted(number: int, one: str, many: str | None = None) -> str:
    """
    >>> counted(1, "item"), counted(1200, "item"), counted(2, "retry", "retries")
    ('1 item', '1,200 items', '2 retries')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def times(number: int) -> str:
    """
    >>> times(1), times(2), times(3), times(1200)
    ('once', 'twice', '3 times', '1,200 times')
    """
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def ordinal(number: int) -> str:
    """
    >>> [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 21, 113)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '21st', '113th']
    """
    ending = (
        "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number:,}{ending}"


def joined(parts: Sequence[str], last: str = "and") -> str:
    """
    >>> joined(["a"]), joined(["a", "b"]), joined(["a", "b", "c"], "or")
    ('a', 'a and b', 'a, b or c')
    """
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def usd(amount: float) -> str:
    """
    >>> usd(0.001234), usd(12.5)
    ('$0.0012', '$12.50')
    """
    return f"${amount:.2f}" if amount >= 1 else f"${amount:.2g}"


def cut(text: str, length: int) -> str:
    """The first line that says something, at most ``length`` characters of it.

    >>> cut("\\n one\\ntwo", 80), cut("longer", 4)
    ('one', 'lon…')
    """
    first = text.strip().split("\n", 1)[0]
    return first if len(first) <= length else first[: length - 1] + "…"


def labelled(label: str, length: int) -> str:
    """The label of a call, with the end of its item's id: of a path that tells most.

    >>> labelled("read[/data/in/2026/tickets.csv]", 20), labelled("read[7]", 20)
    ('read[…6/tickets.csv]', 'read[7]')
    """
    if len(label) <= length:
        return label
    name, bracket, item = label.partition("[")
    room = length - len(name) - 2
    return f"{name}[…{item[-room:]}" if bracket and room > 4 else cut(label, length)


def short(name: str) -> str:
    """The name of a step without the function that it is defined in.

    >>> short("build.<locals>.enrich"), short("Shop.pay")
    ('enrich', 'Shop.pay')
    """
    return name.rpartition(".<locals>.")[2]


def code(name: str) -> str:
    """A name as it stands in a sentence; the pages set it in another type.

    >>> code("enrich"), code("a`b"), code("build.<locals>.enrich")
    ('`enrich`', "`a'b`", '`enrich`')
    """
    return "`" + cut(short(name), 120).replace("`", "'") + "`"
