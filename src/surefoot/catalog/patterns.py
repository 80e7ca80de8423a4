"""Searching messages: with google-re2, which no message can make hang, else with ``re``.

Texts are capped before they are searched, so that ``re`` (where google-re2 has no wheel, on musl)
stays bounded too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Literal

__all__ = ["TEXT_LIMIT", "EngineName", "PatternSet", "check_pattern", "pattern_engine"]

TEXT_LIMIT = 10_000
"""Characters of a message that are looked at."""

EngineName = Literal["re2", "re"]


def pattern_engine() -> EngineName:
    """Which engine searches messages; ``doctor`` shows it.

    >>> pattern_engine() in ("re2", "re")
    True
    """
    return "re" if _import_re2() is None else "re2"


def check_pattern(pattern: str) -> str | None:
    """What is wrong with ``pattern``, in words; None if it can be used.

    >>> check_pattern("rate limit") is None
    True
    >>> bool(check_pattern("rate limit ("))
    True
    """
    re2 = _import_re2()
    try:
        if re2 is not None:
            options = re2.Options()
            options.log_errors = False
            re2.compile(pattern, options)
        else:
            re.compile(pattern)
    except Exception as exc:
        reason = exc.args[0] if exc.args else exc
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        return text
    return None


def _import_re2() -> ModuleType | None:
    try:
        import re2  # optional in fact: there is no wheel for musl
    except ImportError:
        return None
    module: ModuleType = re2
    return module


class PatternSet:
    """Several patterns, searched in one pass. Compiled at the first search.

    >>> PatternSet(["rate limit", "(?i)quota"]).search("Quota exceeded")
    [1]
    """

    def __init__(self, patterns: Sequence[str], engine: EngineName | None = None) -> None:
        self._patterns = tuple(patterns)
        self._engine = engine
        self._compiled: Any = None

    def search(self, text: str) -> list[int]:
        """The indexes of the patterns that are found in ``text``, in no order."""
        compiled = self._compiled
        if compiled is None:
            compiled = self._compiled = self._compile()
        if isinstance(compiled, list):
            return [index for index, each in enumerate(compiled) if each.search(text)]
        # Match gives None for nothing found
        return list(compiled.Match(text.encode("utf-8", "replace")) or ())

    def _compile(self) -> Any:
        re2 = _import_re2() if self._engine != "re" else None
        if re2 is None:
            return [_for_re(pattern) for pattern in self._patterns]
        together = re2.Set.SearchSet()
        for pattern in self._patterns:
            together.Add(pattern)
        together.Compile()
        return together


def _for_re(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error:
        # RE2's syntax is not quite Python's: one pattern that is lost must not lose the others
        return re.compile(r"(?!)")
