"""Steps of one resource in a run: they share what one of them was told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, on, step, workflow
from surefoot.catalog.examples import build
from surefoot.clock import ManualClock
from surefoot.config import Config, load_config
from surefoot.errors import ConfigError


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


def test_a_wait_that_one_step_was_told_holds_another(runtime: Runtime, clock: ManualClock) -> None:
    times: list[float] = []
    begun = clock.monotonic()

    @step(resource="openai", recover=[on("rate_limited").halt()])
    def first() -> int:
        raise limited(20)

    @step(resource="openai")
    def second() -> int:
        times.append(clock.monotonic() - begun)
        return 2

    @step(resource="other")
    def third() -> int:
        times.append(clock.monotonic() - begun)
        return 3

    @workflow
    def work() -> int:
        try:
            first()
        except Exception:
            return third() + second()
        return 0

    assert work.start().result == 5
    assert times[0] == 0.0 and times[1] == pytest.approx(20.0)


def test_a_wait_that_is_longer_than_the_deadline_goes_to_the_next_rung(
    runtime: Runtime, clock: ManualClock
) -> None:
    @step(resource="openai", recover=[on("rate_limited").halt()])
    def first() -> int:
        raise limited(20)

    @step(
        resource="openai",
        deadline=5.0,
        recover=[on("circuit_open").fall_back(value=7)],
    )
    def second() -> int:
        raise AssertionError("it was asked")

    @workflow
    def work() -> int:
        try:
            first()
        except Exception:
            return second()
        return 0

    run = work.start()
    assert run.result == 7 and run.degraded and clock.sleeps == []
    assert run.failures[-1].kind == "circuit_open"


def test_an_open_circuit_fails_fast_and_closes_by_a_trial_call(
    clock: ManualClock, tmp_path: Path
) -> None:
    config = Config(resources={"api": {"circuit_failures": 3, "circuit_seconds": 60}})
    asked: list[int] = []
    healthy: list[bool] = []

    @step(resource="api", attempts=1, recover=[on("circuit_open").halt()])
    def ask(n: int) -> int:
        asked.append(n)
        if not healthy:
            raise ConnectionResetError("hung up")
        return n

    @workflow
    def work() -> list[Any]:
        told: list[Any] = []
        for n in range(5):
            try:
                told.append(ask(n))
            except Exception as exc:
                told.append(type(exc).__name__)
        clock.advance(60)
        healthy.append(True)
        return [*told, ask(9)]

    with Runtime(journal=tmp_path / "j.db", clock=clock, config=config):
        run = work.start()
    lost, refused = ["ConnectionResetError"] * 3, ["CircuitOpen"] * 2
    assert run.result == [*lost, *refused, 9] and asked == [0, 1, 2, 9]


def test_an_open_circuit_is_waited_for_where_nothing_else_is_said(
    clock: ManualClock, tmp_path: Path
) -> None:
    config = Config(resources={"api": {"circuit_failures": 2, "circuit_seconds": 60}})
    times: list[float] = []
    begun = clock.monotonic()

    @step(resource="api", attempts=9)
    def ask() -> int:
        times.append(round(clock.monotonic() - begun))
        if len(times) < 3:
            raise ConnectionResetError("hung up")
        return 1

    @workflow
    def work() -> int:
        return ask()

    with Runtime(journal=tmp_path / "j.db", clock=clock, config=config):
        run = work.start()
    assert run.result == 1 and times[2] >= 60
    assert [one.kind for one in run.failures][-1] == "circuit_open"


def test_retries_never_multiply_an_outage(clock: ManualClock, tmp_path: Path) -> None:
    config = Config(resources={"api": {"circuit_failures": 1_000, "retry_budget": 4}})
    asked: list[int] = []

    @step(resource="api", attempts=5)
    def ask(n: int) -> int:
        asked.append(n)
        raise ConnectionResetError("hung up")

    @workflow
    def work() -> int:
        return len(ask.map(range(10), workers=1, max_failure_ratio=1.0).quarantined)

    with Runtime(journal=tmp_path / "j.db", clock=clock, config=config):
        run = work.start()
    # the first item uses the budget up; the others are tried once each
    assert len(asked) == 14 and run.result == 10
    assert any("retry budget" in one.reason for one in run.failures)


def test_two_processes_on_one_journal_share_a_gate(
    make_runtime: Callable[[], Runtime], clock: ManualClock
) -> None:
    @step(resource="openai", recover=[on("rate_limited").halt()])
    def first() -> int:
        raise limited(20)

    @step(resource="openai")
    def second() -> int:
        return 2

    @workflow
    def one() -> int:
        return first()

    @workflow
    def other() -> int:
        return second()

    with make_runtime():
        assert one.start().status == "halted"
    with make_runtime():
        assert other.start().result == 2
    assert sum(clock.sleeps) == pytest.approx(20.0)


def test_a_healthy_resource_costs_no_write(runtime: Runtime) -> None:
    @step(resource="openai")
    def ask(n: int) -> int:
        return n

    @workflow
    def work() -> int:
        return len(ask.map(range(20)).results)

    assert work.start().result == 20
    assert runtime.journal.store.read("SELECT * FROM resources") == []


def test_only_so_many_threads_are_at_a_resource_at_once(tmp_path: Path) -> None:
    config = Config(resources={"db": {"concurrency": 3, "adaptive": False}})
    lock = threading.Lock()
    now = [0, 0]

    @step(resource="db")
    def ask(n: int) -> int:
        with lock:
            now[0] += 1
            now[1] = max(now)
        threading.Event().wait(0.005)
        with lock:
            now[0] -= 1
        return n

    @workflow
    def work() -> int:
        return len(ask.map(range(30), workers=10).results)

    with Runtime(journal=tmp_path / "j.db", config=config):
        assert work.start().result == 30
    assert now[1] <= 3


def test_only_so_many_tasks_are_at_a_resource_at_once_and_a_cancelled_one_gives_its_place_on(
    tmp_path: Path,
) -> None:
    config = Config(resources={"db": {"concurrency": 2, "adaptive": False}})
    now = [0, 0]

    @step(resource="db")
    async def ask(n: int) -> int:
        now[0] += 1
        now[1] = max(now)
        await asyncio.sleep(0.01)
        now[0] -= 1
        return n

    @workflow
    async def work() -> int:
        tasks = [asyncio.ensure_future(ask(n)) for n in range(6)]
        await asyncio.sleep(0.002)
        tasks[3].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        return sum(isinstance(one, int) for one in done)

    with Runtime(journal=tmp_path / "j.db", config=config):
        run = asyncio.run(work.start())
    assert run.result == 5 and now == [0, 2]


def test_a_function_to_fall_back_on_is_not_held(runtime: Runtime, clock: ManualClock) -> None:
    def elsewhere() -> str:
        return "elsewhere"

    @step(resource="openai", recover=[on("rate_limited").retry(attempts=1).fall_back(elsewhere)])
    def ask() -> str:
        raise limited(300)

    @workflow
    def work() -> str:
        return ask()

    assert work.start().result == "elsewhere" and clock.sleeps == []


@pytest.mark.parametrize(
    ("text", "said"),
    [("[resources.db]\nconcurency = 3\n", "concurency"), ("resources = 3\n", "must be a table")],
)
def test_a_wrong_setting_names_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "surefoot.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        _ = Runtime(config=load_config(tmp_path, {})).resources
