"""A visit: a run is held for a moment, by whoever replays its dead letters or settles its doubts,
and given back as it was."""

from __future__ import annotations

from collections.abc import Callable

from ..store.base import Op, Tx
from .incidents import settle
from .leases import Lease, Owner
from .letters import mend
from .records import RunRecord, columns
from .runs import living_holder
from .writes import FENCE, checked

__all__ = ["leave", "visit"]


def visit(
    run_id: str, owner: Owner, now: float, lease: float, held_here: Callable[[int], bool]
) -> Op:
    """Hold a run that nobody is at. Answers its record as it was, None if there is none, or who
    holds it. Its status stays what it is."""

    def write(tx: Tx) -> RunRecord | str | None:
        row = tx(f"SELECT {columns(RunRecord)} FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if row is None:
            return None
        before = RunRecord(*row)
        holder = living_holder(before, owner, now, held_here)
        if holder is not None:
            return holder
        tx(
            "UPDATE runs SET fence = fence + 1, owner = ?, lease_until = ?, "
            "cancel_requested = 0 WHERE pk = ?",
            (owner.dump(), now + lease, before.pk),
        )
        mend(tx, before.pk)
        return before

    return write


def leave(lease: Lease, now: float) -> Op:
    """The visit is over. What it mended may have been all that an incident waited for."""

    def write(tx: Tx) -> None:
        checked(
            lease,
            tx,
            f"UPDATE runs SET owner = NULL, lease_until = NULL WHERE pk = ? AND {FENCE}",
            (lease.run_pk,),
        )
        mend(tx, lease.run_pk)
        settle(tx, lease.run_pk, now)

    return write
