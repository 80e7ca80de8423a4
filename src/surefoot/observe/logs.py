"""What happens, as records of the standard :mod:`logging`, under the logger ``surefoot``.

Every record carries :data:`surefoot.context.PLACE` (``run_id``, ``step``, ``attempt`` …; ``kind`` and
``fingerprint`` for failures), what happened as ``action``, and how it went as ``outcome``.
:class:`ContextFilter` puts the place on an application's own records too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ..context import frame, place
from ..events import (
    AttemptFailed,
    CallHalted,
    CallSkipped,
    Drifted,
    Event,
    Replayed,
    RunEnded,
    RunStarted,
    Where,
)
from ..scrub import scrub_text
from .cleaning import stack_text

__all__ = ["ContextFilter", "log_event"]

LOGGER = "surefoot"


def _extra(where: Where, action: str, outcome: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        **place(None),
        "run_id": where.run_id,
        "workflow": place(frame())["workflow"],
        "step": where.step,
        "call_id": where.call_id,
        "attempt": where.attempt,
        "item": where.item,
        "stage": where.stage,
        "action": action,
        "outcome": outcome,
        **more,
    }


def _name(where: Where) -> str:
    return where.step if where.item is None else f"{where.step}[{where.item}]"


def log_event(event: Event, clean: Callable[[str], str] = scrub_text) -> None:
    """Write one event as a log record; failures carry ``exc_info``, printed without secrets."""
    logger = logging.getLogger(LOGGER)
    if isinstance(event, (AttemptFailed, CallHalted, CallSkipped)):
        _log_failure(logger, event, clean)
    elif isinstance(event, Drifted):
        logger.warning("%s", event.message, extra=_extra(event.where, "drifted"))
    elif isinstance(event, Replayed):
        extra = _extra(event.where, "replayed", "success")
        logger.debug("%s reused its result", _name(event.where), extra=extra)
    elif isinstance(event, RunStarted):
        word = "resumed" if event.resumed else "started"
        extra = _run(event, f"run_{word}", None)
        logger.info("run %s of %s %s", event.run_id, event.workflow, word, extra=extra)
    elif isinstance(event, RunEnded):
        level = logging.INFO if event.status == "completed" else logging.ERROR
        logger.log(
            level,
            "run %s of %s is %s",
            event.run_id,
            event.workflow,
            event.status,
            extra=_run(event, "run_ended", OUTCOMES.get(event.status, "unknown")),
        )


OUTCOMES = {"completed": "success", "halted": "failure"}
"""How a run ended, in the words of ECS; of one that was stopped nobody knows."""


def _run(event: RunStarted | RunEnded, action: str, outcome: str | None) -> dict[str, Any]:
    return {
        **place(None),
        "run_id": event.run_id,
        "workflow": event.workflow,
        "action": action,
        "outcome": outcome,
    }


def _log_failure(
    logger: logging.Logger,
    event: AttemptFailed | CallHalted | CallSkipped,
    clean: Callable[[str], str],
) -> None:
    level, what, action = logging.WARNING, "was set aside", "set_aside"
    if isinstance(event, CallHalted):
        level, what, action = logging.ERROR, "halted", "call_halted"
    elif isinstance(event, AttemptFailed):
        action = "attempt_failed"
        what = f"will {event.decision.replace('_', ' ')}"
        if event.waits is not None:
            what += f" in {event.waits:.3g} s"
    if not logger.isEnabledFor(level):
        return
    exc = event.exception
    record = logger.makeRecord(
        logger.name,
        level,
        __file__,
        0,
        "%s attempt %d failed as %s and %s: %s",
        (
            _name(event.where),
            event.where.attempt,
            event.classification.kind,
            what,
            clean(event.reason),
        ),
        # where nobody set logging up, one line is enough for a terminal
        (type(exc), exc, exc.__traceback__) if logger.hasHandlers() else None,
        func="log_event",
        extra=_extra(
            event.where,
            action,
            "failure",
            kind=event.classification.kind,
            fingerprint=event.classification.fingerprint,
        ),
    )
    if record.exc_info:
        # a formatter prints this text where there is one, and never the raw exception
        record.exc_text = clean(stack_text(exc))
    logger.handle(record)


class ContextFilter(logging.Filter):
    """Puts run, step, attempt and item on every record that passes a handler, and no more than that:
    ``surefoot.logs.install()`` does it for the whole program, and cleans too.

    >>> handler = logging.StreamHandler()
    >>> handler.addFilter(ContextFilter())
    """

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in place(frame()).items():
            record.__dict__.setdefault(name, value)
        return True
