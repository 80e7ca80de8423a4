"""Large checkpoints in a table of the Postgres journal, where each host finds them."""

from __future__ import annotations

from pathlib import Path

from ..blobs import Blobs, checked
from ..errors import CheckpointDamaged
from ..store.base import Store, Tx

__all__ = ["TableBlobs"]


class TableBlobs(Blobs):
    """The table ``blobs``: put and get as of :class:`surefoot.blobs.Blobs`, and no files."""

    def __init__(self, store: Store) -> None:
        super().__init__(Path(f"{store.location}#blobs"))
        self._store = store

    def put(self, digest: str, data: bytes, *, again: bool = False) -> None:
        def write(tx: Tx) -> None:
            tx(
                "INSERT INTO blobs (digest, data) VALUES (?, ?) "
                "ON CONFLICT (digest) DO UPDATE SET data = excluded.data "
                "WHERE blobs.data <> excluded.data",
                (digest, data),
            )

        self._store.transact([write])

    def get(self, digest: str) -> bytes:
        where = f"the checkpoint {digest} in {self._store.location}"
        rows = self._store.read("SELECT data FROM blobs WHERE digest = ?", (digest,))
        if not rows:
            raise CheckpointDamaged(f"{where} is missing")
        return checked(bytes(rows[0][0]), digest, where)
