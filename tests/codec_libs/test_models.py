"""pydantic models, msgspec Structs and attrs classes with the real libraries."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Generic, TypeVar

import attrs
import msgspec
import pydantic
import pydantic.dataclasses
import pytest

from surefoot.codec import Codec, convert, decode, encode, restore_exception, save_exception
from surefoot.errors import CheckpointDamaged, InputError, UnsavableError
from surefoot.fingerprint.arguments import ArgumentDigester

T = TypeVar("T")


class Address(pydantic.BaseModel):
    city: str
    zip: str | None = None


class BetterAddress(Address):
    country: str = "AT"


class User(pydantic.BaseModel):
    name: str
    born: dt.date
    home: Address
    tags: set[str] = pydantic.Field(default_factory=set)
    anything: Any = None
    _secret: int = pydantic.PrivateAttr(default=1)
    _unset: int = pydantic.PrivateAttr()

    @pydantic.field_validator("name")
    @classmethod
    def shout(cls, value: str) -> str:
        return value + "!"


class Open(pydantic.BaseModel, extra="allow"):
    a: int = 0


class Root(pydantic.RootModel[list[int]]):
    pass


class Typed(pydantic.BaseModel):
    url: pydantic.HttpUrl
    key: pydantic.SecretStr
    raw: pydantic.SecretBytes


class Page(pydantic.BaseModel, Generic[T]):
    items: list[T]


@pydantic.dataclasses.dataclass
class Checked:
    x: int
    y: list[int] = pydantic.Field(default_factory=list)


class Point(msgspec.Struct):
    x: int
    y: Any = 0
    z: list[int] = msgspec.field(default_factory=list)


class Frozen(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    a: Any


class Posted(msgspec.Struct):
    a: int

    def __post_init__(self) -> None:
        self.a += 1


@attrs.define
class Car:
    make: str
    parts: list[str] = attrs.field(factory=list)
    year: int = 2026
    _private: int = 0
    own: Any = attrs.field(default=attrs.Factory(lambda self: self.make, takes_self=True))


@attrs.frozen(slots=False)
class Wheel:
    size: int = 16


def user() -> User:
    made = User(
        name="Ada", born=dt.date(1815, 12, 10), home=BetterAddress(city="London"), tags={"a"}
    )
    made.anything = [(1, 2), {3: dt.datetime(2026, 1, 1)}]
    made._secret = 5
    return made


@pytest.mark.parametrize(
    "value",
    [
        Address(city="x"),
        user(),
        Open(a=1, b=[dt.date(2026, 1, 1)], **{"$": 1}),
        Open(),
        Root([1, 2]),
        Typed(url="https://x.y/z", key="hunter2", raw=b"x"),
        Page[int](items=[1]),
        Checked(1, [2]),
        Point(1, (2,), [3]),
        Frozen(a={1}),
        Posted(1),
        Car("vw", ["a"], 2020, 7),
        Wheel(17),
        [Wheel(), {"p": Point(1)}, (Address(city="y"),)],
        msgspec.UNSET,
    ],
    ids=lambda v: type(v).__name__,
)
def test_models_come_back_equal_and_of_their_type(value: Any) -> None:
    got = decode(*encode(value))
    assert type(got) is type(value)
    assert got == value
    assert repr(got) == repr(value)


def test_a_pydantic_model_is_what_it_was_in_every_corner() -> None:
    got = decode(*encode(user()))
    assert got.name == "Ada!", "no validator runs a second time"
    assert type(got.home) is BetterAddress
    assert got._secret == 5
    assert got.model_fields_set == user().model_fields_set
    assert got.anything == [(1, 2), {3: dt.datetime(2026, 1, 1)}]
    with pytest.raises(AttributeError):
        got._unset
    got.home.city = "Vienna"
    assert got.model_dump()["home"]["city"] == "Vienna"
    assert Open.model_validate({"b": 1}) == decode(*encode(Open(b=1)))


def test_a_cached_value_of_a_model_is_not_saved_and_other_attributes_are() -> None:
    model = Address(city="x")
    object.__setattr__(model, "more", (1,))
    vars(model)["more"] = (1,)
    assert decode(*encode(model)).more == (1,)  # type: ignore[attr-defined]


def test_a_generic_model_of_the_annotation_comes_back() -> None:
    class Local(pydantic.BaseModel):
        x: int

    codec = Codec(Page[Local])
    value = Page[Local](items=[Local(x=1)])
    got = codec.decode(*codec.encode(value))
    assert got == value and type(got) is type(value)
    with pytest.raises(UnsavableError, match="cannot be found again by its name"):
        encode(value)


def name(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


@pytest.mark.parametrize(
    ("cls", "saved", "expected"),
    [
        (BetterAddress, {"city": "x"}, "BetterAddress(city='x', zip=None, country='AT')"),
        (Point, {"x": 1}, "Point(x=1, y=0, z=[])"),
        (Car, {"make": "a", "own": 1}, "Car(make='a', parts=[], year=2026, _private=0, own=1)"),
        (Address, {}, "field 'city' without a default"),
        (Address, {"city": "x", "gone": 1}, "lost the field 'gone'"),
        (Point, {}, "field 'x' without a default"),
        (Point, {"x": 1, "gone": 1}, "lost the field 'gone'"),
        (Car, {"make": "a"}, "field 'own' without a default"),
        (Car, {"own": "a"}, "field 'make' without a default"),
    ],
)
def test_classes_that_changed_since(cls: type, saved: dict[str, Any], expected: str) -> None:
    data = json.dumps({"$": name(cls), "v": saved, "set": []}, separators=(",", ":")).encode()
    if expected.endswith(")"):
        assert repr(decode("json", data)) == expected
    else:
        with pytest.raises(CheckpointDamaged, match=expected):
            decode("json", data)


def test_what_a_model_holds_and_cannot_be_saved_is_told_with_its_path() -> None:
    model = user()
    model.anything = {"k": object()}
    with pytest.raises(UnsavableError, match=r"result\.anything\['k'\] is a object"):
        encode(model)
    with pytest.raises(UnsavableError, match=r"result\[0\]\.y is a object"):
        encode([Point(1, object())])
    with pytest.raises(UnsavableError, match=r"msgspec.*Raw"):
        encode(msgspec.Raw(b"1"))
    with pytest.raises(UnsavableError, match="pydantic"):
        encode(pydantic.fields.FieldInfo(default=1))


def test_json_input_becomes_models() -> None:
    got = convert({"city": "x"}, Address)
    assert got == Address(city="x")
    assert convert([{"x": 1}], list[Point]) == [Point(1)]
    assert convert({"items": [1]}, Page[int]) == Page[int](items=[1])
    assert convert({"make": "vw"}, Car) == Car("vw")
    with pytest.raises(InputError, match=r"input\.home\.city: Field required"):
        convert({"name": "a", "born": "2026-01-01", "home": {}}, User)
    with pytest.raises(InputError, match=r"order\.items\[0\]: Input should be a valid integer"):
        convert({"items": ["x"]}, Page[int], name="order")
    with pytest.raises(InputError, match=r"input: Expected `int`, got `str` - at `\$\.x`"):
        convert({"x": "a"}, Point)


def validation_error(cls: Any, value: Any) -> pydantic.ValidationError:
    with pytest.raises(pydantic.ValidationError) as caught:
        cls.model_validate(value)
    return caught.value


class Strange(pydantic.BaseModel):
    a: int = 0
    b: int = 0
    c: str = ""

    @pydantic.field_validator("a")
    @classmethod
    def no(cls, value: int) -> int:
        raise ValueError("not {this}")

    @pydantic.field_validator("b")
    @classmethod
    def never(cls, value: int) -> int:
        assert value > 5, "too small"
        return value

    @pydantic.field_validator("c")
    @classmethod
    def own(cls, value: str) -> str:
        from pydantic_core import PydanticCustomError

        raise PydanticCustomError("own_error", "it is {what} {{", {"what": "odd"})


@pytest.mark.parametrize(
    ("cls", "value"),
    [
        (Address, {}),
        (User, {"name": 1, "born": "x", "home": {"city": []}}),
        (Strange, {"a": 1, "b": 1, "c": "x"}),
        (Root, ["a", object()]),
        (Typed, {"url": "ftp://x", "key": 1, "raw": 2}),
    ],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_a_validation_error_comes_back_with_its_lines(cls: Any, value: Any) -> None:
    exc = validation_error(cls, value)
    got = restore_exception(json.loads(json.dumps(save_exception(exc))))
    assert isinstance(got, pydantic.ValidationError)
    assert got.title == exc.title and got.error_count() == exc.error_count()
    for one, other in zip(got.errors(), exc.errors()):
        assert (one["type"], one["loc"], one["msg"]) == (other["type"], other["loc"], other["msg"])


def test_models_as_arguments_count_by_their_fields() -> None:
    def step(x): ...  # type: ignore[no-untyped-def]

    def total(value: Any) -> str:
        return ArgumentDigester(step).digest((value,), {}).total

    assert total(user()) == total(user())
    other = user()
    other.home.city = "Paris"
    assert total(user()) != total(other)
    assert total(Address(city="x", zip=None)) == total(Address(city="x"))
    assert total(Open(b=1)) != total(Open(b=2))
    assert total(Point(1)) == total(Point(1, 0)) != total(Point(2))
    assert total(Car("a")) != total(Car("b"))
    assert total(Wheel()) == total(Wheel(16))
