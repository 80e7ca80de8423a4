"""A workflow is called like its function; `start` gives a Run that says what came of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, SurefootError, halve, on, step, workflow
from surefoot.clock import ManualClock
from surefoot.errors import InputError, RunLocked, UnknownRun, UsageError


@dataclass(frozen=True)
class Ticket:
    id: int
    text: str


class Broken(Exception):
    """A failure of a user's own, which the catalog calls unknown."""


def test_a_workflow_is_called_like_its_function(runtime: Runtime) -> None:
    @step
    def double(n: int) -> int:
        return 2 * n

    @workflow
    def total(a: int, *, b: int = 1) -> int:
        """Adds."""
        return double(a) + double(n=b)

    assert total(3) == 8 and total(3, b=2) == 10
    assert total.__name__ == "total" and total.__doc__ == "Adds."
    assert total.__wrapped__(1) == 4
    assert [run.status for run in runtime.journal.runs()] == ["completed", "completed"]


def test_an_async_workflow_is_awaited_with_the_same_words(runtime: Runtime) -> None:
    @step
    async def double(n: int) -> int:
        await asyncio.sleep(0)
        return 2 * n

    @workflow
    async def total(a: int) -> int:
        one, two = await asyncio.gather(double(a), double(a + 1))
        return one + two

    async def main() -> None:
        assert await total(3) == 14
        run = await total.with_options(run_id="r").start(1)
        assert (run.status, run.result) == ("completed", 6)
        again = await total.resume("r")
        assert again.result == 6

    asyncio.run(main())


def test_a_sync_step_may_be_called_in_an_async_workflow(runtime: Runtime) -> None:
    @step
    def double(n: int) -> int:
        return 2 * n

    @workflow
    async def total(a: int) -> int:
        return double(a)

    assert asyncio.run(total.start(3)).result == 6


def test_a_call_raises_the_steps_own_last_exception(runtime: Runtime) -> None:
    @step
    def fail() -> None:
        raise Broken("no")

    @workflow
    def work() -> None:
        fail()

    with pytest.raises(Broken, match="^no"):
        work()
    (record,) = runtime.journal.runs()
    assert record.status == "halted"


def test_an_async_call_raises_too(runtime: Runtime) -> None:
    @workflow
    async def work() -> None:
        raise Broken("no")

    with pytest.raises(Broken):
        asyncio.run(work())  # type: ignore[arg-type]


def test_start_gives_a_run_and_does_not_raise_when_it_halts(
    runtime: Runtime, clock: ManualClock
) -> None:
    @step
    def fail(n: int) -> None:
        raise Broken(f"no {n}")

    @workflow
    def work() -> None:
        fail(1)

    run = work.with_options(run_id="r1").start()
    assert (run.run_id, run.status, run.workflow) == ("r1", "halted", work.name)
    assert isinstance(run.exception, Broken)
    assert repr(run) == f"<Run r1 of {work.name}: halted>"
    assert [(f.kind, f.attempt, f.decision) for f in run.failures] == [
        ("unknown", 1, "retry"),
        ("unknown", 2, "halt"),
    ]
    assert clock.sleeps == [run.failures[0].waited]
    assert run.error is not None
    assert run.error["kind"] == "unknown" and run.error["message"].startswith("no 1")
    with pytest.raises(SurefootError, match="halted .*no 1.*surefoot resume r1"):
        _ = run.result


def test_what_ended_a_run_is_told_as_its_step_told_it(runtime: Runtime) -> None:
    @step(stage="inference", recover=[on("malformed_output").halt()])
    def parse(text: str) -> Any:
        return json.loads(text)

    @workflow
    def work() -> Any:
        return parse("no JSON")

    run = work.start()
    assert run.error is not None and run.failures[-1].kind == "malformed_output"
    for name in ("kind", "category", "fingerprint", "rule"):
        assert run.error[name] == getattr(run.failures[-1], name), name


def test_a_retried_step_goes_on_as_if_nothing_had_been(
    runtime: Runtime, clock: ManualClock
) -> None:
    attempts: list[int] = []

    @step
    def flaky(n: int) -> int:
        attempts.append(n)
        if len(attempts) < 3:
            raise ConnectionResetError(104, "Connection reset by peer")
        return n

    @workflow
    def work() -> int:
        return flaky(5)

    run = work.start()
    assert run.result == 5 and attempts == [5, 5, 5]
    assert clock.sleeps == [0.5, 1.0]
    assert [f.decision for f in run.failures] == ["retry", "retry"]
    assert run.failures[0].kind == "connection" and not run.degraded


def test_a_fallback_makes_a_run_degraded(runtime: Runtime) -> None:
    def smaller(n: int) -> int:
        return -n

    @step(recover=[on(ValueError).fall_back(smaller)])
    def big(n: int) -> int:
        raise ValueError("no")

    @step(recover=[on(ValueError).skip(default=0)])
    def optional(n: int) -> int:
        raise ValueError("no")

    @workflow
    def work() -> int:
        return big(5)

    @workflow
    def other() -> int:
        return optional(5)

    run = work.start()
    assert run.result == -5 and run.degraded
    assert run.document()["steps"][0]["degraded"].endswith("smaller")
    run = other.start()
    assert run.result == 0 and run.degraded


def test_a_model_fallback_calls_the_same_function_with_that_argument(runtime: Runtime) -> None:
    seen: list[tuple[str, int]] = []

    @step(recover=[on(ValueError).adapt(rounds=1, size=halve()).fall_back(model="mini")])
    def answer(prompt: str, *, model: str = "max", size: int = 8) -> str:
        seen.append((model, size))
        if model == "max":
            raise ValueError("no")
        return f"{prompt} by {model}"

    @workflow
    def work() -> str:
        return answer("p")

    assert work.start().result == "p by mini"
    assert seen == [("max", 8), ("max", 4), ("mini", 4)]


def test_a_result_of_a_class_comes_back_as_that_class(runtime: Runtime) -> None:
    @step
    def load(n: int) -> list[Ticket]:
        return [Ticket(i, "text") for i in range(n)]

    @workflow
    def work(n: int) -> list[Ticket]:
        return load(n)

    named = work.with_options(run_id="r")
    assert named.start(2).result == [Ticket(0, "text"), Ticket(1, "text")]
    assert named.start(2).result == [Ticket(0, "text"), Ticket(1, "text")]


def test_the_document_of_a_run_says_all_of_it(runtime: Runtime) -> None:
    @step(stage="ingestion")
    def load(n: int) -> list[int]:
        return list(range(n))

    @step
    def fail(n: int) -> int:
        raise Broken("secret token=abcdefgh12345678")

    @workflow
    def work(n: int) -> int:
        load(n)
        return fail(n)

    run = work.with_options(run_id="r1").start(3)
    document = run.document()
    assert document["run_id"] == "r1" and document["status"] == "halted"
    assert document["input"] == {"n": 3} and document["result"] is None
    first, second = document["steps"]
    assert (first["step"], first["status"], first["stage"]) == (
        load.spec.name,
        "completed",
        "ingestion",
    )
    assert (second["status"], second["attempts"]) == ("failed", 2)
    assert {"id", "scope", "item", "duration", "key"} <= set(first)
    assert len(document["failures"]) == 2
    assert "abcdefgh12345678" not in str(document["failures"])
    assert document["journal"] == str(runtime.path)
    assert document["error"]["kind"] == "unknown"


def test_a_run_has_an_id_that_sorts_by_time(runtime: Runtime, clock: ManualClock) -> None:
    @workflow
    def work() -> None:
        return None

    one = work.start().run_id
    clock.advance(2)
    two = work.start().run_id
    assert one < two and one.startswith("20231114-")


@pytest.mark.parametrize("run_id", ["", "a\nb", "x" * 201])
def test_a_bad_run_id_is_refused(runtime: Runtime, run_id: str) -> None:
    @workflow
    def work() -> None:
        return None

    with pytest.raises(UsageError, match="printable"):
        work.with_options(run_id=run_id).start()


# -- start on an id that exists ---------------------------------------------------------------


class Switch:
    """A body that fails while it is on."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error


def made(switch: Switch) -> Any:
    @step
    def work_on(n: int) -> int:
        switch()
        return n

    @workflow
    def work(n: int) -> int:
        return work_on(n)

    return work.with_options(run_id="r")


def test_a_completed_run_is_only_read(runtime: Runtime) -> None:
    switch = Switch()
    work = made(switch)
    assert work.start(1).result == 1
    run = work.start(1)
    assert run.result == 1 and run.exception is None and switch.calls == 1
    assert work(1) == 1 and work.resume("r").result == 1 and switch.calls == 1


def test_a_halted_run_is_only_read_by_start_and_run_again_by_resume(runtime: Runtime) -> None:
    switch = Switch()
    work = made(switch)
    switch.error = KeyError("price")
    assert work.start(1).status == "halted"
    calls = switch.calls
    switch.error = None
    run = work.start(1)
    assert run.status == "halted" and run.exception is None and switch.calls == calls
    with pytest.raises(SurefootError, match="surefoot resume r"):
        work(1)
    assert work.resume("r").result == 1


def test_a_cancelled_run_is_only_read_by_start_and_run_again_by_resume(runtime: Runtime) -> None:
    switch = Switch()
    work = made(switch)
    from surefoot.errors import RunCancelled

    switch.error = RunCancelled("stop")
    assert work.start(1).status == "cancelled"
    switch.error = None
    assert work.start(1).status == "cancelled"
    assert work.resume("r").result == 1


def test_an_interrupted_run_is_resumed_by_start(runtime: Runtime) -> None:
    switch = Switch()
    work = made(switch)
    switch.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        work.start(1)
    switch.error = None
    assert work.start(1).result == 1


def test_a_run_that_this_process_is_at_is_locked(runtime: Runtime) -> None:
    inner: list[BaseException] = []

    @workflow
    def work(n: int) -> int:
        import threading

        def other() -> None:
            # a thread without the run's context, as another part of the program would be
            with Runtime(journal=runtime.path, durability="process"):
                for act in (lambda: named.start(n), lambda: named.resume("r")):
                    try:
                        act()
                    except RunLocked as exc:
                        inner.append(exc)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return n

    named = work.with_options(run_id="r")
    assert named.start(1).result == 1
    assert len(inner) == 2 and all(exc.exit_code == 4 for exc in inner)  # type: ignore[attr-defined]
    assert "is held by pid" in str(inner[0])


def test_a_rolled_back_run_cannot_be_resumed(runtime: Runtime) -> None:
    work = made(Switch())
    work.start(1)
    for status in ("rolled_back", "rolling_back"):
        runtime.journal.group.commit(
            lambda tx, status=status: tx("UPDATE runs SET status = ?", (status,))
        )
        assert work.start(1).status == status
        with pytest.raises(UsageError, match=status):
            work.resume("r")


def test_other_input_for_an_id_that_exists_is_an_error(runtime: Runtime) -> None:
    switch = Switch()
    work = made(switch)
    work.start(1)
    with pytest.raises(InputError, match="other input.*surefoot resume r"):
        work.start(2)
    assert switch.calls == 1


def test_another_workflows_id_is_an_error(runtime: Runtime) -> None:
    work = made(Switch())
    work.start(1)

    @workflow
    def stranger(n: int) -> int:
        return n

    with pytest.raises(InputError, match="is a run of workflow"):
        stranger.with_options(run_id="r").start(1)
    with pytest.raises(UsageError, match="is a run of workflow"):
        stranger.resume("r")


def test_an_unknown_run_names_the_journal(runtime: Runtime) -> None:
    work = made(Switch())
    work.start(1)
    with pytest.raises(UnknownRun) as caught:
        work.resume("nobody")
    assert str(runtime.path) in str(caught.value) and "surefoot runs" in str(caught.value)


def test_resuming_where_there_is_no_journal_makes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SurefootError, match="there is no journal"):
        made(Switch()).resume("r")
    assert list(tmp_path.iterdir()) == []


def test_without_a_runtime_the_journal_lies_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert made(Switch()).start(1).result == 1
    assert (tmp_path / ".surefoot" / "journal.db").exists()
    assert (tmp_path / ".surefoot" / ".gitignore").read_text() == "*\n"
    assert (tmp_path / ".surefoot").stat().st_mode & 0o777 == 0o700


def test_a_workflow_within_a_workflow_is_a_part_of_its_run(runtime: Runtime) -> None:
    calls: list[int] = []
    fail = [True]

    @step
    def note(n: int) -> int:
        calls.append(n)
        return n

    @workflow
    def part(n: int) -> int:
        return note(n) + note(n)

    @workflow
    def whole() -> int:
        total = part(1) + part(1)
        if fail[0]:
            raise Broken("later")
        return total

    run = whole.with_options(run_id="r").start()
    assert run.status == "halted" and len(calls) == 4
    fail[0] = False
    assert whole.resume("r").result == 4 and len(calls) == 4
    assert len(runtime.journal.runs()) == 1


def test_an_async_workflow_within_a_workflow_is_a_part_of_its_run(runtime: Runtime) -> None:
    @step
    async def note(n: int) -> int:
        return n

    @workflow
    async def part(n: int) -> int:
        return await note(n)

    @workflow
    async def whole() -> int:
        return sum(await asyncio.gather(part(1), part(2)))

    assert asyncio.run(whole.start()).result == 3
    assert len(runtime.journal.runs()) == 1


def test_input_that_cannot_be_saved_fails_before_anything_runs(runtime: Runtime) -> None:
    switch = Switch()
    work = made(switch)
    with pytest.raises(InputError, match="argument 'n' cannot be saved"):
        work.start(object())
    assert switch.calls == 0 and runtime.journal.runs() == []


def test_arguments_that_do_not_fit_are_told_as_python_tells_them(runtime: Runtime) -> None:
    with pytest.raises(TypeError):
        made(Switch()).start(1, 2)
    assert runtime.journal.runs() == []


def test_a_result_that_cannot_be_saved_halts_the_run_and_keeps_its_steps(
    runtime: Runtime,
) -> None:
    calls: list[int] = []
    give: list[Any] = [object()]

    @step
    def note(n: int) -> int:
        calls.append(n)
        return n

    @workflow
    def work() -> Any:
        note(1)
        return give[0]

    halted = work.with_options(run_id="r").start()
    assert "All steps of run r are done" in str(halted.exception)
    give[0] = 7
    assert runtime.journal.run("r").status == "halted"
    assert work.resume("r").result == 7 and calls == [1]
