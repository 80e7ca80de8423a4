"""Each toxic on a stream of bytes, at a fake event loop's time: nothing is lost or overtaken."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.chaos.proxy.answering import RequestReader
from surefoot.chaos.proxy.chain import STAGES
from surefoot.chaos.proxy.firing import chance_for
from surefoot.chaos.proxy.stages import Bytes, Stage
from surefoot.chaos.proxy.toxics import KINDS, merged

pytestmark = pytest.mark.extension


class FakeLoop:
    """Time that moves only when it is told to."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._count = itertools.count()
        self._timers: list[tuple[float, int, FakeTimer]] = []

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], object]) -> FakeTimer:
        assert when < math.inf, "a timer that never comes"
        timer = FakeTimer(callback)
        heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    def run(self, seconds: float = math.inf) -> None:
        """Let time pass, at most up to the last timer."""
        until = self._now + seconds
        while self._timers and self._timers[0][0] <= until:
            when, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, when)
            if not timer.cancelled:
                timer.callback()
        if seconds < math.inf:
            self._now = until


class FakeTimer:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Way:
    """A chain of stages, and what came out of it: (seconds since the start, bytes), then the end."""

    def __init__(self, *toxics: tuple[str, dict[str, Any]], seed: int = 0) -> None:
        self.loop = FakeLoop()
        self.fired: list[str] = []
        self.out: list[tuple[float, bytes]] = []
        self.ended_at: float | None = None
        self.was_cut = self.was_reset = self.is_spent = False
        self.names: dict[Stage, str] = {}
        self.stages = []
        for number, (name, attributes) in enumerate(toxics):
            known = merged(KINDS[name], None, attributes)
            stage = STAGES[name](known, self, chance_for(seed, number))
            self.names[stage] = name
            self.stages.append(stage)
        for one, after in itertools.pairwise([*self.stages, None]):
            assert one is not None
            one.next = after or self
        for stage in self.stages:
            stage.start()

    # what a stage sees of its connection
    def fire(self, stage: Stage) -> bool:
        if not self.spent(stage):
            self.fired.append(self.names[stage])
            return True
        return False

    def spent(self, stage: Stage) -> bool:
        return self.is_spent

    def cut(self) -> None:
        self.was_cut = True

    def reset(self) -> None:
        self.was_reset = True

    def answer(self, data: bytes) -> None:
        raise AssertionError(data)

    def check(self) -> None:
        pass

    # what stands behind the last stage
    def feed(self, data: Bytes) -> None:
        assert self.ended_at is None, "bytes after the end"
        self.out.append((round(self.loop.time() - 1000, 6), bytes(data)))

    def end(self) -> None:
        assert self.ended_at is None, "a second end"
        self.ended_at = round(self.loop.time() - 1000, 6)

    # what the test does
    @property
    def all(self) -> bytes:
        return b"".join(data for _, data in self.out)

    def send(self, data: bytes) -> None:
        self.stages[0].feed(data)

    def finish(self) -> None:
        self.stages[0].end()


ATTRIBUTES = {
    "latency": st.fixed_dictionaries(
        {"latency": st.integers(-5, 500), "jitter": st.integers(0, 400)}
    ),
    "bandwidth": st.fixed_dictionaries({"rate": st.integers(1, 1000)}),
    "slicer": st.fixed_dictionaries(
        {
            "average_size": st.integers(0, 50),
            "size_variation": st.integers(0, 60),
            "delay": st.integers(0, 100_000),
        }
    ),
    "slow_close": st.fixed_dictionaries({"delay": st.integers(0, 500)}),
    "noop": st.just({}),
}
delaying = st.sampled_from(sorted(ATTRIBUTES)).flatmap(
    lambda name: st.tuples(st.just(name), ATTRIBUTES[name])
)
chunks = st.lists(st.binary(min_size=1, max_size=300), max_size=8)
pauses = st.lists(st.floats(0, 0.3), min_size=8, max_size=8)


@given(st.lists(delaying, min_size=1, max_size=4), chunks, pauses, st.integers(0, 5))
def test_what_delays_neither_loses_nor_overtakes(
    toxics: list[tuple[str, dict[str, Any]]], sent: list[bytes], waits: list[float], seed: int
) -> None:
    way = Way(*toxics, seed=seed)
    for data, wait in zip(sent, waits):
        way.send(data)
        way.loop.run(wait)
    way.finish()
    way.loop.run()
    assert way.all == b"".join(sent)
    assert way.ended_at is not None
    assert [stage.held for stage in way.stages] == [0] * len(toxics)


@given(
    st.lists(delaying, min_size=1, max_size=4),
    chunks,
    pauses,
    st.data(),
)
def test_changes_and_removals_in_the_middle_lose_nothing(
    toxics: list[tuple[str, dict[str, Any]]],
    sent: list[bytes],
    waits: list[float],
    data: st.DataObject,
) -> None:
    way = Way(*toxics)
    removed: set[int] = set()
    for chunk, wait in zip(sent, waits):
        way.send(chunk)
        way.loop.run(wait)
        place = data.draw(st.integers(0, len(toxics) - 1))
        stage, name = way.stages[place], toxics[place][0]
        if place not in removed and data.draw(st.booleans()):
            stage.update(merged(KINDS[name], None, data.draw(ATTRIBUTES[name])))
        elif place not in removed and place > 0:
            stage.release()
            way.stages[_before(way, place, removed)].next = stage.next
            removed.add(place)
    way.finish()
    way.loop.run()
    assert way.all == b"".join(sent)
    assert way.ended_at is not None


def _before(way: Way, place: int, removed: set[int]) -> int:
    return max(one for one in range(place) if one not in removed)


hurting = st.sampled_from(
    [
        ("latency", {"latency": 100}),
        ("bandwidth", {"rate": 1}),
        ("bandwidth", {"rate": 0}),
        ("slicer", {"average_size": 1, "delay": 1000}),
        ("slow_close", {"delay": 100}),
        ("timeout", {"timeout": 0}),
        ("timeout", {"timeout": 50}),
        ("reset_peer", {"timeout": 0}),
        ("limit_data", {"bytes": 0}),
        ("limit_data", {"bytes": 10}),
        ("corrupt", {"probability": 1}),
    ]
)


@given(hurting, chunks, pauses)
def test_what_has_acted_often_enough_passes_all_at_once(
    toxic: tuple[str, dict[str, Any]], sent: list[bytes], waits: list[float]
) -> None:
    way = Way(toxic)
    way.is_spent = True
    for data, wait in zip(sent, waits):
        way.send(data)
        assert way.all.endswith(data)
        way.loop.run(wait)
    assert way.all == b"".join(sent)
    assert way.ended_at is None
    way.finish()
    assert way.ended_at is not None
    assert way.fired == [] and not way.was_cut and not way.was_reset


@given(st.binary(min_size=1, max_size=400), st.data())
def test_how_a_stream_is_cut_does_not_change_what_is_corrupted(
    sent: bytes, data: st.DataObject
) -> None:
    attributes = {"probability": 0.05, "offset": data.draw(st.integers(-1, 400))}
    whole, parts = Way(("corrupt", attributes)), Way(("corrupt", attributes))
    whole.send(sent)
    rest = sent
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        parts.send(rest[:size])
        rest = rest[size:]
    assert whole.all == parts.all
    assert len(whole.all) == len(sent)
    assert {a ^ b for a, b in zip(whole.all, sent)} <= {0, 0xFF}
    assert (whole.all != sent) == bool(whole.fired)


@given(st.integers(0, 500), chunks)
def test_limit_data_gives_the_beginning_and_no_more(limit: int, sent: list[bytes]) -> None:
    way = Way(("limit_data", {"bytes": limit}))
    for data in sent:
        way.send(data)
    total = b"".join(sent)
    assert way.all == total[:limit]
    reached = bool(sent) and len(total) >= limit
    assert (way.ended_at is not None) == way.was_cut == bool(way.fired) == reached


@given(st.integers(1, 64), st.integers(0, 80), st.binary(min_size=1, max_size=600))
def test_a_slicers_pieces_are_as_large_as_was_asked(
    average: int, variation: int, sent: bytes
) -> None:
    way = Way(("slicer", {"average_size": average, "size_variation": variation, "delay": 1}))
    way.send(sent)
    way.loop.run()
    assert all(1 <= len(data) <= average + variation for _, data in way.out)
    assert way.all == sent


@given(
    st.text("GETPOS /HTP1.0\r\n\x00abc:", max_size=40).map(str.encode),
    st.integers(1, 7),
)
def test_whatever_is_no_request_is_given_back_whole(text: bytes, size: int) -> None:
    reader = RequestReader()
    answers = [reader.add(text[at : at + size]) for at in range(0, len(text), size)]
    assert bytes(reader.data) == text
    if True in answers:
        assert b"\r\n\r\n" in text


# -- exact times ----------------------------------------------------------------------------------


def test_latency_delays_each_piece_by_the_same() -> None:
    way = Way(("latency", {"latency": 200}))
    way.send(b"a")
    way.loop.run(0.05)
    way.send(b"b")
    way.finish()
    way.loop.run()
    assert way.out == [(0.2, b"a"), (0.25, b"b")]
    assert way.ended_at == 0.25
    assert way.fired == ["latency"]


def test_jitter_stays_within_its_bounds_and_repeats_with_the_seed() -> None:
    def delays(seed: int) -> list[float]:
        way = Way(("latency", {"latency": 100, "jitter": 50}), seed=seed)
        for number in range(200):
            way.send(b"x")
            way.loop.run(1 + number - way.loop.time() + 1000)
        return [when - number for number, (when, _) in enumerate(way.out)]

    first = delays(1)
    assert all(0.05 <= delay <= 0.15 for delay in first)
    assert max(first) > 0.13 and min(first) < 0.07
    assert delays(1) == first != delays(2)


def test_bandwidth_sends_at_its_rate() -> None:
    way = Way(("bandwidth", {"rate": 10}))
    way.send(b"x" * 2500)
    way.loop.run()
    assert [(when, len(data)) for when, data in way.out] == [(0.1, 1000), (0.2, 1000), (0.25, 500)]


def test_bandwidth_saves_nothing_up_while_it_idles() -> None:
    way = Way(("bandwidth", {"rate": 10}))
    way.loop.run(60)
    way.send(b"x" * 1000)
    way.loop.run()
    assert way.out[-1][0] == 60.1


def test_a_bandwidth_of_zero_lets_nothing_pass_until_it_changes() -> None:
    way = Way(("bandwidth", {"rate": 0}))
    way.send(b"held")
    way.finish()
    way.loop.run(3600)
    assert way.out == [] and way.ended_at is None
    way.stages[0].update({"rate": 1})
    way.loop.run()
    assert way.all == b"held"
    assert way.ended_at == 3600.004


def test_a_higher_rate_counts_for_what_is_already_held() -> None:
    way = Way(("bandwidth", {"rate": 1}))
    way.send(b"x" * 10_000)
    way.loop.run(1.05)
    assert len(way.all) == 1000
    way.stages[0].update({"rate": 9})
    way.loop.run()
    assert way.out[-1][0] == 2.05


def test_a_slicer_waits_between_its_pieces() -> None:
    way = Way(("slicer", {"average_size": 2, "delay": 1000}))
    way.send(b"abcdef")
    way.loop.run()
    assert way.out == [(0.0, b"ab"), (0.001, b"cd"), (0.002, b"ef")]


def test_a_timeout_counts_from_the_connections_beginning() -> None:
    way = Way(("timeout", {"timeout": 500}))
    way.loop.run(0.3)
    way.send(b"x")
    way.loop.run()
    assert way.out == []
    assert (way.ended_at, way.was_cut, way.fired) == (0.5, True, ["timeout"])


def test_an_updated_timeout_counts_anew() -> None:
    way = Way(("timeout", {"timeout": 0}))
    way.loop.run(3)
    way.stages[0].update({"timeout": 100})
    way.loop.run()
    assert way.ended_at == 3.1


def test_a_reset_counts_from_the_first_byte() -> None:
    way = Way(("reset_peer", {"timeout": 100}))
    way.loop.run(5)
    way.send(b"x")
    way.loop.run(0.099)
    assert not way.was_reset
    way.loop.run(0.001)
    assert way.was_reset and way.fired == ["reset_peer"]
    assert way.out == []


def test_a_slow_close_is_late_by_its_delay() -> None:
    way = Way(("slow_close", {"delay": 700}))
    way.send(b"x")
    assert way.out == [(0.0, b"x")]
    way.finish()
    way.loop.run()
    assert way.ended_at == 0.7


def test_an_end_that_a_toxic_makes_passes_the_ones_behind_it() -> None:
    way = Way(
        ("limit_data", {"bytes": 2}), ("latency", {"latency": 100}), ("slow_close", {"delay": 50})
    )
    way.send(b"abc")
    way.send(b"d")
    way.loop.run()
    assert way.out == [(0.1, b"ab")]
    assert way.ended_at == 0.15
