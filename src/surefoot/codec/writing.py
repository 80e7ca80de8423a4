"""Values to JSON that says what they were.

Text, numbers, booleans, None, lists and dictionaries with text keys are themselves. All else is an
object with a ``"$"`` that names what it is, so that a value comes back as what it was, or not at
all::

    {"$": "tuple", "v": [1, 2]}
    {"$": "shop.orders:Order", "v": {"id": 7, "due": {"$": "date", "v": "2026-11-22"}}}

A dictionary that has the key ``"$"`` itself is written as pairs. A class is looked at once, and
the way to write its instances (its *plan*) is kept by the caller, one codec a step. Types of
libraries are told by the root of their module, so that a library is only imported when there is a
value of it.
"""

from __future__ import annotations

import importlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from .names import Names, record_kind
from .records import fields_of, leftovers
from .refusal import Refused, shown

__all__ = ["HEAP_TYPE", "LIBRARIES", "Plan", "Writer", "library_of", "zone"]

Plan = Callable[["Writer", Any], Any]

INLINE = 512
"""Bytes up to which binary data stands in the JSON as base64; more lies beside it."""

INT_BITS = 2000
"""Larger integers are hexadecimal: Python refuses long decimal ones (here at 4300 digits, at 640
where it is set lowest)."""

HEAP_TYPE = 1 << 9
"""Py_TPFLAGS_HEAPTYPE in a class's ``__flags__``: made by a ``class`` statement."""

LIBRARIES: Mapping[str, str] = MappingProxyType(
    {
        "numpy": "lib_numpy",
        "pandas": "lib_pandas",
        "polars": "lib_polars",
        "pyarrow": "lib_arrow",
        "torch": "lib_torch",
        "pydantic": "lib_pydantic",
        "pydantic_core": "lib_pydantic",
        "msgspec": "lib_msgspec",
    }
)
"""Root of a module → the module here that knows its types."""


def library_of(cls: type) -> Any:
    """The module of this package that knows the library ``cls`` is from, or None."""
    name = LIBRARIES.get(cls.__module__.partition(".")[0])
    if name is None:
        return None
    return importlib.import_module(f"surefoot.codec.{name}")


class Writer:
    """Writes one value. ``plans`` is kept between values; ``blobs`` belongs to this one."""

    __slots__ = ("_plans", "blobs", "names")

    def __init__(self, names: Names, plans: dict[type, Plan]) -> None:
        self.names = names
        self.blobs: list[bytes] = []
        self._plans = plans

    def tree(self, value: Any) -> Any:
        """``value`` as JSON. Raises :class:`Refused`, or RecursionError if it contains itself."""
        kind = type(value)
        plan = self._plans.get(kind)
        if plan is None:
            plan = self._plans[kind] = plan_for(kind, self.names)
        return plan(self, value)

    def blob(self, data: bytes) -> str | int:
        """A place for binary data: the data itself if it is short, or the index of its part."""
        if len(data) <= INLINE:
            return b64encode(data).decode("ascii")
        self.blobs.append(data)
        return len(self.blobs) - 1

    def items(self, values: Iterable[Any]) -> list[Any]:
        """Each of ``values``, in order."""
        out: list[Any] = []
        try:
            for value in values:
                out.append(self.tree(value))
        except Refused as refused:
            raise refused.inside(f"[{len(out)}]") from None
        return out

    def fields(self, pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        """Named fields of an object."""
        out: dict[str, Any] = {}
        for name, value in pairs:
            try:
                out[name] = self.tree(value)
            except Refused as refused:
                raise refused.inside(f".{name}") from None
        return out


def plan_for(cls: type, names: Names) -> Plan:
    """How instances of exactly ``cls`` are written. Raises :class:`Refused` if they cannot be."""
    plan = _BUILTIN.get(cls) or _NAMED.get(f"{cls.__module__}.{cls.__qualname__}")
    if plan is not None:
        return plan
    if cls.__module__.startswith("pathlib"):  # `pathlib._local` in 3.13
        return _path
    kind = record_kind(cls)
    if kind is not None:
        name = names.of(cls)
        if name is None:
            raise Refused(
                f"is a {_full(cls)}, a class that cannot be found again by its name (move it to "
                "the top of a module, or name it in the step's annotation of what it returns)"
            )
        return _RECORDS[kind](cls, name)
    library = library_of(cls)
    if library is not None:
        found: Plan | None = library.plan(cls)
        if found is not None:
            return found
    raise Refused(f"is a {_full(cls)}, which cannot be saved as a checkpoint" + _hint(cls))


def _full(cls: type) -> str:
    if cls.__module__ == "builtins":
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"


def _hint(cls: type) -> str:
    for base in (str, int, float, dict, list, tuple, set, bytes):
        if issubclass(cls, base):
            return f" without losing its type (make it a {base.__name__}, if that is what it is)"
    return ""


# --- plain values ---------------------------------------------------------------------------------


def _itself(_: Writer, value: Any) -> Any:
    return value


def _int(_: Writer, value: int) -> Any:
    if value.bit_length() > INT_BITS:
        return {"$": "int", "v": hex(value)}
    return value


def _float(_: Writer, value: float) -> Any:
    if value - value == 0.0:
        return value
    return {"$": "float", "v": repr(value)}  # nan, inf, -inf: JSON has none of them


def _list(writer: Writer, value: list[Any]) -> Any:
    return writer.items(value)


def _dict(writer: Writer, value: dict[Any, Any]) -> Any:
    if "$" in value or not all(type(key) is str for key in value):
        return {"$": "dict", "v": _pairs(writer, value)}
    out = {}
    for key, item in value.items():
        try:
            out[key] = writer.tree(item)
        except Refused as refused:
            raise refused.inside(f"[{shown(key)}]") from None
    return out


def _pairs(writer: Writer, value: Mapping[Any, Any]) -> list[list[Any]]:
    pairs = []
    for key, item in value.items():
        try:
            pairs.append([writer.tree(key), writer.tree(item)])
        except Refused as refused:
            raise refused.inside(f"[{shown(key)}]") from None
    return pairs


def _tagged(tag: str, to_json: Callable[[Any], Any]) -> Plan:
    def plan(_: Writer, value: Any) -> Any:
        return {"$": tag, "v": to_json(value)}

    return plan


def _sequence(tag: str) -> Plan:
    def plan(writer: Writer, value: Iterable[Any]) -> Any:
        return {"$": tag, "v": writer.items(value)}

    return plan


def _mapping(tag: str) -> Plan:
    def plan(writer: Writer, value: Mapping[Any, Any]) -> Any:
        return {"$": tag, "v": _pairs(writer, value)}

    return plan


def _binary(tag: str) -> Plan:
    def plan(writer: Writer, value: Any) -> Any:
        return {"$": tag, "v": writer.blob(bytes(value))}

    return plan


def _complex(writer: Writer, value: complex) -> Any:
    return {"$": "complex", "v": [_float(writer, value.real), _float(writer, value.imag)]}


def zone(value: Any) -> Any:
    """A time zone (or None) as JSON. Raises :class:`Refused` for kinds that are not of Python."""
    if value is None:
        return None
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if name == "datetime.timezone":
        offset, *label = value.__getinitargs__()
        return {"$": "timezone", "v": [offset.days, offset.seconds, offset.microseconds, *label]}
    if name == "zoneinfo.ZoneInfo" and value.key is not None:
        return {"$": "zoneinfo", "v": value.key}
    raise Refused(f"has a time zone of type {name}; use datetime.timezone or zoneinfo.ZoneInfo")


def _moment(tag: str) -> Plan:
    """For datetime and time: the zone and the fold are not in their ISO text, or not exactly."""

    def plan(_: Writer, value: Any) -> Any:
        out = {"$": tag, "v": value.replace(tzinfo=None).isoformat()}
        if value.tzinfo is not None:
            out["tz"] = zone(value.tzinfo)
        if value.fold:
            out["fold"] = value.fold
        return out

    return plan


def _path(_: Writer, value: Any) -> Any:
    name = type(value).__name__
    tag = "path" if name in ("PosixPath", "WindowsPath") else "purepath"
    return {"$": tag, "v": str(value)} if tag == "path" else {"$": tag, "v": str(value), "c": name}


def _defaultdict(writer: Writer, value: Any) -> Any:
    factory = value.default_factory
    if factory is not None and factory not in _FACTORIES:
        raise Refused(f"is a defaultdict that makes its values with {shown(factory)}")
    return {
        "$": "defaultdict",
        "v": _pairs(writer, value),
        "f": factory and factory.__name__,
    }


_FACTORIES = (list, dict, set, int, float, str, bool, tuple)


def _deque(writer: Writer, value: Any) -> Any:
    return {"$": "deque", "v": writer.items(value), "n": value.maxlen}


def _namespace(writer: Writer, value: Any) -> Any:
    return {"$": "namespace", "v": _dict(writer, vars(value))}


def _array(writer: Writer, value: Any) -> Any:
    # Lists, not memory: item sizes and byte orders differ between machines.
    return {"$": "array", "v": writer.items(value), "t": value.typecode}


_BUILTIN: Mapping[type, Plan] = MappingProxyType(
    {
        type(None): _itself,
        bool: _itself,
        str: _itself,
        int: _int,
        float: _float,
        list: _list,
        dict: _dict,
        tuple: _sequence("tuple"),
        set: _sequence("set"),
        frozenset: _sequence("frozenset"),
        bytes: _binary("bytes"),
        bytearray: _binary("bytearray"),
        complex: _complex,
        range: _tagged("range", lambda r: [r.start, r.stop, r.step]),
        type(...): _tagged("ellipsis", lambda _: None),
    }
)

_NAMED: Mapping[str, Plan] = MappingProxyType(
    {
        "array.array": _array,
        "collections.Counter": _mapping("Counter"),
        "collections.OrderedDict": _mapping("OrderedDict"),
        "collections.defaultdict": _defaultdict,
        "collections.deque": _deque,
        "datetime.date": _tagged("date", lambda d: d.isoformat()),
        "datetime.datetime": _moment("datetime"),
        "datetime.time": _moment("time"),
        "datetime.timedelta": _tagged("timedelta", lambda d: [d.days, d.seconds, d.microseconds]),
        "datetime.timezone": lambda _, value: zone(value),
        "decimal.Decimal": _tagged("Decimal", str),
        "fractions.Fraction": _tagged("Fraction", lambda f: [hex(f.numerator), hex(f.denominator)]),
        "ipaddress.IPv4Address": _tagged("IPv4Address", str),
        "ipaddress.IPv6Address": _tagged("IPv6Address", str),
        "types.SimpleNamespace": _namespace,
        "uuid.UUID": _tagged("UUID", lambda u: u.hex),
        "zoneinfo.ZoneInfo": lambda _, value: zone(value),
    }
)


# --- records --------------------------------------------------------------------------------------


def _enum(cls: type, name: str) -> Plan:
    keys: dict[int, str] = {}
    for key, member in cls.__members__.items():  # type: ignore[attr-defined]
        keys.setdefault(id(member), key)  # an alias comes after the name that it stands for

    def plan(writer: Writer, value: Any) -> Any:
        key = keys.get(id(value))
        if key is not None:
            return {"$": name, "n": key}
        return {"$": name, "n": None, "v": writer.tree(value.value)}  # several flags at once

    return plan


def _namedtuple(cls: type, name: str) -> Plan:
    fields: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]

    def plan(writer: Writer, value: Any) -> Any:
        if len(value) != len(fields) or getattr(value, "__dict__", None):
            raise Refused(f"is a {_full(cls)} with more in it than its fields")
        return {"$": name, "v": writer.fields(zip(fields, value))}

    return plan


def _fielded(cls: type, name: str) -> Plan:
    """Dataclasses and attrs classes: their fields, and what else was set on them."""
    fields = fields_of(cls)
    for base in cls.__mro__:
        # A class of C other than `object` holds what its fields do not tell.
        if base is not object and not base.__flags__ & HEAP_TYPE:
            raise Refused(f"is a {_full(cls)}, which is a {base.__qualname__} at the same time")

    def plan(writer: Writer, value: Any) -> Any:
        try:
            pairs = [(field, getattr(value, field)) for field in fields]
        except AttributeError as exc:
            raise Refused(f"is a {_full(cls)} that lacks one of its fields ({exc})") from None
        out = {"$": name, "v": writer.fields(pairs)}
        more = leftovers(value, fields)
        if more:
            out["x"] = writer.fields(more)
        return out

    return plan


def _model(library: str) -> Callable[[type, str], Plan]:
    def make(cls: type, name: str) -> Plan:
        module = importlib.import_module(f"surefoot.codec.{library}")
        plan: Plan = module.record_plan(cls, name)
        return plan

    return make


_RECORDS: Mapping[str, Callable[[type, str], Plan]] = MappingProxyType(
    {
        "enum": _enum,
        "namedtuple": _namedtuple,
        "dataclass": _fielded,
        "attrs": _fielded,
        "pydantic": _model("lib_pydantic"),
        "msgspec": _model("lib_msgspec"),
    }
)
