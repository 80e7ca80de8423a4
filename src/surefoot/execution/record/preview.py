"""A short look at a value, without touching what is not plain data.

No method of a user's class is called: no ``__repr__``, ``__len__``, ``__iter__`` or ``__getattr__``.
Builtin containers are read by their own class's methods, records (dataclasses, named tuples, attrs,
msgspec and pydantic models) by what their instances hold. Clients, files, iterators and whatever else
has contents of its own are told by their type alone. What stands under a secret's name is hidden here
already; all texts are scrubbed afterwards.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import Enum, EnumMeta
from fractions import Fraction
from itertools import islice
from pathlib import PurePath
from types import FunctionType, MemberDescriptorType
from typing import Any

from ...classify.safely import attribute, fields
from ...scrub import is_secret_name
from .raised import name_of
from .texts import MARGIN, Leaf, Own, Text

__all__ = ["HIDDEN", "LONGEST", "IsSecret", "Preview", "Shown", "size_of"]

IsSecret = Callable[[str], bool]
"""Whether what stands under a name is a secret."""
LONGEST = 200
"""Characters of a preview."""
HIDDEN = "[secret]"
PARTS = 12
"""Elements, keys or fields of one container that are looked at."""
DEEPEST = 4
KEY = 60
BITS = 2_000
"""Of a whole number; a larger one takes long to be written out."""
SMALL = 24
"""Bits of a whole number that is no card, no phone and no account."""
SHORT = 5
"""Characters of a key that is too short to be a secret, or to be known as one."""
NAME_KEYS, VALUE_KEYS = ("name", "key", "header", "field"), ("value", "val", "content")
ARRAYS = frozenset("numpy pandas polars pyarrow torch jax jaxlib tensorflow cupy scipy PIL".split())
"""Libraries whose values are told by their shape and type."""
SECRETS = frozenset("Secret SecretStr SecretBytes SecretDict SecretField Password".split())
PLAIN = (dt.date, dt.timedelta, Decimal, Fraction, uuid.UUID, range)


class _Quoted(Leaf):
    """A text within a preview, with the name that it stands under: scrubbed with it, for the name may
    be what makes it a secret."""

    __slots__ = ("_name", "_prefix", "_text", "_write")

    def __init__(self, raw: str, name: str, write: Callable[[str], str], prefix: str = "") -> None:
        self._name = f"{name}=" if name else ""
        self._text = Text(f"{self._name}{raw}", LONGEST + len(self._name))
        self._write = write
        self._prefix = prefix

    def gather(self, into: dict[str, str]) -> None:
        self._text.gather(into)

    def made(self, clean: Callable[[str], str]) -> tuple[str, bool]:
        """As it is shown, and whether anything in it was hidden."""
        text = self._text.made(clean)
        hidden = self._text.changed(clean)
        if text.startswith(self._name):
            text = text[len(self._name) :]
        return f"{self._prefix}{self._write(text)}", hidden


class Preview(Leaf):
    """A value in at most 200 characters.

    :param name: that it stands under. :param is_secret: whether a name is a secret's.

    >>> Preview({"user": "ada", "password": "hunter2", "rows": [1, 2]}).made(str)
    ("{'user': 'ada', 'password': [secret], 'rows': [1, 2]}", True)
    """

    __slots__ = ("_hidden", "_is_secret", "_left", "_limit", "_parts")

    def __init__(
        self,
        value: Any,
        name: str = "",
        limit: int = LONGEST,
        is_secret: IsSecret = is_secret_name,
    ) -> None:
        self._limit = limit
        self._is_secret = is_secret
        self._left = limit  # characters that are still to be filled
        self._hidden = False
        self._parts: list[str | _Quoted] = []
        self._named(name, value, 0)

    def gather(self, into: dict[str, str]) -> None:
        for one in self._parts:
            if type(one) is _Quoted:
                one.gather(into)

    def made(self, clean: Callable[[str], str]) -> tuple[str, bool]:
        """The preview, and whether anything in it is hidden."""
        shown: list[str] = []
        hidden = self._hidden
        for one in self._parts:
            if type(one) is _Quoted:
                text, its = one.made(clean)
                hidden = hidden or its
                shown.append(text)
            else:
                shown.append(str(one))
        text = "".join(shown)
        return (text if len(text) <= self._limit else f"{text[: self._limit - 1]}…"), hidden

    # -- writing ------------------------------------------------------------------------------

    def _put(self, text: str) -> None:
        self._parts.append(text)
        self._left -= len(text)

    def _quote(
        self, raw: str, name: str, write: Callable[[str], str] = repr, prefix: str = ""
    ) -> None:
        self._parts.append(_Quoted(raw, name, write, prefix))
        self._left -= min(len(raw), LONGEST) + 2

    def _named(self, name: str, value: Any, depth: int) -> None:
        if name and value is not None and type(value) is not bool and self._is_secret(name):
            self._hidden = True
            self._put(HIDDEN)
            return
        start = len(self._parts)
        try:
            self._value(name, value, depth)
        except Exception:  # changed while it was read, a broken part of it
            del self._parts[start:]
            self._put(f"<{name_of(type(value))}>")

    def _value(self, name: str, value: Any, depth: int) -> None:
        kind = type(value)
        if value is None or kind is bool:
            self._put(repr(value))
        elif isinstance(kind, EnumMeta):
            member = fields(value).get("_name_")
            self._put(f"{kind.__name__}.{member}" if type(member) is str else f"<{name_of(kind)}>")
        elif any(
            base.__name__ in SECRETS or "get_secret_value" in vars(base) for base in kind.__mro__
        ):
            self._hidden = True
            self._put(HIDDEN)
        elif issubclass(kind, str):
            self._quote(str.__getitem__(value, slice(0, LONGEST + 2 * MARGIN)), name)
        elif issubclass(kind, int):
            many = int.bit_length(value)
            digits = int.__repr__(value) if many <= BITS else f"<int of {many:,} bits>"
            if many <= SMALL:
                self._put(digits)
            else:
                self._quote(digits, name, str)
        elif issubclass(kind, float):
            self._put(float.__repr__(value))
        elif issubclass(kind, complex):
            self._put(complex.__repr__(value))
        elif issubclass(kind, (bytes, bytearray)):
            base = bytes if issubclass(kind, bytes) else bytearray
            some = bytes(base.__getitem__(value, slice(0, LONGEST + 2 * MARGIN)))
            self._quote(some.decode("utf-8", "backslashreplace"), name, repr, "b")
        elif kind in PLAIN or kind is dt.datetime or kind is dt.time:
            self._put(_plain(value))
        elif issubclass(kind, PurePath) and kind.__module__.startswith("pathlib"):
            self._quote(str(value), name)
        elif issubclass(kind, type):
            self._put(f"<class {name_of(value)}>")
        elif kind is FunctionType:
            self._put(f"<function {value.__module__}.{value.__qualname__}>")
        elif kind.__module__.partition(".")[0] in ARRAYS:
            self._put(_array(value))
        else:
            self._nested(value, kind, depth)

    def _nested(self, value: Any, kind: type, depth: int) -> None:
        parts = _parts_of(value, kind)
        if parts is None:
            self._put(f"<{name_of(kind)}>")
            return
        start, stop, items = parts
        self._put(start)
        shown = 0
        for name, key, item in items:
            if shown:
                self._put(", ")
            if shown >= PARTS or depth >= DEEPEST or self._left <= 0:
                self._put("…")
                break
            self._key(name, key, depth)
            self._named(name, item, depth + 1)
            shown += 1
        self._put(stop)

    def _key(self, name: str, key: Any, depth: int) -> None:
        """``name`` alone: a field's; with a key: a dictionary's."""
        if key is _NO_KEY:
            return
        if key is _FIELD:
            self._put(f"{name}=")
            return
        if type(key) is str and len(key) <= SHORT:
            self._put(repr(key))
        elif type(key) is str:
            self._quote(key[: KEY + MARGIN], "")
        else:
            self._named("", key, DEEPEST)
        self._put(": ")


class Shown(Leaf):
    """The text of a preview alone."""

    __slots__ = ("_preview",)

    def __init__(self, value: Any, name: str, is_secret: IsSecret) -> None:
        self._preview = Preview(value, name, is_secret=is_secret)

    def gather(self, into: dict[str, str]) -> None:
        self._preview.gather(into)

    def made(self, clean: Callable[[str], str]) -> str:
        return self._preview.made(clean)[0]


_NO_KEY, _FIELD = Own("no key"), Own("a field")
_Items = Iterable[tuple[str, Any, Any]]
"""(name that it stands under, key, part of the value)."""


def _parts_of(value: Any, kind: type) -> tuple[str, str, _Items] | None:
    """How a container begins and ends, and its first parts; None for what is not read."""
    if issubclass(kind, dict):
        some = list(islice(dict.items(value), PARTS + 1))
        other = _named_by_another(value)
        named = ((other.get(key) or _as_name(key), key, item) for key, item in some)
        return _around(kind, dict, "{"), _end(kind, dict, "}"), named
    if issubclass(kind, tuple) and isinstance(attribute(kind, "_fields"), tuple):
        pairs = zip(kind._fields, tuple.__iter__(value))  # type: ignore[attr-defined]
        return f"{kind.__name__}(", ")", _as_fields(pairs)
    for base, start, stop in (
        (list, "[", "]"),
        (tuple, "(", ")"),
        (set, "{", "}"),
        (frozenset, "{", "}"),
        (deque, "deque([", "])"),
    ):
        if issubclass(kind, base):
            any_base: Any = base
            count = any_base.__len__(value)
            some = list(islice(any_base.__iter__(value), PARTS + 1))
            # two may be a header: ("authorization", "…")
            name = _as_name(some[0]) if count == 2 else ""
            pairs_ = [(name if n else "", _NO_KEY, item) for n, item in enumerate(some)]
            return _around(kind, base, start), _end(kind, base, stop), pairs_
    names = _record_fields(kind)
    if names is None:
        return None
    held = fields(value)
    found = [(name, _held(value, kind, held, name)) for name in islice(names, PARTS + 1)]
    return f"{kind.__name__}(", ")", _as_fields(found)


def _named_by_another(value: dict[Any, Any]) -> dict[Any, str]:
    """{key: name} of what has its name beside it: ``{"name": "api_key", "value": "…"}``."""
    for name in NAME_KEYS:
        found = dict.get(value, name)
        if type(found) is str:
            return dict.fromkeys(VALUE_KEYS, found)
    return {}


def _as_name(key: Any) -> str:
    if type(key) is bytes:  # headers as servers have them
        return key[:MARGIN].decode("latin-1")
    return key if type(key) is str else ""


def _around(kind: type, base: type, start: str) -> str:
    return start if kind is base else f"{kind.__name__}({start}"


def _end(kind: type, base: type, stop: str) -> str:
    return stop if kind is base else f"{stop})"


def _as_fields(pairs: Iterable[tuple[str, Any]]) -> _Items:
    return ((str(name), _FIELD, item) for name, item in pairs)


def _record_fields(kind: type) -> list[str] | None:
    """The fields of a record that its author lets be shown (``repr=False`` hides one); None for a
    class that is no record."""
    found = attribute(kind, "__dataclass_fields__")
    if type(found) is dict:
        return [name for name, one in found.items() if attribute(one, "repr") is not False]
    found = attribute(kind, "__attrs_attrs__")
    if isinstance(found, tuple):
        return [one.name for one in found if attribute(one, "repr") is not False]
    found = attribute(kind, "__struct_fields__")
    if isinstance(found, tuple):
        return list(found)
    if any(
        base.__qualname__ == "BaseModel" and base.__module__.startswith("pydantic")
        for base in kind.__mro__
    ):
        found = attribute(kind, "__pydantic_fields__") or attribute(kind, "__fields__")
        if isinstance(found, Mapping):
            return [name for name, one in found.items() if attribute(one, "repr") is not False]
    return None


def _held(value: Any, kind: type, held: Mapping[str, Any], name: str) -> Any:
    """A field as the instance holds it: nothing is computed."""
    if name in held:
        return held[name]
    for base in kind.__mro__:
        slot = vars(base).get(name)
        if isinstance(slot, MemberDescriptorType) or type(slot).__name__ == "member_descriptor":
            return slot.__get__(value, kind)  # type: ignore[union-attr]
    return Own("…")


def _plain(value: Any) -> str:
    if isinstance(value, (dt.datetime, dt.time)):
        zone = value.tzinfo
        if zone is not None and type(zone).__name__ not in ("timezone", "ZoneInfo"):
            value = value.replace(
                tzinfo=None
            )  # a class of the user's would be asked for its offset
        return str(value.isoformat())
    return repr(value) if isinstance(value, range) else str(value)


def _array(value: Any) -> str:
    told = [f"<{name_of(type(value))}"]
    shape = _shape(value)
    if shape is not None:
        told.append(f"shape={shape}")
    dtype = attribute(value, "dtype")
    if dtype is not None and len(text := str(dtype)) <= 40:
        told.append(f"dtype={text}")
    return " ".join(told) + ">"


def _shape(value: Any) -> tuple[int, ...] | None:
    shape = attribute(value, "shape")
    if isinstance(shape, tuple) and all(type(one) is int for one in shape):
        return tuple(shape)
    return None


def size_of(value: Any) -> int | None:
    """How many elements, characters or bytes a value has; None where that cannot be told without
    asking a class of the user's.

    >>> size_of("abc"), size_of([1, 2]), size_of(7), size_of(iter([1]))
    (3, 2, None, None)
    """
    kind = type(value)
    if isinstance(kind, EnumMeta) or issubclass(kind, Enum):
        return None
    for base in (str, bytes, bytearray, list, tuple, dict, set, frozenset, deque):
        if issubclass(kind, base):
            found: int = base.__len__(value)
            return found
    if kind is range:
        return len(value) if len(str(value)) < 60 else None
    if attribute(kind, "__module__") and kind.__module__.partition(".")[0] in ARRAYS:
        shape = _shape(value)
        return shape[0] if shape else None
    return None
