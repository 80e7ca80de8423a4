"""``surefoot alerts``: what a person sees and orders."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from surefoot import Runtime, on, step, workflow
from surefoot.cli import main
from surefoot.config import Config
from tests.alerts.receivers import Hooks

TITLE = "job halted at load as connection - next: surefoot resume r1"


@step(name="load", recover=[on("connection").retry(attempts=2, base=0)])
def load() -> None:
    raise ConnectionRefusedError(111, "refused")


@workflow(name="job")
def job() -> None:
    load()


class Project:
    """A folder with settings, and a run in its journal that nobody was told of yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def settings(self, text: str) -> None:
        (self.path / "surefoot.toml").write_text(text, encoding="utf-8")

    def halt(self, run_id: str = "r1") -> None:
        """A halted run of a process without alerts."""
        journal = self.path / ".surefoot" / "journal.db"
        with Runtime(journal, durability="process", config=Config()) as runtime:
            from surefoot.journal.alerts import begin_alerts

            runtime.journal.group.commit(begin_alerts(runtime.clock.now()))
            job.with_options(run_id=run_id).start()

    def run(self, *args: str, wanted: int = 0) -> Result:
        result = CliRunner().invoke(main, ["alerts", *args], prog_name="surefoot")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == wanted, f"{result.exit_code}\n{result.stdout}\n{result.stderr}"
        return result

    def json(self, *args: str, wanted: int = 0) -> Any:
        return json.loads(self.run(*args, "--json", wanted=wanted).stdout)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "surefoot.toml").write_text("")
    return Project(tmp_path)


def sink(hooks: Hooks, name: str = "ops", more: str = "") -> str:
    return f'[alerts.sinks.{name}]\nurl = "{hooks.url(name)}"\n{more}\n'


def now_quiet() -> str:
    """Quiet hours that are on now, and for a while."""
    now = datetime.now()
    return f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"


# -- test -----------------------------------------------------------------------------------------


def test_a_test_message_goes_to_every_sink_and_each_ones_answer_is_told(
    project: Project, hooks: Hooks
) -> None:
    project.settings(
        sink(hooks) + '[alerts.sinks.away]\nurl = "json://127.0.0.1:9/T0kenT0kenT0ken99"\n'
    )
    result = project.run("test", wanted=1)
    ops, away = result.stdout.splitlines()
    assert ops == "ops: it took the message"
    assert away.startswith("away: FAILED: A Connection error occurred")
    assert "T0ken" not in result.output
    assert hooks.titles("ops") == ["Surefoot can reach you here: a test of the sink ops"]
    assert not (project.path / ".surefoot").exists()  # no journal is needed


def test_one_sink_is_tested_by_its_name(project: Project, hooks: Hooks) -> None:
    project.settings(sink(hooks) + sink(hooks, "dev"))
    assert project.json("test", "dev") == [{"sink": "dev", "arrived": True, "why": None}]
    assert [path for path, _ in hooks.got] == ["/dev"]
    told = project.run("test", "dve", wanted=2)
    assert "there is no sink 'dve'; did you mean 'dev'?" in told.stderr


def test_neither_rate_nor_quiet_hours_hold_a_test_back(project: Project, hooks: Hooks) -> None:
    project.settings(sink(hooks, more=f'quiet = "{now_quiet()}"\nrate = "1/d"'))
    for _ in range(3):
        project.run("test")
    assert len(hooks.got) == 3


def test_a_sink_that_hangs_is_told_after_its_time(project: Project, hooks: Hooks) -> None:
    hooks.hanging.set()
    project.settings(f'[alerts.sinks.ops]\nurl = "{hooks.url()}?rto=60"\ntimeout = 0.2\n')
    assert project.json("test", wanted=1) == [
        {"sink": "ops", "arrived": False, "why": "no answer within 0.2 s"}
    ]
    hooks.hanging.clear()


@pytest.mark.parametrize("words", [("test",), ("rules",), ("flush",)])
def test_without_a_sink_the_settings_to_write_are_told(
    project: Project, words: tuple[str, ...]
) -> None:
    project.halt()
    assert "no sink is configured; write into surefoot.toml" in project.run(*words, wanted=2).stderr


def test_a_mistake_in_the_settings_is_told(project: Project, hooks: Hooks) -> None:
    project.settings(sink(hooks, more='rate = "often"'))
    told = project.run("rules", wanted=2).stderr
    assert "surefoot.toml: [alerts.sinks.ops] rate = 'often' must be a number a time: 10/h" in told


# -- flush, list, retry ---------------------------------------------------------------------------


def test_flush_looks_at_the_journal_and_sends_what_is_due_once(
    project: Project, hooks: Hooks
) -> None:
    project.settings(sink(hooks))
    project.halt()
    assert project.run("flush").stdout == "1 alert sent\n"
    assert project.run("flush").stdout == "0 alerts sent\n"
    assert hooks.titles("ops") == [TITLE]
    told = project.json("list")
    [message] = told["messages"]
    assert (message["state"], message["title"], message["attempts"]) == ("sent", TITLE, 1)
    assert told["sinks"] == [{"sink": "ops", "sent": 1, "failed_attempts": 0}]
    text = project.run("list").stdout
    assert TITLE in text and "ops: 1 message sent" in text


def test_what_could_not_be_sent_is_told_shown_and_tried_again(
    project: Project, hooks: Hooks
) -> None:
    hooks.answers = [500, 500]
    project.settings(sink(hooks, more="max_attempts = 2"))
    project.halt()
    told = project.run("flush", wanted=1).stdout
    assert told.startswith("0 alerts sent\nnot sent to ops: ") and "500" in told
    [message] = project.json("list", "--state", "pending")["messages"]
    assert message["next_try_at"] is not None and "500" in message["why"]
    project.run("flush", wanted=1)  # a person's word: it does not wait for its time
    assert [one["state"] for one in project.json("list")["messages"]] == ["failed"]
    assert "send those that failed again with: surefoot alerts retry" in project.run("list").stdout
    assert project.run("flush").stdout == "0 alerts sent\n"
    assert "is not among those that failed" in project.run("retry", "99", wanted=2).stderr
    [number] = [one["id"] for one in project.json("list")["messages"]]
    assert "did you mean 'ops'?" in project.run("retry", "--sink", "op", wanted=2).stderr
    assert project.run("retry", str(number), "--sink", "ops").stdout == "1 alert sent\n"
    assert hooks.titles("ops") == [TITLE] * 3


def test_what_a_rate_or_the_night_holds_back_is_no_failure_of_a_flush(
    project: Project, hooks: Hooks
) -> None:
    quiet = now_quiet()
    for number in range(3):
        project.halt(f"r{number}")
    project.settings(sink(hooks, more=f'quiet = "{quiet}"') + sink(hooks, "dev", 'rate = "1/d"'))
    told = project.json("flush")
    assert [one["sink"] for one in told["sent"]] == ["dev"]
    assert (told["not_sent"], told["waiting"]) == ([], 1)
    assert "held" in project.run("list", "--sink", "ops").stdout
    [held] = project.json("list", "--sink", "ops", "--state", "held")["messages"]
    assert held["why"] == f"quiet hours {quiet}"
    assert "1 alert held back; see: surefoot alerts list" in project.run("flush").stdout


def test_what_is_held_back_until_a_digest_is_listed(project: Project, hooks: Hooks) -> None:
    project.settings(sink(hooks))
    project.halt()
    project.run("flush")
    project.halt("r2")
    project.halt("r3")
    project.run("flush")
    [held] = project.json("list")["held_back"]
    assert (held["sink"], held["held"]) == ("ops", 2)
    assert "ops: 2 more alerts of v" in project.run("list").stdout


def test_an_empty_list_says_so(project: Project) -> None:
    project.halt()
    assert project.run("list").stdout.startswith("there are no alerts in ")
    assert project.run("list", "--state", "failed").stdout.startswith("there are no failed alerts")


# -- rules ----------------------------------------------------------------------------------------


def test_rules_shows_who_is_told_of_what_and_never_an_address(
    project: Project, hooks: Hooks
) -> None:
    project.settings(
        sink(hooks, more='rate = "10/h"\nquiet = "22:00-07:00"\ntimezone = "Europe/Berlin"')
        + '[alerts.sinks.night]\nenv = "NOT_SET_ANYWHERE"\n'
        + '[[alerts.rules]]\nname = "models"\non = ["failure", "recovered"]\n'
        + 'category = "model"\nseverity = "error"\nafter = 3\nsinks = ["ops"]\n'
    )
    text = project.run("rules").stdout
    assert "10/h" in text and "22:00-07:00 Europe/Berlin" in text
    assert "the environment variable NOT_SET_ANYWHERE is not set" in text
    assert "category: model; severity: error; after: 3" in text
    assert "no rule reaches the sink night" in text
    assert "nobody is told of halted: a run was ended by a failure" in text
    told = project.json("rules")
    [rule] = told["rules"]
    assert (rule["name"], rule["after"], rule["sinks"]) == ("models", 3, ["ops"])
    assert told["sinks"][1]["problem"] == "the environment variable NOT_SET_ANYWHERE is not set"
    assert str(hooks.port) not in text + json.dumps(told)
