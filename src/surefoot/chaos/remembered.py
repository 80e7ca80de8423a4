"""The last chaos run of a project: what ``surefoot chaos replay CELL`` plays again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..config import default_journal
from ..errors import UsageError
from .model import Cell

__all__ = ["Remembered", "load_remembered", "remember"]


@dataclass(frozen=True)
class Remembered:
    """How it was run, and its cells. ``given`` may hold secrets: the file is for its owner alone."""

    target: str
    given: Mapping[str, Any]
    setup: str | None
    cwd: str
    seed: int = 0
    timeout: float = 60.0
    real_time: bool = False
    offline: bool = True
    cells: Sequence[Cell] = field(default_factory=tuple)

    def cell(self, cell_id: str) -> Cell:
        """:raises UsageError: there was none of this id; the message names the nearest."""
        import difflib

        for one in self.cells:
            if one.id == cell_id:
                return one
        near = difflib.get_close_matches(cell_id, [one.id for one in self.cells], n=1)
        hint = f"did you mean {near[0]!r}?" if near else "list them with: surefoot chaos list"
        raise UsageError(f"the last chaos run had no cell {cell_id!r}; {hint}")


def _path(start: Path) -> Path:
    return default_journal(start).parent / "chaos.json"


def remember(told: Remembered) -> Path:
    """Keep it. :returns: the file. :raises OSError: it cannot be written."""
    path = _path(Path.cwd())
    if not path.parent.exists():
        path.parent.mkdir(parents=True, mode=0o700)
        (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    aside = path.with_name(f".chaos.{os.getpid()}")
    handle = os.open(aside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(told), file)
    os.replace(aside, path)
    return path


def load_remembered() -> Remembered:
    """:raises UsageError: there was no chaos run here, or another version wrote the file."""
    path = _path(Path.cwd())
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        cells = tuple(Cell.of(one) for one in told.pop("cells"))
        return Remembered(**told, cells=cells)
    except FileNotFoundError:
        raise UsageError(
            f"there was no chaos run in this project ({path} is missing); run one: surefoot chaos "
            "pkg.module:workflow --input …"
        ) from None
    except (ValueError, TypeError, KeyError) as exc:
        raise UsageError(f"{path} cannot be read ({exc}); run surefoot chaos once more") from exc
