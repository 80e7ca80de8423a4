"""Bodies, exceptions and adapters that behave badly: told clearly, and nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, effect, on, step, workflow
from surefoot.errors import DefinitionError, UsageError
from surefoot.testing import disabled


class Broken(Exception):
    pass


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Slim(Exception):
    __slots__ = ("code",)

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def flow(body: Any) -> Any:
    return workflow(name="work")(body).with_options(run_id="r")


def test_a_stop_iteration_comes_through_as_it_is(runtime: Runtime) -> None:
    """`next()` on nothing: inside a generator Python would make it a RuntimeError."""

    @step(name="first", attempts=1)
    def first(items: list[int]) -> int:
        return next(iter(items))

    run = flow(lambda: first([])).start()
    assert type(run.exception) is StopIteration
    caught: list[BaseException] = []

    def body() -> int:
        try:
            return first([])
        except StopIteration as exc:
            caught.append(exc)
            return -1

    assert workflow(body)() == -1 and len(caught) == 1
    with pytest.raises(StopIteration):
        first([])


def test_an_exception_that_cannot_be_printed_is_recorded_all_the_same(runtime: Runtime) -> None:
    @step(attempts=1)
    def fail(n: int) -> int:
        raise Mute

    run = flow(lambda: fail(1)).start()
    assert run.status == "halted" and isinstance(run.exception, Mute)
    assert run.failures[0].type.endswith("Mute") and run.error is not None


def test_an_exception_with_slots_is_replayed(runtime: Runtime) -> None:
    caught: list[Slim] = []
    fail = [True]

    @step(attempts=1)
    def fragile(n: int) -> int:
        raise Slim(n)

    def body() -> int:
        try:
            fragile(7)
        except Slim as exc:
            caught.append(exc)
        if fail[0]:
            raise Broken("later")
        return caught[-1].code

    work = flow(body)
    work.start()
    fail[0] = False
    assert work.resume("r").result == 7 and caught[0] is not caught[1]


def test_an_exception_without_room_for_notes_comes_through(runtime: Runtime) -> None:
    class Locked(Exception):
        def __setattr__(self, name: str, value: Any) -> None:
            raise AttributeError("frozen")

    @step(attempts=1)
    def fail(n: int) -> int:
        raise Locked("no")

    run = flow(lambda: fail(1)).start()
    assert run.status == "halted" and isinstance(run.exception, Locked)


# -- helpers of the user that fail ------------------------------------------------------------


def test_an_adapter_that_fails_halts_the_step_and_loses_nothing(runtime: Runtime) -> None:
    @step(name="ask", recover=[on(MemoryError).adapt(size=lambda value, failure: value / 0)])
    def ask(prompt: str, size: int = 8) -> str:
        raise MemoryError("too large")

    run = flow(lambda: ask("p")).start()
    assert run.status == "halted"
    assert [(f.kind, f.decision) for f in run.failures] == [("host_out_of_memory", "halt")]
    assert run.document()["steps"][0]["status"] == "failed"


def test_a_refused_effect_whose_adapter_fails_is_no_doubt(runtime: Runtime) -> None:
    @effect(
        key=lambda n: f"k{n}",
        recover=[on("connection").retry(attempts=1).adapt(n=lambda value, failure: value / 0)],
    )
    def pay(n: int) -> int:
        raise ConnectionRefusedError(111, "Connection refused")

    assert flow(lambda: pay(1)).start().status == "halted"
    assert runtime.journal.store.read("SELECT state FROM claims") == [("refused",)]


def test_a_fallback_may_be_a_step_and_fail_like_one(runtime: Runtime) -> None:
    calls: list[str] = []

    @step(name="small")
    def small(prompt: str) -> str:
        calls.append("small")
        if len(calls) == 2:
            raise ConnectionResetError(104, "Connection reset by peer")
        return f"small {prompt}"

    @step(name="large", recover=[on(Broken).retry(attempts=1).fall_back(small)])
    def large(prompt: str) -> str:
        calls.append("large")
        raise Broken("no")

    run = flow(lambda: large("p")).start()
    assert run.result == "small p" and run.degraded
    assert calls == ["large", "small", "small"]


def test_a_callable_object_whose_call_is_async_is_an_async_step(runtime: Runtime) -> None:
    class Model:
        async def __call__(self, prompt: str) -> str:
            await asyncio.sleep(0)
            return prompt.upper()

    ask = step(name="ask")(Model())

    @workflow
    async def work() -> str:
        return await ask("p")

    assert asyncio.run(work.start()).result == "P"


def test_an_item_id_that_fails_is_told_before_anything_runs(runtime: Runtime) -> None:
    calls: list[int] = []

    @step
    def index(n: int) -> int:
        calls.append(n)
        return n

    run = flow(lambda: index.map([1], item_id=lambda n: n["id"])).start()
    assert isinstance(run.exception, TypeError) and calls == []


def test_arguments_that_a_step_does_not_take_are_told_as_python_tells_them(
    runtime: Runtime,
) -> None:
    @step
    def load(n: int) -> int:
        return n

    with pytest.raises(TypeError, match=r"load\(\)"):
        workflow(lambda: load(1, 2))()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        load()  # type: ignore[call-arg]


# -- odd places -------------------------------------------------------------------------------


def test_disabled_makes_no_journal_for_start_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    @workflow
    def work(n: int) -> int:
        return n

    with disabled():
        try:
            assert work.start(3).result == 3
        except UsageError as exc:  # or it says what to call instead
            assert "disabled" in str(exc)
    assert list(tmp_path.iterdir()) == []


def test_a_step_of_no_arguments_and_one_of_many(runtime: Runtime) -> None:
    @step
    def none() -> None:
        return None

    @step
    def many(*args: int, **kwargs: int) -> int:
        return sum(args) + sum(kwargs.values())

    assert workflow(lambda: [none(), many(1, 2, a=3), many(1, 2, a=4)])() == [None, 6, 7]


def test_a_workflow_that_is_a_step_is_refused_or_works(runtime: Runtime) -> None:
    """Someone will put both decorators on one function."""

    @step(name="inner")
    def inner(n: int) -> int:
        return n + 1

    try:
        made = workflow(inner)
    except DefinitionError:
        return
    assert made(1) == 2
