"""Where code stands: `current()`, `carry`, `with_options`, `disabled()`."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, carry, current, effect, idempotency_key, on, step, workflow
from surefoot.clock import ManualClock
from surefoot.errors import DefinitionError, UsageError
from surefoot.testing import disabled


def flow(body: Any) -> Any:
    return workflow(name="work")(body).with_options(run_id="r")


# -- current ----------------------------------------------------------------------------------


def test_outside_of_a_run_current_knows_only_the_time() -> None:
    here = current()
    assert (here.run_id, here.step, here.call_id, here.attempt) == (None,) * 4
    assert (here.item, here.item_id, here.failure) == (None,) * 3
    assert abs((datetime.now(timezone.utc) - here.now).total_seconds()) < 60


def test_current_names_run_step_attempt_and_the_failure_before(runtime: Runtime) -> None:
    seen: list[Any] = []

    @step(name="flaky")
    def flaky(n: int) -> int:
        here = current()
        seen.append(here)
        if here.attempt == 1:
            raise ConnectionResetError(104, "Connection reset by peer")
        return n

    def body() -> int:
        seen.append(current())
        return flaky(1)

    run = flow(body).start()
    outside, first, second = seen
    assert (outside.run_id, outside.step, outside.attempt) == ("r", None, None)
    assert (first.run_id, first.step, first.attempt, first.failure) == ("r", "flaky", 1, None)
    assert second.attempt == 2 and second.failure.kind == "connection"
    assert second.call_id == first.call_id == run.document()["steps"][0]["id"]
    assert isinstance(second.failure.exception, ConnectionResetError)


def test_now_is_the_runs_own_and_a_resume_repeats_it(runtime: Runtime, clock: ManualClock) -> None:
    seen: list[datetime] = []

    def body() -> None:
        seen.append(current().now)
        if len(seen) == 1:
            raise KeyError("no")

    work = flow(body)
    work.start()
    clock.advance(86_400)
    work.resume("r")
    assert seen[0] == seen[1] == datetime.fromtimestamp(1_700_000_000, timezone.utc)


def test_outside_of_a_run_a_step_knows_its_attempt_too(runtime: Runtime) -> None:
    @step(name="flaky")
    def flaky(n: int) -> tuple[Any, ...]:
        here = current()
        if here.attempt == 1:
            raise ConnectionResetError(104, "Connection reset by peer")
        assert here.failure is not None
        return here.run_id, here.step, here.attempt, here.failure.kind

    assert flaky(1) == (None, "flaky", 2, "connection")


# -- carry ------------------------------------------------------------------------------------


def in_thread(fn: Any) -> list[Any]:
    """The result of ``fn`` in a plain thread, and its warnings as errors."""
    found: list[Any] = []

    def body() -> None:
        try:
            found.append(fn())
        except BaseException as exc:
            found.append(exc)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return found


def test_carry_takes_the_run_into_a_thread(runtime: Runtime) -> None:
    @step
    def double(n: int) -> int:
        return 2 * n

    run = flow(lambda: in_thread(carry(lambda: double(4)))[0]).start()
    assert run.result == 8 and len(run.document()["steps"]) == 1


def test_a_step_in_a_thread_that_lost_the_run_warns_and_names_carry(runtime: Runtime) -> None:
    @step
    def double(n: int) -> int:
        return 2 * n

    found: list[Any] = []

    def body() -> None:
        found.extend(in_thread(lambda: double(4)))

    flow(body).start()
    # warnings are errors here; a program would see one and get its result
    (warning,) = found
    assert isinstance(warning, RuntimeWarning) and "surefoot.carry(function)" in str(warning)


def test_an_async_step_that_lost_the_run_warns_too(runtime: Runtime) -> None:
    @step
    async def double(n: int) -> int:
        return 2 * n

    found: list[Any] = []
    flow(lambda: found.extend(in_thread(lambda: asyncio.run(double(4))))).start()  # type: ignore[arg-type]
    assert isinstance(found[0], RuntimeWarning)


def test_where_no_run_is_live_a_thread_need_not_carry(runtime: Runtime) -> None:
    @step
    def double(n: int) -> int:
        return 2 * n

    assert in_thread(lambda: double(4)) == [8]
    flow(lambda: double(1)).start()
    assert in_thread(lambda: double(4)) == [8]


# -- outside ----------------------------------------------------------------------------------


def test_a_step_outside_of_a_run_handles_its_errors_and_journals_nothing(
    runtime: Runtime, clock: ManualClock
) -> None:
    calls: list[Any] = []

    def smaller(n: int, *, size: int = 8) -> str:
        return f"smaller {n}"

    @step(
        recover=[
            on(ConnectionResetError).retry(attempts=2),
            on(MemoryError)
            .adapt(rounds=1, size=lambda value, failure: value // 2)
            .fall_back(smaller),
            on(KeyError).skip(default="skipped"),
        ]
    )
    def work_on(n: int, *, size: int = 8) -> str:
        calls.append((n, size))
        if n == 1 and len(calls) == 1:
            raise ConnectionResetError(104, "Connection reset by peer")
        if n == 2:
            raise MemoryError
        if n == 3:
            raise KeyError("no")
        if n == 4:
            raise ValueError("bad")
        return "fine"

    assert work_on(1) == "fine" and clock.sleeps == [0.5]
    assert work_on(2) == "smaller 2" and calls[-2:] == [(2, 8), (2, 4)]
    assert work_on(3) == "skipped"
    with pytest.raises(ValueError, match="bad"):
        work_on(4)
    assert not runtime.path.exists()


def test_an_async_step_outside_of_a_run_does_the_same(runtime: Runtime, clock: ManualClock) -> None:
    calls: list[Any] = []

    @step(timeout=5, recover=[on(MemoryError).fall_back(size=1)])
    async def work_on(n: int, *, size: int = 8) -> int:
        calls.append(size)
        if n == 1 and len(calls) == 1:
            raise ConnectionResetError(104, "Connection reset by peer")
        if n == 2 and size > 1:
            raise MemoryError
        if n == 3:
            raise ValueError("bad")
        return size

    assert asyncio.run(work_on(1)) == 8 and clock.sleeps == [0.5]  # type: ignore[arg-type]
    assert asyncio.run(work_on(2)) == 1  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bad"):
        asyncio.run(work_on(3))  # type: ignore[arg-type]
    assert not runtime.path.exists()


@pytest.mark.parametrize("exc", [KeyboardInterrupt(), SystemExit(1)])
def test_outside_of_a_run_a_stop_passes_through_too(exc: BaseException) -> None:
    @step(recover=[on(Exception).retry()])
    def stop() -> None:
        raise exc

    with pytest.raises(type(exc)):
        stop()


# -- with_options -----------------------------------------------------------------------------


def test_with_options_changes_what_it_names_and_nothing_else(runtime: Runtime) -> None:
    @step(name="load", stage="ingestion", timeout=9.0, attempts=2)
    def load(n: int) -> int:
        return n

    changed = load.with_options(attempts=7, recover=[on("timeout").retry()], ignore="n")
    assert changed.spec.policy.attempts == 7 and load.spec.policy.attempts == 2
    assert (changed.spec.name, changed.spec.stage) == ("load", "ingestion")
    assert changed.spec.policy.timeout == 9.0
    assert flow(lambda: changed(3)).start().result == 3


def test_an_effects_options_are_changed_too(runtime: Runtime) -> None:
    @effect(key=lambda n: f"k{n}")
    def pay(n: int, text: str = "") -> str:
        return idempotency_key()

    changed = pay.with_options(key=lambda n: f"other{n}", match=["n"], on_doubt="rerun", settle=3)
    assert flow(lambda: [pay(1), changed(1)]).start().result == ["k1", "other1"]
    assert changed.spec.policy.on_doubt == "rerun"
    assert changed.spec.effect is not None and changed.spec.effect.settle == 3
    assert changed.spec.effect.match == ("n",)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"attempt": 3}, "did you mean 'attempts'"),
        ({"key": None}, "@step has no such option"),
        ({"on_doubt": "rerun"}, "@step has no such option"),
        ({"timeout": -1}, "timeout=-1"),
        ({"stage": "inferenc"}, "did you mean 'inference'"),
    ],
)
def test_a_mistake_in_with_options_is_told(options: Any, part: str) -> None:
    @step
    def load(n: int) -> int:
        return n

    with pytest.raises(DefinitionError) as caught:
        load.with_options(**options)
    assert part in str(caught.value)


def test_an_effect_has_no_checkpoint_option() -> None:
    @effect
    def pay(n: int) -> int:
        return n

    with pytest.raises(DefinitionError, match="@effect has no such option"):
        pay.with_options(checkpoint=False)


# -- disabled ---------------------------------------------------------------------------------


def test_disabled_runs_steps_effects_and_workflows_as_plain_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    calls: list[str] = []

    @step
    def flaky(n: int) -> int:
        calls.append("flaky")
        if len(calls) == 1:
            raise ConnectionResetError(104, "Connection reset by peer")
        return n

    @effect
    def pay(n: int) -> str:
        calls.append("pay")
        return idempotency_key()

    @workflow
    def work(n: int) -> list[Any]:
        return [flaky(n), pay(n), *flaky.map([1, 2]).results]

    @workflow
    async def work_async(n: int) -> int:
        return flaky(n)

    with disabled():
        found = work(3)
        assert asyncio.run(work_async(4)) == 4  # type: ignore[arg-type]
    assert found[0] == 3 and isinstance(found[1], str) and found[2:] == [1, 2]
    assert calls[:3] == ["flaky", "flaky", "pay"]
    assert list(tmp_path.iterdir()) == []


def test_disabled_within_a_runtime_leaves_its_journal_alone(runtime: Runtime) -> None:
    @step
    def double(n: int) -> int:
        return 2 * n

    @workflow
    def work() -> int:
        return double(4)

    with disabled():
        assert work() == 8
    assert runtime.journal.runs() == []


def test_an_effect_in_doubt_is_in_doubt_there_too() -> None:
    calls: list[int] = []

    @effect
    def pay(n: int) -> None:
        calls.append(n)
        raise ConnectionResetError(104, "Connection reset by peer")

    with disabled(), pytest.raises(ConnectionResetError):
        pay(1)
    assert calls == [1]


def test_idempotency_key_outside_of_an_effect_is_a_mistake(runtime: Runtime) -> None:
    @step
    def ask(n: int) -> str:
        return idempotency_key()

    with pytest.raises(UsageError):
        idempotency_key()
    assert isinstance(flow(lambda: ask(1)).start().exception, UsageError)
