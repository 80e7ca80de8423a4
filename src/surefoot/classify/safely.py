"""Reading an exception that may be hostile: nothing that it does gets out of here.

Also BaseExceptions are held back: an attribute that raises SystemExit must not end the program in
the middle of its error handling.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = [
    "attribute",
    "fields",
    "integer",
    "is_mapping",
    "item",
    "path",
    "text_of",
    "word",
    "words",
]

_ELEMENTS = 50
_WORD = 500
_NOTHING: Mapping[str, Any] = {}


def attribute(value: Any, name: str) -> Any:
    """``value.name``, or None.

    >>> attribute(OSError(28, "full"), "errno"), attribute(3, "errno")
    (28, None)
    """
    try:
        return getattr(value, name, None)
    except BaseException:
        return None


def fields(value: Any) -> Mapping[str, Any]:
    """The instance's own attributes; nothing is computed."""
    try:
        found = value.__dict__
    except BaseException:
        return _NOTHING
    return found if type(found) is dict else _NOTHING


def is_mapping(value: Any) -> TypeGuard[Mapping[Any, Any]]:
    """Like isinstance, but quick for the common ones, and never raising."""
    if value is None or type(value) is dict:
        return value is not None
    try:
        return isinstance(value, Mapping)
    except BaseException:
        return False


def item(value: Any, key: Any) -> Any:
    """``value[key]``, or None."""
    try:
        return value[key]
    except BaseException:
        return None


def integer(value: Any) -> int | None:
    """A whole number, written as one or as digits.

    >>> integer(503), integer("503"), integer(True), integer("50x")
    (503, 503, None, None)
    """
    if type(value) is int:
        return value
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return int(value)
        if isinstance(value, str) and len(value) <= 9 and value.isascii() and value.isdigit():
            return int(value)
    except BaseException:
        return None
    return None


def text_of(exc: Any, limit: int) -> str:
    """``str(exc)``, at most ``limit`` characters; a text that says so where it raises.

    >>> text_of(ValueError("abc"), 2)
    'ab'
    """
    try:
        text = str(exc)
        return text[:limit] if type(text) is str else str.__str__(text)[:limit]
    except BaseException:
        return "(its message cannot be read)"


def word(value: Any) -> str | None:
    """A short value as it is compared: text in lower case, without white space around it.

    None for objects.

    >>> word("Insufficient_Quota\\n"), word(429), word(True), word(object())
    ('insufficient_quota', '429', 'true', None)
    """
    if value is None:
        return None
    if type(value) is str:
        return _compared(value)
    try:
        if isinstance(value, Enum):
            value = value.value if isinstance(value.value, (str, int)) else value.name
        if isinstance(value, (str, int, float)):
            return _compared(str(value))
    except BaseException:
        return None
    return None


def _compared(text: str) -> str:
    start = text[:_WORD]
    # a long text that begins with nothing but white space is not an empty one
    return start.strip().lower() or (start if len(text) > _WORD else "")


def words(value: Any, parts: tuple[str, ...]) -> tuple[str, ...]:
    """What stands at the end of a path; ``*`` stands for every element of a list.

    >>> words({"errors": [{"code": 7}, {"code": "X"}]}, ("errors", "*", "code"))
    ('7', 'x')
    """
    if "*" not in parts:  # nearly all
        end = word(path(value, parts))
        return () if end is None else (end,)
    ends = [value]
    while "*" in parts:
        star = parts.index("*")
        lists = [path(each, parts[:star]) for each in ends]
        ends = [each for found in lists if type(found) is list for each in found[:_ELEMENTS]]
        parts = parts[star + 1 :]
    words = [word(path(each, parts)) for each in ends[:_ELEMENTS]]
    return tuple(each for each in words if each is not None)


def path(value: Any, parts: tuple[str, ...]) -> Any:
    """Follow attributes, keys and list indexes; None where they lead nowhere.

    >>> path({"errors": [{"code": 7}]}, ("errors", "0", "code"))
    7
    """
    for part in parts:
        if type(value) is dict:
            value = value.get(part)
        elif isinstance(value, (list, tuple)):
            value = item(value, integer(part))
        else:
            found = attribute(value, part)
            value = item(value, part) if found is None and is_mapping(value) else found
        if value is None:
            return None
    return value
