"""Dataclasses, named tuples, enums, attrs classes: by their fields, and without their constructors."""

from __future__ import annotations

import dataclasses
import enum
import functools
import sys
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, NamedTuple, TypedDict, TypeVar

import pytest

from surefoot.codec import Codec, decode, encode, hints
from surefoot.codec.names import Names, import_class, record_kind
from surefoot.errors import CheckpointDamaged

T = TypeVar("T")


@dataclass
class Item:
    name: str
    price: float = 0.0
    tags: set[str] = field(default_factory=set)
    seen: ClassVar[int] = 0


@dataclass(frozen=True)
class Order:
    id: int
    items: list[Item]
    note: Item | None = None


@dataclass
class Slotted:
    __slots__ = ("a", "b")
    a: int
    b: tuple[int, ...]


@dataclass
class Counted:
    value: int
    made: int = field(init=False)

    def __post_init__(self) -> None:
        type(self).calls += 1  # type: ignore[attr-defined]
        self.made = 42
        self.extra = (self.value,)

    @functools.cached_property
    def doubled(self) -> object:
        return object()


Counted.calls = 0  # type: ignore[attr-defined]


@dataclass
class Box(Generic[T]):
    content: T


class Point(NamedTuple):
    x: int
    y: float = 0.5


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"
    VERT = "g"  # noqa: PIE796 - an alias


class Level(enum.IntEnum):
    LOW = 1


class Mode(enum.Flag):
    R = 1
    W = 2
    RW = 3
    X = 4


class Movie(TypedDict):
    title: str
    cast: Point


class Attributed:
    """As attrs leaves a class: attrs itself is tested with the libraries."""

    def __init__(self, x: int, y: Any) -> None:
        self.x, self.y = x, y


@pytest.mark.parametrize(
    "value",
    [
        Item("a"),
        Order(1, [Item("a", 2.0, {"x"}), Item("b")], note=Item("n")),
        Slotted(1, (2, 3)),
        Box([Box(1)]),
        Point(1, 2.0),
        Colour.GREEN,
        Level.LOW,
        Mode.RW,
        Mode.R | Mode.X,
        Mode(0),
        [Colour.RED, {"p": Point(1)}, (Item("t"),)],
        {Colour.RED: Item("a"), Point(1): 2},
        Movie(title="x", cast=Point(1)),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_records_come_back_equal_and_of_their_type(value: Any) -> None:
    got = decode(*encode(value))
    assert got == value
    assert type(got) is type(value)
    assert repr(got) == repr(value)


def test_constructors_do_not_run_again() -> None:
    value = Counted(1)
    value.made = 7
    assert value.doubled
    calls = Counted.calls  # type: ignore[attr-defined]
    got = decode(*encode(value))
    assert (got.value, got.made, got.extra) == (1, 7, (1,))
    assert "doubled" not in vars(got), "what is only cached is made again when it is asked for"
    assert Counted.calls == calls  # type: ignore[attr-defined]


def test_a_cached_value_alone_adds_nothing_to_the_checkpoint() -> None:
    value = Counted(1)
    del value.extra
    assert value.doubled
    assert b'"x"' not in encode(value).data


def test_an_enum_is_saved_by_its_first_name() -> None:
    assert encode(Colour.VERT).data.endswith(b'"n":"GREEN"}')


def test_a_subclass_of_the_annotated_class_comes_back_as_the_subclass() -> None:
    @dataclass
    class Special(Item):
        more: int = 1

    codec = Codec(Special | None)
    got = codec.decode(*codec.encode(Special("a", more=3)))
    assert type(got) is Special and got.more == 3


def test_an_annotation_that_leads_to_itself_ends() -> None:
    assert set(Names(Tree).reached()) == {f"{__name__}:Tree"}


@dataclass
class Tree:
    children: list[Tree]


def test_a_class_that_ran_as_main_is_found_in_the_module_of_the_step() -> None:
    data = encode(Item("a")).data.replace(f"{__name__}:".encode(), b"__main__:")
    with pytest.raises(CheckpointDamaged, match="no class __main__.Item any more"):
        decode("json", data)
    assert Codec(Item).decode("json", data) == Item("a")
    assert Codec(namespace=globals()).decode("json", data) == Item("a")

    @functools.wraps(test_records_come_back_equal_and_of_their_type)
    def decorated() -> None: ...

    assert Codec.of(decorated).decode("json", data) == Item("a")


def test_two_classes_of_one_name_are_not_guessed_between() -> None:
    def make(module: str) -> type:
        cls = dataclasses.make_dataclass("Same", [("x", int)])
        cls.__module__ = module
        return cls

    one, other = make("gone_a"), make("gone_b")
    assert Names(tuple[one, other]).find("gone_c:Same") is None  # type: ignore[valid-type]
    assert Names(one).find("gone_c:Same") is one


@pytest.mark.parametrize(
    "name",
    [
        "subprocess:Popen",  # a class, and no record
        "os:system",  # no class
        "builtins:eval",
        "no_such_module:X",
        "os:path.join",
        "tests:nothing",
        f"{__name__}:Item.nothing",
        f"{__name__}:Item.seen",
    ],
)
def test_nothing_but_records_is_ever_made(name: str) -> None:
    with pytest.raises(CheckpointDamaged, match="no class"):
        decode("json", b'{"$":"%b","v":{}}' % name.encode())


def test_a_class_with_a_new_field_gets_its_default() -> None:
    data = encode(Item("a", 2.0, {"x"})).data
    assert decode("json", data.replace(b'"price":2.0,', b"")) == Item("a", 0.0, {"x"})
    less = b'{"$":"%b:Item","v":{"name":"a"}}' % __name__.encode()
    assert decode("json", less) == Item("a")
    point = b'{"$":"%b:Point","v":{"x":1}}' % __name__.encode()
    assert decode("json", point) == Point(1, 0.5)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"$":"M:Item","v":{"price":1.0}}', "field 'name' without a default"),
        (b'{"$":"M:Item","v":{"name":"a","colour":1}}', "lost the field 'colour'"),
        (b'{"$":"M:Point","v":{"y":1}}', "field 'x' without a default"),
        (b'{"$":"M:Point","v":{"x":1,"z":1}}', "lost the field 'z'"),
        (b'{"$":"M:Colour","n":"BLUE"}', "no member BLUE any more"),
        (b'{"$":"M:Mode","n":null,"v":"x"}', "Error: "),
    ],
)
def test_a_class_that_no_longer_fits_is_told(data: bytes, message: str) -> None:
    with pytest.raises(CheckpointDamaged, match=message):
        decode("json", data.replace(b"M:", __name__.encode() + b":"))


def test_what_a_class_is() -> None:
    class Half(tuple[int, ...]):
        _fields = "no tuple"

    assert record_kind(Half) is None
    assert record_kind(tuple) is None
    assert record_kind(Item) == "dataclass"
    assert import_class("decimal:Decimal.quantize") is None


def test_hints_resolve_what_they_can() -> None:
    class Local: ...

    def step(a: Local, b: NoSuchName, c: int = 1) -> list[Local]: ...  # type: ignore[name-defined]  # noqa: F821

    found = hints(step)
    assert found == {"c": int}, "a local class that the function does not close over is unknown"

    def closing(a: Local, b: NoSuchName) -> list[Local]:  # type: ignore[name-defined]  # noqa: F821
        return [Local()]

    assert hints(closing) == {"a": Local, "return": list[Local]}
    assert hints(len) == {}
    assert hints(Item)["price"] is float
    if False:
        later = 1

    def empty(a: int) -> None:
        later

    assert hints(empty) == {"a": int, "return": type(None)}


def test_hints_of_a_class_from_a_module_that_is_gone() -> None:
    cls = type("Gone", (), {"__annotations__": {"x": "int", "y": "Unheard"}})
    cls.__module__ = "gone_module"
    sys.modules.pop("gone_module", None)
    assert hints(cls) == {"x": int}


def attrs_like() -> type:
    class Attribute:
        def __init__(self, name: str, default: Any, init: bool = True) -> None:
            self.name, self.default, self.init, self.alias, self.eq = (
                name,
                default,
                init,
                name,
                True,
            )

    class _Nothing: ...

    _Nothing.__qualname__ = "_Nothing"

    class Factory:
        def __init__(self, factory: Any, takes_self: bool) -> None:
            self.factory, self.takes_self = factory, takes_self

    class Attributes(tuple):  # type: ignore[type-arg]
        def __getattr__(self, name: str) -> Any:
            return next(a for a in self if a.name == name)

    class Shape:
        __attrs_attrs__ = Attributes(
            [
                Attribute("x", _Nothing()),
                Attribute("y", 5),
                Attribute("z", Factory(list, False)),
                Attribute("w", Factory(list, True)),
            ]
        )

        def __init__(self, **values: Any) -> None:
            vars(self).update(values)

    return Shape


def test_attrs_classes_by_their_attributes() -> None:
    Shape = attrs_like()
    codec = Codec(Shape)
    got = codec.decode(*codec.encode(Shape(x=1, y=(2,), z=[3], w=4)))
    assert vars(got) == {"x": 1, "y": (2,), "z": [3], "w": 4}
    name = f"{Shape.__module__}:{Shape.__qualname__}".encode()
    got = codec.decode("json", b'{"$":"%b","v":{"x":1,"w":2}}' % name)
    assert vars(got) == {"x": 1, "y": 5, "z": [], "w": 2}
    for less in (b'{"x":1}', b'{"w":1}'):
        with pytest.raises(CheckpointDamaged, match="without a default"):
            codec.decode("json", b'{"$":"%b","v":%b}' % (name, less))
