"""msgspec Structs by their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from surefoot.errors import InputError

from .records import nothing_left, take

if TYPE_CHECKING:
    from .reading import Reader
    from .writing import Plan, Writer

__all__ = ["convert", "load", "plan", "record_plan", "restore", "whole"]


def whole(_: Any) -> None:
    """Structs have no file format of their own here: theirs would lose subclasses."""


def plan(cls: type) -> Plan | None:
    """msgspec's UNSET; everything else that is not a Struct is refused."""
    return (lambda _, value: {"$": "unset"}) if cls.__qualname__ == "UnsetType" else None


def load(tag: dict[str, Any], reader: Reader) -> Any:
    """What :func:`plan` wrote."""
    import msgspec

    return msgspec.UNSET


def record_plan(cls: Any, name: str) -> Plan:
    """How the instances of a Struct are written."""
    fields = cls.__struct_fields__

    def write(writer: Writer, value: Any) -> Any:
        return {"$": name, "v": writer.fields((field, getattr(value, field)) for field in fields)}

    return write


def restore(cls: Any, tag: dict[str, Any]) -> Any:
    """The Struct that :func:`record_plan` wrote.

    msgspec has no way to make one without its ``__post_init__``; what that changes is put back.
    """
    import msgspec

    fields = {field.name: field for field in msgspec.structs.fields(cls)}
    saved = tag["v"]

    def default(name: str) -> Any:
        field = fields[name]
        if field.default is not msgspec.NODEFAULT:
            return field.default
        if field.default_factory is not msgspec.NODEFAULT:
            return field.default_factory()
        raise KeyError(name)

    values = {name: take(saved, name, cls, default) for name in fields}
    nothing_left(saved, cls)
    made = cls(**values)
    if hasattr(cls, "__post_init__"):
        for name, value in values.items():  # whatever it changed a second time
            msgspec.structs.force_setattr(made, name, value)
    return made


def convert(value: Any, cls: Any, name: str) -> Any:
    """JSON input as a Struct. Raises InputError with msgspec's own message, which has the place."""
    import msgspec

    try:
        return msgspec.convert(value, cls)
    except msgspec.ValidationError as exc:
        raise InputError(f"{name}: {exc}") from exc
