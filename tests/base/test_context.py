"""The one context variable: entered, left, copied into threads by ``carry``."""

from __future__ import annotations

import threading

import pytest

from surefoot.context import Frame, carry, enter, entered, frame, leave


def test_outside_of_everything_there_is_no_frame() -> None:
    assert frame() is None


def test_frames_nest_and_are_left_also_by_an_exception() -> None:
    with entered(Frame(step="outer")) as outer:
        with pytest.raises(ValueError), entered(Frame(step="inner", attempt=2)) as inner:
            assert frame() is inner and inner.attempt == 2
            raise ValueError
        assert frame() is outer
    assert frame() is None


def test_entering_gives_a_token_to_leave_with() -> None:
    token = enter(Frame(item=3))
    here = frame()
    leave(token)
    assert here is not None and here.item == 3
    assert frame() is None


def test_a_thread_of_ones_own_loses_the_frame_and_carry_takes_it_along() -> None:
    seen: list[str | None] = []

    def look() -> None:
        here = frame()
        seen.append(here.step if here is not None else None)

    with entered(Frame(step="answer")):
        for target in (look, carry(look)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert seen == [None, "answer"]


def test_one_carried_function_runs_in_several_threads_at_once() -> None:
    barrier = threading.Barrier(4, timeout=10)
    results: list[int] = []

    def work(number: int, *, plus: int) -> int:
        barrier.wait()  # all four are inside at the same time
        here = frame()
        assert here is not None
        results.append(number + plus + (here.item or 0))
        return number

    with entered(Frame(item=100)):
        carried = carry(work)
    threads = [threading.Thread(target=carried, args=(n,), kwargs={"plus": 10}) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [110, 111, 112, 113]
    assert frame() is None
