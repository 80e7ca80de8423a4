"""The table ``[scrub]`` of the settings."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from .engine import BadPattern, compiled
from .names import words_of
from .personal import KINDS
from .scrubber import Scrubber

__all__ = ["scrubber_from"]


def scrubber_from(table: Mapping[str, Any]) -> Scrubber:
    """The scrubber that a table of settings describes; known values and the key are its user's.

    :raises ValueError: something in it is wrong; the text names the place within the table.

    >>> scrubber_from({"names": ["kennung"], "personal": []}).text("kennung=abc, ada@example.org")
    'kennung=[secret], ada@example.org'
    """
    made: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), list(_KEYS), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(_KEYS))}"
            raise ValueError(f"unknown key {key!r}; {hint}")
        made[key] = _KEYS[key](value, key)
    return Scrubber(**made)


def _texts(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(one, str) and one for one in value
    ):
        raise ValueError(f"{place} must be a list of texts, none of them empty")
    return tuple(value)


def _pattern(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{place} must be a pattern, as text")
    try:
        made = compiled(value, unicode=True)
    except (BadPattern, UnicodeEncodeError) as exc:
        raise ValueError(f"{place} = {value!r} is no pattern that RE2 takes: {exc}") from exc
    if made.fullmatch(b""):
        raise ValueError(f"{place} = {value!r} must not match the empty text")
    return value


def _patterns(value: Any, place: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{place} must be a list of tables, as [{{name = …, pattern = …}}]")
    found = []
    for number, one in enumerate(value):
        where = f"{place}[{number}]"
        if not isinstance(one, Mapping) or set(one) != {"name", "pattern"}:
            raise ValueError(f"{where} must be a table of name and pattern, and nothing else")
        name = one["name"]
        if (
            not isinstance(name, str)
            or not name.strip()
            or len(name) > 40
            or not name.isprintable()
        ):
            raise ValueError(f"{where}.name must be a text of 1 to 40 characters")
        if "[" in name or "]" in name:
            raise ValueError(f"{where}.name = {name!r} must have no brackets")
        found.append((name.strip(), _pattern(one["pattern"], f"{where}.pattern")))
    return tuple(found)


def _names(value: Any, place: str) -> tuple[str, ...]:
    names = _texts(value, place)
    for number, name in enumerate(names):
        if len("".join(words_of(name))) < 3:
            raise ValueError(f"{place}[{number}] = {name!r} must have three letters or more")
    return names


def _allow(value: Any, place: str) -> tuple[str, ...]:
    return tuple(_pattern(one, f"{place}[{n}]") for n, one in enumerate(_texts(value, place)))


def _personal(value: Any, place: str) -> tuple[str, ...]:
    kinds = _texts(value, place)
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"{place}: {kind!r} is none of {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in kinds)


def _switch(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{place} must be true or false")
    return value


_KEYS: Mapping[str, Callable[[Any, str], Any]] = {
    "patterns": _patterns,
    "names": _names,
    "allow": _allow,
    "personal": _personal,
    "environment": _switch,
}
