"""Dead letters as they are written: one item set aside with all that is needed to replay it."""

from __future__ import annotations

from ..store.base import Op, Tx
from .leases import Lease
from .writes import FENCE, NewCall, checked

__all__ = ["dead_letter", "reopen"]


def dead_letter(
    lease: Lease,
    call: NewCall,
    kept: bytes | None,
    lost: str | None,
    kind: str,
    fingerprint: str,
    reason: str,
    now: float,
) -> Op:
    """Set an item aside.

    :param kept: its arguments in JSON by type; None where they cannot be saved, as ``lost`` says.
    """

    def write(tx: Tx) -> None:
        checked(
            lease,
            tx,
            "INSERT INTO dead_letters (run_pk, call_id, step, item, item_id, input, input_note, "
            "kind, fingerprint, reason, state, created_at) "
            f"SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ? WHERE {FENCE} "
            "ON CONFLICT (run_pk, call_id) DO UPDATE SET state = 'open', kind = excluded.kind, "
            "fingerprint = excluded.fingerprint, reason = excluded.reason, "
            "created_at = excluded.created_at, settled_at = NULL",
            (
                lease.run_pk,
                call.call_id,
                call.step,
                call.item,
                call.item_id,
                kept,
                lost,
                kind,
                fingerprint,
                reason,
                now,
            ),
        )

    return write


def reopen(lease: Lease, call_ids: tuple[str, ...], now: float) -> Op:
    """A map that halted opens its letters again: a resume runs those items."""

    def write(tx: Tx) -> None:
        for call_id in call_ids:
            tx(
                "UPDATE dead_letters SET state = 'reopened', settled_at = ? "
                f"WHERE run_pk = ? AND call_id = ? AND {FENCE}",
                (now, lease.run_pk, call_id, lease.run_pk, lease.fence),
            )

    return write
