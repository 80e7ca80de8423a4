"""``map(batch=…)``: several items at once, in two halves where that helps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from surefoot import Runtime, effect, step, workflow
from surefoot.catalog.examples import build
from surefoot.errors import DefinitionError


def out_of_memory() -> BaseException:
    return build(
        {
            "type": "torch.OutOfMemoryError",
            "bases": ["builtins.RuntimeError"],
            "message": "CUDA out of memory. Tried to allocate 2.00 GiB",
        }
    )


def test_a_batch_that_does_not_fit_is_halved_until_it_does(runtime: Runtime) -> None:
    sizes: list[int] = []

    @step(stage="inference")
    def embed(texts: list[str]) -> list[int]:
        sizes.append(len(texts))
        if len(texts) > 3:
            raise out_of_memory()
        return [len(text) for text in texts]

    @workflow
    def work() -> list[int]:
        return embed.map(["x" * n for n in range(10)], batch=8, workers=1).results

    assert work.start().result == list(range(10))
    assert sizes == [8, 4, 2, 2, 4, 2, 2, 2]


def test_one_item_that_cannot_be_done_is_found_and_set_aside(runtime: Runtime) -> None:
    @step
    def clean(texts: list[str]) -> list[str]:
        if "bad" in texts:
            raise ValueError("there is no text in it")
        return [text.upper() for text in texts]

    @workflow
    def work() -> list[Any]:
        batch = clean.map(["a", "b", "bad", "d", "e"], batch=5, workers=1)
        return [batch.indexed(), [one.index for one in batch.quarantined]]

    run = work.start()
    assert run.result == [[(0, "A"), (1, "B"), (3, "D"), (4, "E")], [2]]


def test_what_splitting_cannot_help_sets_the_batch_aside_as_a_whole(runtime: Runtime) -> None:
    asked: list[int] = []

    @step(attempts=1)
    def ask(texts: list[str]) -> list[str]:
        asked.append(len(texts))
        raise ConnectionResetError("hung up")

    @workflow
    def work() -> int:
        return len(ask.map(["a", "b", "c"], batch=3).quarantined)

    run = work.start()
    assert asked == [3] and run.result == 3


@pytest.mark.parametrize("given", [[1], [1, 2, 3], "ab", 7, {"a": 1, "b": 2}])
def test_a_batch_has_one_result_for_each_item(runtime: Runtime, given: Any) -> None:
    @step(stage="inference", attempts=1)
    def ask(texts: list[str]) -> Any:
        return given if len(texts) == 2 else [0]

    @workflow
    def work() -> list[Any]:
        return ask.map(["a", "b"], batch=2, workers=1).results

    run = work.start()
    assert run.result == [0, 0]  # tried in halves
    assert run.failures[0].kind == "unexpected_output"


def test_a_resume_finds_the_halves_again(runtime: Runtime) -> None:
    done: list[tuple[str, ...]] = []
    broken = [True]

    @step(stage="inference")
    def embed(texts: list[str]) -> list[int]:
        if len(texts) > 2:
            raise out_of_memory()
        done.append(tuple(texts))
        if "d" in texts and broken:
            raise AttributeError("a bug that is mended later")
        return [1 for _ in texts]

    @workflow
    def work() -> int:
        return sum(embed.map(["a", "b", "c", "d"], batch=4, workers=1).results)

    run = work.with_options(run_id="one").start()
    assert run.status == "halted"
    broken.clear()
    assert work.resume("one").result == 4
    assert done.count(("a", "b")) == 1


def test_async_steps_are_batched_too(runtime: Runtime) -> None:
    @step(stage="inference")
    async def embed(texts: list[str]) -> list[int]:
        await asyncio.sleep(0)
        if len(texts) > 1:
            raise out_of_memory()
        return [len(texts[0])]

    @workflow
    async def work() -> list[int]:
        return (await embed.map(["a", "bb", "ccc"], batch=2)).results

    assert asyncio.run(work.start()).result == [1, 2, 3]


def test_batches_work_outside_of_a_run() -> None:
    @step
    def double(numbers: list[int]) -> list[int]:
        return [2 * number for number in numbers]

    assert double.map(range(5), batch=2).results == [0, 2, 4, 6, 8]
    assert double.bind().map([], batch=2).results == []


def test_batches_are_halved_outside_of_a_run_too() -> None:
    sizes: list[int] = []

    @step(stage="inference")
    def embed(texts: list[str]) -> list[int]:
        sizes.append(len(texts))
        if len(texts) > 1:
            raise out_of_memory()
        return [len(texts[0])]

    assert embed.map(["a", "bb"], batch=2, workers=1).results == [1, 2]
    assert sizes == [2, 1, 1]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"batch": 0}, "whole number"),
        ({"batch": True}, "whole number"),
        ({"batch": 2, "item_id": str}, "item_id"),
    ],
)
def test_what_makes_no_sense_is_told(how: Any, said: str) -> None:
    @step
    def double(numbers: list[int]) -> list[int]: ...

    with pytest.raises(DefinitionError, match=said):
        double.map([1], **how)

    @effect(key=lambda rows: "k")
    def insert(rows: list[int]) -> list[int]: ...

    with pytest.raises(DefinitionError, match="half done"):
        insert.map([1], batch=2)
