"""The log records of an attempt, kept for the record of the failure that they lead up to.

A run puts a log-record factory around the one that is there. It keeps the last records of a step
beside its attempt and changes nothing else: what a record says and where it goes stays as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ..context import frame, keep_crumb

__all__ = ["CrumbFactory", "drop_factory", "keep_crumbs"]


class CrumbFactory:
    """A log-record factory that makes what ``inner`` makes, and keeps a copy for the attempt.

    Many programs have a factory of their own; theirs goes on working.
    """

    def __init__(self, inner: Callable[..., logging.LogRecord]) -> None:
        self.inner = inner

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self.inner(*args, **kwargs)
        here = frame()
        if here is not None and here.step is not None:
            try:
                self._keep(here, record)
            except Exception:  # a message that cannot be formatted: logging itself tells of it
                return record
        return record

    def _keep(self, here: Any, record: logging.LogRecord) -> None:
        if record.name is None:  # a copy: logging.makeLogRecord fills in the rest afterwards
            return
        keep_crumb(here, record.created, record.levelname, record.name, record.getMessage())


def keep_crumbs() -> None:
    """Keep records from now on, in this process; called by each run that begins.

    Where another factory was put around ours meanwhile, a second one of ours comes around that: a
    record that both see is kept once.
    """
    there = logging.getLogRecordFactory()
    if not isinstance(there, CrumbFactory):
        logging.setLogRecordFactory(CrumbFactory(there))


def drop_factory() -> None:
    """Put back the factory that was there before, unless another one is around ours by now."""
    there = logging.getLogRecordFactory()
    if isinstance(there, CrumbFactory):
        logging.setLogRecordFactory(there.inner)
