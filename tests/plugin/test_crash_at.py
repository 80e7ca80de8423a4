"""``crash_at``: a real process is killed, and the test goes on with its run."""

from __future__ import annotations

import pytest

from .conftest import Play
from .test_fixtures import ALL


def test_a_run_killed_after_its_payment_goes_on_without_a_second_one(play: Play) -> None:
    result = play(
        ALL
        + """
import os, signal
from shop import shop

def test_after(crash_at, ledger, journal):
    crashed = crash_at(shop, 3, step="pay", seam="after")
    assert crashed.firing.step == "pay" and crashed.firing.pid != os.getpid()
    ledger.assert_once(5)                    # it was paid before the process died
    run = shop.resume(crashed.run_id)
    assert_recovered(run, 5)
    assert run.reused > 0
    ledger.assert_once(5)

def test_before(crash_at, ledger):
    crashed = crash_at(shop, n=3, step="pay", seam="before", run_id="mine")
    assert crashed.run_id == "mine" and ledger.entries() == []
    assert_recovered(shop.resume("mine"), 5)
    ledger.assert_once(5)

def test_second_item(crash_at, ledger):
    crashed = crash_at(shop, 3, step="score", seam="before", script=nth(2))
    assert crashed.firing.seen == 2
    assert_recovered(shop.resume(crashed.run_id), 5)
"""
    )
    result.assert_outcomes(passed=3)


@pytest.mark.parametrize("event", ["before", "inside", "after"])
def test_a_write_of_the_journal_is_a_place_too(play: Play, event: str) -> None:
    result = play(
        ALL
        + f"""
from shop import shop

def test_write(crash_at, ledger):
    crashed = crash_at(shop, 3, write=3, event={event!r})
    assert crashed.firing.seam == "write" and crashed.firing.event == {event!r}
    assert_recovered(shop.resume(crashed.run_id), 5)
    ledger.assert_once(5)
"""
    )
    result.assert_outcomes(passed=1)


def test_a_place_that_is_not_reached_is_told(play: Play) -> None:
    result = play(
        ALL
        + """
from shop import shop

def test_step(crash_at, ledger):
    crash_at(shop, 3, step="refund")

def test_write(crash_at, ledger):
    crash_at(shop, 3, write=1000)
"""
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*not_fired: crash_at never reached after refund, fail:1; nothing is proved*",
            "*the run came to its end without it: completed*",
            "*reached: *after pay 1×*",
            "*not_fired: crash_at never reached write 1000 (inside)*",
        ]
    )


def test_a_process_that_ends_otherwise_is_told_with_what_it_printed(play: Play) -> None:
    result = play(
        ALL
        + """
import os

@step
def gone() -> int:
    print("about to go", flush=True)
    os._exit(7)

@workflow
def going() -> int:
    return gone()

def test_it(crash_at):
    crash_at(going, step="gone", seam="after")
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*its process ended with 7*", "*it printed:*", "*about to go*"])


def test_a_closure_is_refused_with_what_to_do(play: Play) -> None:
    result = play(
        ALL
        + """
import pytest

def test_it(crash_at):
    @workflow
    def inner() -> int:
        return 1

    with pytest.raises(SurefootError, match="cannot be imported; move it, and"):
        crash_at(inner, step="x")
    with pytest.raises(SurefootError, match="not a workflow"):
        crash_at(len, step="x")

def test_words(crash_at):
    from shop import shop

    for wrong in (dict(seam="value"), dict(write=0), dict(write=1, step="pay"), dict(write=1, event="x"),
                  dict(step="pay", script=when(lambda place: True))):
        with pytest.raises(SurefootError, match="crash_at: "):
            crash_at(shop, 3, **wrong)
"""
    )
    result.assert_outcomes(passed=2)


def test_time_goes_on_where_the_killed_process_was(play: Play) -> None:
    result = play(
        ALL
        + """
import time

@step(recover=[on("timeout").retry(attempts=4, base=100, cap=1000)])
def ask() -> str:
    if len(Ledger.here().entries("ask")) < 2:
        Ledger.here().receive("asked", effect="ask")
        raise TimeoutError("too late")
    return "yes"

@step
def tell(answer: str) -> str:
    return answer

@workflow
async def asked() -> str:
    return tell(ask())

def _test(crash_at, clock):
    began, real = clock(), time.monotonic()
    crashed = crash_at(asked, step="tell", seam="before")
    waited = clock() - began
    run = asyncio.run(asked.resume(crashed.run_id))
    assert_recovered(run, "yes", kinds=["timeout"])
    assert waited >= sum(one.waited for one in run.failures) > 5
    assert time.monotonic() - real < 60

def test_virtual(crash_at, virtual_clock, ledger):
    _test(crash_at, virtual_clock.now)
    assert virtual_clock.sleeps == []         # nobody waited in this process

def test_skipping(crash_at, surefoot_runtime, ledger):
    _test(crash_at, surefoot_runtime.clock.now)
""",
        "-W",
        "ignore::RuntimeWarning",  # a sync step on a loop
    )
    result.assert_outcomes(passed=2)


def test_what_cannot_be_saved_is_refused_before_a_process_starts(play: Play) -> None:
    result = play(
        ALL
        + """
import pytest, threading
from shop import shop

def test_it(crash_at):
    with pytest.raises(SurefootError, match="its argument 'n' cannot be saved"):
        crash_at(shop, threading.Lock(), step="pay")
"""
    )
    result.assert_outcomes(passed=1)


def test_a_test_file_that_only_pytest_can_import_is_found_by_its_path(play: Play) -> None:
    result = play(
        ALL
        + """
@step
def one() -> int:
    return 1

@workflow
def ones() -> int:
    return one()

def test_it(crash_at):
    crashed = crash_at(ones, step=one, seam="before")
    assert_recovered(ones.resume(crashed.run_id), 1)
""",
        "--import-mode=importlib",
    )
    result.assert_outcomes(passed=1)
