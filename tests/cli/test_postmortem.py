"""`surefoot postmortem`: what a person on call types, and what a script reads."""

from __future__ import annotations

import json
from pathlib import Path

from surefoot import Runtime

from .conftest import Project


def ran(project: Project, name: str) -> None:
    given = ["--arg", "path=tickets.txt"] if name == "triage" else []
    project.run("run", f"pipeline.py:{name}", "--run-id", name, *given, wanted=int(name == "gate"))


def test_the_first_line_says_all(project: Project) -> None:
    ran(project, "gate")
    told = project.run("postmortem", "gate")
    assert told.stdout.split("\n")[0] == (
        "`check` failed twice with unknown and halted the run; find the cause, then resume it."
    )
    assert "    surefoot resume gate\n" in told.stdout
    assert "abcdef123456" not in told.stdout
    assert told.stderr == ""


def test_nothing_of_the_users_is_imported(project: Project) -> None:
    ran(project, "triage")
    project.write("pipeline.py", "raise SystemExit('imported!')")
    assert project.run("postmortem", "triage").stdout.startswith(
        "2 of 4 items of `answer` failed with "
    )


def test_a_program_gets_a_document(project: Project) -> None:
    ran(project, "triage")
    told = project.json("postmortem", "triage")
    assert told["schema"] == 1
    assert told["about"]["run_id"] == "triage"
    assert told["now"]["to_do"]["command"] == ("surefoot dead-letters replay --all --run triage")
    assert project.run("postmortem", "triage", "--format", "json").stdout.startswith("{")
    assert "hunter22" not in json.dumps(told)


def test_the_recommended_command_does_what_it_says(project: Project) -> None:
    ran(project, "gate")
    project.write("go", "")
    command = project.json("postmortem", "gate")["now"]["to_do"]["command"]
    assert command == "surefoot resume gate"
    project.run(*command.split()[1:])
    assert project.run("postmortem", "gate").stdout.startswith(
        "`check` failed twice with unknown and halted the run, and a resume recovered it after "
    )


def test_the_command_names_the_journal_that_was_named(project: Project) -> None:
    project.run("run", "pipeline.py:gate", "--run-id", "gate", "--journal", "other.db", wanted=1)
    told = project.run("postmortem", "gate", "--journal", "other.db").stdout
    assert "    surefoot resume gate --journal other.db\n" in told
    project.run("postmortem", "gate", wanted=3)


def test_it_is_written_to_a_file_in_the_form_of_its_name(project: Project) -> None:
    ran(project, "triage")
    begins = {
        "p.html": "<!DOCTYPE html>",
        "p.md": "# Postmortem: run triage of triage",
        "p.json": "{",
        "p.txt": "2 of 4 items of `answer`",
    }
    for name, begin in begins.items():
        assert project.run("postmortem", "triage", "-o", name).stdout == f"wrote {name}\n"
        assert Path(name).read_text(encoding="utf-8").startswith(begin)
    project.run("postmortem", "triage", "-o", "page", "--format", "html")
    assert Path("page").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert project.run("postmortem", "triage", "-o", "j", "--json").stdout == ""
    assert json.loads(Path("j").read_text())["schema"] == 1


def test_html_and_markdown_go_to_standard_output_too(project: Project) -> None:
    ran(project, "triage")
    assert project.run("postmortem", "triage", "--format", "html").stdout.endswith("</html>\n")
    assert (
        "\n## Timeline of attempts\n"
        in project.run("postmortem", "triage", "--format", "md").stdout
    )


def test_an_incident_is_told_by_its_number(project: Project) -> None:
    ran(project, "gate")
    with Runtime() as runtime:
        [(fingerprint, at)] = runtime.journal.store.read(
            "SELECT max(fingerprint), max(at) FROM failures"
        )

        def write(tx: object) -> None:
            tx("DELETE FROM incidents")  # type: ignore[operator]
            tx(  # type: ignore[operator]
                "INSERT INTO incidents (pk, fingerprint, kind, category, severity, step, type, message, "
                "state, first_at, last_at, failures, opened_at) VALUES (7, ?, 'unknown', 'code', "
                "'error', 'check', 'x', 'm', 'open', ?, ?, 2, ?)",
                (fingerprint, at, at, at),
            )

        runtime.journal.group.commit(write)
    told = project.run("postmortem", "7").stdout
    assert told.startswith("`check` has failed twice with unknown in 1 run, ")
    assert project.json("postmortem", fingerprint[:10])["about"]["what"] == "incident"


def test_mistakes_say_the_next_move(project: Project) -> None:
    ran(project, "triage")
    unknown = project.run("postmortem", "nix", wanted=2)
    assert "and no incident of this number or fingerprint" in unknown.stderr
    assert "surefoot runs" in unknown.stderr
    told = project.json("postmortem", "nix", wanted=2)
    assert told["error"]["type"] == "UnknownRun"
    both = project.run("postmortem", "triage", "--json", "--format", "md", wanted=2)
    assert "give one of them" in both.stderr
    folder = project.run("postmortem", "triage", "-o", "missing/p.html", wanted=2)
    assert "cannot write missing/p.html" in folder.stderr and "-o" in folder.stderr


def test_without_a_journal_it_says_what_to_do(project: Project) -> None:
    assert "run a workflow first" in project.run("postmortem", "x", wanted=3).stderr
