"""Every text of a record through the scrubber at once.

What is known of a failure is put together as plain data whose leaves are raw texts. :func:`cleaned`
collects them, has them scrubbed as one text, and gives the same data back with clean ones: a call of
the scrubber costs more than the few hundred characters of a leaf, and a record has a hundred leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["DROPPED", "LONG", "MARGIN", "Leaf", "Own", "Text", "cleaned", "part"]

DROPPED = "[scrub failed: dropped]"
"""Stands for what could not be scrubbed."""
MARGIN = 500
"""Characters that are read beyond what is kept, and dropped again once they are scrubbed: a secret that
is cut in two would not be recognised. (The same number as in ``surefoot.scrub.text``.)"""
LONG = 500
"""Characters that are kept of a text of which nobody said how many."""
AT_ONCE = 60_000
"""Characters that are scrubbed as one text; it would cut off what is beyond 100,000."""
BETWEEN = "\n\x1e\x1e\x1e\x1e\n"
"""Between two texts. More than a pattern bridges between a name and its value; where one does all the
same, or a text holds it, the texts are told apart no more, and are scrubbed in smaller groups."""


class Own(str):
    """A text of Surefoot's own or of Python's, such as a type's name in a list of packages: it stays
    as it is."""

    __slots__ = ()


class Leaf:
    """Something made of texts that must be scrubbed first."""

    __slots__ = ()

    def gather(self, into: dict[str, str]) -> None:
        """Add the raw texts as keys."""
        raise NotImplementedError

    def made(self, clean: Callable[[str], str]) -> Any:
        """What it becomes; ``clean`` gives the scrubbed text of each raw one."""
        raise NotImplementedError


class Text(Leaf):
    """A text of which at most ``limit`` characters are kept.

    >>> Text("x" * 9_000, 3).made(str)
    'xxx…'
    """

    __slots__ = ("_limit", "_more", "_raw")

    def __init__(self, raw: str, limit: int = LONG) -> None:
        self._more = len(raw) > limit + MARGIN
        self._raw = raw[: limit + MARGIN] if self._more else raw
        self._limit = limit

    def gather(self, into: dict[str, str]) -> None:
        into[self._raw] = DROPPED

    def made(self, clean: Callable[[str], str]) -> str:
        text = clean(self._raw)
        if self._more:
            text = text[: max(0, len(text) - MARGIN)]
        if not self._more and len(text) <= self._limit:
            return text
        return f"{text[: self._limit]}…"

    def changed(self, clean: Callable[[str], str]) -> bool:
        """Whether anything in it was hidden."""
        return clean(self._raw) != self._raw


def part(make: Callable[..., Any], *args: Any) -> Any:
    """``make(*args)``, or None where it fails: a part of a record that cannot be had is left out."""
    try:
        return make(*args)
    except Exception:
        return None


def cleaned(tree: Any, scrub: Callable[[str], str]) -> Any:
    """``tree`` with each text scrubbed. Keys are ours and stay.

    >>> cleaned({"a": ["x"], "b": Own("x"), "n": 7}, str.upper)
    {'a': ['X'], 'b': 'x', 'n': 7}
    """
    clean: dict[str, str] = {}
    _gather(tree, clean)
    _scrub_all(list(clean), scrub, clean)
    return _made(tree, clean.__getitem__)


def _gather(tree: Any, into: dict[str, str]) -> None:
    kind = type(tree)
    if kind is str:
        if len(tree) <= LONG:
            into[tree] = DROPPED
        else:
            Text(tree).gather(into)
    elif kind is dict:
        for value in tree.values():
            _gather(value, into)
    elif kind is list:
        for value in tree:
            _gather(value, into)
    elif isinstance(tree, Leaf):
        tree.gather(into)


def _made(tree: Any, clean: Callable[[str], str]) -> Any:
    kind = type(tree)
    if kind is str:
        return clean(tree) if len(tree) <= LONG else Text(tree).made(clean)
    if kind is dict:
        return {key: _made(value, clean) for key, value in tree.items()}
    if kind is list:
        return [_made(value, clean) for value in tree]
    return part(tree.made, clean) if isinstance(tree, Leaf) else tree


def _scrub_all(texts: Sequence[str], scrub: Callable[[str], str], into: dict[str, str]) -> None:
    group: list[str] = []
    length = 0
    for text in texts:
        if group and length + len(text) > AT_ONCE:
            _scrub_group(group, scrub, into)
            group, length = [], 0
        group.append(text)
        length += len(text)
    _scrub_group(group, scrub, into)


def _scrub_group(texts: Sequence[str], scrub: Callable[[str], str], into: dict[str, str]) -> None:
    if not texts:
        return
    try:
        found = scrub(BETWEEN.join(texts))
    except Exception:  # what cannot be scrubbed is dropped
        found = DROPPED
    parts = found.split(BETWEEN) if len(texts) > 1 else [found]
    if len(parts) == len(texts):
        into.update(zip(texts, parts))
        return
    if len(texts) > 1:
        half = len(texts) // 2
        _scrub_group(texts[:half], scrub, into)
        _scrub_group(texts[half:], scrub, into)
