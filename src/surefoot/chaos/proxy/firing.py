"""What fired: told before it acts, so that a program that dies of it can still be judged.

A test that ends with "survived" although its fault never fired is worse than none.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

from ...clock import Chance, SystemClock

__all__ = ["FiringLog", "chance_for"]


def chance_for(seed: int, *names: object) -> Chance:
    """Dice of their own for each name: what one connection rolls does not change another's.

    >>> chance_for(7, "api", "slow", 0)(0, 1) == chance_for(7, "api", "slow", 0)(0, 1)
    True
    >>> chance_for(7, "api", "slow", 0)(0, 1) == chance_for(7, "api", "slow", 1)(0, 1)
    False
    """
    digest = sha256("\0".join([str(seed), *map(str, names)]).encode()).digest()
    return SystemClock(seed=int.from_bytes(digest[:8], "big")).uniform


class FiringLog:
    """A file with a JSON line for each firing; without a path it keeps none.

    A line is with the system before :meth:`write` returns (no buffer of ours), so it outlives a
    killed process. A full disk does not stop the proxy: it is warned about once.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        """
        :raises OSError: the file cannot be opened.
        """
        self._file: int | None = None
        self._warned = False
        if path is not None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._file = os.open(path, flags, 0o600)
        self._clock = SystemClock()

    def write(self, told: Mapping[str, Any]) -> None:
        """Append one line: ``time`` (UTC) and what is told."""
        if self._file is None:
            return
        now = datetime.fromtimestamp(self._clock.now(), timezone.utc).isoformat()
        line = json.dumps({"time": now, **told}) + "\n"
        try:
            os.write(self._file, line.encode())
        except OSError as exc:
            if not self._warned:
                self._warned = True
                logging.getLogger(__name__).warning("the firing log cannot be written: %s", exc)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
