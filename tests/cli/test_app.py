"""The command line as a whole: help, suggestions, completion, and how text gets out."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from surefoot.cli import main
from surefoot.cli.out import ago, complain, plain, render, table, took, when, write, write_json
from surefoot.cli.telling import logging_for_people, traceback_of
from surefoot.runtime import Runtime

from .conftest import Project


def walk(
    path: tuple[str, ...], command: click.Command
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), name)
            assert found is not None
            yield from walk((*path, name), found)


COMMANDS = dict(walk((), main))


def test_all_commands_are_there() -> None:
    assert {" ".join(path) for path in COMMANDS if path} == {
        *("run", "resume", "recover", "runs", "show", "map", "scrub", "doctor", "completion"),
        *("rollback", "resolve", "cancel", "dead-letters", "postmortem", "prune"),
        *("chaos", *(f"chaos {name}" for name in ("run", "list", "replay")), "fault-proxy"),
        *(f"dead-letters {name}" for name in ("list", "show", "replay", "discard")),
        *("alerts", *(f"alerts {name}" for name in ("list", "test", "flush", "retry", "rules"))),
        "incidents",
        *(f"incidents {name}" for name in ("list", "show", "ack", "mute", "unmute", "resolve")),
        *(f"incidents {name}" for name in ("note", "assign", "merge")),
        *("catalog", "catalog list", "catalog explain", "catalog lint", "catalog export"),
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_teaches_by_example(project: Project, path: tuple[str, ...]) -> None:
    told = project.run(*path, "--help").stdout
    assert told.startswith("Usage: surefoot")
    assert f"    surefoot {' '.join(path)}".rstrip() in told.partition("Examples:")[2]
    assert told == project.run(*path, "-h").stdout
    if not isinstance(COMMANDS[path], click.Group) and path != ("completion",):
        assert "--json" in told
        reads_a_journal = path[0] not in ("catalog", "chaos", "fault-proxy") or path == (
            "catalog",
            "export",
        )
        reads_a_journal &= path not in (("alerts", "test"), ("alerts", "rules"))
        assert ("--journal" in told) == reads_a_journal


def test_the_version_is_the_packages(project: Project) -> None:
    import surefoot

    assert project.run("--version").stdout == f"surefoot {surefoot.__version__}\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["shwo"], "There is no command 'shwo'. Did you mean 'show'?"),
        (["catalog", "explian"], "There is no command 'explian'. Did you mean 'explain'?"),
        (["zzz"], "There is no command 'zzz'."),
        (["runs", "--limt", "3"], "--limit"),
        (["run"], "Missing argument 'TARGET'"),
        (["runs", "--status", "gone"], "'gone' is not one of 'running'"),
        (["run", "x:y", "--durability", "none"], "'none' is not one of 'power', 'process'"),
    ],
)
def test_what_was_probably_meant_is_said(project: Project, args: list[str], message: str) -> None:
    done = project.run(*args, wanted=2)
    assert message in done.stderr
    assert done.stdout == ""
    assert message in project.json(*args, wanted=2)["error"]["message"]


def test_without_a_command_the_help_is_shown(project: Project) -> None:
    done = project.run(wanted=2)
    assert "Commands:" in done.stderr + done.stdout


# -- completion -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(
    project: Project, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    told = project.run("completion", shell).stdout
    assert f"_SUREFOOT_COMPLETE={shell}_complete" in told
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    assert project.run("completion").stdout == told


def test_another_shell_is_told_which_there_are(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert "$SHELL is 'tcsh'" in project.run("completion", wanted=2).stderr


def completions(project: Project, monkeypatch: pytest.MonkeyPatch, words: str) -> str:
    monkeypatch.setenv("_SUREFOOT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    return project.run().stdout


def test_commands_and_runs_are_completed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.run("run", "pipeline.py:nothing", "--run-id", "today")
    project.run("run", "pipeline.py:nothing", "--run-id", "tomorrow")
    assert completions(project, monkeypatch, "surefoot rec") == "plain,recover\n"
    assert completions(project, monkeypatch, "surefoot show tod") == "plain,today\n"


def test_without_a_journal_no_run_is_completed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert completions(project, monkeypatch, "surefoot show x").strip() == ""
    assert not (project.path / ".surefoot").exists()


# -- mistakes of ours -----------------------------------------------------------------------------


def test_a_mistake_of_ours_is_told_as_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("surefoot.runtime.Runtime.__enter__", broken)
    done = project.run("runs", wanted=1)
    assert (
        "ZeroDivisionError: division by zero (a mistake in Surefoot: please report" in done.stderr
    )
    assert "Traceback" in done.stderr  # for the report
    assert project.json("runs", wanted=1)["error"]["type"] == "ZeroDivisionError"


def test_a_current_folder_that_is_gone_is_told(project: Project, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    done = project.run("runs", wanted=1)
    assert "surefoot: the system refused: " in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_can_be_called_by_a_program(project: Project) -> None:
    project.run("run", "pipeline.py:nothing")
    assert main.main(["runs"], standalone_mode=False) == 0
    assert main.main(["show", "nix"], standalone_mode=False) == 2


# -- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, ""), (0.0, "0.00 ms"), (0.00021, "0.21 ms"), (0.0214, "21.4 ms"), (0.9996, "1 s"),
        (1.0, "1 s"), (59.94, "59.9 s"), (59.96, "1 min"), (61, "1 min 1 s"), (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)  # fmt: skip
def test_durations_are_told_as_people_tell_them(seconds: float | None, told: str) -> None:
    assert took(seconds) == told


def test_times_are_told_in_the_readers_time_zone() -> None:
    assert when(None) == ""
    assert len(when("2026-11-22T23:45:01.123+00:00")) == 19
    assert ago("2026-11-22T23:45:01.500+00:00", "2026-11-22T23:45:03.000+00:00") == 1.5
    assert ago(None, "2026-11-22T23:45:03.000+00:00") is None


def test_characters_that_steer_a_terminal_are_spelt_out() -> None:
    assert plain("a\x1b[31m\x07\x9b\u2028") == "a\\x1b[31m\\x07\\x9b\\u2028"
    assert plain("evil\u202etxt.exe \ud800") == "evil\\u202etxt.exe \\ud800"
    assert plain("naïve 文 \u00a0👩\u200d💻") == "naïve 文 \u00a0👩\u200d💻"
    assert plain("words\n\tand more") == "words\n\tand more"


def test_what_the_terminal_cannot_show_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    write("2 × timeout")
    assert raw.getvalue() == b"2 ? timeout\n"


def test_a_closed_output_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    write("x")
    complain("x")


def test_json_is_json_whatever_numbers_are_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"a": [float("inf"), 1.5, {"b": float("nan")}], "c": "é\ud800"})
    assert capsys.readouterr().out == (
        '{\n  "a": [\n    "inf",\n    1.5,\n    {\n      "b": "nan"\n    }\n  ],\n'
        '  "c": "\\u00e9\\ud800"\n}\n'
    )


def test_a_table_is_cut_for_a_person_and_never_for_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    text = render(table(("", ""), [("long", "x " * 300)]))
    assert "\n" not in text
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, render(table(("", ""), [("long", "x " * 300)])).splitlines())) <= 40


# -- log lines ------------------------------------------------------------------------------------


@contextlib.contextmanager
def untouched_logger() -> Iterator[logging.Logger]:
    """The logger as it is where nobody has set up logging; pytest has, in every phase of a test."""
    logger = logging.getLogger("surefoot")
    handlers, logger.handlers, logger.propagate = logger.handlers, [], False
    try:
        yield logger
    finally:
        logger.handlers, logger.propagate = handlers, True


def test_a_failure_is_one_scrubbed_line_and_not_a_thousand(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with untouched_logger() as logger, logging_for_people(Runtime()):
        for number in range(9):
            extra = {"step": "answer", "kind": "timeout"}
            logger.warning("try %d password=hunter22\x1b", number, extra=extra)
        logger.error("halted", extra={"step": "answer", "kind": "timeout"})
        logger.warning("drifted")
        logger.info("small")
    logger.warning("later", extra={"step": "answer"})
    err = capsys.readouterr().err
    assert "surefoot: try 4 password=" in err
    assert "try 5" not in err
    assert "(further timeout in answer are not told here)" in err
    assert "surefoot: drifted" in err
    assert all(
        word not in err for word in ("hunter22", "\x1b", "halted", "small", "surefoot: later")
    )


def test_a_programs_own_logging_stands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with untouched_logger() as logger:
        logger.addHandler(logging.NullHandler())
        with logging_for_people(Runtime()):
            logger.warning("told by the program's own handler")
    assert capsys.readouterr().err == ""


def test_a_log_record_that_cannot_be_told_breaks_nothing(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with untouched_logger() as logger, logging_for_people(Runtime()):
        logger.warning("%d", "no number")
    assert capsys.readouterr().err == "surefoot: %d (its arguments do not fit)\n"


def test_a_traceback_shows_causes_without_our_frames_and_without_secrets() -> None:
    def load() -> None:
        try:
            Runtime(durability="none")
        except Exception as exc:
            raise RuntimeError("password=hunter22") from exc

    with pytest.raises(RuntimeError) as caught:
        load()
    told = traceback_of(caught.value)
    assert "ConfigError: durability='none'" in told
    assert "The above exception was the direct cause" in told
    assert "/runtime.py" not in told
    assert "hunter22" not in told
