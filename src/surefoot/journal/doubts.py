"""Effects in doubt, and what a person who looked says of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import UsageError
from ..store.base import Op, Refused, Store, Tx
from .leases import Lease, Owner
from .letters import settle_letter
from .undo import UNDO, Deed, deeds, undone
from .writes import FENCE, fenced

__all__ = ["Doubt", "Resolved", "deed_of", "doubts", "resolve", "resolved", "undo_of"]


class Doubt(NamedTuple):
    """A claim that nobody knows the end of.

    ``by`` is the run whose claim it is. ``call_id`` is the call of the run that was asked for, which
    waits for it; ``status`` is that call's.
    """

    effect: str
    key: str
    generation: int
    state: str
    run_pk: int
    by: str
    fence: int
    at: float
    asked: bool
    arguments: bytes | None
    evidence: str | None
    call_id: str
    status: str | None
    item: int | None
    item_id: str | None
    scope: str


class Resolved(NamedTuple):
    """What a person said of a doubt: ``done``, ``not_done`` or ``skipped``."""

    effect: str
    key: str
    how: str
    at: float


SELECT = (
    "SELECT c.effect, c.effect_key, c.generation, c.state, c.run_pk, r.run_id, c.fence, c.at, "
    "c.asked, c.arguments, c.evidence, coalesce(k.call_id, c.call_id), k.status, k.item, k.item_id, "
    "coalesce(k.scope, ''), r.owner, r.lease_until, r.fence "
    "FROM claims c LEFT JOIN runs r ON r.pk = c.run_pk "
    "LEFT JOIN calls k ON k.run_pk = ? AND k.step = c.effect AND k.effect_key = c.effect_key "
    "AND k.status != 'superseded' "
    # a run that was stopped by another one's doubt has no call of it yet, only the failure
    "WHERE c.state IN ('held', 'in_doubt') AND (c.run_pk = ? OR k.call_id IS NOT NULL OR c.call_id "
    "IN (SELECT call_id FROM failures WHERE run_pk = ? AND step = c.effect)) "
    "ORDER BY c.at, c.rowid"
)


def doubts(store: Store, run_pk: int, now: float, held_here: Callable[[int], bool]) -> list[Doubt]:
    """The effects of a run of which nobody knows whether they happened, the oldest first. The run
    itself must not be going on."""
    found = []
    for row in store.read(SELECT, (run_pk, run_pk, run_pk)):
        *known, owner, lease_until, run_fence = row
        doubt = Doubt(*known)
        if doubt.state == "held" and doubt.run_pk != run_pk and doubt.fence == run_fence and owner:
            holder = Owner.parse(owner)
            alive = held_here(doubt.run_pk) if holder == Owner.this() else holder.alive()
            if alive or (alive is None and (lease_until or 0) > now):
                continue  # another run is at it right now
        found.append(doubt)
    return found


def resolved(store: Store, run_pk: int) -> list[Resolved]:
    """The doubts of a run that a person has settled."""
    rows = store.read(
        "SELECT c.effect, c.effect_key, c.evidence FROM claims c "
        "WHERE c.evidence LIKE '%\"resolved\"%' AND (c.run_pk = ? OR EXISTS (SELECT 1 FROM calls k "
        "WHERE k.run_pk = ? AND k.step = c.effect AND k.effect_key = c.effect_key)) "
        "ORDER BY c.at, c.rowid",
        (run_pk, run_pk),
    )
    found = []
    for effect, key, evidence in rows:
        told = json.loads(evidence)
        found.append(Resolved(effect, key, told["resolved"], told["at"]))
    return found


def undo_of(doubt: Doubt) -> tuple[str, str, int]:
    """Effect, key and generation of what an undo in doubt undoes."""
    effect = doubt.effect.removesuffix(UNDO)
    key, _, generation = doubt.key.removeprefix(f"undo:{effect}:").rpartition(":")
    return effect, key, int(generation or 1)


def deed_of(store: Store, run_pk: int, doubt: Doubt) -> Deed | None:
    """The effect that an undo in doubt is of, or that is in doubt itself."""
    wanted = undo_of(doubt) if doubt.effect.endswith(UNDO) else None
    for deed in deeds(store, run_pk):
        told = (deed.effect, deed.key, deed.generation)
        if told == (wanted or (doubt.effect, doubt.key, doubt.generation)):
            return deed
    return None


def resolve(
    lease: Lease,
    doubt: Doubt,
    how: str,
    now: float,
    *,
    stored: tuple[str, bytes | None, str] | None = None,
    deed: Deed | None = None,
    rolled_back: bool = False,
) -> Op:
    """Write what a person says.

    :param how: ``done`` (with its result, ``stored``), ``not_done`` or ``skipped``.
    :param deed: of an undo: what it undoes; of an effect of a run that was rolled back: itself.
    """

    def write(tx: Tx) -> None:
        _claim(tx, lease, doubt, how, now, stored)
        if doubt.effect.endswith(UNDO):
            _undo(tx, lease, doubt, how, now, deed)
            return
        if how == "done":
            assert stored is not None
            _done(tx, lease, doubt, stored)
            settle_letter(tx, lease.run_pk, doubt.call_id, "replayed", None, now)
        elif how == "not_done":
            tx(
                "UPDATE calls SET ended_run = 1 WHERE run_pk = ? AND call_id = ? "
                "AND status = 'failed'",
                (lease.run_pk, doubt.call_id),
            )
            if rolled_back and deed is not None:
                undone(lease, deed, "kept", "it had not happened", now)(tx)
                settle_letter(
                    tx, lease.run_pk, f"{deed.call_id}{UNDO}", "replayed", "nothing to undo", now
                )
        else:
            assert stored is not None
            _skipped(tx, lease, doubt, now, stored)

    return write


def _claim(
    tx: Tx,
    lease: Lease,
    doubt: Doubt,
    how: str,
    now: float,
    stored: tuple[str, bytes | None, str] | None,
) -> None:
    state = {"done": "done", "not_done": "refused"}.get(how, "in_doubt")
    format_, result, digest = stored if stored is not None and how == "done" else (None, None, None)
    evidence: dict[str, Any] = {"resolved": how, "at": now}
    if doubt.evidence is not None:
        evidence["reported"] = json.loads(doubt.evidence)
    row = tx("SELECT fence FROM runs WHERE pk = ?", (lease.run_pk,)).fetchone()
    if row is None or row[0] != lease.fence:
        raise fenced(lease)
    cursor = tx(
        "UPDATE claims SET state = ?, format = ?, result = ?, result_digest = ?, evidence = ? "
        "WHERE effect = ? AND effect_key = ? AND run_pk = ? AND fence = ? AND at = ? "
        f"AND state IN ('held', 'in_doubt') AND {FENCE}",
        (
            state,
            format_,
            result,
            digest,
            json.dumps(evidence),
            doubt.effect,
            doubt.key,
            doubt.run_pk,
            doubt.fence,
            doubt.at,
            lease.run_pk,
            lease.fence,
        ),
    )
    if cursor.rowcount < 1:
        raise Refused(
            UsageError(
                f"{doubt.effect} with key {doubt.key!r} has gone on meanwhile and is not as it was; "
                f"look again: surefoot show {lease.run_id}"
            )
        )


def _done(tx: Tx, lease: Lease, doubt: Doubt, stored: tuple[str, bytes | None, str]) -> None:
    other = doubt.by if doubt.run_pk != lease.run_pk else None
    tx(
        "UPDATE calls SET status = 'completed', format = ?, result = ?, result_digest = ?, "
        "degraded = NULL, exception = NULL, ended_run = 0, taken_from = ?, "
        "note = 'resolved by a person: done' WHERE run_pk = ? AND call_id = ?",
        (*stored, other, lease.run_pk, doubt.call_id),
    )


def _skipped(
    tx: Tx, lease: Lease, doubt: Doubt, now: float, stored: tuple[str, bytes | None, str]
) -> None:
    if doubt.item is None:
        tx(
            "UPDATE calls SET status = 'completed', format = ?, result = ?, result_digest = ?, "
            "degraded = 'skipped', exception = NULL, ended_run = 0, "
            "note = 'resolved by a person: skipped' WHERE run_pk = ? AND call_id = ?",
            (*stored, lease.run_pk, doubt.call_id),
        )
        return
    reason = "nobody knows whether it happened; skipped by a person"
    tx(
        "UPDATE calls SET status = 'skipped', format = NULL, exception = NULL, ended_run = 0, "
        "note = ? WHERE run_pk = ? AND call_id = ?",
        (f"in_doubt: {reason}", lease.run_pk, doubt.call_id),
    )
    tx(
        "INSERT INTO dead_letters (run_pk, call_id, step, item, item_id, input, kind, fingerprint, "
        "reason, state, created_at) VALUES (?, ?, ?, ?, ?, ?, 'in_doubt', coalesce((SELECT fingerprint "
        "FROM failures WHERE run_pk = ? AND call_id = ? ORDER BY pk DESC LIMIT 1), ''), ?, 'open', ?) "
        "ON CONFLICT (run_pk, call_id) DO UPDATE SET state = 'open', kind = 'in_doubt', "
        "reason = excluded.reason, settled_at = NULL, note = NULL",
        (
            lease.run_pk,
            doubt.call_id,
            doubt.effect,
            doubt.item,
            doubt.item_id,
            doubt.arguments,
            lease.run_pk,
            doubt.call_id,
            reason,
            now,
        ),
    )


def _undo(tx: Tx, lease: Lease, doubt: Doubt, how: str, now: float, deed: Deed | None) -> None:
    if deed is None or how == "not_done":
        return  # it is tried again by the next rollback
    if how == "done":
        undone(lease, deed, "done", "resolved by a person", now)(tx)
        return
    undone(lease, deed, "kept", "left as it is, by a person", now)(tx)
    settle_letter(
        tx, lease.run_pk, f"{deed.call_id}{UNDO}", "discarded", "left as it is, by a person", now
    )
