"""The journal: one database, its blobs, its leases, and the group commit in front of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..blobs.folder import INLINE_BYTES, Blobs
from ..clock import Clock
from ..errors import CheckpointDamaged, JournalError, RunLocked, UnknownRun
from ..journal_url import is_postgres
from ..policy.incidents import DAY
from ..store.base import Op, Refused, Store, Tx
from . import cancelling, visits
from . import runs as run_writes
from .claims import Claimed
from .group_commit import GroupCommit, Start, Ticket, carry_start, held_here
from .leases import Lease, Owner
from .reading import Reading
from .records import RunRecord
from .runs import NewRun

if TYPE_CHECKING:
    from ..blobs.objects import ObjectBlobs

__all__ = ["Claimed", "Journal", "NewRun", "Stored", "Ticket"]


class Stored(NamedTuple):
    """A checkpoint as a row holds it: inline bytes, or None and a file of that digest."""

    format: str
    inline: bytes | None
    digest: str
    guard: Op | None = None
    """Of a file: to be written in the transaction of the row that names it; see :meth:`Journal.keep`."""

    def guarded(self, op: Op) -> Op:
        """``op``, which names this checkpoint, after a look whether ``surefoot prune`` removed it."""
        guard = self.guard
        if guard is None:
            return op

        def write(tx: Tx) -> Any:
            guard(tx)
            return op(tx)

        return write


class Journal(Reading):
    """What is written once and read by everyone.

    :param store: the database.
    :param blobs: where checkpoints above 64 KiB go.
    :param lease: seconds after which the lease of a silent process of another host is free.
    :param regression_after: seconds of quiet after which a resolved incident's failure is a
        regression.
    """

    def __init__(
        self,
        store: Store,
        blobs: Blobs | ObjectBlobs,
        clock: Clock,
        *,
        lease: float = 60.0,
        regression_after: float = DAY,
    ) -> None:
        super().__init__(store)
        self.regression_after = regression_after
        self.blobs = blobs
        self.clock = clock
        self.lease_seconds = lease
        self._leases: dict[int, Lease] = {}
        self._late: dict[str, Start] = {}
        self.group = GroupCommit(store, self._leases, self._beat, lease / 3, clock)

    @classmethod
    def open(
        cls,
        location: str | Path,
        clock: Clock,
        *,
        durability: str = "power",
        lease: float = 60.0,
        regression_after: float = DAY,
        seam: Callable[[str], None] | None = None,
        create: bool = True,
        blobs: Blobs | ObjectBlobs | None = None,
    ) -> Journal:
        """A journal in a SQLite file, or by a ``postgresql://`` URL in Postgres.

        :param blobs: where large checkpoints go; None is a folder beside the file, or a table.
        :raises JournalError: it cannot be used. :raises ConfigError: a library is missing.
        """
        store: Store
        if is_postgres(str(location)):
            from ..store.postgres import PostgresStore
            from .table_blobs import TableBlobs

            store = PostgresStore(str(location), seam=seam, create=create)
            blobs = blobs or TableBlobs(store)
        else:
            from ..store.sqlite import SqliteStore

            store = SqliteStore(location, durability=durability, seam=seam, create=create)
            folder = Path(store.location + ".blobs")
            blobs = blobs or Blobs(folder, durable=durability == "power")
        return cls(store, blobs, clock, lease=lease, regression_after=regression_after)

    def close(self) -> None:
        self.group.stop()
        self.store.close()

    # -- runs ---------------------------------------------------------------------------------

    def create_run(self, new: NewRun) -> tuple[RunRecord, Lease | None]:
        """Begin a run, held by this process; where its id exists, its record and no lease."""
        lease_pk = self.group.commit(
            run_writes.create(new, Owner.this(), self.clock.now(), self.lease_seconds)
        )
        record = self.run(new.run_id)
        if lease_pk is None:
            return record, None
        return record, self._hold(record)

    def take(
        self, run_id: str, *, to_roll_back: bool = False, again: bool = False
    ) -> tuple[RunRecord, Lease | None]:
        """Take hold of a run in order to resume it, or to roll it back.

        :param again: a completed run too: its dead letters were replayed.
        :returns: the record as it was before, and the lease; None where the run is over.
        :raises UnknownRun: there is none. :raises RunLocked: a living process holds it.
        """
        taken = self.group.commit(
            run_writes.take(
                run_id,
                Owner.this(),
                self.clock.now(),
                self.lease_seconds,
                self.held_here,
                to_roll_back=to_roll_back,
                again=again,
            )
        )
        if isinstance(taken, str):
            raise RunLocked(
                f"run {run_id} is held by {taken}; wait for it to end, or stop that process, then: "
                f"surefoot resume {run_id}"
            )
        if taken is None:
            raise self.unknown(run_id)
        before: RunRecord = taken
        if before.status == "rolled_back" and not to_roll_back:
            return before, None
        if before.status == "completed" and not (to_roll_back or again):
            return before, None
        return before, self._hold(self.run(run_id))

    def visit(self, run_id: str) -> tuple[RunRecord, Lease]:
        """Hold a run for a moment without changing what it is; :meth:`leave` it afterwards.

        :raises UnknownRun: there is none. :raises RunLocked: a living process holds it.
        """
        found = self.group.commit(
            visits.visit(run_id, Owner.this(), self.clock.now(), self.lease_seconds, self.held_here)
        )
        if found is None:
            raise self.unknown(run_id)
        if isinstance(found, str):
            raise RunLocked(
                f"run {run_id} is held by {found}; wait for it to end, or stop it with: "
                f"surefoot cancel {run_id}"
            )
        record: RunRecord = found
        return record, self._hold(self.run(run_id))

    def leave(self, lease: Lease) -> None:
        """Give back a run that was held by :meth:`visit`."""
        try:
            self.group.commit(visits.leave(lease, self.clock.now()))
        finally:
            self.let_go(lease)

    def held_here(self, run_pk: int) -> bool:
        """Whether this very process holds a run of this journal."""
        return held_here(self.store.location, run_pk)

    def _hold(self, record: RunRecord) -> Lease:
        lease = Lease(record.pk, record.run_id, record.fence, self.regression_after)
        self._leases[record.pk] = lease
        self.group.start()
        return lease

    def end_run(
        self, lease: Lease, ending: run_writes.Ending, stored: Stored | None = None
    ) -> None:
        """Write how a run ended and let go of it.

        :param stored: its result, where there is one.
        """
        try:
            op = run_writes.end(lease, ending, self.clock.now())
            self.group.commit(op if stored is None else stored.guarded(op))
        finally:
            self.let_go(lease)

    def let_go(self, lease: Lease) -> None:
        """Stop the heartbeat for a run; what the database says of it stays."""
        self._leases.pop(lease.run_pk, None)

    def request_cancel(self, run_id: str) -> None:
        """Set the flag that the run sees at its next step."""

        def write(tx: Tx) -> int:
            cursor = tx("UPDATE runs SET cancel_requested = 1 WHERE run_id = ?", (run_id,))
            return int(cursor.rowcount)

        if not self.group.commit(write):
            raise self.unknown(run_id)
        self._flag(run_id)

    def cancel(self, run_id: str) -> str:
        """Cancel a run.

        :returns: ``asked``: it lives, and stops at its next step; ``now``: it is cancelled; else its
            status: it cannot be cancelled any more.
        :raises UnknownRun: there is none.
        """
        answer = self.group.commit(
            cancelling.cancel(run_id, Owner.this(), self.clock.now(), self.held_here)
        )
        if answer is None:
            raise self.unknown(run_id)
        if answer == "asked":
            self._flag(run_id)
        return str(answer)

    def _flag(self, run_id: str) -> None:
        for lease in list(self._leases.values()):
            if lease.run_id == run_id:
                lease.cancelled = True

    def unknown(self, run_id: str) -> UnknownRun:
        return UnknownRun(
            f"there is no run {run_id!r} in the journal {self.store.location}; "
            "list its runs with: surefoot runs"
        )

    def _beat(self) -> Op:
        """One heartbeat: the starts that nobody carried yet, and all live leases."""
        starts = list(self._late)
        taken: list[Start] = []  # a write may be repeated, and carries the same ones then
        now = self.clock.now()

        def write(tx: Tx) -> None:
            for call_id in starts:
                start = self._late.pop(call_id, None)
                if start is not None:
                    taken.append(start)
            for start in taken:
                carry_start(tx, start)
            for lease in list(self._leases.values()):
                tx(
                    "UPDATE runs SET lease_until = ? WHERE pk = ? AND fence = ?",
                    (now + self.lease_seconds, lease.run_pk, lease.fence),
                )

        return write

    # -- starts -------------------------------------------------------------------------------

    def start(self, call_id: str, start: Start, *, mapped: bool) -> None:
        """A plain step has begun: the next commit carries it, or, for the many of a map, the next
        heartbeat."""
        (self._late if mapped else self.group.starts)[call_id] = start

    def started(self, call_id: str) -> None:
        """Its end is about to be written: a start that nobody carried yet is not needed."""
        if self.group.starts.pop(call_id, None) is None:
            self._late.pop(call_id, None)

    # -- checkpoints --------------------------------------------------------------------------

    def keep(self, format: str, data: bytes) -> Stored:
        """Put a checkpoint where it belongs: into the row, or into a file.

        A file may be found there already, be pruned, and only then be named by a row. So the write of
        that row goes through :meth:`Stored.guarded`: it writes a file that was removed once more.
        """
        digest = hashlib.sha256(data).hexdigest()
        if len(data) <= INLINE_BYTES:
            return Stored(format, data, digest)
        self.blobs.put(digest, data)
        return Stored(format, None, digest, self._guard(digest, data))

    def _guard(self, digest: str, data: bytes) -> Op:
        def write(tx: Tx) -> None:
            found = tx("SELECT 1 FROM removed_blobs WHERE digest = ?", (digest,)).fetchone()
            if found is None:
                return
            try:
                self.blobs.put(digest, data, again=True)
            except JournalError as exc:
                raise Refused(exc) from exc  # the other writes of the batch go on
            tx("DELETE FROM removed_blobs WHERE digest = ?", (digest,))

        return write

    def fetch(self, inline: bytes | None, digest: str) -> bytes:
        """The bytes of a checkpoint, checked against their digest.

        :raises CheckpointDamaged: they are not what was written.
        """
        if inline is None:
            return self.blobs.get(digest)
        if hashlib.sha256(inline).hexdigest() != digest:
            raise CheckpointDamaged(f"a checkpoint in {self.store.location} is damaged")
        return inline
