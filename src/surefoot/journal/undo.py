"""What a rollback reads and writes: the effects of a run, and what became of each undo."""

from __future__ import annotations

from typing import NamedTuple

from ..store.base import Op, Store, Tx
from .incidents import body_failed
from .leases import Lease
from .letters import settle_letter
from .writes import FENCE, checked, fenced

__all__ = [
    "Compensation",
    "Deed",
    "begin_rollback",
    "compensations",
    "deeds",
    "settle_deed",
    "undone",
]

UNDO = ".undo"
"""Ends the name of the effect that an undo is."""


class Deed(NamedTuple):
    """An effect that a run did, or may have done. ``at`` is when its intent was written."""

    effect: str
    key: str
    generation: int
    state: str
    call_id: str
    at: float
    arguments: bytes | None
    format: str | None
    result: bytes | None
    digest: str | None


class Compensation(NamedTuple):
    """What became of one undo: ``done``, ``failed``, ``in_doubt`` or ``kept`` (it has none)."""

    call_id: str
    step: str
    effect_key: str
    generation: int
    state: str
    at: float
    detail: str | None


def deeds(store: Store, run_pk: int) -> list[Deed]:
    """The effects that this run did, or may have done; the last one first."""
    rows = store.read(
        "SELECT effect, effect_key, generation, state, call_id, at, arguments, format, result, "
        "result_digest FROM claims WHERE run_pk = ? AND state IN ('done', 'held', 'in_doubt') "
        f"AND effect NOT LIKE '%{UNDO}' ORDER BY at DESC, rowid DESC",
        (run_pk,),
    )
    return [Deed(*row) for row in rows]


def compensations(store: Store, run_pk: int) -> list[Compensation]:
    """What became of the undos of a run, in the order in which they were tried."""
    rows = store.read(
        "SELECT call_id, coalesce(step, ''), coalesce(effect_key, ''), generation, state, at, detail "
        "FROM compensations WHERE run_pk = ? ORDER BY pk",
        (run_pk,),
    )
    return [Compensation(*row) for row in rows]


def begin_rollback(lease: Lease, error: str | None, now: float) -> Op:
    """From now on the run is being rolled back, whoever goes on with it."""

    def write(tx: Tx) -> None:
        checked(
            lease,
            tx,
            "UPDATE runs SET status = 'rolling_back', error = coalesce(?, error) "
            f"WHERE pk = ? AND {FENCE}",
            (error, lease.run_pk),
        )
        body_failed(tx, lease, error, now)

    return write


def settle_deed(lease: Lease, deed: Deed, state: str) -> Op:
    """An effect in doubt was found to have happened (``done``) or not (``refused``)."""

    def write(tx: Tx) -> None:
        cursor = tx(
            "UPDATE claims SET state = ? WHERE effect = ? AND effect_key = ? AND run_pk = ? "
            f"AND generation = ? AND {FENCE}",
            (
                state,
                deed.effect,
                deed.key,
                lease.run_pk,
                deed.generation,
                lease.run_pk,
                lease.fence,
            ),
        )
        if cursor.rowcount < 1:
            raise fenced(lease)

    return write


def undone(lease: Lease, deed: Deed, state: str, detail: str | None, now: float) -> Op:
    """What became of an undo. One that is done frees its key for a new generation."""

    def write(tx: Tx) -> None:
        checked(
            lease,
            tx,
            "INSERT INTO compensations (run_pk, call_id, step, effect_key, generation, state, "
            "attempts, at, detail) "
            f"SELECT ?, ?, ?, ?, ?, ?, 1, ?, ? WHERE {FENCE} "
            "ON CONFLICT (run_pk, call_id) DO UPDATE SET state = excluded.state, "
            "attempts = compensations.attempts + 1, at = excluded.at, detail = excluded.detail, "
            "generation = excluded.generation",
            (
                lease.run_pk,
                deed.call_id,
                deed.effect,
                deed.key,
                deed.generation,
                state,
                now,
                detail,
            ),
        )
        if state == "done":
            tx(
                "UPDATE claims SET state = 'undone' WHERE effect = ? AND effect_key = ? "
                "AND run_pk = ? AND generation = ?",
                (deed.effect, deed.key, lease.run_pk, deed.generation),
            )
            settle_letter(
                tx, lease.run_pk, f"{deed.call_id}{UNDO}", "replayed", "undone after all", now
            )

    return write
