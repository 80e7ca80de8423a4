"""JSON from the command line becomes what the annotation asks for, or an error that names the place."""

# ruff: noqa: UP007, UP045 - the old forms of unions are other classes, and have to work as well
from __future__ import annotations

import collections
import collections.abc as abc
import datetime as dt
import enum
import ipaddress
import numbers
import sys
import types
import typing
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union
from zoneinfo import ZoneInfo

import pytest

from surefoot.codec import convert, convert_text
from surefoot.errors import InputError

if sys.version_info >= (3, 11):
    from typing import NotRequired
else:
    from typing_extensions import NotRequired


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Item:
    name: str
    price: float = 0.0
    where: Path | None = None
    id: int = field(default=0, init=False)


@dataclass
class Positive:
    value: int

    def __post_init__(self) -> None:
        if self.value <= 0:
            raise ValueError("must be positive")


class Point(NamedTuple):
    x: int
    y: int = 0


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Partial(TypedDict, total=False):
    path: Path


class Attributed:
    class _Attribute(NamedTuple):
        name: str
        alias: str | None
        default: object
        init: bool

    class _Nothing:
        pass

    _Nothing.__qualname__ = "_Nothing"
    x: int
    _y: str
    __attrs_attrs__ = (
        _Attribute("x", "x", _Nothing(), True),
        _Attribute("_y", "y", "z", True),
        _Attribute("w", "w", 0, False),
    )

    def __init__(self, x: int, y: str = "z") -> None:
        self.x, self._y = x, y


Name = NewType("Name", str)
Any_ = TypeVar("Any_")
Number = TypeVar("Number", bound=int)


T = TypeVar("T")
UTC = dt.timezone.utc


@dataclass
class Box(typing.Generic[T]):
    content: T


class Client: ...


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (1, Any, 1),
        ([1], object, [1]),
        (None, None, None),
        (None, type(None), None),
        ("x", str, "x"),
        (3, int, 3),
        (3, float, 3.0),
        (True, bool, True),
        ("1+2j", complex, 1 + 2j),
        (2, complex, 2 + 0j),
        ("é", bytes, "é".encode()),
        ("a", bytearray, bytearray(b"a")),
        ({"a": 1}, dict, {"a": 1}),
        ([1, 2], list, [1, 2]),
        ([1, 2], tuple, (1, 2)),
        ([1, 1], set, {1}),
        ([1], frozenset, frozenset({1})),
        ("a.txt", Path, Path("a.txt")),
        ("a", PurePosixPath, PurePosixPath("a")),
        ("2026-11-22", dt.date, dt.date(2026, 11, 22)),
        ("2026-11-22T09:30:00Z", dt.datetime, dt.datetime(2026, 11, 22, 9, 30, tzinfo=UTC)),
        ("09:30:00", dt.time, dt.time(9, 30)),
        (90, dt.timedelta, dt.timedelta(seconds=90)),
        (0.1, Decimal, Decimal("0.1")),
        ("1.10", Decimal, Decimal("1.10")),
        ("1/3", Fraction, Fraction(1, 3)),
        (str(uuid.UUID(int=5)), uuid.UUID, uuid.UUID(int=5)),
        ("127.0.0.1", ipaddress.IPv4Address, ipaddress.IPv4Address("127.0.0.1")),
        ("UTC", ZoneInfo, ZoneInfo("UTC")),
        ("r", Colour, Colour.RED),
        ("BLUE", Colour, Colour.BLUE),
        (1, Level, Level.LOW),
        (["a"], list[Path], [Path("a")]),
        (["a"], typing.Sequence[Path], [Path("a")]),
        (["a"], abc.Iterable[Path], [Path("a")]),
        (["a"], abc.Set[Path], {Path("a")}),
        ([1], set[int], {1}),
        ([1], collections.deque[int], collections.deque([1])),
        ([1, "a"], tuple[int, Path], (1, Path("a"))),
        ([1, 2], tuple[int, ...], (1, 2)),
        ([], tuple[()], ()),
        ({"a": 1}, dict[str, float], {"a": 1.0}),
        ({"1": "x"}, dict[int, Path], {1: Path("x")}),
        ({"true": 1}, dict[bool, int], {True: 1}),
        ({"r": 1}, abc.Mapping[Colour, int], {Colour.RED: 1}),
        ({"a": 1}, collections.OrderedDict[str, int], collections.OrderedDict(a=1)),
        ({"a": 1}, collections.defaultdict[str, int], collections.defaultdict(int, a=1)),
        (None, Optional[int], None),
        (1, Optional[int], 1),
        ("x", Union[Path, str], "x"),
        ("x", Union[int, Path], Path("x")),
        ("x", Path | None, Path("x")),
        ("a", Literal["a", 1], "a"),
        ("RED", Literal[Colour.RED], Colour.RED),
        (5, Annotated[int, ["meta"]], 5),
        ("x", Name, "x"),
        ("x", Any_, "x"),
        (1, Number, 1),
        ({"name": "a"}, Item, Item("a")),
        ({"name": "a", "price": 2, "where": "w"}, Item, Item("a", 2.0, Path("w"))),
        ({"x": 1}, Point, Point(1)),
        ([1, 2], Point, Point(1, 2)),
        ({"title": "x"}, Movie, {"title": "x"}),
        ({"title": "x", "year": 1}, Movie, {"title": "x", "year": 1}),
        ({"path": "x"}, Partial, {"path": Path("x")}),
        ({}, Partial, {}),
        ("anything", "Unresolved", "anything"),
        (1, typing.ClassVar[int], 1),
        (5, numbers.Real, 5),
        ({"content": 1}, Box[int], Box(1)),
        (dt.date(2026, 1, 1), dt.date, dt.date(2026, 1, 1)),
    ],
    ids=str,
)  # fmt: skip
def test_json_becomes_what_the_annotation_asks_for(
    value: Any, annotation: Any, expected: Any
) -> None:
    got = convert(value, annotation)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("value", "annotation", "message"),
    [
        (1, None, "input: expected null, got 1"),
        ("3", int, "input: expected a whole number, got '3'"),
        (True, int, "expected a whole number, got True"),
        (3.0, int, "expected a whole number, got 3.0"),
        ("x", float, "expected a number"),
        (1, bool, "expected true or false"),
        (1, str, "expected text, got 1"),
        ("x", complex, "expected a complex number"),
        ([], complex, "expected a complex number"),
        (1, bytes, "expected text, which is taken as UTF-8"),
        ("x", list[int], "expected a list, got 'x'"),
        (["1"], list[int], r"input\[0\]: expected a whole number"),
        ({"a": [1, "x"]}, dict[str, list[int]], r"input\['a'\]\[1\]: expected a whole"),
        ({"a": 1}, dict[int, int], "a key of input: expected a whole number, got 'a'"),
        ([1], tuple[int, int], "expected a list of 2"),
        ([1], dict[str, int], "expected an object"),
        (1, Path, "expected a path, got 1"),
        ("tomorrow", dt.date, "expected a date such as '2026-11-22', got 'tomorrow'"),
        (5, dt.datetime, "expected a date and time such as"),
        ("x", dt.timedelta, "expected a number of seconds"),
        ("x", Decimal, "expected a decimal number"),
        ([], Decimal, "expected a decimal number"),
        ("1/0", Fraction, "expected a fraction"),
        ("x", uuid.UUID, "expected a UUID"),
        ("No/Where", ZoneInfo, "expected a time zone"),
        ("z", Colour, "expected one of 'r', 'b', got 'z'"),
        ("b", Literal["a", 1], "expected 'a' or 1"),
        (True, Literal[1], "expected 1, got True"),
        ("x", Union[int, float], "expected a whole number or a number, got 'x'"),
        ("x", Optional[int], "expected a whole number, got 'x'"),
        ({"a": "x"}, Union[int, dict[str, int]], r"input\['a'\]: expected a whole number"),
        ({}, Item, "input: 'name' is missing"),
        ({"nam": "a"}, Item, "there is no 'nam'; did you mean 'name'?"),
        ({"zzz": "a"}, Item, "there is no 'zzz'; it has name, price, where"),
        ({"name": 1}, Item, "input.name: expected text"),
        ({"id": 1, "name": "x"}, Item, "there is no 'id'"),
        (3, Item, "expected an object with name, price, where"),
        ({"value": 0}, Positive, "Positive refuses it: must be positive"),
        ([1, 2, 3], Point, "expected an object with x, y"),
        ({}, Movie, "'title' is missing"),
        ({"title": 1}, Movie, "input.title: expected text"),
        (1, abc.Callable[[], int], "start it from Python"),
        (1, Client, "a Client, which cannot be given as JSON; start it from Python"),
        ("x" * 200, int, r"got 'x{76}\.\.\."),
    ],
    ids=str,
)
def test_what_does_not_fit_is_told_with_its_place(
    value: Any, annotation: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        convert(value, annotation)


def test_the_argument_is_named() -> None:
    with pytest.raises(InputError, match=r"^limit: expected a whole number"):
        convert("x", int, name="limit")


def test_attrs_classes_by_the_names_of_their_constructor() -> None:
    got = convert({"x": 1, "y": "q"}, Attributed)
    assert (got.x, got._y) == (1, "q")
    with pytest.raises(InputError, match="'x' is missing"):
        convert({}, Attributed)


def test_models_of_libraries_are_left_to_their_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real libraries in tests/codec_libs."""
    module = sys.modules["surefoot.codec.convert"]
    asked = []
    stub = types.SimpleNamespace(convert=lambda value, cls, name: asked.append((value, name)))
    monkeypatch.setattr(module, "import_module", lambda name: stub)
    model = type("BaseModel", (), {"__module__": "pydantic.main"})
    convert({"a": 1}, model, name="order")

    class Struct(typing.Generic[T]): ...

    Struct.__module__, Struct.__qualname__ = "msgspec", "Struct"
    convert({"b": 1}, Struct[int], name="point")
    assert asked == [({"a": 1}, "order"), ({"b": 1}, "point")]


@pytest.mark.parametrize(
    ("text", "annotation", "expected"),
    [
        ("7", int, 7),
        ("7", str, "7"),
        ('"7"', str, "7"),
        ("tickets.jsonl", Path, Path("tickets.jsonl")),
        ("true", bool, True),
        ("2026-11-22", dt.date, dt.date(2026, 11, 22)),
        ("[1, 2]", list[int], [1, 2]),
        ("12", Path, Path("12")),
        ("null", Optional[int], None),
    ],
)
def test_text_of_the_command_line_is_json_where_it_fits(
    text: str, annotation: Any, expected: Any
) -> None:
    assert convert_text(text, annotation) == expected


@pytest.mark.parametrize(
    ("text", "annotation", "message"),
    [
        ("x", int, "expected a whole number, got 'x'"),
        ('"x"', int, "expected a whole number, got 'x'"),
        ("1.5", int, "expected a whole number, got 1.5"),
    ],
)
def test_text_that_does_not_fit_is_told(text: str, annotation: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        convert_text(text, annotation, name="n")
