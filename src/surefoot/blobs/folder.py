"""Large checkpoints as files beside the journal, named by their SHA-256.

A file is written aside, synced and renamed, so that under its name there are always all of its
bytes. Equal checkpoints share one file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import CheckpointDamaged, JournalError

__all__ = ["INLINE_BYTES", "Blobs", "checked"]

INLINE_BYTES = 64 * 1024
"""Larger ones become files."""


def checked(data: bytes, digest: str, what: str) -> bytes:
    """``data``, which is to have this SHA-256.

    :param what: as a person is told of it.
    :raises CheckpointDamaged: it has another one.
    """
    if hashlib.sha256(data).hexdigest() != digest:
        raise CheckpointDamaged(f"{what} is damaged: other bytes")
    return data


class Blobs:
    """A folder of checkpoints: ``<journal>.blobs/``.

    :param durable: whether to sync files and their folder (``durability="power"``).
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self._durable = durable

    def path(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest

    def put(self, digest: str, data: bytes, *, again: bool = False) -> None:
        """Keep ``data`` under its SHA-256.

        :param again: write it even where it is there.
        :raises JournalError: the folder cannot be written, or its disk is full.
        """
        import tempfile  # pulls in much, and few runs have large checkpoints

        target = self.path(digest)
        if not again and self._is_whole(target, digest):
            return
        try:
            for folder in (self.folder, target.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, aside = tempfile.mkstemp(prefix=".aside-", dir=target.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    if self._durable:
                        os.fsync(file.fileno())
                os.replace(aside, target)
            except BaseException:
                Path(aside).unlink(missing_ok=True)
                raise
            if self._durable:
                self._sync_folders(target.parent)
        except OSError as exc:
            raise JournalError(
                f"cannot write a checkpoint to {self.folder}: {exc.strerror or exc}; free some "
                "space or make the folder writable, then resume the run"
            ) from exc

    @staticmethod
    def _is_whole(target: Path, digest: str) -> bool:
        """Whether the file is there; a damaged one is written anew."""
        try:
            return hashlib.sha256(target.read_bytes()).hexdigest() == digest
        except OSError:
            return False

    def _sync_folders(self, *folders: Path) -> None:
        # a rename is only as durable as its folder's entry
        for folder in (*folders, self.folder, self.folder.parent):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def get(self, digest: str) -> bytes:
        """The bytes of a checkpoint, checked.

        :raises CheckpointDamaged: the file is missing or has other bytes.
        """
        target = self.path(digest)
        try:
            data = target.read_bytes()
        except OSError as exc:
            raise CheckpointDamaged(
                f"the checkpoint file {target} cannot be read: {exc.strerror or exc}"
            ) from exc
        return checked(data, digest, f"the checkpoint file {target}")

    def names(self) -> list[str]:
        """The digests of all files that are here."""
        if not self.folder.is_dir():
            return []
        return sorted(
            path.name for path in self.folder.glob("??/*") if not path.name.startswith(".")
        )

    def remove(self, digests: Sequence[str]) -> int:
        """Remove these files; answers how many there were.

        :raises JournalError: the folder cannot be written.
        """
        removed = 0
        try:
            for digest in digests:
                try:
                    self.path(digest).unlink()
                except FileNotFoundError:
                    continue
                removed += 1
        except OSError as exc:
            raise JournalError(
                f"cannot remove checkpoints from {self.folder}: {exc.strerror or exc}; make the "
                "folder writable, then run the same command again"
            ) from exc
        return removed
