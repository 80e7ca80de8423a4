"""Reading what may be hostile: an answer, or None."""

from __future__ import annotations

from typing import Any

import pytest

from surefoot.catalog.plan import READ_NAMES
from surefoot.classify.facts import Facts
from surefoot.classify.safely import attribute, fields, integer, is_mapping, item, path, word


class Liar:
    """Says nothing about what it is."""

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit


class NoLength(list):  # type: ignore[type-arg]
    def __len__(self) -> int:
        raise RuntimeError


def test_an_object_that_lies_is_nothing() -> None:
    liar = Liar()
    assert not is_mapping(liar)
    assert integer(liar) is None
    assert word(liar) is None
    assert attribute(liar, "__class__") is None
    assert fields(liar) == {}


def test_a_body_that_cannot_be_read_is_none() -> None:
    exc = Exception()
    exc.body = NoLength([1])  # type: ignore[attr-defined]
    assert Facts(exc).body is None
    assert Facts(exc).values(("body", "x")) == ()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (5, 5),
        (True, None),
        ("503", 503),
        ("5e3", None),
        ("1234567890", None),
        (1.5, None),
        ("²", None),
    ],
)
def test_whole_numbers(value: Any, found: int | None) -> None:
    assert integer(value) == found


def test_a_whole_number_of_another_class_is_one() -> None:
    class Odd(int):
        pass

    assert integer(Odd(7)) == 7


def test_items_and_paths_that_lead_nowhere() -> None:
    assert item({}, "x") is None
    assert path([1], ("x",)) is None
    assert path({"a": None}, ("a", "b")) is None
    assert path({"a": [0, {"b": "c"}]}, ("a", "1", "b")) == "c"


def test_what_raises_while_it_is_compared_is_nothing() -> None:
    class Odd(Exception):
        @property
        def code(self) -> Any:
            raise KeyboardInterrupt

    assert Facts(Odd(), READ_NAMES).values(("attr", "code")) == ()
    assert word(10**6) == "1000000"
