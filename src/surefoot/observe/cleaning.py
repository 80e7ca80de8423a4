"""A log record without its secrets, whoever prints it afterwards.

What can be kept as it is, is kept: a message that says nothing secret keeps its template and its
arguments, since some handlers group by the one or unpack the others (uvicorn's access log does).
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from ..context import PLACE
from ..scrub import DROPPED

__all__ = ["OF_STRUCTLOG", "STANDARD", "Cleaner", "stack_text"]

STANDARD = frozenset(
    (*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "message", "asctime", "taskName")
)
"""What every record has; the rest was given as ``extra=``, or by a filter."""

OURS = frozenset((*PLACE, "action", "outcome"))

OF_STRUCTLOG = frozenset(("_record", "_from_structlog", "_logger", "_name"))
"""What structlog puts beside an event for its own use. Nothing of it is printed."""

AFTERWARDS = frozenset(("message", "asctime"))
"""What a formatter writes on a record; it follows from the rest."""

DEEPEST = 3
"""Records within records: an argument whose ``__str__`` logs, in a record that is cleaned."""


def stack_text(exc: BaseException) -> str:
    """The traceback as Python prints it, with causes and notes, and its secrets. Never raises."""
    try:
        return "".join(traceback.format_exception(type(exc), exc, exc.__traceback__)).rstrip()
    except Exception:
        return f"{type(exc).__qualname__} (it cannot be printed)"


class Cleaner:
    """Cleans records in place.

    :param text: cleans a text. :param value: cleans nested data. Where one of them fails, the field
        is dropped, and the record goes on without it.
    """

    def __init__(self, text: Callable[[str], str], value: Callable[[Any], Any]) -> None:
        self._clean_text = text
        self._clean_value = value
        self._local = threading.local()

    def clean(self, record: logging.LogRecord) -> None:
        """Take the secrets out of ``record``. Again only if something came to it since."""
        local = self._local
        fields = record.__dict__
        if getattr(local, "record", None) is record and _same(local.seen, fields):
            return
        depth = getattr(local, "depth", 0)
        if depth >= DEEPEST:  # what cleans has a record of its own cleaned, and so on
            _empty(record)
            return
        local.depth = depth + 1
        try:
            self._message(record)
            self._exception(fields)
            if fields.get("stack_info"):
                fields["stack_info"] = self.text(str(fields["stack_info"]))
            self._extras(fields)
        except Exception:  # nothing leaves because of a bug in here
            _empty(record)
        finally:
            local.depth = depth
        local.record, local.seen = record, dict(fields)

    def text(self, text: str) -> str:
        """A text without its secrets."""
        try:
            return self._clean_text(text)
        except Exception:
            return DROPPED

    # -- the parts of a record ----------------------------------------------------------------

    def _message(self, record: logging.LogRecord) -> None:
        message: Any = record.msg
        if isinstance(message, dict) and not record.args:  # an event of structlog
            record.msg = self.event(message)
            return
        try:
            text = record.getMessage()
        except Exception:
            record.msg, record.args = f"{self._named(message)} (its arguments do not fit)", ()
            return
        cleaned = self.text(text)
        if "message" in record.__dict__:
            record.message = cleaned
        if type(message) is str:
            if not record.args:
                record.msg = cleaned
                return
            clean = cleaned == text
            kept = self._arguments(record.args, text, clean=clean)
            if kept is not None and (
                (clean and kept == record.args) or self._says_nothing(message % kept)
            ):
                record.args = kept
                return
        record.msg, record.args = cleaned, ()

    def _says_nothing(self, text: str) -> bool:
        """Whether there is no secret in ``text``."""
        return self.text(text) == text

    def _named(self, message: Any) -> str:
        try:
            return self.text(str(message))
        except Exception:
            return DROPPED

    def _arguments(self, args: Any, text: str, *, clean: bool) -> tuple[Any, ...] | None:
        """Each argument without its secrets; None where one is more than a number or a text.

        A text that the message shows as a whole is clean if the message is; one that it cuts
        (``%.3s``) is looked at by itself.
        """
        if type(args) is not tuple:
            return None
        kept: list[Any] = []
        for one in args:
            if type(one) is str:
                kept.append(one if clean and one in text else self.text(one))
            elif one is None or type(one) in (int, float, bool):
                kept.append(one)
            else:
                return None
        return tuple(kept)

    def _exception(self, fields: dict[str, Any]) -> None:
        exc = _exception_of(fields.get("exc_info"))
        text = fields.get("exc_text")
        if exc is None:
            if fields.get("exc_info") != (None, None, None):
                fields["exc_info"] = None
            if text:
                fields["exc_text"] = self.text(str(text))
            return
        if not isinstance(exc, _StandIn):
            text = self.text(str(text) if text else stack_text(exc))
            fields["exc_text"] = text
            fields["exc_info"] = self._stand_in(exc, text)
        elif text:
            fields["exc_text"] = self.text(str(text))

    def _stand_in(self, exc: BaseException, text: str) -> tuple[Any, Any, None]:
        """What handlers get that print exceptions themselves: its type by name, what it says, and
        the traceback as a note. It has no frames, and so no locals."""
        kind = type(exc)
        try:
            says = self.text(str(exc))
        except Exception:
            says = DROPPED
        names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
        made = type(kind.__name__, (_StandIn,), names)
        instead: Any = made(says)
        instead.__notes__ = [text]
        return made, instead, None

    def _extras(self, fields: dict[str, Any]) -> None:
        values = {
            name: value
            for name, value in fields.items()
            if name not in STANDARD and name not in OF_STRUCTLOG
        }
        fields.update(self._named_values(values))

    def _named_values(self, values: dict[str, Any]) -> dict[str, Any]:
        """The same names with clean values. Those of ours are mostly clean: one look tells."""
        rest = {
            name: value
            for name, value in values.items()
            if name not in OURS or not (value is None or type(value) in (str, int))
        }
        texts = "\n".join(
            value for name, value in values.items() if name not in rest and type(value) is str
        )
        if texts and texts != getattr(self._local, "clean", None):  # a step's records are alike
            if self._says_nothing(texts):
                self._local.clean = texts
            else:
                rest = values
        if not rest:
            return values
        cleaned = self._values(rest)
        return {
            name: cleaned.get(name, DROPPED) if name in rest else value
            for name, value in values.items()
        }

    def _values(self, values: dict[str, Any]) -> dict[str, Any]:
        try:
            cleaned = self._clean_value(values)
        except Exception:
            cleaned = None
        return cleaned if isinstance(cleaned, dict) else dict.fromkeys(values, DROPPED)

    # -- structlog ----------------------------------------------------------------------------

    def event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """An event dict without its secrets; ``exc_info`` becomes ``exception``, a text."""
        rest = {name: value for name, value in event.items() if name not in OF_STRUCTLOG}
        exc = _exception_of(rest.pop("exc_info", None))
        if exc is not None and "exception" not in rest:
            rest["exception"] = stack_text(exc)
        if isinstance(rest.get("exception"), (list, dict)):
            rest["exception"] = _without_locals(rest["exception"])
        kept = {name: event[name] for name in OF_STRUCTLOG if name in event}
        return self._named_values(rest) | kept


class _StandIn(Exception):
    """Stands for an exception whose text is clean."""


def _empty(record: logging.LogRecord) -> None:
    """Leave nothing of a record but that there was one."""
    record.msg, record.args = DROPPED, ()
    record.exc_info = record.exc_text = record.stack_info = None
    fields = record.__dict__
    for name in fields.keys() - STANDARD - OURS - OF_STRUCTLOG:
        fields[name] = DROPPED


def _same(seen: dict[str, Any], fields: dict[str, Any]) -> bool:
    gone = object()
    return all(
        seen.get(name, gone) is value or name in AFTERWARDS for name, value in fields.items()
    )


def _exception_of(exc_info: Any) -> BaseException | None:
    """The exception that ``exc_info`` means: itself, a triple, or True for the current one."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        found = exc_info[1] if len(exc_info) == 3 else None
        return found if isinstance(found, BaseException) else None
    return sys.exc_info()[1] if exc_info else None


def _without_locals(value: Any, depth: int = 0) -> Any:
    """An exception that structlog took apart (``dict_tracebacks``), without the frames' variables."""
    if depth > 20:
        return DROPPED
    if isinstance(value, dict):
        return {
            name: _without_locals(part, depth + 1)
            for name, part in value.items()
            if name != "locals"
        }
    if isinstance(value, (list, tuple)):
        return [_without_locals(part, depth + 1) for part in value]
    return value
