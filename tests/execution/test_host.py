"""A host owns the retries: the ladder decides, the host's own tasks, waits and processes carry out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, current, on, step, workflow
from surefoot.attempts import Raised, Returned
from surefoot.clock import ManualClock
from surefoot.execution.commands import Again
from surefoot.execution.host import Stepper
from surefoot.journal.origin import Origin

HOME = Origin("airflow", "3.3.2", {"dag_id": "d", "run_id": "r"}, "http://a/dags/d/runs/r")


class Native:
    """Retries by itself, like Prefect in its process; remembers each attempt and its wait."""

    origin = HOME

    def __init__(self, parent: int | None = None) -> None:
        self.parent = parent
        self.told: list[Any] = []

    def carry_out(self, steps: Stepper) -> Any:
        self.told.append(steps.call.spec.name)
        while True:
            out = steps.advance()
            if not isinstance(out, Again):
                return self.end(steps, out)
            assert steps.failed is out
            self.told.append((type(out.exception).__name__, out.seconds))

    async def carry_out_async(self, steps: Stepper) -> Any:
        self.told.append(steps.call.spec.name)
        while True:
            out = await steps.advance_async()
            if not isinstance(out, Again):
                return self.end(steps, out)
            self.told.append((type(out.exception).__name__, out.seconds))

    def end(self, steps: Stepper, out: Returned | Raised) -> Any:
        assert steps.failed is None
        if isinstance(out, Raised):
            raise out.exception
        return out.value


class Suspended(BaseException):
    """Like Airflow: the next attempt is another process's."""


class Leaving(Native):
    def carry_out(self, steps: Stepper) -> Any:
        out = steps.advance()
        if isinstance(out, Again):
            self.told.append(out.seconds)
            raise Suspended from out.exception
        return self.end(steps, out)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "j.db")


FAILING: list[BaseException] = []


@step(recover=[on("connection").retry(attempts=3)])
def ask(question: str) -> str:
    if FAILING:
        raise FAILING.pop(0)
    return f"{question}! (attempt {current().attempt})"


@step
def inner(value: int) -> int:
    return value + 1


@step
def outer(value: int) -> int:
    return inner(value)


def test_each_attempt_is_the_hosts_and_nobody_sleeps(journal: str, clock: ManualClock) -> None:
    @workflow
    def flow() -> str:
        return ask("why")

    FAILING[:] = [ConnectionResetError("1"), ConnectionResetError("2")]
    host = Native()
    before = clock.monotonic()
    with Runtime(journal=journal, clock=clock, host=host) as runtime:
        assert flow() == "why! (attempt 3)"
        (record,) = runtime.journal.runs()
        assert Origin.parse(record.origin or "") == HOME and record.parent_pk is None
        assert [f.decision for f in runtime.journal.failures(record.pk)] == ["retry", "retry"]
    assert [one[0] for one in host.told[1:]] == ["ConnectionResetError"] * 2
    assert all(seconds > 0 for _, seconds in host.told[1:]) and clock.monotonic() == before


def test_an_adaptation_is_due_at_once(journal: str, clock: ManualClock) -> None:
    @step(recover=[on("invalid_value").adapt(hint=lambda value, failure: "be brief")])
    def answer(hint: str = "") -> str:
        if not hint:
            raise ValueError("no hint")
        return hint

    @workflow
    def flow() -> str:
        return answer()

    host = Native()
    with Runtime(journal=journal, clock=clock, host=host):
        assert flow() == "be brief"
    assert host.told[1:] == [("ValueError", 0.0)]


def test_a_fall_back_is_another_attempt_without_a_wait(journal: str, clock: ManualClock) -> None:
    def smaller(size: int) -> int:
        return size // 2

    @step(recover=[on("connection").retry(attempts=1).fall_back(smaller)])
    def large(size: int) -> int:
        raise ConnectionResetError("too large")

    @workflow
    def flow() -> int:
        return large(8)

    host = Native()
    with Runtime(journal=journal, clock=clock, host=host):
        assert flow() == 4
    assert host.told[1:] == [("ConnectionResetError", 0.0)]


def test_what_ends_a_call_comes_through_the_host(journal: str, clock: ManualClock) -> None:
    @workflow
    def flow() -> str:
        return ask("why")

    FAILING[:] = [ConnectionResetError(str(number)) for number in range(3)]
    with Runtime(journal=journal, clock=clock, host=Native()):
        with pytest.raises(ConnectionResetError, match="2"):
            flow()


def test_a_step_within_a_step_is_not_the_hosts(journal: str, clock: ManualClock) -> None:
    @workflow
    def flow() -> int:
        return outer(1)

    host = Native()
    with Runtime(journal=journal, clock=clock, host=host):
        assert flow() == 2
    assert host.told == ["outer"]


def test_the_items_of_a_map_are_the_hosts(journal: str, clock: ManualClock) -> None:
    @step(recover=[on("invalid_value").skip()])
    def half(number: int) -> int:
        if number % 2:
            raise ValueError("odd")
        return number // 2

    @workflow
    def flow() -> list[int]:
        return half.map([2, 3, 4], workers=1, max_failure_ratio=1.0).results

    host = Native()
    with Runtime(journal=journal, clock=clock, host=host):
        assert flow() == [1, 2]
    assert len(host.told) == 3 and all(str(one).endswith("half") for one in host.told)


def test_the_same_holds_for_async_steps(journal: str, clock: ManualClock) -> None:
    failing: list[BaseException] = [ConnectionResetError("1")]

    @step
    async def fetch() -> str:
        if failing:
            raise failing.pop()
        return "fetched"

    @step
    async def never() -> None:
        raise TypeError("a bug")

    @workflow
    async def flow() -> str:
        try:
            await never()
        except TypeError:
            pass
        return await fetch()

    host = Native()
    with Runtime(journal=journal, clock=clock, host=host):
        assert asyncio.run(flow()) == "fetched"
    assert [one[0] for one in host.told if isinstance(one, tuple)] == ["ConnectionResetError"]


def test_a_host_that_leaves_goes_on_where_it_was_in_its_next_process(
    journal: str, clock: ManualClock
) -> None:
    calls: list[str] = []

    @step
    def first() -> int:
        calls.append("first")
        return 1

    @workflow
    def flow() -> str:
        first()
        return ask("why")

    FAILING[:] = [ConnectionResetError("1"), ConnectionResetError("2"), ConnectionResetError("3")]
    host = Leaving()
    with Runtime(journal=journal, clock=clock, host=host):
        with pytest.raises(Suspended):
            flow.with_options(run_id="r").start()
    with Runtime(journal=journal, clock=clock, host=host) as runtime:
        assert runtime.journal.run("r").status == "interrupted"
        with pytest.raises(Suspended):
            flow.resume("r")
    with Runtime(journal=journal, clock=clock, host=host) as runtime:
        run = flow.resume("r")
        assert run.status == "halted" and calls == ["first"]
        failures = runtime.journal.failures(runtime.journal.run("r").pk)
        assert [(f.attempt, f.decision) for f in failures] == [
            (1, "retry"),
            (2, "retry"),
            (3, "halt"),
        ]
    assert len(host.told) == 2


def test_a_part_knows_its_parent(journal: str, clock: ManualClock) -> None:
    @workflow
    def flow() -> int:
        return inner(1)

    with Runtime(journal=journal, clock=clock) as runtime:
        flow.with_options(run_id="all").start()
        parent = runtime.journal.run("all").pk
    with Runtime(journal=journal, clock=clock, host=Native(parent)) as runtime:
        flow.with_options(run_id="part").start()
        assert runtime.journal.run("part").parent_pk == parent


def test_an_origin_that_was_damaged_is_nobodys() -> None:
    assert Origin.parse("{").tool == "?" and Origin.parse('{"a": 1}').ids == {}
