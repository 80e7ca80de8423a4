"""The engine of the patterns: RE2 on bytes, in a time that grows with the text and nothing else.

Texts are searched as UTF-8 bytes, read as Latin-1: each byte is a character, none above 127 is part
of a word, and places need not be translated. Where google-re2 is not installed (there is no wheel
for musl) the standard library's ``re`` does the same patterns, on shorter texts, since no bound holds
for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

__all__ = [
    "BadPattern",
    "Pattern",
    "Triggers",
    "bounded",
    "compiled",
    "literal",
    "literal_bytes",
    "made",
    "unbounded",
]

_SET_BYTES = 64 << 20
"""Bytes that the states of one set of triggers may take. They are made as texts ask for them."""


class BadPattern(ValueError):
    """A pattern that the engine does not take; the text says why."""


class Pattern:
    """A compiled pattern; its places are places of bytes.

    >>> [found.span() for found in compiled("b+").finditer(b"abba")]
    [(1, 3)]
    """

    __slots__ = ("_compiled", "groups")

    def __init__(self, made: Any) -> None:
        self._compiled = made
        self.groups: int = made.groups

    def finditer(self, text: bytes) -> Iterator[Any]:
        found: Iterator[Any] = self._compiled.finditer(text)
        return found

    def fullmatch(self, text: bytes) -> bool:
        return self._compiled.fullmatch(text) is not None


@cache
def _re2() -> Any:
    """Loaded at the first text: it would slow down every import of Surefoot."""
    try:
        return import_module("re2")
    except ImportError:
        return None


def bounded() -> bool:
    """Whether RE2 is there, so that no text can take long."""
    return _re2() is not None


def _options(re2: Any, unicode: bool) -> Any:
    options = re2.Options()
    encoding = re2.Options.Encoding
    options.encoding = encoding.UTF8 if unicode else encoding.LATIN1
    options.log_errors = False
    return options


@cache
def compiled(pattern: str, unicode: bool = False) -> Pattern:
    """:param unicode: ``.`` is a character rather than a byte: for patterns of users.
    :raises BadPattern: it is none.
    """
    return made(pattern, unicode)


def made(pattern: str, unicode: bool = False) -> Pattern:
    """The same, and not kept: for patterns that hold secrets."""
    re2 = _re2()
    data = pattern.encode("utf-8" if unicode else "latin-1")
    try:
        if re2 is None:
            return Pattern(re.compile(data.replace(b"*?", b"{0,200}?")))
        return Pattern(re2.compile(data, _options(re2, unicode)))
    except Exception as exc:  # re.error, re2.error: what the engine of the day raises
        told = exc.args[0] if exc.args else exc
        text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        raise BadPattern(text) from None


def unbounded(pattern: str) -> str:
    """A pattern as a trigger for RE2: without bounds of repetitions it has fewer states. What it finds
    too much costs a look. The bounds stay where they are what holds the standard library.

    >>> unbounded("a{0,7}b{1,40}c{16,}d{3}")
    'a*b+c+d{3}'
    """
    if not bounded():
        return pattern
    return re.sub(
        r"\{([0-9]+),[0-9]*\}", lambda found: "*" if found.group(1) == "0" else "+", pattern
    )


def literal(text: str) -> str:
    """A pattern for ``text`` itself, which both engines take."""
    return literal_bytes(text.encode("utf-8", "backslashreplace"))


def literal_bytes(data: bytes) -> str:
    """The same for bytes."""
    return "".join(
        chr(one) if chr(one).isalnum() and one < 128 else f"\\x{one:02x}" for one in data
    )


class Triggers:
    """Which of many small patterns stand in a text, by one look through it, or two: plain words have a
    set of their own, since patterns multiply the states of a set.

    >>> triggers = Triggers(["abc", "x+", "q"])
    >>> triggers.of(b"xx abc"), triggers.of(b"nothing")
    ([0, 1], [])
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = list(patterns)
        re2 = _re2()
        self._sets: list[tuple[Callable[[bytes], list[int] | None], list[int]]] = []
        if re2 is None:
            found = [re.compile(pattern.encode("latin-1")) for pattern in patterns]
            numbers = list(range(len(patterns)))
            self._sets.append((lambda text: [n for n in numbers if found[n].search(text)], numbers))
            return
        options = _options(re2, False)
        options.max_mem = _SET_BYTES
        plain = [n for n, one in enumerate(patterns) if not set(one) & set("[](){}*+?|^$")]
        for numbers in (plain, sorted(set(range(len(patterns))) - set(plain))):
            if numbers:
                made = re2.Set.SearchSet(options)
                for n in numbers:
                    made.Add(patterns[n].encode("latin-1"))
                made.Compile()
                self._sets.append((made.Match, numbers))

    def of(self, text: bytes) -> list[int]:
        """The numbers of the patterns that are in ``text``, in order."""
        return sorted(numbers[n] for match, numbers in self._sets for n in match(text) or ())
