"""Secrets in nested data: by the names of keys and fields, and in every text."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from .names import is_secret_name
from .text import DROPPED, is_no_secret, placeholder, scrub_text

__all__ = ["scrub"]

_DEEPEST = 40
_HARMLESS = frozenset(
    "bool complex date datetime Decimal ellipsis float Fraction int NoneType range time timedelta "
    "timezone UUID ZoneInfo".split()
)
_HARMLESS_MODULES = frozenset({"builtins", "datetime", "decimal", "fractions", "uuid", "zoneinfo"})


def scrub(value: Any, *, key: bytes | None = None, known: Iterable[str] = ()) -> Any:
    """``value`` in the same shape, without the secrets in it. The value itself is not changed.

    Texts go through :func:`scrub_text`, to which ``key`` and ``known`` are given on. A value under a
    secret's name is replaced as a whole. An object without fields that could be walked becomes
    ``"<its type>"``, since its ``repr`` may say anything. Never raises: what cannot be scrubbed is
    dropped.

    >>> scrub({"user": "ada", "password": "hunter2", "note": ["token=abc123", 7]})
    {'user': 'ada', 'password': '[secret]', 'note': ['token=[secret]', 7]}
    """
    known = tuple(known)
    return _Walk(key, known).at(value, 0)


class _Walk:
    def __init__(self, key: bytes | None, known: tuple[str, ...]) -> None:
        self._key = key
        self._known = known

    def text(self, text: str) -> str:
        return scrub_text(text, known=self._known, key=self._key)

    def at(self, value: Any, depth: int) -> Any:
        try:
            return self._at(value, depth)
        except Exception:  # a broken __iter__, a cycle, a field that raises
            return DROPPED

    def _at(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind.__name__ in _HARMLESS and kind.__module__ in _HARMLESS_MODULES:
            return value
        if depth >= _DEEPEST:
            return "[too deep: dropped]"
        depth += 1
        if kind.__name__ in ("SecretStr", "SecretBytes"):
            return placeholder("secret", repr(value), None)
        if isinstance(value, dict):
            return {
                self._key_of(name): self._named(name, item, depth) for name, item in value.items()
            }
        if isinstance(value, (list, set, frozenset)):
            return type(value)(self.at(item, depth) for item in value)
        if isinstance(value, tuple):
            return self._tuple(value, depth)
        if isinstance(value, (bytes, bytearray)):
            return kind(self.text(value.decode("latin-1")).encode("latin-1", "replace"))
        if isinstance(value, BaseException):
            return self.text(f"{kind.__qualname__}: {value}")
        if kind.__module__.startswith("pathlib"):
            return kind(self.text(str(value)))
        if hasattr(kind, "__members__"):
            return value  # an enum: part of the program's text
        return self._object(value, depth)

    def _key_of(self, name: Any) -> Any:
        return self.text(name) if type(name) is str else self.at(name, _DEEPEST - 1)

    def _named(self, name: Any, value: Any, depth: int) -> Any:
        if not isinstance(name, str) or not is_secret_name(name):
            return self.at(value, depth)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and (not value or is_no_secret(value)):
            return value
        return placeholder("secret", str(value), self._key)

    def _tuple(self, value: Any, depth: int) -> Any:
        fields = getattr(value, "_fields", None)
        if isinstance(fields, tuple):
            return tuple.__new__(
                type(value),
                [self._named(name, item, depth) for name, item in zip(fields, value)],
            )
        if len(value) == 2 and isinstance(value[0], str):  # a header: ("authorization", "…")
            return (self.text(value[0]), self._named(value[0], value[1], depth))
        return tuple(self.at(item, depth) for item in value)

    def _object(self, value: Any, depth: int) -> Any:
        names = getattr(value, "__dataclass_fields__", None)
        if names is None:
            return f"<{type(value).__module__}.{type(value).__qualname__}>"
        made = copy.copy(value)
        for name in names:
            object.__setattr__(made, name, self._named(name, getattr(value, name), depth))
        return made
