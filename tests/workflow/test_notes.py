"""On a halt the step's own last exception comes through, with notes for the person who reads it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from surefoot import Runtime, on, step, workflow


class Broken(Exception):
    pass


def read(exc: BaseException) -> str:
    """What Python prints of an exception's text and notes."""
    return "\n".join([str(exc), *getattr(exc, "__notes__", ())])


def test_the_notes_say_what_it_was_what_was_tried_and_what_resumes_it(runtime: Runtime) -> None:
    @step(name="answer", recover=[on(Broken).retry(attempts=2).fall_back(print)])
    def answer(prompt: str) -> str:
        raise Broken("no")

    @step(name="parse")
    def parse(text: str) -> str:
        raise ValueError("bad text")

    @workflow
    def work() -> str:
        try:
            answer("p")
        except TypeError:  # print gives None
            pass
        return parse("x")

    with pytest.raises(ValueError) as caught:
        work.with_options(run_id="r1")()
    text = read(caught.value)
    assert text.startswith("bad text\nsurefoot: step parse failed as invalid_value (data)")
    assert "surefoot resume r1" in text
    assert str(caught.value) == "bad text" or sys.version_info < (3, 11)


def test_all_attempts_are_told(runtime: Runtime) -> None:
    @step(name="answer", recover=[on(Broken).retry(attempts=3)])
    def answer(prompt: str) -> str:
        raise Broken("no")

    with pytest.raises(Broken) as caught:
        workflow(lambda: answer("p"))()
    text = read(caught.value)
    assert "attempt 1: unknown, retried after 0.5 s" in text
    assert "attempt 2: unknown, retried after 1 s" in text and "attempt 3: unknown, halt" in text


def test_an_item_is_named(runtime: Runtime) -> None:
    @step(name="answer", attempts=1)
    def answer(prompt: str) -> str:
        raise Broken("no")

    with pytest.raises(Broken) as caught:
        workflow(lambda: answer.map(["a"], on_failure="halt").results)()
    assert "step answer, item 0 failed" in read(caught.value)


def test_a_nested_failure_is_noted_once(runtime: Runtime) -> None:
    @step(name="inner", attempts=1)
    def inner(n: int) -> int:
        raise Broken("no")

    @step(name="outer", attempts=1)
    def outer(n: int) -> int:
        return inner(n)

    with pytest.raises(Broken) as caught:
        workflow(lambda: outer(1))()
    text = read(caught.value)
    assert text.count("surefoot resume") == 1 and "step outer failed" in text


EXCEPTIONS: list[Exception] = [
    Broken("no"),
    Broken(),
    KeyError("price"),
    OSError(5, "Input/output error"),
]
if sys.version_info >= (3, 11):
    # before, the message was the only place, and the `repr` of a tuple has no room for a text
    EXCEPTIONS.append(Broken("a", 2))


@pytest.mark.parametrize("exc", EXCEPTIONS, ids=repr)
def test_every_exception_tells_how_to_resume(runtime: Runtime, exc: Exception) -> None:
    """On Python 3.10 there are no notes, so it is kept in the message."""

    @step(attempts=1)
    def fail(n: int) -> int:
        raise exc

    with pytest.raises(type(exc)) as caught:
        workflow(lambda: fail(1)).with_options(run_id="r1")()
    assert caught.value is exc and "surefoot resume r1" in read(exc)


def test_outside_of_a_run_there_is_a_note_without_a_run(runtime: Runtime) -> None:
    @step(name="fail", attempts=1)
    def fail(n: int) -> int:
        raise Broken("no")

    with pytest.raises(Broken) as caught:
        fail(1)
    text = read(caught.value)
    assert "surefoot: step fail failed as unknown (code)" in text and "resume" not in text


def test_notes_are_not_in_what_a_resume_replays(runtime: Runtime) -> None:
    caught: list[Any] = []
    fail = [True]

    @step(attempts=1)
    def fragile(n: int) -> int:
        raise Broken("no")

    @workflow
    def work() -> int:
        try:
            fragile(1)
        except Broken as exc:
            caught.append(exc)
        if fail[0]:
            raise KeyError("later")
        return 1

    work.with_options(run_id="r").start()
    fail[0] = False
    work.resume("r")
    assert "surefoot" not in read(caught[1])
