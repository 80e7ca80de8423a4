"""Calls that are set aside by ``resume --from``: superseded, never deleted."""

from __future__ import annotations

from collections.abc import Iterable

from ..store.base import Op, Store, Tx
from .leases import Lease
from .records import CallRecord
from .writes import FENCE, checked

__all__ = ["deeds_without_a_key", "supersede"]


def deeds_without_a_key(store: Store, run_pk: int, run_id: str) -> dict[str, str]:
    """Effects without a key that this run did, or may have done: state of the claim by call id."""
    rows = store.read(
        "SELECT call_id, state FROM claims WHERE run_pk = ? AND effect_key = ? || ':' || call_id "
        "AND state IN ('done', 'held', 'in_doubt')",
        (run_pk, run_id),
    )
    return dict(rows)


def supersede(lease: Lease, calls: Iterable[CallRecord], now: float) -> Op:
    """Rename calls, so that a resume does not find them; their failures go with them. Dead letters
    among them are open again."""
    chosen = list(calls)
    renamed = {call.call_id: f"{call.call_id}~{call.seq}" for call in chosen}

    def moved(scope: str) -> str:
        first, slash, rest = scope.partition("/")
        return f"{renamed.get(first, first)}{slash}{rest}"

    def write(tx: Tx) -> None:
        for call in chosen:
            new = renamed[call.call_id]
            checked(
                lease,
                tx,
                "UPDATE calls SET call_id = ?, scope = ?, status = 'superseded' "
                f"WHERE seq = ? AND {FENCE}",
                (new, moved(call.scope), call.seq),
            )
            tx(
                "UPDATE failures SET call_id = ? WHERE run_pk = ? AND call_id = ?",
                (new, lease.run_pk, call.call_id),
            )
            tx(
                "UPDATE dead_letters SET state = 'reopened', settled_at = ? "
                "WHERE run_pk = ? AND call_id = ? AND state IN ('open', 'replayed')",
                (now, lease.run_pk, call.call_id),
            )

    return write
