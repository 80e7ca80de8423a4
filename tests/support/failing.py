"""A seam that makes the journal's database fail."""

from __future__ import annotations

import sqlite3
import threading

MESSAGES = ("database or disk is full", "disk I/O error", "database is locked")


class Failing:
    """Counts the events it is called with, and fails at the ``at``-th one (the first is 1).

    :param forever: fail at each event from then on, until :meth:`heal`.
    """

    def __init__(self, at: int, message: str, forever: bool = False) -> None:
        self.at = at
        self.message = message
        self.forever = forever
        self.fired: list[str] = []
        self._seen = 0
        self._healed = False
        self._lock = threading.Lock()

    def __call__(self, event: str) -> None:
        with self._lock:
            self._seen += 1
            if not self._due() or self._healed:
                return
            self.fired.append(event)
        raise self._error()

    def _due(self) -> bool:
        return self._seen == self.at or (self.forever and self._seen > self.at)

    def _error(self) -> BaseException:
        return sqlite3.OperationalError(self.message)

    def heal(self) -> None:
        self._healed = True


class CtrlC(Failing):
    """Interrupts the main thread, as Ctrl-C does: at the ``at``-th event, or at its first one after
    that (other threads never see it)."""

    def __init__(self, at: int) -> None:
        super().__init__(at, "")

    def _due(self) -> bool:
        main = threading.current_thread() is threading.main_thread()
        return main and self._seen >= self.at and not self.fired

    def _error(self) -> BaseException:
        return KeyboardInterrupt()
