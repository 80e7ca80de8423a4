"""JSON from the command line to what a function's annotation asks for.

Helpful, and yet strict: text becomes a path, a date or a member where that is asked for; a text
never becomes a number, and nothing is dropped or guessed. The message of each error names the place
and what was expected there.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from importlib import import_module
from types import MappingProxyType
from typing import Any

from surefoot.errors import InputError

from .names import hints, record_kind
from .refusal import shown

__all__ = ["convert", "convert_text"]


def convert(value: Any, annotation: Any, *, name: str = "input") -> Any:
    """``value``, read from JSON, as an instance of ``annotation``.

    ``name`` is how messages call it. Raises InputError.

    >>> from pathlib import Path
    >>> convert(["a", "b"], list[Path])
    [PosixPath('a'), PosixPath('b')]
    >>> convert({"limit": "10"}, dict[str, int], name="settings")
    Traceback (most recent call last):
    surefoot.errors.InputError: settings['limit']: expected a whole number, got '10'
    """
    if annotation is Any or annotation is object:
        return value
    if annotation is None or annotation is type(None):
        if value is not None:
            raise _expected(name, "null", value)
        return None
    simple = _SIMPLE.get(annotation) if _hashable(annotation) else None
    if simple is not None:
        return simple(value, name)
    origin = typing.get_origin(annotation)
    if origin is not None:
        return _generic(value, annotation, origin, name)
    if isinstance(annotation, typing.TypeVar):
        bound = annotation.__bound__
        return value if bound is None else convert(value, bound, name=name)
    if hasattr(annotation, "__supertype__"):  # NewType
        return convert(value, annotation.__supertype__, name=name)
    if isinstance(annotation, type):
        return _instance(value, annotation, name)
    return value  # nothing we know: a text that could not be resolved, a Protocol's variable


def convert_text(text: str, annotation: Any, *, name: str = "input") -> Any:
    """``--arg name=text``: JSON where it is JSON that fits, else the text itself.

    Raises InputError.

    >>> convert_text("7", int), convert_text("7", str), convert_text("a b", str)
    (7, '7', 'a b')
    """
    try:
        value = json.loads(text)
    except ValueError:
        return convert(text, annotation, name=name)
    try:
        return convert(value, annotation, name=name)
    except InputError:
        if isinstance(value, str):
            raise
        try:
            return convert(text, annotation, name=name)
        except InputError:
            pass
        raise


def _hashable(annotation: Any) -> bool:
    try:
        hash(annotation)
    except TypeError:  # Annotated[int, []], Literal of a list
        return False
    return True


def _expected(name: str, what: str, value: Any, cause: Exception | None = None) -> InputError:
    error = InputError(f"{name}: expected {what}, got {shown(value, 80)}")
    error.__cause__ = cause
    return error


# --- plain types ----------------------------------------------------------------------------------


def _exactly(kind: type, what: str) -> Callable[[Any, str], Any]:
    def read(value: Any, name: str) -> Any:
        if type(value) is kind:
            return value
        raise _expected(name, what, value)

    return read


def _number(value: Any, name: str) -> float:
    if type(value) is int or type(value) is float:
        return float(value)
    raise _expected(name, "a number", value)


def _complex(value: Any, name: str) -> complex:
    if type(value) in (int, float, str):
        try:
            return complex(value)
        except ValueError:
            pass
    raise _expected(name, "a complex number such as '1+2j'", value)


def _binary(kind: Callable[[bytes], Any]) -> Callable[[Any, str], Any]:
    def read(value: Any, name: str) -> Any:
        if type(value) is str:
            return kind(value.encode("utf-8", "surrogatepass"))
        raise _expected(name, "text, which is taken as UTF-8", value)

    return read


def _sequence(kind: Callable[[Iterable[Any]], Any]) -> Callable[[Any, str], Any]:
    def read(value: Any, name: str) -> Any:
        if type(value) is list:
            return kind(value)
        raise _expected(name, "a list", value)

    return read


_SIMPLE: Mapping[Any, Callable[[Any, str], Any]] = MappingProxyType(
    {
        str: _exactly(str, "text"),
        int: _exactly(int, "a whole number"),
        bool: _exactly(bool, "true or false"),
        float: _number,
        complex: _complex,
        bytes: _binary(bytes),
        bytearray: _binary(bytearray),
        dict: _exactly(dict, "an object"),
        list: _sequence(list),
        tuple: _sequence(tuple),
        set: _sequence(set),
        frozenset: _sequence(frozenset),
    }
)


def _moment(kind: Any, text: str) -> Any:
    if text.endswith(("Z", "z")):  # Python 3.10 does not know it
        text = f"{text[:-1]}+00:00"
    return kind.fromisoformat(text)


def _seconds(kind: Any, value: Any) -> Any:
    if type(value) not in (int, float):
        raise ValueError(value)
    return kind(seconds=value)


def _text(read: Callable[[Any, str], Any]) -> Callable[[Any, Any], Any]:
    def only_text(kind: Any, value: Any) -> Any:
        if type(value) is not str:
            raise ValueError(value)
        return read(kind, value)

    return only_text


def _decimal(kind: Any, value: Any) -> Any:
    if type(value) is float:
        return kind(repr(value))  # 0.1 as it was written, not as it is stored
    if type(value) not in (int, str):
        raise ValueError(value)
    return kind(value)


_CALLED: Callable[[Any, Any], Any] = _text(lambda kind, text: kind(text))

_NAMED: Mapping[str, tuple[str, Callable[[Any, Any], Any]]] = MappingProxyType(
    {
        "datetime.datetime": ("a date and time such as '2026-11-22T09:30:00'", _text(_moment)),
        "datetime.date": ("a date such as '2026-11-22'", _text(_moment)),
        "datetime.time": ("a time such as '09:30:00'", _text(_moment)),
        "datetime.timedelta": ("a number of seconds", _seconds),
        "decimal.Decimal": ("a decimal number", _decimal),
        "fractions.Fraction": ("a fraction such as '1/3'", _decimal),
        "uuid.UUID": ("a UUID", _CALLED),
        "ipaddress.IPv4Address": ("an IPv4 address", _CALLED),
        "ipaddress.IPv6Address": ("an IPv6 address", _CALLED),
        "zoneinfo.ZoneInfo": ("a time zone such as 'Europe/Vienna'", _CALLED),
    }
)


# --- generics -------------------------------------------------------------------------------------


def _generic(value: Any, annotation: Any, origin: Any, name: str) -> Any:
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return convert(value, arguments[0], name=name)
    if origin is typing.Union or origin is types.UnionType:
        return _union(value, arguments, name)
    if origin is typing.Literal:
        for choice in arguments:
            if type(choice) is type(value) and choice == value:
                return choice
            if isinstance(choice, Enum) and value in (choice.name, choice.value):
                return choice
        raise _expected(name, " or ".join(map(repr, arguments)), value)
    if getattr(origin, "_name", None) in ("Required", "NotRequired", "ReadOnly"):
        return convert(value, arguments[0], name=name)
    if isinstance(origin, type):
        kind = record_kind(origin)
        if kind == "msgspec":
            return import_module("surefoot.codec.lib_msgspec").convert(value, annotation, name)
        if kind is None and issubclass(origin, tuple):
            return _tuple(value, arguments, name)
        if kind is None and issubclass(origin, Mapping):
            return _mapping(value, origin, arguments, name)
        if kind is None and issubclass(origin, Iterable):
            return _items(value, origin, arguments, name)
        return _instance(value, origin, name)
    return value


def _union(value: Any, choices: tuple[Any, ...], name: str) -> Any:
    if value is None and type(None) in choices:
        return None
    for choice in choices:  # what it is already goes first: `Path | str` leaves a text alone
        if type(value) is choice:
            return value
    problems = []
    for choice in choices:
        if choice is type(None):
            continue
        try:
            return convert(value, choice, name=name)
        except InputError as exc:
            problems.append(exc)
    if len(problems) == 1:
        raise problems[0]
    # The one that got furthest into the value knows best.
    deepest = max(problems, key=lambda exc: len(str(exc).partition(": expected ")[0]))
    if not str(deepest).startswith(f"{name}: expected"):
        raise deepest
    said = [str(exc).partition(": expected ")[2].rpartition(", got ")[0] for exc in problems]
    raise _expected(name, " or ".join(dict.fromkeys(said)), value)


def _tuple(value: Any, arguments: tuple[Any, ...], name: str) -> Any:
    values = _sequence(list)(value, name)
    if len(arguments) == 2 and arguments[1] is ...:
        arguments = (arguments[0],) * len(values)
    arguments = tuple(kind for kind in arguments if kind != ())  # tuple[()] on 3.10
    if len(values) != len(arguments):
        raise _expected(name, f"a list of {len(arguments)}", value)
    return tuple(
        convert(item, kind, name=f"{name}[{index}]")
        for index, (item, kind) in enumerate(zip(values, arguments))
    )


def _mapping(value: Any, origin: Any, arguments: tuple[Any, ...], name: str) -> Any:
    given = _exactly(dict, "an object")(value, name)
    found = {
        convert_key(key, arguments[0], name): convert(item, arguments[-1], name=f"{name}[{key!r}]")
        for key, item in given.items()
    }
    if origin.__module__ == "collections.abc" or origin is dict:
        return found
    return origin(int, found) if origin.__name__ == "defaultdict" else origin(found)


def convert_key(key: str, annotation: Any, name: str) -> Any:
    """A key of a JSON object, which is always text, as ``annotation``; numbers are read from it."""
    if annotation in (int, float, bool):
        return convert_text(key, annotation, name=f"a key of {name}")
    return convert(key, annotation, name=f"a key of {name}")


def _items(value: Any, origin: Any, arguments: tuple[Any, ...], name: str) -> Any:
    values = _sequence(list)(value, name)
    found = [
        convert(item, arguments[0], name=f"{name}[{index}]") for index, item in enumerate(values)
    ]
    if origin.__module__ == "collections.abc":
        return set(found) if origin.__name__ in ("Set", "MutableSet") else found
    return origin(found)


# --- classes --------------------------------------------------------------------------------------


def _instance(value: Any, cls: Any, name: str) -> Any:
    if type(value) is cls:
        return value
    known = _NAMED.get(f"{cls.__module__}.{cls.__qualname__}")
    if known is not None:
        what, read = known
        try:
            return read(cls, value)
        except (ValueError, TypeError, ArithmeticError, LookupError) as exc:
            raise _expected(name, what, value, exc) from exc
    if cls.__module__.startswith("pathlib"):
        if type(value) is str:
            return cls(value)
        raise _expected(name, "a path", value)
    if hasattr(cls, "__total__"):
        return _typed_dict(value, cls, name)
    kind = record_kind(cls)
    if kind == "enum":
        return _member(value, cls, name)
    if kind in ("pydantic", "msgspec"):
        return import_module(f"surefoot.codec.lib_{kind}").convert(value, cls, name)
    if kind is not None:
        return _record(value, cls, name, kind)
    if isinstance(value, cls):
        return value
    raise _expected(
        name, f"a {cls.__qualname__}, which cannot be given as JSON; start it from Python", value
    )


def _member(value: Any, cls: Any, name: str) -> Any:
    for member in cls:
        if type(member.value) is type(value) and member.value == value:
            return member
    if isinstance(value, str) and value in cls.__members__:
        return cls.__members__[value]
    choices = ", ".join(repr(member.value) for member in cls)
    raise _expected(name, f"one of {choices}", value)


def _record(value: Any, cls: Any, name: str, kind: str) -> Any:
    annotations = hints(cls)
    if kind == "namedtuple":
        fields = dict.fromkeys(cls._fields, True) | dict.fromkeys(cls._field_defaults, False)
        if type(value) is list and len(value) <= len(fields):
            value = dict(zip(fields, value))
    elif kind == "dataclass":
        fields = {
            field.name: field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
            for field in dataclasses.fields(cls)
            if field.init
        }
    else:
        fields = {
            attribute.alias or attribute.name: type(attribute.default).__qualname__ == "_Nothing"
            for attribute in cls.__attrs_attrs__
            if attribute.init
        }
    given = _fields(value, fields, annotations, name)
    try:
        return cls(**given)
    except (ValueError, TypeError) as exc:
        raise InputError(f"{name}: {cls.__qualname__} refuses it: {exc}") from exc


def _typed_dict(value: Any, cls: Any, name: str) -> Any:
    annotations = hints(cls)
    fields = {field: _is_required(hint, field, cls) for field, hint in annotations.items()}
    return _fields(value, fields, annotations, name)


def _is_required(hint: Any, field: str, cls: Any) -> bool:
    # Where annotations are text, `__required_keys__` does not know of NotRequired.
    said = getattr(typing.get_origin(hint), "_name", None)
    return said == "Required" or (said != "NotRequired" and field in cls.__required_keys__)


def _fields(
    value: Any, fields: dict[str, bool], annotations: dict[str, Any], name: str
) -> dict[str, Any]:
    """An object's members as ``fields`` (name → whether it must be there)."""
    given = _exactly(dict, f"an object with {', '.join(fields) or 'nothing in it'}")(value, name)
    for key in given:
        if key not in fields:
            import difflib  # only a mistake needs it

            near = difflib.get_close_matches(key, fields, 1)
            raise InputError(
                f"{name}: there is no {key!r}; "
                + (f"did you mean {near[0]!r}?" if near else f"it has {', '.join(fields)}")
            )
    missing = [field for field, needed in fields.items() if needed and field not in given]
    if missing:
        raise InputError(f"{name}: {missing[0]!r} is missing")
    return {
        key: convert(item, annotations.get(key, Any), name=f"{name}.{key}")
        for key, item in given.items()
    }
