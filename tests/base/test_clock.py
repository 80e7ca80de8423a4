"""Time and chance: the real ones, and those of the tests."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.clock import Clock, ManualClock, SystemClock


def test_the_system_clock_tells_the_time_of_the_machine() -> None:
    clock = SystemClock()
    assert abs(clock.now() - time.time()) < 5
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.001])
def test_the_system_clock_sleeps_and_never_minds_a_negative_wait(seconds: float) -> None:
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(seconds)
    asyncio.run(clock.sleep_async(seconds))
    assert clock.monotonic() - before >= 2 * max(0.0, seconds)


def test_a_seed_repeats_the_chance_of_a_system_clock() -> None:
    one, other = SystemClock(seed=7), SystemClock(seed=7)
    drawn = [one.uniform(0, 1) for _ in range(5)]
    assert drawn == [other.uniform(0, 1) for _ in range(5)]
    assert len(set(drawn)) == 5


def test_a_manual_clock_stands_still_until_someone_sleeps_or_advances_it() -> None:
    clock = ManualClock(start=100.0)
    assert clock.now() == clock.monotonic() == 100.0
    clock.sleep(2.5)
    asyncio.run(clock.sleep_async(1.5))
    clock.advance(6)
    assert clock.now() == 110.0
    assert clock.sleeps == [2.5, 1.5]


def test_a_negative_sleep_does_not_turn_a_manual_clock_back() -> None:
    clock = ManualClock(start=100.0)
    clock.sleep(-5)
    assert clock.now() == 100.0


def test_many_threads_may_sleep_on_one_manual_clock() -> None:
    clock = ManualClock(start=0.0)
    threads = [threading.Thread(target=clock.sleep, args=(1.0,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() == 20.0 and len(clock.sleeps) == 20


@given(st.floats(0, 10), st.floats(10, 20))
def test_chance_lies_between_its_bounds(low: float, high: float) -> None:
    clocks: list[Clock] = [SystemClock(), ManualClock()]
    for clock in clocks:
        assert low <= clock.uniform(low, high) <= high
