"""What is wrong with a catalog file, and where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

__all__ = ["CatalogProblem", "Fault", "Level", "nearest"]

Level = Literal["problem", "warning"]


class Fault(Exception):
    """A rule or a kind is written wrongly; inside the catalog only. ``key`` is where."""

    def __init__(self, key: str | None, expected: str) -> None:
        super().__init__(expected)
        self.key = key
        self.expected = expected


class CatalogProblem:
    """One thing that is wrong: in which file, on which line (None: not known), what was expected.

    >>> print(CatalogProblem("rules.toml", 3, "kind: there is no kind 'rate_limit'"))
    rules.toml:3: kind: there is no kind 'rate_limit'

    A ``warning`` is no mistake: only something that is missed later.
    """

    __slots__ = ("file", "level", "line", "message")

    def __init__(self, file: str, line: int | None, message: str, level: Level = "problem") -> None:
        self.file = file
        self.line = line
        self.message = message
        self.level = level

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}"

    def __repr__(self) -> str:
        return f"CatalogProblem({str(self)!r})"


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean …?)``, or nothing where no known word is near.

    >>> nearest("rate_limit", ["timeout", "rate_limited"])
    " (did you mean 'rate_limited'?)"
    """
    from difflib import get_close_matches  # only when something is wrong already

    near = get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
