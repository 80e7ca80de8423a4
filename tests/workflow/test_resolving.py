"""Doubts are settled by a person, also where another run holds the key."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from surefoot import Runtime, effect, workflow
from surefoot.errors import InputError, UsageError
from surefoot.workflow.resolving import resolve_doubt


class Lost:
    """Acts, and loses the answer, as long as it is told to."""

    def __init__(self, together: int = 1) -> None:
        self.done: list[str] = []
        self.losing = True
        self._barrier = threading.Barrier(together)

    def act(self, what: str) -> str:
        if self.losing:
            self._barrier.wait(10)
        self.done.append(what)
        if self.losing:
            raise ConnectionResetError(104, "the answer was lost")
        return f"did {what}"


def sending(lost: Lost, names: list[str]) -> Any:
    @effect(name="send", key=lambda to: f"m:{to}")
    def send(to: str) -> str:
        return lost.act(to)

    @workflow(name="sending")
    def work() -> list[str]:
        return send.map(names, workers=len(names)).results

    return work, send


def test_of_several_doubts_of_one_effect_each_is_listed(runtime: Runtime) -> None:
    lost = Lost(together=2)
    work, send = sending(lost, ["a", "b"])
    assert work.with_options(run_id="one").start().status == "halted"
    with pytest.raises(UsageError, match=r"2 calls of send in run one are in doubt") as told:
        resolve_doubt(runtime, "one", "send", "not_done")
    assert "key m:a" in str(told.value) and "key m:b" in str(told.value)
    spec = {"send": send.spec}
    resolve_doubt(runtime, "one", "m:a", "done", value="by hand", spec_of=spec.get)
    resolve_doubt(runtime, "one", "send", "not_done")
    lost.losing = False
    assert work.resume("one").result == ["by hand", "did b"]
    assert sorted(lost.done) == ["a", "b", "b"]


def test_a_key_that_another_run_left_in_doubt_is_resolved_from_either(runtime: Runtime) -> None:
    lost = Lost()
    work, send = sending(lost, ["a"])
    for run_id in ("first", "second"):
        assert work.with_options(run_id=run_id).start().status == "halted"
    doubt = resolve_doubt(
        runtime, "second", "send", "done", value="found", spec_of={"send": send.spec}.get
    )
    assert doubt.by == "first"
    lost.losing = False
    assert work.resume("second").result == ["found"]
    assert work.resume("first").result == ["found"]
    assert lost.done == ["a"]
    for run_id in ("first", "second"):
        (said,) = work.resume(run_id).document()["resolved"]
        assert (said["key"], said["resolved"]) == ("m:a", "done")


def test_a_run_is_given_back_as_it_was_whatever_comes_of_it(runtime: Runtime) -> None:
    lost = Lost()
    work, send = sending(lost, ["a"])
    work.with_options(run_id="one").start()
    with pytest.raises(InputError, match="returns something else"):
        resolve_doubt(runtime, "one", "send", "done", value=[1], spec_of={"send": send.spec}.get)
    record = runtime.journal.run("one")
    assert (record.status, record.owner) == ("halted", None)
    resolve_doubt(runtime, "one", "send", "skipped")
    assert runtime.journal.run("one").status == "halted"
    assert work.resume("one").result == []
    (letter,) = work.dead_letters()
    assert letter.kind == "in_doubt" and letter.input == {"to": "a"}
    # it is still in doubt: to replay it, someone must know that it did not happen
    assert letter.replay().kind == "in_doubt"
    lost.losing = False
    resolve_doubt(runtime, "one", "send", "not_done")
    assert work.replay(work.dead_letters())[0].result == "did a"
    assert work.resume("one").result == ["did a"]


def test_an_effect_in_doubt_is_resolved_for_a_rollback(runtime: Runtime) -> None:
    undone: list[str] = []
    lost = Lost()

    @effect(name="pay", key=lambda n: f"p:{n}", compensate=lambda receipt: undone.append(receipt))
    def pay(n: int) -> str:
        return lost.act(str(n))

    @workflow(name="paying")
    def paying() -> str:
        return pay(7)

    for run_id, how in (("one", "done"), ("two", "not_done")):
        number = {"one": 7, "two": 8}[run_id]

        @workflow(name=f"paying {run_id}")
        def work(number: int = number) -> str:
            return pay(number)

        work.with_options(run_id=run_id).start()
        work.rollback(run_id)
        assert [one.step for one in work.dead_letters()] == ["pay.undo"]
        resolve_doubt(
            runtime, run_id, "pay", how, value="receipt", spec_of={"pay": pay.spec}.get  # type: ignore[arg-type]
        )  # fmt: skip
        work.rollback(run_id)
        assert work.dead_letters() == []
    assert undone == ["receipt"]
