"""Each rung with each way to stop in the middle: a crash, a halt, a cancellation; and with a resume.

What has to come of a rung by itself is told by :func:`tests.support.ladder.told`; each test here says
what the stop and the resume change about that.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from surefoot import Runtime, WorkflowCriticalError, on
from surefoot.clock import ManualClock
from surefoot.errors import RunCancelled
from surefoot.events import AttemptFailed, CallSkipped
from tests.support.ladder import (
    ENDING,
    GOING_ON,
    RUNGS,
    Dies,
    Scene,
    came_of,
    died,
    hung_up,
    no_such_model,
    out_of_memory,
    told,
)

WORLDS = ("sync", "async")
PLACES = ("alone", "in_a_map")


def rows(*parts: tuple[Any, ...]) -> list[Any]:
    return [
        pytest.param(*row, id="-".join(getattr(one, "__name__", one) for one in row))
        for row in product(*parts)
    ]


# -- a crash --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rung", "place", "world"), rows(GOING_ON, PLACES, WORLDS))
def test_a_crash_after_the_rung_goes_on_from_it(
    runtime: Runtime, clock: ManualClock, rung: str, place: str, world: str
) -> None:
    mapped = place == "in_a_map"
    script = [out_of_memory(), Dies()]
    scene = Scene([("gpu_out_of_memory", rung)], script, world=world, mapped=mapped)
    with pytest.raises(Dies):
        scene.start()
    died(runtime)
    run = scene.resume()
    want = told([rung], mapped=mapped)
    want.seen.insert(1, want.seen[1])  # only what was running is done again
    assert came_of(scene, run, runtime, clock.sleeps) == want
    assert run.degraded == (want.degraded is not None)


@pytest.mark.parametrize(("rung", "place", "world"), rows(ENDING, PLACES, WORLDS))
def test_a_crash_between_a_decision_and_the_end_of_the_call(
    runtime: Runtime, clock: ManualClock, rung: str, place: str, world: str
) -> None:
    """A value that was fallen back on is taken; what was skipped or halted is tried once more."""
    mapped = place == "in_a_map"
    scene = Scene([("gpu_out_of_memory", rung)], [out_of_memory()], world=world, mapped=mapped)

    def dies(event: Any) -> None:
        if isinstance(event, (AttemptFailed, CallSkipped)) and len(scene.seen) == 1:
            raise Dies

    want = told([rung], mapped=mapped)
    runtime.listen(dies)
    if want.status == "halted":
        assert scene.start().status == "halted"  # both writes are there; the call's is taken back
    else:
        with pytest.raises(Dies):
            scene.start()
    runtime._listeners.clear()
    died(runtime)
    run = scene.resume()
    if rung != "value":
        decisions = want.decisions
        want = told([], mapped=mapped)
        want = replace(want, seen=[want.seen[0], *want.seen], decisions=decisions)
    assert came_of(scene, run, runtime, clock.sleeps) == want


@pytest.mark.parametrize(
    ("then", "where", "world"), rows(GOING_ON, ("first_part", "second_part"), WORLDS)
)
def test_a_crash_within_the_parts_never_gives_one_part_for_the_whole(
    runtime: Runtime, clock: ManualClock, then: str, where: str, world: str
) -> None:
    """The parts begin anew; what came of one of them was never on disk."""
    rungs = [("gpu_out_of_memory", "split"), ("model_not_found", then)]
    second = [None] if where == "second_part" else []
    script = [out_of_memory(), *second, no_such_model(), Dies()]
    scene = Scene(rungs, script, world=world)
    with pytest.raises(Dies):
        scene.start()
    died(runtime)
    scene.seen.clear()
    run = scene.resume()
    assert run.result == [f"work big 16 {number}" for number in (1, 2, 3, 4)]
    assert scene.seen == [("work", "big", 16, 2)] * 2
    assert not run.degraded


@pytest.mark.parametrize("world", WORLDS)
def test_a_crash_within_a_fallbacks_parts_stays_with_the_fallback(
    runtime: Runtime, world: str
) -> None:
    rungs = [("model_not_found", "function"), ("gpu_out_of_memory", "split")]
    retried = on("connection").retry(attempts=2)
    script = [no_such_model(), out_of_memory(), hung_up(), Dies()]
    scene = Scene(rungs, script, world=world, recover=[retried])
    with pytest.raises(Dies):
        scene.start()
    died(runtime)
    scene.seen.clear()
    run = scene.resume()
    assert run.result == [f"other1 big 16 {number}" for number in (1, 2, 3, 4)]
    assert scene.seen == [("other1", "big", 16, 2)] * 2 and run.degraded


@pytest.mark.parametrize("world", WORLDS)
def test_a_part_never_falls_back_to_what_the_whole_had_fallen_back_to(
    runtime: Runtime, clock: ManualClock, world: str
) -> None:
    """Else each part would use up the same fallback again."""
    rungs = [("model_not_found", "function"), ("gpu_out_of_memory", "split")]
    script = [no_such_model(), out_of_memory(), no_such_model()]
    scene = Scene(rungs, script, world=world)
    run = scene.start()
    assert run.status == "halted"
    assert [one.decision for one in run.failures] == ["fall_back", "adapt", "halt"]
    assert "no fallback is left" in run.failures[-1].reason


@pytest.mark.parametrize("world", WORLDS)
def test_after_a_crash_the_tries_before_it_count(
    runtime: Runtime, clock: ManualClock, world: str
) -> None:
    script = [hung_up(), hung_up(), Dies(), hung_up()]
    scene = Scene([], script, world=world, recover=[on("connection").retry(attempts=3).halt()])
    with pytest.raises(Dies):
        scene.start()
    died(runtime)
    run = scene.resume()
    assert run.status == "halted" and len(scene.seen) == 4
    assert [one.attempt for one in run.failures] == [1, 2, 3]
    assert clock.sleeps == [0.5, 1.0]


# -- a halt ---------------------------------------------------------------------------------------


def dead_end() -> BaseException:
    return WorkflowCriticalError("the warehouse is closed")


@pytest.mark.parametrize(("rung", "place", "world"), rows(GOING_ON, PLACES, WORLDS))
def test_after_a_halt_the_ladder_begins_at_its_foot(
    runtime: Runtime, clock: ManualClock, rung: str, place: str, world: str
) -> None:
    mapped = place == "in_a_map"
    script = [out_of_memory(), dead_end()]
    scene = Scene([("gpu_out_of_memory", rung)], script, world=world, mapped=mapped)
    assert scene.start().status == "halted"
    run = scene.resume()
    before, want = told([rung], mapped=mapped), told([], mapped=mapped)
    want.seen = [*before.seen[:2], *want.seen]
    want.decisions = [*before.decisions, "halt"]
    want.waits = before.waits
    assert came_of(scene, run, runtime, clock.sleeps) == want
    assert not run.degraded


@pytest.mark.parametrize(("rung", "place", "world"), rows(ENDING, PLACES, WORLDS))
def test_what_a_rung_ended_with_is_not_asked_again_when_the_run_halted_later(
    runtime: Runtime, clock: ManualClock, rung: str, place: str, world: str
) -> None:
    mapped = place == "in_a_map"
    scene = Scene([("gpu_out_of_memory", rung)], [out_of_memory()], world=world, mapped=mapped)
    broken = [True]

    def later() -> None:
        if broken:
            raise dead_end()

    scene.after = later
    assert scene.start().status == "halted"
    broken.clear()
    run = scene.resume()
    want = told([rung], mapped=mapped)
    if want.status == "halted":  # it was this call that halted the run: it is tried afresh
        fresh = told([], mapped=mapped)
        want = replace(fresh, seen=[*want.seen, *fresh.seen], decisions=want.decisions)
    assert came_of(scene, run, runtime, clock.sleeps) == want
    assert run.degraded == (want.degraded is not None)


# -- a cancellation -------------------------------------------------------------------------------


STOPS = (
    RunCancelled,
    asyncio.CancelledError,
    concurrent.futures.CancelledError,
    KeyboardInterrupt,
    SystemExit,
)
COMES_OUT = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)
"""What start() raises; the others are told by the Run's status."""


def stopped(scene: Scene, stop: type[BaseException], act: Callable[[], Any]) -> None:
    if stop in COMES_OUT:
        with pytest.raises(stop):
            act()
    else:
        assert act().status == ("cancelled" if stop is RunCancelled else "interrupted")


@pytest.mark.parametrize(("rung", "stop", "world"), rows(RUNGS, STOPS, WORLDS))
def test_a_cancellation_reaches_no_rung(
    runtime: Runtime, clock: ManualClock, rung: str, stop: type[BaseException], world: str
) -> None:
    scene = Scene([("cancelled", rung)], [stop()], world=world)
    everything = scene.with_rung(on(Exception, BaseException), rung)
    scene.step = scene.step.with_options(recover=[*scene.step.spec.policy.recover, everything])
    stopped(scene, stop, scene.start)
    record = runtime.journal.run("one")
    assert record.status == ("cancelled" if stop is RunCancelled else "interrupted")
    assert runtime.journal.failures(record.pk) == [] and len(scene.seen) == 1
    assert clock.sleeps == [] and not record.degraded


@pytest.mark.parametrize(("rung", "stop", "place", "world"), rows(GOING_ON, STOPS, PLACES, WORLDS))
def test_a_cancellation_after_the_rung_passes_through_and_a_resume_goes_on_from_it(
    runtime: Runtime,
    clock: ManualClock,
    rung: str,
    stop: type[BaseException],
    place: str,
    world: str,
) -> None:
    mapped = place == "in_a_map"
    script = [out_of_memory(), stop()]
    scene = Scene([("gpu_out_of_memory", rung)], script, world=world, mapped=mapped)
    stopped(scene, stop, scene.start)
    want = told([rung], mapped=mapped)
    assert scene.seen == want.seen[:2]
    run = scene.resume()
    want.seen.insert(1, want.seen[1])
    assert came_of(scene, run, runtime, clock.sleeps) == want
