"""Classes defined inside a function are found through what the step's annotation leads to.

Without ``from __future__ import annotations``: with it, annotations are text, and the names of local
classes mean nothing outside of their function.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, NewType, Optional, TypedDict, TypeVar

import pytest

from surefoot.codec import Codec, encode
from surefoot.codec.names import Names
from surefoot.errors import UnsavableError

T = TypeVar("T")


@dataclass
class Box(Generic[T]):
    content: T


def test_a_local_class_is_found_through_the_annotation() -> None:
    @dataclass
    class Inner:
        x: int

    @dataclass
    class Outer:
        inner: list[Inner]

    def load() -> dict[str, Outer]:
        return {}

    codec = Codec.of(load)
    value = {"a": Outer([Inner(1)])}
    assert codec.decode(*codec.encode(value)) == value
    with pytest.raises(UnsavableError, match="name it in the step's annotation"):
        encode(value)


def test_a_class_is_found_through_every_kind_of_annotation() -> None:
    @dataclass
    class A:
        x: int

    class Holder(TypedDict):
        a: A

    Name = NewType("Name", A)
    Bound = TypeVar("Bound", bound=A)
    for annotation in (
        A,
        Optional[A],  # noqa: UP045
        list[A],
        dict[str, tuple[A, ...]],
        Holder,
        Box[A],
        Name,
        Bound,
        "A",
        Callable[[int, A], None],
        Literal["x"],
    ):
        names = Names(annotation)
        found = names.find(f"{A.__module__}:{A.__qualname__}")
        assert names.find(f"{A.__module__}:{A.__qualname__}") is found
        assert (found is A) == (annotation not in ("A", Literal["x"]))
