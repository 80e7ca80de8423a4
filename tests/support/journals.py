"""Short ways to say what a journal is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from surefoot.clock import Clock, ManualClock
from surefoot.journal import Journal, Lease, NewRun, Owner, claims, letters, runs, writes
from surefoot.journal.claims import Intent
from surefoot.journal.writes import CallEnd, FailureWrite, NewCall

ELSEWHERE = Owner("another boot", "ns", 7, "7", "elsewhere")
"""A process of another host: nobody here can tell whether it lives."""

DEAD = Owner(Owner.this().host, Owner.this().namespace, 2**22 + 1, "1", "here")
"""A process of this host that is gone: no pid is as high as that."""


def open_journal(
    folder: Path,
    clock: Clock | None = None,
    *,
    lease: float = 60.0,
    seam: Callable[[str], None] | None = None,
    name: str = "journal.db",
) -> Journal:
    return Journal.open(
        folder / name, clock or ManualClock(), durability="process", lease=lease, seam=seam
    )


def new_run(run_id: str = "run") -> NewRun:
    return NewRun(run_id, "workflow", None, b"{}", "digest", "{}")


def begun(journal: Journal, run_id: str = "run") -> Lease:
    """A run that this process holds."""
    _, lease = journal.create_run(new_run(run_id))
    assert lease is not None
    return lease


def new_call(call_id: str = "call", step: str = "step", **changed: Any) -> NewCall:
    fields: dict[str, Any] = {
        "call_id": call_id,
        "scope": "",
        "step": step,
        "form": "step",
        "stage": None,
        "resource": None,
        "ordinal": 0,
        "digest": "d",
        "repeat": 0,
        "parts": None,
        "item": None,
        "item_id": None,
        "effect_key": None,
        "started_at": 1.0,
        "source": None,
        **changed,
    }
    return NewCall(**fields)


def ended(status: str = "completed", result: bytes | None = b"1") -> CallEnd:
    digest = hashlib.sha256(result).hexdigest() if result is not None else None
    return CallEnd(
        status,
        1,
        0.5,
        False,
        format="json" if result is not None else None,
        result=result,
        result_digest=digest,
    )


def failed_attempt(call_id: str = "call", attempt: int = 1) -> FailureWrite:
    texts = dict.fromkeys(
        ("severity", "rule", "fingerprint", "type", "message", "stack", "reason"), "x"
    )
    return FailureWrite(
        call_id=call_id,
        step="step",
        stage=None,
        item=None,
        attempt=attempt,
        at=1.0,
        kind="timeout",
        category="infrastructure",
        classification="{}",
        decision="retry",
        waited=0.0,
        changes=None,
        fallback=None,
        **texts,
    )


def intent(key: str = "key", at: float = 1.0, call_id: str = "call") -> Intent:
    return Intent("pay", key, call_id, at, None, "{}")


def dump(journal: Journal) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    names = journal.store.read("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name: journal.store.read(f"SELECT * FROM {name} ORDER BY rowid") for (name,) in names}


def give_to(journal: Journal, lease: Lease, owner: Owner, until: float = 0.0) -> None:
    """Have another process hold the run, until a time if it is of another host."""
    values = (owner.dump(), until, lease.run_pk)
    journal.group.commit(
        lambda tx: tx("UPDATE runs SET owner = ?, lease_until = ? WHERE pk = ?", values)
    )


def take_out_the_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: a write asks nobody whether it still holds its run."""
    unfenced = "(? IS NOT NULL OR ? IS NOT NULL)"
    for name in ("BEGIN", "END", "FAILURE", "PROCESS"):
        sql = getattr(writes, name)
        assert writes.FENCE in sql
        monkeypatch.setattr(writes, name, sql.replace(writes.FENCE, unfenced))
    for module in (writes, runs, claims, letters):
        monkeypatch.setattr(module, "FENCE", unfenced)
