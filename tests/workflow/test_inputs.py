"""A workflow's input: as the journal keeps it, and as it comes from the command line."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from surefoot.errors import InputError
from surefoot.workflow.inputs import from_json, load_input, save_input, show_input

WHERE = "workflow triage"


@dataclass(frozen=True)
class Options:
    model: str
    size: int = 8


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


def triage(
    path: Path,
    /,
    limit: int = 10,
    *rest: str,
    since: datetime | None = None,
    options: Options = Options("small"),
    **more: Any,
) -> None: ...


def one(path: Path) -> None: ...


def none() -> None: ...


def two(path: Path, limit: int = 3, level: Level = Level.LOW) -> None: ...


NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((Path("a"),), {}),
        ((Path("a"), 5), {}),
        ((Path("a"), 5, "x", "y"), {"since": NOON}),
        ((Path("a"),), {"limit": 7, "options": Options("large", 2)}),
        ((Path("a"),), {"since": NOON, "extra": [1, 2], "deep": {"a": None}}),
    ],
)
def test_what_is_saved_comes_back(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    data, digest = save_input(triage, args, kwargs, WHERE)
    loaded_args, loaded_kwargs = load_input(triage, data, WHERE)
    assert save_input(triage, loaded_args, loaded_kwargs, WHERE) == (data, digest)
    seen: list[Any] = []

    def record(*a: Any, **k: Any) -> None:
        seen.append((a, k))

    import inspect

    signature = inspect.signature(triage)
    assert signature.bind(*loaded_args, **loaded_kwargs) == signature.bind(*args, **kwargs)


def test_by_position_or_by_name_is_the_same_input() -> None:
    assert save_input(two, (Path("a"), 5), {}, WHERE) == save_input(
        two, (), {"limit": 5, "path": Path("a")}, WHERE
    )


def test_another_value_is_another_input() -> None:
    digests = {save_input(two, (Path("a"), n), {}, WHERE)[1] for n in (1, 2, 3)}
    assert len(digests) == 3


def test_bytes_and_other_formats_come_back_too() -> None:
    def takes(data: bytes, numbers: Any) -> None: ...

    data, _ = save_input(takes, (b"\x00\xff", {1, 2}), {}, WHERE)
    assert load_input(takes, data, WHERE) == ((b"\x00\xff", {1, 2}), {})


def test_odd_text_comes_back() -> None:
    def takes(text: str) -> None: ...

    data, _ = save_input(takes, ("\ud800 lone",), {}, WHERE)
    assert load_input(takes, data, WHERE) == (("\ud800 lone",), {})


def test_an_input_that_cannot_be_saved_names_the_argument() -> None:
    with pytest.raises(InputError, match="its argument 'path' cannot be saved"):
        save_input(one, (object(),), {}, WHERE)


def test_an_argument_that_is_gone_is_told() -> None:
    data, _ = save_input(two, (Path("a"), 5), {}, WHERE)
    with pytest.raises(InputError, match="'limit', which it does not take any more"):
        load_input(one, data, WHERE)


def test_an_argument_that_moved_behind_a_new_one_is_given_by_name() -> None:
    def edited(new: int = 1, path: Path = Path("."), limit: int = 0) -> None: ...

    data, _ = save_input(two, (Path("a"), 5), {}, WHERE)
    assert load_input(edited, data, WHERE) == ((), {"path": Path("a"), "limit": 5})


def test_an_argument_whose_type_has_changed_is_told() -> None:
    def before(options: Options) -> None: ...

    def after(options: Level) -> None: ...

    data, _ = save_input(before, (Options("m"),), {}, WHERE)
    with pytest.raises(InputError, match="its recorded argument 'options'"):
        broken = json.loads(data)
        broken["options"] = {"format": "json", "base64": "bm8="}
        load_input(after, json.dumps(broken).encode(), WHERE)


def test_an_input_is_shown_as_json() -> None:
    data, _ = save_input(two, (Path("a"), 5), {}, WHERE)
    shown = show_input(data)
    assert shown["limit"] == 5 and json.dumps(shown)


# -- the command line -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fn", "text", "named", "found"),
    [
        (one, '"tickets.jsonl"', {}, {"path": Path("tickets.jsonl")}),
        (none, None, {}, {}),
        (two, '{"path": "a", "limit": 5}', {}, {"path": Path("a"), "limit": 5}),
        (two, None, {"path": "a b", "limit": "5"}, {"path": Path("a b"), "limit": 5}),
        (two, '{"path": "a", "limit": 5}', {"limit": "6"}, {"path": Path("a"), "limit": 6}),
        (two, '{"path": "a", "level": "high"}', {}, {"path": Path("a"), "level": Level.HIGH}),
    ],
)
def test_json_becomes_arguments_of_the_annotated_types(
    fn: Any, text: str | None, named: dict[str, str], found: dict[str, Any]
) -> None:
    assert from_json(fn, text, named, WHERE) == found


@pytest.mark.parametrize(
    ("fn", "text", "named", "part"),
    [
        (one, "tickets.jsonl", {}, "A text needs its own quotation marks"),
        (none, "1", {}, "takes no input"),
        (two, '"a"', {}, "--input must be an object"),
        (two, '{"path": "a", "limt": 5}', {}, "did you mean 'limit'"),
        (two, None, {"limit": "5"}, "needs 'path'"),
        (two, '{"path": "a", "limit": "many"}', {}, "limit"),
        (two, '{"path": "a", "level": "middle"}', {}, "level"),
        (none, None, {"x": "1"}, "it has none"),
    ],
)
def test_a_wrong_input_says_what_to_write(
    fn: Any, text: str | None, named: dict[str, str], part: str
) -> None:
    with pytest.raises(InputError) as caught:
        from_json(fn, text, named, WHERE)
    assert part in str(caught.value) and caught.value.exit_code == 2
