"""`surefoot runs` and `surefoot show`: what people and programs read of the journal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from surefoot.cli.plain import untagged

from .conftest import Project

Squeezed = Callable[[str], str]


def ran(project: Project, *names: str) -> None:
    """Runs of several kinds, with their workflow's name as their id."""
    for name in names:
        given = {"triage": ["--arg", "path=tickets.txt"], "body": ["--input", "1"]}.get(name, [])
        wanted = 1 if name in ("gate", "body") else 0
        project.run("run", f"pipeline.py:{name}", "--run-id", name, *given, wanted=wanted)


# -- runs -----------------------------------------------------------------------------------------


def test_runs_are_listed_the_newest_first(project: Project, squeezed: Squeezed) -> None:
    ran(project, "nothing", "triage", "gate")
    heading, *lines = squeezed(project.run("runs").stdout).splitlines()
    assert heading.split() == ["RUN", "WORKFLOW", "STATUS", "BEGAN", "TOOK"]
    assert [line.split()[:3] for line in lines] == [
        ["gate", "gate", "halted"],
        ["triage", "triage", "completed"],
        ["nothing", "nothing", "completed"],
    ]
    assert "unknown: go is missing; token=" in lines[0]
    assert "abcdef123456" not in lines[0]


def test_runs_are_chosen_by_status_workflow_and_number(project: Project) -> None:
    ran(project, "nothing", "triage", "gate", "body")

    def ids(*args: str) -> list[str]:
        return [one["run_id"] for one in project.json("runs", *args)]

    assert ids("--status", "halted") == ["body", "gate"]
    assert ids("--status", "halted", "--status", "completed", "--limit", "3") == [
        "body",
        "gate",
        "triage",
    ]
    assert ids("--workflow", "triage") == ["triage"]
    assert ids("--workflow", "nix") == []
    assert "there are more; show them with --limit 10" in project.run("runs", "--limit", "1").stdout


def test_a_program_gets_each_run_with_its_times_and_error(project: Project) -> None:
    ran(project, "gate")
    [one] = project.json("runs")
    assert one["error"]["kind"] == "unknown"
    assert "abcdef123456" not in json.dumps(one)
    assert one["created_at"] <= one["ended_at"]
    assert (one["resumes"], one["reused"], one["degraded"], one["holder"]) == (0, 0, False, None)


def test_an_empty_list_says_why(project: Project) -> None:
    project.run("run", "pipeline.py:nothing", "--run-id", "", wanted=2)
    empty = project.run("runs", wanted=3)
    assert "run a workflow first" in empty.stderr
    ran(project, "nothing")
    told = project.run("runs", "--workflow", "triage").stdout
    assert told == "there is no run of triage; the journal has runs of: nothing\n"
    told = project.run("runs", "--status", "halted").stdout
    assert told == "there is no halted run; the journal has runs of: nothing\n"


def test_a_journal_without_runs_says_so(project: Project) -> None:
    from surefoot import Runtime

    with Runtime() as runtime:
        assert runtime.journal.runs() == []
    assert "journal.db has no runs yet" in project.run("runs").stdout


def test_a_resumed_run_says_how_often(project: Project) -> None:
    ran(project, "gate")
    Path("go").touch()
    project.run("resume", "gate")
    assert "1 resume" in project.run("runs").stdout


# -- show -----------------------------------------------------------------------------------------


def test_a_map_is_counted_for_people(project: Project, squeezed: Squeezed) -> None:
    ran(project, "triage")
    told = squeezed(project.run("show", "triage").stdout)
    assert told.startswith("run triage of triage: completed in ")
    assert 'input {"path": "tickets.txt"}' in told
    assert "load completed 1 " in told
    assert "answer.map completed 1 " in told
    assert "answer 3 completed, 1 set aside 5 " in told
    assert "4 items; 1 needed more than one attempt" in told
    assert "reply completed 1" in told
    assert "key reply:ONE" in told


def test_failures_and_dead_letters_are_told(project: Project, squeezed: Squeezed) -> None:
    ran(project, "triage")
    told = squeezed(project.run("show", "triage").stdout)
    assert "answer[2] 1 connection tried again after " in told
    assert "ConnectionError: refused" in told
    assert "answer[3] 1 invalid_value set aside ValueError: no answer; password=" in told
    assert "SET ASIDE ID AS IS BECAUSE" in told
    assert "answer[3] invalid_value open invalid_value is not retried" in told
    assert "hunter22" not in told


def test_each_item_is_listed_for_programs(project: Project) -> None:
    ran(project, "triage")
    told = project.json("show", "triage")
    items = {step["item"]: step for step in told["steps"] if step["item"] is not None}
    assert [items[number]["status"] for number in range(4)] == [
        "completed",
        "completed",
        "completed",
        "skipped",
    ]
    assert items[3]["dead_letter"] == "open"
    assert {one["decision"] for one in told["failures"]} == {"retry", "skip"}
    assert "hunter22" not in json.dumps(told)


def test_a_halted_run_is_told_with_the_next_move(project: Project, squeezed: Squeezed) -> None:
    ran(project, "gate")
    told = squeezed(project.run("show", "gate").stdout)
    assert "failed check (attempt 2)" in told
    assert "to do " in told
    assert "next mend the cause, then: surefoot resume gate" in told
    Path("go").touch()
    project.run("resume", "gate")
    told = squeezed(project.run("show", "gate").stdout)
    assert "resumed 1 time, last at " in told
    assert "reused 1 result, " in told
    assert "reply completed 1 " in told
    assert "reused; key reply:first" in told


def test_many_calls_and_failures_are_counted_and_the_last_ones_told(
    project: Project, squeezed: Squeezed
) -> None:
    project.write(
        "many.py",
        "from surefoot import step, workflow\n"
        "@step\ndef inner(n: int) -> int:\n    return n\n"
        "@step\ndef outer(n: int) -> int:\n    return inner(n) + inner(n + 1)\n"
        "@step\ndef refuse(n: int) -> int:\n    raise ValueError(f'no {n}')\n"
        "@workflow\ndef part(n: int) -> int:\n    return outer(n)\n"
        "@workflow\ndef whole() -> int:\n"
        "    for n in range(3):\n        part(n)\n"
        "    return len(refuse.map(range(12)).quarantined)\n",
    )
    project.run("run", "many.py:whole", "--run-id", "one")
    told = squeezed(project.run("show", "one").stdout)
    assert told.count("part › outer completed") == 3
    assert "part › outer › inner 6 completed 6 " in told
    assert "6 calls" in told
    assert "refuse 12 set aside" in told
    assert "(the last 10 of 12; --json has all)" in told
    assert "(the first 10 of 12; --json has all)" in told


def test_a_result_is_shown_where_its_class_is_gone(project: Project) -> None:
    ran(project, "triage")
    Path("pipeline.py").unlink()
    assert project.json("show", "triage")["result"] == {"n": 3, "path": "tickets.txt"}


def test_a_damaged_result_is_told_and_the_rest_is_shown(project: Project) -> None:
    import sqlite3

    project.run("run", "pipeline.py:several", "--arg", "a=1", "--run-id", "one")
    with sqlite3.connect(".surefoot/journal.db") as database:
        database.execute("UPDATE runs SET result = x'78'")
    database.close()
    assert "is damaged" in project.json("show", "one")["result"]


def test_a_binary_result_is_told_by_its_format(project: Project) -> None:
    project.write(
        "binary.py",
        "from surefoot import workflow\n@workflow\ndef w() -> bytes:\n    return b'x' * 1000\n",
    )
    project.run("run", "binary.py:w", "--run-id", "one")
    assert project.json("show", "one")["result"] == "<bytes, 1,000 bytes>"


def test_tags_are_left_out_of_what_people_read() -> None:
    assert untagged({"$": "dict", "v": [[{"$": "tuple", "v": [1]}, "x"]]}) == {"[1]": "x"}
    assert untagged({"$": "shop:Colour", "n": "RED"}) == "RED"
    assert untagged({"$": "ellipsis"}) == "<ellipsis>"
    assert untagged([{"a": {"$": "set", "v": [1]}}, 2]) == [{"a": [1]}, 2]


# -- the whole record of a failure ----------------------------------------------------------------


def test_show_gives_the_whole_record_of_each_failure_if_asked(project: Project) -> None:
    ran(project, "triage")
    failures = project.json("show", "triage", "--failures")["failures"]
    assert {one["kind"] for one in failures} == {"connection", "invalid_value"}
    [bad] = [one for one in failures if one["kind"] == "invalid_value"]
    assert bad["stack"].rstrip().splitlines()[-1].startswith("ValueError: no answer; password=[")
    frame = bad["detail"]["frames"][-1]
    assert (frame["function"], frame["own"]) == ("answer", True)
    assert frame["file"] == str(project.path / "pipeline.py")
    assert bad["detail"]["inputs"]["text"]["preview"] == "'bad'"
    assert bad["process"]["cwd"] == str(project.path)
    assert "hunter22" not in json.dumps(failures)


def test_show_is_short_unless_asked(project: Project) -> None:
    ran(project, "triage", "body")
    for one in project.json("show", "triage")["failures"]:
        assert not {"stack", "detail", "process"} & one.keys()
    for error in (project.json("show", "body")["error"], project.json("runs")[0]["error"]):
        assert error["type"] == "builtins.KeyError" and not {"stack", "detail"} & error.keys()
    assert "Traceback" not in project.run("show", "body").stdout


def test_show_gives_the_record_of_what_the_workflow_itself_raised(project: Project) -> None:
    ran(project, "body")
    error = project.json("show", "body", "--failures")["error"]
    assert error["stack"].endswith("KeyError: 'price'\n")
    assert error["detail"]["frames"][-1]["code"] == 'raise KeyError("price")'
    assert error["detail"]["inputs"] == {
        "n": {"type": "int", "preview": "1", "size": None, "digest": None}
    }
    assert error["detail"]["process"]["cwd"] == str(project.path)


def test_records_are_for_programs(project: Project) -> None:
    ran(project, "body")
    told = project.run("show", "body", "--failures", wanted=2).stderr
    assert "surefoot show body --json --failures" in told


def test_a_failure_without_a_record_is_told_all_the_same(project: Project) -> None:
    """One that a Surefoot before 0003_incidents.sql has written."""
    from surefoot import Runtime

    ran(project, "triage")
    with Runtime() as runtime:
        runtime.journal.group.commit(
            lambda tx: tx("UPDATE failures SET detail = NULL, process_pk = NULL")
        )
    for one in project.json("show", "triage", "--failures")["failures"]:
        assert (one["detail"], one["process"]) == (None, None) and one["stack"]
