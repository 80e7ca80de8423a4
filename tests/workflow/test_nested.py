"""A step inside a step: one owner of the retries, a scope for each attempt, and what completed is
kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from surefoot import Runtime, current, effect, on, step, workflow
from surefoot.clock import ManualClock


class Broken(Exception):
    pass


class Wrapped(Exception):
    pass


@pytest.fixture
def calls() -> list[Any]:
    return []


def run_of(body: Any) -> Any:
    return workflow(name="work")(body).with_options(run_id="r")


def test_a_nested_step_stands_in_the_scope_of_the_one_around_it(runtime: Runtime) -> None:
    @step
    def inner(n: int) -> int:
        return n + 1

    @step
    def outer(n: int) -> int:
        return inner(n) + inner(n)

    run = run_of(lambda: outer(1) + inner(1)).start()
    assert run.result == 6
    entries = {entry["id"]: entry for entry in run.document()["steps"]}
    (around,) = (entry for entry in entries.values() if entry["step"] == outer.spec.name)
    scopes = [entry["scope"] for entry in entries.values() if entry["step"] == inner.spec.name]
    assert sorted(scopes) == sorted(["", around["id"], around["id"]])


def test_inside_a_retrying_step_a_nested_one_is_tried_once_in_each_attempt(
    runtime: Runtime, calls: list[Any], clock: ManualClock
) -> None:
    @step
    def inner(n: int) -> int:
        calls.append(("inner", current().attempt))
        raise ConnectionResetError(104, "Connection reset by peer")

    @step(attempts=3)
    def outer(n: int) -> int:
        calls.append(("outer", current().attempt))
        return inner(n)

    run = run_of(lambda: outer(1)).start()
    assert run.status == "halted"
    assert calls == [
        ("outer", 1),
        ("inner", 1),
        ("outer", 2),
        ("inner", 1),
        ("outer", 3),
        ("inner", 1),
    ]
    assert len(clock.sleeps) == 2


def test_inside_a_step_that_is_tried_once_a_nested_one_has_its_own_retries(
    runtime: Runtime, calls: list[Any]
) -> None:
    @step
    def inner(n: int) -> int:
        calls.append(n)
        if len(calls) < 3:
            raise ConnectionResetError(104, "Connection reset by peer")
        return n

    @step(attempts=1)
    def outer(n: int) -> int:
        return inner(n)

    assert run_of(lambda: outer(1)).start().result == 1 and len(calls) == 3


def test_what_a_nested_step_completed_is_kept_in_the_next_attempt(
    runtime: Runtime, calls: list[Any]
) -> None:
    @step
    def download(n: int) -> int:
        calls.append("download")
        return n

    @step
    def parse(n: int) -> int:
        calls.append("parse")
        if calls.count("parse") < 3:
            raise ConnectionResetError(104, "Connection reset by peer")
        return n

    @step
    def outer(n: int) -> int:
        return parse(download(n))

    assert run_of(lambda: outer(1)).start().result == 1
    assert calls == ["download", "parse", "parse", "parse"]


def test_what_a_nested_effect_did_is_not_done_again_in_the_next_attempt(
    runtime: Runtime, calls: list[Any]
) -> None:
    @effect
    def pay(n: int) -> int:
        calls.append("pay")
        return n

    @step
    def outer(n: int) -> int:
        paid = pay(n)
        calls.append("outer")
        if calls.count("outer") < 3:
            raise ConnectionResetError(104, "Connection reset by peer")
        return paid

    assert run_of(lambda: outer(1)).start().result == 1
    assert calls == ["pay", "outer", "outer", "outer"]


def test_a_resume_goes_into_an_unfinished_step_and_finds_what_completed_there(
    runtime: Runtime, calls: list[Any]
) -> None:
    fail = [True]

    @step
    def inner(n: int) -> int:
        calls.append(n)
        return n

    @step(attempts=1)
    def outer(n: int) -> int:
        total = inner(n) + inner(n + 1)
        if fail[0]:
            raise Broken("no")
        return total

    work = run_of(lambda: outer(1))
    work.start()
    fail[0] = False
    assert work.resume("r").result == 3 and calls == [1, 2]


@pytest.mark.parametrize("how", ["as it is", "from", "in the course of"])
def test_a_failed_nested_step_runs_again_on_a_resume(
    runtime: Runtime, calls: list[Any], how: str
) -> None:
    fail = [True]

    @step(attempts=1)
    def inner(n: int) -> int:
        calls.append(n)
        if fail[0]:
            raise Broken("no")
        return n

    @step(attempts=1)
    def outer(n: int) -> int:
        try:
            return inner(n)
        except Broken as exc:
            if how == "as it is":
                raise
            if how == "from":
                raise Wrapped("outer") from exc
            raise Wrapped("outer")  # noqa: B904  the point of the test

    work = run_of(lambda: outer(1))
    assert work.start().status == "halted"
    fail[0] = False
    assert work.resume("r").status == "completed"
    assert calls == [1, 1]


def test_after_a_crash_the_next_attempt_calls_a_failed_nested_step_anew(
    runtime: Runtime, calls: list[Any], clock: ManualClock
) -> None:
    """The nested failure belongs to an attempt that is over; it must not be replayed into the one
    that the resume begins."""

    @step
    def inner(n: int) -> int:
        calls.append("inner")
        if calls.count("inner") == 1:
            raise ConnectionResetError(104, "Connection reset by peer")
        return n

    @step
    def outer(n: int) -> int:
        calls.append("outer")
        if calls.count("outer") == 2:
            raise KeyboardInterrupt  # stands for a crash in the second attempt
        return inner(n)

    work = run_of(lambda: outer(1))
    with pytest.raises(KeyboardInterrupt):
        work.start()
    run = work.resume("r")
    assert run.result == 1
    assert calls == ["outer", "inner", "outer", "outer", "inner"]
    assert len(run.failures) == 2  # inner's and outer's of the first attempt


def test_nested_async_steps_do_the_same(runtime: Runtime, calls: list[Any]) -> None:
    @step
    async def inner(n: int) -> int:
        calls.append(n)
        if len(calls) < 2:
            raise ConnectionResetError(104, "Connection reset by peer")
        return n

    @step
    async def outer(n: int) -> int:
        return (await inner(n)) + 1

    @workflow
    async def work() -> int:
        return await outer(1)

    assert asyncio.run(work.start()).result == 2 and calls == [1, 1]


def test_a_caught_nested_failure_leaves_the_outer_step_alone(
    runtime: Runtime, calls: list[Any]
) -> None:
    @step(attempts=1)
    def inner(n: int) -> int:
        raise Broken("no")

    @step
    def outer(n: int) -> int:
        try:
            return inner(n)
        except Broken:
            return -1

    run = run_of(lambda: outer(1)).start()
    assert run.result == -1 and [f.step for f in run.failures] == [inner.spec.name]


def test_a_step_maps_within_a_step(runtime: Runtime, calls: list[Any]) -> None:
    fail = [True]

    @step
    def inner(n: int) -> int:
        calls.append(n)
        return n * n

    @step(recover=[on(Broken).retry(attempts=2)])
    def outer(n: int) -> int:
        total = sum(inner.map(range(n)).results)
        if fail[0]:
            fail[0] = False
            raise Broken("no")
        return total

    assert run_of(lambda: outer(4)).start().result == 14
    assert sorted(calls) == [0, 1, 2, 3]
