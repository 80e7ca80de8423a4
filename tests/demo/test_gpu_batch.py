"""The GPU example: what the device counts, and that the script finds out what does not fit."""

from __future__ import annotations

import doctest
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.file_triage.loopback import ROOT
from examples.gpu_batch import device as device_module
from examples.gpu_batch.device import Device, out_of_memory
from examples.gpu_batch.pipeline import DEVICE, Results, process
from examples.gpu_batch.run import problems, texts_of
from surefoot import Run, Runtime, classify


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "examples/gpu_batch/run.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def finished(tmp_path: Path) -> Iterator[Run[Results]]:
    DEVICE.tasks.clear()
    with Runtime(journal=tmp_path / "journal.db"):
        yield process.start(texts_of(100))
    DEVICE.tasks.clear()


def test_the_script_shows_that_every_batch_was_made_to_fit() -> None:
    done = run_script()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "It fits" in done.stdout and done.stderr == ""


def test_the_script_fails_where_nothing_is_shown() -> None:
    done = run_script("--texts", "20")  # the one that is too long is not among them
    assert done.returncode == 1 and "nothing is set aside" in done.stdout


def test_nothing_is_computed_twice_but_by_the_step_that_starts_anew(
    finished: Run[Results],
) -> None:
    repeated = {task: counts.repeated for task, counts in DEVICE.tasks.items()}
    assert repeated["embed"] == repeated["vowels"] == 0 < repeated["score"]
    assert all(counts.peak <= DEVICE.memory for counts in DEVICE.tasks.values())
    assert list(problems(texts_of(100), DEVICE, finished)) == []


def test_a_refusal_that_the_run_did_not_see_is_found(finished: Run[Results]) -> None:
    DEVICE.tasks["embed"].refused += 1
    assert any(
        "too large at the device" in one for one in problems(texts_of(100), DEVICE, finished)
    )


def test_a_text_that_was_computed_twice_or_not_at_all_is_found(finished: Run[Results]) -> None:
    DEVICE.tasks["embed"].computed[texts_of(1)[0]] += 1
    del DEVICE.tasks["vowels"].computed[texts_of(1)[0]]
    found = " ".join(problems(texts_of(100), DEVICE, finished))
    assert "embed: 1 texts were computed twice" in found and "vowels: 98 texts" in found


def test_what_does_not_fit_is_refused_before_anything_is_computed() -> None:
    device = Device(memory=2.0, weights=1.0, per_word=512.0)
    with pytest.raises(RuntimeError, match="CUDA out of memory"):
        device.run("task", ["one two", "three"])
    assert device.run("task", ["one"]) == [2]
    counts = device.tasks["task"]
    assert (counts.ran, counts.refused, dict(counts.computed)) == (1, 1, {"one": 1})


def test_the_exception_is_known_as_what_torch_raises() -> None:
    found = classify(out_of_memory(20.0, 16.0), stage="inference")
    assert (found.kind, found.type) == ("gpu_out_of_memory", "torch.OutOfMemoryError")


def test_what_the_device_says_of_itself_is_so() -> None:
    assert doctest.testmod(device_module).failed == 0
