"""What happens, as records of the standard :mod:`logging`, under the logger ``surefoot``.

Every record carries ``run_id``, ``step``, ``call_id``, ``attempt``, ``item`` and, for failures,
``kind`` and ``fingerprint``. :class:`ContextFilter` puts the first ones on an application's own
records too.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

from ..context import frame
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

__all__ = ["ContextFilter", "log_event"]

LOGGER = "surefoot"


def _extra(where: Where, **more: Any) -> dict[str, Any]:
    return {
        "run_id": where.run_id,
        "step": where.step,
        "call_id": where.call_id,
        "attempt": where.attempt,
        "item": where.item,
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
        logger.warning("%s", event.message, extra=_extra(event.where))
    elif isinstance(event, Replayed):
        logger.debug("%s reused its result", _name(event.where), extra=_extra(event.where))
    elif isinstance(event, RunStarted):
        word = "resumed" if event.resumed else "started"
        logger.info("run %s of %s %s", event.run_id, event.workflow, word, extra=_run(event.run_id))
    elif isinstance(event, RunEnded):
        level = logging.INFO if event.status == "completed" else logging.ERROR
        logger.log(
            level,
            "run %s of %s is %s",
            event.run_id,
            event.workflow,
            event.status,
            extra=_run(event.run_id),
        )


def _run(run_id: str) -> dict[str, Any]:
    return {"run_id": run_id, "step": None, "call_id": None, "attempt": None, "item": None}


def _log_failure(
    logger: logging.Logger,
    event: AttemptFailed | CallHalted | CallSkipped,
    clean: Callable[[str], str],
) -> None:
    level, what = logging.WARNING, "was set aside"
    if isinstance(event, CallHalted):
        level, what = logging.ERROR, "halted"
    elif isinstance(event, AttemptFailed):
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
            kind=event.classification.kind,
            fingerprint=event.classification.fingerprint,
        ),
    )
    if record.exc_info:
        # a formatter prints this text where there is one, and never the raw exception
        record.exc_text = clean(_stack(exc))
    logger.handle(record)


def _stack(exc: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(type(exc), exc, exc.__traceback__)).rstrip()
    except Exception:
        return f"{type(exc).__qualname__} (it cannot be printed)"


class ContextFilter(logging.Filter):
    """Puts run, step, attempt and item on every record that passes a handler.

    >>> handler = logging.StreamHandler()
    >>> handler.addFilter(ContextFilter())
    """

    def filter(self, record: logging.LogRecord) -> bool:
        here = frame()
        if not hasattr(record, "run_id"):
            run = here.run if here is not None else None
            if run is None and here is not None:
                run = here.child
            record.run_id = run.run_id if run is not None else None
            record.step = here.step if here is not None else None
            record.call_id = here.call_id if here is not None else None
            record.attempt = here.attempt if here is not None else None
            record.item = here.item if here is not None else None
        return True
