"""The arguments of a call, and, if asked for, what its frames held: types and short previews."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from ...classify.safely import attribute
from .frames import Place, innermost
from .preview import HIDDEN, LONGEST, IsSecret, Preview, size_of
from .raised import name_of
from .texts import Leaf, Text, part

__all__ = ["inputs_of", "locals_of"]

ARGUMENTS = 30
FRAMES, NAMES = 10, 20
"""Frames whose locals are kept, and names of each."""
LOCAL = 100
"""Characters of a local's preview."""
NAME = 60


class _Value(Leaf):
    """One value: its type, a preview, and, for an argument, its size and digest."""

    __slots__ = ("_digest", "_is_input", "_name", "_preview", "_size", "_type")

    def __init__(
        self,
        name: str,
        value: Any,
        is_secret: IsSecret,
        digest: str | None = None,
        *,
        is_input: bool,
    ) -> None:
        self._name = Text(name, NAME)
        self._type = Text(name_of(type(value)), LOCAL)
        limit = LONGEST if is_input else LOCAL
        self._preview = Preview(value, name.lstrip("*"), limit, is_secret)
        self._size = part(size_of, value) if is_input else None
        self._digest = digest
        self._is_input = is_input

    def gather(self, into: dict[str, str]) -> None:
        self._name.gather(into)
        self._type.gather(into)
        self._preview.gather(into)

    def made(self, clean: Callable[[str], str]) -> tuple[str, dict[str, Any]]:
        text, hidden = self._preview.made(clean)
        told: dict[str, Any] = {"type": self._type.made(clean), "preview": text}
        if self._is_input:
            told["size"] = None if text == HIDDEN else self._size
            # what is hidden, if it is short, could be guessed from its digest
            told["digest"] = None if hidden else self._digest
        return self._name.made(clean), told


class _Named(Leaf):
    """Values by name."""

    __slots__ = ("_values",)

    def __init__(self, values: list[_Value]) -> None:
        self._values = values

    def gather(self, into: dict[str, str]) -> None:
        for one in self._values:
            one.gather(into)

    def made(self, clean: Callable[[str], str]) -> dict[str, Any]:
        made = (part(one.made, clean) for one in self._values)
        return dict(one for one in made if one is not None)


def inputs_of(
    arguments: Mapping[str, Any], digests: Mapping[str, str], is_secret: IsSecret
) -> Leaf:
    """The arguments of a call by name, with the digests that tell drift; at most 30 of them."""
    found = islice(list(arguments.items()), ARGUMENTS)
    return _Named(
        [_Value(name, value, is_secret, digests.get(name), is_input=True) for name, value in found]
    )


def locals_of(found: list[Place], is_secret: IsSecret) -> dict[str, Leaf]:
    """The locals of the user's own frames, by the index of the frame; modules, functions and classes,
    which are the program's text, left out."""
    kept: dict[str, Leaf] = {}
    for index, place in innermost(found, FRAMES):
        named = part(_held, place, is_secret)
        if named is not None:
            kept[str(index)] = named
    return kept


def _held(place: Place, is_secret: IsSecret) -> Leaf:
    held = attribute(place.frame, "f_locals")
    values = [
        _Value(name, value, is_secret, is_input=False)
        for name, value in list(held.items())
        if type(name) is str
        and not name.startswith("__")
        and not issubclass(type(value), (ModuleType, FunctionType, BuiltinFunctionType, type))
    ]
    return _Named(values[:NAMES])
