"""The journal against a dictionary: whatever several processes do to runs, calls and keys, in
whatever order, both tell the same.

Each lease is a process of its own: of another host (it loses its runs when its time is up), or of
this one and already dead (it loses them at once). All of them may wake up later and write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from surefoot.clock import ManualClock
from surefoot.errors import InDoubt, RunLocked
from surefoot.journal import Journal, Lease, Owner, RunRecord, runs, writes
from surefoot.journal.claims import asked, claim, finish_claim
from surefoot.journal.runs import Ending
from tests.support.journals import (
    DEAD,
    ended,
    failed_attempt,
    intent,
    new_call,
    new_run,
    open_journal,
    take_out_the_fence,
)

RUNS = st.sampled_from(["a", "b", "c"])
CALLS = st.sampled_from(["x", "y"])
KEYS = st.sampled_from(["k", "l"])
WHICH = st.integers(0, 7)
OVER = ("completed", "rolled_back")


@dataclass
class Call:
    status: str
    result: bytes | None = None
    ended_run: bool = False


@dataclass
class Held:
    """A key, as the model has it."""

    state: str
    run: str
    fence: int
    asked: bool
    at: float

    @property
    def token(self) -> tuple[str, int, float]:
        return self.run, self.fence, self.at


@dataclass
class Run:
    fence: int
    status: str
    owner: Owner | None
    until: float | None
    takeovers: int = 0
    mark: int = 0
    failures: int = 0
    cancelled: bool = False
    calls: dict[str, Call] = field(default_factory=dict)

    def checkpoints(self) -> int:
        return sum(call.status == "completed" for call in self.calls.values())

    def lives(self, now: float) -> bool:
        return self.owner is not None and self.owner != DEAD and (self.until or 0) > now


def empty(tx: Any) -> None:
    for name in ("failures", "claims", "calls", "dead_letters", "runs"):
        tx(f"DELETE FROM {name}")


class JournalMachine(RuleBasedStateMachine):
    LEASE = 10.0
    journal: Journal
    """One for all examples, emptied before each: to make one takes longer than an example."""

    def __init__(self) -> None:
        super().__init__()
        assert isinstance(self.journal.clock, ManualClock)
        self.clock = self.journal.clock
        self.commit(empty)
        self.model: dict[str, Run] = {}
        self.keys: dict[str, Held] = {}
        self.leases: list[Lease] = []
        self.doubts: list[Any] = []
        self.processes = 0

    def process(self) -> Owner:
        self.processes += 1
        return Owner("another boot", "ns", self.processes, "1", "elsewhere")

    def commit(self, op: Any) -> Any:
        return self.journal.group.commit(op)

    def lease(self, which: int) -> tuple[Lease, Run, bool]:
        """One of the leases that were ever given, and whether it still holds."""
        lease = self.leases[which % len(self.leases)]
        run = self.model[lease.run_id]
        return lease, run, run.fence == lease.fence

    def write(self, lease: Lease, op: Any, holds: bool) -> bool:
        """Commit; a lease that does not hold any more must be refused."""
        if holds:
            self.commit(op)
            return True
        with pytest.raises(RunLocked):
            self.commit(op)
        assert lease.lost
        return False

    # -- runs ---------------------------------------------------------------------------------

    @rule(run_id=RUNS)
    def create(self, run_id: str) -> None:
        owner, now = self.process(), self.clock.now()
        pk = self.commit(runs.create(new_run(run_id), owner, now, self.LEASE))
        assert (pk is None) == (run_id in self.model)
        if pk is not None:
            self.model[run_id] = Run(1, "running", owner, now + self.LEASE)
            self.leases.append(Lease(pk, run_id, 1))

    @rule(run_id=RUNS)
    def take(self, run_id: str) -> None:
        owner, now = self.process(), self.clock.now()
        found = self.commit(runs.take(run_id, owner, now, self.LEASE, lambda pk: False))
        run = self.model.get(run_id)
        if run is None:
            assert found is None
            return
        if run.status in OVER:
            assert isinstance(found, RunRecord) and found.status == run.status
            return
        crashed = run.status == "running"
        if crashed and run.lives(now):
            assert found == str(run.owner)
            return
        assert isinstance(found, RunRecord)
        done = run.checkpoints()
        stuck = crashed and done == run.mark
        run.takeovers = run.takeovers + 1 if stuck else int(crashed)
        run.mark, run.status, run.cancelled = done, "running", False
        run.fence, run.owner, run.until = run.fence + 1, owner, now + self.LEASE
        self.leases.append(Lease(found.pk, run_id, run.fence))

    @rule(run_id=RUNS)
    def crash(self, run_id: str) -> None:
        """Its process is found to be one of this host, and gone."""
        run = self.model.get(run_id)
        if run is not None and run.owner is not None:
            run.owner = DEAD
            self.commit(
                lambda tx: tx("UPDATE runs SET owner = ? WHERE run_id = ?", (DEAD.dump(), run_id))
            )

    @rule(seconds=st.sampled_from([0.5, 4.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.leases)
    @rule(which=WHICH)
    def beat(self, which: int) -> None:
        lease, run, holds = self.lease(which)
        self.journal._leases[lease.run_pk] = lease
        self.commit(self.journal._beat())
        self.journal._leases.clear()
        if holds:
            run.until = self.clock.now() + self.LEASE

    @precondition(lambda self: self.leases)
    @rule(which=WHICH, status=st.sampled_from(["completed", "halted", "interrupted"]), call=CALLS)
    def end_run(self, which: int, status: str, call: str) -> None:
        lease, run, holds = self.lease(which)
        ending = Ending(status, forget=(call,))
        if self.write(lease, runs.end(lease, ending, self.clock.now()), holds):
            run.status, run.owner, run.until = status, None, None
            if call in run.calls and run.calls[call].status == "failed":
                run.calls[call].ended_run = True

    @rule(run_id=RUNS)
    def cancel(self, run_id: str) -> None:
        if run_id in self.model:
            self.journal.request_cancel(run_id)
            self.model[run_id].cancelled = True

    # -- calls --------------------------------------------------------------------------------

    @precondition(lambda self: self.leases)
    @rule(which=WHICH, call=CALLS)
    def begin(self, which: int, call: str) -> None:
        lease, run, holds = self.lease(which)
        if self.write(lease, writes.begin(lease, new_call(call), 0, False), holds):
            run.calls.setdefault(call, Call("running")).status = "running"

    @precondition(lambda self: self.leases)
    @rule(which=WHICH, call=CALLS, status=st.sampled_from(["completed", "failed"]))
    def end_call(self, which: int, call: str, status: str) -> None:
        lease, run, holds = self.lease(which)
        result = f"{lease.run_id}{lease.fence}".encode() if status == "completed" else None
        if self.write(lease, writes.end(lease, new_call(call), ended(status, result)), holds):
            run.calls[call] = Call(status, result)

    @precondition(lambda self: self.leases)
    @rule(which=WHICH, call=CALLS)
    def note_failure(self, which: int, call: str) -> None:
        lease, run, holds = self.lease(which)
        if self.write(lease, writes.failure(lease, failed_attempt(call)), holds):
            run.failures += 1

    @precondition(lambda self: self.leases)
    @rule(which=WHICH, call=CALLS)
    def forget(self, which: int, call: str) -> None:
        lease, run, holds = self.lease(which)
        self.commit(writes.forget(lease, (call,)))
        if holds and call in run.calls and run.calls[call].status == "failed":
            run.calls[call].ended_run = True

    # -- keys ---------------------------------------------------------------------------------

    def expected(self, lease: Lease, key: str) -> str:
        """What a claim of this key must answer, if the lease holds."""
        held = self.keys.get(key)
        if held is None or held.state == "refused":
            return "fresh"
        if held.state == "done":
            return "done"
        run = self.model[held.run]
        if held.state == "held":
            if (held.run, held.fence) == (lease.run_id, lease.fence):
                return "fresh"
            running = run.status == "running" and run.fence == held.fence
            if held.run != lease.run_id and running and run.lives(self.clock.now()):
                return "busy"
        return "doubt"

    @precondition(lambda self: self.leases)
    @rule(which=WHICH, key=KEYS, settle=st.booleans())
    def claim(self, which: int, key: str, settle: bool) -> None:
        lease, _, holds = self.lease(which)
        now = self.clock.now()
        token = self.doubts[-1] if settle and self.doubts else None
        expected = self.expected(lease, key)
        held = self.keys.get(key)
        if expected == "doubt" and held is not None and token is not None and token[0] == key:
            if token[1] == held.token:
                expected = "fresh"
        op = claim(lease, intent(key, at=now), now, settled=token[2] if token else None)
        if expected == "fresh":
            if self.write(lease, op, holds):
                self.keys[key] = Held("held", lease.run_id, lease.fence, False, now)
            return
        answer = self.commit(op)
        assert answer.state == expected
        if expected == "doubt":
            assert held is not None
            assert (answer.run_id, answer.at, answer.asked) == (held.run, held.at, held.asked)
            held.state = "in_doubt"
            self.doubts.append((key, held.token, answer.token))

    def owns(self, lease: Lease, key: str) -> bool:
        held = self.keys.get(key)
        return held is not None and (held.state, held.run, held.fence) == (
            "held",
            lease.run_id,
            lease.fence,
        )

    def write_claim(self, lease: Lease, key: str, op: Any, holds: bool) -> bool:
        if holds and not self.owns(lease, key):
            with pytest.raises(InDoubt):
                self.commit(op)
            return False
        return self.write(lease, op, holds)

    @precondition(lambda self: self.leases)
    @rule(which=WHICH, key=KEYS)
    def ask(self, which: int, key: str) -> None:
        lease, _, holds = self.lease(which)
        if self.write_claim(lease, key, asked(lease, "pay", key), holds):
            self.keys[key].asked = True

    @precondition(lambda self: self.leases)
    @rule(which=WHICH, key=KEYS, state=st.sampled_from(["done", "refused", "in_doubt", "held"]))
    def finish(self, which: int, key: str, state: str) -> None:
        lease, _, holds = self.lease(which)
        again = state == "held"
        op = finish_claim(lease, "pay", key, state, reset_asked=again)
        if self.write_claim(lease, key, op, holds):
            self.keys[key].state = state
            self.keys[key].asked = self.keys[key].asked and not again

    # -- both tell the same -------------------------------------------------------------------

    @invariant()
    def the_runs_are_the_models(self) -> None:
        read = self.journal.store.read
        rows = read(
            "SELECT run_id, fence, status, owner, lease_until, takeovers, takeover_mark, "
            "cancel_requested, (SELECT count(*) FROM failures f WHERE f.run_pk = runs.pk) FROM runs"
        )
        assert {row[0]: row[1:] for row in rows} == {
            run_id: (
                run.fence,
                run.status,
                run.owner.dump() if run.owner is not None else None,
                run.until,
                run.takeovers,
                run.mark,
                int(run.cancelled),
                run.failures,
            )
            for run_id, run in self.model.items()
        }

    @invariant()
    def the_calls_and_keys_are_the_models(self) -> None:
        read = self.journal.store.read
        calls = read(
            "SELECT run_id, call_id, c.status, c.result, ended_run FROM calls c "
            "JOIN runs r ON r.pk = c.run_pk"
        )
        assert {(run, call): tuple(rest) for run, call, *rest in calls} == {
            (run_id, call_id): (call.status, call.result, int(call.ended_run))
            for run_id, run in self.model.items()
            for call_id, call in run.calls.items()
        }
        keys = read(
            "SELECT effect_key, state, run_id, c.fence, asked, at FROM claims c "
            "JOIN runs r ON r.pk = c.run_pk"
        )
        assert {key: tuple(rest) for key, *rest in keys} == {
            key: (held.state, held.run, held.fence, int(held.asked), held.at)
            for key, held in self.keys.items()
        }


QUICK = settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
NO_SHRINKING = settings(QUICK, phases=[Phase.generate])


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[type[JournalMachine]]:
    class Machine(JournalMachine):
        journal = open_journal(tmp_path, ManualClock(), lease=JournalMachine.LEASE)

    yield Machine
    Machine.journal.close()


def test_the_journal_and_a_dictionary_tell_the_same(machine: type[JournalMachine]) -> None:
    run_state_machine_as_test(machine, settings=QUICK)


def test_the_machine_finds_a_missing_fence(
    machine: type[JournalMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    take_out_the_fence(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run_state_machine_as_test(machine, settings=NO_SHRINKING)
