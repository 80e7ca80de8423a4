"""Log records as lines of ECS JSON: the Elastic Common Schema, for Elasticsearch, Logstash, Kibana.

The package ``ecs-logging`` knows the fields that every record has. This module adds what it does not:

- where a record was made: ``surefoot.run_id``, ``.workflow``, ``.step``, ``.call_id``, ``.attempt``,
  ``.item``, ``.stage``, ``.kind``, ``.fingerprint``. ECS has no fields for these; its guidelines for
  custom fields ask for a namespace that is a proper name.
- what happened, for Surefoot's own records: ``event.kind``, ``.category``, ``.type``, ``.action``,
  ``.outcome``;
- ``trace.id`` and ``span.id`` of OpenTelemetry; ``service.*`` and ``host.name``;
- what a program gives as ``extra=``: a name with a dot is a field of ECS or of the program's own
  (``http.request.method``, ``acme.order_id``), and so is a mapping that has the name of an object of ECS;
  everything else becomes a label, a text: ``extra={"user": "ada"}`` as ``user`` would clash with the
  object that ECS has there, and Elasticsearch would refuse the line.

It leaves out ``log.original``, which ``ecs-logging`` writes and ECS does not have any more.

https://www.elastic.co/docs/reference/ecs/ecs-field-reference
"""

from __future__ import annotations

import copy
import json
import logging
import math
import sys
from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, TextIO

from ..context import PLACE
from ..errors import UsageError
from .cleaning import OF_STRUCTLOG, STANDARD

__all__ = ["EcsHandler", "ecs_formatter"]

TYPES = {
    "run_started": "start",
    "run_resumed": "start",
    "run_ended": "end",
    "call_halted": "end",
    "set_aside": "end",
    "attempt_failed": "info",
    "replayed": "info",
    "drifted": "info",
}
"""``event.type`` of each action; all are among those that ECS expects of the category process."""

NUMBERS = frozenset(("attempt", "item"))
TRACES = (("trace_id", "trace", "otelTraceID"), ("span_id", "span", "otelSpanID"))
"""(our attribute, ECS object, the attribute of OpenTelemetry's own instrumentation)"""

OBJECTS = frozenset(
    "agent client cloud container data_stream destination device dll dns ecs email entity error event "
    "faas file gen_ai group host http log network observer orchestrator organization package process "
    "registry related rule server service source span threat tls trace transaction url user user_agent "
    "volume vulnerability".split()
)
"""The objects of ECS 9.4, by the first part of their fields' names."""

DEEPEST = 8


if TYPE_CHECKING:
    _Stream = logging.StreamHandler[TextIO]
else:
    _Stream = logging.StreamHandler  # no subscripts before Python 3.11


class EcsHandler(_Stream):
    """Writes each record to a stream as one line.

    :param failed: told what could not be written, and why; nothing is raised.
    """

    def __init__(self, stream: TextIO, failed: Callable[[object, BaseException], None]) -> None:
        super().__init__(stream)
        self._failed = failed

    def handleError(self, record: logging.LogRecord) -> None:
        exc = sys.exc_info()[1]
        if exc is not None:
            self._failed(self, exc)


def ecs_formatter(service_name: str | None, service_version: str | None) -> logging.Formatter:
    """A formatter for :class:`EcsHandler`.

    :raises UsageError: ``ecs-logging`` is not installed.
    """
    try:
        import ecs_logging
    except ImportError as exc:
        raise UsageError(
            'JSON logs need ecs-logging: pip install "surefoot[logs]", or leave json=True out'
        ) from exc
    fixed: dict[str, Any] = {"host": {"name": _host()}}
    service = {"name": service_name, "version": service_version}
    if any(service.values()):
        fixed["service"] = {name: value for name, value in service.items() if value}

    class Formatter(ecs_logging.StdlibFormatter):
        def format(self, record: logging.LogRecord) -> str:
            try:
                return super().format(record)
            except Exception:
                return _least(self, record, ecs_logging.StdlibFormatter)

        def format_to_ecs(self, record: logging.LogRecord) -> dict[str, Any]:
            return _with_ours(super().format_to_ecs(_bare(record)), record, fixed)

    return Formatter(exclude_fields=("log.original",))


def _host() -> str:
    import platform

    return platform.node()


def _bare(record: logging.LogRecord) -> logging.LogRecord:
    """The record without what came to it, which is ours to place. What Elastic APM put on it stays:
    ``ecs-logging`` knows its ids."""
    bare = copy.copy(record)
    bare.__dict__ = {
        name: value
        for name, value in record.__dict__.items()
        if name in STANDARD or (name.startswith("elasticapm_") and isinstance(value, str))
    }
    message: Any = record.msg
    if isinstance(message, dict):  # an event of structlog, not yet a text
        bare.msg, bare.args = str(message.get("event", "")), ()
    return bare


def _with_ours(
    doc: dict[str, Any], record: logging.LogRecord, fixed: Mapping[str, Any]
) -> dict[str, Any]:
    fields = dict(record.__dict__)
    message: Any = record.msg
    if isinstance(message, dict):
        fields.update({k: v for k, v in message.items() if k != "event" and k not in STANDARD})
    for name in OF_STRUCTLOG:
        fields.pop(name, None)
    _merge(doc, fixed)
    _error(doc, record, fields)
    ours = {name: fields.pop(name) for name in PLACE if _is_ours(name, fields.get(name))}
    if ours:
        doc["surefoot"] = ours
    action = fields.get("action")
    if record.name == "surefoot" and action in TYPES:
        _merge(doc, {"event": _event(fields.pop("action"), fields.pop("outcome", None))})
    for attribute, where, theirs in TRACES:
        found = fields.pop(attribute, None) or fields.get(theirs)
        if isinstance(found, str) and found.strip("0"):  # OpenTelemetry writes "0" for none
            _merge(doc, {where: {"id": found}})
    for name, value in fields.items():
        if name not in STANDARD and value is not None and not name.startswith("elasticapm_"):
            _place(doc, str(name), value)
    return doc


def _is_ours(name: str, value: Any) -> bool:
    """Not a program's own ``extra={"step": 10}``."""
    return type(value) is int if name in NUMBERS else type(value) is str


def _error(doc: dict[str, Any], record: logging.LogRecord, fields: dict[str, Any]) -> None:
    error: dict[str, Any] = doc.get("error", {})
    stack = record.exc_text or fields.pop("exception", None)
    if record.exc_info and record.exc_info[0] is not None:
        kind = record.exc_info[0]
        builtin = kind.__module__ in ("builtins", "__main__")
        error["type"] = kind.__qualname__ if builtin else f"{kind.__module__}.{kind.__qualname__}"
    if stack:
        error["stack_trace"] = stack if isinstance(stack, str) else json.dumps(_plain(stack))
    if error:
        doc["error"] = error


def _event(action: str, outcome: Any) -> dict[str, Any]:
    event = {
        "kind": "event",
        "category": ["process"],
        "type": [TYPES[action]],
        "action": action,
    }
    return event if outcome is None else {**event, "outcome": outcome}


def _place(doc: dict[str, Any], name: str, value: Any) -> None:
    """Put what a program gave where ECS has room for it."""
    value = _plain(value)
    if "." in name or (isinstance(value, dict) and name in OBJECTS):
        nested = value
        for part in reversed(name.split(".")):
            nested = {part: nested}
        if all(name.split(".")) and _fits(doc, nested):
            _merge(doc, nested)
            return
    text = value if isinstance(value, str) else json.dumps(value)
    doc.setdefault("labels", {})[name.replace(".", "_")] = text


def _fits(doc: Mapping[str, Any], more: Mapping[str, Any]) -> bool:
    """Whether nothing of ``doc`` would be replaced."""
    for name, value in more.items():
        if name in doc:
            both = isinstance(doc[name], dict) and isinstance(value, dict)
            if not both or not _fits(doc[name], value):
                return False
    return True


def _merge(doc: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, Mapping):
            inner = doc.setdefault(name, {})
            if isinstance(inner, dict):
                _merge(inner, value)
        else:
            doc.setdefault(name, value)


def _plain(value: Any, depth: int = 0) -> Any:
    """What JSON has: text, whole and finite numbers, lists, and objects with texts as names."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if type(value) is int:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth < DEEPEST:
        if isinstance(value, Mapping):
            return {str(name): _plain(part, depth + 1) for name, part in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [_plain(part, depth + 1) for part in value]
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _least(formatter: Any, record: logging.LogRecord, base: Any) -> str:
    """A line that says that there was a record, whose fields cannot be written."""
    bare = logging.LogRecord(
        str(record.name), record.levelno, record.pathname, record.lineno, "", (), None
    )
    bare.created, bare.msecs = record.created, record.msecs
    try:
        bare.msg = record.getMessage()
    except Exception:
        bare.msg = "(a record that cannot be formatted)"
    doc = base.format_to_ecs(formatter, bare)
    return json.dumps(doc, default=str)
