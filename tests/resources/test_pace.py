"""Many items against a server with a quota, in played time: how many are refused, how long it takes.

Deterministic: the resource is asked as the guard of a call asks it (execution/protect.py), by events.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import pytest

from surefoot.catalog import load
from surefoot.catalog.examples import build
from surefoot.classify import classify
from surefoot.resources import Resource, ResourceOptions, Slot

REFUSAL = classify(
    build(
        {
            "type": "openai.RateLimitError",
            "bases": ["openai.APIStatusError", "openai.APIError", "openai.OpenAIError"],
            "message": "slow down",
            "status": 429,
            "headers": {"retry-after": "1"},
        }
    ),
    catalog=load(),
)


class Quota:
    """A token bucket that holds what it gets in a second, and is full at the start."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._tokens = rate
        self._at = 0.0

    def take(self, now: float) -> bool:
        self._tokens = min(self.rate, self._tokens + (now - self._at) * self.rate)
        self._at = now
        let_through = self._tokens >= 1.0
        self._tokens -= let_through
        return let_through


@dataclass
class Story:
    requests: int = 0
    refused: int = 0
    seconds: float = 0.0


class Play:
    """``lasts``: seconds of an answer. ``drops``: from this request on the quota is another one."""

    def __init__(self, rate: float, lasts: float, drops: tuple[int, float] | None = None) -> None:
        self._resource = Resource("api", ResourceOptions())
        self._quota = Quota(rate)
        self._lasts = lasts
        self._drops = drops
        self._events: list[tuple[float, int, str, Slot | None]] = []
        self._pushed = 0
        self._now = 0.0
        self.told = Story()

    def _push(self, at: float, what: str, slot: Slot | None = None) -> None:
        self._pushed += 1
        heapq.heappush(self._events, (at, self._pushed, what, slot))

    def of(self, items: int) -> Story:
        for _ in range(items):
            self._push(0.0, "enter")
        while self._events:
            at, _, what, slot = heapq.heappop(self._events)
            self._now = max(self._now, at)
            if slot is None:
                self._enter()
            else:
                getattr(self, f"_{what}")(slot)
        self.told.seconds = self._now
        return self.told

    def _enter(self) -> None:
        answer = self._resource.enter(self._now)
        if answer.slot is not None:
            self._push(self._now + answer.wait, "turn" if answer.wait else "start", answer.slot)
        elif answer.done is not None:
            answer.done.add_done_callback(lambda _: self._push(self._now, "enter"))
        else:
            self._push(self._now + answer.wait, "enter")

    def _turn(self, slot: Slot) -> None:
        answer = self._resource.still(self._now, slot)
        self._push(self._now + answer.wait, "turn" if answer.wait else "start", slot)

    def _start(self, slot: Slot) -> None:
        self.told.requests += 1
        if self._drops is not None and self.told.requests == self._drops[0]:
            self._quota.rate = self._drops[1]
        good = self._quota.take(self._now)
        self._push(self._now + self._lasts, "done" if good else "refused", slot)

    def _done(self, slot: Slot) -> None:
        self._resource.succeeded(slot)
        self._resource.leave(slot)

    def _refused(self, slot: Slot) -> None:
        self.told.refused += 1
        self._resource.leave(slot)
        self._resource.failed(slot, REFUSAL, self._now)
        self._push(self._now + 1.05, "enter")


@pytest.mark.parametrize(
    ("items", "rate", "lasts"),
    [
        (200, 20.0, 0.005),
        (200, 20.0, 0.05),
        (2_000, 20.0, 0.05),
        (5_000, 20.0, 0.05),
        (2_000, 100.0, 0.05),
        (2_000, 20.0, 0.5),
    ],
)
def test_few_are_refused_and_the_time_is_near_what_the_quota_allows(
    items: int, rate: float, lasts: float
) -> None:
    told = Play(rate, lasts).of(items)
    allowed = (items - rate) / rate
    assert told.requests - told.refused == items
    assert 0 < told.refused < 0.05 * told.requests
    assert told.seconds <= 1.3 * allowed, told


def test_a_quota_that_falls_is_followed() -> None:
    told = Play(50.0, 0.05, drops=(500, 10.0)).of(1_000)
    assert told.refused < 0.05 * told.requests
    assert told.seconds <= 1.3 * (500 / 50 + 500 / 10)
