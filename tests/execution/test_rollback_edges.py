"""Rollback where something is amiss: undos of other shapes, results that are gone, doubts that stay."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path
from typing import Any

import pytest

from surefoot import Happened, NotHappened, Runtime, WorkflowCriticalError, effect, workflow
from surefoot.clock import ManualClock


class Dies(BaseException):
    """The process dies here, as far as the run can tell."""


class Client:
    """Cannot be saved."""

    def __init__(self) -> None:
        self.socket = object()

    def __reduce__(self) -> Any:
        raise TypeError("a client cannot be saved")


def states(run: Any) -> dict[str, str]:
    return {one.effect_key: one.state for one in run.undone}


def test_an_async_undo_that_fails_is_set_aside_and_the_others_go_on(runtime: Runtime) -> None:
    undone: list[str] = []

    async def refund(receipt: str) -> None:
        await asyncio.sleep(0)
        if receipt == "receipt 2":
            raise WorkflowCriticalError("the bank is closed")
        undone.append(receipt)

    @effect(key=lambda order: f"p:{order}", compensate=refund)
    async def pay(order: int) -> str:
        return f"receipt {order}"

    @workflow
    async def work() -> None:
        for order in (1, 2, 3):
            await pay(order)

    async def both() -> Any:
        await work.with_options(run_id="one").start()
        return await work.rollback("one")

    run = asyncio.run(both())
    assert run.status == "rolled_back" and undone == ["receipt 3", "receipt 1"]
    assert states(run)["p:1"] == states(run)["p:3"] == "done"
    assert states(run)["p:2"] in ("failed", "in_doubt")
    [letter] = runtime.journal.dead_letters(runtime.journal.run("one").pk)
    assert letter.step.endswith("pay.undo")


def test_an_effect_in_doubt_without_a_verify_is_set_aside(runtime: Runtime) -> None:
    @effect(key=lambda order: f"p:{order}", compensate=lambda receipt: None)
    def pay(order: int) -> str:
        raise Dies

    @workflow
    def work() -> str:
        return pay(1)

    with pytest.raises(Dies):
        work.with_options(run_id="one").start()
    run = work.rollback("one")
    assert states(run) == {"p:1": "in_doubt"}
    assert "no verify=" in str(run.undone[0].detail)


def test_a_verify_that_fails_leaves_the_effect_in_doubt(runtime: Runtime) -> None:
    def was_paid(order: int) -> Happened[str]:
        raise WorkflowCriticalError("the bank's books are closed")

    @effect(key=lambda order: f"p:{order}", verify=was_paid, compensate=lambda receipt: None)
    def pay(order: int) -> str:
        raise Dies

    @workflow
    def work() -> str:
        return pay(1)

    with pytest.raises(Dies):
        work.with_options(run_id="one").start()
    run = work.rollback("one")
    assert states(run) == {"p:1": "in_doubt"} and "books are closed" in str(run.undone[0].detail)


def test_what_is_on_its_way_may_arrive_before_a_rollback_believes_that_it_did_not(
    runtime: Runtime, clock: ManualClock
) -> None:
    """A ``NotHappened()`` counts only once ``settle`` has passed since the intent."""
    undone: list[str] = []
    begun = clock.now()

    def was_paid(order: int) -> Happened[str] | NotHappened:
        return Happened("late receipt") if clock.now() >= begun + 30 else NotHappened()

    @effect(key=lambda order: f"p:{order}", verify=was_paid, settle=30, compensate=undone.append)
    def pay(order: int) -> str:
        raise Dies

    @workflow
    def work() -> str:
        return pay(1)

    with pytest.raises(Dies):
        work.with_options(run_id="one").start()
    run = work.rollback("one")
    assert states(run) == {"p:1": "done"} and undone == ["late receipt"]


def test_what_did_not_happen_by_the_time_that_it_settled_is_not_undone(
    runtime: Runtime, clock: ManualClock
) -> None:
    looks: list[float] = []
    begun = clock.now()

    def was_paid(order: int) -> NotHappened:
        looks.append(clock.now() - begun)
        return NotHappened()

    @effect(key=lambda order: f"p:{order}", verify=was_paid, settle=30, compensate=looks.append)
    async def pay(order: int) -> str:
        raise Dies

    @workflow
    async def work() -> str:
        return await pay(1)

    with pytest.raises(Dies):
        asyncio.run(work.with_options(run_id="one").start())

    async def back() -> Any:
        return await work.rollback("one")

    run = asyncio.run(back())
    assert run.status == "rolled_back" and run.undone == ()
    assert looks == pytest.approx([0, 30])


def test_a_result_that_cannot_be_read_any_more_is_set_aside(
    runtime: Runtime, journal_path: Path
) -> None:
    undone: list[Any] = []

    @effect(key=lambda order: f"p:{order}", compensate=undone.append)
    def pay(order: int) -> str:
        return f"receipt {order}" * 20_000  # too long for the journal: a file beside it

    @workflow
    def work() -> None:
        pay(1)

    work.with_options(run_id="one").start()
    [blob] = [one for one in Path(f"{journal_path}.blobs").rglob("*") if one.is_file()]
    blob.chmod(0o600)
    blob.write_bytes(b"damaged")
    run = work.rollback("one")
    assert states(run) == {"p:1": "failed"} and undone == []
    assert "its result cannot be read" in str(run.undone[0].detail)


def test_an_undo_that_takes_the_result_alone_needs_no_saved_arguments(runtime: Runtime) -> None:
    undone: list[str] = []

    @effect(
        key=lambda order: f"p:{order}",
        ignore=("client",),
        compensate=lambda receipt: undone.append(receipt),
    )
    def pay(order: int, client: Any) -> str:
        return f"receipt {order}"

    @workflow
    def work() -> None:
        pay(1, Client())

    work.with_options(run_id="one").start()
    assert states(work.rollback("one")) == {"p:1": "done"} and undone == ["receipt 1"]


def test_undos_of_other_shapes_get_what_they_take(runtime: Runtime) -> None:
    undone: list[Any] = []

    class Bank:
        def refund(self, receipt: str, amount: int) -> None:
            undone.append(("method", receipt, amount))

    def partly(said: str, receipt: str) -> None:
        undone.append((said, receipt))

    def all_of_them(receipt: str, **arguments: Any) -> None:
        undone.append(("all", receipt, arguments))

    def named(receipt: str, *, amount: int) -> None:
        undone.append(("named", receipt, amount))

    shapes = {
        "method": Bank().refund,
        "partial": functools.partial(partly, "partial"),
        "all": all_of_them,
        "named": named,
    }
    effects = {}
    for name, undo in shapes.items():

        @effect(name=name, key=lambda order: f"p:{order}", compensate=undo)
        def pay(order: int, amount: int) -> str:
            return f"receipt {order}"

        effects[name] = pay

    @workflow(rollback="on_halt")
    def work() -> None:
        for (
            one
        ) in effects.values():  # no name leads to them: they are known from having been called
            one(1, 100)
        raise WorkflowCriticalError("closed")

    run = work.with_options(run_id="one").start()
    assert {one.state for one in run.undone} == {"done"}
    assert undone == [
        ("named", "receipt 1", 100),
        ("all", "receipt 1", {"order": 1, "amount": 100}),
        ("partial", "receipt 1"),
        ("method", "receipt 1", 100),
    ]


def test_an_effect_that_the_code_no_longer_has_is_kept_and_told(runtime: Runtime) -> None:
    def pay_as(name: str) -> Any:
        @effect(name=name, key=lambda order: f"p:{order}", compensate=lambda receipt: None)
        def pay(order: int) -> str:
            return "paid"

        return pay

    old, new = pay_as("pay"), pay_as("charge")

    def flow_of(pay: Any) -> Any:
        @workflow(name="shop")
        def work() -> str:
            result: str = pay(1)
            return result

        return work

    flow_of(old).with_options(run_id="one").start()
    run = flow_of(new).rollback("one")
    assert states(run) == {"p:1": "kept"}
    assert "no effect of this name" in str(run.undone[0].detail)


def test_an_undo_that_is_noted_as_done_is_not_done_again_whatever_its_claim_says(
    runtime: Runtime,
) -> None:
    undone: list[str] = []

    @effect(key=lambda order: f"p:{order}", compensate=undone.append)
    def pay(order: int) -> str:
        return "paid"

    @workflow
    def work() -> str:
        return pay(1)

    work.with_options(run_id="one").start()
    work.rollback("one")
    runtime.journal.group.commit(
        lambda tx: tx("UPDATE claims SET state = 'done' WHERE state = 'undone'", ())
    )
    assert states(work.rollback("one")) == {"p:1": "done"} and undone == ["paid"]


def test_a_doubt_whose_arguments_are_gone_is_not_looked_up(runtime: Runtime) -> None:
    @effect(
        key=lambda order: f"p:{order}",
        verify=lambda order: Happened("paid"),
        compensate=lambda receipt: None,
    )
    def pay(order: int) -> str:
        raise Dies

    @workflow
    def work() -> str:
        return pay(1)

    with pytest.raises(Dies):
        work.with_options(run_id="one").start()
    runtime.journal.group.commit(lambda tx: tx("UPDATE claims SET arguments = NULL", ()))
    run = work.rollback("one")
    assert states(run) == {"p:1": "in_doubt"}
    assert "arguments were not kept" in str(run.undone[0].detail)
