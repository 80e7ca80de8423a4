"""The writes that concern a whole run: begin, take over, end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..store.base import Op, Tx
from .incidents import body_failed, settle
from .leases import Lease, Owner
from .letters import mend, taken_up
from .records import RunRecord, columns
from .writes import FENCE, checked

__all__ = [
    "MAX_TAKEOVERS",
    "Ending",
    "NewRun",
    "create",
    "end",
    "holder_of",
    "living_holder",
    "take",
]

MAX_TAKEOVERS = 5
"""A run taken over so often in a row without one new checkpoint halts as ``process_crashed``."""


class NewRun(NamedTuple):
    """A run to begin. ``input`` is JSON by type, ``target`` and ``versions`` are JSON."""

    run_id: str
    workflow: str
    target: str | None
    input: bytes
    input_digest: str
    versions: str
    parent: int | None = None
    """The pk of the run that it is a part of."""
    origin: str | None = None
    """:class:`surefoot.journal.origin.Origin` as JSON; None: it runs in plain Python."""


class Ending(NamedTuple):
    """How a run ended, for now or for good."""

    status: str
    format: str | None = None
    result: bytes | None = None
    result_digest: str | None = None
    degraded: bool = False
    error: str | None = None
    reused: int = 0
    time_saved: float = 0.0
    cost_saved: float = 0.0
    forget: tuple[str, ...] = ()
    with_letters: bool = False
    """It was gone through once more: what was replayed is part of its result now."""


def create(new: NewRun, owner: Owner, now: float, lease: float) -> Op:
    """Begin a run; answers its pk, or None where the id exists."""

    def write(tx: Tx) -> int | None:
        cursor = tx(
            "INSERT INTO runs (run_id, workflow, target, status, input, input_digest, created_at, "
            "started_at, fence, owner, lease_until, versions, parent_pk, origin) "
            "VALUES (?, ?, ?, 'running', ?, ?, ?, ?, 1, ?, ?, ?, ?, ?) ON CONFLICT (run_id) DO NOTHING",
            (
                new.run_id,
                new.workflow,
                new.target,
                new.input,
                new.input_digest,
                now,
                now,
                owner.dump(),
                now + lease,
                new.versions,
                new.parent,
                new.origin,
            ),
        )
        if cursor.rowcount != 1:
            return None
        return int(tx("SELECT pk FROM runs WHERE run_id = ?", (new.run_id,)).fetchone()[0])

    return write


def living_holder(
    record: RunRecord, owner: Owner, now: float, held_here: Callable[[int], bool]
) -> str | None:
    """Who holds a run and lives, or may live; None if it can be taken.

    :param owner: this process. :param held_here: whether this very process holds a run.
    """
    if record.owner is None:
        return None
    holder = Owner.parse(record.owner)
    alive = held_here(record.pk) if holder == owner else holder.alive()
    lives = alive or (alive is None and (record.lease_until or 0) > now)
    return str(holder) if lives else None


def holder_of(record: RunRecord, now: float) -> dict[str, Any] | None:
    """The process that holds a run, and whether it lives; None if nobody holds it.

    ``alive`` is None where the process is on another host and its lease has not run out yet.
    """
    if record.status not in ("running", "rolling_back"):
        return None
    if record.owner is None:
        return {"process": None, "alive": False}
    owner = Owner.parse(record.owner)
    alive = owner.alive()
    if alive is None and (record.lease_until or 0) <= now:
        alive = False
    return {"process": str(owner), "alive": alive}


def take(
    run_id: str,
    owner: Owner,
    now: float,
    lease: float,
    held_here: Callable[[int], bool],
    *,
    to_roll_back: bool = False,
    again: bool = False,
) -> Op:
    """Take a run over. Answers the record as it was, None if there is none, or who holds it.

    A run that completed or was rolled back stays as it is; its record says so.

    :param held_here: whether this very process holds a run.
    :param to_roll_back: any run may be, and is ``rolling_back`` from then on.
    :param again: a completed run is gone through once more: its dead letters were replayed.
    """

    def write(tx: Tx) -> RunRecord | str | None:
        row = tx(f"SELECT {columns(RunRecord)} FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if row is None:
            return None
        before = RunRecord(*row)
        if before.status == "rolled_back" and not to_roll_back:
            return before
        if before.status == "completed" and not (to_roll_back or again):
            return before
        crashed = before.status in ("running", "rolling_back")
        holder = living_holder(before, owner, now, held_here)
        if holder is not None:
            return holder
        done = tx(
            "SELECT count(*) FROM calls WHERE run_pk = ? AND status IN ('completed', 'skipped')",
            (before.pk,),
        ).fetchone()[0]
        stuck = crashed and done == before.takeover_mark
        takeovers = before.takeovers + 1 if stuck else int(crashed)
        tx(
            "UPDATE runs SET status = ?, started_at = ?, ended_at = NULL, fence = fence + 1, "
            "owner = ?, lease_until = ?, takeovers = ?, takeover_mark = ?, resumes = resumes + 1, "
            "cancel_requested = 0 WHERE pk = ?",
            (
                "rolling_back" if to_roll_back or before.status == "rolling_back" else "running",
                now,
                owner.dump(),
                now + lease,
                takeovers,
                done,
                before.pk,
            ),
        )
        mend(tx, before.pk)
        return before

    return write


def end(lease: Lease, ending: Ending, now: float) -> Op:
    """Write a run's end and free its lease."""

    def write(tx: Tx) -> None:
        checked(
            lease,
            tx,
            "UPDATE runs SET status = ?, format = ?, result = ?, result_digest = ?, degraded = ?, "
            "error = ?, ended_at = ?, reused = ?, time_saved = ?, cost_saved = ?, owner = NULL, "
            f"lease_until = NULL WHERE pk = ? AND {FENCE}",
            (
                ending.status,
                ending.format,
                ending.result,
                ending.result_digest,
                int(ending.degraded),
                ending.error,
                now,
                ending.reused,
                ending.time_saved,
                ending.cost_saved,
                lease.run_pk,
            ),
        )
        if ending.with_letters:
            taken_up(tx, lease.run_pk)
        for call_id in ending.forget:
            tx(
                "UPDATE calls SET ended_run = 1 WHERE run_pk = ? AND call_id = ? "
                "AND status = 'failed'",
                (lease.run_pk, call_id),
            )
        if ending.status == "halted":
            body_failed(tx, lease, ending.error, now)
        settle(tx, lease.run_pk, now)

    return write
