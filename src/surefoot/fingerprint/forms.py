"""The forms of Python's own types: what :mod:`surefoot.fingerprint.values` is put together from.

Every form starts with a letter of its own and ends by itself, so that no two values run together.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from types import (
    BuiltinFunctionType,
    FunctionType,
    MappingProxyType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import Any, Protocol

from .source import code_digest

__all__ = ["BUILTIN", "NAMED", "PLAIN", "Reading", "Unreadable", "class_tag", "sized", "text_bytes"]

_DOUBLE = struct.Struct(">d").pack


class Unreadable(Exception):
    """Internal: this value has no contents that could be read. The path grows on the way out."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
        self.path = ""

    def inside(self, part: str) -> Unreadable:
        """One level further out: ``part`` led here."""
        self.path = part + self.path
        return self


class Reading(Protocol):
    """What a form is given to read its parts with."""

    def read(self, value: Any) -> bytes: ...
    def at(self, path: str, value: Any) -> bytes: ...
    def items(self, values: Iterable[Any]) -> bytes: ...
    def members(self, values: Iterable[Any]) -> bytes: ...
    def pairs(self, value: Mapping[Any, Any]) -> bytes: ...


def text_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _str(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(data), data)


def _float(value: float) -> bytes:
    return b"f" + _DOUBLE(value) if value == value else b"fnan"


def sized(letter: bytes, data: bytes) -> bytes:
    return b"%b%d:%b" % (letter, len(data), data)


def _complex(value: complex) -> bytes:
    return b"c" + _float(value.real) + _float(value.imag)


# Whole values without parts. `%x` for integers: Python refuses decimals of thousands of digits.
PLAIN: Mapping[type, Callable[[Any], bytes]] = MappingProxyType(
    {
        str: _str,
        int: lambda value: b"i%x;" % value,
        bool: lambda value: b"T" if value else b"F",
        type(None): lambda value: b"N",
        float: _float,
        bytes: lambda value: sized(b"b", value),
        bytearray: lambda value: sized(b"B", bytes(value)),
        complex: _complex,
        type(...): lambda value: b"E",
        type(NotImplemented): lambda value: b"X",
    }
)


def class_tag(cls: type) -> bytes:
    return sized(b"t", text_bytes(cls.__qualname__))


def _function(reading: Reading, value: Any) -> bytes:
    name = value.__qualname__
    out = sized(b"F", text_bytes(name))
    if "<" not in name:
        return out
    # All lambdas of a function have one name: their code and what they close over tell them apart.
    out += sized(b"", code_digest(value.__code__, value.__doc__).encode())
    for cell in value.__closure__ or ():
        try:
            out += reading.read(cell.cell_contents)
        except (Unreadable, ValueError):  # ValueError: an empty cell
            out += b"?"
    return out


def _method(reading: Reading, value: Any) -> bytes:
    return sized(b"M", text_bytes(value.__func__.__qualname__)) + reading.at(
        ".__self__", value.__self__
    )


def _builtin_function(reading: Reading, value: Any) -> bytes:
    out = sized(b"F", text_bytes(value.__qualname__))
    owner = value.__self__
    if owner is None or isinstance(owner, ModuleType):
        return out
    return out + reading.at(".__self__", owner)


def _partial(reading: Reading, value: Any) -> bytes:
    return (
        b"P"
        + reading.at(".func", value.func)
        + b"(%b)" % reading.items(value.args)
        + b"{%b}" % reading.pairs(value.keywords)
    )


def _text(letter: bytes, form: Callable[[Any], str]) -> Callable[[Reading, Any], bytes]:
    return lambda _, value: sized(letter, text_bytes(form(value)))


def _moment(letter: bytes) -> Callable[[Reading, Any], bytes]:
    return _text(letter, lambda m: f"{m.replace(tzinfo=None).isoformat()} {m.tzinfo} {m.fold}")


def _dict(reading: Reading, value: Any) -> bytes:
    return b"{%b}" % reading.pairs(value)


def _alias(reading: Reading, value: Any) -> bytes:
    import typing

    origin = typing.get_origin(value)
    name = getattr(origin, "__qualname__", None) or getattr(origin, "_name", None)
    name = "Union" if name == "UnionType" else str(name)  # `int | str` is Union[int, str]
    return sized(b"A", text_bytes(name)) + b"(%b)" % reading.items(typing.get_args(value))


BUILTIN: Mapping[type, Callable[[Reading, Any], bytes]] = MappingProxyType(
    {
        list: lambda reading, value: b"[%b]" % reading.items(value),
        tuple: lambda reading, value: b"(%b)" % reading.items(value),
        dict: _dict,
        MappingProxyType: _dict,
        set: lambda reading, value: b"<%b>" % reading.members(value),
        frozenset: lambda reading, value: b"=%b;" % reading.members(value),
        range: _text(b"r", repr),
        slice: lambda reading, value: b"l" + reading.items((value.start, value.stop, value.step)),
        memoryview: lambda _, value: sized(b"m", value.tobytes()),
        FunctionType: _function,
        MethodType: _method,
        BuiltinFunctionType: _builtin_function,
        MethodWrapperType: _builtin_function,
        object: lambda _, value: b"O" + class_tag(object),
        ModuleType: _text(b"u", lambda module: module.__name__.rpartition(".")[2]),
    }
)

NAMED: Mapping[str, Callable[[Reading, Any], bytes]] = MappingProxyType(
    {
        "_io.BytesIO": lambda _, value: sized(b"b", value.getvalue()),
        "_io.StringIO": lambda _, value: _str(value.getvalue()),
        "array.array": lambda reading, value: (
            b"y" + value.typecode.encode() + b"[%b]" % reading.items(value)
        ),
        "collections.deque": lambda reading, value: b"q[%b]" % reading.items(value),
        "datetime.date": _text(b"d", lambda value: value.isoformat()),
        "datetime.datetime": _moment(b"D"),
        "datetime.time": _moment(b"h"),
        "datetime.timedelta": _text(b"j", lambda v: f"{v.days} {v.seconds} {v.microseconds}"),
        "datetime.timezone": _text(b"z", repr),
        "decimal.Decimal": _text(b"e", str),
        "fractions.Fraction": lambda reading, v: (
            b"Q" + reading.read(v.numerator) + reading.read(v.denominator)
        ),
        "functools._lru_cache_wrapper": _text(b"F", lambda value: value.__qualname__),
        "functools.partial": _partial,
        "ipaddress.IPv4Address": _text(b"a", str),
        "ipaddress.IPv6Address": _text(b"a", str),
        "random.Random": lambda reading, value: b"R" + reading.read(value.getstate()),
        "re.Pattern": lambda reading, value: b"g" + reading.read((value.pattern, value.flags)),
        "types.GenericAlias": _alias,
        "types.UnionType": _alias,
        "typing._GenericAlias": _alias,
        "typing._UnionGenericAlias": _alias,
        "typing.Union": _alias,
        "uuid.UUID": _text(b"U", lambda value: value.hex),
        "zoneinfo.ZoneInfo": _text(b"Z", str),
    }
)
