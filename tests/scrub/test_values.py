"""Nested data keeps its shape and loses its secrets; the original is not touched."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import types
import uuid
from collections import deque
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.scrub import Scrubber, scrub

HIDDEN = "[secret]"


@dataclasses.dataclass(frozen=True)
class Login:
    user: str
    password: str
    notes: list[str] = dataclasses.field(default_factory=list)


class Header(NamedTuple):
    name: str
    token: str


class Colour(enum.Enum):
    RED = "password=x"


class SecretStr:
    def __repr__(self) -> str:
        return "hunter2"


class Opaque:
    def __repr__(self) -> str:
        return "Opaque(password='hunter2')"


def test_keys_that_name_secrets_hide_what_stands_under_them() -> None:
    value = {
        "user": "ada",
        "password": "hunter2",
        "nested": [{"api_key": {"deep": "x"}}, ("authorization", "Bearer x"), ("a", "b", "c")],
        "token": None,
        "secret": True,
        "pin_token": 1234,
        "auth": "",
        "jwt": "<none>",
        7: "password=x",
        ("k",): "v",
    }
    clean = scrub(value)
    assert clean == {
        "user": "ada",
        "password": HIDDEN,
        "nested": [{"api_key": HIDDEN}, ("authorization", HIDDEN), ("a", "b", "c")],
        "token": None,
        "secret": True,
        "pin_token": HIDDEN,
        "auth": "",
        "jwt": "<none>",
        7: f"password={HIDDEN}",
        ("k",): "v",
    }
    assert value["password"] == "hunter2"


def test_numbers_dates_and_ids_stay_what_they_are() -> None:
    value = [
        1,
        2.5,
        True,
        None,
        3j,
        dt.date(2026, 1, 1),
        dt.timedelta(1),
        Decimal("1"),
        uuid.uuid4(),
    ]
    assert scrub(value) == value


def test_shapes_stay() -> None:
    value: Any = ({"a"}, frozenset({"b"}), (), b"password=x", bytearray(b"\xff"), Path("a/b"))
    clean = scrub(value)
    assert clean == (
        {"a"},
        frozenset({"b"}),
        (),
        b"password=[secret]",
        bytearray(b"\xff"),
        Path("a/b"),
    )
    assert [type(part) for part in clean] == [type(part) for part in value]


def test_dataclasses_and_named_tuples_by_their_fields() -> None:
    login = Login("ada", "hunter2", ["token=x"])
    assert scrub(login) == Login("ada", HIDDEN, ["token=[secret]"])
    assert login.password == "hunter2"
    assert scrub([Header("x", "y")]) == [Header("x", HIDDEN)]


def test_objects_stand_by_their_type_since_their_text_may_say_anything() -> None:
    assert scrub(Opaque()) == f"<{__name__}.Opaque>"
    assert scrub(SecretStr()) == HIDDEN
    assert scrub(Colour.RED) is Colour.RED
    assert scrub(ValueError("password=x")) == "ValueError: password=[secret]"


def test_known_values_and_the_key_go_through_the_whole_value() -> None:
    clean = scrub({"note": ["it is hunter2", {"password": "hunter2"}]}, known=["hunter2"], key=b"k")
    assert clean["note"][0] == f"it is {clean['note'][1]['password']}"
    assert clean["note"][0].startswith("it is [secret ")


def test_what_contains_itself_ends() -> None:
    loop: list[Any] = ["password=x"]
    loop.append(loop)
    clean = scrub(loop)
    assert clean[0] == "password=[secret]"
    for _ in range(39):
        clean = clean[1]
    assert clean[1] == "[too deep: dropped]"


def test_what_fails_is_dropped_and_the_rest_stays() -> None:
    class Bad(list):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            raise RuntimeError

    assert scrub({"bad": Bad(), "good": 1}) == {"bad": "[scrub failed: dropped]", "good": 1}


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=10),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=10), inner),
        max_leaves=10,
    )
)
def test_plain_data_is_scrubbed_whatever_it_is(value: Any) -> None:
    assert type(scrub(value)) is type(value)


# -- types of libraries, known by what they have ---------------------------------------------------


class Headers:
    """As those of HTTP clients: no mapping, but with items."""

    def keys(self) -> list[str]:
        return ["Authorization", "Accept"]

    def items(self) -> list[tuple[str, str]]:
        return [("Authorization", "Bearer a1b2"), ("Accept", "*/*")]


class Text(str):
    pass


class Named(str, enum.Enum):
    TOKEN = "password=x"


class SecretHolder:
    def get_secret_value(self) -> bytes:
        return b"hunter2"


def test_headers_and_cookies_in_every_shape() -> None:
    hidden = {"Authorization": HIDDEN, "Accept": "*/*"}
    assert scrub(Headers()) == hidden
    assert scrub(types.MappingProxyType({"Authorization": "a1", "Accept": "*/*"})) == hidden
    pairs = [[b"authorization", b"Bearer a1"], ("Cookie", "a=b1"), ["a", "b"], ["a b=c", "d"]]
    assert scrub(pairs) == [
        [b"authorization", HIDDEN],
        ("Cookie", HIDDEN),
        ["a", "b"],
        ["a b=c", "d"],
    ]
    assert scrub({b"x-api-key": b"a1b2", b"accept": b"*/*"}) == {
        b"x-api-key": HIDDEN,
        b"accept": b"*/*",
    }
    named = {"name": "DB_PASSWORD", "value": "hunter2", "note": "x"}
    assert scrub(named) == {"name": "DB_PASSWORD", "value": HIDDEN, "note": "x"}
    assert scrub({"name": "DB_HOST", "value": "db"}) == {"name": "DB_HOST", "value": "db"}
    assert scrub({"name": "DB_PASSWORD"}) == {"name": "DB_PASSWORD"}


def test_command_lines_as_lists() -> None:
    assert scrub(["db", "--password", "hunter2", "--token", "--verbose", "x"]) == [
        "db", "--password", HIDDEN, "--token", "--verbose", "x",
    ]  # fmt: skip
    assert scrub(deque(["--token", "abc123"])) == deque(["--token", HIDDEN])


def test_a_dsn_loses_its_password_only() -> None:
    assert scrub({"dsn": "postgres://u:pw99@h/d"}) == {"dsn": "postgres://u:[password]@h/d"}
    assert scrub({"dsn": "abcdef"}) == {"dsn": HIDDEN}


def test_personal_data_by_its_name() -> None:
    value = {
        "phone": "0207 183 8750",
        "ssn": 219091234,
        "fax": None,
        "mobile": True,
        "email": "none",
    }
    assert scrub(value) == {
        "phone": "[phone]", "ssn": "[ssn]", "fax": None, "mobile": True, "email": "none",
    }  # fmt: skip
    odd = Scrubber(patterns=(("odd", "(phone: 99)"),)).value({"phone": 99})
    assert odd == {"phone": "[scrub failed: dropped]"}


def test_equal_secrets_have_one_mark_wherever_they_stand() -> None:
    clean = scrub(
        {"token": "Bearer hunter2-x", "password": SecretHolder(), "api_key": b"hunter2-x"}, key=b"k"
    )
    assert clean["token"] == clean["api_key"]
    assert (
        clean["password"] == scrub(SecretHolder(), key=b"k") == scrub("pwd=hunter2", key=b"k")[4:]
    )


def test_texts_of_ones_own_type_and_enums() -> None:
    assert scrub(Text("password=x1")) == "password=[secret]"
    assert scrub(Named.TOKEN) is Named.TOKEN


def test_models_of_libraries_by_their_fields() -> None:
    attr = pytest.importorskip("attr")
    msgspec = pytest.importorskip("msgspec")
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        model_config = {"extra": "allow", "frozen": True}
        user: str
        password: str
        key: pydantic.SecretStr  # type: ignore[name-defined]

    Record = attr.make_class("Record", ["user", "password"], frozen=True)
    Struct = msgspec.defstruct("Struct", [("user", str), ("password", str)], frozen=True)

    model = Model(user="ada", password="hunter2", key="hunter2", api_token="hunter2")
    clean = scrub(model)
    assert (clean.user, clean.password, clean.key, clean.api_token) == (
        "ada",
        HIDDEN,
        HIDDEN,
        HIDDEN,
    )
    assert model.password == "hunter2" and model.api_token == "hunter2"
    for kind in (Record, Struct):
        one = kind(user="ada", password="hunter2")
        assert (scrub(one).user, scrub(one).password) == ("ada", HIDDEN)
        assert one.password == "hunter2"
