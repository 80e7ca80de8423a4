"""The demo itself, with few files: servers, two SIGKILLs, the real model, the real core."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples.file_triage.loopback import ROOT, path_of_children
from examples.file_triage.places import choose_sources, expected_files, plant

pytest.importorskip("magika")


def run_demo(work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "examples/file_triage/demo.py", "--work", str(work), *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path_of_children(), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=110,
    )


def surefoot(work: Path, *arguments: str) -> dict[str, Any]:
    """What a person may try afterwards, from wherever they stand."""
    done = subprocess.run(
        [sys.executable, "-m", "surefoot", *arguments],
        cwd=work,
        env=os.environ | {"SUREFOOT_JOURNAL": f"sqlite:///{work / 'journal.db'}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_demo_survives_faults_and_two_kills(tmp_path: Path) -> None:
    done = run_demo(tmp_path, "--files", "90", "--seed", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "It held." in done.stdout
    assert done.stdout.count("SIGKILL") >= 2
    for kind in ("rate_limited", "timeout", "connection", "not_found"):
        assert kind in done.stdout
    (work,) = tmp_path.iterdir()
    told = surefoot(work, "show", work.name, "--json")
    assert (told["status"], told["resumes"]) == ("completed", 2)
    again = surefoot(work, "resume", work.name, "--json")
    assert again["steps"] == told["steps"]  # nothing ran


@pytest.mark.parametrize("fault", ["hang"])
def test_the_demo_fails_when_a_fault_did_not_fire(tmp_path: Path, fault: str) -> None:
    done = run_demo(tmp_path, "--files", "60", "--leave-out", fault)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "It did not hold: every fault fired" in done.stdout


def test_too_few_files_are_told_before_anything_runs(tmp_path: Path) -> None:
    done = run_demo(tmp_path / "work", "--files", "5")
    assert done.returncode == 2
    assert "the demo needs at least" in done.stderr


def test_a_root_that_is_no_folder_is_told(tmp_path: Path) -> None:
    done = run_demo(tmp_path / "work", "--root", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert "there is no such folder" in done.stderr


def test_sources_share_the_number_and_the_small_ones_leave_it_to_the_others(tmp_path: Path) -> None:
    for name, count in (("small", 5), ("large", 400)):
        (tmp_path / name).mkdir()
        for n in range(count):
            (tmp_path / name / f"{n}.txt").write_text("x")
    small, large = choose_sources(100, [tmp_path / "small", tmp_path / "large"])
    assert (small.name, small.share) == ("small", 1.0)
    assert large.share == pytest.approx(95 / 400)
    assert 60 < len(expected_files([small, large])) < 140


def test_two_roots_of_one_name_are_two_sources(tmp_path: Path) -> None:
    for parent in "ab":
        (tmp_path / parent / "same").mkdir(parents=True)
        (tmp_path / parent / "same" / "x").write_text("x")
    sources = choose_sources(10, [tmp_path / "a" / "same", tmp_path / "b" / "same"])
    assert [source.name for source in sources] == ["same", "same (2)"]


def test_the_planted_folder_has_every_kind_of_trouble(tmp_path: Path) -> None:
    planted = plant(tmp_path / "planted")
    assert {one.expect for one in planted} >= {"belies", "row", "aside"}
    assert os.path.getsize(tmp_path / "planted" / "empty.log") == 0
    with pytest.raises(FileNotFoundError):
        (tmp_path / "planted" / "dangling.conf").read_bytes()
    assert (tmp_path / "planted" / "holiday.txt").read_bytes().startswith(b"\x89PNG")
