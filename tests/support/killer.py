"""A seam that kills its process, and says so first."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path


class Killer:
    """Counts the events it is called with, and kills the process at one of them.

    The firing is on disk before it acts: a kill that nobody can prove counts for nothing.

    :param at: the number of the event, from 1; or its words, and how often they came by then:
        ``"act mail"``, ``"begin flaky#2"``; None never kills, only counts.
    """

    def __init__(self, at: int | str | None, proof: Path) -> None:
        self.at = at
        self.proof = proof
        self.events: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, event: str) -> None:
        with self._lock:
            self.events.append(event)
            if self._is_it(event):
                spoken = [one for one in self.events if " " in one]
                self.proof.write_text(f"{self.at} {event} ({spoken[-1] if spoken else 'start'})")
                os.kill(os.getpid(), signal.SIGKILL)

    def _is_it(self, event: str) -> bool:
        if isinstance(self.at, str):
            words, _, number = self.at.partition("#")
            return event == words and self.events.count(event) == int(number or 1)
        return len(self.events) == self.at
