"""Exceptions that will not be printed, values that will not be read: there is a record all the same."""

from __future__ import annotations

import enum
import json
import sys
import threading
import time
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from surefoot import Runtime, step, workflow
from surefoot.execution.record.preview import LONGEST, Preview, size_of
from surefoot.execution.record.texts import BETWEEN, Own, Text, cleaned

SECRET = "hunter2hunter2"


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError("in its __str__")

    __repr__ = __str__


class Leaving(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class NoTraceback(Exception):
    @property
    def __traceback__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no traceback")

    @__traceback__.setter
    def __traceback__(self, value: Any) -> None:
        return

    @property
    def __notes__(self) -> Any:
        raise RuntimeError("no notes")

    @property
    def exceptions(self) -> Any:
        raise RuntimeError("no members")


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__name__", "__qualname__", "__module__"):
            raise RuntimeError(f"no {name}")
        return super().__getattribute__(name)


class Nameless(Exception, metaclass=Meta):
    pass


def overflow() -> None:
    overflow()


def raises(exc: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise exc

    return fail


@pytest.mark.parametrize(
    ("fail", "told"),
    [
        (raises(Unprintable()), "Unprintable: (its message cannot be read)"),
        (raises(Leaving()), "Leaving: (its message cannot be read)"),
        (raises(NoTraceback("x")), "NoTraceback: x"),
        (raises(Nameless("x")), "Nameless: x"),
        (raises(MemoryError()), "MemoryError"),
        (raises(ValueError("x" * 1_000_000)), "ValueError: xxx"),
        (raises(ValueError("\ud800 lone")), "lone"),
        (raises(ValueError("nul \x00, record separator " + BETWEEN)), "ValueError: nul"),
        (overflow, "RecursionError: maximum recursion depth exceeded"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_there_is_a_record_of(runtime: Runtime, fail: Callable[[], None], told: str) -> None:
    @step(name="fails", attempts=1)
    def fails() -> None:
        fail()

    run = workflow(lambda: fails(), name="work").with_options(run_id="r").start()
    assert run.status == "halted"
    [row] = runtime.journal.failures(1)
    assert told in row.stack
    assert len(row.stack) < 51_000 and len(row.message) <= 10_000
    detail = json.loads(row.detail)
    assert detail["inputs"] == {} and len(detail["frames"]) <= 40


def test_the_half_of_a_secret_at_the_end_of_a_long_message_is_not_kept(runtime: Runtime) -> None:
    @step(name="fails", attempts=1)
    def fails() -> None:
        # wherever the message is cut, it is cut within a secret
        raise ValueError("sk-proj-abcdefghijklmnopqrstuv " * 3_000)

    workflow(lambda: fails(), name="work").with_options(run_id="r").start()
    [row] = runtime.journal.failures(1)
    assert "sk-" not in row.message + row.stack + row.detail


def test_a_scrubber_that_fails_costs_the_texts_and_not_the_run(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str) -> str:
        raise RuntimeError(text)

    @step(name="fails", attempts=1)
    def fails(text: str) -> None:
        raise ValueError(f"{text} in the message")

    @workflow(name="work")
    def work() -> None:
        fails(SECRET)

    monkeypatch.setattr(runtime, "scrub_text", broken)
    with pytest.warns(RuntimeWarning, match="a listener failed"):
        run = work.with_options(run_id="r").start()
    assert run.status == "halted" and run.error is not None
    assert run.error["message"] == "[scrub failed: dropped]"
    [row] = runtime.journal.failures(1)
    assert (row.message, row.kind, row.decision) == (
        "[scrub failed: dropped]",
        "invalid_value",
        "halt",
    )
    told = row.detail + row.stack + row.reason + row.classification
    assert SECRET not in told and "fails" not in told


def test_a_part_that_cannot_be_made_is_left_out(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from surefoot.execution import record

    def broken(*args: Any) -> Any:
        raise RuntimeError("a bug of ours")

    for name in ("inputs_of", "breadcrumbs", "thread_name", "task_name"):
        monkeypatch.setattr(record, name, broken)

    @step(name="fails", attempts=1)
    def fails(n: int) -> None:
        raise ValueError("x")

    workflow(lambda: fails(1), name="work").with_options(run_id="r").start()
    detail = json.loads(runtime.journal.failures(1)[0].detail or "")
    assert (detail["inputs"], detail["breadcrumbs"], detail["thread"]) == ({}, [], None)
    assert detail["frames"][-1]["code"] == 'raise ValueError("x")'


def test_nothing_of_a_record_can_be_made_and_the_failure_is_kept(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from surefoot.execution.record import row as made

    def broken(*args: Any, **options: Any) -> Any:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(made, "cleaned", broken)

    @step(name="fails", attempts=1)
    def fails(n: int) -> None:
        raise ValueError(SECRET)

    workflow(lambda: fails(1), name="work").with_options(run_id="r").start()
    [row] = runtime.journal.failures(1)
    assert row.detail is None and row.kind == "invalid_value"
    assert row.stack == "builtins.ValueError (it cannot be printed)"
    assert SECRET not in row.message


# -- previews -------------------------------------------------------------------------------------


class Dangerous:
    """Whatever is asked of it, it notes, and fails."""

    asked: list[str]

    def __init__(self) -> None:
        object.__setattr__(self, "asked", [])

    def _fail(self, what: str) -> Any:
        object.__getattribute__(self, "asked").append(what)
        raise RuntimeError(what)

    def __repr__(self) -> str:
        return str(self._fail("repr"))

    def __str__(self) -> str:
        return str(self._fail("str"))

    def __len__(self) -> int:
        return int(self._fail("len"))

    def __iter__(self) -> Iterator[Any]:
        self._fail("iter")
        return iter(())

    def __getattr__(self, name: str) -> Any:
        return self._fail(name)

    def __eq__(self, other: object) -> bool:
        return bool(self._fail("eq"))

    __hash__ = object.__hash__


class SubList(list):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("iter")

    def __len__(self) -> int:
        raise RuntimeError("len")


class SubDict(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise RuntimeError("items")


class SubText(str):
    def __str__(self) -> str:
        raise RuntimeError("str")

    def __getitem__(self, key: Any) -> str:
        raise RuntimeError("getitem")


class Colour(enum.Enum):
    RED = SECRET

    def __repr__(self) -> str:
        raise RuntimeError("repr")


class Level(enum.IntEnum):
    LOW = 1


class SecretStr:
    def __init__(self, value: str) -> None:
        self.value = value


@dataclass
class Order:
    id: int
    token: str
    lines: list[str]
    note: str = field(default="", repr=False)


@dataclass
class Slotted:
    __slots__ = ("n",)
    n: int


class Zone(tzinfo):
    def utcoffset(self, dt: datetime | None) -> timedelta:
        raise RuntimeError("utcoffset")


Point = namedtuple("Point", "x password")


def shown(value: Any) -> str:
    return Preview(value).made(str)[0]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "None"),
        (True, "True"),
        (3, "3"),
        (10**5_000, "<int of 16,610 bits>"),
        (0.5, "0.5"),
        (float("nan"), "nan"),
        (1j, "1j"),
        ("it's", '"it\'s"'),
        (b"\x89PNG", r"b'\\x89PNG'"),
        (bytearray(b"ab"), "b'ab'"),
        ([1, [2, [3, [4, [5, [6]]]]]], "[1, [2, [3, [4, […]]]]]"),
        ((1,), "(1)"),
        ({1}, "{1}"),
        (frozenset({1}), "{1}"),
        (deque([1]), "deque([1])"),
        (OrderedDict(a=1), "OrderedDict({'a': 1})"),
        (defaultdict(int, a=1), "defaultdict({'a': 1})"),
        ({1: "a", (2, 3): None}, "{1: 'a', (…): None}"),
        (SubList([1, 2]), "SubList([1, 2])"),
        (SubDict(a=1), "SubDict({'a': 1})"),
        (SubText("abc"), "'abc'"),
        (Colour.RED, "Colour.RED"),
        (Level.LOW, "Level.LOW"),
        (Path("/data/in.csv"), "'/data/in.csv'"),
        (datetime(2026, 11, 22, tzinfo=timezone.utc), "2026-11-22T00:00:00+00:00"),
        (datetime(2026, 11, 22, tzinfo=Zone()), "2026-11-22T00:00:00"),
        (timedelta(hours=1), "1:00:00"),
        (Decimal("1.5"), "1.5"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (range(3), "range(0, 3)"),
        (int, "<class int>"),
        (size_of, "<function surefoot.execution.record.preview.size_of>"),
        (Order(7, SECRET, ["a"], SECRET), "Order(id=7, token=[secret], lines=['a'])"),
        (Slotted(7), "Slotted(n=7)"),
        (Point(1, SECRET), "Point(x=1, password=[secret])"),
        (SecretStr(SECRET), "[secret]"),
        ([("Authorization", f"Bearer {SECRET}")], "[('Authorization', [secret])]"),
        ([(b"cookie", SECRET.encode())], "[(b'cookie', [secret])]"),
        ({"api_key": None, "token_count": 3}, "{'api_key': None, 'token_count': 3}"),
        ({"name": "api_key", "value": SECRET}, "{'name': 'api_key', 'value': [secret]}"),
        ({b"password": SECRET}, "{b'password': [secret]}"),
        (iter([1]), "<list_iterator>"),
        ((n for n in [1]), "<generator>"),
        (threading.Lock(), "<_thread.lock>"),
        (sys.stderr.__class__, None),
        (memoryview(b"x"), "<memoryview>"),
        (ValueError(SECRET), "<ValueError>"),
        (object(), "<object>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_preview_of(value: Any, told: str | None) -> None:
    text = shown(value)
    assert told is None or text == told
    assert SECRET not in text and len(text) <= LONGEST


def test_nothing_of_a_users_object_is_called() -> None:
    value = Dangerous()
    assert shown(value).endswith("Dangerous>")
    assert shown([value, {"a": value}]).count("Dangerous>") == 2
    assert size_of(value) is None
    assert value.asked == []


def test_an_open_file_and_an_iterator_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("line\n")
    left = iter([1, 2])
    with open(tmp_path / "f") as file:
        assert shown(file).startswith("<_io.TextIOWrapper") and shown(left) == "<list_iterator>"
        assert file.tell() == 0
    assert list(left) == [1, 2]


def test_a_million_elements_take_no_time() -> None:
    many = list(range(1_000_000))
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    circle: dict[str, Any] = {}
    circle["self"] = circle
    began = time.perf_counter()
    for value in (many, {"a": many}, deep, circle, "x" * 50_000_000):
        assert len(shown(value)) <= LONGEST
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize("name", ["numpy", "pydantic", "attrs", "msgspec", "pandas"])
def test_the_values_of_libraries_are_told(name: str) -> None:
    library = pytest.importorskip(name)
    if name == "numpy":
        value = library.zeros((2, 3), dtype="float32")
        assert shown(value) == "<numpy.ndarray shape=(2, 3) dtype=float32>" and size_of(value) == 2
    elif name == "pandas":
        value = library.DataFrame({"password": [SECRET, "b"]})
        assert "shape=(2, 1)" in shown(value) and SECRET not in shown(value)
        assert size_of(value) == 2
    elif name == "pydantic":
        made = library.create_model("User", id=(int, 1), token=(str, SECRET))
        assert shown(made()) == "User(id=1, token=[secret])"
        hidden = library.create_model("User", pin=(str, library.Field(SECRET, repr=False)))
        assert shown(hidden()) == "User()"
        assert shown(library.SecretStr(SECRET)) == "[secret]"
    elif name == "attrs":
        made = library.make_class("User", ["id", "token"])
        assert shown(made(1, SECRET)) == "User(id=1, token=[secret])"
    else:
        made = library.defstruct("User", [("id", int), ("token", str)])
        assert shown(made(1, SECRET)) == "User(id=1, token=[secret])"


# -- one scrub for all ----------------------------------------------------------------------------


def test_texts_are_scrubbed_together_and_told_apart_again() -> None:
    calls: list[str] = []

    def scrub(text: str) -> str:
        calls.append(text)
        return text.replace(SECRET, "[secret]")

    tree = {"a": [SECRET, "b", SECRET], "n": 1, "own": Own(SECRET), "long": Text("y" * 999, 5)}
    assert cleaned(tree, scrub) == {
        "a": ["[secret]", "b", "[secret]"],
        "n": 1,
        "own": SECRET,
        "long": "yyyyy…",
    }
    assert len(calls) == 1


def test_where_a_pattern_swallows_what_stands_between_they_are_scrubbed_in_smaller_groups() -> None:
    def greedy(text: str) -> str:
        head, found, _ = text.partition("-----BEGIN")
        return head + "[private key]" if found else text

    texts = ["a", "-----BEGIN KEY", "b", "c"]
    assert cleaned(texts, greedy) == ["a", "[private key]", "b", "c"]


def test_a_text_that_holds_the_mark_between_is_scrubbed_by_itself() -> None:
    assert cleaned(["a", f"b{BETWEEN}c", "d"], str.upper) == ["A", f"B{BETWEEN}C", "D"]
