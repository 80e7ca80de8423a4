"""What would not come back is refused, by the step, the type, the place, and with the ways out."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import io
import json
import threading
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

from surefoot.codec import Codec, decode, encode
from surefoot.codec.refusal import Refused
from surefoot.codec.writing import Writer, library_of
from surefoot.errors import CheckpointDamaged, UnsavableError


class Text(str): ...


class Count(int): ...


class Table(dict): ...  # type: ignore[type-arg]


class Plain:
    pass


@dataclass
class Holder:
    client: Any
    name: str = ""


@dataclass
class Mixed(Table):
    x: int = 1


@dataclass
class Lacking:
    __slots__ = ("x",)
    x: int


class Loud:
    def __repr__(self) -> str:
        raise RuntimeError


class Pair(NamedTuple):
    a: int
    b: int


class Odd(Pair):
    pass


class Strange(enum.Enum):
    A = 1


class Elsewhere(dt.tzinfo):
    def utcoffset(self, _: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(0)

    def dst(self, _: dt.datetime | None) -> None:
        return None


def odd() -> Odd:
    value = Odd(1, 2)
    value.more = 3  # type: ignore[attr-defined]
    return value


def lacking() -> Lacking:
    value = Lacking(1)
    del value.x
    return value


def keyless_zone() -> Any:
    from importlib.resources import files
    from zoneinfo import ZoneInfo

    try:
        file = files("tzdata.zoneinfo").joinpath("UTC").open("rb")
    except ModuleNotFoundError:
        import pathlib
        import zoneinfo

        file = next(
            path for p in zoneinfo.TZPATH if (path := pathlib.Path(p) / "UTC").exists()
        ).open("rb")
    with file as data:
        return dt.datetime(2026, 1, 1, tzinfo=ZoneInfo.from_file(data))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: object(), r"result is a object, which cannot be saved"),
        (lambda: [1, {"a": (Plain(),)}], r"result\[1\]\['a'\]\[0\] is a .*test_refusals\.Plain"),
        (lambda: [Holder(Plain())], r"result\[0\]\.client is a"),
        (lambda: {1: {2: Plain()}}, r"result\[1\]\[2\] is a"),
        (lambda: {("a" * 50,): Plain()}, r"result\[\('aaaaaaa[^\]]*\.\.\.\] is a"),
        (lambda: {Plain(): 1}, r"result\[<.*\] is a"),
        (lambda: {Loud(): 1}, r"result\[<Loud>\] is a"),
        (lambda: Text("x"), r"without losing its type \(make it a str"),
        (lambda: [Count(1)], r"make it a int"),
        (lambda: {"a": Table()}, r"make it a dict"),
        (lambda: threading.Lock(), r"is a _thread\.lock"),
        (lambda: io.BytesIO(), r"is a _io\.BytesIO"),
        (lambda: (x for x in ()), r"is a generator"),
        (lambda: len, r"is a builtin_function_or_method"),
        (lambda: int, r"is a type"),
        (lambda: Mixed(), r"which is a dict at the same time"),
        (lambda: lacking(), r"lacks one of its fields"),
        (lambda: odd(), r"with more in it than its fields"),
        (lambda: tuple.__new__(Pair, [1]), r"with more in it than its fields"),
        (lambda: collections.defaultdict(lambda: 1), r"defaultdict that makes its values with"),
        (lambda: dt.datetime(2026, 1, 1, tzinfo=Elsewhere()), r"time zone of type .*Elsewhere"),
        (keyless_zone, r"time zone of type zoneinfo\.ZoneInfo"),
        (lambda: ValueError("x"), r"is a ValueError"),
    ],
)
def test_a_value_that_would_not_come_back_is_refused(make: Any, message: str) -> None:
    with pytest.raises(UnsavableError, match=message) as caught:
        encode(make(), where="step load")
    assert str(caught.value).startswith("step load: result")
    assert "Return something that can be saved" in str(caught.value)
    assert "`checkpoint=False`" in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = [1]
    loop.append({"again": loop})
    with pytest.raises(UnsavableError, match="contains itself, or is nested too deeply"):
        encode(loop)
    holder = Holder(None)
    holder.client = (holder,)
    with pytest.raises(UnsavableError, match="contains itself"):
        encode(holder)


def test_a_class_of_a_library_that_nobody_knows_here_is_refused() -> None:
    """The library's module is asked, and knows nothing of it; or the library is not installed."""

    class Array: ...

    Array.__module__ = "array_library"
    assert library_of(Array) is None
    with pytest.raises(UnsavableError, match="array_library"):
        encode(Array())


def test_what_a_library_module_refuses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import surefoot.codec.writing as writing

    class Library:
        @staticmethod
        def whole(value: Any) -> Any:
            return ("bytes", b"whole") if getattr(value, "whole", False) else None

        @staticmethod
        def plan(cls: type) -> Any:
            return (lambda writer, value: {"$": "tuple", "v": []}) if cls is Plain else None

    monkeypatch.setattr(writing, "LIBRARIES", {Plain.__module__.partition(".")[0]: "lib_stub"})
    monkeypatch.setattr(writing.importlib, "import_module", lambda name: Library)
    assert encode([Plain()]).data == b'[{"$":"tuple","v":[]}]'
    whole = Plain()
    whole.whole = True  # type: ignore[attr-defined]
    assert encode(whole) == ("bytes", b"whole")
    assert encode({"a": Plain()}).format == "json"
    with pytest.raises(UnsavableError, match="Odder"):
        encode([type("Odder", (), {"__module__": Plain.__module__})()])


# --- damage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "data", "message"),
    [
        ("json", b"", "no JSON"),
        ("json", b"{", "Expecting property name"),
        ("json", b'{"a":1} ', "more after its end"),
        ("json", b"\xff", "UnicodeDecodeError"),
        ("json", b'{"$":"hologram"}', "'hologram', which this version of Surefoot does not know"),
        ("json", b'{"$":"date","v":"x"}', "ValueError"),
        ("json", b'{"$":7}', "TypeError"),
        ("json", b'{"$":"npy","v":"AAAA"}', "cannot be read"),
        ("npy", b"AAAA", "cannot be read"),
        ("json", b'{"$":"bytes","v":"?"}', "cannot be read"),
        ("parts", b"\x01", "no JSON"),
        ("parts", b"", "no JSON"),
        ("cbor", b"", "does not know its format 'cbor'"),
        ("pickle", b"x", "no key"),
    ],
)
def test_bytes_that_give_no_value_are_damage(format: str, data: bytes, message: str) -> None:
    with pytest.raises(CheckpointDamaged, match=message):
        decode(format, data)


# --- pickle -----------------------------------------------------------------------------------------


class Pickled:
    def __init__(self, x: int) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pickled) and self.x == other.x

    __hash__ = None  # type: ignore[assignment]


KEY = b"k" * 32


def test_nothing_is_pickled_unless_asked_for() -> None:
    with pytest.raises(UnsavableError, match="Pickled"):
        encode(Pickled(1), pickle_key=KEY)


def test_a_signed_pickle_comes_back() -> None:
    encoded = encode([Pickled(1)], allow_pickle=True, pickle_key=KEY)
    assert encoded.format == "pickle"
    assert decode(*encoded, pickle_key=KEY) == [Pickled(1)]


def test_what_a_type_fits_is_not_pickled_even_then() -> None:
    assert encode((1, 2), allow_pickle=True, pickle_key=KEY).format == "json"


def test_a_changed_pickle_is_never_loaded() -> None:
    encoded = encode(Pickled(1), allow_pickle=True, pickle_key=KEY)
    changed = encoded.data[:-1] + bytes([encoded.data[-1] ^ 1])
    for data, key in ((changed, KEY), (encoded.data, b"another"), (encoded.data[32:], KEY)):
        with pytest.raises(CheckpointDamaged, match="signature of its pickle is wrong"):
            decode("pickle", data, pickle_key=key)


def test_pickle_needs_a_key() -> None:
    with pytest.raises(UnsavableError, match="only pickled with a key"):
        encode(Pickled(1), allow_pickle=True)


def test_what_cannot_be_pickled_either_is_refused() -> None:
    codec = Codec(allow_pickle=True, pickle_key=KEY, where="step x", root="argument")
    with pytest.raises(UnsavableError, match=r"step x: argument is a lock that cannot be pickled"):
        codec.encode(threading.Lock())


def test_a_plan_that_cannot_be_made_is_refused_each_time() -> None:
    codec = Codec()
    for _ in range(2):
        with pytest.raises(UnsavableError, match="Plain"):
            codec.encode(Plain())
    writer = Writer(codec._names, {})
    with pytest.raises(Refused):
        writer.tree([Plain()])
    assert json.loads(codec.encode([1]).data) == [1]


@dataclass
class Growing:
    items: list[Any] = field(default_factory=list)


def test_a_path_goes_through_fields_and_lists() -> None:
    with pytest.raises(UnsavableError, match=r"result\.items\[2\]\.items\[0\] is a object"):
        encode(Growing([1, 2, Growing([object()])]))
