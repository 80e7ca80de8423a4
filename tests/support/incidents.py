"""A workflow whose failures are planted, and the incidents that it makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from surefoot import Runtime, Step, step, workflow
from surefoot.clock import ManualClock
from surefoot.config import Config
from surefoot.journal.incident_reading import Incident, find_incident
from surefoot.journal.incident_reading import incidents as read

ALL = ("open", "acknowledged", "muted", "resolved")
HOUR, DAY = 3_600.0, 86_400.0


class Shop:
    """A workflow whose failures are planted, and the journal it writes."""

    def __init__(self, path: Path, regression_after: float | str = DAY) -> None:
        self.clock = ManualClock()
        self.config = Config(incidents={"regression_after": regression_after})
        self.path = path
        self.bad: dict[str, type[Exception]] = {}
        self.failures = 0
        shop = self

        def maybe(name: str) -> None:
            if name in shop.bad:
                raise shop.bad[name](f"{name} failed")

        @step(attempts=2)
        def once_bad(name: str) -> str:
            if shop.failures:
                shop.failures -= 1
                raise ConnectionResetError(104, "Connection reset by peer")
            return name

        @step(attempts=1)
        def strict(name: str) -> str:
            maybe(name)
            return name

        @step(name="item")
        def item(name: str) -> str:
            maybe(name)
            return name

        @workflow
        def flow(items: list[str]) -> int:
            once_bad("x")
            strict("strict")
            found = item.map(items, max_failure_ratio=1, workers=1)
            maybe("body")
            return len(found.results)

        self.flow = flow
        self.item: Step[..., Any] = item

    def runtime(self) -> Runtime:
        return Runtime(self.path, clock=self.clock, durability="process", config=self.config)

    def run(
        self, run_id: str = "run", items: tuple[str, ...] = ("a",), **bad: type[Exception]
    ) -> str:
        self.bad = dict(bad)
        with self.runtime():
            return str(self.flow.with_options(run_id=run_id).start(list(items)).status)

    def resume(self, run_id: str = "run", **bad: type[Exception]) -> str:
        self.bad = dict(bad)
        with self.runtime():
            return str(self.flow.resume(run_id).status)

    def incidents(self) -> dict[str, Incident]:
        """By kind, type and step."""
        with self.runtime() as runtime:
            found = read(runtime.journal.store, states=ALL, now=self.clock.now())
        return {f"{one.kind} of {one.type} in {one.step}": one for one in found}

    def one(self) -> Incident:
        [found] = self.incidents().values()
        return self.whole(found.number)

    def whole(self, number: int) -> Incident:
        with self.runtime() as runtime:
            return find_incident(runtime.journal.store, str(number), self.clock.now())

    def order(self, op: Any) -> None:
        with self.runtime() as runtime:
            runtime.journal.group.commit(op)

    def events(self, number: int = 1) -> list[str]:
        return [row.event for row in self.whole(number).history]
