"""What goes into a checkpoint comes out as what it was: equal, and of the same type, all through."""

from __future__ import annotations

import array
import collections
import datetime as dt
import ipaddress
import json
import math
import struct
import types
import uuid
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.codec import Codec, decode, digest, encode
from surefoot.codec.codec import _encoder


def same(a: Any, b: Any) -> bool:
    """Equal in value and in type, at every depth; nan equals nan, and -0.0 is not 0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or struct.pack(">d", a) == struct.pack(">d", b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, (list, tuple, collections.deque)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(
            same(k, m) and same(v, w) for (k, v), (m, w) in zip(a.items(), b.items())
        )
    if isinstance(a, (set, frozenset)):
        return a == b and {(type(x), repr(x)) for x in a} == {(type(x), repr(x)) for x in b}
    if isinstance(a, Decimal):
        return a.as_tuple() == b.as_tuple()
    if isinstance(a, (dt.datetime, dt.time)):
        return (a.replace(tzinfo=None), a.fold, a.tzinfo) == (
            b.replace(tzinfo=None),
            b.fold,
            b.tzinfo,
        )
    return bool(a == b)


def back(value: Any) -> Any:
    return decode(*encode(value))


text = st.text(st.characters(exclude_categories=()))  # lone surrogates too
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**4000, max_value=10**4001)
    | st.floats()
    | text
    | st.binary(max_size=2000)
    | st.complex_numbers(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
    | st.dates()
    | st.times()
    | st.datetimes(timezones=st.none() | st.just(dt.timezone.utc) | st.timezones())
    | st.timedeltas()
    | st.ip_addresses()
)
keys = (
    st.none() | st.booleans() | st.integers() | text | st.binary() | st.tuples(st.integers(), text)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.dictionaries(text | st.just("$"), inner, max_size=4)
        | st.frozensets(keys, max_size=4)
        | st.sets(keys, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
def test_every_value_comes_back_as_what_it_was(value: Any) -> None:
    assert same(back(value), value)


@given(values)
def test_json_checkpoints_are_strict_json_with_its_one_escape(value: Any) -> None:
    encoded = encode(value)
    if encoded.format == "json":

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        json.loads(str(encoded.data, "utf-8", "surrogatepass"), parse_constant=refuse)


@pytest.mark.parametrize(
    "value",
    [
        "\ud83d\ude00",  # two lone surrogates, not one character
        "😀",
        "\udcff.txt",
        '"$":',
        {"$": "tuple", "v": [1]},
        {"a": {"$": {"$": 1}}},
        {1: "a", False: "b"},
        {None: 1, (1, 2): {3, 4}},
        -0.0,
        float("nan"),
        [float("inf"), -math.inf],
        10**5000,
        [-(10**5000)],
        range(3, 10, 2),
        ...,
        [...],
        bytearray(b"x"),
        (),
        ((),),
        Decimal("sNaN12"),
        Decimal("-0.00"),
        Fraction(10**5000, 3),
        Path("a/b"),
        PurePosixPath("/x"),
        PureWindowsPath("c:/x"),
        uuid.uuid4(),
        dt.timedelta(-1, 5, 7),
        dt.timezone.utc,
        dt.timezone(dt.timedelta(hours=-5, seconds=3)),
        dt.timezone(dt.timedelta(0), "GMT"),
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Vienna"), fold=1),
        dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2), "EET")),
        dt.time(1, 2, 3, 4, tzinfo=dt.timezone.utc),
        ZoneInfo("Asia/Tokyo"),
        ipaddress.ip_address("::1"),
        collections.OrderedDict([("b", 1), (2, 3)]),
        collections.Counter("abca"),
        collections.deque([1, (2,)], maxlen=5),
        collections.deque(),
        collections.defaultdict(list, {"a": [1]}),
        collections.defaultdict(None, {1: 2}),
        types.SimpleNamespace(a=1, b=(2,)),
        array.array("d", [1.0, math.inf]),
        array.array("i", [1, 2]),
        complex(math.inf, -0.0),
        b"x" * 5000,
        [b"x" * 5000, {"k": b"y" * 600}, b"short"],
    ],
    ids=lambda value: type(value).__name__,
)
def test_special_values_come_back(value: Any) -> None:
    got = back(value)
    assert same(got, value)
    if isinstance(value, collections.deque):
        assert got.maxlen == value.maxlen
    if isinstance(value, collections.defaultdict):
        assert got.default_factory is value.default_factory
    if isinstance(value, dt.timezone):
        assert repr(got) == repr(value)


def test_utc_is_the_same_object_again() -> None:
    assert back(dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)).tzinfo is dt.timezone.utc


def test_plain_data_is_plain_json() -> None:
    assert encode({"a": [1, 2.5, None, True, "é"]}).data == '{"a":[1,2.5,null,true,"é"]}'.encode()


def test_bytes_are_stored_as_they_are() -> None:
    assert encode(b"\x00\xff") == ("bytes", b"\x00\xff")


def test_large_binary_parts_lie_beside_the_json_and_not_in_base64() -> None:
    blob = bytes(range(256)) * 100
    encoded = encode({"blob": blob})
    assert encoded.format == "parts"
    assert len(encoded.data) < len(blob) + 100


def test_a_codec_serves_many_values() -> None:
    codec = Codec()
    for value in ([(1,)], [(2, {3})], {"a": dt.date(2026, 1, 1)}):
        assert codec.decode(*codec.encode(value)) == value


def test_the_digest_is_a_sha_256() -> None:
    assert digest(b"abc").startswith("ba7816bf8f01cfea")


def test_an_interpreter_without_the_c_encoder_writes_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    value = {"a": [1, "é", None, 2.5]}
    fast = _encoder()(value)
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    assert _encoder()(value) == fast == '{"a":[1,"é",null,2.5]}'


def test_deep_values_within_reach_come_back() -> None:
    value: Any = 1
    for _ in range(100):
        value = [value]
    assert back(value) == value


def test_data_structures_that_share_a_part_come_back_equal() -> None:
    shared = [1]
    assert back([shared, shared, (shared,)]) == [[1], [1], ([1],)]
