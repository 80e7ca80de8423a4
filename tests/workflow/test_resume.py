"""A resume calls the body again; what completed gives its checkpoint and runs nothing."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, carry, on, step, workflow
from surefoot.clock import ManualClock
from surefoot.errors import ProcessCrashed, ReplayedFailure
from surefoot.events import Drifted, Event, Replayed


class Broken(Exception):
    """A failure of a user's own, which the catalog calls unknown."""


class Coded(Exception):
    """Takes other arguments than it leaves in ``args``."""

    def __init__(self, code: int, *, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class World:
    """What a workflow does to the outside, and what goes wrong there."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.broken: dict[Any, BaseException] = {}

    def __call__(self, what: Any) -> Any:
        self.calls.append(what)
        if what in self.broken:
            raise self.broken[what]
        return what

    def taken(self) -> list[Any]:
        """The calls since the last look."""
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def touch(world: World) -> Any:
    @step(name="touch", attempts=1)
    def touch(what: Any) -> Any:
        return world(what)

    return touch


@pytest.fixture
def heard(runtime: Runtime) -> list[Event]:
    events: list[Event] = []
    runtime.listen(events.append)
    return events


def warnings_in(heard: list[Event]) -> list[str]:
    return [event.message for event in heard if isinstance(event, Drifted)]


def flow(body: Callable[[], Any], name: str = "work") -> Any:
    return workflow(name=name)(body).with_options(run_id="r")


# -- completed calls --------------------------------------------------------------------------


def test_completed_calls_never_run_again(runtime: Runtime, world: World, touch: Any) -> None:
    work = flow(lambda: [touch(1), touch(2), touch(3)])
    world.broken[3] = Broken("no")
    assert work.start().status == "halted"
    assert world.taken() == [1, 2, 3]
    world.broken.clear()
    run = work.resume("r")
    assert run.result == [1, 2, 3] and world.taken() == [3]
    assert run.reused == 2


def test_a_later_process_finds_them_too(
    make_runtime: Callable[[], Runtime], world: World, touch: Any
) -> None:
    work = flow(lambda: [touch(1), touch(2)])
    world.broken[2] = Broken("no")
    with make_runtime():
        work.start()
    world.broken.clear()
    world.taken()
    with make_runtime():
        assert work.resume("r").result == [1, 2] and world.taken() == [2]


def test_the_time_that_a_resume_saved_is_told(
    runtime: Runtime, clock: ManualClock, heard: list[Event]
) -> None:
    fail = [True]

    @step
    def slow(seconds: float) -> float:
        clock.advance(seconds)
        return seconds

    def body() -> None:
        slow(20.0)
        slow(22.0)
        if fail[0]:
            raise Broken("no")

    work = flow(body)
    work.start()
    fail[0] = False
    run = work.resume("r")
    assert (run.reused, run.time_saved) == (2, 42.0)
    assert [event.saved for event in heard if isinstance(event, Replayed)] == [20.0, 22.0]
    assert all(entry["reused"] for entry in run.document()["steps"])


def test_a_reordered_and_edited_workflow_still_finds_its_results(
    runtime: Runtime, world: World, touch: Any, heard: list[Event]
) -> None:
    @step(name="other")
    def other(what: Any) -> Any:
        return world(what)

    world.broken["end"] = Broken("no")
    flow(lambda: [touch(1), touch(2), other(3), touch("end")]).start()
    world.broken.clear()
    world.taken()
    edited = flow(lambda: [other(3), touch(2), touch(1), other("new"), touch("end")])
    assert edited.resume("r").result == [3, 2, 1, "new", "end"]
    assert world.taken() == ["new", "end"] and warnings_in(heard) == []


def test_what_is_left_out_after_an_edit_stays_in_the_journal(
    runtime: Runtime, world: World, touch: Any
) -> None:
    world.broken["end"] = Broken("no")
    flow(lambda: [touch(1), touch("end")]).start()
    world.broken.clear()
    run = flow(lambda: [touch("end")]).resume("r")
    assert run.result == ["end"]
    assert [entry["status"] for entry in run.document()["steps"]] == ["completed", "completed"]


def test_a_workflow_that_became_parallel_finds_its_results(
    runtime: Runtime, world: World, touch: Any, heard: list[Event]
) -> None:
    world.broken["end"] = Broken("no")
    flow(lambda: [touch(n) for n in range(6)] + [touch("end")]).start()
    world.broken.clear()
    world.taken()

    def parallel() -> Any:
        with ThreadPoolExecutor(4) as pool:
            return [*pool.map(carry(touch), reversed(range(6))), touch("end")]

    assert flow(parallel).resume("r").result == [5, 4, 3, 2, 1, 0, "end"]
    assert world.taken() == ["end"] and warnings_in(heard) == []


def test_parallel_tasks_find_their_results_in_another_order(runtime: Runtime) -> None:
    calls: list[int] = []
    fail = [True]

    @step
    async def fetch(n: int) -> int:
        for _ in range(n if fail[0] else 5 - n):
            await asyncio.sleep(0)
        calls.append(n)
        return n * n

    @workflow
    async def work() -> list[int]:
        found = await asyncio.gather(*(fetch(n) for n in range(5)))
        if fail[0]:
            raise Broken("no")
        return list(found)

    async def main() -> None:
        await work.with_options(run_id="r").start()
        assert len(calls) == 5
        fail[0] = False
        assert (await work.resume("r")).result == [0, 1, 4, 9, 16]
        assert len(calls) == 5

    asyncio.run(main())


def test_the_same_call_again_is_another_call_each_time(runtime: Runtime) -> None:
    count: list[int] = []
    fail = [True]

    @step
    def roll(sides: int) -> int:
        count.append(sides)
        return len(count)

    def body() -> list[int]:
        rolled = [roll(6), roll(6), roll(20), roll(6)]
        if fail[0]:
            raise Broken("no")
        return rolled

    work = flow(body)
    work.start()
    fail[0] = False
    assert work.resume("r").result == [1, 2, 3, 4] and len(count) == 4


def test_a_mended_body_needs_nothing_special(runtime: Runtime, world: World, touch: Any) -> None:
    def broken() -> Any:
        touch(1)
        raise NameError("typo")

    run = flow(broken).start()
    assert run.error is not None and run.error["kind"] == "bug"
    assert flow(lambda: touch(1) + 1).resume("r").result == 2
    assert world.taken() == [1]


def test_a_step_whose_code_changed_keeps_its_checkpoint_and_warns_once(
    runtime: Runtime, heard: list[Event]
) -> None:
    @step(name="load")
    def load(n: int) -> int:
        return n

    def body() -> int:
        load(1)
        load(2)
        raise Broken("no")

    flow(body).start()

    @step(name="load")
    def changed(n: int) -> int:
        return n + 100

    assert flow(lambda: changed(1) + changed(2)).resume("r").result == 3
    (warning,) = warnings_in(heard)
    assert "code of step load has changed" in warning and "start a new run" in warning


def test_without_a_checkpoint_a_step_runs_again(runtime: Runtime) -> None:
    calls: list[str] = []
    fail = [True]

    @step(checkpoint=False)
    def connect() -> Any:
        calls.append("connect")
        return object()

    def body() -> int:
        connect()
        if fail[0]:
            raise Broken("no")
        return 1

    work = flow(body)
    work.start()
    fail[0] = False
    assert work.resume("r").result == 1 and calls == ["connect", "connect"]


def test_large_results_lie_beside_the_journal_and_come_back(
    runtime: Runtime, journal_path: Path
) -> None:
    calls: list[int] = []
    fail = [True]

    @step
    def big(n: int) -> bytes:
        calls.append(n)
        return b"x" * n

    def body() -> int:
        size = len(big(200_000))
        if fail[0]:
            raise Broken("no")
        return size

    work = flow(body)
    work.start()
    fail[0] = False
    assert work.resume("r").result == 200_000 and calls == [200_000]
    files = [path for path in Path(f"{journal_path}.blobs").rglob("*") if path.is_file()]
    assert len(files) == 1 and files[0].stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["row", "file", "gone"])
def test_a_damaged_checkpoint_is_noticed_and_the_step_runs_again(
    runtime: Runtime, journal_path: Path, heard: list[Event], damage: str
) -> None:
    calls: list[int] = []
    fail = [True]

    @step
    def load(n: int) -> bytes:
        calls.append(n)
        return b"x" * n

    def body() -> int:
        size = len(load(10 if damage == "row" else 100_000))
        if fail[0]:
            raise Broken("no")
        return size

    work = flow(body)
    work.start()
    fail[0] = False
    if damage == "row":
        runtime.journal.group.commit(
            lambda tx: tx("UPDATE calls SET result = x'00' || result WHERE result IS NOT NULL")
        )
    else:
        (blob,) = (p for p in Path(f"{journal_path}.blobs").rglob("*") if p.is_file())
        blob.write_bytes(b"other") if damage == "file" else blob.unlink()
    assert work.resume("r").status == "completed"
    assert len(calls) == 2
    assert "its checkpoint cannot be read" in warnings_in(heard)[0]


# -- failures that were caught ----------------------------------------------------------------


def test_a_caught_failure_is_replayed_and_the_same_except_catches_it(
    runtime: Runtime, world: World, touch: Any
) -> None:
    caught: list[BaseException] = []

    def body() -> Any:
        try:
            touch("a")
        except Coded as exc:
            caught.append(exc)
        return touch("b")

    world.broken.update({"a": Coded(7, detail="seven"), "b": Broken("no")})
    work = flow(body)
    work.start()
    world.broken.clear()  # "a" would succeed now: the path that was taken stays the same
    world.taken()
    assert work.resume("r").result == "b"
    assert world.taken() == ["b"]
    first, second = caught
    assert type(second) is Coded and first is not second
    assert (second.code, second.detail, str(second)) == (7, "seven", "7: seven")


def test_a_replayed_failure_of_a_class_that_is_gone_has_its_name(
    runtime: Runtime, world: World, touch: Any
) -> None:
    class Local(Exception):
        pass

    caught: list[BaseException] = []

    def body() -> Any:
        try:
            touch("a")
        except Exception as exc:
            caught.append(exc)
        return touch("b")

    world.broken.update({"a": Local("here"), "b": Broken("no")})
    work = flow(body)
    work.start()
    world.broken.clear()
    assert work.resume("r").result == "b"
    assert isinstance(caught[1], (ReplayedFailure, Exception)) and "here" in str(caught[1])
    assert "Local" in repr(caught[1]) or "Local" in str(caught[1])


def test_the_exception_that_left_the_body_is_not_replayed(
    runtime: Runtime, world: World, touch: Any
) -> None:
    work = flow(lambda: touch("a"))
    world.broken["a"] = Coded(1, detail="x")
    work.start()
    world.broken.clear()
    assert work.resume("r").result == "a"


def test_nor_is_its_cause(runtime: Runtime, world: World, touch: Any) -> None:
    def body() -> Any:
        try:
            return touch("a")
        except Coded as exc:
            raise Broken("wrapped") from exc

    work = flow(body)
    world.broken["a"] = Coded(1, detail="x")
    assert work.start().status == "halted"
    world.broken.clear()
    assert work.resume("r").result == "a"


def test_nor_is_what_it_was_raised_in_the_course_of(
    runtime: Runtime, world: World, touch: Any
) -> None:
    def body() -> Any:
        try:
            return touch("a")
        except Coded:
            raise Broken("wrapped")  # noqa: B904  the point of the test

    work = flow(body)
    world.broken["a"] = Coded(1, detail="x")
    assert work.start().status == "halted"
    world.broken.clear()
    assert work.resume("r").result == "a"


def test_a_failure_that_was_caught_before_another_step_failed_stays_caught(
    runtime: Runtime, world: World, touch: Any
) -> None:
    """The second failure has the first as its context, and it is a step's own: the first was
    handled by the workflow, so it is part of its path."""

    def body() -> Any:
        try:
            return touch("a")
        except Coded:
            return touch("b")

    work = flow(body)
    world.broken.update({"a": Coded(1, detail="x"), "b": Broken("no")})
    assert work.start().status == "halted"
    world.broken.clear()
    world.taken()
    assert work.resume("r").result == "b" and world.taken() == ["b"]


def test_suppressing_the_context_says_that_it_was_handled(
    runtime: Runtime, world: World, touch: Any
) -> None:
    fail = [True]

    def body() -> Any:
        try:
            found = touch("a")
        except Coded:
            found = "caught"
            if fail[0]:
                raise Broken("another matter") from None
        return found

    work = flow(body)
    world.broken["a"] = Coded(1, detail="x")
    assert work.start().status == "halted"
    world.broken.clear()
    fail[0] = False
    assert work.resume("r").result == "caught"


if sys.version_info >= (3, 11):
    from builtins import ExceptionGroup as Group
else:

    class Group(Exception):
        """As the backport of 3.11's groups looks to us."""

        def __init__(self, message: str, exceptions: Sequence[Exception]) -> None:
            super().__init__(message)
            self.exceptions = tuple(exceptions)


def test_nor_are_the_members_of_its_group(runtime: Runtime, world: World) -> None:
    @step(attempts=1)
    async def touch(what: str) -> str:
        world(what)
        return what

    @workflow
    async def work() -> list[str]:
        found = await asyncio.gather(*(touch(what) for what in "ab"), return_exceptions=True)
        failed = [one for one in found if isinstance(one, Exception)]
        if failed:
            raise Group("several failed", failed)
        return [one for one in found if isinstance(one, str)]

    async def main() -> None:
        world.broken.update({"a": Coded(1, detail="x"), "b": Broken("no")})
        run = await work.with_options(run_id="r").start()
        assert isinstance(run.exception, Group)
        world.broken.clear()
        assert (await work.resume("r")).result == ["a", "b"]

    asyncio.run(main())


def test_a_replayed_failure_that_ends_a_resume_is_forgotten_and_the_body_called_again(
    runtime: Runtime, world: World, touch: Any
) -> None:
    """Caught in the first run, not caught any more by the edited body: no one wants to resume
    twice because of an old failure."""
    bodies: list[str] = []

    def tolerant() -> Any:
        touch("x")
        try:
            touch("a")
        except Coded:
            pass
        return touch("b")

    def strict() -> Any:
        bodies.append("called")
        return [touch("x"), touch("a"), touch("b")]

    world.broken.update({"a": Coded(1, detail="x"), "b": Broken("no")})
    flow(tolerant).start()
    world.broken.clear()
    world.taken()
    run = flow(strict).resume("r")
    assert run.result == ["x", "a", "b"] and world.taken() == ["a", "b"]
    assert bodies == ["called", "called"]
    assert run.reused == 1


def test_a_failure_may_end_a_resume_again_and_again(
    runtime: Runtime, world: World, touch: Any
) -> None:
    work = flow(lambda: touch("a"))
    world.broken["a"] = Coded(1, detail="x")
    work.start()
    for _ in range(3):
        run = work.resume("r")
        assert run.status == "halted" and isinstance(run.exception, Coded)
    assert world.taken() == ["a"] * 4
    world.broken.clear()
    assert work.resume("r").result == "a"


def test_after_a_halt_the_attempts_start_afresh(runtime: Runtime, clock: ManualClock) -> None:
    calls: list[int] = []

    @step(recover=[on(Broken).retry(attempts=3)])
    def fail(n: int) -> int:
        calls.append(n)
        raise Broken("no")

    work = flow(lambda: fail(1))
    work.start()
    run = work.resume("r")
    assert len(calls) == 6 and len(run.failures) == 6
    assert [f.attempt for f in run.failures] == [1, 2, 3, 1, 2, 3]


def test_after_a_crash_the_attempts_go_on(runtime: Runtime, clock: ManualClock) -> None:
    calls: list[int] = []

    @step(recover=[on(Broken).retry(attempts=3)])
    def fail(n: int) -> int:
        calls.append(n)
        if len(calls) == 3:
            raise KeyboardInterrupt
        raise Broken("no")

    work = flow(lambda: fail(1))
    with pytest.raises(KeyboardInterrupt):
        work.start()
    run = work.resume("r")
    assert [f.attempt for f in run.failures] == [1, 2, 3] and len(calls) == 4


def test_a_resume_classifies_after_inference_as_the_first_run_did(runtime: Runtime) -> None:
    """The same JSON error is the data's fault before inference and the model's after it; that the
    model's answer comes from its checkpoint changes nothing."""

    @step(stage="inference")
    def ask(prompt: str) -> str:
        return "no JSON"

    @step(attempts=1)
    def parse(text: str) -> Any:
        return json.loads(text)

    work = flow(lambda: parse(ask("p")))
    first = work.start().failures[0]
    again = work.resume("r").failures[1]
    assert (again.kind, again.category) == (first.kind, first.category)
    assert first.category == "model"


def test_a_run_that_dies_again_and_again_without_a_checkpoint_halts(
    runtime: Runtime, world: World
) -> None:
    @step
    def fatal(n: int) -> int:
        world("fatal")
        raise KeyboardInterrupt  # stands for the death; the row is then made to look like one

    work = flow(lambda: fatal(1))

    def die(act: Callable[[], Any]) -> None:
        with pytest.raises(KeyboardInterrupt):
            act()
        runtime.journal.group.commit(lambda tx: tx("UPDATE runs SET status = 'running'"))

    die(work.start)
    for _ in range(5):
        die(lambda: work.resume("r"))
    run = work.resume("r")
    assert run.status == "halted" and isinstance(run.exception, ProcessCrashed)
    assert run.error is not None and run.error["kind"] == "process_crashed"
    assert len(world.taken()) == 6
