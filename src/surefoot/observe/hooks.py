"""What ``surefoot.logs.install()`` puts into :mod:`logging`, and takes out again.

Four methods of its classes are wrapped (docs/adr/0014-logs.md says why these):

- ``Logger.handle`` adds where a record was made, in the thread or task that logs;
- ``Handler.filter`` cleans, after all filters and before the handler writes;
- ``Handler.handle`` and ``Handler.handleError`` keep a sink that fails from a run, and tell of it once.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
import warnings
from typing import Any

from ..context import frame, place
from .cleaning import Cleaner

__all__ = ["Hooks", "hook", "hooked", "unhook"]

MARK = "surefoot_hooks"


class Hooks:
    """What is installed: the cleaner, and the handlers of ours with the levels to restore."""

    def __init__(self, cleaner: Cleaner) -> None:
        self.cleaner = cleaner
        self.active = True
        self.traces = False
        self.handlers: list[tuple[logging.Logger, logging.Handler, int]] = []
        self.wrapped: list[tuple[type, str, Any, Any]] = []
        self.lost: dict[str, int] = {}
        self._lock = threading.Lock()

    def take_handlers(self) -> None:
        """Take away the handlers of ours. A level that was set for one goes back, unless the program
        has set another one since."""
        for logger, handler, before in self.handlers:
            logger.removeHandler(handler)
            if logger.level == handler.level:
                logger.setLevel(before)
        self.handlers.clear()

    def mark(self, record: logging.LogRecord) -> None:
        """Say where the record was made. What the program itself put there, stays."""
        fields = record.__dict__
        for name, value in place(frame()).items():
            fields.setdefault(name, value)
        if self.traces:
            for name, value in _trace().items():
                fields.setdefault(name, value)

    def failed(self, handler: object, exc: BaseException) -> None:
        """A handler could not write a record: counted, and told about the first time."""
        name = type(handler).__qualname__
        with self._lock:
            self.lost[name] = self.lost.get(name, 0) + 1
            if self.lost[name] > 1:
                return
        says = self.cleaner.text(f"{type(exc).__name__}: {exc}")
        try:
            warnings.warn(
                f"surefoot: the log handler {name} failed and loses records; the run goes on: {says}",
                RuntimeWarning,
                stacklevel=3,
            )
        except Warning:  # where warnings are errors: no sink breaks a run
            return


def _trace() -> dict[str, str]:
    """The current span of OpenTelemetry, if the program uses it."""
    opentelemetry = sys.modules.get("opentelemetry.trace")
    if opentelemetry is None:
        return {}
    try:
        span = opentelemetry.get_current_span().get_span_context()
        if not span.is_valid:
            return {}
        return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}
    except Exception:
        return {}


def hooked() -> Hooks | None:
    """What is installed in this process, or None."""
    found = getattr(logging.Logger.handle, MARK, None)
    return found if isinstance(found, Hooks) and found.active else None


def hook(cleaner: Cleaner) -> Hooks:
    """Wrap the methods; what is installed already is given back."""
    there = hooked()
    if there is not None:
        return there
    hooks = Hooks(cleaner)
    _wrap_logger(hooks)
    _wrap_filter(hooks)
    _wrap_handler(hooks)
    _wrap_error(hooks)
    return hooks


def _wrap_logger(hooks: Hooks) -> None:
    inner = logging.Logger.handle

    @functools.wraps(inner)
    def handle(self: logging.Logger, record: logging.LogRecord) -> None:
        if hooks.active:
            try:
                hooks.mark(record)
            except Exception:  # a run's state that cannot be read: the record goes on without it
                return inner(self, record)
        return inner(self, record)

    _put(logging.Logger, "handle", handle, hooks)


def _wrap_filter(hooks: Hooks) -> None:
    inner = logging.Handler.filter  # of its base class Filterer, unless someone else is here

    @functools.wraps(inner)
    def filter(self: logging.Handler, record: logging.LogRecord) -> Any:
        passed: Any = inner(self, record)
        if passed and hooks.active:
            # since Python 3.12 a filter may give another record instead
            hooks.cleaner.clean(passed if isinstance(passed, logging.LogRecord) else record)
        return passed

    _put(logging.Handler, "filter", filter, hooks)


def _wrap_handler(hooks: Hooks) -> None:
    inner = logging.Handler.handle

    @functools.wraps(inner)
    def handle(self: logging.Handler, record: logging.LogRecord) -> Any:
        try:
            return inner(self, record)
        except Exception as exc:
            if not hooks.active or frame() is None:
                raise  # outside of runs a program's handlers are its own affair
            hooks.failed(self, exc)
            return False

    _put(logging.Handler, "handle", handle, hooks)


def _wrap_error(hooks: Hooks) -> None:
    inner = logging.Handler.handleError

    @functools.wraps(inner)
    def handleError(self: logging.Handler, record: logging.LogRecord) -> None:
        exc = sys.exc_info()[1]
        if not hooks.active or frame() is None or exc is None:
            return inner(self, record)
        hooks.failed(self, exc)  # instead of a traceback for each record

    _put(logging.Handler, "handleError", handleError, hooks)


def _put(owner: type, name: str, wrapper: Any, hooks: Hooks) -> None:
    hooks.wrapped.append((owner, name, wrapper, owner.__dict__.get(name)))
    setattr(wrapper, MARK, hooks)
    setattr(owner, name, wrapper)


def unhook(hooks: Hooks) -> None:
    """Put back what was there. A wrapper that someone else has wrapped stays, and does nothing."""
    hooks.active = False
    hooks.take_handlers()
    for owner, name, wrapper, before in hooks.wrapped:
        if owner.__dict__.get(name) is not wrapper:
            continue
        if before is None:  # it was inherited
            delattr(owner, name)
        else:
            setattr(owner, name, before)
