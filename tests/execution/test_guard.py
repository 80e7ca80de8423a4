"""A call before its resource: its place is always given back, and a wait is never begun in vain."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, on, step, workflow
from surefoot.catalog.examples import build
from surefoot.clock import ManualClock
from surefoot.config import Config
from surefoot.execution import driving
from surefoot.resources.limit import BELOW
from tests.support.ladder import hung_up


def limited(seconds: float) -> BaseException:
    return build(
        {
            "type": "openai.RateLimitError",
            "bases": ["openai.APIStatusError", "openai.APIError", "openai.OpenAIError"],
            "message": "slow down",
            "status": 429,
            "headers": {"retry-after": str(seconds)},
        }
    )


class Hooked(ManualClock):
    """Something happens while somebody waits."""

    hook: Callable[[], None] | None = None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.hook is not None:
            hook, self.hook = self.hook, None
            hook()


@pytest.fixture
def clock() -> Hooked:
    return Hooked()


def opened(path: Path, clock: ManualClock, **settings: Any) -> Runtime:
    config = Config(resources={"api": settings})
    return Runtime(journal=path, clock=clock, durability="process", config=config)


def running(runtime: Runtime) -> int:
    return runtime.resource("api")._limit.running


@pytest.mark.timeout(20)  # a place that is lost would be waited for without end
@pytest.mark.parametrize("world", ["sync", "async"])
def test_a_trial_call_that_is_cancelled_lets_the_next_one_try(
    journal_path: Path, clock: Hooked, world: str
) -> None:
    script: list[BaseException | None] = [hung_up(), KeyboardInterrupt()]

    def act() -> int:
        event = script.pop(0) if script else None
        if event is not None:
            raise event
        return 1

    @step(resource="api", recover=[on("connection").halt()])
    def ask() -> int:
        return act()

    @step(resource="api", recover=[on("connection").halt()])
    async def ask_async() -> int:
        return act()

    def between() -> None:
        clock.advance(60)

    @workflow(name="work")
    def work() -> int:
        try:
            return ask()
        except ConnectionResetError:
            between()
            return ask()

    @workflow(name="work")
    async def work_async() -> int:
        try:
            return await ask_async()
        except ConnectionResetError:
            between()
            return await ask_async()

    def start() -> Any:
        return work.start() if world == "sync" else asyncio.run(work_async.start())

    with opened(journal_path, clock, circuit_failures=1, circuit_seconds=60) as runtime:
        with pytest.raises(KeyboardInterrupt):
            start()
        assert start().result == 1 and running(runtime) == 0
        assert clock.sleeps == []


def test_a_place_is_given_back_when_ctrl_c_falls_between_two_lines(
    journal_path: Path, clock: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    @step(resource="api")
    def ask() -> int:
        return 1

    @workflow
    def work() -> int:
        return ask()

    def interrupted(command: Any) -> Any:
        raise KeyboardInterrupt

    with opened(journal_path, clock, concurrency=1, adaptive=False) as runtime:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(driving, "invoke_sync", interrupted)
            work.start()
        assert running(runtime) == 0 and work.start().result == 1


def test_no_place_before_the_deadline_is_an_open_circuit(journal_path: Path, clock: Hooked) -> None:
    @step(resource="api")
    async def holds(inside: asyncio.Event, leave: asyncio.Event) -> int:
        inside.set()
        await leave.wait()
        return 1

    @step(resource="api", deadline=0.05, recover=[on("circuit_open").retry(attempts=1).halt()])
    async def waits() -> int:
        raise AssertionError("it was made")

    @step(resource="api")
    async def comes_after() -> int:
        return 2

    @workflow
    async def work() -> list[Any]:
        inside, leave = asyncio.Event(), asyncio.Event()
        first = asyncio.ensure_future(holds.with_options(ignore=("inside", "leave"))(inside, leave))
        await inside.wait()
        try:
            told: Any = await waits()
        except Exception as exc:
            told = f"{type(exc).__name__}: {exc}"
        leave.set()
        return [told, await first, await comes_after()]

    with opened(journal_path, clock, concurrency=1, adaptive=False) as runtime:
        told, *results = asyncio.run(work.start()).result
        assert results == [1, 2] and running(runtime) == 0
        assert "CircuitOpen" in told and "no place became free before its deadline" in told


# -- its turn -------------------------------------------------------------------------------------


def paced(**options: Any) -> tuple[Any, Any]:
    """A workflow whose first call is refused, so that there is a pace; then one call, or several.

    One attempt was let through in a second; from then on about one begins in a second.
    """
    refused = itertools.count()

    @step(name="first", resource="api", recover=[on("rate_limited").retry(attempts=2)])
    def first() -> int:
        if next(refused) == 0:
            raise limited(1.0)
        return 1

    @step(name="ask", resource="api", **options)
    def ask(n: int) -> int:
        return n

    @workflow(name="work")
    def work(calls: int) -> list[int]:
        first()
        return [ask(n) for n in range(calls)]

    return work, ask


def test_after_a_refusal_attempts_begin_at_the_pace_that_was_measured(
    journal_path: Path, clock: Hooked
) -> None:
    work, _ = paced()
    with opened(journal_path, clock) as runtime:
        assert work.start(3).result == [0, 1, 2]
        waits = clock.sleeps[1:]
        assert clock.sleeps[0] == pytest.approx(1.1) and len(waits) == 3
        assert waits == pytest.approx([1 / BELOW] * 3, rel=0.01)
        assert running(runtime) == 0


def test_a_turn_that_comes_after_the_deadline_is_not_waited_for(
    journal_path: Path, clock: Hooked
) -> None:
    work, _ = paced(deadline=1.0, recover=[on("circuit_open").retry(attempts=1).halt()])
    with opened(journal_path, clock) as runtime:
        run = work.start(1)
        assert run.status == "halted" and clock.sleeps == pytest.approx([1.1])
        assert "longer than what is left of the deadline" in run.failures[-1].message
        assert running(runtime) == 0


def test_a_circuit_that_opens_while_somebody_waits_for_its_turn_refuses_it(
    journal_path: Path, clock: Hooked
) -> None:
    work, _ = paced(recover=[on("circuit_open").retry(attempts=1).halt()])
    with opened(journal_path, clock) as runtime:

        def opens() -> None:
            now = clock.now()
            runtime.resource("api").hear(0.0, now + 60, now)

        def then() -> None:
            clock.hook = opens  # the wait after the retry's is the one for the turn

        clock.hook = then
        run = work.start(1)
        assert run.failures[-1].kind == "circuit_open" and len(clock.sleeps) == 2
        assert running(runtime) == 0


def test_ctrl_c_while_waiting_for_a_turn_gives_the_place_back(
    journal_path: Path, clock: Hooked
) -> None:
    work, _ = paced()

    def interrupts() -> None:
        raise KeyboardInterrupt

    def then() -> None:
        clock.hook = interrupts

    clock.hook = then
    with opened(journal_path, clock) as runtime:
        with pytest.raises(KeyboardInterrupt):
            work.with_options(run_id="one").start(1)
        assert running(runtime) == 0
        assert work.resume("one").result == [0]


def test_an_output_that_is_not_what_it_should_be_says_nothing_of_the_resource(
    journal_path: Path, clock: Hooked
) -> None:
    @step(resource="api", attempts=1, expect=lambda value: False)
    def ask(n: int) -> int:
        return n

    @workflow
    def work() -> int:
        return len(ask.map(range(5), workers=1).quarantined)

    with opened(journal_path, clock, circuit_failures=1) as runtime:
        assert work.start().result == 5
        assert runtime.resource("api").state(clock.now())[0] == "closed"
        assert [one.name for one in runtime.resources.known()] == ["api"]
