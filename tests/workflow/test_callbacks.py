"""Code that is told how a run ended: ``on_halt`` and ``on_recovered``."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest

from surefoot import Run, Runtime, effect, step, workflow
from surefoot.errors import DefinitionError, ProcessCrashed


class Told:
    """What callbacks were called with, in their order."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str]] = []

    def halt(self, run: Run[Any]) -> None:
        self.heard.append(("halt", run.run_id, run.status))

    def recovered(self, run: Run[Any]) -> None:
        self.heard.append(("recovered", run.run_id, run.status))

    def taken(self) -> list[tuple[str, str, str]]:
        heard, self.heard = self.heard, []
        return heard


@pytest.fixture
def told() -> Told:
    return Told()


class Switch:
    """Something that fails until it is mended."""

    broken: BaseException | None = ValueError("bad")

    def __call__(self) -> None:
        if self.broken is not None:
            raise self.broken


def made(told: Told, work: Callable[[], Any], **options: Any) -> Any:
    def flow() -> Any:
        return work()

    return workflow(on_halt=told.halt, on_recovered=told.recovered, name="flow", **options)(flow)


@pytest.mark.parametrize("how", ["start", "call"])
def test_a_halted_run_is_told_once_and_its_recovery_too(
    runtime: Runtime, told: Told, how: str
) -> None:
    switch = Switch()
    work = made(told, step(switch.__call__, attempts=1, name="s")).with_options(run_id="r")
    if how == "start":
        work.start()
    else:
        with pytest.raises(ValueError, match="bad"):
            work()
    assert told.taken() == [("halt", "r", "halted")]
    work.resume("r")
    assert told.taken() == [("halt", "r", "halted")]
    switch.broken = None
    work.resume("r")
    assert told.taken() == [("recovered", "r", "completed")]
    work.resume("r")
    work.start()
    assert told.taken() == []


def test_a_run_that_never_stopped_has_nothing_to_tell(runtime: Runtime, told: Told) -> None:
    tries = iter([OSError("once"), None])

    @step(attempts=2)
    def flaky() -> None:
        found = next(tries)
        if found is not None:
            raise found

    made(told, flaky).start()
    assert told.taken() == []


def test_an_interrupted_run_is_told_when_it_completes(runtime: Runtime, told: Told) -> None:
    switch = Switch()
    switch.broken = KeyboardInterrupt()
    work = made(told, switch).with_options(run_id="r")
    with pytest.raises(KeyboardInterrupt):
        work.start()
    assert told.taken() == []
    switch.broken = None
    work.resume("r")
    assert told.taken() == [("recovered", "r", "completed")]


def test_with_a_rollback_the_callback_comes_after_it(runtime: Runtime, told: Told) -> None:
    undone: list[str] = []

    @effect(key=lambda n: f"k{n}", compensate=lambda result: undone.append(result))
    def pay(n: int) -> str:
        return f"paid {n}"

    def body() -> None:
        pay(1)
        raise ValueError("bad")

    heard: list[Any] = []

    @workflow(rollback="on_halt", on_halt=lambda run: heard.append((run.status, list(undone))))
    def flow() -> None:
        body()

    flow.start()
    assert heard == [("rolled_back", ["paid 1"])]


def test_a_rollback_that_a_person_asked_for_is_no_halt(runtime: Runtime, told: Told) -> None:
    work = made(told, lambda: 1).with_options(run_id="r")
    work.start()
    work.rollback("r")
    assert told.taken() == []


def test_a_result_that_cannot_be_saved_is_a_halt(runtime: Runtime, told: Told) -> None:
    made(told, lambda: object()).with_options(run_id="r").start()
    assert told.taken() == [("halt", "r", "halted")]


def test_a_run_that_dies_again_and_again_is_a_halt(runtime: Runtime, told: Told) -> None:
    switch = Switch()
    switch.broken = (
        KeyboardInterrupt()
    )  # stands for the death; the row is then made to look like one
    work = made(told, switch).with_options(run_id="r")

    def die(act: Callable[[], Any]) -> None:
        with pytest.raises(KeyboardInterrupt):
            act()
        runtime.journal.group.commit(lambda tx: tx("UPDATE runs SET status = 'running'"))

    die(work.start)
    for _ in range(5):
        die(lambda: work.resume("r"))
    with pytest.raises(ProcessCrashed):
        work()
    assert told.taken() == [("halt", "r", "halted")]


def test_a_replayed_letter_of_a_completed_run_is_no_recovery(runtime: Runtime, told: Told) -> None:
    broken = [True]

    @step(attempts=1)
    def odd(n: int) -> int:
        if n == 1 and broken[0]:
            raise ValueError("odd")
        return n

    work = made(told, lambda: len(odd.map([0, 1, 2], on_failure="quarantine").results))
    work.with_options(run_id="r").start()
    assert told.taken() == []
    broken[0] = False
    (letter,) = work.dead_letters()
    letter.replay()
    assert work.resume("r").result == 3
    assert told.taken() == []


def test_what_a_callback_raises_is_warned_about_and_changes_nothing(runtime: Runtime) -> None:
    def page(run: Run[Any]) -> None:
        raise RuntimeError("pager down, token=abc123xyz")

    @workflow(on_halt=page)
    def flow() -> None:
        raise ValueError("bad")

    with pytest.warns(RuntimeWarning, match=r"page: RuntimeError: pager down") as warned:
        assert flow.start().status == "halted"
    assert "abc123xyz" not in str(warned[0].message)
    flow.start()  # once is enough: a second warning would be an error here


def test_the_run_is_free_when_it_is_told(runtime: Runtime) -> None:
    """A callback may resume it, or look at it."""
    switch = Switch()
    seen: list[str] = []

    def mend(run: Run[Any]) -> None:
        switch.broken = None
        seen.append(flow.resume(run.run_id).status)

    @workflow(on_halt=mend)
    def flow() -> None:
        switch()

    assert flow.start().status == "completed"  # what start gives back is the run as it is now
    assert seen == ["completed"]


def test_an_async_workflow_awaits_its_callback(runtime: Runtime) -> None:
    heard: list[str] = []

    async def late(run: Run[Any]) -> None:
        await asyncio.sleep(0)
        heard.append(run.status)

    async def bad(run: Run[Any]) -> None:
        raise RuntimeError("down")

    switch = Switch()

    @workflow(on_halt=late, on_recovered=bad)
    async def flow() -> int:
        switch()
        return 1

    first = asyncio.run(flow.start())
    assert heard == ["halted"]
    switch.broken = None
    with pytest.warns(RuntimeWarning, match="bad: RuntimeError: down"):
        assert asyncio.run(flow.resume(first.run_id)).status == "completed"


def test_an_async_workflow_may_have_a_plain_callback(runtime: Runtime, told: Told) -> None:
    @workflow(on_halt=told.halt)
    async def flow() -> object:
        return object()

    run = asyncio.run(flow.start())
    assert told.taken() == [("halt", run.run_id, "halted")]


async def _late(run: Run[Any]) -> None: ...


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_halt": "page"}, "on_halt='page' must be a function that takes a Run"),
        ({"on_recovered": lambda: None}, "must take one argument: the Run"),
        ({"on_halt": _late}, "on_halt=_late is an async def"),
    ],
)
def test_a_callback_that_cannot_be_called_is_told_at_once(options: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        workflow(**options)(lambda: None)


def test_any_callable_will_do() -> None:
    heard: list[Any] = []

    def note(sink: list[Any], run: Run[Any]) -> None:
        sink.append(run)

    work = workflow(on_halt=functools.partial(note, heard), on_recovered=heard.append)(lambda: None)
    copied = work.with_options(run_id="x")
    assert copied.definition.callbacks == work.definition.callbacks
