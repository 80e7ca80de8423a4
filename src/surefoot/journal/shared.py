"""What processes on one journal tell each other about resources: only when something has changed."""

from __future__ import annotations

from typing import NamedTuple

from ..store.base import Op, Store, Tx

__all__ = ["SharedState", "shared_states", "tell"]


class SharedState(NamedTuple):
    """A resource as some process left it; both times are seconds since the epoch."""

    name: str
    gate_until: float
    open_until: float


def tell(name: str, gate_until: float, open_until: float, now: float) -> Op:
    """A gate or a circuit has closed or opened. Of two gates the later one counts; of two circuits
    the last word."""

    def write(tx: Tx) -> None:
        circuit = "open" if open_until > now else "closed"
        tx(
            "INSERT INTO resources (name, gate_until, circuit, detail, updated_at) "
            "VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
            "gate_until = CASE WHEN excluded.gate_until > resources.gate_until "
            "THEN excluded.gate_until ELSE resources.gate_until END, circuit = excluded.circuit, "
            "detail = excluded.detail, updated_at = excluded.updated_at",
            (name, gate_until, circuit, repr(open_until), now),
        )

    return write


def shared_states(store: Store) -> list[SharedState]:
    """All resources that something was told of."""
    rows = store.read("SELECT name, gate_until, circuit, detail FROM resources")
    return [
        SharedState(name, gate, float(until or 0.0) if circuit == "open" else 0.0)
        for name, gate, circuit, until in rows
    ]
