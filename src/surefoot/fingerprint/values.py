"""Any value as bytes that are equal where the values are: what a digest is taken over.

Bytes and not :func:`hash`, because they have to be the same in another process, on another day and
under another Python. Types stand by their qualified name without the module (a file that is moved,
or run as ``__main__``, is still the same workflow), objects by type and contents, sets and
dictionaries in an order of their own.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from importlib import import_module
from types import MemberDescriptorType
from typing import Any

from .forms import BUILTIN, NAMED, PLAIN, Unreadable, class_tag, sized, text_bytes
from .handles import is_handle

__all__ = ["Unreadable", "Values"]

_POINTER = struct.calcsize("P")


class Values:
    """Reads values. What it learns of a class is kept; one instance serves one step.

    >>> values = Values()
    >>> values.read([1, True, "x"])
    b'[i1;Ts1:x]'
    >>> values.read({"b": 1, "a": 2}) == values.read({"a": 2, "b": 1})
    True
    """

    __slots__ = ("_readers",)

    def __init__(self) -> None:
        self._readers: dict[type, Callable[[_Reading, Any], bytes]] = {}

    def read(self, value: Any) -> bytes:
        """The bytes of ``value``. Raises :class:`Unreadable`, or RecursionError if it is too deep."""
        plain = PLAIN.get(type(value))
        if plain is not None:
            return plain(value)
        return _Reading(self._readers).read(value)


class _Reading:
    """One value being read: knows the containers it is inside of, for cycles."""

    __slots__ = ("_open", "_readers")

    def __init__(self, readers: dict[type, Callable[[_Reading, Any], bytes]]) -> None:
        self._readers = readers
        self._open: dict[int, int] = {}

    def read(self, value: Any) -> bytes:
        kind = type(value)
        plain = PLAIN.get(kind)
        if plain is not None:
            return plain(value)
        reader = self._readers.get(kind)
        if reader is None:
            reader = self._readers[kind] = _reader_for(kind)
        key = id(value)
        if key in self._open:  # it contains itself: how many levels further out it stands
            return b"^%x;" % (len(self._open) - self._open[key])
        self._open[key] = len(self._open)
        try:
            return reader(self, value)
        finally:
            del self._open[key]

    def at(self, path: str, value: Any) -> bytes:
        """A part of a value; ``path`` is where it stands, for messages."""
        try:
            return self.read(value)
        except Unreadable as exc:
            raise exc.inside(path) from None

    def items(self, values: Iterable[Any]) -> bytes:
        """One after the other."""
        parts: list[bytes] = []
        try:
            for value in values:
                parts.append(self.read(value))
        except Unreadable as exc:
            raise exc.inside(f"[{len(parts)}]") from None
        return b"".join(parts)

    def members(self, values: Iterable[Any]) -> bytes:
        """In an order that does not depend on how they come."""
        try:
            return b"".join(sorted(map(self.read, values)))
        except Unreadable as exc:
            raise exc.inside(" (a member)") from None

    def pairs(self, value: Mapping[Any, Any]) -> bytes:
        """Keys with their values, in an order that does not depend on how they come."""
        parts = []
        for key, item in value.items():
            try:
                parts.append(self.read(key) + self.read(item))
            except Unreadable as exc:
                raise exc.inside(f"[{_short(key)}]") from None
        parts.sort()
        return b"".join(parts)

    def fields(self, fields: Iterable[tuple[str, Any]]) -> bytes:
        """Named parts, by name."""
        parts = []
        for name, item in fields:
            try:
                parts.append(b"%b=%b" % (text_bytes(name), self.read(item)))
            except Unreadable as exc:
                raise exc.inside(f".{name}") from None
        parts.sort()
        return b"".join(parts)


def _short(key: Any) -> str:
    try:
        text = repr(key)
    except Exception:  # somebody's own __repr__, an integer of thousands of digits
        return f"<{type(key).__qualname__}>"
    return text if len(text) <= 40 else f"{text[:37]}..."


# --- how the instances of a class are read --------------------------------------------------------


def _reader_for(cls: type) -> Callable[[_Reading, Any], bytes]:
    known = BUILTIN.get(cls) or NAMED.get(f"{cls.__module__}.{cls.__qualname__}")
    if known is not None:
        return known
    if issubclass(cls, type):
        return lambda reading, value: b"C" + class_tag(value)
    bases = [(base.__module__, base.__qualname__) for base in cls.__mro__]
    if any(module.startswith("pathlib") and name == "PurePath" for module, name in bases):
        return lambda _, value: sized(b"p", text_bytes(str(value)))
    record = _record_reader(cls, bases)
    if record is not None:
        return record
    for module, _ in bases:
        if module.partition(".")[0] in _LIBRARIES:
            found: Callable[[_Reading, Any], bytes] | None = import_module(
                "surefoot.fingerprint.lib_data"
            ).reader_for(cls, module.partition(".")[0])
            if found is not None:
                return found
    if issubclass(cls, BaseException):
        return lambda reading, value: (
            b"!" + class_tag(cls) + reading.at(".args", value.args) + _state(reading, value)
        )
    for base in _CONTAINERS:
        if issubclass(cls, base):
            return _subclass(cls, base)
    if is_handle(bases):
        return lambda _, value: b"H" + class_tag(cls)
    why = _why_not(cls)
    if why is not None:
        raise Unreadable(f"is {why}")
    return _object(cls)


_CONTAINERS = (str, int, float, complex, bytes, bytearray, list, tuple, dict, set, frozenset)
_LIBRARIES = frozenset({"numpy", "pandas", "polars", "pyarrow", "torch", "PIL"})


def _record_reader(
    cls: Any, bases: list[tuple[str, str]]
) -> Callable[[_Reading, Any], bytes] | None:
    tag = b"O" + class_tag(cls)
    if ("enum", "Enum") in bases:
        return lambda reading, value: (
            tag + (PLAIN[str](value.name) if value.name else reading.at(".value", value.value))
        )
    if ("pydantic.main", "BaseModel") in bases:
        return lambda reading, value: (
            tag
            + b"{%b}" % reading.fields(_uncached(cls, vars(value)))
            + reading.at("", value.__pydantic_extra__)
        )
    names: tuple[str, ...] | None = None
    if ("msgspec", "Struct") in bases:
        names = cls.__struct_fields__
    elif isinstance(getattr(cls, "__dataclass_fields__", None), dict):
        import dataclasses

        # What does not count for `==` does not count here.
        names = tuple(field.name for field in dataclasses.fields(cls) if field.compare)
    elif isinstance(getattr(cls, "__attrs_attrs__", None), tuple):
        names = tuple(attribute.name for attribute in cls.__attrs_attrs__ if attribute.eq)
    elif issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple):
        names = cls._fields
    if names is None or (not names and not hasattr(cls, "__dataclass_fields__")):
        return None
    known = names

    def read(reading: _Reading, value: Any) -> bytes:
        return tag + b"{%b}" % reading.fields(
            (name, getattr(value, name)) for name in known if hasattr(value, name)
        )

    return read


def _subclass(cls: type, base: type) -> Callable[[_Reading, Any], bytes]:
    plain, inner = PLAIN.get(base), BUILTIN.get(base)

    def read(reading: _Reading, value: Any) -> bytes:
        content = plain(value) if plain else inner(reading, value) if inner else b""
        return b"O" + class_tag(cls) + content + _state(reading, value)

    return read


def _object(cls: type) -> Callable[[_Reading, Any], bytes]:
    def read(reading: _Reading, value: Any) -> bytes:
        if "__wrapped__" in getattr(value, "__dict__", ()) or "__wrapped__" in vars(cls):
            name = getattr(value, "__qualname__", None)
            if isinstance(name, str):  # a decorated function
                return sized(b"F", text_bytes(name))
        return b"O" + class_tag(cls) + _state(reading, value)

    return read


def _state(reading: _Reading, value: Any) -> bytes:
    cls = type(value)
    state = dict(_uncached(cls, getattr(value, "__dict__", {})))
    for base in cls.__mro__:
        for name, slot in vars(base).items():
            if isinstance(slot, MemberDescriptorType) and hasattr(value, name):
                state[name] = getattr(value, name)
    return b"{%b}" % reading.fields(state.items())


def _uncached(cls: type, state: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Attributes without what is only kept there for speed, and may be there or not: what a
    cached_property left, and SQLAlchemy's state of a row."""
    return [
        (name, item)
        for name, item in state.items()
        if name != "_sa_instance_state"
        and not any(isinstance(vars(base).get(name), cached_property) for base in cls.__mro__)
    ]


def _why_not(cls: type) -> str | None:
    """Why an object of that class cannot be read by its attributes, or None if it can."""
    name = cls.__qualname__
    article = "an" if name[:1].lower() in "aeiou" else "a"
    bases = {f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__}
    if "_io._IOBase" in bases:
        return f"an open file ({name})"
    if hasattr(cls, "__next__") or hasattr(cls, "__anext__"):
        return f"{article} {name}, which cannot be read without using it up"
    if hasattr(cls, "__await__"):
        return f"{article} {name}, which is not finished"
    slots = sum(
        isinstance(slot, MemberDescriptorType)
        for base in cls.__mro__
        for slot in vars(base).values()
    )
    # What an object of Python code takes. Anything above it is memory of C that nobody can see.
    size = object.__basicsize__ + _POINTER * (
        slots + (cls.__dictoffset__ > 0) + (cls.__weakrefoffset__ > 0)
    )
    if cls.__basicsize__ > size or cls.__itemsize__:
        return f"{article} {name}, whose contents cannot be seen"
    return None
