"""Proof that a fault acted: a line in a file, on disk before it acts.

A process that is killed can say nothing afterwards, and a fault of which nobody can prove that it
acted counts for nothing.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Firing", "Firings"]


@dataclass(frozen=True)
class Firing:
    """One time that a fault acted. ``at`` is seconds since the epoch, ``seen`` how often its place had
    been reached by then."""

    fault: str
    seam: str
    at: float
    pid: int
    seen: int
    step: str | None = None
    call_id: str | None = None
    attempt: int | None = None
    item: int | None = None
    event: str | None = None
    detail: str | None = None


class Firings:
    """What acted, in this process and, with a file, in all that share it.

    :param path: a file of JSON lines, appended to; None keeps them in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._own: list[Firing] = []
        self._lock = threading.Lock()

    def add(self, firing: Firing) -> None:
        """Write it down, durably. :raises OSError: it could not be; then the fault must not act."""
        if self.path is None:
            with self._lock:
                self._own.append(firing)
            return
        line = (json.dumps(asdict(firing)) + "\n").encode()
        handle = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        try:
            if os.write(handle, line) != len(line):
                raise OSError(f"{self.path}: a firing was cut short")
            os.fdatasync(handle) if hasattr(os, "fdatasync") else os.fsync(handle)
        finally:
            os.close(handle)

    def all(self) -> list[Firing]:
        """All firings, the oldest first; a line that a full disk cut short is left out."""
        if self.path is None:
            with self._lock:
                return list(self._own)
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        found = []
        for line in text.splitlines():
            try:
                told: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            found.append(Firing(**told))
        return found

    @staticmethod
    def now() -> float:
        """The real time: a firing is held against other processes, and never against a test's clock."""
        return time.time()  # noqa: TID251
