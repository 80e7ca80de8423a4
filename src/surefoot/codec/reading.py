"""JSON back to values: the other half of :mod:`surefoot.codec.writing`.

Objects are read from the inside out, so each tag finds its parts as values already.
"""

from __future__ import annotations

import importlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from json import JSONDecoder
from types import MappingProxyType
from typing import Any

from .names import Names
from .records import restorer
from .refusal import damaged

__all__ = ["Maker", "Reader", "scan", "scanner"]

Maker = Callable[[dict[str, Any]], Any]


def scanner(hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The json module's scanner; it is no part of its documentation, but of every CPython."""
    return JSONDecoder(object_hook=hook).scan_once  # type: ignore[attr-defined]


def scan(once: Callable[[str, int], tuple[Any, int]], text: str) -> Any:
    """All of ``text`` through a JSON scanner, without the searches for white space around it."""
    try:
        value, end = once(text, 0)
    except StopIteration as exc:
        raise damaged("it is no JSON") from exc
    if end != len(text):
        raise damaged("there is more after its end")
    return value


_LIBRARY_TAGS: Mapping[str, str] = MappingProxyType(
    {
        "npy": "lib_numpy",
        "np": "lib_numpy",
        "pandas": "lib_pandas",
        "pd": "lib_pandas",
        "polars": "lib_polars",
        "arrow": "lib_arrow",
        "tensor": "lib_torch",
        "pydantic": "lib_pydantic",
        "unset": "lib_msgspec",
    }
)


class Reader:
    """Reads one checkpoint; ``parts`` is the binary data that lies beside its JSON.

    ``makers`` is kept between checkpoints: how instances of the classes seen so far are made.
    """

    __slots__ = ("_makers", "_scan", "names", "parts")

    def __init__(self, names: Names, makers: dict[str, Maker], parts: list[bytes]) -> None:
        self.names = names
        self.parts = parts
        self._makers = makers
        self._scan = scanner(self._object)

    def read(self, text: str) -> Any:
        """The value that ``text`` describes."""
        return scan(self._scan, text)

    def blob(self, place: str | int) -> bytes:
        """Binary data from where :meth:`Writer.blob` put it."""
        if isinstance(place, int):
            return self.parts[place]
        return b64decode(place, validate=True)

    def _object(self, tag: dict[str, Any]) -> Any:
        name = tag.get("$")
        if name is None:
            return tag
        read = _READ.get(name)
        if read is not None:
            return read(self, tag)
        if ":" in name:
            make = self._makers.get(name)
            if make is None:
                cls = self.names.find(name)
                if cls is None:
                    raise damaged(
                        f"there is no class {name.replace(':', '.')} any more that could hold it"
                    )
                make = self._makers[name] = restorer(cls)
            return make(tag)
        library = _LIBRARY_TAGS.get(name)
        if library is None:
            raise damaged(f"it holds a {name!r}, which this version of Surefoot does not know")
        return importlib.import_module(f"surefoot.codec.{library}").load(tag, self)


def _datetime(_: Reader, tag: dict[str, Any]) -> Any:
    from datetime import datetime

    moment = datetime.fromisoformat(tag["v"])
    return moment.replace(tzinfo=tag.get("tz"), fold=tag.get("fold", 0))


def _time(_: Reader, tag: dict[str, Any]) -> Any:
    from datetime import time

    moment = time.fromisoformat(tag["v"])
    return moment.replace(tzinfo=tag.get("tz"), fold=tag.get("fold", 0))


def _date(_: Reader, tag: dict[str, Any]) -> Any:
    from datetime import date

    return date.fromisoformat(tag["v"])


def _timedelta(_: Reader, tag: dict[str, Any]) -> Any:
    from datetime import timedelta

    return timedelta(*tag["v"])


def _timezone(_: Reader, tag: dict[str, Any]) -> Any:
    from datetime import timedelta, timezone

    days, seconds, microseconds, *label = tag["v"]
    offset = timedelta(days, seconds, microseconds)
    return timezone(offset, *label) if offset or label else timezone.utc


def _zoneinfo(_: Reader, tag: dict[str, Any]) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(tag["v"])


def _path(_: Reader, tag: dict[str, Any]) -> Any:
    from pathlib import Path

    return Path(tag["v"])


def _purepath(_: Reader, tag: dict[str, Any]) -> Any:
    from pathlib import PurePosixPath, PureWindowsPath

    return (PureWindowsPath if tag["c"] == "PureWindowsPath" else PurePosixPath)(tag["v"])


def _decimal(_: Reader, tag: dict[str, Any]) -> Any:
    from decimal import Decimal

    return Decimal(tag["v"])


def _fraction(_: Reader, tag: dict[str, Any]) -> Any:
    from fractions import Fraction

    return Fraction(int(tag["v"][0], 16), int(tag["v"][1], 16))


def _uuid(_: Reader, tag: dict[str, Any]) -> Any:
    from uuid import UUID

    return UUID(hex=tag["v"])


def _address(_: Reader, tag: dict[str, Any]) -> Any:
    import ipaddress

    kind = ipaddress.IPv4Address if tag["$"] == "IPv4Address" else ipaddress.IPv6Address
    return kind(tag["v"])


def _collection(_: Reader, tag: dict[str, Any]) -> Any:
    import collections

    if tag["$"] == "defaultdict":
        return collections.defaultdict(_FACTORIES[tag["f"]], tag["v"])
    if tag["$"] == "deque":
        return collections.deque(tag["v"], tag["n"])
    if tag["$"] == "OrderedDict":
        return collections.OrderedDict(tag["v"])
    return collections.Counter(dict(tag["v"]))


_FACTORIES: Mapping[str | None, Any] = MappingProxyType(
    {None: None} | {kind.__name__: kind for kind in (list, dict, set, int, float, str, bool, tuple)}
)


def _namespace(_: Reader, tag: dict[str, Any]) -> Any:
    from types import SimpleNamespace

    made = SimpleNamespace()
    vars(made).update(tag["v"])
    return made


def _array(_: Reader, tag: dict[str, Any]) -> Any:
    from array import array

    return array(tag["t"], tag["v"])


_READ: Mapping[str, Callable[[Reader, dict[str, Any]], Any]] = MappingProxyType(
    {
        "int": lambda _, tag: int(tag["v"], 16),
        "float": lambda _, tag: float(tag["v"]),
        "complex": lambda _, tag: complex(*tag["v"]),
        "dict": lambda _, tag: dict(tag["v"]),
        "tuple": lambda _, tag: tuple(tag["v"]),
        "set": lambda _, tag: set(tag["v"]),
        "frozenset": lambda _, tag: frozenset(tag["v"]),
        "range": lambda _, tag: range(*tag["v"]),
        "ellipsis": lambda _, tag: ...,
        "bytes": lambda reader, tag: reader.blob(tag["v"]),
        "bytearray": lambda reader, tag: bytearray(reader.blob(tag["v"])),
        "datetime": _datetime,
        "time": _time,
        "date": _date,
        "timedelta": _timedelta,
        "timezone": _timezone,
        "zoneinfo": _zoneinfo,
        "path": _path,
        "purepath": _purepath,
        "Decimal": _decimal,
        "Fraction": _fraction,
        "UUID": _uuid,
        "IPv4Address": _address,
        "IPv6Address": _address,
        "defaultdict": _collection,
        "deque": _collection,
        "OrderedDict": _collection,
        "Counter": _collection,
        "namespace": _namespace,
        "array": _array,
    }
)
