"""The first line of runs that came to their end: without a failure, or recovered in whatever way."""

from __future__ import annotations

from typing import Any

import pytest

from surefoot import (
    Happened,
    NotHappened,
    Runtime,
    effect,
    halve,
    on,
    step,
    workflow,
)
from surefoot.clock import ManualClock

from .conftest import Tell
from .flaky import RateLimited, Times, refused


def test_without_a_failure_it_says_so(tell: Tell, clock: ManualClock) -> None:
    @step
    def load(n: int) -> int:
        clock.advance(12)
        return n

    @workflow
    def triage(n: int) -> int:
        return load(n)

    found = tell(triage.start(1))
    assert found.summary.sentence == (
        "The run of `triage` completed in 12 s without any failure; nothing to do."
    )
    assert found.summary.level == "fine"
    assert found.now.to_do.words == "Nothing."
    assert found.now.data.words == ("Yes.", "1 result saved, 12 s of work.")


def test_a_step_that_recovered_by_a_retry(tell: Tell, clock: ManualClock) -> None:
    flaky = Times(3, RateLimited)

    @step(resource="openai", recover=[on("rate_limited").retry(attempts=8, base=20, cap=80)])
    def enrich(text: str) -> str:
        flaky()
        return text

    @workflow
    def triage(text: str) -> str:
        return enrich(text)

    run = triage.start("a")
    assert clock.sleeps == [20, 40, 80]
    assert tell(run).summary.sentence == (
        "`enrich` failed 3 times with rate_limited (openai), recovered by its 4th attempt after "
        "2 min 20 s; nothing to do."
    )


def test_one_failure_is_told_in_the_singular(tell: Tell) -> None:
    flaky = Times(1, refused)

    @step(recover=[on("connection").retry(attempts=2, base=1)])
    def enrich() -> None:
        flaky()

    @workflow
    def triage() -> None:
        enrich()

    assert tell(triage.start()).summary.sentence == (
        "`enrich` failed once with connection, recovered by its 2nd attempt after 1 s; nothing to do."
    )


def test_two_failures_are_twice(tell: Tell) -> None:
    flaky = Times(2, refused)

    @step(recover=[on("connection").retry(attempts=3, base=1)])
    def enrich() -> None:
        flaky()

    @workflow
    def triage() -> None:
        enrich()

    assert tell(triage.start()).summary.sentence.startswith(
        "`enrich` failed twice with connection, "
    )


def test_several_calls_of_a_step_are_counted(tell: Tell) -> None:
    flaky = {n: Times(n, refused) for n in (0, 1, 2)}

    @step(recover=[on("connection").retry(attempts=4, base=1)])
    def enrich(n: int) -> None:
        flaky[n]()

    @workflow
    def triage() -> None:
        for n in range(3):
            enrich(n)

    assert tell(triage.start()).summary.sentence == (
        "2 of 3 calls of `enrich` failed, 3 times in all, with connection, all recovered by another "
        "attempt, the slowest after 3 s; nothing to do."
    )


def test_a_step_that_recovered_changed(tell: Tell) -> None:
    def too_large(batch_size: int) -> None:
        if batch_size > 16:
            raise MemoryError("CUDA out of memory")

    @step(recover=[on(MemoryError).adapt(batch_size=halve(minimum=1))])
    def embed(batch_size: int = 64) -> int:
        too_large(batch_size)
        return batch_size

    @workflow
    def triage() -> int:
        return embed()

    found = tell(triage.start())
    assert found.summary.sentence == (
        "`embed` failed twice with gpu_out_of_memory, recovered by its 3rd attempt, with changed "
        "arguments; nothing to do."
    )
    assert "batch_size 64 → 32" in found.timeline.lanes[0].bars[0].words  # type: ignore[union-attr]


def test_a_fallback_is_named_and_is_to_be_looked_at(tell: Tell) -> None:
    def small_model(text: str) -> str:
        return text

    @step(recover=[on(Exception).retry(attempts=2, base=2).fall_back(small_model)])
    def answer(text: str) -> str:
        raise ConnectionRefusedError(111, "Connection refused")

    @workflow
    def triage() -> str:
        return answer("a")

    found = tell(triage.start())
    assert found.summary.sentence == (
        "`answer` failed twice with connection, its fallback `small_model` gave the result after 2 s "
        "(degraded); see whether the degraded result will do."
    )
    assert found.summary.level == "look"
    assert found.now.to_do.words == "Nothing, if the degraded results will do."


def test_a_default_stands_in(tell: Tell) -> None:
    @step(recover=[on("invalid_value").skip(default="")])
    def answer(text: str) -> str:
        raise ValueError("no")

    @workflow
    def triage() -> str:
        return answer("a")

    assert tell(triage.start()).summary.sentence == (
        "`answer` failed once with invalid_value, and a default stands in for its result (degraded); "
        "see whether the degraded result will do."
    )


def mapped(bad: int, number: int) -> Any:
    @step
    def answer(n: int) -> int:
        if n < bad:
            raise ValueError(f"item {n} is bad")
        return n

    @workflow
    def triage() -> int:
        return len(answer.map(range(number)).results)

    return triage


def test_dead_letters_are_counted_and_to_be_replayed(tell: Tell) -> None:
    found = tell(mapped(3, 30).start())
    assert found.summary.sentence == (
        "3 of 30 items of `answer` failed with invalid_value and were set aside as dead letters; mend "
        "and replay them."
    )
    assert found.summary.level == "act"
    todo = found.now.to_do
    assert todo.command == f"surefoot dead-letters replay --all --run {found.about.run_id}"
    assert todo.words == "Mend what the 3 items failed of, then paste this."
    assert "runs 3 items again" in (todo.effect or "")
    assert found.now.data.letters_open == 3
    assert "3 dead letters kept, with their inputs." in found.now.data.words


def test_one_dead_letter_is_told_in_the_singular(tell: Tell) -> None:
    found = tell(mapped(1, 30).start())
    assert found.summary.sentence == (
        "One item of `answer` failed with invalid_value and was set aside as a dead letter; mend and "
        "replay it."
    )
    assert "1 dead letter kept, with its input." in found.now.data.words


def test_letters_that_were_replayed_leave_nothing_to_do(tell: Tell) -> None:
    bad = {3}

    @step
    def answer(n: int) -> int:
        if n in bad:
            raise ValueError("bad")
        return n

    @workflow
    def triage() -> int:
        return len(answer.map(range(5)).results)

    run = triage.start()
    bad.clear()
    [letter] = triage.dead_letters()
    letter.replay()
    assert tell(run).summary.sentence == (
        "One item of `answer` failed once with invalid_value, was set aside, and was replayed since; "
        "nothing to do."
    )


def test_a_failure_that_the_workflow_caught(tell: Tell) -> None:
    @step(recover=[on("connection").halt()])
    def fetch() -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    @workflow
    def triage() -> str:
        try:
            fetch()
        except ConnectionError:
            return "without"
        return "with"

    assert tell(triage.start()).summary.sentence == (
        "`fetch` failed once with connection, and the workflow caught that and went on; nothing to do."
    )


def test_an_effect_that_had_happened_all_the_same(tell: Tell) -> None:
    sent: list[int] = []

    def was_sent(order: int) -> Happened[str] | NotHappened:
        return Happened("receipt") if order in sent else NotHappened()

    @effect(key=lambda order: f"pay:{order}", verify=was_sent)
    def pay(order: int) -> str:
        sent.append(order)
        raise TimeoutError("no answer")

    @workflow
    def shop() -> str:
        return pay(7)

    found = tell(shop.start())
    assert found.summary.sentence == (
        "`pay` failed once with timeout, and its verify found that it had happened all the same; "
        "nothing to do."
    )
    assert found.recovery is not None and found.recovery.verified == 1
    assert "1 effect happened, each recorded under its key." in found.now.data.words


def test_other_failing_steps_are_counted(tell: Tell) -> None:
    flaky = [Times(n, refused) for n in (3, 1, 1)]
    policy = [on("connection").retry(attempts=5, base=1)]

    @step(recover=policy)
    def load() -> None:
        flaky[1]()

    @step(recover=policy)
    def enrich() -> None:
        flaky[0]()

    @step(recover=policy)
    def save() -> None:
        flaky[2]()

    @workflow
    def triage() -> None:
        load()
        enrich()
        save()

    assert tell(triage.start()).summary.sentence == (
        "`enrich` failed 3 times with connection, recovered by its 4th attempt after 7 s; 2 other "
        "steps failed too and recovered; nothing to do."
    )


def test_the_worst_step_leads_and_one_other_is_told(tell: Tell) -> None:
    flaky = Times(2, refused)

    @step(recover=[on("connection").retry(attempts=5, base=1)])
    def load() -> None:
        flaky()

    @step
    def answer(n: int) -> int:
        if n == 0:
            raise ValueError("bad")
        return n

    @workflow
    def triage() -> None:
        load()
        answer.map(range(4))

    assert tell(triage.start()).summary.sentence == (
        "One item of `answer` failed with invalid_value and was set aside as a dead letter; `load` "
        "failed twice with connection too, recovered by its 3rd attempt after 3 s; mend and replay it."
    )


def test_items_that_ended_in_different_ways(tell: Tell) -> None:
    flaky = {n: Times(1, refused) for n in (1, 2)}

    @step(recover=[on("connection").retry(attempts=2, base=1)])
    def answer(n: int) -> int:
        if n == 0:
            raise ValueError("bad")
        if n in flaky:
            flaky[n]()
        return n

    @workflow
    def triage() -> None:
        answer.map(range(10), workers=1)

    assert tell(triage.start()).summary.sentence == (
        "3 of 10 items of `answer` failed with connection and invalid_value: 2 recovered by another "
        "attempt and 1 set aside as a dead letter; 1 dead letter waits to be replayed."
    )


def test_halted_mended_resumed_and_completed(tell: Tell, clock: ManualClock) -> None:
    check = Times(1, lambda: KeyError("price"))

    @step
    def load() -> int:
        clock.advance(180)
        return 1

    @step
    def price(n: int) -> int:
        check()
        return n

    @workflow
    def triage() -> int:
        return price(load())

    run = triage.start()
    assert run.status == "halted"
    clock.advance(720)
    run = triage.resume(run.run_id)
    found = tell(run)
    assert found.summary.sentence == (
        "`price` failed once with bug and halted the run, and a resume recovered it after 12 min; "
        "resumed once, 1 result reused (3 min saved); nothing to do."
    )
    recovery = found.recovery
    assert recovery is not None
    assert (recovery.resumes, recovery.reused, recovery.saved_seconds) == (1, 1, 180.0)
    assert [(one.step, one.reused, one.run_now) for one in recovery.steps] == [
        (load.spec.name, 1, 0),
        (price.spec.name, 0, 1),
    ]
    bars = next(lane for lane in found.timeline.lanes if lane.step == price.spec.name).bars  # type: ignore[union-attr]
    assert [bar.kind for bar in bars] == ["failed", "ok"]
    assert bars[1].began_at - bars[0].ended_at == 720
    assert [mark.kind for mark in found.timeline.marks] == ["began", "resumed", "ended"]  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["done", "skipped"])
def test_an_effect_that_a_person_settled(
    tell: Tell, runtime: Runtime, how: str, clock: ManualClock
) -> None:
    from surefoot.workflow.resolving import resolve_doubt

    broken = Times(1, lambda: TimeoutError("no answer"))

    @effect(key=lambda order: f"pay:{order}")
    def pay(order: int) -> str:
        broken()
        return "receipt"

    @workflow
    def shop() -> str:
        return pay(7)

    run = shop.start()
    assert run.status == "halted"
    given: Any = how
    value = "receipt" if how == "done" else None
    resolve_doubt(runtime, run.run_id, "pay:7", given, value=value, spec_of=lambda name: pay.spec)
    found = tell(shop.resume(run.run_id))
    assert "and a person found out how it had ended" in found.summary.sentence
    assert [(one.effect, one.key, one.how) for one in found.recovery.settled] == [  # type: ignore[union-attr]
        (pay.spec.name, "pay:7", how)
    ]
