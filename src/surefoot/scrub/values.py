"""Secrets in nested data: by the names of keys and fields, by types, and in every text.

Libraries' classes (pydantic, attrs, msgspec, headers of HTTP clients) are known by what they have; none
is imported for that.
"""

from __future__ import annotations

import copy
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .marks import DROPPED, is_no_secret, placeholder
from .names import DSN_NAMES

if TYPE_CHECKING:
    from .scrubber import Scrubber

__all__ = ["Walk"]

_DEEPEST = 40
_HARMLESS = frozenset(
    "bool complex date datetime Decimal ellipsis float Fraction int NoneType range time timedelta "
    "timezone UUID ZoneInfo".split()
)
_HARMLESS_MODULES = frozenset({"builtins", "datetime", "decimal", "fractions", "uuid", "zoneinfo"})
_SECRET_CLASSES = frozenset("SecretStr SecretBytes Secret SecretField SecretDict Password".split())
_NAME_KEYS = ("name", "key", "header", "field", "Name", "Key")
_VALUE_KEYS = ("value", "val", "content", "Value")


class Walk:
    """One way through a value. Never raises: what cannot be scrubbed is dropped."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._text = scrubber.text

    def at(self, value: Any, depth: int) -> Any:
        """``value`` in the same shape, without its secrets; it is not changed itself."""
        try:
            return self._at(value, depth)
        except Exception:  # a broken __iter__, a cycle, a field that raises
            return DROPPED

    def _at(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind.__name__ in _HARMLESS and kind.__module__ in _HARMLESS_MODULES:
            return value
        if depth >= _DEEPEST:
            return "[too deep: dropped]"
        depth += 1
        if kind.__name__ in _SECRET_CLASSES or hasattr(kind, "get_secret_value"):
            return self._secret(_revealed(value))
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, (list, deque)):
            return kind(self._items(value, depth))
        if isinstance(value, (set, frozenset)):
            return kind(self.at(item, depth) for item in value)
        if isinstance(value, tuple):
            return self._tuple(value, depth)
        if isinstance(value, (bytes, bytearray)):
            return kind(self._text(value.decode("latin-1")).encode("latin-1", "replace"))
        if isinstance(value, str):
            return self._text(str.__str__(value)) if not hasattr(kind, "__members__") else value
        if isinstance(value, BaseException):
            return self._text(f"{kind.__qualname__}: {value}")
        if kind.__module__.startswith("pathlib"):
            return kind(self._text(str(value)))
        if hasattr(kind, "__members__"):
            return value  # an enum: part of the program's text
        if callable(getattr(kind, "items", None)) and callable(getattr(kind, "keys", None)):
            return self._pairs(value.items(), depth)  # headers of an e-mail or of a client
        return self._object(value, depth)

    def _secret(self, value: Any) -> str:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        return placeholder("secret", text, self._scrubber.key)

    # -- names and what stands under them ------------------------------------------------------

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
        clean = self._pairs(value.items(), depth)
        # {"name": "DB_PASSWORD", "value": "…"}
        for name in _NAME_KEYS:
            told = value.get(name)
            if isinstance(told, str) and self._scrubber.secret_name(told):
                for key in _VALUE_KEYS:
                    if key in clean:
                        clean[key] = self._named(told, value[key], depth)
        return clean

    def _pairs(self, pairs: Iterable[tuple[Any, Any]], depth: int) -> dict[Any, Any]:
        return {self._key_of(name): self._named(name, item, depth) for name, item in pairs}

    def _key_of(self, name: Any) -> Any:
        return self._text(name) if type(name) is str else self.at(name, _DEEPEST - 1)

    def _named(self, name: Any, value: Any, depth: int) -> Any:
        if isinstance(name, bytes):
            name = name.decode("latin-1")
        if not isinstance(name, str):
            return self.at(value, depth)
        if not self._scrubber.secret_name(name):
            kind = self._scrubber.personal_name(name)
            if kind is not None and isinstance(value, (str, int)) and not isinstance(value, bool):
                return self._personal(kind, value, depth)
            return self.at(value, depth)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (str, bytes)):
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            if is_no_secret(text):
                return value
            if name.lower().replace("-", "_").endswith(DSN_NAMES):
                clean = self._text(text)
                if clean != text:
                    return clean  # only the password in it
            for scheme in ("Bearer ", "Basic ", "Token ", "bearer ", "basic ", "token "):
                if text.startswith(scheme):
                    text = text[len(scheme) :]  # the same mark as where the token stands alone
            return self._secret(text)
        if hasattr(type(value), "get_secret_value"):
            return self._secret(_revealed(value))
        return self._secret(value)

    def _personal(self, kind: str, value: str | int, depth: int) -> Any:
        clean = self._text(f"{kind}: {value}")
        prefix = f"{kind}: "
        if clean == f"{prefix}{value}":
            return value
        return clean[len(prefix) :] if clean.startswith(prefix) else DROPPED

    # -- shapes -------------------------------------------------------------------------------

    def _items(self, value: Iterable[Any], depth: int) -> list[Any]:
        items = list(value)
        if len(items) == 2 and isinstance(items[0], (str, bytes)) and self._is_secret(items[0]):
            return [items[0], self._named(items[0], items[1], depth)]  # a header as a pair
        clean = []
        flag = ""
        for item in items:
            if flag and isinstance(item, str) and not item.startswith("-"):
                clean.append(self._named(flag, item, depth))
            else:
                clean.append(self.at(item, depth))
            # ["mysql", "--password", "…"]
            flag = (
                item if isinstance(item, str) and item[:1] == "-" and self._is_secret(item) else ""
            )
        return clean

    def _is_secret(self, name: str | bytes) -> bool:
        text = name.decode("latin-1") if isinstance(name, bytes) else name
        return (
            len(text) < 100
            and " " not in text
            and "=" not in text
            and self._scrubber.secret_name(text)
        )

    def _tuple(self, value: tuple[Any, ...], depth: int) -> Any:
        fields = getattr(value, "_fields", None)
        if isinstance(fields, tuple):
            return tuple.__new__(
                type(value),
                [self._named(name, item, depth) for name, item in zip(fields, value)],
            )
        return tuple(self._items(value, depth))

    def _object(self, value: Any, depth: int) -> Any:
        kind = type(value)
        names = _fields(kind)
        if names is None:
            return f"<{kind.__module__}.{kind.__qualname__}>"
        made = copy.copy(value)
        for name in names:
            _set(made, name, self._named(name, getattr(value, name), depth))
        extra = getattr(value, "__pydantic_extra__", None)
        if isinstance(extra, dict):
            object.__setattr__(made, "__pydantic_extra__", self._pairs(extra.items(), depth))
        return made


def _revealed(value: Any) -> Any:
    """What a SecretStr holds."""
    reveal = getattr(value, "get_secret_value", None)
    return reveal() if callable(reveal) else repr(value)


def _fields(kind: type) -> list[str] | None:
    """The names of a model's fields: dataclasses, pydantic, attrs, msgspec."""
    for where in (
        "__dataclass_fields__",
        "__pydantic_fields__",
        "model_fields",
        "__struct_fields__",
    ):
        names = getattr(kind, where, None)
        if isinstance(names, (Mapping, tuple)):
            return list(names)
    attributes = getattr(kind, "__attrs_attrs__", None)
    return None if attributes is None else [one.name for one in attributes]


def _set(made: Any, name: str, value: Any) -> None:
    """Past frozen classes and validators."""
    msgspec = sys.modules.get("msgspec")
    if msgspec is not None and isinstance(made, msgspec.Struct):
        msgspec.structs.force_setattr(made, name, value)
    else:
        object.__setattr__(made, name, value)
