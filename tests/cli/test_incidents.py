"""`surefoot incidents`: list, show, and what people say of them."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from surefoot.errors import UsageError

from .conftest import Project

SHOP = """
import os
import time
from pathlib import Path
from surefoot import on, spend, step, workflow

@step(name="answer", stage="inference", resource="openai")
def answer(text: str) -> str:
    if text.startswith("bad"):
        spend(0.25, tokens=100)
        raise ValueError(f"no answer; password=hunter22")
    return text

@step(name="flaky", recover=[on("connection").retry(attempts=3, base=0.001, cap=0.001)])
def flaky() -> None:
    if not Path("tried").exists():
        Path("tried").touch()
        raise ConnectionResetError(104, "Connection reset by peer")

@step(name="strict", attempts=1)
def strict() -> None:
    if Path("strict").exists():
        raise KeyError("a column")

@step(name="nap")
def nap() -> None:
    if Path("nap").exists():
        Path("napping").touch()
        time.sleep(60)

@workflow
def triage(texts: list[str]) -> int:
    flaky()
    strict()
    if Path("body").exists():
        raise LookupError("the workflow's own")
    found = answer.map(texts, workers=1, max_failure_ratio=1)
    nap()
    return len(found.results)
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """Run `one`: a retry, and two items set aside. Run `two`: halted by `strict`."""
    project.write("shop.py", SHOP)
    run(project, "one", ["fine", "bad 1", "bad 2"])
    project.write("strict", "")
    run(project, "two", [], wanted=1)
    return project


def run(project: Project, run_id: str, texts: list[str], wanted: int = 0) -> None:
    given = ("run", "shop.py:triage", "--run-id", run_id, "--input", json.dumps(texts))
    project.run(*given, wanted=wanted)


def shown(project: Project, name: str) -> Any:
    return project.json("incidents", "show", name)


def later(project: Project, days: float) -> None:
    """All that the journal holds happened so many days earlier."""
    place = project.path / ".surefoot" / "journal.db"
    with contextlib.closing(sqlite3.connect(place, isolation_level=None)) as connection:
        for table, column in (
            ("incidents", "first_at"),
            ("incidents", "last_at"),
            ("incidents", "opened_at"),
            ("incidents", "resolved_at"),
            ("incident_events", "at"),
        ):
            connection.execute(f"UPDATE {table} SET {column} = {column} - ?", (days * 86_400,))


def test_the_list_shows_what_is_not_over_the_most_urgent_first(
    shop: Project, squeezed: Callable[[str], str]
) -> None:
    told = squeezed(shop.run("incidents", "list").stdout)
    lines = told.splitlines()
    assert lines[0].split() == ["ID", "IS", "SEEN", "AGO", "TIMES", "RUNS", "WHAT"]
    assert lines[1].startswith("3 open ") and "1 1 bug in strict: 1 halted" in lines[1]
    assert lines[2].startswith("2 open ") and "2 1 invalid_value in answer: 2 set aside" in lines[2]
    assert len(lines) == 3
    assert squeezed(shop.run("incidents").stdout).splitlines()[0] == lines[0]
    every = squeezed(shop.run("incidents", "--state", "all").stdout)
    assert "1 resolved" in every and "connection in flaky: 1 recovered by a retry" in every


def test_the_list_fits_80_columns(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shop.run("incidents", "ack", "2", "--owner", "a person with a long name of many words")
    later(shop, 40)
    run(shop, "three", ["bad 3"], wanted=1)
    told = shop.run("incidents", "list", "--state", "all").stdout
    assert max(map(len, told.splitlines())) <= 80
    assert "acknowledged" not in told and " ack " in told


def test_the_list_for_programs_and_its_filters(shop: Project) -> None:
    [first, second] = shop.json("incidents")
    assert (first["id"], first["kind"], first["ended"]) == (3, "bug", {"halted": 1})
    assert second["step"] == "answer" and second["stage"] == "inference"
    assert second["resource"] == "openai"
    assert (second["failures"], second["runs"], second["items"]) == (2, 1, 2)
    assert second["ended"] == {"set_aside": 2} and second["open_dead_letters"] == 2
    assert (second["cost_wasted"], second["tokens_wasted"]) == (0.5, 200)
    assert second["workflows"] == ["triage"]
    assert "history" not in second

    def found(*args: str) -> list[int]:
        return [one["id"] for one in shop.json("incidents", "list", *args)]

    assert found("--state", "resolved") == [1]
    assert found("--state", "open", "--state", "resolved") == [3, 2, 1]
    assert found("--state", "all", "--kind", "connection") == [1]
    assert found("--category", "code") == [3]
    assert found("--step", "answer") == [2]
    assert found("--workflow", "triage", "--state", "all") == [3, 2, 1]
    assert found("--workflow", "other", "--state", "all") == []
    assert found("--run", "two", "--state", "all") == [3]
    assert found("--since", "24h") == [3, 2]
    later(shop, 2)
    assert found("--since", "24h") == []
    assert found("--limit", "1") == [3]
    assert "show them with --limit 10" in shop.run("incidents", "--limit", "1").stdout


def test_what_there_is_none_of_is_said(project: Project) -> None:
    project.write("shop.py", SHOP)
    project.write("tried", "")
    run(project, "one", [])
    told = project.run("incidents").stdout
    assert told.startswith("the journal ") and "has no incidents: nothing has failed yet" in told
    (project.path / "tried").unlink()
    run(project, "two", [])
    assert "no open or acknowledged or muted incidents; see all with: surefoot incidents list" in (
        project.run("incidents").stdout
    )
    assert "no resolved incidents like that" in (
        project.run("incidents", "list", "--state", "resolved", "--kind", "bug").stdout
    )


def test_one_is_shown_with_all_that_is_known(shop: Project, squeezed: Callable[[str], str]) -> None:
    told = squeezed(shop.run("incidents", "show", "2").stdout)
    fingerprint = shown(shop, "2")["fingerprint"]
    for part in (
        "incident 2: open\n",
        "what invalid_value in answer (inference), resource openai",
        "said ValueError: no answer; password=",
        "2 failures in all",
        "touched 1 run of triage; 2 items",
        "ended 2 set aside",
        "wasted $0.5",
        f"next surefoot dead-letters list --fingerprint {fingerprint}",
        "one triage completed 2 ",
        "to do ",
        " opened",
    ):
        assert part in told, part
    assert "hunter22" not in told
    assert "next surefoot resume two" in squeezed(shop.run("incidents", "show", "3").stdout)
    one = shown(shop, fingerprint)
    assert one["id"] == 2 and shown(shop, fingerprint[:10])["id"] == 2
    assert [run["run_id"] for run in one["last_runs"]] == ["one"]
    [opened] = one["history"]
    assert (opened["event"], opened["author"]) == ("opened", None)
    assert datetime.fromisoformat(opened["at"]).tzinfo is not None


def test_a_workflows_own_failure_is_told_without_a_step(
    shop: Project, squeezed: Callable[[str], str]
) -> None:
    (shop.path / "strict").unlink()
    shop.write("body", "")
    run(shop, "three", [], wanted=1)
    assert shown(shop, "4")["step"] is None
    assert "in the workflow itself: 1 halted" in squeezed(shop.run("incidents").stdout)
    assert "in the workflow's own code" in squeezed(shop.run("incidents", "show", "4").stdout)


def test_what_came_back_says_so_in_the_list_and_alone(
    shop: Project, squeezed: Callable[[str], str]
) -> None:
    (shop.path / "strict").unlink()
    later(shop, 9)
    (shop.path / "tried").unlink()
    shop.write("strict", "")
    run(shop, "three", [], wanted=1)
    # the connection settled by itself, nine days ago, and now again
    assert shown(shop, "1")["seen_again"] == "seen again after 9 days"
    told = squeezed(shop.run("incidents", "list", "--state", "all").stdout)
    assert "connection in flaky: 2 recovered by a retry; seen again after 9 days" in told
    told = squeezed(shop.run("incidents", "show", "1").stdout)
    assert told.startswith("incident 1: resolved, seen again after 9 days")
    assert "came back 1 time after it was resolved; seen again after 9 days" in told
    assert shown(shop, "1")["regressions"] == 1


def test_the_setting_says_what_a_regression_is(shop: Project) -> None:
    shop.write("surefoot.toml", '[incidents]\nregression_after = "30d"\n')
    later(shop, 9)
    (shop.path / "tried").unlink()
    run(shop, "three", [], wanted=1)
    assert shown(shop, "1")["regressions"] == 0
    shop.write("surefoot.toml", '[incidents]\nregresion_after = "30d"\n')
    told = shop.run("incidents", wanted=2).stderr
    assert "surefoot.toml: [incidents]: unknown key 'regresion_after'; did you mean" in told


# -- orders ---------------------------------------------------------------------------------------


def test_people_acknowledge_assign_and_note(shop: Project, squeezed: Callable[[str], str]) -> None:
    told = shop.run("incidents", "ack", "3", "--owner", "ada", "--note", "on it", "--by", "ben")
    assert told.stdout == "incident 3 is acknowledged; ada has it\n"
    assert shop.run("incidents", "assign", "3", "eve").stdout == "incident 3: eve has it\n"
    given = ("incidents", "note", "3", "see postgres://u:geheim77@db/x password=hunter22")
    assert shop.run(*given).stdout == "incident 3: noted\n"
    one = shown(shop, "3")
    assert (one["state"], one["owner"]) == ("acknowledged", "eve")
    import getpass

    me = getpass.getuser()
    told_of = [(row["event"], row["author"]) for row in one["history"]]
    assert told_of == [
        ("opened", None),
        ("acknowledged", "ben"),
        ("assigned", "ben"),
        ("assigned", me),
        ("note", me),
    ]
    files = (shop.path / ".surefoot").glob("journal.db*")
    everything = b"".join(file.read_bytes() for file in files)
    assert b"on it" in everything
    for secret in (b"geheim77", b"hunter22"):
        assert secret not in everything
    told_text = squeezed(shop.run("incidents", "show", "3").stdout)
    assert "on it" in told_text and "owner eve" in told_text


def test_people_mute_and_unmute(shop: Project, squeezed: Callable[[str], str]) -> None:
    assert shop.run("incidents", "mute", "3", "--for", "2d").stdout == (
        "incident 3 is muted for 2 days\n"
    )
    told = squeezed(shop.run("incidents").stdout).splitlines()
    assert told[1].startswith("2 open") and told[2].startswith("3 muted")
    assert "for 2 days more" in told[2]
    run(shop, "three", [], wanted=1)
    assert shown(shop, "3")["state"] == "muted"
    assert shop.run("incidents", "unmute", "3").stdout == "incident 3 is open\n"
    assert "until you unmute it" in shop.run("incidents", "mute", "3").stdout
    told = shop.run("incidents", "mute", "3", "--for", "soon", wanted=2).stderr
    assert "--for 'soon': give a number and a unit" in told
    (shop.path / "strict").unlink()
    shop.run("resume", "two")
    shop.run("resume", "three")
    assert shop.run("incidents", "unmute", "3").stdout == (
        "incident 3 is resolved: all that it touched has recovered\n"
    )
    assert "not muted: there is nothing to unmute" in (
        shop.run("incidents", "unmute", "3", wanted=2).stderr
    )


def test_people_resolve_and_are_told_what_is_left(shop: Project) -> None:
    told = shop.run("incidents", "resolve", "3", "--note", "mended").stdout
    assert told == (
        "incident 3 is resolved, though 1 call of it did not end; go on with: surefoot resume two\n"
    )
    told = shop.run("incidents", "resolve", "2").stdout
    assert told == "incident 2 is resolved, though 2 items of it are set aside\n"
    assert shop.run("incidents", "resolve", "1").stdout == "incident 1 is resolved\n"
    run(shop, "three", [], wanted=1)
    one = shown(shop, "3")
    assert (one["state"], one["regressions"], one["failures"]) == ("open", 1, 2)
    told = shop.run("incidents", "resolve", "3", "--by", "recovery", wanted=2).stderr
    assert "say who you are: --by NAME" in told


def test_people_merge(shop: Project, squeezed: Callable[[str], str]) -> None:
    told = shop.run("incidents", "merge", "3", "2").stdout
    assert told == "incident 2 stands for 3 too: 3 failures in all\n"
    one = shown(shop, "2")
    assert one["merged"] == [{"id": 3, "fingerprint": shown(shop, "3")["fingerprint"]}]
    assert one["ended"] == {"halted": 1, "set_aside": 2}
    assert [row["incident"] for row in one["history"]].count(3) == 2
    assert shown(shop, "3")["merged_into"] == 2
    assert [each["id"] for each in shop.json("incidents")] == [2]
    assert [each["id"] for each in shop.json("incidents", "list", "--run", "two")] == [2]
    told = squeezed(shop.run("incidents", "show", "3").stdout)
    assert "merged into 2" in told and "next surefoot incidents show 2" in told
    for args, said in (
        (("3", "1"), "was merged into 2, which stands for both; name that one"),
        (("2", "2"), "cannot be merged into itself"),
        (("2", "3"), "was merged into 2 already"),
        (("1", "3"), "merge into that one: surefoot incidents merge 1 2"),
        (("1", "77"), "there is no incident '77'"),
    ):
        assert said in shop.run("incidents", "merge", *args, wanted=2).stderr, args


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("show", "99"), "there is no incident '99' in "),
        (("show", "v2-"), "at least 8 characters of it"),
        (("ack", "1"), "is resolved: there is nothing to acknowledge"),
        (("note", "2", "  "), "TEXT: give 1 to 10,000 characters"),
        (("note", "2", "x" * 10_001), "TEXT: give 1 to 10,000 characters"),
        (("ack", "2", "--by", ""), "--by: give 1 to"),
        (("list", "--run", "nine"), "there is no run 'nine'"),
        (("list", "--since", "x"), "--since 'x': give a number and a unit"),
        (("list", "--state", "gone"), "'gone' is not one of"),
        (("shwo", "2"), "Did you mean 'show'?"),
    ],
)
def test_what_is_asked_for_wrongly_ends_with_2_and_says_the_next_move(
    shop: Project, args: tuple[str, ...], said: str
) -> None:
    assert said in shop.run("incidents", *args, wanted=2).stderr


def test_a_near_miss_names_the_nearest(shop: Project) -> None:
    fingerprint = shown(shop, "2")["fingerprint"]
    wrong = fingerprint[:-1] + ("0" if fingerprint[-1] != "0" else "1")
    told = shop.run("incidents", "show", wrong, wanted=2).stderr
    assert f"near it are 2 ({fingerprint})" in told
    assert "list them with: surefoot incidents list --state all" in told


def test_every_order_answers_programs_with_the_incident(shop: Project) -> None:
    for args in (
        ("ack", "3"),
        ("mute", "3"),
        ("unmute", "3"),
        ("assign", "3", "ada"),
        ("note", "3", "x"),
        ("resolve", "3"),
        ("merge", "2", "3"),
    ):
        told = shop.json("incidents", *args)
        assert (told["id"], told["step"]) == (3, "strict"), args
        assert told["history"][-1]["event"] in (
            "acknowledged", "muted", "unmuted", "assigned", "note", "resolved", "merged", "opened"
        )  # fmt: skip


def test_without_a_journal_it_ends_with_3(project: Project) -> None:
    assert "there is no journal at" in project.run("incidents", wanted=3).stderr
    assert project.json("incidents", "show", "1", wanted=3)["error"]["exit_code"] == 3


def test_whoever_the_system_does_not_know_must_say_it(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    import getpass

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert "say it with --by NAME" in shop.run("incidents", "ack", "3", wanted=2).stderr
    shop.run("incidents", "ack", "3", "--by", "ada")


def test_what_steers_a_terminal_is_shown_as_text(shop: Project) -> None:
    shop.run("incidents", "note", "3", "red \x1b[31m")
    assert "\x1b" not in shop.run("incidents", "show", "3").stdout


def test_a_process_that_died_is_told_and_its_incident_waits(
    shop: Project, squeezed: Callable[[str], str]
) -> None:
    (shop.path / "strict").unlink()
    (shop.path / "tried").unlink()
    shop.write("nap", "")
    given = ("run", "shop.py:triage", "--run-id", "dies", "--input", '["bad 9"]')
    shop.process(*given).until("napping").signal(signal.SIGKILL).end(-signal.SIGKILL)
    one = shown(shop, "2")
    assert one["last_runs"][0]["status"] == "died"
    assert one["ended"] == {"set_aside": 3} and one["failures"] == 3
    (shop.path / "nap").unlink()
    shop.run("resume", "dies")
    shop.run("dead-letters", "discard", "1", "2", "3", "--reason", "enough")
    assert shown(shop, "2")["state"] == "resolved"


def test_a_usage_error_is_one_for_programs_too(shop: Project) -> None:
    told = shop.json("incidents", "show", "99", wanted=2)["error"]
    assert (told["type"], told["exit_code"]) == (UsageError.__name__, 2)
