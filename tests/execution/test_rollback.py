"""Rollback: what a run did is undone, the last one first, and nothing is undone twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from surefoot import (
    Happened,
    NotHappened,
    Runtime,
    WorkflowCriticalError,
    effect,
    idempotency_key,
    step,
    workflow,
)
from surefoot.errors import DefinitionError, UsageError


class Dies(BaseException):
    """The process dies here, as far as the run can tell."""


class World:
    """What was done and undone, and what goes wrong."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.fails: dict[str, list[BaseException]] = {}

    def do(self, what: str) -> str:
        waiting = self.fails.get(what)
        if waiting:
            raise waiting.pop(0)
        self.log.append(what)
        return f"receipt {what}"


@pytest.fixture
def world() -> World:
    return World()


def saga(world: World, **options: Any) -> Any:
    def unreserve(receipt: str, item: str) -> None:
        world.do(f"un{receipt.removeprefix('receipt ')}/{item}")

    def refund(receipt: str) -> None:
        world.do(f"refund {idempotency_key()}")

    @effect(key=lambda item: f"r:{item}", compensate=unreserve)
    def reserve(item: str) -> str:
        return world.do(f"reserve {item}")

    @effect(key=lambda order: f"p:{order}", compensate=refund)
    def pay(order: int) -> str:
        return world.do(f"pay {order}")

    @effect(key=lambda order: f"m:{order}")
    def mail(order: int) -> str:
        return world.do(f"mail {order}")

    @step
    def check() -> str:
        return world.do("check")

    @workflow(name="saga", **options)
    def work() -> str:
        reserve("a")
        pay(7)
        mail(7)
        reserve("b")
        return check()

    return work


def test_a_run_is_undone_the_last_effect_first(runtime: Runtime, world: World) -> None:
    work = saga(world)
    work.with_options(run_id="one").start()
    world.log.clear()
    run = work.rollback("one")
    assert run.status == "rolled_back"
    assert runtime.journal.run("one").error is None
    assert [one.split()[0] for one in world.log] == ["unreserve", "refund", "unreserve"]
    assert world.log[0] == "unreserve b/b" and world.log[2] == "unreserve a/a"
    assert world.log[1].endswith("pay:p:7:1")
    states = {(one.step.rpartition(".")[2], one.effect_key): one.state for one in run.undone}
    assert states == {
        ("reserve", "r:b"): "done",
        ("mail", "m:7"): "kept",
        ("pay", "p:7"): "done",
        ("reserve", "r:a"): "done",
    }


def test_a_workflow_that_halts_is_undone_where_it_says_so(runtime: Runtime, world: World) -> None:
    world.fails["check"] = [WorkflowCriticalError("the warehouse is closed")]
    work = saga(world, rollback="on_halt")
    run = work.with_options(run_id="one").start()
    assert run.status == "rolled_back" and (run.error or {})["kind"] == "misconfiguration"
    assert [one for one in world.log if one.startswith("un")] == ["unreserve b/b", "unreserve a/a"]
    with pytest.raises(UsageError, match="rolled_back"):
        work.resume("one")


def test_the_exception_of_a_workflow_comes_through_after_its_rollback(
    runtime: Runtime, world: World
) -> None:
    world.fails["check"] = [WorkflowCriticalError("the warehouse is closed")]
    with pytest.raises(WorkflowCriticalError, match="warehouse"):
        saga(world, rollback="on_halt")()
    assert world.log[-1] == "unreserve a/a"


def test_an_undo_is_tried_again_as_its_failure_allows(runtime: Runtime, world: World) -> None:
    work = saga(world)
    work.with_options(run_id="one").start()
    world.fails["unreserve b/b"] = [ConnectionRefusedError(111, "no")] * 2
    run = work.rollback("one")
    assert {one.state for one in run.undone} == {"done", "kept"}
    assert world.log.count("unreserve b/b") == 1


def test_an_undo_that_fails_is_set_aside_and_the_others_go_on(
    runtime: Runtime, world: World
) -> None:
    work = saga(world)
    work.with_options(run_id="one").start()
    world.fails["unreserve b/b"] = [PermissionError(13, "Permission denied")] * 9
    run = work.rollback("one")
    states = {one.effect_key: one.state for one in run.undone}
    assert states["r:a"] == states["p:7"] == "done" and states["r:b"] in ("failed", "in_doubt")
    letters = runtime.journal.dead_letters(runtime.journal.run("one").pk)
    assert [one.step.rpartition(".")[2] for one in letters] == ["undo"]


def test_what_was_undone_is_not_undone_again_and_what_failed_is_tried_again(
    runtime: Runtime, world: World
) -> None:
    work = saga(world)
    work.with_options(run_id="one").start()
    world.fails["unreserve b/b"] = [ConnectionRefusedError(111, "refused")] * 9
    work.rollback("one")
    world.fails.clear()
    run = work.rollback("one")
    assert {one.state for one in run.undone} == {"done", "kept"}
    assert world.log.count("unreserve a/a") == world.log.count("unreserve b/b") == 1
    letters = runtime.journal.dead_letters(runtime.journal.run("one").pk)
    assert [one.state for one in letters] == ["replayed"]


def test_a_rollback_that_is_killed_goes_on_as_a_rollback(
    runtime: Runtime, world: World, make_runtime: Callable[[], Runtime]
) -> None:
    work = saga(world)
    work.with_options(run_id="one").start()
    # the body had asked for its key: a repetition carries it, too
    world.fails["unreserve a/a"] = [Dies()]
    with pytest.raises(Dies):
        work.rollback("one")
    assert runtime.journal.run("one").status == "rolling_back"
    with pytest.raises(UsageError, match="surefoot rollback one"):
        work.resume("one")
    with make_runtime():
        run = work.rollback("one")
    assert run.status == "rolled_back" and world.log.count("unreserve b/b") == 1
    assert {one.effect_key: one.state for one in run.undone}["r:a"] == "in_doubt"


def test_an_undo_that_passes_its_key_on_is_finished_after_a_kill(
    runtime: Runtime, world: World
) -> None:
    dies = [True]

    def refund(receipt: str) -> None:
        key = idempotency_key()
        if dies:
            dies.clear()
            raise Dies
        world.do(f"refund {key}")

    @effect(key=lambda order: f"p:{order}", compensate=refund)
    def pay(order: int) -> str:
        return world.do(f"pay {order}")

    @workflow
    def work() -> str:
        return pay(7)

    work.with_options(run_id="one").start()
    with pytest.raises(Dies):
        work.rollback("one")
    run = work.rollback("one")
    assert [one.state for one in run.undone] == ["done"]
    assert len([one for one in world.log if one.startswith("refund")]) == 1


@pytest.mark.parametrize(
    ("answer", "state", "undone"),
    [
        (Happened("receipt late"), "done", True),
        (NotHappened(), None, False),
        ("no idea", "in_doubt", False),
    ],
)
def test_an_effect_in_doubt_is_looked_up_before_it_is_undone(
    runtime: Runtime, world: World, answer: Any, state: str | None, undone: bool
) -> None:
    @effect(
        key=lambda order: f"p:{order}",
        verify=lambda order: answer,
        compensate=lambda receipt: world.do(f"refund {receipt}"),
    )
    def pay(order: int) -> str:
        raise Dies

    @workflow
    def work() -> str:
        return pay(7)

    with pytest.raises(Dies):
        work.with_options(run_id="one").start()
    run = work.rollback("one")
    assert run.status == "rolled_back"
    assert [one.state for one in run.undone] == ([state] if state else [])
    assert world.log == (["refund receipt late"] if undone else [])


def test_a_verify_with_names_of_its_own_is_asked_by_position(
    runtime: Runtime, world: World
) -> None:
    seen: list[Any] = []

    def was_paid(number: int, /, *more: int, gift: str = "") -> Happened[str]:
        seen.append((number, more, gift))
        return Happened("receipt late")

    @effect(
        key=lambda order: f"p:{order}",
        verify=was_paid,
        compensate=lambda receipt, order: world.do(f"refund {receipt} of {order}"),
    )
    def pay(order: int, *cents: int, gift: str = "") -> str:
        raise Dies

    @workflow
    def work() -> str:
        return pay(7, 1, 2, gift="bow")

    with pytest.raises(Dies):
        work.with_options(run_id="one").start()
    assert work.rollback("one").undone[0].state == "done"
    assert seen == [(7, (1, 2), "bow")] and world.log == ["refund receipt late of 7"]


def test_an_async_verify_is_awaited_before_an_undo(runtime: Runtime, world: World) -> None:
    async def was_paid(order: int) -> Happened[str]:
        await asyncio.sleep(0)
        return Happened("receipt late")

    async def refund(receipt: str) -> None:
        world.do(f"refund {receipt}")

    @effect(key=lambda order: f"p:{order}", verify=was_paid, compensate=refund)
    async def pay(order: int) -> str:
        raise Dies

    @workflow
    async def work() -> str:
        return await pay(7)

    with pytest.raises(Dies):
        asyncio.run(work.with_options(run_id="one").start())
    run = asyncio.run(work.rollback("one"))
    assert [one.state for one in run.undone] == ["done"] and world.log == ["refund receipt late"]


def test_an_undone_key_begins_anew(runtime: Runtime, world: World) -> None:
    work = saga(world)
    work.with_options(run_id="one").start()
    work.rollback("one")
    work.with_options(run_id="two").start()
    assert world.log.count("pay 7") == 2
    run = work.rollback("two")
    # the mail was run one's, and has no undo: run two got its result
    assert {one.state for one in run.undone} == {"done"}
    assert world.log.count("unreserve a/a") == 2


def test_what_another_run_did_is_not_undone(runtime: Runtime, world: World) -> None:
    work = saga(world)
    work.with_options(run_id="one").start()
    work.with_options(run_id="two").start()  # the same keys: it gets the first one's results
    world.log.clear()
    run = work.rollback("two")
    assert run.status == "rolled_back" and run.undone == () and world.log == []


def test_doubt_never_starts_a_rollback(runtime: Runtime, world: World) -> None:
    @effect(key=lambda order: f"p:{order}", compensate=lambda receipt: world.do("refund"))
    def pay(order: int) -> str:
        raise TimeoutError("no answer")

    @workflow(rollback="on_halt")
    def work() -> str:
        return pay(7)

    run = work.start()
    assert run.status == "halted" and world.log == []


def test_async_effects_are_undone_too(runtime: Runtime, world: World) -> None:
    async def refund(receipt: str) -> None:
        await asyncio.sleep(0)
        world.do("refund")

    @effect(key=lambda order: f"p:{order}", compensate=refund)
    async def pay(order: int) -> str:
        return world.do(f"pay {order}")

    @step
    async def check() -> str:
        raise WorkflowCriticalError("closed")

    @workflow(rollback="on_halt")
    async def work() -> str:
        await pay(7)
        return await check()

    run = asyncio.run(work.with_options(run_id="one").start())
    assert run.status == "rolled_back" and world.log == ["pay 7", "refund"]
    assert json.dumps(run.document()["undone"])


def test_a_rollback_has_one_word() -> None:
    with pytest.raises(DefinitionError, match="on_halt"):
        workflow(rollback="always")(lambda: None)  # type: ignore[call-overload]
