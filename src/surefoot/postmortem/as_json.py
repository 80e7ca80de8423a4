"""A postmortem as a JSON document; docs/postmortem.md tells its fields."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from .model import SCHEMA, Postmortem
from .words import iso

__all__ = ["to_json"]

PAIRS = ("packages", "locals")
"""Fields of (name, value) pairs: objects in JSON."""


def to_json(one: Postmortem) -> dict[str, Any]:
    """Plain data. Times are ISO 8601, UTC; ``schema`` is :data:`surefoot.postmortem.model.SCHEMA`."""
    return {"schema": SCHEMA, **_plain(one)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        told: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            part = getattr(value, field.name)
            if field.name == "at" or field.name.endswith("_at"):
                told[field.name] = iso(part)
            elif field.name in PAIRS:
                told[field.name] = dict(part)
            else:
                told[field.name] = _plain(part)
        return told
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else str(value)
    return value
