"""A visit: a run is held for a moment, by whoever replays its dead letters or settles its doubts,
and given back as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..store.base import Op, Tx
from .incidents import settle
from .leases import Lease, Owner
from .letters import mend
from .records import RunRecord, columns
from .runs import living_holder
from .writes import FENCE, checked

__all__ = ["cut_off", "leave", "visit"]


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


def cut_off(run_id: str) -> Op:
    """For failure tests: have the holder of a run be on another host, of which nothing was heard for
    as long as its lease. Another process may then take the run over."""

    def write(tx: Tx) -> None:
        row = tx("SELECT owner FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if row is None or row[0] is None:
            return
        away = replace(Owner.parse(row[0]), host="cut off", name="a host that was cut off")
        tx(
            "UPDATE runs SET owner = ?, lease_until = 0 WHERE run_id = ?",
            (away.dump(), run_id),
        )

    return write
