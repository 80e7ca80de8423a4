"""`surefoot doctor`: what is in place, and the next move where something is not."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from surefoot.store.sqlite import SCHEMA_VERSION

from .conftest import Project


def findings(project: Project, *args: str, wanted: int = 0) -> dict[str, list[Any]]:
    told = project.json("doctor", *args, wanted=wanted)
    assert told["ok"] is (wanted == 0)
    by_name: dict[str, list[Any]] = {}
    for one in told["findings"]:
        by_name.setdefault(one["name"], []).append(one)
    return by_name


def problem(project: Project, name: str, *args: str) -> tuple[str, str]:
    """The one problem of that name, with its next move."""
    found = [one for one in findings(project, *args, wanted=1)[name] if one["level"] == "problem"]
    assert len(found) == 1
    assert found[0]["next"]
    return found[0]["text"], found[0]["next"]


def test_all_is_well_in_a_new_project_and_nothing_is_made(
    project: Project, squeezed: Callable[[str], str]
) -> None:
    told = squeezed(project.run("doctor").stdout)
    assert told.endswith("all is well\n")
    assert "ok versions surefoot " in told
    assert f"ok journal {project.path}/.surefoot/journal.db: not there yet; the first run" in told
    assert not (project.path / ".surefoot").exists()


def test_versions_settings_patterns_rules_and_extras_are_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUREFOOT_LEASE", "5")
    found = findings(project)
    assert f"SQLite {sqlite3.sqlite_version}" in found["versions"][0]["text"]
    [settings] = found["settings"]
    assert "lease 5 s" in settings["text"]
    assert "from the environment: SUREFOOT_DURABILITY, SUREFOOT_LEASE" in settings["text"]
    assert "google-re2" in found["patterns"][0]["text"]
    assert "kinds" in found["rules"][0]["text"]
    assert "numpy: " in found["extras"][0]["text"]


def test_an_existing_journal_is_opened_and_written_to(project: Project) -> None:
    project.run("run", "pipeline.py:nothing")
    [journal] = findings(project)["journal"]
    assert journal["level"] == "ok"
    assert journal["text"].endswith(f"schema {SCHEMA_VERSION}, can be written; 1 run")


def test_wrong_settings_are_a_problem_and_the_rest_is_looked_at(project: Project) -> None:
    project.write("surefoot.toml", "lease = 'soon'\n")
    text, move = problem(project, "settings")
    assert "lease = 'soon' must be a number of seconds above 0" in text
    assert move == "correct it; until then nothing runs"
    assert "PROBLEM" not in project.run("doctor", wanted=1).stdout
    assert "1 problem" in project.run("doctor", wanted=1).stdout


def test_a_file_that_is_no_journal_is_a_problem(project: Project) -> None:
    project.write("other.db", "this is not a database at all, not even a small one")
    text, _ = problem(project, "journal", "--journal", "other.db")
    assert "is no Surefoot journal" in text


def test_a_journal_of_another_kind_is_a_problem(project: Project) -> None:
    text, _ = problem(project, "journal", "--journal", "mysql://db/x")
    assert "this version keeps its journal in SQLite" in text


def test_a_folder_that_cannot_be_written_to_is_a_problem(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    # root, whom tests may run as, may write everywhere
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    text, move = problem(project, "journal")
    assert "cannot be written to" in text
    assert move.startswith(f"chmod u+w {project.path}")


def test_a_file_where_a_folder_should_be_is_a_problem(project: Project) -> None:
    project.write("file", "")
    text, move = problem(project, "journal", "--journal", "file/j.db")
    assert "file cannot be written to" in text
    assert "SUREFOOT_JOURNAL" in move


def test_a_network_file_system_is_a_problem(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("surefoot.store.sqlite.network_file_system", lambda folder: "nfs4")
    text, move = problem(project, "journal")
    assert "network file system (nfs4)" in text
    assert "local disk" in move


def test_rules_that_cannot_be_read_are_each_a_problem(project: Project) -> None:
    project.write("rules.toml", '[[rule]]\nid = "x"\nkind = "rate_limit"\nclass = "a.B"\n')
    project.write("surefoot.toml", "rules = ['rules.toml', 'gone.toml']\n")
    found = findings(project, wanted=1)["rules"]
    texts = [one["text"] for one in found]
    assert any("rules.toml:3: kind: there is no kind 'rate_limit'" in text for text in texts)
    assert any("gone.toml: this file of rules cannot be read" in text for text in texts)


def test_rules_among_the_settings_are_read_too(project: Project) -> None:
    project.write("surefoot.toml", '[[rule]]\nid = "x"\nkind = "rate_limit"\nclass = "a.B"\n')
    text, move = problem(project, "rules")
    assert "there is no kind 'rate_limit'" in text
    assert move == "correct it; until then nothing runs"
    done = project.run("run", "pipeline.py:nothing", wanted=2)
    assert "there is no kind 'rate_limit'" in done.stderr


def test_a_teams_own_rules_are_counted(project: Project) -> None:
    project.write("rules.toml", '[[rule]]\nid = "x"\nkind = "timeout"\nclass = "a.B"\n')
    project.write("surefoot.toml", "rules = ['rules.toml']\n")
    assert findings(project)["rules"][0]["text"].endswith(", 1 of them yours")


def test_without_google_re2_the_note_says_what_stands_in(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("surefoot.catalog.pattern_engine", lambda: "re")
    [patterns] = findings(project)["patterns"]
    assert patterns["level"] == "note"
    assert "pip install google-re2" in patterns["next"]


def test_clients_that_retry_by_themselves_are_named_with_what_turns_them_off(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "surefoot.cli.doctor._version", lambda name: "9.9" if name == "openai" else None
    )
    found = findings(project)
    [client] = found["retries"]
    assert client["level"] == "note"
    assert client["text"] == "openai 9.9 retries twice by itself: attempts multiply"
    assert client["next"] == "in steps: OpenAI(max_retries=0)"
    assert (
        found["extras"][0]["text"]
        == "numpy: no; frames: no; tensors: no; models: no; alerts: no; postgres: no; "
        "objects: no; prefect: no; airflow: no; logs: no"
    )


def test_alerts_that_cannot_be_sent_are_a_problem(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "alerts" not in findings(project)  # nobody is to be told of anything
    project.write("surefoot.toml", '[alerts.sinks.team]\nenv = "TEAM_ALERTS_URL"\n')
    monkeypatch.setattr(
        "surefoot.cli.doctor._version", lambda name: "1.9" if name == "apprise" else None
    )
    assert problem(project, "alerts") == (
        "team: the environment variable TEAM_ALERTS_URL is not set",
        "set it, or nobody is told there",
    )
    monkeypatch.setenv("TEAM_ALERTS_URL", "json://hooks.example/in")
    assert findings(project)["alerts"][0]["text"] == (
        "1 sink, 1 rule; try them with: surefoot alerts test"
    )
    monkeypatch.setattr("surefoot.cli.doctor._version", lambda name: None)
    assert problem(project, "alerts") == (
        "Apprise is not installed",
        "install it with: pip install 'surefoot[alerts]'",
    )
    project.write("surefoot.toml", "[alerts.sink.team]\n")
    assert "has no key 'sink'; did you mean 'sinks'?" in problem(project, "alerts")[0]


def test_every_extra_for_users_is_looked_for() -> None:
    """`doctor` names the same extras as the package does."""
    import re

    from surefoot.cli.doctor import EXTRAS

    pyproject = Path(__file__).resolve().parents[2] / "pyproject.toml"
    table = pyproject.read_text().partition("# What a user may add")[2].partition("# What works")[0]
    given = dict(re.findall(r"(?m)^(\w+) = \[(.*)\]$", table))
    del given["demo"]
    assert set(EXTRAS) == set(given)
    for extra, names in EXTRAS.items():
        assert all(re.search(rf'"{name}(\[\w+\])?>=', given[extra]) for name in names)
