"""Ctrl-C, cancellation and a request to stop are no failures: the run stays resumable."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from surefoot import Runtime, effect, on, step, workflow
from surefoot.clock import ManualClock
from surefoot.errors import RunCancelled, RunInterrupted, UnknownRun
from surefoot.events import Event, RunEnded


def flow(body: Any) -> Any:
    return workflow(name="work")(body).with_options(run_id="r")


@pytest.mark.parametrize("exc", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_a_stop_in_a_step_leaves_the_run_interrupted_and_resumable(
    runtime: Runtime, exc: BaseException
) -> None:
    stop = [True]
    calls: list[int] = []

    @step(recover=[on(Exception).retry().fall_back(value=0)])
    def work_on(n: int) -> int:
        calls.append(n)
        if stop[0] and n == 2:
            raise exc
        return n

    work = flow(lambda: [work_on(1), work_on(2)])
    with pytest.raises(type(exc)) as caught:
        work.start()
    assert caught.value is exc
    record = runtime.journal.run("r")
    assert record.status == "interrupted" and record.error is None and record.owner is None
    assert runtime.journal.failures(record.pk) == []
    stop[0] = False
    assert work.resume("r").result == [1, 2] and calls == [1, 2, 2]


def test_a_stop_in_the_body_too(runtime: Runtime) -> None:
    stop = [True]

    @workflow
    def work() -> int:
        if stop[0]:
            raise KeyboardInterrupt
        return 1

    with pytest.raises(KeyboardInterrupt):
        work.with_options(run_id="r")()
    stop[0] = False
    assert work.resume("r").result == 1


def test_ctrl_c_during_a_wait_leaves_the_run_resumable(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    calls: list[int] = []

    @step
    def flaky(n: int) -> int:
        calls.append(n)
        if len(calls) == 1:
            raise ConnectionResetError(104, "Connection reset by peer")
        return n

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    work = flow(lambda: flaky(1))
    monkeypatch.setattr(clock, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        work.start()
    monkeypatch.undo()
    run = work.resume("r")
    assert run.result == 1 and run.document()["steps"][0]["attempts"] == 2


def test_an_orchestrators_control_flow_passes_through(runtime: Runtime) -> None:
    """A class of another library that is no failure, recognised by its name."""
    airflow = type("AirflowTaskTimeout", (BaseException,), {})

    @step(recover=[on(Exception).retry()])
    def deferred(n: int) -> int:
        raise airflow

    with pytest.raises(airflow):
        flow(lambda: deferred(1)).start()
    assert runtime.journal.run("r").status == "interrupted"


# -- cancel -----------------------------------------------------------------------------------


def test_a_cancel_is_seen_at_the_next_step(runtime: Runtime) -> None:
    calls: list[int] = []
    heard: list[Event] = []
    runtime.listen(heard.append)

    @step
    def work_on(n: int) -> int:
        calls.append(n)
        if n == 2:
            runtime.journal.request_cancel("r")
        return n

    work = flow(lambda: [work_on(n) for n in range(1, 5)])
    run = work.start()
    assert run.status == "cancelled" and isinstance(run.exception, RunCancelled)
    assert calls == [1, 2] and runtime.journal.run("r").status == "cancelled"
    assert [e.status for e in heard if isinstance(e, RunEnded)] == ["cancelled"]
    assert work.resume("r").result == [1, 2, 3, 4] and calls == [1, 2, 3, 4]


def test_a_broad_except_does_not_swallow_a_cancel(runtime: Runtime) -> None:
    @step
    def work_on(n: int) -> int:
        runtime.journal.request_cancel("r")
        return n

    def body() -> str:
        work_on(1)
        try:
            work_on(2)
        except Exception:
            return "swallowed"
        return "not cancelled"

    assert flow(body).start().status == "cancelled"


def test_a_cancel_from_another_process_is_seen(
    runtime: Runtime, make_runtime: Callable[[], Runtime], clock: ManualClock
) -> None:
    other = make_runtime()
    try:

        @step
        def work_on(n: int) -> int:
            if n == 1:
                other.journal.request_cancel("r")
                clock.advance(10)  # flags are looked at now and then, not with each commit
            return n

        assert flow(lambda: [work_on(n) for n in range(5)]).start().status == "cancelled"
    finally:
        other.close()


def test_a_cancel_stops_the_retries_of_a_step(runtime: Runtime) -> None:
    calls: list[int] = []

    @step
    def failing(n: int) -> int:
        calls.append(n)
        runtime.journal.request_cancel("r")
        raise ConnectionResetError(104, "Connection reset by peer")

    assert flow(lambda: failing(1)).start().status == "cancelled"
    assert calls == [1] and runtime.journal.run("r").status == "cancelled"


def test_cancelling_what_does_not_exist_is_told(runtime: Runtime) -> None:
    with pytest.raises(UnknownRun, match="'nobody'"):
        runtime.journal.request_cancel("nobody")


# -- stop -------------------------------------------------------------------------------------


def test_a_runtime_that_is_asked_to_stop_starts_no_new_step(runtime: Runtime) -> None:
    calls: list[int] = []

    @step
    def work_on(n: int) -> int:
        calls.append(n)
        runtime.stop()
        return n

    work = flow(lambda: [work_on(1), work_on(2)])
    with pytest.raises(RunInterrupted):
        work.start()
    assert calls == [1] and runtime.journal.run("r").status == "interrupted"
    runtime.stopping = False
    assert work.resume("r").result == [1, 2] and calls == [1, 2]


# -- asyncio ----------------------------------------------------------------------------------


def test_a_cancelled_task_leaves_the_run_interrupted_and_resumable(runtime: Runtime) -> None:
    inside: list[str] = []
    hang = [True]

    @step(recover=[on(Exception).retry()])
    async def slow(n: int) -> int:
        inside.append("in")
        if hang[0]:
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0)  # a clean-up that awaits
                inside.append("cleaned up")
        return n

    @workflow
    async def work() -> int:
        return await slow(1)

    async def main() -> None:
        named = work.with_options(run_id="r")
        task = asyncio.ensure_future(named.start())
        while not inside:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert inside == ["in", "cleaned up"]
        assert runtime.journal.run("r").status == "interrupted"
        hang[0] = False
        assert (await named.resume("r")).result == 1

    asyncio.run(main())


def test_with_a_timeout_too_a_cancelled_body_is_done_before_the_run_is(runtime: Runtime) -> None:
    inside: list[str] = []

    @step(timeout=30)
    async def slow(n: int) -> int:
        inside.append("in")
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            inside.append("cleaned up")
        return n

    @workflow
    async def work() -> int:
        return await slow(1)

    async def main() -> None:
        task = asyncio.ensure_future(work.with_options(run_id="r").start())
        while not inside:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert inside == ["in", "cleaned up"]

    asyncio.run(main())
    assert runtime.journal.run("r").status == "interrupted"


@pytest.mark.parametrize("make", [step, effect])
def test_what_a_body_has_done_is_written_before_a_cancellation_is_followed(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    """Once a body has returned, its commit is shielded."""
    calls: list[int] = []
    writing = threading.Event()
    go_on = threading.Event()

    @make
    async def pay(n: int) -> int:
        calls.append(n)
        return n

    @workflow
    async def work() -> list[int]:
        return [await pay(1), await pay(2)]

    async def main() -> None:
        named = work.with_options(run_id="r")
        journal = runtime.journal  # opened here
        transact = journal.store.transact

        def slowly(ops: Any) -> Any:
            if calls == [1] and not writing.is_set():
                writing.set()
                go_on.wait(5)
            return transact(ops)

        monkeypatch.setattr(journal.store, "transact", slowly)
        task = asyncio.ensure_future(named.start())
        while not writing.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # someone is impatient
        await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert runtime.journal.run("r").status == "interrupted"
        assert (await named.resume("r")).result == [1, 2]
        assert calls == [1, 2]

    asyncio.run(main())


def test_a_cancelled_error_that_a_body_raises_itself_passes_through(runtime: Runtime) -> None:
    @step
    async def give_up(n: int) -> int:
        raise asyncio.CancelledError

    @workflow
    async def work() -> int:
        return await give_up(1)

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            await work.with_options(run_id="r").start()

    asyncio.run(main())
    assert runtime.journal.run("r").status == "interrupted"
