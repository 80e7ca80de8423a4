"""Each rung with each limit: timeout, deadline, circuit breaker, retry budget and max_cost.

What has to come of a rung by itself is told by :func:`tests.support.ladder.told`; each test here says
what its limit changes about that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, halve, on, spend, step
from surefoot.clock import ManualClock
from surefoot.config import Config
from tests.support.ladder import (
    DECISIONS,
    RUNGS,
    Hangs,
    Scene,
    Told,
    came_of,
    hung_up,
    out_of_memory,
    told,
)

WORLDS = ("sync", "async")
ROWS = [pytest.param(*row, id="-".join(row)) for row in product(RUNGS, WORLDS)]
each_rung = pytest.mark.parametrize(("rung", "world"), ROWS)

Open = Callable[..., AbstractContextManager[Runtime]]


@pytest.fixture
def with_resource(journal_path: Path, clock: ManualClock) -> Open:
    """A runtime whose resource ``api`` has these settings."""

    def make(**settings: Any) -> Runtime:
        resources: Mapping[str, Any] = {"api": settings}
        config = Config(resources=resources)
        return Runtime(journal=journal_path, clock=clock, durability="process", config=config)

    return make


@pytest.fixture
def scenes() -> Iterator[list[Scene]]:
    """Those put in here let their abandoned threads go in the end."""
    made: list[Scene] = []
    yield made
    for scene in made:
        scene.released.set()


def halted_at(want: Told, tries: int, *decisions: str) -> Told:
    """The same, ended by a halt after so many tries."""
    return replace(
        want,
        status="halted",
        result=None,
        seen=want.seen[:tries],
        decisions=list(decisions),
        degraded=None,
        letters=0,
        waits=[],
    )


# -- time -----------------------------------------------------------------------------------------


@each_rung
def test_an_attempt_that_takes_too_long_leads_to_the_rung_of_a_timeout(
    runtime: Runtime, clock: ManualClock, rung: str, world: str, scenes: list[Scene]
) -> None:
    scene = Scene([("timeout", rung)], [Hangs()], world=world, timeout=0.2)
    scenes.append(scene)
    run = scene.start()
    assert came_of(scene, run, runtime, clock.sleeps) == told([rung])
    assert run.failures[0].kind == "timeout"


@each_rung
def test_a_failure_after_the_deadline_halts_whatever_the_rung(
    runtime: Runtime, clock: ManualClock, rung: str, world: str
) -> None:
    def late() -> None:
        clock.advance(101)
        raise out_of_memory()

    scene = Scene([("gpu_out_of_memory", rung)], [late], world=world, deadline=100)
    run = scene.start()
    assert came_of(scene, run, runtime, clock.sleeps) == halted_at(told([rung]), 1, "halt")
    assert "deadline of 100 s has passed" in run.failures[0].reason


@each_rung
def test_a_rung_that_needs_no_wait_is_taken_within_the_deadline_and_a_wait_too_long_is_not_begun(
    runtime: Runtime, clock: ManualClock, rung: str, world: str
) -> None:
    slow = on("gpu_out_of_memory").retry(attempts=2, base=100, cap=100)
    scene = Scene([], [out_of_memory()], world=world, deadline=50)
    recover = [slow if rung == "retry" else scene.with_rung(slow, rung)]
    scene.step = scene.step.with_options(recover=recover)
    run = scene.start()
    want = told([rung])
    if rung == "retry":
        want = halted_at(want, 1, "halt")
    assert came_of(scene, run, runtime, clock.sleeps) == want
    if DECISIONS[rung] != "adapt":  # which says the round
        assert "longer than the 50 s left of its deadline" in run.failures[0].reason


# -- the resource ---------------------------------------------------------------------------------


def trip(retries: int = 0) -> Callable[[], None]:
    """Something else that asks the resource, and fails."""

    @step(
        name="trip",
        resource="api",
        recover=[on("connection").retry(attempts=1 + retries, base=0, cap=0).halt()],
    )
    def ask() -> None:
        raise hung_up()

    def trips() -> None:
        with pytest.raises(ConnectionResetError):
            ask()

    return trips


@each_rung
def test_an_attempt_at_an_open_circuit_is_not_made_and_leads_to_the_rung_of_that(
    with_resource: Open, clock: ManualClock, rung: str, world: str
) -> None:
    scene = Scene([("circuit_open", rung)], world=world, resource="api", rounds=1)
    scene.before = trip()
    with with_resource(circuit_failures=1, circuit_seconds=60) as runtime:
        run = scene.start()
        by_itself = told([rung])
        want = replace(by_itself, seen=by_itself.seen[1:])  # the first was not made
        if rung == "retry":
            want.waits = [61.0]  # until the circuit lets one through, and a little more
        if rung in ("halve", "split", "model"):
            # another try at the same resource, and the rung is used up
            want = halted_at(want, 0, DECISIONS[rung], "halt")
        assert came_of(scene, run, runtime, clock.sleeps) == want
        assert run.failures[-1].kind == "circuit_open"


@pytest.mark.parametrize("world", WORLDS)
def test_a_fallback_for_an_open_circuit_that_is_cancelled_goes_on_in_a_resume(
    with_resource: Open, clock: ManualClock, world: str
) -> None:
    stop = SystemExit(3)
    scene = Scene([("circuit_open", "function")], [stop], world=world, resource="api")
    scene.before = trip()
    with with_resource(circuit_failures=1, circuit_seconds=60) as runtime:
        with pytest.raises(SystemExit):
            scene.start()
        scene.before = lambda: None
        run = scene.resume()
        want = told(["function"])
        want.seen[0] = want.seen[1]  # the step itself was never asked
        assert came_of(scene, run, runtime, clock.sleeps) == want


@each_rung
def test_a_circuit_that_opens_on_the_way_is_waited_for_unless_the_rung_leads_elsewhere(
    with_resource: Open, clock: ManualClock, rung: str, world: str
) -> None:
    scene = Scene(
        [("connection", rung), ("circuit_open", "retry")],
        [hung_up()],
        world=world,
        resource="api",
    )
    with with_resource(circuit_failures=1, circuit_seconds=60) as runtime:
        run = scene.start()
        want = told([rung])
        if rung == "retry":
            want.waits.append(60.5)  # it had waited 0.5 s of the 60
        if rung in ("halve", "split", "model"):
            want.waits.append(61.0)
        if rung in ("retry", "halve", "split", "model"):
            want.decisions.append("retry")
        assert came_of(scene, run, runtime, clock.sleeps) == want


@each_rung
def test_a_trial_call_that_fails_is_judged_like_any_other(
    with_resource: Open, clock: ManualClock, rung: str, world: str
) -> None:
    """The circuit is half open, the call is the one that decides, and fails."""
    scene = Scene(
        [("connection", rung), ("circuit_open", "retry")], [hung_up()], world=world, resource="api"
    )

    def opened_before() -> None:
        trip()()
        clock.advance(60)

    scene.before = opened_before
    with with_resource(circuit_failures=1, circuit_seconds=60) as runtime:
        run = scene.start()
        want = told([rung])
        # open for twice as long: 120 s
        if rung == "retry":
            want.waits.append(120.5)
        if rung in ("halve", "split", "model"):
            want.waits.append(121.0)
        if rung in ("retry", "halve", "split", "model"):
            want.decisions.append("retry")
        assert came_of(scene, run, runtime, clock.sleeps) == want


@each_rung
def test_a_retry_budget_that_is_used_up_leads_to_the_rung_below_at_once(
    with_resource: Open, clock: ManualClock, rung: str, world: str
) -> None:
    scene = Scene([], [hung_up()], world=world, resource="api")
    many = on("connection").retry(attempts=3)
    recover = [many if rung == "retry" else scene.with_rung(many, rung)]
    scene.step = scene.step.with_options(recover=recover)
    scene.before = trip(retries=1)
    with with_resource(circuit_failures=100, retry_budget=1) as runtime:
        run = scene.start()
        want = told([rung])
        if rung == "retry":
            want = halted_at(want, 1, "halt")
        assert came_of(scene, run, runtime, clock.sleeps) == want
        if DECISIONS[rung] != "adapt":  # which says the round
            assert "retry budget" in run.failures[-1].reason


@pytest.mark.parametrize("world", WORLDS)
def test_adapters_that_change_nothing_bring_no_retry_back_that_the_budget_refused(
    with_resource: Open, clock: ManualClock, world: str
) -> None:
    scene = Scene([], [hung_up()], world=world, resource="api")
    floor = on("connection").retry(attempts=3).adapt(size=halve(minimum=16))
    scene.step = scene.step.with_options(recover=[floor])
    scene.before = trip(retries=1)
    with with_resource(circuit_failures=100, retry_budget=1) as runtime:
        run = scene.start()
        assert came_of(scene, run, runtime, clock.sleeps) == halted_at(told(["halt"]), 1, "halt")


# -- cost -----------------------------------------------------------------------------------------


def costs(usd: float, exc: BaseException | None = None) -> Callable[[], None]:
    def event() -> None:
        spend(usd)
        if exc is not None:
            raise exc

    return event


@each_rung
def test_a_call_that_has_cost_too_much_halts_whatever_the_rung(
    runtime: Runtime, clock: ManualClock, rung: str, world: str
) -> None:
    script = [costs(1.0, out_of_memory())]
    scene = Scene([("gpu_out_of_memory", rung)], script, world=world, max_cost=1.0)
    run = scene.start()
    assert came_of(scene, run, runtime, clock.sleeps) == halted_at(told([rung]), 1, "halt")
    assert "max_cost" in run.failures[0].reason and run.cost == 1.0


@each_rung
def test_a_call_that_can_be_paid_goes_on_and_no_part_of_it_is_begun_that_cannot(
    runtime: Runtime, clock: ManualClock, rung: str, world: str
) -> None:
    script = [costs(0.5, out_of_memory()), costs(0.5)]
    scene = Scene([("gpu_out_of_memory", rung)], script, world=world, max_cost=1.0)
    run = scene.start()
    want = told([rung])
    if rung == "split":  # the second half would be beyond it
        want = halted_at(want, 2, "adapt", "halt")
        assert "max_cost" in run.failures[-1].reason
    assert came_of(scene, run, runtime, clock.sleeps) == want
    assert run.cost == 0.5 * len(want.seen)
