"""`surefoot prune`: what goes, what stays, what it says."""

from __future__ import annotations

from .conftest import Project
from .test_runs import ran


def ids(project: Project) -> list[str]:
    return [one["run_id"] for one in project.json("runs")]


def test_what_is_old_goes_and_the_newest_run_stays(project: Project) -> None:
    ran(project, "nothing", "body", "gate")
    told = project.run("prune", "--older-than", "0.001s", "--dry-run").stdout.splitlines()
    assert told == ["nothing", "body", "2 runs would be removed"]
    assert len(ids(project)) == 3
    done = project.json("prune", "--older-than", "0.001s")
    assert done == {"dry_run": False, "runs": ["nothing", "body"], "checkpoints": 0}
    assert ids(project) == ["gate"]


def test_a_run_with_an_open_letter_stays(project: Project) -> None:
    ran(project, "triage", "nothing")
    assert project.json("dead-letters", "list")
    project.run("prune", "--older-than", "0.001s")
    assert ids(project) == ["nothing", "triage"]


def test_failed_runs_are_kept_if_one_says_so(project: Project) -> None:
    ran(project, "gate", "nothing", "body")
    project.run("prune", "--older-than", "0.001s", "--keep-failed")
    assert ids(project) == ["body", "gate"]


def test_young_runs_stay(project: Project) -> None:
    ran(project, "nothing", "triage")
    assert "removed 0 runs" in project.run("prune", "--older-than", "30d").stdout
    assert len(ids(project)) == 2


def test_an_age_that_is_none_says_what_one_is(project: Project) -> None:
    ran(project, "nothing")
    told = project.run("prune", "--older-than", "soon", wanted=2)
    assert "--older-than" in told.stderr
