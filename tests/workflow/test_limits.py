"""`timeout` bounds one attempt, `deadline` all of them, in threads and on event loops."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from surefoot import Runtime, on, step, workflow
from surefoot.clock import ManualClock
from surefoot.context import frame
from surefoot.errors import StepTimeout


def flow(body: Any) -> Any:
    return workflow(name="work")(body).with_options(run_id="r")


def test_a_sync_step_with_a_timeout_runs_in_a_thread_with_its_context(runtime: Runtime) -> None:
    seen: list[Any] = []

    @step(timeout=5)
    def look(n: int) -> int:
        here = frame()
        assert here is not None
        seen.append((threading.current_thread().daemon, here.step, here.run.run_id))
        return n

    assert flow(lambda: look(1)).start().result == 1
    assert seen == [(True, look.spec.name, "r")]


def test_without_a_timeout_a_sync_step_stays_in_its_callers_thread(runtime: Runtime) -> None:
    @step
    def look(n: int) -> bool:
        return threading.current_thread() is threading.main_thread()

    assert flow(lambda: look(1)).start().result is True


def test_a_sync_body_that_outlives_its_timeout_is_abandoned(runtime: Runtime) -> None:
    release = threading.Event()
    left: list[str] = []

    @step(timeout=0.02, attempts=2)
    def hang(n: int) -> int:
        release.wait(5)
        left.append("returned")
        return n

    run = flow(lambda: hang(1)).start()
    assert run.status == "halted" and isinstance(run.exception, StepTimeout)
    assert [f.kind for f in run.failures] == ["timeout", "timeout"]
    assert "longer than its 0.02 s" in str(run.exception) and "abandoned" in str(run.exception)
    assert run.exception.running()
    release.set()
    end = time.monotonic() + 5
    while len(left) < 2 and time.monotonic() < end:
        time.sleep(0.001)
    while run.exception.running() and time.monotonic() < end:
        time.sleep(0.001)
    assert left == ["returned"] * 2
    # what it returned later was not used
    assert runtime.journal.calls(runtime.journal.run("r").pk)[0].status == "failed"


def test_what_a_bounded_body_raises_comes_through(runtime: Runtime) -> None:
    @step(timeout=5, attempts=1)
    def fail(n: int) -> int:
        raise KeyError("price")

    run = flow(lambda: fail(1)).start()
    assert isinstance(run.exception, KeyError)


def test_a_timeout_may_be_followed_by_a_fallback(runtime: Runtime) -> None:
    release = threading.Event()

    @step(timeout=0.02, recover=[on("timeout").retry(attempts=1).fall_back(value=-1)])
    def hang(n: int) -> int:
        release.wait(5)
        return n

    assert flow(lambda: hang(1)).start().result == -1
    release.set()


def test_an_async_body_that_outlives_its_timeout_is_cancelled(runtime: Runtime) -> None:
    left: list[str] = []

    @step(timeout=0.02, attempts=1)
    async def hang(n: int) -> int:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            left.append("cancelled")
            raise
        return n

    @workflow
    async def work() -> int:
        return await hang(1)

    run = asyncio.run(work.start())
    assert isinstance(run.exception, StepTimeout) and left == ["cancelled"]
    assert "was cancelled" in str(run.exception) and not run.exception.running()


def test_an_async_body_that_finished_all_the_same_is_done(runtime: Runtime) -> None:
    @step(timeout=0.02)
    async def stubborn(n: int) -> int:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return n
        return 0

    @workflow
    async def work() -> int:
        return await stubborn(7)

    assert asyncio.run(work.start()).result == 7


def test_an_async_body_that_fails_while_it_is_cancelled_timed_out(runtime: Runtime) -> None:
    @step(timeout=0.02, attempts=1)
    async def messy(n: int) -> int:
        try:
            await asyncio.sleep(60)
        finally:
            raise KeyError("in the clean-up")

    @workflow
    async def work() -> int:
        return await messy(7)

    assert isinstance(asyncio.run(work.start()).exception, StepTimeout)


def test_an_async_body_within_its_timeout_is_as_without(runtime: Runtime) -> None:
    @step(timeout=5, attempts=1)
    async def fine(n: int) -> int:
        if n == 0:
            raise KeyError("price")
        await asyncio.sleep(0)
        return n

    @workflow
    async def work(n: int) -> int:
        return await fine(n)

    assert asyncio.run(work.start(3)).result == 3
    assert isinstance(asyncio.run(work.start(0)).exception, KeyError)


def test_the_deadline_bounds_all_attempts_and_waits(runtime: Runtime, clock: ManualClock) -> None:
    calls: list[float] = []

    @step(deadline=60, recover=[on("connection").retry(attempts=99, base=10, cap=10)])
    def failing(n: int) -> int:
        calls.append(clock.now())
        clock.advance(5)
        raise ConnectionResetError(104, "Connection reset by peer")

    run = flow(lambda: failing(1)).start()
    assert run.status == "halted" and isinstance(run.exception, ConnectionResetError)
    assert [round(at - calls[0]) for at in calls] == [0, 15, 30, 45]
    assert "left of its deadline" in run.failures[-1].reason


def test_after_a_resume_the_deadline_starts_anew(runtime: Runtime, clock: ManualClock) -> None:
    calls: list[int] = []

    @step(deadline=30)
    def failing(n: int) -> int:
        calls.append(n)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return n

    work = flow(lambda: failing(1))
    with pytest.raises(KeyboardInterrupt):
        work.start()
    clock.advance(3600)
    assert work.resume("r").result == 1


def test_a_server_that_asks_for_more_than_the_deadline_is_not_waited_for(
    runtime: Runtime, clock: ManualClock
) -> None:
    from surefoot import WorkflowRetryError

    @step(deadline=60)
    def limited(n: int) -> int:
        raise WorkflowRetryError("not ready", retry_after=120)

    run = flow(lambda: limited(1)).start()
    assert run.status == "halted" and clock.sleeps == []


def test_a_retry_error_of_the_users_own_waits_as_it_says(
    runtime: Runtime, clock: ManualClock
) -> None:
    from surefoot import WorkflowRetryError

    calls: list[int] = []

    @step
    def export(n: int) -> int:
        calls.append(n)
        if len(calls) == 1:
            raise WorkflowRetryError("not ready", retry_after=30)
        return n

    assert flow(lambda: export(1)).start().result == 1
    assert 30 <= clock.sleeps[0] <= 31


def test_a_critical_error_of_the_users_own_halts_at_once(runtime: Runtime) -> None:
    from surefoot import WorkflowCriticalError

    calls: list[int] = []

    @step(recover=[on(Exception).retry(attempts=9).fall_back(value=0).skip(default=0)])
    def stop(n: int) -> int:
        calls.append(n)
        raise WorkflowCriticalError("the contract has ended")

    run = flow(lambda: stop(1)).start()
    assert run.status == "halted" and calls == [1]


def test_a_sync_step_that_waits_on_a_running_event_loop_warns(
    runtime: Runtime, clock: ManualClock
) -> None:
    calls: list[int] = []

    @step
    def flaky(n: int) -> int:
        calls.append(n)
        if len(calls) == 1:
            raise ConnectionResetError(104, "Connection reset by peer")
        return n

    @workflow
    async def work() -> int:
        return flaky(1)

    with pytest.warns(RuntimeWarning, match="make it an async def"):
        assert asyncio.run(work.start()).result == 1
