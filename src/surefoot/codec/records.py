"""Dataclasses, attrs classes, NamedTuples and enums: their fields, and how they are put together.

Neither ``__init__`` nor ``__post_init__`` runs when a record is put together: it would do its work
a second time (defaults that look at the clock, connections), and could change what was saved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import cached_property, partial
from importlib import import_module
from typing import Any

from .names import record_kind
from .refusal import damaged

__all__ = ["fields_of", "leftovers", "nothing_left", "restorer", "static", "take"]


def fields_of(cls: type) -> tuple[str, ...]:
    """The names of the fields of a dataclass or an attrs class, in order."""
    if hasattr(cls, "__dataclass_fields__"):
        return tuple(field.name for field in fields(cls))
    return tuple(attribute.name for attribute in cls.__attrs_attrs__)  # type: ignore[attr-defined]


def leftovers(value: Any, known: tuple[str, ...]) -> list[tuple[str, Any]]:
    """Attributes in an instance's ``__dict__`` beyond its fields; what is only cached is left out.

    >>> from types import SimpleNamespace
    >>> leftovers(SimpleNamespace(a=1, b=2), ("a",))
    [('b', 2)]
    """
    state = getattr(value, "__dict__", None)
    if not state or (len(state) == len(known) and all(name in state for name in known)):
        return []
    cls = type(value)
    return [
        (name, item)
        for name, item in state.items()
        if name not in known and not isinstance(static(cls, name), cached_property)
    ]


def static(cls: type, name: str) -> Any:
    """What stands under ``name`` in a class or its bases, without any of it being called."""
    for base in cls.__mro__:
        if name in vars(base):
            return vars(base)[name]
    return None


def restorer(cls: Any) -> Callable[[dict[str, Any]], Any]:
    """What makes an instance of the record class ``cls`` out of a tag; made once a class.

    Fields that the class got since, and that have a default, are filled with it. Raises
    CheckpointDamaged, when called, if the class has lost a field, or got one without a default.
    """
    kind = record_kind(cls)
    if kind == "enum":
        return lambda tag: _member(cls, tag)
    if kind == "namedtuple":
        return lambda tag: _named_tuple(cls, tag["v"])
    if kind == "dataclass" or kind == "attrs":
        return _fielded(cls, _dataclass_default if kind == "dataclass" else _attrs_default)
    restore = import_module(f"surefoot.codec.lib_{kind}").restore
    return lambda tag: restore(cls, tag)


def _member(cls: Any, tag: dict[str, Any]) -> Any:
    if tag["n"] is None:
        return cls(tag["v"])  # several flags at once
    member = cls.__members__.get(tag["n"])
    if member is None:
        raise damaged(f"{cls.__qualname__} has no member {tag['n']} any more")
    return member


def _named_tuple(cls: Any, saved: dict[str, Any]) -> Any:
    made = tuple.__new__(
        cls, [take(saved, field, cls, cls._field_defaults.__getitem__) for field in cls._fields]
    )
    nothing_left(saved, cls)
    return made


def _fielded(cls: Any, default: Callable[[Any, str], Any]) -> Callable[[dict[str, Any]], Any]:
    fields = fields_of(cls)
    names = set(fields)
    default = partial(default, cls)
    new, put = object.__new__, object.__setattr__  # frozen ones too; nobody's own `__setattr__`

    def make(tag: dict[str, Any]) -> Any:
        saved = tag["v"]
        made = new(cls)
        if saved.keys() == names:
            for field in fields:
                put(made, field, saved[field])
        else:
            for field in fields:
                put(made, field, take(saved, field, cls, default))
            nothing_left(saved, cls)
        if "x" in tag:
            for name, value in tag["x"].items():
                put(made, name, value)
        return made

    return make


def _dataclass_default(cls: Any, name: str) -> Any:
    field = cls.__dataclass_fields__[name]
    if field.default is not MISSING:
        return field.default
    if field.default_factory is not MISSING:
        return field.default_factory()
    raise KeyError(name)


def _attrs_default(cls: Any, name: str) -> Any:
    default = getattr(cls.__attrs_attrs__, name).default
    if type(default).__qualname__ == "_Nothing" or getattr(default, "takes_self", False):
        raise KeyError(name)
    return default.factory() if hasattr(default, "takes_self") else default


def take(saved: dict[str, Any], field: str, cls: type, default: Callable[[str], Any]) -> Any:
    """Take ``field`` out of what was saved, or its default; ``default`` raises KeyError."""
    if field in saved:
        return saved.pop(field)
    try:
        return default(field)
    except KeyError:
        raise damaged(
            f"{cls.__qualname__} has got a field {field!r} without a default since it was written"
        ) from None


def nothing_left(saved: dict[str, Any], cls: type) -> None:
    """All that was saved has to have found its place."""
    if saved:
        raise damaged(f"{cls.__qualname__} has lost the field {next(iter(saved))!r}")
