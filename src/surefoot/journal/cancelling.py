"""Cancelling a run: one that lives is asked to stop, one that stands still is cancelled at once."""

from __future__ import annotations

from collections.abc import Callable

from ..store.base import Op, Tx
from .incidents import settle
from .leases import Owner
from .records import RunRecord, columns
from .runs import living_holder

__all__ = ["cancel"]


def cancel(run_id: str, owner: Owner, now: float, held_here: Callable[[int], bool]) -> Op:
    """Answers ``asked``, ``cancelled``, or the status of a run that cannot be cancelled any more;
    None if there is none."""

    def write(tx: Tx) -> str | None:
        row = tx(f"SELECT {columns(RunRecord)} FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if row is None:
            return None
        record = RunRecord(*row)
        if record.status not in ("running", "halted", "interrupted"):
            return record.status
        if living_holder(record, owner, now, held_here) is not None:
            tx("UPDATE runs SET cancel_requested = 1 WHERE pk = ?", (record.pk,))
            return "asked"
        tx(
            "UPDATE runs SET status = 'cancelled', ended_at = coalesce(ended_at, ?), owner = NULL, "
            "lease_until = NULL, fence = fence + 1 WHERE pk = ?",
            (now, record.pk),
        )
        settle(tx, record.pk, now)
        return "now"

    return write
