"""pydantic models by their fields, and pydantic's URLs and secrets.

Not through ``model_dump``: it writes a field by its declared type, and so cuts a subclass in a
field down to its parent. Not through ``model_validate``: validators need not accept their output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from surefoot.errors import InputError

from .records import leftovers, nothing_left, take

if TYPE_CHECKING:
    from .reading import Reader
    from .writing import Plan, Writer

__all__ = [
    "convert",
    "load",
    "plan",
    "record_plan",
    "restore",
    "restore_error",
    "save_error",
    "whole",
]


def whole(_: Any) -> None:
    """Models have no file format of their own."""


def plan(cls: type) -> Plan | None:
    """How pydantic's own types (not models) are written, or None."""
    if cls.__qualname__ in ("SecretStr", "SecretBytes"):
        return _secret
    if cls.__module__ == "pydantic.networks" and hasattr(cls, "unicode_string"):
        return _url
    return None


def _secret(writer: Writer, value: Any) -> Any:
    name = type(value).__qualname__
    return {"$": "pydantic", "c": name, "v": writer.tree(value.get_secret_value())}


def _url(_: Writer, value: Any) -> Any:
    return {"$": "pydantic", "c": type(value).__qualname__, "v": str(value)}


def load(tag: dict[str, Any], reader: Reader) -> Any:
    """What :func:`plan` wrote."""
    import pydantic

    return getattr(pydantic, tag["c"])(tag["v"])


def record_plan(cls: Any, name: str) -> Plan:
    """How the instances of a model are written."""
    fields = tuple(cls.model_fields)

    def write(writer: Writer, value: Any) -> Any:
        state = vars(value)
        out: dict[str, Any] = {
            "$": name,
            "v": writer.fields((field, state[field]) for field in fields if field in state),
            "set": sorted(value.model_fields_set),
        }
        if value.__pydantic_extra__:
            out["extra"] = writer.tree(dict(value.__pydantic_extra__))
        if value.__pydantic_private__:
            private = value.__pydantic_private__.items()
            out["private"] = writer.fields((k, v) for k, v in private if not _undefined(v))
        more = leftovers(value, fields)
        if more:
            out["x"] = writer.fields(more)
        return out

    return write


def restore(cls: Any, tag: dict[str, Any]) -> Any:
    """The model that :func:`record_plan` wrote, without running its validators."""
    saved = tag["v"]

    def default(name: str) -> Any:
        field = cls.model_fields[name]
        if field.is_required():
            raise KeyError(name)
        return field.get_default(call_default_factory=True, validated_data={})

    state = {field: take(saved, field, cls, default) for field in cls.model_fields}
    nothing_left(saved, cls)
    made = cls.__new__(cls)
    object.__setattr__(made, "__dict__", state | tag.get("x", {}))
    object.__setattr__(made, "__pydantic_fields_set__", set(tag["set"]))
    extra: dict[str, Any] | None = {} if cls.model_config.get("extra") == "allow" else None
    object.__setattr__(made, "__pydantic_extra__", tag.get("extra", extra))
    private = None
    if cls.__private_attributes__:
        private = {k: p.get_default() for k, p in cls.__private_attributes__.items()}
        private = {k: v for k, v in private.items() if not _undefined(v)}
        private.update(tag.get("private", {}))
    object.__setattr__(made, "__pydantic_private__", private)
    return made


def _undefined(value: Any) -> bool:
    return type(value).__qualname__ == "PydanticUndefinedType"


def convert(value: Any, cls: Any, name: str) -> Any:
    """JSON input as a model. Raises InputError with the place of the first thing that is wrong."""
    import pydantic

    try:
        return cls.model_validate(value)
    except pydantic.ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"])
        raise InputError(f"{name}{place}: {first['msg']}") from exc


def save_error(exc: Any, tree: Callable[[Any], Any]) -> dict[str, Any]:
    """What a ValidationError is made of: it is a class of Rust that nothing else can make."""
    lines = []
    for line in exc.errors(include_url=False):
        context = {key: _plain(item) for key, item in line.get("ctx", {}).items()}
        lines.append(
            {
                "type": line["type"],
                "loc": list(line["loc"]),
                "msg": line["msg"],
                "input": tree(line["input"]),
                "ctx": tree(context),
            }
        )
    return {"title": exc.title, "lines": lines}


def restore_error(saved: dict[str, Any], read: Callable[[Any], Any]) -> BaseException:
    """The ValidationError that :func:`save_error` took apart."""
    from pydantic_core import PydanticCustomError, ValidationError

    lines: list[Any] = []
    for line in saved["lines"]:
        context = read(line["ctx"]) or {}
        kind: Any = line["type"]
        if kind in ("value_error", "assertion_error"):
            context["error"] = ValueError(context["error"])
        elif not _is_known(kind):
            # The text as a template: its braces would be taken for placeholders.
            kind = PydanticCustomError(kind, "{text}", context | {"text": line["msg"]})
        lines.append(
            {"type": kind, "loc": tuple(line["loc"]), "input": read(line["input"]), "ctx": context}
        )
    return ValidationError.from_exception_data(saved["title"], lines)


def _is_known(kind: str) -> bool:
    import typing

    from pydantic_core import core_schema

    return kind in typing.get_args(core_schema.ErrorType)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Exception) else value
