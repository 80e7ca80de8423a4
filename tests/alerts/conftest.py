"""A journal, a clock that stands still, and sinks that are real servers on loopback."""

from __future__ import annotations

import sqlite3
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime
from surefoot.clock import Clock, ManualClock
from surefoot.config import Config
from surefoot.journal.alerts import MessageRecord, messages
from surefoot.journal.incidents import settle
from surefoot.observe.alerts.teller import Teller, post
from tests.alerts import receivers

START = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


class Desk:
    """One journal with alerts, whose runs start no thread: tests evaluate and send by hand.

    ``alerts`` is the table of the settings.
    """

    def __init__(self, path: Path, alerts: dict[str, Any], clock: Clock) -> None:
        self.path = path
        self.clock = clock
        self.plain = Runtime(path, clock=clock, durability="process", config=Config())
        self.runtime = Runtime(
            path, clock=clock, durability="process", config=Config(alerts=alerts)
        )
        assert self.runtime.alerting is not None
        self.setting = self.runtime.alerting.setting
        self.ended = threading.Event()
        self.teller = Teller(self.setting, self.ended.set)
        self.plain.journal
        self.teller.evaluate()  # from here on, what happens is news

    def another(self) -> Teller:
        """As another process would have it."""
        return Teller(self.setting, self.ended.set)

    def evaluate(self) -> list[MessageRecord]:
        """Messages that are new, the oldest first."""
        before = {one.pk for one in self.messages()}
        self.teller.evaluate()
        return [one for one in self.messages() if one.pk not in before]

    def said(self) -> list[tuple[str, str]]:
        """Phase and title of what is new."""
        return [(one.phase, one.title) for one in self.evaluate()]

    def phases(self) -> list[str]:
        return [one.phase for one in self.evaluate()]

    def send(self, *, impatient: bool = False, seconds: float = 30.0) -> None:
        assert post(self.teller, self.ended, impatient=impatient, seconds=seconds)

    def messages(self, *states: str) -> list[MessageRecord]:
        return messages(self.plain.journal.store, states=states)[::-1]

    def sql(self, text: str, *given: Any) -> list[Any]:
        with sqlite3.connect(self.path) as connection:
            rows = connection.execute(text, given).fetchall()
        connection.close()
        return rows

    def order(self, order: Callable[..., Any], *given: Any) -> int:
        """A person's order about the incident of the latest failure; gives its number."""
        [(pk,)] = self.sql("SELECT pk FROM incidents WHERE fingerprint = ?", self.fingerprint())
        self.plain.journal.group.commit(order(pk, "ada", self.clock.now(), *given))
        return int(pk)

    def recovers(self) -> None:
        """Its latest run is resumed and does not fail any more: its incidents settle."""
        self.sql("UPDATE runs SET status = 'completed'")
        with self.plain:
            self.plain.journal.store.transact(
                [
                    partial(settle, run_pk=run, now=self.clock.now())
                    for (run,) in self.sql("SELECT pk FROM runs")
                ]
            )

    def fingerprint(self) -> str:
        """Of the latest failure."""
        [(found,)] = self.sql("SELECT fingerprint FROM failures ORDER BY pk DESC LIMIT 1")
        return str(found)

    def close(self) -> None:
        self.teller.close()
        self.plain.close()
        self.runtime.close()


@pytest.fixture(scope="session", autouse=True)
def _apprise_is_loaded() -> None:
    """Its hundred plugins warn about what they import, and a warning is an error in tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import apprise

        assert apprise.Apprise.instantiate("json://127.0.0.1/x") is not None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def hooks() -> Iterator[receivers.Hooks]:
    with receivers.hooks() as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, clock: ManualClock) -> Iterator[Callable[..., Desk]]:
    """Makes a desk: ``desk(rules=[…], sinks={…}, **more)``. Without sinks there is one that nobody
    listens at, for what is never sent."""
    made: list[Desk] = []

    def make(
        rules: list[dict[str, Any]] | None = None,
        sinks: dict[str, Any] | None = None,
        clock: Clock = clock,
        **more: Any,
    ) -> Desk:
        table: dict[str, Any] = {
            "sinks": sinks or {"ops": {"url": "json://127.0.0.1:9/in"}},
            **more,
        }
        if rules is not None:
            table["rules"] = rules
        made.append(Desk(tmp_path / "j.db", table, clock))
        return made[-1]

    yield make
    for one in made:
        one.close()
