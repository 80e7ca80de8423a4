"""Help for tests of code that uses Surefoot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..clock import ManualClock
from ..context import Frame, entered
from .asserts import (
    assert_dead_lettered,
    assert_degraded,
    assert_fired,
    assert_halted,
    assert_recovered,
)
from .ledger import Entry, Ledger, Tally

__all__ = [
    "Entry",
    "Ledger",
    "ManualClock",
    "Tally",
    "assert_dead_lettered",
    "assert_degraded",
    "assert_fired",
    "assert_halted",
    "assert_recovered",
    "disabled",
]


@contextmanager
def disabled() -> Iterator[None]:
    """Run steps, effects and workflows as plain code: no journal, no waits.

    Failures are still classified and tried again, so that a test sees the same result.

    >>> from surefoot import step
    >>> @step
    ... def double(n: int) -> int:
    ...     return 2 * n
    >>> with disabled():
    ...     double(4)
    8
    """
    with entered(Frame(disabled=True)):
        yield
