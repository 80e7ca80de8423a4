"""Where in an output a number is NaN. Knows arrays and frames by what they can do, not by import."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

__all__ = ["nan_in"]

_NO_NUMBERS = (str, bytes, bytearray, int)
_FLOATING = "fc"
"""Kinds of NumPy's types: floats and complex numbers."""


def nan_in(value: Any, path: str) -> str | None:
    """The path of the first NaN below ``path``, or None.

    >>> nan_in({"scores": (1.0, float("nan"))}, "")
    'scores[1]'
    """
    if isinstance(value, (float, complex)):
        return path if value != value else None
    if isinstance(value, Decimal):
        return path if value.is_nan() else None
    if value is None or isinstance(value, _NO_NUMBERS):
        return None
    parts = _parts(value, path)
    if parts is None:
        return path if _holds_nan(value) else None
    for where, one in parts:
        found = nan_in(one, where)
        if found is not None:
            return found
    return None


def _parts(value: Any, path: str) -> Iterable[tuple[str, Any]] | None:
    """What it is made of, each with its path; None for what has no parts that have names."""
    if isinstance(value, Mapping):
        return ((_below(path, key), one) for key, one in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return ((f"{path}[{index}]", one) for index, one in enumerate(value))
    names = _columns(value)
    if names is not None:
        return ((_below(path, name), value[name]) for name in names)
    names = _fields(value)
    if names is not None:
        return ((_below(path, name), getattr(value, name, None)) for name in names)
    return None


def _below(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _columns(value: Any) -> list[Any] | None:
    """The names of a frame's columns: pandas and polars (``columns``), Arrow (``column_names``)."""
    names = getattr(value, "column_names", None)
    if names is None and hasattr(value, "dtypes"):
        names = getattr(value, "columns", None)
    return list(names) if names is not None and not callable(names) else None


def _fields(value: Any) -> list[str] | None:
    """The names of a record's fields: dataclasses, msgspec, pydantic, attrs."""
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    for mark in ("__struct_fields__", "model_fields"):
        names = getattr(kind, mark, None)
        if isinstance(names, (tuple, dict)):
            return list(names)
    attributes = getattr(kind, "__attrs_attrs__", None)
    return None if attributes is None else [one.name for one in attributes]


def _holds_nan(value: Any) -> bool:
    """Whether an array, a column or a tensor does."""
    if hasattr(value, "to_pylist"):  # Arrow
        return nan_in(value.to_pylist(), "") is not None
    if not hasattr(value, "dtype"):
        return False
    kind = getattr(value.dtype, "kind", None)
    if kind == "O":
        # a missing text is no number, whatever pandas writes in its place
        return not str(value.dtype).startswith("str") and nan_in(value.tolist(), "") is not None
    if kind is not None:
        return kind in _FLOATING and bool(_any(value != value))
    try:
        # polars, for which NaN equals itself; torch has the same word
        told = value.is_nan() if hasattr(value, "is_nan") else value.isnan()
    except Exception:  # a column of texts, a tensor of something else
        return False
    return bool(told.any())


def _any(differs: Any) -> Any:
    """NaN is the one number that differs from itself; of a single number there is no array."""
    return differs.any() if hasattr(differs, "any") else differs
