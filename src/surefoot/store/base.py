"""What the journal asks of a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, Protocol

__all__ = ["SCHEMA_VERSION", "Committed", "Op", "Refused", "Row", "Seam", "Store", "Tx", "scripts"]

SCHEMA_VERSION = 5
"""Of the journal's tables, the same in all databases."""

Row = tuple[Any, ...]


class Tx(Protocol):
    """An open transaction."""

    def __call__(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any:
        """Run one statement; the result has ``rowcount``, ``lastrowid`` and ``fetchall()``."""
        ...


Op = Callable[[Tx], Any]
"""One write. It either does all it means to do, or raises :class:`Refused` before it wrote."""

Seam = Callable[[str], None]
"""Called around each transaction with ``before``, ``inside`` (written, not committed) and
``after``. Failure tests kill or raise here; None in production."""


class Refused(Exception):  # noqa: N818  an answer, not an error: the other writes of a batch go on
    """A write that must not happen, with the exception to raise at whoever asked for it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


class Committed(BaseException):
    """Something interrupted a transaction after it was committed: its results, and what it was."""

    def __init__(self, results: list[Any], cause: BaseException) -> None:
        super().__init__(str(cause))
        self.results = results
        self.cause = cause


class Store(Protocol):
    """A database that holds a journal."""

    location: str

    def transact(self, ops: Sequence[Op]) -> list[Any]:
        """Run ``ops`` in one transaction and commit it.

        :returns: a result for each; where one was refused, its :class:`Refused`.
        :raises JournalError: nothing of it was written, as far as anyone can tell.
        :raises Committed: all of it was written, then Ctrl-C or the like came.
        """
        ...

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query, as of now.

        :raises JournalError: the database cannot be read.
        """
        ...

    def read_alone(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The same while no transaction is open: whatever has a smaller pk than what is there now is
        there, too.

        :raises JournalError: the database cannot be read.
        """
        ...

    def close(self) -> None: ...


def scripts(folder: str) -> list[tuple[int, str]]:
    """The schema's scripts in a folder beside this module, oldest first, as (version, SQL)."""
    found = [
        (int(entry.name[:4]), entry.read_text(encoding="utf-8"))
        for entry in (resources.files(__package__) / folder).iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found)
