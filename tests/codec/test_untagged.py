"""What people see of a checkpoint has no tags in it."""

from __future__ import annotations

import datetime as dt
import enum
import json
from dataclasses import dataclass
from typing import Any

import pytest

from surefoot.codec import encode
from surefoot.codec.untagged import untagged


class Colour(enum.Enum):
    RED = 1


@dataclass
class Item:
    name: str
    at: tuple[int, ...]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([1, {"a": None}], [1, {"a": None}]),
        (Item("x", (1, 2)), {"name": "x", "at": [1, 2]}),
        (dt.date(2026, 11, 22), "2026-11-22"),
        (Colour.RED, "RED"),
        ({1: {2}, "$": 3}, {"1": [2], "$": 3}),
    ],
)
def test_tags_are_left_out(value: Any, shown: Any) -> None:
    assert untagged(json.loads(encode(value).data)) == shown


def test_a_tag_without_a_value_stands_by_its_name() -> None:
    assert untagged({"$": "unset"}) == "<unset>"
