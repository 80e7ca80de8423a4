"""Gate, breaker, budget and limit, each by itself, in played time."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import pytest

from surefoot.catalog import load
from surefoot.catalog.examples import build
from surefoot.classify import classify
from surefoot.model import Classification
from surefoot.resources import Resource, ResourceOptions, Resources, Slot
from surefoot.resources.breaker import Breaker
from surefoot.resources.budget import RetryBudget
from surefoot.resources.limit import BELOW, FORGOTTEN, QUIET, AdaptiveLimit
from surefoot.resources.options import resource_options


def limited(seconds: float | None = None) -> Classification:
    headers = {"retry-after": str(seconds)} if seconds is not None else {}
    exc = build({"type": "openai.RateLimitError", "status": 429, "headers": headers})
    return classify(exc, catalog=load())


def lost() -> Classification:
    return classify(ConnectionResetError("hung up"), catalog=load())


# -- breaker --------------------------------------------------------------------------------------


def test_a_circuit_opens_after_failures_in_a_row_and_closes_by_a_trial_call() -> None:
    breaker = Breaker(failures=3, seconds=10.0)
    assert not breaker.failed(0.0) and not breaker.failed(0.0)
    assert not breaker.succeeded()  # it was closed: no news
    assert not breaker.failed(1.0) and not breaker.failed(1.0) and breaker.failed(1.0)
    assert breaker.state(2.0) == "open" and not breaker.may_try(2.0)
    assert breaker.state(11.0) == "half_open" and breaker.may_try(11.0)
    assert not breaker.may_try(11.0)  # one at a time
    assert breaker.succeeded() and breaker.state(11.0) == "closed"


def test_a_trial_call_that_fails_opens_it_for_longer() -> None:
    breaker = Breaker(failures=1, seconds=10.0)
    assert breaker.failed(0.0)
    assert not breaker.failed(5.0)  # it had begun before
    lasts = []
    now = 10.0
    for _ in range(6):
        assert breaker.may_try(now) and breaker.failed(now)
        lasts.append(breaker.left(now))
        now += lasts[-1]
    assert lasts == [20.0, 40.0, 80.0, 100.0, 100.0, 100.0]


def test_a_trial_call_without_a_verdict_lets_another_one_try() -> None:
    breaker = Breaker(failures=1, seconds=10.0)
    breaker.failed(0.0)
    assert breaker.may_try(10.0)
    breaker.gave_up()
    assert breaker.may_try(10.0)


# -- budget ---------------------------------------------------------------------------------------


def test_retries_end_where_nothing_succeeds_and_successes_bring_them_back() -> None:
    budget = RetryBudget(2)
    for _ in range(2):
        assert budget.allows("connection")
        budget.take("connection")
    assert not budget.allows("connection")
    assert budget.allows("rate_limited") and budget.allows("circuit_open")
    budget.take("rate_limited")
    for _ in range(5):
        budget.succeeded()
    assert budget.allows("connection") and not budget.allows("timeout")


def test_a_budget_of_nothing_has_no_bound() -> None:
    budget = RetryBudget(0)
    for _ in range(1_000):
        budget.take("connection")
    assert budget.allows("timeout")


# -- limit ----------------------------------------------------------------------------------------


def test_the_limit_grows_quickly_then_slowly_and_a_refusal_halves_it() -> None:
    limit = AdaptiveLimit(None)
    for _ in range(4 * 28):
        limit.succeeded()
    assert limit.limit == 32.0
    limit.succeeded()
    assert limit.limit == pytest.approx(32.1)
    limit.refused(0.0, None)
    assert limit.limit == pytest.approx(16.05)
    few = AdaptiveLimit(2)
    few.succeeded()
    assert few.limit == 2.0


def test_the_pace_is_what_the_server_let_through() -> None:
    limit = AdaptiveLimit(None)
    assert limit.wait(0.0) == 0.0
    for _ in range(24):
        limit.begin(0.0)
    limit.refused(0.1, 0.9)  # the first refusal
    for _ in range(3):
        limit.refused(0.1, 0.9)  # of those that were on their way
    assert limit.rate == pytest.approx(20 * BELOW)
    assert limit.wait(1.0) == 0.0
    limit.begin(1.0)
    assert limit.wait(1.0) == pytest.approx(1 / limit.rate)


def test_the_pace_grows_while_it_is_quiet_and_is_forgotten_in_the_end() -> None:
    limit = AdaptiveLimit(None)
    limit.begin(0.0)
    limit.refused(0.0, 1.0)
    slow = limit.rate
    assert slow is not None
    limit.wait(1.0 + QUIET)
    assert limit.rate == slow
    limit.wait(1.0 + 4.0)
    assert limit.rate == pytest.approx(slow * (1 + 0.06 + 0.001 * (4.0**2 - QUIET**2)))
    careful = limit.rate / slow
    before = limit.rate
    limit.wait(1.0 + 24.0)
    limit.wait(1.0 + 26.0)  # the same two seconds, long after the refusal
    assert limit.rate > before * careful * 1.01
    limit.wait(2.0 + FORGOTTEN)
    assert limit.rate is None


def test_a_further_refusal_lowers_the_pace_and_never_by_more_than_half() -> None:
    limit = AdaptiveLimit(None)
    for _ in range(20):
        limit.begin(0.0)
    limit.refused(0.0, 1.0)
    before = limit.rate
    assert before is not None
    limit.begin(1.0)
    limit.refused(1.5, 1.0)  # at once: the pace is quite wrong
    assert limit.rate == pytest.approx(before / 2)


def test_a_refusal_after_a_while_takes_back_what_the_pace_has_grown_by() -> None:
    limit = AdaptiveLimit(None)
    for _ in range(20):
        limit.begin(0.0)
    limit.refused(0.0, 1.0)
    for second in range(10):
        limit.wait(1.0 + second)
    before = limit.rate
    assert before is not None
    limit.refused(11.0, 1.0)
    assert limit.rate == pytest.approx(before * BELOW)


# -- all of them together -------------------------------------------------------------------------


def entered(resource: Resource, now: float) -> Any:
    slot = resource.enter(now).slot
    assert slot is not None
    return slot


def test_a_servers_wait_holds_everyone() -> None:
    resource = Resource("openai", ResourceOptions())
    slot = entered(resource, 0.0)
    told = resource.failed(slot, limited(20.0), 0.0)
    resource.leave(slot)
    assert told is not None and told.gate_until == 20.0
    assert resource.enter(5.0).wait == 15.0 and resource.state(5.0) == ("closed", 15.0)
    assert resource.failed(None, limited(10.0), 5.0) is None  # no news: the gate is closed longer
    assert resource.enter(20.0).slot is not None


def test_an_overload_without_a_wait_closes_no_gate() -> None:
    resource = Resource("openai", ResourceOptions())
    assert resource.failed(entered(resource, 0.0), limited(), 0.0) is None
    assert resource.enter(0.0).wait == 0.0


def test_only_so_many_run_at_once_and_the_next_is_called_when_one_leaves() -> None:
    resource = Resource("db", ResourceOptions(concurrency=1, adaptive=False))
    slot = entered(resource, 0.0)
    first, second = resource.enter(0.0).done, resource.enter(0.0).done
    assert first is not None and second is not None and not first.done()
    resource.leave(slot)
    resource.leave(slot)  # an end that comes twice counts once
    assert first.done() and not second.done()


def test_who_gives_up_waiting_passes_its_place_on() -> None:
    resource = Resource("db", ResourceOptions(concurrency=1, adaptive=False))
    slot = entered(resource, 0.0)
    first, second = resource.enter(0.0).done, resource.enter(0.0).done
    assert first is not None and second is not None
    resource.stop_waiting(second)
    third = resource.enter(0.0).done
    assert third is not None
    resource.leave(slot)
    assert first.done() and not third.done()
    resource.stop_waiting(first)  # it was called, and does not come
    assert third.done() and not second.done()
    resource.stop_waiting(third)


def test_a_resource_without_a_bound_admits_all() -> None:
    resource = Resource("db", ResourceOptions(adaptive=False))
    assert all(resource.enter(0.0).slot for _ in range(100))


def test_an_open_circuit_refuses_and_one_probe_decides() -> None:
    resource = Resource("api", ResourceOptions(circuit_failures=2, circuit_seconds=10.0))
    for _ in range(2):
        slot = entered(resource, 0.0)
        told = resource.failed(slot, lost(), 0.0)
        resource.leave(slot)
    assert told is not None and told.open_until == 10.0
    assert resource.enter(4.0).open == 6.0
    probe = entered(resource, 10.0)
    assert probe.probe and resource.enter(10.0).wait == 1.0
    resource.without_verdict(probe)
    resource.leave(probe)
    probe = entered(resource, 10.0)
    assert resource.succeeded(probe)
    resource.leave(probe)
    assert resource.state(10.0) == ("closed", 0.0)


def test_a_failure_that_says_nothing_of_the_resource_opens_nothing() -> None:
    resource = Resource("api", ResourceOptions(circuit_failures=1))
    bug = classify(TypeError("unsupported operand"), catalog=load())
    assert resource.failed(entered(resource, 0.0), bug, 0.0) is None
    assert resource.state(0.0)[0] == "closed"


def test_what_another_process_found_out_is_heard() -> None:
    resource = Resource("api", ResourceOptions())
    resource.hear(30.0, 0.0, 10.0)
    assert resource.enter(10.0).wait == 20.0
    resource.hear(0.0, 60.0, 30.0)
    assert resource.enter(30.0).open == 30.0
    assert resource.still(30.0, Slot(probe=False)).open == 30.0


def test_who_waited_for_its_turn_looks_again() -> None:
    resource = Resource("api", ResourceOptions())
    resource.failed(None, limited(5.0), 0.0)
    slot = Slot(probe=False, turns=1)
    assert resource.still(1.0, slot).wait == 4.0
    assert resource.still(6.0, slot) == resource.still(7.0, slot)


def test_who_waits_for_its_turn_when_the_server_refuses_gets_another_one() -> None:
    resource = Resource("api", ResourceOptions())
    first = [entered(resource, 0.0) for _ in range(4)]
    for slot in first:
        resource.failed(slot, limited(1.0), 0.0)
        resource.leave(slot)
    waiting = [resource.enter(1.0) for _ in range(2)]
    assert waiting[0].wait == 0.0 and waiting[1].wait > 0 and waiting[1].slot is not None
    assert waiting[0].slot is not None
    resource.failed(waiting[0].slot, limited(1.0), 1.0)  # the gate is closed until 2.0
    # it would have begun within that second, and does not begin when the gate opens either, with all
    # others that waited: it gets a turn after that
    woken = 1.0 + waiting[1].wait
    again = resource.still(woken, waiting[1].slot)
    other = resource.still(woken, Slot(probe=False, turns=0))
    assert {woken + again.wait >= 2.0, woken + other.wait > 2.0} == {True}
    assert other.wait > again.wait
    assert resource.still(woken + again.wait, waiting[1].slot).wait == 0.0


def test_an_overloaded_server_that_asks_for_a_wait_holds_everyone_and_slows_nobody() -> None:
    exc = build(
        {
            "type": "anthropic.APIStatusError",
            "message": "Overloaded",
            "status": 529,
            "headers": {"retry-after": "12"},
        }
    )
    overloaded = classify(exc, catalog=load())
    assert overloaded.kind == "overloaded"
    resource = Resource("anthropic", ResourceOptions())
    before = resource._limit.limit
    told = resource.failed(entered(resource, 0.0), overloaded, 0.0)
    assert told is not None and told.gate_until == 12.0
    assert resource._limit.limit == before and resource._limit.rate is None


def test_a_failure_that_had_no_place_counts_for_the_circuit_all_the_same() -> None:
    resource = Resource("api", ResourceOptions(circuit_failures=2))
    assert resource.failed(None, lost(), 0.0) is None
    told = resource.failed(None, lost(), 0.0)
    assert told is not None and told.open_until == 30.0


def test_two_threads_that_name_a_resource_first_get_the_same_one() -> None:
    """Whoever waits for the lock looks again."""
    resources = Resources({})
    got: list[Resource] = []
    with resources._lock:
        threads = [
            threading.Thread(target=lambda: got.append(resources.get("api"))) for _ in range(2)
        ]
        for one in threads:
            one.start()
        deadline = time.monotonic() + 10
        while not all(_waits(one) for one in threads) and time.monotonic() < deadline:
            time.sleep(0.005)
    for one in threads:
        one.join(10)
    assert got[0] is got[1] and resources.known() == [got[0]]


def _waits(thread: threading.Thread) -> bool:
    """Whether it stands at the lock, as far as anyone can tell: in ``get``, not started newly."""
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code.co_name == "get"


# -- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table",
    [
        3,
        {"concurency": 3},
        {"concurrency": 0},
        {"concurrency": True},
        {"circuit_seconds": 0},
        {"retry_budget": -1},
        {"adaptive": "yes"},
    ],
)
def test_a_wrong_setting_is_told(table: Any) -> None:
    with pytest.raises(ValueError, match=r"table|number|true or false"):
        resource_options(table)


def test_settings_are_read() -> None:
    table = {"concurrency": 3, "adaptive": False, "circuit_seconds": 0.5, "retry_budget": 0}
    assert resource_options(table) == ResourceOptions(3, False, 10, 0.5, 0)
