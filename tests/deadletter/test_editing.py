"""An input is changed by --set or by hand: what is left alone keeps its value, type and secrets."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from surefoot import step
from surefoot.deadletter import edited, shown_input
from surefoot.errors import InputError, UsageError
from surefoot.execution.kept import keep
from surefoot.scrub import Scrubber


@dataclass
class Ticket:
    id: int
    text: str
    due: date
    tags: tuple[str, ...] = ()


@step
def answer(
    ticket: Ticket,
    path: Path,
    prompts: list[str],
    loose: Any = None,
    limit: int = 3,
    *,
    api_key: str = "",
) -> str:
    return "x"


@step
def bare(one, two=2, **more) -> None: ...  # type: ignore[no-untyped-def]


GIVEN: dict[str, Any] = {
    "ticket": Ticket(7, "where is it?", date(2026, 11, 22), ("a", "b")),
    "path": Path("in/a.txt"),
    "prompts": ["p", "password=hunter22 please"],
    "api_key": "sk-proj-abcdefghijklmnopqrstuv",
}


def change(given: dict[str, Any], *sets: str, of: Any = answer, **options: Any) -> dict[str, Any]:
    return edited(keep(given, "here"), of.spec, sets=sets, **options)


def test_people_see_plain_json() -> None:
    assert shown_input(keep(GIVEN, "here")) == {
        "ticket": {"id": 7, "text": "where is it?", "due": "2026-11-22", "tags": ["a", "b"]},
        "path": "in/a.txt",
        "prompts": ["p", "password=hunter22 please"],
        "api_key": "sk-proj-abcdefghijklmnopqrstuv",
    }


def test_what_is_not_set_stays_what_it_is() -> None:
    new = change(GIVEN, "path=out/b.txt")
    assert new == {**GIVEN, "path": Path("out/b.txt")}
    assert type(new["ticket"]) is Ticket and type(new["ticket"].tags) is tuple


@pytest.mark.parametrize(
    ("given", "name", "wanted"),
    [
        ("limit=7", "limit", 7),
        ("ticket.text=007", "ticket", Ticket(7, "007", date(2026, 11, 22), ("a", "b"))),
        ("ticket.id=8", "ticket", Ticket(8, "where is it?", date(2026, 11, 22), ("a", "b"))),
        ("ticket.due=2026-12-24", "ticket", Ticket(7, "where is it?", date(2026, 12, 24), ("a", "b"))),
        ("ticket.tags.1=c", "ticket", Ticket(7, "where is it?", date(2026, 11, 22), ("a", "c"))),
        ("prompts.0=new = better", "prompts", ["new = better", "password=hunter22 please"]),
        ('prompts=["q"]', "prompts", ["q"]),
        ('loose={"a": 1}', "loose", {"a": 1}),
        ("loose=a text", "loose", "a text"),
    ],
)  # fmt: skip
def test_a_field_is_set_and_converted_to_its_type(given: str, name: str, wanted: Any) -> None:
    new = change(GIVEN, given)
    assert new[name] == wanted and type(new[name]) is type(wanted)
    assert {k: v for k, v in new.items() if k != name} == {
        k: v for k, v in GIVEN.items() if k != name
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("limit", "must be field=value"),
        ("=3", "must be field=value"),
        ("limt=3", "has no argument 'limt'; did you mean 'limit'"),
        ("limit=many", "limit: expected a whole number"),
        ("ticket.id=x", "ticket.id: expected a whole number"),
        ("ticket.txt.a=1", "ticket has no 'txt'; it has due, id, tags, text"),
        ("prompts.5=x", "prompts has no '5'; it has 0 to 1"),
        ("prompts.first=x", "prompts has no 'first'"),
        ("ticket.text.deep=x", "ticket.text has no 'deep'"),
        ("loose.a=1", "there is no 'loose' in the input"),
    ],
)
def test_a_field_that_is_not_there_or_a_value_that_does_not_fit_is_told(
    given: str, message: str
) -> None:
    with pytest.raises(UsageError) as told:
        change(GIVEN, given)
    assert message in str(told.value)


def test_without_annotations_the_types_of_the_old_value_hold() -> None:
    given = {
        "one": (Ticket(1, "a", date(2026, 1, 1)), {3: b"x" * 3}),
        "extra": OrderedDict(a=1, b=2),
    }
    new = change(given, "one.0.text=b", "extra.b=3", of=bare)
    assert new["one"] == (Ticket(1, "b", date(2026, 1, 1)), {3: b"xxx"})
    assert new["extra"] == OrderedDict(a=1, b=3) and type(new["extra"]) is OrderedDict


# -- by hand --------------------------------------------------------------------------------------


def hand(change: Callable[[str], str]) -> tuple[Callable[[str], str], list[str]]:
    seen: list[str] = []

    def edit(text: str) -> str:
        seen.append(text)
        return change(text)

    return edit, seen


def test_an_editor_shows_placeholders_and_the_secrets_are_put_back() -> None:
    edit, seen = hand(lambda text: text.replace("please", "kindly").replace("where", "here"))
    new = change(GIVEN, edit=edit)
    assert "hunter22" not in seen[0] and "sk-proj" not in seen[0] and "[secret" in seen[0]
    assert new["prompts"] == ["p", "password=hunter22 kindly"]
    assert new["api_key"] == GIVEN["api_key"]
    assert new["ticket"] == Ticket(7, "here is it?", date(2026, 11, 22), ("a", "b"))
    assert new["path"] == Path("in/a.txt")


def test_what_nobody_changed_is_what_it_was() -> None:
    edit, _ = hand(lambda text: text)
    given = {**GIVEN, "loose": {"token": {"deep": [1, None]}, "n": float("nan"), "b": b"\0\xff"}}
    new = change(given, edit=edit)
    assert {**new, "loose": None} == {**given, "loose": None}
    assert new["loose"]["token"] == {"deep": [1, None]} and new["loose"]["b"] == b"\0\xff"


def test_a_secret_may_be_moved_or_replaced() -> None:
    def move(text: str) -> str:
        told = json.loads(text)
        told["loose"] = f"use {told['api_key']}"
        told["api_key"] = "another"
        return json.dumps(told)

    new = change(GIVEN, edit=move)
    assert new["loose"] == f"use {GIVEN['api_key']}" and new["api_key"] == "another"


def test_words_that_look_like_a_placeholder_stay_words() -> None:
    given = {"one": ["[secret 1] password=hunter22"]}
    edit, seen = hand(lambda text: text.replace("password", "my password"))
    new = edited(keep(given, "here"), bare.spec, edit=edit)
    assert "[secret 1] password=[secret 2]" in seen[0]
    assert new["one"] == ["[secret 1] my password=hunter22"]


def test_secrets_of_the_environment_are_hidden_too() -> None:
    edit, seen = hand(lambda text: text)
    given = {"one": "the word is correct-horse"}
    new = edited(
        keep(given, "x"), bare.spec, edit=edit, scrubber=Scrubber(known=("correct-horse",))
    )
    assert "correct-horse" not in seen[0] and new == given


def test_what_is_no_json_any_more_is_told_and_replays_nothing() -> None:
    for text, message in (("{", "no JSON any more"), ("[]", "an object of arguments")):
        with pytest.raises(InputError, match=f"{message}.*nothing was replayed"):
            change(GIVEN, edit=lambda _, text=text: text)  # type: ignore[misc]


def test_an_argument_may_be_left_out_only_if_it_has_a_default() -> None:
    new = change(GIVEN, edit=lambda text: json.dumps({**json.loads(text), "loose": 1}))
    assert new["loose"] == 1

    def without(name: str) -> Callable[[str], str]:
        return lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k != name})

    assert "api_key" not in change(GIVEN, edit=without("api_key"))
    with pytest.raises(InputError, match="needs 'ticket'"):
        change(GIVEN, edit=without("ticket"))


def test_an_array_is_shown_by_a_word_and_kept() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(3.0)
    edit, seen = hand(lambda text: text.replace("2", "5"))
    new = edited(keep({"one": array, "two": 2}, "x"), bare.spec, edit=edit)
    assert "<npy, " in seen[0] and (new["one"] == array).all() and new["two"] == 5
