"""`.map`: one call an item, bounded, failures set aside, results in the items' order."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from surefoot import Runtime, current, effect, on, step, workflow
from surefoot.errors import DefinitionError, MapHalted
from surefoot.events import Event, ItemEnded, MapEnded, MapStarted


class Broken(Exception):
    """unknown: two tries, then a halt; no item of it is set aside."""


def flow(body: Any) -> Any:
    return workflow(name="work")(body).with_options(run_id="r")


@pytest.fixture
def calls() -> list[Any]:
    return []


@pytest.fixture
def check(calls: list[Any]) -> Any:
    """Fails as ``invalid_value`` for what is in ``check.bad``: set aside in a map."""

    @step(name="check")
    def check(n: int, plus: int = 0) -> int:
        calls.append(n)
        if n in check.bad:
            raise ValueError(f"{n} is bad")
        return n + plus

    check.bad = set()
    return check


# -- results ----------------------------------------------------------------------------------


def test_results_come_in_the_items_order(runtime: Runtime) -> None:
    gate = threading.Event()

    @step
    def slow_first(n: int) -> int:
        if n == 0:
            gate.wait(5)
        else:
            gate.set()
        return n * n

    def body() -> list[int]:
        return slow_first.map(range(5), workers=2).results

    assert flow(body).start().result == [0, 1, 4, 9, 16]


def test_any_iterable_is_mapped_and_none_is_fine(runtime: Runtime, check: Any) -> None:
    assert flow(lambda: check.map(n for n in range(3)).results).start().result == [0, 1, 2]
    assert flow(lambda: len(check.map([]))).with_options(run_id="s").start().result == 0


def test_starmap_spreads_its_items_and_bind_fixes_the_rest(runtime: Runtime, check: Any) -> None:
    assert flow(lambda: check.starmap([(1, 10), (2, 20)]).results).start().result == [11, 22]
    bound = check.bind(plus=5)
    other = flow(lambda: [bound.map([1]).results, bound.starmap([(2,)]).results])
    assert other.with_options(run_id="s").start().result == [[6], [7]]
    assert check.bind(plus=1).bind(plus=2).map([1]).results == [3]


def test_each_item_is_one_entry_of_the_document(runtime: Runtime, check: Any) -> None:
    run = flow(lambda: check.map([5, 6]).results).start()
    items = [entry for entry in run.document()["steps"] if entry["item"] is not None]
    assert sorted((entry["item"], entry["status"]) for entry in items) == [
        (0, "completed"),
        (1, "completed"),
    ]
    (row,) = (entry for entry in run.document()["steps"] if entry["form"] == "map")
    assert row["status"] == "completed" and row["note"] == "2 items, 0 set aside"


def test_an_item_knows_its_place(runtime: Runtime) -> None:
    @step
    def where(n: str) -> tuple[int | None, str | None]:
        return current().item, current().item_id

    def body() -> Any:
        return where.map(["a", "b"], item_id=lambda item: f"id-{item}").results

    assert flow(body).start().result == [(0, "id-a"), (1, "id-b")]


def test_at_most_so_many_workers_run_at_once(runtime: Runtime) -> None:
    lock = threading.Lock()
    now: list[int] = [0, 0]
    together = threading.Barrier(3, timeout=5)

    @step
    def work_on(n: int) -> int:
        with lock:
            now[0] += 1
            now[1] = max(now)
        together.wait()
        with lock:
            now[0] -= 1
        return n

    flow(lambda: len(work_on.map(range(9), workers=3))).start()
    assert now == [0, 3]


def test_outside_of_a_run_a_map_does_the_same_and_journals_nothing(
    runtime: Runtime, check: Any
) -> None:
    check.bad = {2}
    batch = check.map([1, 2, 3])
    assert batch.results == [1, 3]
    assert [one.index for one in batch.quarantined] == [1]
    assert runtime.journal.runs() == []


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"workers": 0}, "workers=0"),
        ({"workers": True}, "workers=True"),
        ({"on_failure": "ignore"}, "'quarantine' or 'halt'"),
        ({"max_failure_ratio": 1.5}, "from 0 to 1"),
        ({"item_id": lambda n: "same"}, "gives 'same' to two items"),
    ],
)
def test_a_mistake_in_a_map_is_told(check: Any, options: Any, part: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        check.map([1, 2], **options)
    assert part in str(caught.value)


def test_bind_knows_the_steps_arguments(check: Any) -> None:
    with pytest.raises(DefinitionError, match="did you mean 'plus'"):
        check.bind(pluss=1)


# -- quarantine -------------------------------------------------------------------------------


def test_an_item_that_fails_for_good_is_set_aside(
    runtime: Runtime, check: Any, calls: list[Any]
) -> None:
    check.bad = {2, 4}
    seen: list[Any] = []

    def body() -> int:
        batch = check.map([1, 2, 3, 4])
        seen.append(batch)
        return len(batch.results)

    run = flow(body).start()
    assert run.result == 2
    (batch,) = seen
    assert len(batch) == 4 and batch.results == [1, 3]
    assert batch.indexed() == [(0, 1), (2, 3)] and batch.pairs() == [(1, 1), (3, 3)]
    assert [(o.index, o.item, o.status) for o in batch.quarantined] == [
        (1, 2, "quarantined"),
        (3, 4, "quarantined"),
    ]
    assert [o.status for o in batch.outcomes] == [
        "completed",
        "quarantined",
        "completed",
        "quarantined",
    ]
    assert isinstance(batch.outcomes[1].error, ValueError) and batch.outcomes[0].result == 1
    assert "not retried" in batch.outcomes[1].reason
    letters = runtime.journal.dead_letters(runtime.journal.run("r").pk)
    assert sorted((letter.item, letter.kind, letter.state) for letter in letters) == [
        (1, "invalid_value", "open"),
        (3, "invalid_value", "open"),
    ]
    entries = [entry for entry in run.document()["steps"] if entry["item"] is not None]
    entries.sort(key=lambda entry: entry["item"])
    assert [entry["dead_letter"] for entry in entries] == [None, "open", None, "open"]


def test_a_batch_cannot_be_iterated() -> None:
    @step
    def same(n: int) -> int:
        return n

    batch = same.map([1, 2])
    with pytest.raises(TypeError, match=r"\.results.*\.indexed\(\).*\.pairs\(\)"):
        list(batch)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        zip([1, 2], batch)  # type: ignore[call-overload]
    assert repr(batch) == "<Batch of 2: 2 completed>"


def test_a_result_of_none_is_a_result() -> None:
    @step
    def nothing(n: int) -> None:
        return None

    assert nothing.map([1, 2]).results == [None, None]


def test_on_failure_halt_lets_the_exception_through_and_starts_no_more(
    runtime: Runtime, check: Any, calls: list[Any]
) -> None:
    check.bad = {2}
    run = flow(lambda: check.map(range(50), workers=1, on_failure="halt").results).start()
    assert run.status == "halted" and str(run.exception).startswith("2 is bad")
    assert calls == [0, 1, 2]
    check.bad = set()
    assert flow(lambda: check.map(range(50), workers=1, on_failure="halt").results).resume(
        "r"
    ).result == list(range(50))
    assert calls == [0, 1, 2, *range(2, 50)]


def test_a_kind_that_all_items_share_halts_the_map(runtime: Runtime) -> None:
    @step
    def ask(n: int) -> int:
        raise PermissionError(13, "Permission denied")

    run = flow(lambda: ask.map(range(30)).results).start()
    assert run.status == "halted" and isinstance(run.exception, PermissionError)


def test_an_own_skip_sets_aside_even_where_the_map_would_halt(
    runtime: Runtime, calls: list[Any]
) -> None:
    @step(recover=[on(Broken).skip()])
    def fragile(n: int) -> int:
        if n == 1:
            raise Broken("no")
        return n

    run = flow(lambda: fragile.map(range(3), on_failure="halt").results).start()
    assert run.result == [0, 2]


def test_an_own_skip_with_a_default_gives_the_default(runtime: Runtime) -> None:
    @step(recover=[on(Broken).skip(default=-1)])
    def fragile(n: int) -> int:
        if n == 1:
            raise Broken("no")
        return n

    run = flow(lambda: fragile.map(range(3)).results).start()
    assert run.result == [0, -1, 2] and run.degraded


def test_the_exception_of_the_first_item_comes_through(runtime: Runtime) -> None:
    both = threading.Barrier(2, timeout=5)

    @step(attempts=1)
    def fail(n: int) -> int:
        both.wait()
        raise Broken(f"item {n}")

    run = flow(lambda: fail.map([0, 1], workers=2).results).start()
    assert str(run.exception).startswith("item 0")


# -- too many ---------------------------------------------------------------------------------


def test_every_item_failing_alike_is_no_thousand_dead_letters(
    runtime: Runtime, check: Any, calls: list[Any]
) -> None:
    check.bad = set(range(1000))
    run = flow(lambda: check.map(range(1000), workers=1).results).start()
    assert run.status == "halted" and isinstance(run.exception, MapHalted)
    assert len(calls) == 20
    message = str(run.exception)
    assert "20 of 20 items failed" in message and "max_failure_ratio=0.5" in message
    assert isinstance(run.exception.__cause__, ValueError)


@pytest.mark.parametrize(("count", "halts"), [(19, False), (20, True)])
def test_the_share_of_failures_is_judged_from_20_items_on(
    runtime: Runtime, check: Any, count: int, halts: bool
) -> None:
    check.bad = set(range(count))
    run = flow(lambda: len(check.map(range(count), workers=1).quarantined)).start()
    assert (run.status == "halted") is halts


@pytest.mark.parametrize(
    ("ratio", "bad", "halts"), [(0.5, 10, False), (0.5, 11, True), (1.0, 20, False), (0.0, 1, True)]
)
def test_the_share_that_is_allowed_is_not_too_many(
    runtime: Runtime, check: Any, ratio: float, bad: int, halts: bool
) -> None:
    check.bad = set(range(20 - bad, 20))
    body = lambda: len(check.map(range(20), workers=1, max_failure_ratio=ratio).quarantined)
    run = flow(body).start()
    assert (run.status == "halted") is halts


def test_a_halted_map_opens_its_letters_again_on_a_resume(
    runtime: Runtime, check: Any, calls: list[Any]
) -> None:
    check.bad = set(range(10, 40))
    work = flow(lambda: check.map(range(40), workers=1).results)
    assert isinstance(work.start().exception, MapHalted)
    pk = runtime.journal.run("r").pk
    before = {letter.item for letter in runtime.journal.dead_letters(pk)}
    assert before == set(range(10, 21))
    done = len(calls)
    check.bad = set()
    assert work.resume("r").result == list(range(40))
    assert calls[done:] == list(range(10, 40))
    assert {letter.state for letter in runtime.journal.dead_letters(pk)} == {"reopened"}


def test_a_map_that_completed_keeps_its_letters_closed_on_a_resume(
    runtime: Runtime, check: Any, calls: list[Any]
) -> None:
    fail = [True]
    check.bad = {2}
    batches: list[Any] = []

    def body() -> list[int]:
        batch = check.map([1, 2, 3])
        batches.append(batch)
        if fail[0]:
            raise Broken("no")
        return batch.results

    work = flow(body)
    work.start()
    fail[0] = False
    check.bad = set()
    assert work.resume("r").result == [1, 3] and len(calls) == 3
    (aside,) = batches[1].quarantined
    assert aside.index == 1 and aside.item == 2 and "invalid_value" in aside.reason


# -- resume -----------------------------------------------------------------------------------


def interrupted(work: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        work.start()


def test_a_resume_runs_only_the_items_that_are_missing(runtime: Runtime, calls: list[Any]) -> None:
    stop = [True]

    @step(name="index")
    def index(n: int) -> int:
        if stop[0] and n == 6:
            raise KeyboardInterrupt
        calls.append(n)
        return n

    work = flow(lambda: index.map(range(10), workers=1).results)
    interrupted(work)
    assert calls == [0, 1, 2, 3, 4, 5]
    stop[0] = False
    run = work.resume("r")
    assert run.result == list(range(10)) and calls == list(range(10)) and run.reused == 6


def test_items_are_found_again_by_what_they_are_not_by_their_place(
    runtime: Runtime, calls: list[Any], check: Any
) -> None:
    fail = [True]
    items = [[1, 2, 3]]

    def body() -> list[int]:
        found: list[int] = check.map(items[0], workers=1).results
        if fail[0]:
            raise Broken("no")
        return found

    work = flow(body)
    work.start()
    fail[0] = False
    items[0] = [3, 0, 1, 2]
    assert work.resume("r").result == [3, 0, 1, 2] and calls == [1, 2, 3, 0]


def test_equal_items_are_calls_of_their_own(runtime: Runtime, check: Any, calls: list[Any]) -> None:
    fail = [True]

    def body() -> list[int]:
        found: list[int] = check.map([7, 7, 7], workers=1).results
        if fail[0]:
            raise Broken("no")
        return found

    work = flow(body)
    work.start()
    assert calls == [7, 7, 7]
    fail[0] = False
    assert work.resume("r").result == [7, 7, 7] and len(calls) == 3


def test_two_maps_of_one_step_may_change_places(
    runtime: Runtime, check: Any, calls: list[Any]
) -> None:
    fail = [True]

    def body() -> list[int]:
        order = ([1, 2], [3, 4]) if fail[0] else ([3, 4], [1, 2])
        found = [n for items in order for n in check.map(items).results]
        if fail[0]:
            raise Broken("no")
        return found

    work = flow(body)
    work.start()
    fail[0] = False
    assert work.resume("r").result == [3, 4, 1, 2] and sorted(calls) == [1, 2, 3, 4]


def test_a_step_and_a_map_of_it_do_not_mix(runtime: Runtime, check: Any, calls: list[Any]) -> None:
    fail = [True]

    def body() -> list[int]:
        found = [check(1), *check.map([1]).results]
        if fail[0]:
            raise Broken("no")
        return found

    work = flow(body)
    work.start()
    fail[0] = False
    assert work.resume("r").result == [1, 1] and calls == [1, 1]


def test_an_effect_is_mapped_and_done_once_an_item(runtime: Runtime, calls: list[Any]) -> None:
    stop = [True]

    @effect(key=lambda n: f"row:{n}")
    def write(n: int) -> int:
        calls.append(n)
        return n

    def body() -> list[int]:
        found = write.map([1, 2, 2, 3], workers=2).results
        if stop[0]:
            raise Broken("no")
        return found

    work = flow(body)
    work.start()
    stop[0] = False
    assert work.resume("r").result == [1, 2, 2, 3]
    assert sorted(calls) == [1, 2, 3]


def test_a_cancel_in_the_middle_of_a_map_stops_it(runtime: Runtime, calls: list[Any]) -> None:
    @step
    def index(n: int) -> int:
        calls.append(n)
        if n == 3:
            runtime.journal.request_cancel("r")
        return n

    work = flow(lambda: index.map(range(100), workers=1).results)
    assert work.start().status == "cancelled"
    assert len(calls) < 20 and runtime.journal.run("r").status == "cancelled"
    assert work.resume("r").result == list(range(100)) and len(calls) == 100


def test_a_map_tells_its_listeners_how_it_goes(runtime: Runtime, check: Any) -> None:
    heard: list[Event] = []
    runtime.listen(heard.append)
    check.bad = {1}
    flow(lambda: check.map([0, 1, 2], workers=1).results).start()
    assert [event.total for event in heard if isinstance(event, MapStarted)] == [3]
    ended = {e.where.item: e.status for e in heard if isinstance(e, ItemEnded)}
    assert ended == {0: "completed", 1: "quarantined", 2: "completed"}
    assert [e.counts for e in heard if isinstance(e, MapEnded)] == [{"items": 3, "quarantined": 1}]


# -- async ------------------------------------------------------------------------------------


def test_an_async_map_is_bounded_by_its_workers_and_keeps_the_order(runtime: Runtime) -> None:
    now = [0, 0]

    @step
    async def fetch(n: int) -> int:
        now[0] += 1
        now[1] = max(now)
        await asyncio.sleep(0.001 * (5 - n % 5))
        now[0] -= 1
        return n * n

    @workflow
    async def work() -> list[int]:
        batch = await fetch.map(range(20), workers=4)
        return batch.results

    assert asyncio.run(work.start()).result == [n * n for n in range(20)]
    assert now == [0, 4]


def test_an_async_map_sets_aside_and_halts_and_resumes(runtime: Runtime) -> None:
    bad = set(range(5, 30))
    calls: list[int] = []

    @step
    async def check(n: int, plus: int = 0) -> int:
        calls.append(n)
        if n in bad:
            raise ValueError(f"{n} is bad")
        return n + plus

    @workflow
    async def work() -> list[int]:
        return (await check.bind(plus=0).map(range(30), workers=3)).results

    async def main() -> None:
        run = await work.with_options(run_id="r").start()
        assert isinstance(run.exception, MapHalted)
        bad.clear()
        assert (await work.resume("r")).result == list(range(30))

    asyncio.run(main())
    assert all(calls.count(n) == 1 for n in range(5))


def test_an_async_starmap_outside_of_a_run() -> None:
    @step
    async def add(a: int, b: int) -> int:
        return a + b

    assert asyncio.run(add.starmap([(1, 2), (3, 4)])).results == [3, 7]
    assert asyncio.run(add.bind(b=1).starmap([(1,)])).results == [2]


def test_an_async_items_halt_comes_through(runtime: Runtime) -> None:
    @step(attempts=1)
    async def fail(n: int) -> int:
        raise Broken(f"item {n}")

    @workflow
    async def work() -> Any:
        return (await fail.map([0, 1], workers=1)).results

    run = asyncio.run(work.start())
    assert run.status == "halted" and isinstance(run.exception, Broken)


def test_cancelling_an_async_map_cancels_its_items_and_leaves_the_run_resumable(
    runtime: Runtime,
) -> None:
    ended: list[int] = []
    hang = [True]

    @step
    async def fetch(n: int) -> int:
        if n > 1 and hang[0]:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(n)
        return n

    @workflow
    async def work() -> list[int]:
        return (await fetch.map(range(6), workers=2)).results

    async def main() -> None:
        task = asyncio.create_task(work.with_options(run_id="r").start())  # type: ignore[arg-type]
        while runtime.journal.runs() == [] or len(asyncio.all_tasks()) < 4:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(ended) == [2, 3]
        assert runtime.journal.run("r").status == "interrupted"
        hang[0] = False
        run = await work.resume("r")
        assert run.result == list(range(6)) and run.reused == 2

    asyncio.run(main())
