"""A user's own exceptions and log lines as a person reads them: without our frames, scrubbed."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from ..errors import SurefootError, UsageError
from .out import plain, write

if TYPE_CHECKING:
    from ..runtime import Runtime

__all__ = ["loaded", "logging_for_people", "traceback_of"]

T = TypeVar("T")

OURS = str(Path(__file__).resolve().parents[1]) + os.sep
LINES_A_STEP = 5
"""Log lines that a person gets to see for one step and kind; the journal has them all."""


def traceback_of(exc: BaseException) -> str:
    """The traceback as Python prints it, with the user's frames only; scrubbed."""
    from ..runtime import scrub

    told = traceback.TracebackException.from_exception(exc)
    _without_ours(told, set())
    text: str = scrub("".join(told.format()).rstrip("\n"))
    return plain(text)


def _without_ours(told: traceback.TracebackException | None, seen: set[int]) -> None:
    if told is None or id(told) in seen:
        return
    seen.add(id(told))
    told.stack = traceback.StackSummary.from_list(
        [one for one in told.stack if not _is_ours(one.filename)]
    )
    _without_ours(told.__cause__, seen)
    _without_ours(told.__context__, seen)
    for member in getattr(told, "exceptions", None) or ():
        _without_ours(member, seen)


def _is_ours(filename: str) -> bool:
    return filename.startswith((OURS, "<frozen importlib"))


def loaded(load: Callable[[], T], what: str) -> T:
    """What ``load`` finds; a mistake in the user's module is shown as Python shows it.

    :raises UsageError: it cannot be imported.
    """
    try:
        return load()
    except SurefootError as exc:
        place = _place(exc)
        if place is None:
            raise
        raise UsageError(f"{place}: {exc}") from exc
    except SystemExit as exc:
        raise UsageError(
            f"importing {what} ended the program (sys.exit({exc.code!r})); put what is only for "
            'scripts under: if __name__ == "__main__":'
        ) from exc
    except Exception as exc:
        write(traceback_of(exc), err=True)
        raise UsageError(
            f"{what} cannot be imported: {type(exc).__name__}: {exc}; mend it and try again"
        ) from exc


def _place(exc: BaseException) -> str | None:
    """The user's file and line where an error of ours arose, if it arose in a user's module."""
    frames = [one for one in traceback.extract_tb(exc.__traceback__) if not _is_ours(one.filename)]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else None


class _ForPeople(logging.Handler):
    """One line a failed attempt on standard error; not the same one a thousand times."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(logging.WARNING)
        self._runtime = runtime
        self._told: dict[object, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        try:
            kind = getattr(record, "kind", None)
            if record.levelno >= logging.ERROR:
                return  # what halted the run is told at its end, with its traceback
            text = plain(self._runtime.scrub_text(record.getMessage()))
            step = getattr(record, "step", None)
            what = text if kind is None else (step, kind)
            number = self._told[what] = self._told.get(what, 0) + 1
            if number > LINES_A_STEP:
                return
            write(f"surefoot: {text}", err=True)
            if number == LINES_A_STEP and kind is not None:
                write(f"surefoot: (further {kind} in {step} are not told here)", err=True)
        except Exception:
            self.handleError(record)


@contextlib.contextmanager
def logging_for_people(runtime: Runtime) -> Iterator[None]:
    """Tell failures on standard error, unless the program has set up logging of its own. What the
    program itself logs and warns of meanwhile is scrubbed."""
    with _scrubbed_logs(), _scrubbed_warnings(runtime):
        logger = logging.getLogger("surefoot")
        if logger.hasHandlers() or sys.stderr is None:
            yield
            return
        handler = _ForPeople(runtime)
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)


@contextlib.contextmanager
def _scrubbed_logs() -> Iterator[None]:
    """As after ``surefoot.logs.install()``; what the program installed itself stays installed."""
    from .. import logs
    from ..observe.hooks import hooked

    if hooked() is not None:
        yield
        return
    logs.install()
    try:
        yield
    finally:
        logs.uninstall()


@contextlib.contextmanager
def _scrubbed_warnings(runtime: Runtime) -> Iterator[None]:
    """Python prints warnings with their text, and the line of code that warned."""
    before = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        stream = file if file is not None else sys.stderr
        if stream is not None:
            text = warnings.formatwarning(message, category, filename, lineno, line)
            stream.write(runtime.scrub_text(text))

    warnings.showwarning = show
    try:
        yield
    finally:
        if warnings.showwarning is show:  # else the program has put in one of its own
            warnings.showwarning = before
