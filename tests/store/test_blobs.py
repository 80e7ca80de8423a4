"""Large checkpoints as files: whole or not there, shared by equal ones, checked when read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from surefoot.blobs import Blobs
from surefoot.errors import CheckpointDamaged, JournalError

DATA = b"x" * 100_000
NAME = hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize("durable", [True, False])
def test_a_blob_comes_back_and_is_its_owners_alone(tmp_path: Path, durable: bool) -> None:
    blobs = Blobs(tmp_path / "j.db.blobs", durable=durable)
    blobs.put(NAME, DATA)
    assert blobs.get(NAME) == DATA
    assert blobs.path(NAME).stat().st_mode & 0o777 == 0o600
    assert blobs.folder.stat().st_mode & 0o777 == 0o700
    assert [p.name for p in blobs.folder.rglob("*") if p.is_file()] == [NAME]


def test_equal_blobs_share_one_file(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "b")
    blobs.put(NAME, DATA)
    before = blobs.path(NAME).stat().st_ino
    blobs.put(NAME, DATA)
    assert blobs.path(NAME).stat().st_ino == before


def test_other_bytes_or_none_are_noticed(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "b")
    blobs.put(NAME, DATA)
    blobs.path(NAME).write_bytes(DATA[:-1])
    with pytest.raises(CheckpointDamaged, match="other bytes"):
        blobs.get(NAME)
    blobs.path(NAME).unlink()
    with pytest.raises(CheckpointDamaged, match="cannot be read: No such file"):
        blobs.get(NAME)


def test_a_damaged_blob_is_mended_when_it_is_written_again(tmp_path: Path) -> None:
    """A step whose checkpoint is damaged runs again; that its file exists is not enough."""
    blobs = Blobs(tmp_path / "b")
    blobs.put(NAME, DATA)
    blobs.path(NAME).write_bytes(DATA[:-1])
    blobs.put(NAME, DATA)
    assert blobs.get(NAME) == DATA


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("a file")
    with pytest.raises(JournalError, match=r"cannot write a checkpoint.*resume the run"):
        Blobs(tmp_path / "b").put(NAME, DATA)


def test_a_write_that_fails_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(JournalError, match="No space left on device"):
        Blobs(tmp_path / "b").put(NAME, DATA)
    monkeypatch.undo()
    assert [p for p in (tmp_path / "b").rglob("*") if p.is_file()] == []
