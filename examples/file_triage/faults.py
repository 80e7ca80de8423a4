"""Which request fails, and how: decided before anything runs, from one seed.

The plan counts the requests that the model server lets in, so it does not depend on which worker
comes first. Each kind of fault stands in it twice, once in the first half of the work and once in
the second: whatever a SIGKILL in the middle swallows, the other one is still seen.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Literal, get_args

Fault = Literal["rate_limit", "overload", "hang", "truncate", "reset"]

FAULTS: tuple[Fault, ...] = get_args(Fault)

TITLES: dict[str, str] = {
    "rate_limit": "429 with Retry-After",
    "overload": "503",
    "hang": "hang past the client's timeout",
    "truncate": "truncated JSON",
    "reset": "connection reset",
    "lost_answer": "answer lost after the work was done",
}

FEWEST_REQUESTS = 40
"""Fewer requests leave no room for ten faults at different places."""


def make_plan(
    seed: int, requests: int, leave_out: frozenset[str] = frozenset()
) -> dict[int, Fault]:
    """The number of a request (the first is 1) and the fault that meets it.

    :param requests: how many requests will come at least; every place of the plan is below it.
    :param leave_out: kinds of fault that are not wanted.
    :raises ValueError: when there are too few requests to place every fault.

    >>> make_plan(7, 100) == make_plan(7, 100)
    True
    >>> sorted(set(make_plan(7, 100).values()))
    ['hang', 'overload', 'rate_limit', 'reset', 'truncate']
    """
    if requests < FEWEST_REQUESTS:
        raise ValueError(f"{requests} requests are too few, give at least {FEWEST_REQUESTS} files")
    chance = random.Random(seed)
    wanted = [fault for fault in FAULTS if fault not in leave_out]
    plan: dict[int, Fault] = {}
    for first, last in ((0.05, 0.40), (0.55, 0.90)):
        places = range(max(1, int(requests * first)), int(requests * last))
        for place, fault in zip(chance.sample(places, len(wanted)), wanted, strict=True):
            plan[place] = fault
    return plan


def plan_to_text(plan: Mapping[int, Fault]) -> str:
    """For a command line: ``12=reset,40=hang``."""
    return ",".join(f"{place}={fault}" for place, fault in sorted(plan.items()))


def plan_from_text(text: str) -> dict[int, Fault]:
    """The plan that :func:`plan_to_text` wrote.

    >>> plan_from_text("12=reset,40=hang")
    {12: 'reset', 40: 'hang'}

    :raises ValueError: for an unknown fault or a place that is no number.
    """
    plan: dict[int, Fault] = {}
    for part in filter(None, text.split(",")):
        place, _, name = part.partition("=")
        found: Fault | None = next((fault for fault in FAULTS if fault == name), None)
        if found is None:
            raise ValueError(f"{part!r}: the faults are {', '.join(FAULTS)}")
        plan[int(place)] = found
    return plan
