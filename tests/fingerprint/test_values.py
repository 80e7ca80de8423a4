"""Equal values give equal bytes, different ones different bytes, and what has no contents is refused."""

from __future__ import annotations

import array
import asyncio
import collections
import contextvars
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import io
import ipaddress
import itertools
import logging
import math
import queue
import random
import re
import socket
import sqlite3
import ssl
import threading
import types
import typing
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.fingerprint.values import Unreadable, Values


def read(value: Any) -> bytes:
    return Values().read(value)


class Colour(enum.Enum):
    RED = 1


class Other(enum.Enum):
    RED = 1


class Mode(enum.Flag):
    R = 1
    W = 2


@dataclasses.dataclass
class Item:
    name: str
    seen: int = dataclasses.field(default=0, compare=False)


class Point(NamedTuple):
    x: int
    y: int


class Plain:
    def __init__(self, x: Any = 1) -> None:
        self.x = x

    @functools.cached_property
    def slow(self) -> int:
        return 7


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a: Any) -> None:
        self.a = a


class SlottedMore(Slotted):
    __slots__ = ("c",)


class Empty:
    pass


class Text(str): ...


class Bag(dict): ...  # type: ignore[type-arg]


class Stack(list): ...  # type: ignore[type-arg]


def module_function(x: int) -> int:
    return x


def adder(n: Any) -> Any:
    return lambda x: x + n


def different_lambdas() -> tuple[Any, Any]:
    return (lambda x: x + 1), (lambda x: x + 2)


OPTIONAL = typing.Optional[int]  # noqa: UP045 - the old form is another class
UNION = typing.Union[int, str]  # noqa: UP007

DIFFERENT: list[Any] = [
    None, True, False, 0, 1, -1, 1.0, -1.0, 0.0, -0.0, math.inf, 1j, 0j, "", "1", b"", b"1",
    bytearray(b"1"), "s1:1", ..., NotImplemented, [], (), {}, set(), frozenset(), [[]], ([],), [()],
    [1, 2], [12], ["1", "2"], ["12"], (1, 2), {1, 2}, frozenset({1, 2}), {1: 2}, {"1": 2}, {2: 1},
    range(3), range(0, 3, 2), slice(3), slice(None, 3, 1), 10**5000, 10**5000 + 1, "\ud800", "\udc00",
    memoryview(b"1"), Colour.RED, Other.RED, Mode.R, Mode.R | Mode.W, Mode(0),
    Item("a"), Item("b"), Point(1, 2), Plain(), Plain(2), Plain([]), Slotted(1), Slotted(2),
    SlottedMore(1), Empty(), object(), Text("1"), Bag(), Bag(a=1), Stack(), Stack([1]),
    Path("a"), Path("b"), dt.date(2026, 1, 1), dt.datetime(2026, 1, 1),
    dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc), dt.time(1), dt.time(1, fold=1),
    dt.timedelta(1), dt.timedelta(2), dt.timezone.utc, ZoneInfo("UTC"),
    decimal.Decimal("1.0"), decimal.Decimal("1.00"), fractions.Fraction(1, 3), uuid.UUID(int=1),
    ipaddress.ip_address("127.0.0.1"), collections.deque([1]), collections.OrderedDict(a=1),
    collections.Counter("a"), array.array("i", [1]), array.array("d", [1]), types.SimpleNamespace(a=1),
    re.compile("a"), re.compile("a", re.I), int, str, Plain, module_function, len, "".join, "x".join,
    math.sin, adder(1), adder(2), *different_lambdas(), functools.partial(module_function, 1),
    functools.partial(module_function, x=1), Plain().__init__, Plain(2).__init__,
    list[int], list[str], OPTIONAL, UNION, math, re,
    ValueError("a"), ValueError("b"), KeyError("a"), io.BytesIO(b"c"), io.StringIO("c"),
    random.Random(1), random.Random(2), types.MappingProxyType({"q": 1}),
    functools.lru_cache(module_function),
]  # fmt: skip


def test_different_values_have_different_bytes() -> None:
    seen: dict[bytes, Any] = {}
    for value in DIFFERENT:
        data = read(value)
        if data in seen:
            same = (seen[data], value)
            # A cached function stands for its function, and a path for its text.
            assert value is DIFFERENT[-1], f"{same} have the same bytes"
        seen[data] = value


EQUAL: list[tuple[Any, Any]] = [
    (math.nan, -math.nan),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({1, "a", None}, {None, "a", 1}),
    (Path("a"), PurePosixPath("a")),
    (Item("a", 1), Item("a", 2)),
    (Plain([1]), Plain([1])),
    (adder(1), adder(1)),
    (adder(x for x in ()), adder(x for x in ())),
    (threading.Lock(), threading.Lock()),
    (logging.getLogger("a"), logging.getLogger("b")),
    (int | str, UNION),
    (Empty(), Empty()),
]


@pytest.mark.parametrize(("one", "other"), EQUAL, ids=lambda value: type(value).__name__)
def test_equal_values_have_equal_bytes(one: Any, other: Any) -> None:
    assert read(one) == read(other)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values, values)
def test_bytes_are_equal_where_values_and_types_are(one: Any, other: Any) -> None:
    def exact(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value), [exact(item) for item in value]
        if isinstance(value, dict):
            return dict, sorted((key, repr(exact(item))) for key, item in value.items())
        return type(value), repr(value)

    assert (read(one) == read(other)) == (exact(one) == exact(other))


def test_what_was_only_cached_does_not_count() -> None:
    value = Plain()
    before = read(value)
    assert value.slow == 7
    assert read(value) == before


def test_a_class_that_moved_to_another_module_is_the_same() -> None:
    one = type("Same", (), {"__module__": "a", "x": 1})
    other = type("Same", (), {"__module__": "b", "x": 1})
    assert read(one()) == read(other()) and read(one) == read(other)


def test_a_row_of_sqlalchemy_is_its_columns() -> None:
    row = Plain()
    before = read(row)
    row._sa_instance_state = threading.Lock()  # type: ignore[attr-defined]
    assert read(row) == before


def test_a_cycle_is_read_by_its_shape() -> None:
    one: list[Any] = [1]
    one.append(one)
    other: list[Any] = [1]
    other.append(other)
    longer: list[Any] = [1]
    longer.append([1, longer])
    assert read(one) == read(other) != read(longer)
    plain = Plain()
    plain.x = {"me": plain}
    assert read(plain) == read(plain)


def test_a_part_that_stands_twice_is_no_cycle() -> None:
    part = [1]
    assert read([part, part]) == read([[1], [1]])


def test_an_object_is_read_once_and_what_was_learned_is_kept() -> None:
    values = Values()
    assert values.read(Plain()) == values.read(Plain())
    assert values.read([Plain()]) != values.read([Plain(2)])


def test_decorated_functions_stand_by_their_name() -> None:
    class Step:
        def __init__(self, fn: Any, secret: Any) -> None:
            functools.update_wrapper(self, fn)
            self.state = secret

    one, other = Step(module_function, 1), Step(module_function, (x for x in ()))
    assert read(one) == read(other) == read(module_function)
    nameless = Step(module_function, 1)
    nameless.__qualname__ = None  # type: ignore[assignment]
    with pytest.raises(AssertionError):
        assert read(nameless) == read(module_function)


def test_a_closure_over_what_is_not_there_yet_is_read() -> None:
    def outer() -> Any:
        def inner() -> Any:
            return later

        data = read(inner)
        later = 1
        return data, read(inner)

    before, after = outer()
    assert before != after


@pytest.mark.parametrize(
    "make",
    [
        threading.Lock,
        threading.RLock,
        threading.Event,
        threading.Condition,
        lambda: logging.getLogger("x"),
        lambda: ThreadPoolExecutor(1),
        lambda: sqlite3.connect(":memory:"),
        lambda: ssl.create_default_context(),
        asyncio.new_event_loop,
        asyncio.Lock,
        queue.Queue,
        threading.local,
        lambda: contextvars.ContextVar("x"),
        lambda: type("OpenAI", (), {"__module__": "openai", "key": object()})(),
        lambda: type("Mine", (type("Client", (), {"__module__": "httpx._client"}),), {})(),
    ],
)
def test_known_handles_count_by_their_type(make: Any) -> None:
    handle = make()
    try:
        assert read(handle).startswith(b"H")
    finally:
        close = getattr(handle, "close", None)
        if close is not None:
            close()


def generator() -> Any:
    yield 1


async def coroutine() -> None: ...


async def agen() -> Any:
    yield 1


class WithFile:
    def __init__(self, file: Any) -> None:
        self.file = file


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (generator, "a generator, which cannot be read without using it up"),
        (agen, "an async_generator, which cannot be read without using it up"),
        (lambda: iter([1]), "a list_iterator"),
        (lambda: map(str, []), "a map, which"),
        (lambda: itertools.count(), "a count, which"),
        (lambda: open(__file__), r"an open file \(TextIOWrapper\)"),
        (lambda: socket.socket(), "a socket, whose contents cannot be seen"),
        (Future, "a lock|a Future"),
        (coroutine, "a coroutine, which is not finished"),
        (lambda: sqlite3.connect(":memory:").cursor(), "a Cursor"),
        (lambda: memoryview, None),
    ],
)
def test_what_has_no_contents_is_refused(make: Any, message: str | None) -> None:
    value = make()
    try:
        if message is None or isinstance(value, Future):
            read(value)
        else:
            with pytest.raises(Unreadable, match=message):
                read(value)
    finally:
        for resource in (value, getattr(value, "connection", None)):
            if hasattr(resource, "close"):
                resource.close()


def test_the_way_to_what_cannot_be_read_is_told() -> None:
    class Loud:
        def __repr__(self) -> str:
            raise RuntimeError

        __hash__ = object.__hash__

    for value, path in (
        ([1, generator()], "[1]"),
        ({"k": {2: generator()}}, "['k'][2]"),
        ({("k" * 60): generator()}, f"['{'k' * 36}...]"),
        ({Loud(): generator()}, "[<test_the_way_to_what_cannot_be_read_is_told.<locals>.Loud>]"),
        (Plain(generator()), ".x"),
        ({generator()}, " (a member)"),
        (functools.partial(module_function, generator()), "[0]"),
        (functools.partial(generator().__next__), ".func.__self__"),
        (Plain(generator()).__init__, ".__self__.x"),  # type: ignore[misc]
        (ValueError(generator()), ".args[0]"),
        (Mode.R, None),
    ):
        if path is None:
            read(value)
            continue
        with pytest.raises(Unreadable) as caught:
            read(value)
        assert caught.value.path == path


def test_fields_of_records_of_libraries_count() -> None:
    struct = type("Struct", (), {"__module__": "msgspec", "__struct_fields__": ("x",)})
    sub = type("Sub", (struct,), {"__struct_fields__": ("x",)})
    one, other = sub(), sub()
    one.x, other.x = 1, 2
    assert read(one) != read(other)

    model = type("BaseModel", (), {"__module__": "pydantic.main", "__pydantic_extra__": None})
    one, other = model(), model()
    one.x, other.x = 1, 2
    assert read(one) != read(other)

    class Attribute(NamedTuple):
        name: str
        eq: bool

    attrs = type("A", (), {"__attrs_attrs__": (Attribute("x", True), Attribute("y", False))})
    one, other = attrs(), attrs()
    one.x, other.x, one.y, other.y = 1, 1, 3, 4
    assert read(one) == read(other)
    other.x = 2
    assert read(one) != read(other)


def test_a_library_that_is_not_known_to_hold_data_is_read_like_any_object() -> None:
    thing = type("Thing", (), {"__module__": "numpy.somewhere"})
    one, other = thing(), thing()
    other.x = 1
    assert read(one) != read(other)


def test_data_of_a_known_library_is_read_by_its_bytes() -> None:
    """With the real libraries in tests/codec_libs."""

    class Array:
        dtype = types.SimpleNamespace(str="<i8", hasobject=False)
        shape = (1,)

        def __init__(self, data: bytes) -> None:
            self.tobytes = lambda: data

    Array.__module__, Array.__qualname__ = "numpy", "ndarray"
    assert read(Array(b"a")) == read(Array(b"a")) != read(Array(b"b"))
    image = type("Image", (Array,), {"__module__": "PIL.Image", "mode": "RGB", "size": (1, 1)})
    image.__mro__[0].__qualname__ = "Image"
    assert read(image(b"a")) != read(image(b"b"))
