"""Logs of a whole program: where each record was made, without secrets, as text or as ECS JSON.

>>> import logging, sys, surefoot
>>> surefoot.logs.install()
>>> shown = logging.StreamHandler(sys.stdout)
>>> shown.setFormatter(logging.Formatter("%(levelname)s %(run_id)s %(message)s"))
>>> logger = logging.getLogger("app"); logger.addHandler(shown)
>>> logger.warning("refused: api_key=%s", "abc123def456")  # doctest: +ELLIPSIS
WARNING None refused: api_key=[secret ...]
>>> logger.removeHandler(shown); surefoot.logs.uninstall()
"""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

from .context import frame, place
from .errors import UsageError
from .observe.cleaning import Cleaner
from .observe.crumbs import drop_factory
from .observe.ecs import EcsHandler, ecs_formatter
from .observe.hooks import hook, hooked, unhook
from .observe.logs import ContextFilter
from .runtime import Runtime, current_runtime

__all__ = ["ContextFilter", "install", "lost", "structlog_processor", "uninstall"]

SERVICE_NAMES = ("OTEL_SERVICE_NAME", "ELASTIC_APM_SERVICE_NAME")
SERVICE_VERSIONS = ("ELASTIC_APM_SERVICE_VERSION",)


def install(
    json: bool = False,
    *,
    stream: TextIO | None = None,
    level: int | str = "INFO",
    logger: str = "",
    service_name: str | None = None,
    service_version: str | None = None,
) -> None:
    """From now on, in this process, every log record says where it was made and carries no secrets.

    It holds for all loggers and handlers of :mod:`logging`, also for those that come later, and for
    records of structlog that go through them. Formats and levels stay as they are: ``%(run_id)s``,
    ``%(workflow)s``, ``%(step)s``, ``%(call_id)s``, ``%(attempt)s``, ``%(item)s``, ``%(stage)s``, and
    ``%(kind)s`` and ``%(fingerprint)s`` of the failure before this attempt, may be used in formats now
    (None outside of steps). Calling it again changes nothing but the JSON handler.

    :param json: also write ECS JSON, a line a record. Needs ``surefoot[logs]``.
    :param stream: where to; None is standard error.
    :param level: from which level on; a logger that holds back more is set to it.
    :param logger: the logger whose records are written; "" is all of them.
    :param service_name: ``service.name`` of each line; None reads ``OTEL_SERVICE_NAME`` or
        ``ELASTIC_APM_SERVICE_NAME``.
    :param service_version: ``service.version``; None reads ``ELASTIC_APM_SERVICE_VERSION``.
    :raises UsageError: there is no such level, or the package for JSON is missing.
    """
    formatter = number = None
    if json:
        number = _level(level)
        formatter = ecs_formatter(
            service_name or _first(SERVICE_NAMES), service_version or _first(SERVICE_VERSIONS)
        )
    hooks = hook(_cleaner())
    if formatter is None or number is None:
        return
    hooks.take_handlers()
    hooks.traces = True
    handler = EcsHandler(stream if stream is not None else sys.stderr, hooks.failed)
    handler.setLevel(number)
    handler.setFormatter(formatter)
    target = logging.getLogger(logger or None)
    before = target.level
    if target.getEffectiveLevel() > number:
        target.setLevel(number)
    hooks.handlers.append((target, handler, before))
    target.addHandler(handler)


def uninstall() -> None:
    """Leave :mod:`logging` as it was before :func:`install`; without effect where it was not called.

    What a run needs by itself (the records that lead up to a failure) comes back with the next run.
    """
    hooks = hooked()
    if hooks is not None:
        unhook(hooks)
    drop_factory()


def lost() -> dict[str, int]:
    """Records that handlers failed to write since :func:`install`, by the handler's class. Such a
    handler is warned about once, and breaks no run."""
    hooks = hooked()
    return dict(hooks.lost) if hooks is not None else {}


def structlog_processor(
    logger: Any, method_name: str, event_dict: MutableMapping[str, Any]
) -> dict[str, Any]:
    """A processor of structlog: adds where the event was made, and takes the secrets out.

    ``exc_info`` becomes the text ``exception``, clean. Put it right before the renderer:

    >>> event = {"event": "asked", "headers": {"authorization": "Basic YTpi"}}
    >>> structlog_processor(None, "info", event)  # doctest: +ELLIPSIS
    {'event': 'asked', 'headers': {'authorization': '[secret ...]'}}
    """
    for name, value in place(frame()).items():
        if value is not None:
            event_dict.setdefault(name, value)
    return _cleaner().event(event_dict)


# -- parts ----------------------------------------------------------------------------------------


def _cleaner() -> Cleaner:
    return Cleaner(_clean_text, _clean_value)


def _clean_text(text: str) -> str:
    return _runtime().scrub_text(text)


def _clean_value(value: Any) -> Any:
    return _runtime().scrub(value)


def _runtime() -> Runtime:
    return current_runtime() or _settings()


@functools.cache
def _settings() -> Runtime:
    """The program's settings, for what is logged outside of runs."""
    return Runtime()


def _level(level: int | str) -> int:
    number = logging.getLevelName(level.upper()) if isinstance(level, str) else level
    if not isinstance(number, int) or isinstance(number, bool):
        raise UsageError(f"level={level!r}: give DEBUG, INFO, WARNING, ERROR, CRITICAL or a number")
    return number


def _first(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)
