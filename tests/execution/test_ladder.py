"""Every rung in a run: what it changes, what is kept of it, and where a resume goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from surefoot import (
    Runtime,
    effect,
    grow,
    halve,
    last_error,
    no_nan,
    on,
    spend,
    split,
    step,
    truncate,
    workflow,
)
from surefoot.catalog.examples import build
from surefoot.clock import ManualClock
from surefoot.errors import DefinitionError, UsageError


class Dies(BaseException):
    """The process dies here, as far as the run can tell."""


def out_of_memory() -> BaseException:
    return build(
        {
            "type": "torch.OutOfMemoryError",
            "bases": ["builtins.RuntimeError"],
            "message": "CUDA out of memory. Tried to allocate 2.00 GiB",
        }
    )


def no_such_model() -> BaseException:
    return build(
        {
            "type": "openai.NotFoundError",
            "bases": ["openai.APIStatusError", "openai.APIError", "openai.OpenAIError"],
            "message": "The model `big` does not exist",
            "status": 404,
            "attrs": {"code": "model_not_found"},
        }
    )


# -- adapt ----------------------------------------------------------------------------------------


def test_several_arguments_are_adapted_at_once_and_what_changed_is_told(runtime: Runtime) -> None:
    seen: list[tuple[int, int]] = []

    @step(
        stage="inference",
        recover=[
            on("gpu_out_of_memory").adapt(batch_size=halve(minimum=2), limit=grow(2, maximum=64))
        ],
    )
    def embed(batch_size: int = 8, limit: int = 16) -> int:
        seen.append((batch_size, limit))
        if batch_size > 2:
            raise out_of_memory()
        return batch_size

    @workflow
    def work() -> int:
        return embed()

    run = work.start()
    assert run.result == 2 and seen == [(8, 16), (4, 32), (2, 64)]
    changes = [one["changes"] for one in run.document()["failures"]]
    assert changes[0] == {
        "batch_size": {"was": "8", "now": "4"},
        "limit": {"was": "16", "now": "32"},
    }


def test_a_secret_in_an_adapted_argument_is_not_shown(runtime: Runtime) -> None:
    @step(
        stage="inference",
        recover=[on("gpu_out_of_memory").adapt(header=lambda value, failure: value + "!")],
    )
    def ask(header: str) -> str:
        if not header.endswith("!"):
            raise out_of_memory()
        return "done"

    @workflow
    def work() -> str:
        return ask("Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789")

    run = work.start()
    assert run.result == "done"
    assert "abcdefghijklmnopqrstuvwxyz" not in json.dumps(run.document()["failures"])


def test_what_does_not_fit_is_done_in_parts_and_put_together(runtime: Runtime) -> None:
    sizes: list[int] = []

    @step(stage="inference", recover=[on("gpu_out_of_memory").adapt(texts=split())])
    def embed(texts: list[str]) -> list[int]:
        sizes.append(len(texts))
        if len(texts) > 2:
            raise out_of_memory()
        return [len(text) for text in texts]

    @workflow
    def work() -> list[int]:
        return embed(["a", "bb", "ccc", "dddd", "eeeee"])

    run = work.start()
    assert run.result == [1, 2, 3, 4, 5]
    assert sizes == [5, 3, 2, 1, 2]
    assert {one["decision"] for one in run.document()["failures"]} == {"adapt"}


def test_a_part_that_cannot_be_done_halts_the_call(runtime: Runtime) -> None:
    @step(stage="inference", recover=[on("gpu_out_of_memory").adapt(texts=split(minimum=2))])
    def embed(texts: list[str]) -> list[int]:
        raise out_of_memory()

    @workflow
    def work() -> list[int]:
        return embed(["a", "b", "c", "d"])

    run = work.start()
    assert run.status == "halted" and (run.error or {})["kind"] == "gpu_out_of_memory"


def test_parts_that_cannot_be_put_together_halt_with_a_way_out(runtime: Runtime) -> None:
    @step(stage="inference", recover=[on("gpu_out_of_memory").adapt(texts=split())])
    def count(texts: list[str]) -> int:
        if len(texts) > 1:
            raise out_of_memory()
        return 1

    @workflow
    def work() -> int:
        return count(["a", "b"])

    run = work.start()
    assert run.status == "halted" and "join=" in (run.error or {})["message"]


def test_an_effect_is_never_split_and_one_argument_is_enough() -> None:
    with pytest.raises(DefinitionError, match="half done"):

        @effect(recover=[on("payload_too_large").adapt(rows=split())])
        def insert(rows: list[int]) -> int: ...

    with pytest.raises(DefinitionError, match="split one argument"):

        @step(recover=[on("payload_too_large").adapt(rows=split(), names=split())])
        def both(rows: list[int], names: list[str]) -> int: ...


def test_the_model_is_told_what_was_wrong_with_its_answer(runtime: Runtime) -> None:
    asked: list[str | None] = []

    @step(
        stage="inference",
        attempts=1,
        returns=dict[str, int],
        recover=[on("malformed_output").adapt(feedback=last_error)],
    )
    def ask(feedback: str | None = None) -> Any:
        asked.append(feedback)
        return '{"a" 1}' if feedback is None else '{"a": 1}'

    @workflow
    def work() -> dict[str, int]:
        result: dict[str, int] = ask()
        return result

    assert work.start().result == {"a": 1}
    assert asked[0] is None and "delimiter" in str(asked[1])


# -- returns= and expect= -------------------------------------------------------------------------


@dataclass
class Answer:
    text: str
    score: float


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ('{"text": "a", "score": 0.5}', None),
        ({"text": "a", "score": 0.5}, None),
        (Answer("a", 0.5), None),
        ('{"text": "a", "sco', "output_truncated"),
        ('{"text" "a"}', "malformed_output"),
        ('{"text": "a"}', "unexpected_output"),
        ({"text": "a", "score": "high"}, "unexpected_output"),
    ],
)
def test_an_output_is_of_the_type_that_is_asked_for_or_the_models_failure(
    runtime: Runtime, given: Any, kind: str | None
) -> None:
    @step(stage="inference", attempts=1, returns=Answer)
    def ask() -> Any:
        return given

    @workflow
    def work() -> Any:
        return ask()

    run = work.start()
    if kind is None:
        assert run.result == Answer("a", 0.5)
    else:
        error = run.error or {}
        assert (error["kind"], error["category"]) == (kind, "model")


@pytest.mark.parametrize(
    ("expect", "given", "kind"),
    [
        (lambda value: value > 1, 2, None),
        (lambda value: None, 2, None),
        (lambda value: value > 1, 1, "unexpected_output"),
        (lambda value: "too small" if value < 2 else None, 1, "unexpected_output"),
        (lambda value: value["x"], 1, "unexpected_output"),
        (no_nan, [1.0, float("nan")], "numerical_error"),
        ([no_nan, lambda value: len(value) == 2], [1.0], "unexpected_output"),
        (no_nan, {"a": [1.0, 2, "x", None, (3.0,)]}, None),
    ],
)
def test_an_output_fulfils_what_is_expected_or_is_a_failure(
    runtime: Runtime, expect: Any, given: Any, kind: str | None
) -> None:
    @step(stage="inference", attempts=1, expect=expect)
    def ask() -> Any:
        return given

    @workflow
    def work() -> Any:
        return ask()

    run = work.start()
    assert (run.error or {}).get("kind") == kind


def test_an_output_is_checked_outside_of_a_run_and_in_async_steps_too() -> None:
    @step(stage="inference", attempts=1, returns=int)
    async def ask() -> Any:
        return "ten"

    with pytest.raises(Exception, match="expected JSON"):
        asyncio.run(ask())


def test_an_unexpected_output_falls_back(runtime: Runtime) -> None:
    def other() -> int:
        return 7

    @step(
        stage="inference",
        attempts=1,
        expect=lambda value: value > 0,
        recover=[on("unexpected_output").fall_back(other)],
    )
    def ask() -> int:
        return -1

    @workflow
    def work() -> int:
        return ask()

    run = work.start()
    assert run.result == 7 and run.degraded
    assert "other" in run.document()["steps"][0]["degraded"]


def test_what_cannot_be_expected_is_told_when_it_is_decorated() -> None:
    with pytest.raises(DefinitionError, match="expect="):

        @step(expect="positive")  # type: ignore[arg-type]
        def ask() -> int: ...

    with pytest.raises(DefinitionError, match="cost="):

        @step(cost=3)  # type: ignore[arg-type]
        def pay() -> int: ...


# -- fallbacks ------------------------------------------------------------------------------------


def test_a_fallback_has_its_own_time_and_its_failures_are_its_own(runtime: Runtime) -> None:
    def slow() -> str:
        raise ConnectionResetError("the other one hung up")

    @step(
        stage="inference",
        recover=[
            on("model_not_found").fall_back(slow, timeout=2.0),
            on("connection").fall_back(value="nothing"),
        ],
        attempts=2,
    )
    def ask() -> str:
        raise no_such_model()

    @workflow
    def work() -> str:
        return ask()

    run = work.start()
    assert run.result == "nothing" and run.degraded
    rows = run.document()["failures"]
    assert rows[0]["fallback"] is None and "slow" in rows[0]["fallback_to"]
    assert all("slow" in row["fallback"] for row in rows[1:])


# -- a resume goes on from the rung ---------------------------------------------------------------


def died(runtime: Runtime, run_id: str) -> None:
    """Let the run look like one whose process died: it says it runs, and nobody holds it."""
    runtime.journal.group.commit(
        lambda tx: tx(
            "UPDATE runs SET status = 'running', owner = NULL, ended_at = NULL WHERE run_id = ?",
            (run_id,),
        )
    )
    runtime.journal.group.commit(
        lambda tx: tx("UPDATE calls SET status = 'running' WHERE status != 'completed'", ())
    )


def test_a_resume_goes_on_with_the_adapted_arguments(
    runtime: Runtime, make_runtime: Callable[[], Runtime]
) -> None:
    seen: list[int] = []
    dies = [True]

    @step(stage="inference", recover=[on("gpu_out_of_memory").adapt(batch_size=halve(1))])
    def embed(batch_size: int = 16) -> int:
        seen.append(batch_size)
        if batch_size == 4 and dies:
            dies.clear()
            raise Dies
        if batch_size > 2:
            raise out_of_memory()
        return batch_size

    @workflow
    def work() -> int:
        return embed()

    with pytest.raises(Dies):
        work.with_options(run_id="one").start()
    died(runtime, "one")
    assert work.resume("one").result == 2
    assert seen == [16, 8, 4, 4, 2]


def test_a_resume_goes_on_with_the_parts(runtime: Runtime) -> None:
    sizes: list[int] = []
    dies = [True]

    @step(stage="inference", recover=[on("gpu_out_of_memory").adapt(texts=split())])
    def embed(texts: list[int]) -> list[int]:
        sizes.append(len(texts))
        if len(texts) > 2:
            raise out_of_memory()
        if dies:
            dies.clear()
            raise Dies
        return texts

    @workflow
    def work() -> list[int]:
        return embed([1, 2, 3, 4])

    with pytest.raises(Dies):
        work.with_options(run_id="one").start()
    died(runtime, "one")
    assert work.resume("one").result == [1, 2, 3, 4]
    assert sizes == [4, 2, 2, 2]  # the whole is not tried again


def test_a_resume_goes_on_with_the_fallback(runtime: Runtime) -> None:
    tried: list[str] = []
    dies = [True]

    def other() -> str:
        tried.append("other")
        if dies:
            dies.clear()
            raise Dies
        return "from other"

    @step(stage="inference", recover=[on("model_not_found").fall_back(other)])
    def ask() -> str:
        tried.append("ask")
        raise no_such_model()

    @workflow
    def work() -> str:
        return ask()

    with pytest.raises(Dies):
        work.with_options(run_id="one").start()
    died(runtime, "one")
    run = work.resume("one")
    assert run.result == "from other" and run.degraded
    assert tried == ["ask", "other", "other"]


def test_adapted_arguments_that_cannot_be_saved_are_adapted_anew(runtime: Runtime) -> None:
    class Odd:
        def __init__(self, size: int) -> None:
            self.size = size

    dies = [True]
    seen: list[int] = []

    @step(
        stage="inference",
        ignore=("odd",),
        recover=[on("gpu_out_of_memory").adapt(odd=lambda value, failure: Odd(value.size // 2))],
    )
    def embed(odd: Any) -> int:
        seen.append(odd.size)
        if odd.size == 4 and dies:
            dies.clear()
            raise Dies
        if odd.size > 2:
            raise out_of_memory()
        return int(odd.size)

    @workflow
    def work() -> int:
        return embed(Odd(8))

    with pytest.raises(Dies):
        work.with_options(run_id="one").start()
    died(runtime, "one")
    assert work.resume("one").result == 2
    assert seen == [8, 4, 8, 4, 2]


def test_a_resume_with_other_code_adapts_anew(runtime: Runtime) -> None:
    """The adapter that split is gone, and the other argument's class cannot be found any more."""
    seen: list[int] = []
    dies = [True]

    def act(texts: list[int]) -> list[int]:
        seen.append(len(texts))
        if len(texts) > 2:
            raise out_of_memory()
        if dies:
            dies.clear()
            raise Dies
        return texts

    def flow_of(adapter: Any) -> Any:
        @step(
            name="embed", stage="inference", recover=[on("gpu_out_of_memory").adapt(texts=adapter)]
        )
        def embed(texts: list[int]) -> list[int]:
            return act(texts)

        @workflow(name="work")
        def work() -> list[int]:
            return embed([1, 2, 3, 4])

        return work

    with pytest.raises(Dies):
        flow_of(split()).with_options(run_id="one").start()
    died(runtime, "one")
    assert flow_of(truncate(0.5)).resume("one").result == [1, 2]
    assert seen == [4, 2, 4, 2]


def test_changes_that_cannot_be_read_any_more_are_made_anew(runtime: Runtime) -> None:
    seen: list[int] = []
    dies = [True]

    @step(stage="inference", recover=[on("gpu_out_of_memory").adapt(size=halve(1))])
    def embed(size: int = 4) -> int:
        seen.append(size)
        if size > 2:
            raise out_of_memory()
        if dies:
            dies.clear()
            raise Dies
        return size

    @workflow
    def work() -> int:
        return embed()

    with pytest.raises(Dies):
        work.with_options(run_id="one").start()
    died(runtime, "one")
    runtime.journal.group.commit(
        lambda tx: tx("UPDATE failures SET changes_kept = ?", (b'{"$dataclass": "gone:Gone"',))
    )
    assert work.resume("one").result == 2
    assert seen == [4, 2, 4, 2]


# -- cost -----------------------------------------------------------------------------------------


def test_what_attempts_cost_is_summed_those_that_failed_too(runtime: Runtime) -> None:
    @step(stage="inference", cost=lambda result: (0.25, 100))
    def ask(n: int) -> int:
        spend(0.5, tokens=10)
        if n == 1 and len(failed) == 0:
            failed.append(n)
            raise ConnectionResetError("hung up")
        return n

    failed: list[int] = []

    @workflow
    def work() -> int:
        return ask(1) + ask(2)

    run = work.start()
    assert run.result == 3
    assert run.cost == pytest.approx(0.5 + 0.75 + 0.75)
    assert [one["cost"] for one in run.document()["failures"]] == [0.5]


def test_a_step_halts_before_the_attempt_that_it_cannot_pay(
    runtime: Runtime, clock: ManualClock
) -> None:
    tried: list[int] = []

    @step(stage="inference", attempts=10, max_cost=1.0)
    def ask() -> int:
        tried.append(1)
        spend(0.4)
        raise ConnectionResetError("hung up")

    @workflow
    def work() -> int:
        return ask()

    run = work.start()
    assert len(tried) == 3 and run.status == "halted"
    assert "max_cost" in run.failures[-1].reason


def test_a_workflow_halts_before_the_attempt_that_it_cannot_pay_and_goes_on_when_it_can(
    runtime: Runtime,
) -> None:
    done: list[int] = []

    @step(stage="inference", cost=lambda result: 1.0)
    def ask(n: int) -> int:
        done.append(n)
        return n

    def body() -> int:
        return sum(ask(n) for n in range(4))

    cheap = workflow(name="work", max_cost=2.0)(body)
    dear = workflow(name="work", max_cost=9.0)(body)
    run = cheap.with_options(run_id="one").start()
    assert (run.error or {})["kind"] == "budget_exceeded" and done == [0, 1]
    assert cheap.resume("one").status == "halted" and done == [0, 1]
    run = dear.resume("one")
    assert run.result == 6 and done == [0, 1, 2, 3]
    assert (run.cost, run.cost_saved) == (4.0, 2.0)


def test_what_is_spent_in_a_step_outside_of_a_run_is_nobodys() -> None:
    @step
    def ask() -> int:
        spend(1.0)
        return 1

    assert ask() == 1


def test_a_budget_that_is_used_up_within_an_item_halts_the_run_and_sets_nothing_aside(
    runtime: Runtime,
) -> None:
    @step(stage="inference", cost=lambda result: 1.0)
    def ask(n: int) -> int:
        return n

    @step
    def both(n: int) -> int:
        return ask(n) + ask(n + 100)

    @workflow(max_cost=3.0)
    def work() -> int:
        return len(both.map(range(10), workers=1).results)

    run = work.start()
    assert run.status == "halted" and (run.error or {})["kind"] == "budget_exceeded"
    assert runtime.journal.dead_letters(runtime.journal.run(run.run_id).pk) == []


def test_a_cost_that_cannot_be_told_breaks_nothing(runtime: Runtime) -> None:
    @step(stage="inference", cost=lambda result: result["usage"])
    def ask() -> int:
        return 1

    @workflow
    def work() -> int:
        return ask()

    run = work.start()
    assert run.result == 1 and run.cost == 0.0


@pytest.mark.parametrize("usd", [-1, float("nan"), "3", True])
def test_only_numbers_can_be_spent(usd: Any) -> None:
    with pytest.raises(UsageError, match="usd"):
        spend(usd)


@pytest.mark.parametrize("most", [0, -1, "much", True])
def test_a_workflows_max_cost_is_a_number(most: Any) -> None:
    with pytest.raises(DefinitionError, match="max_cost"):
        workflow(max_cost=most)(lambda: None)
