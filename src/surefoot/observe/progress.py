"""A progress bar for maps, when a person is looking at a terminal."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from ..events import Event, ItemEnded, MapEnded, MapStarted, RunEnded

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["ProgressBars", "someone_looks"]


def someone_looks() -> bool:
    """Whether standard error is a terminal that can redraw a line."""
    import os

    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and "CI" not in os.environ


class ProgressBars:
    """A listener that shows one bar a map, with what failed beside it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._tasks: dict[str, Any] = {}
        self._failed: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, MapStarted):
                self._begin(event)
            elif isinstance(event, ItemEnded) and self._progress is not None:
                self._advance(event)
            elif isinstance(event, MapEnded) and self._progress is not None:
                self._end(event)
            elif isinstance(event, RunEnded):
                self._stop()

    def close(self) -> None:
        """Take all bars away."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        self._tasks.clear()
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _begin(self, event: MapStarted) -> None:
        if self._progress is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=sys.stdout.isatty(),
            )
            self._progress.start()
        self._tasks[event.where.call_id] = self._progress.add_task(
            event.where.step, total=event.total, note=""
        )

    def _advance(self, event: ItemEnded) -> None:
        assert self._progress is not None
        task = self._tasks.get(event.where.call_id)
        if task is None:
            return
        if event.status not in ("completed", "reused"):
            count = self._failed.get(event.where.call_id, 0) + 1
            self._failed[event.where.call_id] = count
            self._progress.update(task, note=f"{count} set aside or failed")
        self._progress.advance(task)

    def _end(self, event: MapEnded) -> None:
        assert self._progress is not None
        task = self._tasks.pop(event.where.call_id, None)
        if task is not None:
            self._progress.remove_task(task)
        if not self._tasks:
            self._stop()
