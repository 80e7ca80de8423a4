"""Claims: a run's hold on an idempotency key, from before an effect acts until it is done.

A claim lives as long as its run's lease. If its owner died while it was held, nobody knows whether
the effect happened: the key is in doubt, for every run.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from ..errors import InDoubt
from ..store.base import Op, Refused, Tx
from .leases import Lease, Owner
from .writes import FENCE, fenced

__all__ = ["Claimed", "Intent", "answer_of", "asked", "claim", "finish_claim"]


class Intent(NamedTuple):
    """What an effect is about to do. ``arguments`` are bytes in JSON by type."""

    effect: str
    key: str
    call_id: str
    at: float
    arguments: bytes | None
    match: str


class Claimed(NamedTuple):
    """The answer to a claim.

    ``fresh``: act. ``done``: it happened; ``format``, ``result`` and ``digest`` are its result.
    ``busy``: ``owner`` holds it and lives. ``doubt``: it began at ``at`` and nobody knows its end;
    ``asked`` tells whether its body had asked for the key, ``token`` which doubt it is.
    """

    state: Literal["fresh", "done", "busy", "doubt"]
    match: str = "{}"
    owner: str = ""
    run_id: str = ""
    token: tuple[int, int, float] | None = None
    at: float = 0.0
    asked: bool = False
    format: str | None = None
    result: bytes | None = None
    digest: str | None = None


SELECT = (
    "SELECT c.state, c.run_pk, c.call_id, c.fence, c.asked, c.at, c.match, c.format, c.result, "
    "c.result_digest, r.run_id, r.owner, r.lease_until, r.fence "
    "FROM claims c LEFT JOIN runs r ON r.pk = c.run_pk WHERE c.effect = ? AND c.effect_key = ?"
)


def claim(
    lease: Lease,
    intent: Intent,
    now: float,
    *,
    settled: tuple[int, int, float] | None = None,
    held_here: Callable[[int], bool] | None = None,
) -> Op:
    """Claim a key, durably, before its effect acts.

    :param settled: the token of the doubt that was settled. Another doubt, of a run that settled the
        same one faster and died, is a doubt again.
    """

    def write(tx: Tx) -> Claimed:
        row = tx(SELECT, (intent.effect, intent.key)).fetchone()
        if row is not None:
            answer = answer_of(row, lease, now, held_here)
            if answer.state == "doubt" and (settled is None or answer.token != settled):
                if row[0] != "in_doubt":
                    tx(
                        "UPDATE claims SET state = 'in_doubt' WHERE effect = ? AND effect_key = ?",
                        (intent.effect, intent.key),
                    )
                return answer
            if answer.state in ("done", "busy"):
                return answer
        cursor = tx(
            "INSERT INTO claims (effect, effect_key, generation, state, run_pk, call_id, fence, "
            "asked, at, arguments, match) SELECT ?, ?, 1, 'held', ?, ?, ?, 0, ?, ?, ? "
            f"WHERE {FENCE} "
            "ON CONFLICT (effect, effect_key) DO UPDATE SET state = 'held', "
            "generation = claims.generation + CASE claims.state WHEN 'undone' THEN 1 ELSE 0 END, "
            "run_pk = excluded.run_pk, "
            "call_id = excluded.call_id, fence = excluded.fence, asked = 0, at = excluded.at, "
            "arguments = excluded.arguments, match = excluded.match",
            (
                intent.effect,
                intent.key,
                lease.run_pk,
                intent.call_id,
                lease.fence,
                intent.at,
                intent.arguments,
                intent.match,
                lease.run_pk,
                lease.fence,
            ),
        )
        if cursor.rowcount < 1:
            raise fenced(lease)
        return Claimed("fresh")

    return write


def answer_of(
    row: tuple[Any, ...],
    lease: Lease,
    now: float,
    held_here: Callable[[int], bool] | None = None,
) -> Claimed:
    """What a claim's row means for this run.

    :param held_here: whether this very process still holds a run: it may have let go of one whose
        end it could not write.
    """
    state, run_pk, _call, fence, asked_, at, match, format_, result, digest = row[:10]
    run_id, owner, lease_until, run_fence = row[10:]
    if state == "done":
        return Claimed(
            "done", match, run_id=run_id or "", format=format_, result=result, digest=digest
        )
    if state in ("refused", "undone"):
        return Claimed("fresh", match)
    if state == "held":
        if run_pk == lease.run_pk and fence == lease.fence:
            # this very process, repeating a write whose commit it did not see, or waiting for the
            # same key in another of its threads: the caller tells those apart
            return Claimed("fresh", match)
        # whoever holds a run may be at it, a replay of a completed run too
        if run_pk != lease.run_pk and fence == run_fence and owner:
            holder = Owner.parse(owner)
            alive = holder.alive()
            if held_here is not None and holder == Owner.this():
                alive = held_here(run_pk)
            if alive or (alive is None and (lease_until or 0) > now):
                return Claimed("busy", match, owner=str(Owner.parse(owner)), run_id=run_id)
    return Claimed(
        "doubt", match, run_id=run_id or "", token=(run_pk, fence, at), at=at, asked=bool(asked_)
    )


OWN = "effect = ? AND effect_key = ? AND state = 'held' AND run_pk = ? AND fence = ?"
"""A claim that is still the lease's own: another run may have taken it while this one slept."""


def asked(lease: Lease, effect: str, key: str) -> Op:
    """The body has asked for the key: from now on a repetition carries it too."""

    def write(tx: Tx) -> None:
        cursor = tx(
            f"UPDATE claims SET asked = 1 WHERE {OWN} AND {FENCE}",
            (effect, key, lease.run_pk, lease.fence, lease.run_pk, lease.fence),
        )
        if cursor.rowcount < 1:
            raise lost(tx, lease, effect, key)

    return write


def finish_claim(
    lease: Lease,
    effect: str,
    key: str,
    state: str,
    *,
    format: str | None = None,
    result: bytes | None = None,
    digest: str | None = None,
    reset_asked: bool = False,
    lenient: bool = False,
) -> Op:
    """A claim's end: ``done`` with its result, ``refused``, ``in_doubt``; or ``held`` for the next
    attempt, which has not asked for the key yet.

    Where the claim is not the lease's own any more, a result is kept as evidence for its doubt.

    :param lenient: leave a claim alone that is not held by this lease.
    """

    def write(tx: Tx) -> None:
        cursor = tx(
            "UPDATE claims SET state = ?, format = ?, result = ?, result_digest = ?, "
            f"asked = asked * ? WHERE {OWN} AND {FENCE}",
            (
                state,
                format,
                result,
                digest,
                int(not reset_asked),
                effect,
                key,
                lease.run_pk,
                lease.fence,
                lease.run_pk,
                lease.fence,
            ),
        )
        if cursor.rowcount < 1 and not lenient:
            if state == "done":
                told = {
                    "run": lease.run_id,
                    "fence": lease.fence,
                    "format": format,
                    "digest": digest,  # where there are no bytes here, a file beside the journal
                    "result": base64.b64encode(result).decode() if result is not None else None,
                }
                tx(
                    "UPDATE claims SET evidence = ? WHERE effect = ? AND effect_key = ?",
                    (json.dumps(told), effect, key),
                )
            raise lost(tx, lease, effect, key)

    return write


def lost(tx: Tx, lease: Lease, effect: str, key: str) -> Refused:
    """A claim was taken by another run while this one slept, or the run itself was."""
    row = tx("SELECT fence FROM runs WHERE pk = ?", (lease.run_pk,)).fetchone()
    if row is None or row[0] != lease.fence:
        return fenced(lease)
    return Refused(
        InDoubt(
            f"effect {effect} with key {key!r}: another run took the key over while this process "
            "was away, so it may have happened twice. Compare both runs before you resume this one"
        )
    )
