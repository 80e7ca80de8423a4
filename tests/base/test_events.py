"""Events are frozen data; the exception of one does not take part in comparing."""

from __future__ import annotations

from typing import get_args

import pytest

from surefoot import events
from surefoot.events import Drifted, Event, RunEnded, RunStarted, Where


def test_the_union_of_events_names_every_event() -> None:
    assert {cls.__name__ for cls in get_args(Event)} == set(events.__all__) - {"Event", "Where"}


def test_events_are_frozen() -> None:
    event = RunStarted("r1", "triage", resumed=False)
    with pytest.raises(AttributeError):
        event.run_id = "r2"  # type: ignore[misc]
    ended = RunEnded("r1", "triage", "completed")
    with pytest.raises(AttributeError):
        ended.status = "halted"  # type: ignore[misc]


def test_the_exception_does_not_take_part_in_comparing() -> None:
    assert RunEnded("r", "w", "halted", ValueError("a")) == RunEnded("r", "w", "halted", None)
    assert RunEnded("r", "w", "halted") != RunEnded("r", "w", "completed")


def test_where_says_which_call_an_event_is_about() -> None:
    where = Where("r1", "answer", "c1")
    assert (where.attempt, where.item, where.stage) == (0, None, None)
    assert Drifted(where, "changed") == Drifted(Where("r1", "answer", "c1"), "changed")
