"""`surefoot run` and `surefoot resume`: targets, input, output, exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Project

# -- what is run ----------------------------------------------------------------------------------


def test_a_workflow_of_a_file_runs_and_its_result_is_told(project: Project) -> None:
    told = project.run("run", "pipeline.py:several", "--arg", "a=1").stdout
    assert re.search(r"(?m)^run \d{8}-\d{6}-[0-9a-f]{6} of several: completed in ", told)
    assert 'result  [1, "b", 1.5]' in told


def test_a_workflow_of_a_module_runs_from_the_current_folder(project: Project) -> None:
    project.write("shop/__init__.py", "")
    project.write("shop/flows.py", (project.path / "pipeline.py").read_text())
    assert project.json("run", "shop.flows:nothing")["status"] == "completed"


def test_an_async_workflow_runs(project: Project) -> None:
    assert project.json("run", "pipeline.py:later", "--input", "41")["result"] == 42


@pytest.mark.parametrize(
    ("given", "result"),
    [
        (["--input", '{"a": 1}'], [1, "b", 1.5]),
        (["--input", '{"a": 1, "b": "x", "c": 2}'], [1, "x", 2.0]),
        (["--input", '{"a": 1}', "--arg", "a=2"], [2, "b", 1.5]),
        (["--arg", "a=1", "--arg", "b=plain words", "--arg", "c=7"], [1, "plain words", 7.0]),
        (["--arg", "a=1", "--arg", "b=x=y"], [1, "x=y", 1.5]),
    ],
)
def test_input_comes_as_json_or_as_single_arguments(
    project: Project, given: list[str], result: list[object]
) -> None:
    assert project.json("run", "pipeline.py:several", *given)["result"] == result


def test_input_comes_from_standard_input(project: Project) -> None:
    assert project.json("run", "pipeline.py:later", "--input", "-", stdin="1\n")["result"] == 2


def test_values_become_what_the_annotations_say(project: Project) -> None:
    told = project.json("run", "pipeline.py:triage", "--input", '"tickets.txt"')
    assert told["result"] == {"n": 3, "path": "tickets.txt"}
    assert told["input"] == {"path": "tickets.txt"}


# -- what is written ------------------------------------------------------------------------------


def test_the_summary_tells_what_failed_and_what_was_done_about_it(
    project: Project, squeezed: Callable[[str], str]
) -> None:
    told = squeezed(project.run("run", "pipeline.py:triage", "--arg", "path=tickets.txt").stdout)
    run_id = project.latest()
    assert "calls 7 completed, 1 set aside, 1 needed more than one attempt" in told
    assert "failures 1 × connection in answer: tried again after " in told
    assert "1 × invalid_value in answer: set aside" in told
    assert f"set aside 1 item; see them with: surefoot show {run_id}" in told
    assert 'result {"n": 3, "path": "tickets.txt"}' in told
    assert "next" not in told


def test_a_halted_run_tells_what_failed_as_what_and_how_to_resume(
    project: Project, squeezed: Callable[[str], str]
) -> None:
    done = project.run("run", "pipeline.py:gate", wanted=1)
    run_id, told = project.latest(), squeezed(done.stdout)
    assert f"run {run_id} of gate: halted in " in told
    assert "failed check (attempt 2)" in told
    assert "as unknown (code" in told
    assert "because tried 2 times as unknown (the limit is 2)" in told
    assert "said pipeline.Broken: go is missing; token=" in told
    assert "abcdef123456" not in done.stdout + done.stderr
    assert f"next mend the cause, then: surefoot resume {run_id}" in told


def test_a_halt_shows_the_users_exception_and_none_of_our_frames(project: Project) -> None:
    shown = project.run("run", "pipeline.py:gate", wanted=1).stderr
    assert "Traceback (most recent call last):" in shown
    assert 'pipeline.py", line' in shown
    assert "in check" in shown
    assert "/surefoot/" not in shown.replace("\\", "/")
    assert f"resume it with: surefoot resume {project.latest()}" in shown


def test_a_failure_of_the_workflows_own_code_is_told_as_such(
    project: Project, squeezed: Callable[[str], str]
) -> None:
    done = project.run("run", "pipeline.py:body", "--input", "1", wanted=1)
    told = squeezed(done.stdout)
    assert "failed the workflow's own code" in told
    assert "said KeyError: 'price'" in told
    assert "raise KeyError" in done.stderr


def test_a_map_of_which_too_many_items_failed_is_told_as_such(
    project: Project, squeezed: Callable[[str], str]
) -> None:
    project.write(
        "refusing.py",
        "from surefoot import step, workflow\n"
        "@step\ndef refuse(n: int) -> int:\n    raise ValueError(f'no {n}')\n"
        "@workflow\ndef w() -> int:\n    return len(refuse.map(range(30), workers=1).results)\n",
    )
    done = project.run("run", "refusing.py:w", wanted=1)
    told = squeezed(done.stdout)
    assert "failed refuse.map: 30 items, 20 set aside" in told
    assert "as invalid_value (data)" in told
    assert "max_failure_ratio=0.5 allows" in told
    assert "MapHalted: step refuse: 20 of 20 items failed" in done.stderr


def test_a_named_journal_stands_in_the_commands_that_are_proposed(project: Project) -> None:
    done = project.run("run", "pipeline.py:gate", "--journal", "my own.db", wanted=1)
    assert re.search(r"surefoot resume \S+ --journal 'my own.db'", done.stdout)
    assert (project.path / "my own.db").exists()


def test_the_journal_may_come_from_the_environment(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUREFOOT_JOURNAL", "sqlite:///state/j.db")
    project.run("run", "pipeline.py:nothing")
    assert (project.path / "state/j.db").exists()
    assert len(project.json("runs")) == 1


def test_the_json_of_run_resume_and_show_is_the_same_document(project: Project) -> None:
    ran = project.json("run", "pipeline.py:triage", "--arg", "path=tickets.txt")
    resumed = project.json("resume", ran["run_id"])
    shown = project.json("show", ran["run_id"])
    assert ran == resumed
    assert ran == shown
    assert set(ran) >= {"run_id", "workflow", "status", "input", "result", "degraded"}
    assert {step["id"] for step in ran["steps"] if step["item"] is not None}
    assert [one["kind"] for one in sorted(ran["failures"], key=lambda one: one["item"])] == [
        "connection",
        "invalid_value",
    ]


def test_with_json_a_workflows_own_words_do_not_get_in_between(project: Project) -> None:
    done = project.run("run", "pipeline.py:several", "--arg", "a=1", "--json")
    assert json.loads(done.stdout)["status"] == "completed"
    assert "the workflow's own words" in done.stderr


def test_a_halted_run_gives_its_document_too(project: Project) -> None:
    told = project.json("run", "pipeline.py:gate", wanted=1)
    assert told["status"] == "halted"
    assert told["error"]["type"] == "pipeline.Broken"
    assert told["result"] is None


def test_results_are_given_raw_and_shown_scrubbed(project: Project) -> None:
    given = ["--arg", "a=1", "--arg", "b=password=hunter22"]
    ran = project.json("run", "pipeline.py:several", *given)
    assert ran["result"][1] == "password=hunter22"
    shown = project.json("show", ran["run_id"])
    assert "hunter22" not in json.dumps(shown)
    assert "hunter22" not in project.run("show", ran["run_id"]).stdout
    assert project.json("resume", ran["run_id"])["result"][1] == "password=hunter22"


def test_a_long_result_is_cut_for_people_and_says_where_all_of_it_is(project: Project) -> None:
    told = project.run("run", "pipeline.py:several", "--arg", "a=1", "--arg", f"b={'x' * 5_000}")
    assert len(told.stdout) < 3_000
    assert f"all of it: surefoot resume --json {project.latest()})" in told.stdout


def test_numbers_that_json_has_no_word_for_are_told_as_texts(project: Project) -> None:
    assert project.json("run", "pipeline.py:several", "--arg", "a=1", "--arg", "c=NaN")[
        "result"
    ] == [
        1,
        "b",
        "nan",
    ]


# -- runs that exist ------------------------------------------------------------------------------


def test_a_run_that_completed_is_only_read(project: Project) -> None:
    project.run("run", "pipeline.py:later", "--input", "1", "--run-id", "today")
    again = project.run("run", "pipeline.py:later", "--input", "1", "--run-id", "today")
    assert "(read from the journal; nothing ran)" in again.stdout
    assert "result  2" in again.stdout


def test_a_run_that_halted_is_only_read_and_ends_with_1(project: Project) -> None:
    project.run("run", "pipeline.py:gate", "--run-id", "today", wanted=1)
    Path("go").touch()
    again = project.run("run", "pipeline.py:gate", "--run-id", "today", wanted=1)
    assert "nothing ran" in again.stdout
    assert "surefoot resume today" in again.stdout


def test_a_run_of_other_input_is_refused(project: Project) -> None:
    project.run("run", "pipeline.py:later", "--input", "1", "--run-id", "today")
    done = project.run("run", "pipeline.py:later", "--input", "2", "--run-id", "today", wanted=2)
    assert "run today was started with other input" in done.stderr


def test_resume_runs_what_is_left_and_tells_what_it_reused(
    project: Project, squeezed: Callable[[str], str]
) -> None:
    project.run("run", "pipeline.py:gate", "--run-id", "today", wanted=1)
    Path("go").touch()
    told = squeezed(project.run("resume", "today").stdout)
    assert "run today of gate: completed" in told
    assert "reused 1 result kept from before, " in told
    assert "result sent firstgo" in told


def test_resume_finds_the_workflow_and_its_files_from_anywhere(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run("run", "pipeline.py:gate", "--run-id", "today", wanted=1)
    Path("go").touch()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    journal = str(project.path / ".surefoot" / "journal.db")
    assert project.json("resume", "today", "--journal", journal)["status"] == "completed"
    assert Path.cwd() == elsewhere


def test_a_workflow_that_moved_is_named(project: Project) -> None:
    project.run("run", "pipeline.py:gate", "--run-id", "today", wanted=1)
    Path("pipeline.py").rename("moved.py")
    done = project.run("resume", "today", wanted=2)
    assert "if it has moved, name it: --workflow path/to/file.py:name" in done.stderr
    Path("go").touch()
    assert project.json("resume", "today", "--workflow", "moved.py:gate")["status"] == "completed"


def test_resume_of_another_workflow_is_refused(project: Project) -> None:
    project.run("run", "pipeline.py:gate", "--run-id", "today", wanted=1)
    done = project.run("resume", "today", "--workflow", "pipeline.py:body", wanted=2)
    assert "run today is a run of workflow gate, not of body" in done.stderr


def test_on_drift_is_handed_on(project: Project) -> None:
    project.write(
        "drifting.py",
        "import os\nfrom surefoot import effect, step, workflow\n"
        "@effect\ndef pay(n: int) -> int:\n    return n\n"
        "@workflow\ndef w() -> int:\n"
        "    n = pay(2 if os.path.exists('go') else 1)\n"
        "    if not os.path.exists('go'):\n        raise ValueError('not yet')\n    return n\n",
    )
    project.run("run", "drifting.py:w", "--run-id", "today", wanted=1)
    Path("go").touch()
    stopped = project.json("resume", "today", wanted=1)
    assert stopped["error"]["kind"] == "resume_drift"
    assert project.json("resume", "today", "--on-drift", "reuse")["result"] == 1


# -- wrong usage ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run", "pipeline.py"], "'pipeline.py' names no workflow; write pkg.module:name or"),
        (["run", "nowhere.py:x"], "there is no file "),
        (["run", "nowhere:x"], "there is no module 'nowhere' to be found from "),
        (["run", "pipeline.py:triag"], "pipeline.py has no 'triag'; did you mean 'triage'?"),
        (["run", "pipeline.py:load"], "pipeline.py:load is Step, not a workflow; put @workflow on"),
        (
            ["run", "pipeline.py:not_a_workflow"],
            "pipeline.py:not_a_workflow is int, not a workflow",
        ),
        (
            ["run", "pipeline.py:later"],
            "workflow later needs 'n': give it with --input or --arg n=",
        ),
        (["run", "pipeline.py:later", "--input", "{"], "--input is not JSON: "),
        (["run", "pipeline.py:later", "--arg", "m=1"], "workflow later has no argument 'm'"),
        (
            ["run", "pipeline.py:later", "--arg", "m"],
            "--arg 'm' must be name=value, as --arg limit=",
        ),
        (["run", "pipeline.py:later", "--arg", "=1"], "--arg '=1' must be name=value"),
        (["run", "pipeline.py:nothing", "--input", "1"], "workflow nothing takes no input"),
        (
            ["run", "pipeline.py:several", "--input", "1"],
            "workflow several takes several arguments",
        ),
        (["run", "pipeline.py:nothing", "--run-id", ""], "'' is no run id"),
        (
            ["run", "pipeline.py:nothing", "--journal", "pg://x"],
            "journal pg://…: this version keeps",
        ),
    ],
)
def test_wrong_usage_says_what_and_what_to_do(
    project: Project, args: list[str], message: str
) -> None:
    done = project.run(*args, wanted=2)
    assert done.stderr.startswith(f"surefoot: {message}")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    told = project.json(*args, wanted=2)["error"]
    assert told["message"].startswith(message)
    assert told["exit_code"] == 2
    assert told["type"] in ("UsageError", "InputError", "ConfigError")


@pytest.mark.parametrize("command", ["show", "resume"])
def test_an_unknown_run_names_the_journal(project: Project, command: str) -> None:
    project.run("run", "pipeline.py:nothing")
    done = project.run(command, "nix", wanted=2)
    assert f"there is no run 'nix' in the journal {project.path}" in done.stderr
    assert "list its runs with: surefoot runs" in done.stderr


@pytest.mark.parametrize("command", [["show", "x"], ["resume", "x"], ["runs"], ["recover"]])
def test_without_a_journal_nothing_is_made(project: Project, command: list[str]) -> None:
    done = project.run(*command, wanted=3)
    assert "there is no journal at" in done.stderr
    assert not (project.path / ".surefoot").exists()


def test_a_file_that_is_no_journal_is_left_as_it_is(project: Project) -> None:
    file = project.write("other.db", "something else entirely, and long enough to be a file")
    before = file.read_bytes()
    done = project.run("run", "pipeline.py:nothing", "--journal", str(file), wanted=3)
    assert "is no Surefoot journal" in done.stderr
    assert file.read_bytes() == before
    assert project.json("runs", "--journal", str(file), wanted=3)["error"]["type"] == "NotAJournal"


def test_wrong_settings_are_told_before_anything_runs(project: Project) -> None:
    project.write("surefoot.toml", "leese = 5\n")
    done = project.run("run", "pipeline.py:nothing", wanted=2)
    assert "surefoot.toml: unknown key 'leese'; did you mean 'lease'?" in done.stderr


# -- the user's own module ------------------------------------------------------------------------


def test_an_error_in_the_users_module_is_shown_as_python_shows_it(project: Project) -> None:
    project.write("broken.py", "import os\nimport no_such_module_here\n")
    done = project.run("run", "broken.py:x", wanted=2)
    assert 'broken.py", line 2' in done.stderr
    assert "import no_such_module_here" in done.stderr
    assert "/surefoot/" not in done.stderr
    assert "importlib" not in done.stderr
    assert "surefoot: broken.py:x cannot be imported: ModuleNotFoundError" in done.stderr


def test_a_syntax_error_shows_its_line(project: Project) -> None:
    project.write("broken.py", "def f(:\n    pass\n")
    done = project.run("run", "broken.py:x", wanted=2)
    assert 'broken.py", line 1' in done.stderr
    assert "SyntaxError" in done.stderr


def test_a_wrong_declaration_names_its_place_and_needs_no_traceback(project: Project) -> None:
    file = project.write(
        "wrong.py", "from surefoot import step\n\n@step(stage='nonsense')\ndef f() -> None: ...\n"
    )
    done = project.run("run", "wrong.py:f", wanted=2)
    # Python 3.10 names the line of the def
    assert re.match(rf"surefoot: {file}, line [34]: step f: stage='nonsense'", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_script_without_a_guard_is_explained(project: Project) -> None:
    project.write("script.py", "raise SystemExit(3)\n")
    done = project.run("run", "script.py:f", wanted=2)
    assert "importing script.py:f ended the program (sys.exit(3))" in done.stderr
    assert '__name__ == "__main__"' in done.stderr


def test_a_workflow_that_leaves_by_sys_exit_is_interrupted(project: Project) -> None:
    done = project.run("run", "pipeline.py:leaving", "--input", "7", wanted=7)
    assert "stopped by sys.exit(7)" in done.stderr
    assert project.json("runs")[0]["status"] == "interrupted"
    project.run("run", "pipeline.py:leaving", "--input", "0", wanted=1)


def test_a_run_that_was_taken_over_ends_with_4_and_shows_what_ended_it_here(
    project: Project,
) -> None:
    project.write(
        "taken.py",
        "import json, sqlite3\n"
        "from surefoot import step, workflow\n"
        "@workflow\ndef w() -> None:\n"
        "    database = sqlite3.connect('.surefoot/journal.db')\n"
        "    owner = json.loads(database.execute('SELECT owner FROM runs').fetchone()[0])\n"
        "    owner['pid'] = 99999\n"
        "    database.execute('UPDATE runs SET fence = 9, owner = ?', (json.dumps(owner),))\n"
        "    database.commit()\n"
        "    database.close()\n"
        "    raise ValueError('too late')\n",
    )
    done = project.run("run", "taken.py:w", "--run-id", "one", wanted=4)
    assert "ValueError: too late" in done.stderr
    assert "run one was taken over by pid 99999 on " in done.stderr


def test_a_result_that_cannot_be_saved_is_told_and_the_run_can_be_resumed(
    project: Project,
) -> None:
    project.write(
        "unsavable.py",
        "from surefoot import workflow\n@workflow\ndef w() -> object:\n    return object()\n",
    )
    done = project.run("run", "unsavable.py:w", "--run-id", "one", wanted=1)
    assert "mend what the workflow returns, then: surefoot resume one" in done.stderr
    assert project.json("runs")[0]["status"] == "halted"


def test_bars_are_shown_where_a_person_looks_and_wanted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr("surefoot.observe.progress.someone_looks", lambda: True)
    monkeypatch.setattr(
        "surefoot.observe.progress.ProgressBars.__call__", lambda self, event: seen.append(event)
    )
    project.run("run", "pipeline.py:triage", "--arg", "path=tickets.txt")
    assert {"MapStarted", "ItemEnded", "MapEnded"} <= {type(event).__name__ for event in seen}
    seen.clear()
    monkeypatch.setenv("SUREFOOT_PROGRESS", "no")
    project.run("run", "pipeline.py:triage", "--arg", "path=tickets.txt")
    assert seen == []


def test_messages_cannot_steer_the_terminal(project: Project) -> None:
    project.write(
        "steering.py",
        "from surefoot import workflow\n@workflow\ndef w() -> None:\n"
        "    raise ValueError('\\x1b[2J gone \\x07')\n",
    )
    done = project.run("run", "steering.py:w", wanted=1)
    assert "\x1b" not in done.stdout + done.stderr
    assert "\\x1b[2J gone" in done.stdout
    assert "\x1b" not in project.run("runs").stdout + project.run("show", project.latest()).stdout
