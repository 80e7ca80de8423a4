"""`surefoot dead-letters`: list, show, replay and discard."""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from surefoot.errors import UsageError

from .conftest import Project

SHOP = """
import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from surefoot import effect, on, step, workflow

@dataclass
class Ticket:
    id: int
    text: str
    token: str = "token-of-a-customer"

def bad(text):
    words = Path("bad").read_text().split() if Path("bad").exists() else []
    return text in words

@step(name="answer")
def answer(ticket: Ticket) -> str:
    if bad(ticket.text):
        raise ValueError(f"no answer; password=hunter22")
    with open("asked", "a") as file:
        file.write(f"{ticket.id} {ticket.text} {ticket.token}\\n")
    return ticket.text.upper()

@workflow
def triage(texts: list[str]) -> list[str]:
    tickets = [Ticket(n, text) for n, text in enumerate(texts)]
    return answer.map(tickets, workers=1, max_failure_ratio=1, item_id=lambda t: t.id).results

@step(name="later")
async def later_step(text: str) -> str:
    if bad(text):
        raise ValueError("no")
    return text.upper()

@workflow
async def later(texts: list[str]) -> list[str]:
    return (await later_step.map(texts, workers=1)).results

@step(name="nap")
def nap() -> None:
    import time
    Path("napping").touch()
    time.sleep(60)

@workflow
def living(texts: list[str]) -> None:
    later_plain.map(texts, workers=1)
    nap()

@step(name="plain")
def later_plain(text: str) -> str:
    if bad(text):
        raise ValueError("no")
    return text
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """A run `one`, completed, with two letters of one fingerprint: items 1 and 2."""
    project.write("shop.py", SHOP)
    project.write("bad", "two three")
    project.run(
        "run", "shop.py:triage", "--run-id", "one", "--input", '["one", "two", "three", "four"]'
    )
    return project


def mended(shop: Project, left: str = "") -> None:
    shop.write("bad", left)


def ids(shop: Project, *args: str) -> list[int]:
    return [one["id"] for one in shop.json("dead-letters", "list", *args)]


def test_letters_are_listed_and_chosen(shop: Project, squeezed: Callable[[str], str]) -> None:
    told = squeezed(shop.run("dead-letters", "list").stdout)
    assert "ID RUN STEP AS IS AGE REPLAYS BECAUSE" in told
    assert "1 one answer[1] invalid_value open" in told and "hunter22" not in told
    first = shop.json("dead-letters", "list")[0]
    assert first["item_id"] == "1" and first["state"] == "open" and first["replays"] == 0
    assert ids(shop, "--fingerprint", first["fingerprint"]) == [1, 2]
    assert ids(shop, "--kind", "invalid_value", "--step", "answer", "--run", "one") == [1, 2]
    assert ids(shop, "--kind", "timeout") == ids(shop, "--state", "replayed") == []
    assert ids(shop, "--older-than", "1h") == [] and ids(shop, "--newer-than", "1h") == [1, 2]
    assert "there are no replayed dead letters" in (
        shop.run("dead-letters", "list", "--state", "replayed").stdout
    )
    assert "90s, 15m, 2h" in shop.run("dead-letters", "list", "--older-than", "2", wanted=2).stderr


def test_a_letter_is_shown_with_its_input_and_history_and_without_secrets(
    shop: Project, squeezed: Callable[[str], str]
) -> None:
    shop.run("dead-letters", "replay", "1", wanted=1)
    told = shop.run("dead-letters", "show", "1").stdout
    for words in ('"text": "two"', "invalid_value", "surefoot dead-letters replay 1", "REPLAYED"):
        assert words in told
    assert "hunter22" not in told and "token-of-a-customer" not in told
    document = shop.json("dead-letters", "show", "1")
    assert document["input"]["ticket"]["id"] == 1
    assert [one["outcome"] for one in document["history"]] == ["failed"]
    assert [one["attempt"] for one in document["failures"]] == [1, 1]
    assert "token-of-a-customer" not in json.dumps(document)
    by_call = shop.json("dead-letters", "show", f"one:{document['call']}")
    assert by_call == document
    for wrong in ("99", "one:nothing", "first"):
        assert "dead letter" in shop.run("dead-letters", "show", wrong, wanted=2).stderr


def test_a_replayed_letter_is_in_the_result_after_a_resume(shop: Project) -> None:
    mended(shop)
    done = shop.run("dead-letters", "replay", "1")
    assert "letter 1, answer[1] of run one: completed" in done.stdout
    assert "run one is completed; take it up with: surefoot resume one" in done.stdout
    asked = Path("asked").read_text()
    shown = shop.json("resume", "one")
    assert shown["result"] == ["ONE", "TWO", "FOUR"] and shown["reused"] == 4
    assert Path("asked").read_text() == asked
    states = {one["item"]: one["dead_letter"] for one in shown["steps"] if one["item"]}
    assert states == {1: "replayed", 2: "open", 3: None}
    assert "nothing ran" in shop.run("resume", "one").stdout


def test_the_canary_of_a_fingerprint_goes_first(shop: Project) -> None:
    fingerprint = shop.json("dead-letters", "list")[0]["fingerprint"]
    told = shop.run("dead-letters", "replay", "--fingerprint", fingerprint, wanted=1).stdout
    assert "answer[1] of run one: failed as invalid_value" in told
    assert "answer[2] of run one: not tried" in told and "0 of 2 letters replayed" in told
    mended(shop, "two")
    replays = shop.json("dead-letters", "replay", "--all", "--no-canary", wanted=1)["replays"]
    assert [one["outcome"] for one in replays] == ["failed", "completed"]
    assert "hunter22" not in json.dumps(replays)
    mended(shop)
    assert (
        shop.json("dead-letters", "replay", "--all", "--step", "answer")["replays"][0]["letter"]
        == 1
    )
    assert shop.json("resume", "one")["result"] == ["ONE", "TWO", "THREE", "FOUR"]


def test_a_field_is_set_and_replayed(shop: Project) -> None:
    shop.run("dead-letters", "replay", "1", "2", "--set", "ticket.text=better")
    assert Path("asked").read_text().splitlines()[2:] == [
        "1 better token-of-a-customer",
        "2 better token-of-a-customer",
    ]
    assert shop.json("dead-letters", "show", "1")["history"][0]["edited"] is True
    assert shop.json("resume", "one")["result"] == ["ONE", "BETTER", "BETTER", "FOUR"]
    told = shop.json("dead-letters", "show", "1")
    assert (told["state"], told["note"]) == ("replayed", "in the result")


def test_a_field_that_does_not_fit_is_told_and_nothing_is_replayed(shop: Project) -> None:
    for given, message in (("ticket.id=x", "whole number"), ("tickt=1", "did you mean 'ticket'")):
        done = shop.run("dead-letters", "replay", "1", "--set", given, wanted=2)
        assert message in done.stderr
    assert shop.json("dead-letters", "show", "1")["history"] == []


def test_an_editor_changes_the_input_and_never_sees_a_secret(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = shop.write(
        "edit.py",
        "import os, sys\n"
        "text = open(sys.argv[1]).read()\n"
        "open('seen', 'w').write(oct(os.stat(sys.argv[1]).st_mode)[-3:] + sys.argv[1] + text)\n"
        "open(sys.argv[1], 'w').write(text.replace('two', 'edited'))\n",
    )
    monkeypatch.setenv("EDITOR", f"python {editor}")
    monkeypatch.delenv("VISUAL", raising=False)
    assert "--edit is for one letter" in shop.run(
        "dead-letters", "replay", "1", "2", "--edit", wanted=2
    ).stderr  # fmt: skip
    shop.run("dead-letters", "replay", "1", "--edit")
    seen = Path("seen").read_text()
    assert seen.startswith("600") and "token-of-a-customer" not in seen and "[secret 1]" in seen
    assert not Path(seen[3:].split("{")[0]).exists()
    assert Path("asked").read_text().splitlines()[-1] == "1 edited token-of-a-customer"


@pytest.mark.parametrize(
    ("editor", "message"),
    [
        ("false", "ended with 1; nothing was replayed"),
        ("no-such-editor", "cannot start the editor"),
    ],
)
def test_an_editor_that_fails_replays_nothing(
    shop: Project, monkeypatch: pytest.MonkeyPatch, editor: str, message: str
) -> None:
    monkeypatch.setenv("VISUAL", editor)
    assert message in shop.run("dead-letters", "replay", "1", "--edit", wanted=2).stderr
    assert shop.json("dead-letters", "show", "1")["history"] == []


def test_a_file_for_the_editor_is_its_owners_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from surefoot.cli.editor import in_editor

    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.delenv("VISUAL", raising=False)
    modes: list[int] = []
    unlink = os.unlink

    def look(path: Any) -> None:
        modes.append(stat.S_IMODE(os.stat(path).st_mode))
        unlink(path)

    monkeypatch.setattr(os, "unlink", look)
    assert in_editor("{}") == "{}" and modes == [0o600]
    monkeypatch.setenv("EDITOR", "false")
    with pytest.raises(UsageError):
        in_editor("{}")
    assert modes == [0o600] * 2


def test_a_letter_is_given_up_with_a_reason(shop: Project) -> None:
    assert "Missing option '--reason'" in shop.run("dead-letters", "discard", "1", wanted=2).stderr
    shop.run("dead-letters", "discard", "1", "--reason", "left; password=hunter22")
    assert ids(shop) == [2]
    told = shop.json("dead-letters", "show", "1")
    assert told["state"] == "discarded" and "left; " in told["note"]
    assert "hunter22" not in told["note"]
    assert "is discarded" in shop.run("dead-letters", "replay", "1", wanted=2).stderr
    assert "is discarded" in shop.run(
        "dead-letters", "discard", "1", "--reason", "x", wanted=2
    ).stderr  # fmt: skip


def test_letters_to_replay_must_be_named_one_way(shop: Project) -> None:
    assert "which letters?" in shop.run("dead-letters", "replay", wanted=2).stderr
    both = shop.run("dead-letters", "replay", "1", "--all", wanted=2).stderr
    assert "not both" in both
    none = shop.run("dead-letters", "replay", "--all", "--kind", "timeout", wanted=2).stderr
    assert "no open dead letters" in none


def test_an_async_workflow_replays_in_a_loop(shop: Project) -> None:
    shop.run("run", "shop.py:later", "--run-id", "two", "--input", '["one", "two"]')
    mended(shop)
    told = shop.json("dead-letters", "replay", "--all", "--run", "two")["replays"]
    assert [one["outcome"] for one in told] == ["completed"]
    assert shop.json("resume", "two")["result"] == ["ONE", "TWO"]


def test_a_workflow_that_moved_is_named_and_one_that_is_gone_is_told(shop: Project) -> None:
    mended(shop)
    Path("shop.py").rename("moved.py")
    assert "if it has moved, name it" in shop.run("dead-letters", "replay", "1", wanted=2).stderr
    assert shop.json("show", "one")["status"] == "completed"
    shop.run("dead-letters", "replay", "1", "--workflow", "moved.py:triage")


def test_a_run_that_lives_is_locked_and_does_not_hold_up_the_others(shop: Project) -> None:
    child = shop.process("run", "shop.py:living", "--run-id", "two", "--arg", 'texts=["two"]')
    child.until("napping")
    mended(shop)
    done = shop.run("dead-letters", "replay", "--all", "--run", "two", wanted=4)
    assert "run two is held by pid" in done.stderr
    replays = shop.json("dead-letters", "replay", "--all", wanted=1)["replays"]
    assert [(one["run_id"], one["outcome"]) for one in replays] == [
        ("one", "completed"),
        ("one", "completed"),
        ("two", "not_tried"),
    ]
    assert "held by" in replays[-1]["message"]
    child.signal(signal.SIGKILL).end(-signal.SIGKILL)
    shop.run("dead-letters", "replay", "--all")
    assert shop.json("show", "two")["holder"]["alive"] is False, "it still waits for recover"
