"""Who holds a run, and that nobody else writes it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from surefoot.clock import ManualClock, SystemClock
from surefoot.errors import RunLocked, SurefootError, UnknownRun
from surefoot.journal import Journal, Lease, Owner, claims, leases, letters, writes
from surefoot.journal import runs as run_writes
from surefoot.journal.runs import Ending
from tests.support.journals import (
    DEAD,
    ELSEWHERE,
    begun,
    dump,
    ended,
    failed_attempt,
    give_to,
    intent,
    new_call,
    new_run,
    open_journal,
    take_out_the_fence,
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def journal(tmp_path: Path, clock: ManualClock) -> Iterator[Journal]:
    one = open_journal(tmp_path, clock)
    yield one
    one.close()


# -- owners ---------------------------------------------------------------------------------------


def test_this_process_is_alive_and_says_who_it_is() -> None:
    owner = Owner.this()
    assert owner.alive() is True
    assert Owner.parse(owner.dump()) == owner
    assert str(owner) == f"pid {os.getpid()} on {owner.name}"


def test_a_process_of_another_host_or_container_may_live_or_not() -> None:
    assert replace(Owner.this(), host="another boot").alive() is None
    assert replace(Owner.this(), namespace="pid:[1]").alive() is None


def test_a_process_that_ended_is_dead_even_before_anyone_reaped_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = leases._started(child.pid)
    assert started is not None
    owner = replace(Owner.this(), pid=child.pid, start=started)
    assert owner.alive() is True
    child.kill()
    end = time.monotonic() + 10
    while owner.alive() and time.monotonic() < end:
        time.sleep(0.001)
    assert owner.alive() is False  # it is a zombie of the operating system's kind now
    child.communicate()
    assert owner.alive() is False


def test_another_process_with_a_reused_pid_is_not_the_owner() -> None:
    assert replace(Owner.this(), start="1").alive() is False


def test_where_there_is_no_proc_a_signal_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_started", lambda pid: None)
    monkeypatch.setattr(sys, "platform", "darwin")
    owner = Owner.this()
    assert owner.alive() is True
    assert replace(owner, pid=DEAD.pid).alive() is False

    def of_somebody_else(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", of_somebody_else)
    assert owner.alive() is True


# -- taking a run ---------------------------------------------------------------------------------


def test_a_run_of_a_living_process_is_refused_and_the_message_names_it(journal: Journal) -> None:
    begun(journal)
    with pytest.raises(RunLocked, match=rf"run run is held by pid {os.getpid()} .*resume run"):
        journal.take("run")


def test_a_run_of_a_dead_process_is_free_at_once(journal: Journal, clock: ManualClock) -> None:
    lease = begun(journal)
    give_to(journal, lease, DEAD, until=clock.now() + 1_000)
    before, taken = journal.take("run")
    assert taken is not None
    assert (before.status, taken.fence) == ("running", lease.fence + 1)


def test_a_run_of_another_host_is_free_once_its_lease_has_run_out(
    journal: Journal, clock: ManualClock
) -> None:
    lease = begun(journal)
    give_to(journal, lease, ELSEWHERE, until=clock.now() + 10)
    with pytest.raises(RunLocked, match="pid 7 on elsewhere"):
        journal.take("run")
    clock.advance(10.1)
    assert journal.take("run")[1] is not None


@pytest.mark.parametrize("status", ["halted", "interrupted", "cancelled"])
def test_a_run_that_ended_for_now_can_be_taken(journal: Journal, status: str) -> None:
    journal.end_run(begun(journal), Ending(status))
    before, lease = journal.take("run")
    assert before.status == status
    assert lease is not None
    record = journal.run("run")
    assert (record.status, record.takeovers, record.ended_at) == ("running", 0, None)


@pytest.mark.parametrize("status", ["completed", "rolled_back"])
def test_a_run_that_is_over_stays_so_even_if_it_ended_a_moment_ago(
    journal: Journal, status: str
) -> None:
    journal.end_run(begun(journal), Ending(status))
    before = dump(journal)
    record, lease = journal.take("run")
    assert (record.status, lease) == (status, None)
    assert dump(journal) == before


def test_an_unknown_run_is_told_with_the_journals_path(journal: Journal) -> None:
    for use in (journal.take, journal.run, journal.request_cancel):
        with pytest.raises(UnknownRun, match=r"no run 'nothing' .*journal\.db"):
            use("nothing")


def test_an_id_is_given_once(journal: Journal) -> None:
    lease = begun(journal)
    record, other = journal.create_run(new_run())
    assert other is None
    assert (record.pk, record.fence) == (lease.run_pk, lease.fence)


def test_takeovers_count_only_while_no_checkpoint_comes(journal: Journal) -> None:
    lease = begun(journal)
    for expected in (1, 2, 3):
        give_to(journal, lease, DEAD)
        journal.let_go(lease)
        _, taken = journal.take("run")
        assert taken is not None
        lease = taken
        assert journal.run("run").takeovers == expected
    journal.group.commit(writes.end(lease, new_call(), ended()))
    give_to(journal, lease, DEAD)
    journal.let_go(lease)
    journal.take("run")
    assert journal.run("run").takeovers == 1


def test_a_run_that_this_process_let_go_of_can_be_taken_by_it_again(journal: Journal) -> None:
    """After an error of the journal nobody could write the run's end; its process lives on."""
    lease = begun(journal)
    journal.let_go(lease)
    assert journal.take("run")[1] is not None


# -- the fence ------------------------------------------------------------------------------------

WRITES: dict[str, Callable[[Lease], Any]] = {
    "begin": lambda lease: writes.begin(lease, new_call("new"), 1, False),
    "begin again": lambda lease: writes.begin(lease, new_call("call"), 9, False),
    "end": lambda lease: writes.end(lease, new_call("new"), ended()),
    "end again": lambda lease: writes.end(lease, new_call("call"), ended(result=b"2")),
    "failure": lambda lease: writes.failure(lease, failed_attempt()),
    "forget": lambda lease: writes.forget(lease, ("failed",)),
    "dead letter": lambda lease: letters.dead_letter(
        lease, new_call("item"), b"{}", None, "timeout", "f", "r", 1.0
    ),
    "reopen": lambda lease: letters.reopen(lease, ("letter",), 1.0),
    "claim": lambda lease: claims.claim(lease, intent("other"), 1.0),
    "asked": lambda lease: claims.asked(lease, "pay", "key"),
    "release": lambda lease: claims.finish_claim(lease, "pay", "key", "refused"),
    "end of run": lambda lease: run_writes.end(lease, Ending("completed"), 1.0),
}

QUIET = {"forget", "reopen"}
"""Nobody waits for these; without a fence they would write, with it they do nothing."""


def scene(journal: Journal) -> tuple[Lease, dict[str, Any]]:
    """A zombie's lease, and the journal as the process that took the run over has it."""
    zombie = begun(journal)
    commit = journal.group.commit
    commit(claims.claim(zombie, intent(), 1.0))
    commit(writes.end(zombie, new_call("call"), ended()))
    commit(writes.end(zombie, new_call("failed"), ended("failed", None)))
    commit(letters.dead_letter(zombie, new_call("letter"), b"{}", None, "timeout", "f", "r", 1.0))
    give_to(journal, zombie, DEAD)
    journal.let_go(zombie)
    assert journal.take("run")[1] is not None
    return zombie, dump(journal)


@pytest.mark.parametrize("name", WRITES)
def test_a_write_of_a_zombie_is_refused_and_changes_nothing(journal: Journal, name: str) -> None:
    zombie, before = scene(journal)
    if name in QUIET:
        journal.group.commit(WRITES[name](zombie))
    else:
        with pytest.raises(RunLocked, match="taken over by another process"):
            journal.group.commit(WRITES[name](zombie))
        assert zombie.lost
    assert dump(journal) == before


@pytest.mark.parametrize("name", WRITES)
def test_without_the_fence_the_zombie_would_have_written(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The test above can go red: each of its writes does something where nobody asks."""
    zombie, before = scene(journal)
    take_out_the_fence(monkeypatch)
    try:
        journal.group.commit(WRITES[name](zombie))
    except SurefootError:
        assert name in ("asked", "release")  # these are held back by the claim's own fence, too
    else:
        assert dump(journal) != before


def test_a_zombies_heartbeat_prolongs_nothing(journal: Journal, clock: ManualClock) -> None:
    zombie, before = scene(journal)
    journal._leases.clear()
    journal._leases[zombie.run_pk] = zombie
    clock.advance(5)
    journal.group.commit(journal._beat())
    assert dump(journal) == before


def test_a_heartbeat_prolongs_the_lease_and_carries_the_starts(
    journal: Journal, clock: ManualClock
) -> None:
    lease = begun(journal)
    until = journal.run("run").lease_until
    journal.start("item", (lease, new_call("item", item=0), 0, True), mapped=True)
    journal.start("ended", (lease, new_call("ended", item=1), 0, True), mapped=True)
    journal.started("ended")
    assert journal.calls(lease.run_pk) == []
    clock.advance(20)
    journal.group.commit(journal._beat())
    assert journal.run("run").lease_until == until + 20
    assert [call.call_id for call in journal.calls(lease.run_pk)] == ["item"]


def test_the_keeper_sends_heartbeats_until_the_run_is_let_go(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, SystemClock(), lease=0.06)
    lease = begun(journal)

    def until() -> float:
        return journal.run("run").lease_until or 0.0

    first, end = until(), time.monotonic() + 10
    while until() == first and time.monotonic() < end:
        time.sleep(0.005)
    assert until() > first
    journal.let_go(lease)
    journal.group.flush()
    last = until()
    time.sleep(0.1)
    assert until() == last
    journal.close()


def test_a_lease_learns_that_it_is_lost_or_cancelled_with_any_commit(
    tmp_path: Path, clock: ManualClock
) -> None:
    one, other = open_journal(tmp_path, clock), open_journal(tmp_path, clock)
    lease = begun(one)
    other.request_cancel("run")
    clock.advance(1)
    assert not lease.cancelled
    one.group.commit(lambda tx: None)
    assert lease.cancelled and not lease.lost
    give_to(other, lease, DEAD)
    other.take("run")
    clock.advance(1)
    one.group.commit(lambda tx: None)
    assert lease.lost
    one.close()
    other.close()
