"""The commit that a folder's code is at, read from the files of git without starting it."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

__all__ = ["checked_out"]

SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
READ = 4_096
PACKED = 4_000_000
"""Bytes of ``packed-refs`` that are read."""
FOLLOWED = 5
"""Symbolic references from one to the next."""


@lru_cache(maxsize=16)
def checked_out(folder: str) -> tuple[str, str | None] | None:
    """The commit and the branch (None: a detached HEAD) of the repository that a folder is in; None
    where there is none, or its files say nothing. Read once in a process: what it runs was loaded then.
    """
    try:
        found = _git_folder(Path(folder).absolute())
        return _head(*found) if found is not None else None
    except (OSError, ValueError):
        return None


def _git_folder(start: Path) -> tuple[Path, Path] | None:
    """Where HEAD lies, and where the references lie that all worktrees share."""
    for folder in (start, *start.parents):
        git = folder / ".git"
        if git.is_dir():
            return git, git
        if git.is_file():  # a worktree or a submodule: a line says where its HEAD is
            word, _, place = _read(git).partition(":")
            if word.strip() != "gitdir":
                return None
            own = folder / place.strip()
            common = own / "commondir"
            return own, own / _read(common).strip() if common.is_file() else own
    return None


def _head(own: Path, common: Path) -> tuple[str, str | None] | None:
    text = _read(own / "HEAD").strip()
    if SHA.fullmatch(text):
        return text, None
    branch = None
    for _ in range(FOLLOWED):
        word, _, name = text.partition(":")
        name = name.strip()
        if word != "ref" or not name.startswith("refs/") or ".." in name:
            return None
        branch = branch or name.removeprefix("refs/heads/")
        text = _reference(own, common, name)
        if SHA.fullmatch(text):
            return text, branch
    return None


def _reference(own: Path, common: Path, name: str) -> str:
    for place in (own, common):
        file = place / name
        if file.is_file():
            return _read(file).strip()
    packed = common / "packed-refs"
    if packed.is_file():
        for line in _read(packed, PACKED).splitlines():
            sha, _, its = line.partition(" ")
            if its.strip() == name:
                return sha
    return ""


def _read(file: Path, most: int = READ) -> str:
    with open(file, "rb") as opened:
        return os.fsdecode(opened.read(most))
