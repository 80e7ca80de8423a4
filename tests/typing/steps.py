"""What mypy sees of steps, effects and workflows. Checked by `mypy --strict`, never run."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surefoot import (
    Batch,
    Classification,
    Happened,
    NotHappened,
    Run,
    Runtime,
    carry,
    classify,
    current,
    effect,
    halve,
    idempotency_key,
    on,
    scrub,
    step,
    truncate,
    workflow,
)
from surefoot.workflow.run import RunFailure

if TYPE_CHECKING:
    from typing_extensions import assert_type


@dataclass
class Ticket:
    id: int
    text: str


# -- steps ------------------------------------------------------------------------------------


@step
def load(path: Path, limit: int = 10) -> list[Ticket]:
    return []


@step(
    stage="inference",
    resource="openai",
    timeout=60,
    recover=[
        on("rate_limited", ConnectionError).retry(attempts=8, within=600).fall_back(load),
        on("gpu_out_of_memory").adapt(batch_size=halve(minimum=1)),
        on("context_length_exceeded").adapt(prompt=truncate(0.7)),
        on("malformed_output").adapt(feedback=lambda value, failure: failure.message),
        on("content_filtered").skip(),
    ],
)
def answer(prompt: str, *, batch_size: int = 32, feedback: str | None = None) -> str:
    return prompt


@step
async def fetch(url: str) -> bytes:
    return b""


@step(name="other", ignore=("client",), checkpoint="pickle", attempts=3, deadline=9.5)
async def post(client: object, url: str) -> int:
    return 1


@step
def pair(a: int, b: str) -> float:
    return 1.0


def of_steps() -> None:
    assert_type(load(Path("x")), list[Ticket])
    assert_type(load(path=Path("x"), limit=3), list[Ticket])
    assert_type(answer("p", batch_size=3), str)
    assert_type(answer.map(["a", "b"]), Batch[str, str])
    assert_type(answer.map(["a"], workers=3, item_id=len).results, list[str])
    assert_type(answer.map(["a"]).indexed(), list[tuple[int, str]])
    assert_type(answer.map(["a"]).pairs(), list[tuple[str, str]])
    assert_type(load.map([Path("a")], on_failure="halt"), Batch[Path, list[Ticket]])
    assert_type(pair.starmap([(1, "a")]).results, list[float])
    assert_type(answer.bind(batch_size=8).map(["a"]), Batch[str, str])
    assert_type(pair.bind(b="x").bind(a=1).starmap([()]).results, list[float])
    assert_type(answer.with_options(timeout=3)("p"), str)
    for outcome in answer.map(["a"]).outcomes:
        assert_type(outcome.item, str)
        assert_type(outcome.result, str | None)


async def of_async_steps() -> None:
    assert_type(await fetch("u"), bytes)
    assert_type(await post(object(), url="u"), int)
    assert_type(await fetch.map(["u"]), Batch[str, bytes])
    assert_type((await fetch.map(["u"], max_failure_ratio=0.1)).results, list[bytes])
    assert_type(await fetch.starmap([("u",)]), Batch[Sequence[Any], bytes])
    assert_type((await post.bind(client=object()).map(["u"])).results, list[int])


# -- methods ----------------------------------------------------------------------------------


class Service:
    @step
    def double(self, n: int, by: int = 2) -> int:
        return n * by

    @step(attempts=2)
    async def later(self, n: int) -> str:
        return str(n)

    @step
    @staticmethod
    def triple(n: int) -> int:
        return 3 * n

    @staticmethod
    @step
    def fourfold(n: int) -> int:
        return 4 * n

    @effect(key=lambda n: f"k{n}")
    def pay(self, n: int) -> str:
        return idempotency_key()

    @workflow
    def work(self, n: int) -> int:
        return self.double(n)


async def of_methods(service: Service) -> None:
    assert_type(service.double(2), int)
    assert_type(service.double(2, by=3), int)
    assert_type(Service.double(service, 2), int)
    assert_type(service.double.map([1]), Batch[int, int])
    assert_type(await service.later(1), str)
    assert_type((await service.later.map([1])).results, list[str])
    assert_type(Service.triple(1), int)
    assert_type(Service.fourfold(1), int)
    assert_type(service.pay(1), str)
    assert_type(service.work(2), int)
    assert_type(service.work.start(2), Run[int])


# -- effects ----------------------------------------------------------------------------------


def was_sent(ticket: Ticket, text: str) -> Happened[str] | NotHappened:
    return Happened("receipt") if ticket.id else NotHappened()


@effect(
    key=lambda ticket, text: f"reply:{ticket.id}",
    match=("ticket",),
    verify=was_sent,
    settle=30,
    on_doubt="rerun",
    compensate=lambda result: None,
)
def reply(ticket: Ticket, text: str) -> str:
    return idempotency_key()


@effect
async def notify(to: str) -> None:
    return None


async def of_effects(ticket: Ticket) -> None:
    assert_type(reply(ticket, "hello"), str)
    assert_type(reply.starmap([(ticket, "hello")]).results, list[str])
    assert_type(await notify("ann"), None)
    assert_type(Happened(3).result, int)


# -- workflows --------------------------------------------------------------------------------


@workflow
def triage(path: Path, *, limit: int = 3) -> int:
    return len(load(path, limit))


@workflow(name="later")
async def triage_later(path: Path) -> list[bytes]:
    return [await fetch(str(path))]


async def of_workflows() -> None:
    assert_type(triage(Path("x"), limit=4), int)
    run = triage.with_options(run_id="r").start(Path("x"))
    assert_type(run, Run[int])
    assert_type(run.result, int)
    assert_type(run.failures, tuple[RunFailure, ...])
    assert_type(triage.resume("r", on_drift="reuse"), Run[int])
    coroutine = assert_type(triage_later(Path("x")), Coroutine[Any, Any, list[bytes]])
    assert_type(await coroutine, list[bytes])
    assert_type(await triage_later(Path("x")), list[bytes])
    later = await triage_later.start(Path("x"))
    assert_type(later, Run[list[bytes]])
    assert_type((await triage_later.resume("r")).result, list[bytes])


# -- the rest ---------------------------------------------------------------------------------


def of_the_rest() -> None:
    assert_type(classify(ValueError(), stage="inference"), Classification)
    assert_type(classify(ValueError()).retry_after, float | None)
    assert_type(carry(len)([1]), int)
    assert_type(current().item, int | None)
    assert_type(current().run_id, str | None)
    with Runtime(journal="j.db", durability="process", lease=30.0) as runtime:
        assert_type(runtime, Runtime)
    scrub({"a": 1})
