"""The arguments of a call as dead letters and claims keep them: raw, each in a form of its own.

A JSON object by argument; what JSON cannot hold (arrays, frames, bytes) stands in it as base64, with
the name of its format.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from ..codec import Codec, hints
from ..errors import CheckpointDamaged

__all__ = ["WHOLE", "codecs_of", "keep", "restore", "restored", "trees"]

WHOLE = "$format"
"""The key under which a value that is no JSON tells its format."""


def keep(bound: Mapping[str, Any], where: str) -> bytes:
    """Arguments by name as bytes.

    :raises UnsavableError: one of them cannot be saved; the message names it.
    """
    codec = Codec(where=where)
    told = {}
    for name, value in bound.items():
        codec.root = f"the argument {name}"
        told[name] = _tree(codec, value)
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _tree(codec: Codec, value: Any) -> Any:
    encoded = codec.encode(value)
    if encoded.format == "json":
        return json.loads(encoded.data.decode("utf-8", "surrogatepass"))
    return {WHOLE: encoded.format, "base64": base64.b64encode(encoded.data).decode("ascii")}


def trees(data: bytes) -> dict[str, Any]:
    """The same as plain JSON with tags, by argument; for those who show or edit it."""
    found: dict[str, Any] = json.loads(data.decode("utf-8", "surrogatepass"))
    return found


def restored(codec: Codec, tree: Any) -> Any:
    """One argument back.

    :raises CheckpointDamaged: its bytes do not give a value: a class that is gone, mostly.
    """
    if isinstance(tree, dict) and WHOLE in tree:
        return codec.decode(tree[WHOLE], base64.b64decode(tree["base64"]))
    data = json.dumps(tree, ensure_ascii=False, separators=(",", ":"))
    return codec.decode("json", data.encode("utf-8", "surrogatepass"))


def codecs_of(fn: Callable[..., Any]) -> Callable[[str], Codec]:
    """Codecs for the arguments of a function: they find its classes."""
    types: Mapping[str, Any] = hints(fn)
    namespace = getattr(fn, "__globals__", None)
    name = getattr(fn, "__qualname__", str(fn))
    return lambda argument: Codec(
        types.get(argument), namespace=namespace, where=f"{name}()", root=argument
    )


def restore(data: bytes, fn: Callable[..., Any]) -> dict[str, Any]:
    """All arguments back, by name.

    :raises CheckpointDamaged: one of them cannot be read; the message names it.
    """
    codec = codecs_of(fn)
    found = {}
    for name, tree in trees(data).items():
        try:
            found[name] = restored(codec(name), tree)
        except CheckpointDamaged as exc:
            raise CheckpointDamaged(f"the saved argument {name!r} cannot be read: {exc}") from exc
    return found
