"""A checkpoint's JSON for people: without the tags that say what its parts are."""

from __future__ import annotations

from typing import Any

__all__ = ["untagged"]


def untagged(value: Any) -> Any:
    """``value``, as read from a JSON checkpoint, as plain JSON.

    >>> untagged({"path": {"$": "path", "v": "a.txt"}, "at": {"$": "tuple", "v": [1, 2]}})
    {'path': 'a.txt', 'at': [1, 2]}
    """
    if isinstance(value, list):
        return [untagged(part) for part in value]
    if not isinstance(value, dict):
        return value
    tag = value.get("$")
    if tag is None:
        return {key: untagged(part) for key, part in value.items()}
    if "v" not in value:
        return value.get("n", f"<{tag}>")
    inner = value["v"]
    if tag in ("dict", "OrderedDict", "defaultdict", "Counter") and isinstance(inner, list):
        return {str(untagged(key)): untagged(part) for key, part in inner}
    return untagged(inner)
