"""What the outside world saw: a file that outlives every process that writes to it.

It counts bodies and acts, and plays the receiver of effects: a receiver that is given an
idempotency key applies what it gets once for each key; one that is given none applies all of it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Ledger:
    """An append-only file of JSON lines, synced line by line.

    :param told: called with a word after each line is written; failure tests kill there.
    """

    def __init__(self, path: Path, told: Callable[[str], None] | None = None) -> None:
        self.path = path
        self._told = told

    def note(self, word: str, **fields: Any) -> None:
        """Write one line. A single ``write`` to a file opened for appending is not torn."""
        with self._open() as handle:
            self._append(handle, {"word": word, **fields})
        if self._told is not None:
            self._told(f"{word} {fields.get('what', '')}".strip())

    def receive(self, what: str, deed: Any, key: str | None) -> bool:
        """Be the receiver of an effect.

        :param deed: the business key: what must be applied exactly once.
        :returns: whether it was applied; False where ``key`` has been seen before.
        """
        with self._open() as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            before = [line for line in self.lines() if line["word"] == "act"]
            applied = key is None or all(line["key"] != key for line in before)
            self._append(
                handle,
                {
                    "word": "act",
                    "what": what,
                    "deed": deed,
                    "key": key,
                    "applied": applied,
                    "pid": os.getpid(),
                },
            )
        if self._told is not None:
            self._told(f"act {what}")
        return applied

    def lines(self) -> list[Line]:
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines()]

    def acts(self, what: str | None = None) -> list[Line]:
        return [
            line for line in self.lines() if line["word"] == "act" and what in (None, line["what"])
        ]

    @contextmanager
    def _open(self) -> Iterator[int]:
        handle = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        try:
            yield handle
        finally:
            os.close(handle)

    @staticmethod
    def _append(handle: int, line: Line) -> None:
        data = (json.dumps(line) + "\n").encode()
        assert os.write(handle, data) == len(data)
        os.fdatasync(handle)
