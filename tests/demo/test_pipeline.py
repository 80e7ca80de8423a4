"""The pipeline's own steps, bare, and the whole of it against servers that behave."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from examples.file_triage import pipeline
from examples.file_triage.check import read_rows, window_digest
from examples.file_triage.pipeline import Claim, EmptyFile, Job, NotAFile, Sample, Source, triage
from examples.file_triage.receiver import read_books
from surefoot import Runtime, classify
from surefoot.config import Config

from .conftest import StartModel, StartReceiver

CLAIM = Claim("/a/b.txt", "0123", 5, "digest", "text")
ANSWER: dict[str, Any] = {
    "label": "txt",
    "group": "text",
    "description": "Text",
    "is_text": True,
    "score": 0.99,
}


def walk(folder: Path, share: float = 1.0) -> list[str]:
    found = pipeline.walk.__wrapped__(Source("files", str(folder), share))
    return [os.path.relpath(path, folder) for path in found]


def test_the_walk_takes_files_and_links_and_leaves_out_what_is_neither(tmp_path: Path) -> None:
    for name in ("b.txt", "a/x.txt", ".git/config", "a/__pycache__/x.pyc"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder-link").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    assert walk(tmp_path) == ["a/x.txt", "b.txt", "dangling"]


def test_a_folder_that_cannot_be_listed_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert walk(tmp_path / "nowhere") == []
    assert "left out a folder" in caplog.text


def test_a_share_depends_on_each_name_alone(tmp_path: Path) -> None:
    for n in range(400):
        (tmp_path / f"{n}.txt").write_text("x")
    before = walk(tmp_path, 0.25)
    assert 60 < len(before) < 140
    (tmp_path / "0.txt").unlink()
    (tmp_path / "new.txt").write_text("x")
    assert set(before) ^ set(walk(tmp_path, 0.25)) <= {"0.txt", "new.txt"}


@pytest.mark.parametrize("size", [1, 8191, 8192, 8193, 40_000])
def test_the_model_sees_both_ends_of_a_file(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    sample = pipeline.read.__wrapped__(str(path))
    assert (sample.size, len(sample.window)) == (size, min(size, 8192))
    question = pipeline.prepare.__wrapped__(sample)
    assert question.claim.digest == window_digest(str(path))


def test_what_cannot_be_read_is_called_by_its_name(tmp_path: Path) -> None:
    read = pipeline.read.__wrapped__
    (tmp_path / "empty").touch()
    with pytest.raises(EmptyFile):
        read(str(tmp_path / "empty"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotAFile):
        read(str(tmp_path / "pipe"))
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(OSError, match="symbolic links") as caught:
        read(str(tmp_path / "circle"))
    assert classify(caught.value, stage="ingestion").category == "data"


def test_the_teams_own_rule_says_what_an_empty_file_is(tmp_path: Path) -> None:
    rules = Path(pipeline.__file__).with_name("rules.toml")
    with Runtime(journal=tmp_path / "journal.db", config=Config(rules=(rules,))):
        found = classify(EmptyFile("x is empty"), stage="ingestion")
    assert (found.kind, found.category) == ("empty_data", "data")


@pytest.mark.parametrize(
    ("says", "changes", "verdict"),
    [
        ("text", {}, "agrees"),
        ("text", {"group": "code"}, "agrees"),
        ("text", {"group": "image", "is_text": False}, "belies"),
        ("image", {"group": "image", "is_text": False}, "agrees"),
        ("image", {"group": "code"}, "belies"),
        ("image", {"group": "archive", "is_text": False}, "belies"),
        ("archive", {"group": "application", "is_text": False}, "unclear"),
        ("image", {"score": 0.5}, "unclear"),
        ("image", {"group": "unknown", "is_text": False}, "unclear"),
        (None, {}, "unclear"),
    ],
)
def test_a_verdict_holds_the_content_against_the_name(
    says: str | None, changes: dict[str, Any], verdict: str
) -> None:
    finding = pipeline.judge.__wrapped__(replace(CLAIM, says=says), ANSWER | changes)
    assert finding.verdict == verdict


def test_an_answer_that_is_none_is_refused() -> None:
    judge = pipeline.judge.__wrapped__
    with pytest.raises(KeyError):
        judge(CLAIM, {})
    with pytest.raises(TypeError):
        judge(CLAIM, ANSWER | {"score": "high"})
    with pytest.raises(ValueError, match="not between"):
        judge(CLAIM, ANSWER | {"score": 7.0})


def test_the_name_says_what_its_extension_says() -> None:
    def says(name: str) -> str | None:
        found: str | None = pipeline.prepare.__wrapped__(Sample(name, 1, b"x")).claim.says
        return found

    assert [says(name) for name in ("a.PNG", "a.tar.gz", "a.py", "Makefile", "a.odd")] == [
        "image",
        "archive",
        "text",
        None,
        None,
    ]


def test_a_name_that_is_not_utf_8_can_be_shown() -> None:
    assert pipeline.shown(os.fsdecode(b"/caf\xe9")) == "/caf\\xe9"


def test_a_quiet_run_files_each_file_once_and_a_resume_does_nothing(
    tmp_path: Path, start_model: StartModel, start_receiver: StartReceiver
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for n in range(30):
        (folder / f"{n}.txt").write_text(f"text {n}\n")
    (folder / "empty.txt").touch()
    model, hook = start_model({}), start_receiver(frozenset())
    table = tmp_path / "findings.db"
    sources = [Source("files", str(folder))]
    job = Job(sources, str(table), model.url, f"{hook.url}/hook", chunk=12, workers=2)
    with Runtime(journal=str(tmp_path / "journal.db")):
        run = triage.with_options(run_id="quiet").start(job)
        assert run.status == "completed"
        assert (run.result.files, run.result.filed, run.result.set_aside) == (31, 30, 1)
        again = triage.resume("quiet")
        assert again.result == run.result
    assert sorted(row.path for row in read_rows(table)) == sorted(
        str(folder / f"{n}.txt") for n in range(30)
    )
    assert read_books(hook.record)["keys"] == {
        "triage:quiet:files": {"received": 1, "applied": 1},
    }
    assert model.server.state.answered == 30
