"""Each rung with each other: the first failure leads to one, the next failure to the other.

Sync and async, by itself and as an item of a map. What has to come of a pair is told by
:func:`tests.support.ladder.told`.
"""

from __future__ import annotations

from itertools import product

import pytest

from surefoot import Runtime, on
from surefoot.clock import ManualClock
from tests.support.ladder import (
    DECISIONS,
    RUNGS,
    Scene,
    came_of,
    no_such_model,
    out_of_memory,
    told,
)

WORLDS = ("sync", "async")
PLACES = ("alone", "in_a_map")


@pytest.mark.parametrize(
    ("first", "second", "place", "world"),
    [
        pytest.param(*row, id=f"{row[0]}_then_{row[1]}-{row[2]}-{row[3]}")
        for row in product(RUNGS, RUNGS, PLACES, WORLDS)
    ],
)
def test_one_rung_then_another(
    runtime: Runtime, clock: ManualClock, first: str, second: str, place: str, world: str
) -> None:
    mapped = place == "in_a_map"
    scene = Scene(
        [("gpu_out_of_memory", first), ("model_not_found", second)],
        [out_of_memory(), no_such_model()],
        world=world,
        mapped=mapped,
    )
    run = scene.start()
    want = told([first, second], mapped=mapped)
    assert came_of(scene, run, runtime, clock.sleeps) == want
    assert run.degraded == (want.degraded is not None)


CLIMBED = ("retry", "adapt", "fall_back", "skip", "halt")
ONE_KIND = [
    (first, second)
    for first, second in product(RUNGS, RUNGS)
    if CLIMBED.index(DECISIONS[first]) < CLIMBED.index(DECISIONS[second])
]


@pytest.mark.parametrize(
    ("first", "second", "said", "world"),
    [
        pytest.param(*row, said, world, id=f"{row[0]}_before_{row[1]}-said_{said}-{world}")
        for row, said, world in product(ONE_KIND, ("in_order", "turned_round"), WORLDS)
    ],
)
def test_both_rungs_of_one_kind_are_climbed_in_the_ladders_order_however_they_are_said(
    runtime: Runtime, clock: ManualClock, first: str, second: str, said: str, world: str
) -> None:
    scene = Scene([], [out_of_memory(), out_of_memory()], world=world)
    parts = [(first, 1), (second, 2)]
    one = on("gpu_out_of_memory")
    for rung, nth in parts if said == "in_order" else reversed(parts):
        one = scene.with_rung(one, rung, nth, rounds=1)
    scene.step = scene.step.with_options(recover=[one])
    run = scene.start()
    assert came_of(scene, run, runtime, clock.sleeps) == told([first, second])
