"""Many writers, one fsync.

Whoever wants to commit puts its write into a queue and then takes the mutex. The first one through
is the leader: it writes all that is queued in one transaction. Meanwhile others queue up; when they
get the mutex they find their write done, or lead the next batch. A lone writer pays no thread switch.

Event loops must not block, and mapped items need not wait one by one: their writes are handed to the
*keeper*, a daemon thread that leads for them and also sends the heartbeats.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ..clock import Clock
from ..store.base import Committed, Op, Refused, Store, Tx
from .leases import Lease
from .writes import NewCall, begin

__all__ = ["KEEPER", "GroupCommit", "Ticket", "held_here", "live_runs_of", "runs_live_here"]

KEEPER = "surefoot-keeper"
"""The keeper's name. A thread of this name lives exactly while a run of this process does."""

BATCH = 2_000
LOOK_EVERY = 0.05
"""Seconds between looks at the cancel flags; a look costs a quarter of a cheap commit."""
WAITING, DONE, FAILED = 0, 1, 2


Start = tuple[Lease, NewCall, int, bool]
"""A call that has begun: its lease, its row, its attempts so far, whether its scope overlapped."""


def carry_start(tx: Tx, start: Start) -> None:
    """Write a start along with something else; nobody waits for it."""
    try:
        begin(*start)(tx)
    except Refused:  # fenced: the lease knows it now
        return


class Ticket:
    """One queued write and, later, what became of it."""

    __slots__ = ("_callback", "_state", "_value", "op")

    def __init__(self, op: Op, callback: Callable[[Ticket], None] | None = None) -> None:
        self.op = op
        self._state = WAITING
        self._value: Any = None
        self._callback = callback

    @property
    def done(self) -> bool:
        return self._state != WAITING

    def resolve(self, value: Any) -> None:
        if isinstance(value, Refused):
            self.fail(value.error)
        else:
            self._settle(DONE, value)

    def fail(self, error: BaseException) -> None:
        self._settle(FAILED, error)

    def _settle(self, state: int, value: Any) -> None:
        self._value = value
        self._state = state
        self.op = _nothing  # a long map keeps its tickets, not what was written
        if self._callback is not None:
            self._callback(self)

    def value(self) -> Any:
        """The write's result; raises what it failed with."""
        if self._state == FAILED:
            raise self._value
        return self._value


def _nothing(tx: Any) -> None:
    return None


class Keeper(threading.Thread):
    """The thread of a journal; while it lives, it says which runs this process holds."""

    def __init__(self, target: Callable[[], None], location: str, leases: dict[int, Lease]) -> None:
        super().__init__(target=target, name=KEEPER, daemon=True)
        self.location = location
        self.leases = leases


def held_here(location: str, run_pk: int) -> bool:
    """Whether some journal object of this process holds the run."""
    return any(
        isinstance(thread, Keeper) and thread.location == location and run_pk in thread.leases
        for thread in threading.enumerate()
    )


def runs_live_here() -> bool:
    """Whether this process holds any run."""
    return any(isinstance(thread, Keeper) and thread.leases for thread in threading.enumerate())


def live_runs_of(location: str) -> bool:
    """Whether this process holds any run of one journal."""
    return any(
        isinstance(thread, Keeper) and thread.location == location and thread.leases
        for thread in threading.enumerate()
    )


class GroupCommit:
    """The queue, its mutex and the keeper.

    :param beat: called by the keeper every ``interval`` seconds; gives the writes of a heartbeat.
    :param leases: the live leases; their cancel flags are read along with every commit.
    """

    def __init__(
        self,
        store: Store,
        leases: dict[int, Lease],
        beat: Callable[[], Op],
        interval: float,
        clock: Clock,
    ) -> None:
        self._store = store
        self._clock = clock
        self._looked = float("-inf")
        self._leases = leases
        self._beat = beat
        self._interval = interval
        self._renew()

    def _renew(self) -> None:
        self._pid = os.getpid()
        self._queue: deque[Ticket] = deque()
        self.starts: dict[str, Start] = {}
        self._mutex = threading.Lock()
        self._wake = threading.Condition()
        self._kicked = False
        self._keeper: Keeper | None = None
        self._stopping = False

    def _same_process(self) -> None:
        if self._pid != os.getpid():
            # after a fork the parent's locks may be held by threads that are not here
            self._renew()

    # -- ways in ------------------------------------------------------------------------------

    def commit(self, op: Op) -> Any:
        """Write and wait, in the calling thread."""
        if self._pid != os.getpid():
            self._renew()
        ticket = Ticket(op)
        self._queue.append(ticket)
        with self._mutex:
            while not ticket.done:
                self._flush()
        return ticket.value()

    def lazily(self, op: Op) -> Ticket:
        """Write with the next commit or heartbeat; nobody waits."""
        self._same_process()
        ticket = Ticket(op)
        self._queue.append(ticket)
        return ticket

    def soon(self, op: Op, callback: Callable[[Ticket], None] | None = None) -> Ticket:
        """Have the keeper write it; ``callback`` is called in the keeper's thread."""
        self._same_process()
        ticket = Ticket(op, callback)
        self._queue.append(ticket)
        self._kick()
        return ticket

    @property
    def waiting(self) -> int:
        """How many writes are queued."""
        return len(self._queue)

    def flush(self) -> None:
        """Write all that is queued, and wait."""
        self._same_process()
        with self._mutex:
            while self._queue:
                self._flush()

    # -- the leader ---------------------------------------------------------------------------

    def _flush(self) -> None:
        """One transaction for what is queued. The mutex is held."""
        batch: list[Ticket] = []
        queue = self._queue
        while queue and len(batch) < BATCH:
            batch.append(queue.popleft())
        if not batch:
            return
        ops: list[Op] = [ticket.op for ticket in batch]
        if self.starts:
            starts, self.starts = self.starts, {}
            ops.append(self._carry_starts(list(starts.values())))
        now = self._clock.monotonic()
        if now - self._looked > LOOK_EVERY:
            self._looked = now
            ops.append(self._look_for_cancel)
        interrupted: BaseException | None = None
        while True:
            results: Sequence[Any]
            try:
                results = self._store.transact(ops)
            except Committed as late:
                results = late.results
                interrupted = late.cause
            except Exception as exc:
                for ticket in batch:
                    ticket.fail(exc)
                return
            except BaseException as exc:
                # Ctrl-C while writing: what bodies have already done is written first
                if interrupted is not None:
                    for ticket in batch:
                        ticket.fail(exc)
                    raise
                interrupted = exc
                continue
            break
        for ticket, result in zip(batch, results):
            ticket.resolve(result)
        if interrupted is not None:
            raise interrupted

    @staticmethod
    def _carry_starts(starts: list[Start]) -> Op:
        def write(tx: Tx) -> None:
            for start in starts:
                carry_start(tx, start)

        return write

    def _look_for_cancel(self, tx: Any) -> None:
        for lease in list(self._leases.values()):
            row = tx(
                "SELECT fence, cancel_requested FROM runs WHERE pk = ?", (lease.run_pk,)
            ).fetchone()
            if row is not None and row[0] == lease.fence:
                lease.cancelled = bool(row[1])
            else:
                lease.lost = True

    # -- the keeper ---------------------------------------------------------------------------

    def start(self) -> None:
        """Start the keeper, if it does not run."""
        self._same_process()
        with self._wake:
            if self._keeper is None or not self._keeper.is_alive():
                self._stopping = False
                self._keeper = Keeper(self._keep, self._store.location, self._leases)
                self._keeper.start()

    def _kick(self) -> None:
        if self._kicked and self._keeper is not None:
            return
        self.start()
        with self._wake:
            self._kicked = True
            self._wake.notify()

    def _keep(self) -> None:
        while True:
            with self._wake:
                if not self._kicked and not self._stopping:
                    self._wake.wait(self._interval)
                beat = not self._kicked
                self._kicked = False
                if self._stopping:
                    return
            if beat:
                self._queue.append(Ticket(self._beat()))
            with self._mutex:
                while self._queue:
                    self._flush()

    def stop(self) -> None:
        """Write what is queued and end the keeper."""
        if self._pid != os.getpid():
            return
        self.flush()
        with self._wake:
            self._stopping = True
            self._wake.notify()
            keeper = self._keeper
        if keeper is not None and keeper is not threading.current_thread():
            keeper.join(timeout=5.0)
        self._keeper = None
