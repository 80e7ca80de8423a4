"""What people order about incidents. Each order is one write; what it refuses says the next move.

All text (names, notes) is scrubbed by whoever calls. An author is a person; times are seconds since
the epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..errors import UsageError
from ..store.base import Op, Refused, Tx
from .incidents import RECOVERY, event, settle_one

__all__ = ["acknowledge", "add_note", "assign", "merge", "mute", "resolve", "unmute"]


class _Row(NamedTuple):
    pk: int
    fingerprint: str
    state: str
    owner: str | None
    merged_into: int | None
    resolved_by: str | None
    failures: int
    first_at: float
    last_at: float
    opened_at: float


SELECT = f"SELECT {', '.join(_Row._fields)} FROM incidents WHERE pk = ?"


def _refuse(message: str) -> Refused:
    return Refused(UsageError(message))


def _row(tx: Tx, pk: int) -> _Row:
    """The incident as it is now; one that was merged takes no orders."""
    found = tx(SELECT, (pk,)).fetchone()
    if found is None:
        raise _refuse(f"there is no incident {pk}; list them with: surefoot incidents list")
    row = _Row(*found)
    if row.merged_into is not None:
        raise _refuse(
            f"incident {pk} was merged into {row.merged_into}, which stands for both; name that one"
        )
    return row


def _ordered(pk: int, order: Callable[[Tx, _Row], None]) -> Op:
    def write(tx: Tx) -> None:
        order(tx, _row(tx, pk))

    return write


def acknowledge(pk: int, author: str, now: float, owner: str | None, note: str | None) -> Op:
    """Someone has seen it and is at it. It stays so until it is resolved.

    :param owner: who is at it; None leaves it as it is.
    """

    def order(tx: Tx, row: _Row) -> None:
        if row.state == "resolved":
            raise _refuse(
                f"incident {pk} is resolved: there is nothing to acknowledge; say what you know with: "
                f"surefoot incidents note {pk} TEXT"
            )
        tx(
            "UPDATE incidents SET state = 'acknowledged', muted_until = NULL, "
            "owner = coalesce(?, owner) WHERE pk = ?",
            (owner, pk),
        )
        event(tx, pk, now, "acknowledged", author, note)
        if owner is not None and owner != row.owner:
            event(tx, pk, now, "assigned", author, owner)

    return _ordered(pk, order)


def mute(pk: int, author: str, now: float, until: float | None, note: str | None) -> Op:
    """Nobody is to hear of it, until a time (None: until a person unmutes it)."""

    def order(tx: Tx, row: _Row) -> None:
        tx(
            "UPDATE incidents SET state = 'muted', muted_until = ?, resolved_at = NULL, "
            "resolved_by = NULL WHERE pk = ?",
            (until, pk),
        )
        event(tx, pk, now, "muted", author, note)

    return _ordered(pk, order)


def unmute(pk: int, author: str, now: float) -> Op:
    """It is open again; or resolved, where all that it touched has recovered meanwhile."""

    def order(tx: Tx, row: _Row) -> None:
        if row.state != "muted":
            raise _refuse(f"incident {pk} is {row.state}, not muted: there is nothing to unmute")
        tx("UPDATE incidents SET state = 'open', muted_until = NULL WHERE pk = ?", (pk,))
        event(tx, pk, now, "unmuted", author)
        settle_one(tx, pk, now)

    return _ordered(pk, order)


def resolve(pk: int, author: str, now: float, note: str | None) -> Op:
    """A person says that it is over: its next failure is a regression, however soon it comes."""

    def order(tx: Tx, row: _Row) -> None:
        tx(
            "UPDATE incidents SET state = 'resolved', resolved_at = ?, resolved_by = ?, "
            "muted_until = NULL WHERE pk = ?",
            (now, author, pk),
        )
        event(tx, pk, now, "resolved", author, note)

    if author == RECOVERY:
        raise UsageError(
            f"{RECOVERY!r} is what Surefoot calls itself here; say who you are: --by NAME"
        )
    return _ordered(pk, order)


def add_note(pk: int, author: str, now: float, note: str) -> Op:
    """Something that a person knows."""
    return _ordered(pk, lambda tx, row: event(tx, pk, now, "note", author, note))


def assign(pk: int, author: str, now: float, owner: str) -> Op:
    """Someone is to look after it."""

    def order(tx: Tx, row: _Row) -> None:
        tx("UPDATE incidents SET owner = ? WHERE pk = ?", (owner, pk))
        event(tx, pk, now, "assigned", author, owner)

    return _ordered(pk, order)


def merge(pk: int, into: int, author: str, now: float) -> Op:
    """Two incidents are one: ``into`` stands for both, with the failures and the history of both.

    What was merged into ``pk`` before is merged into ``into`` then, so that there is never a chain.
    """

    def write(tx: Tx) -> None:
        if pk == into:
            raise _refuse(f"incident {pk} cannot be merged into itself; name two incidents")
        one = _row(tx, pk)
        found = tx(SELECT, (into,)).fetchone()
        other = _Row(*found) if found is not None else _row(tx, into)
        if other.merged_into == pk:
            raise _refuse(
                f"incident {into} was merged into {pk} already, which stands for both: there is "
                "nothing left to merge"
            )
        if other.merged_into is not None:
            raise _refuse(
                f"incident {into} was itself merged into {other.merged_into}; merge into that one: "
                f"surefoot incidents merge {pk} {other.merged_into}"
            )
        tx("UPDATE incidents SET merged_into = ? WHERE merged_into = ?", (into, pk))
        tx(
            "UPDATE incidents SET merged_into = ?, state = 'resolved', muted_until = NULL, "
            "resolved_at = ?, resolved_by = ? WHERE pk = ?",
            (into, now, author, pk),
        )
        tx(
            "UPDATE incidents SET failures = failures + ?, first_at = ?, last_at = ?, "
            "owner = coalesce(owner, ?) WHERE pk = ?",
            (
                one.failures,
                min(one.first_at, other.first_at),
                max(one.last_at, other.last_at),
                one.owner,
                into,
            ),
        )
        event(tx, pk, now, "merged", author, f"into {into}")
        event(tx, into, now, "merged", author, f"{pk} ({one.fingerprint}) into this one")
        if other.state == "resolved" and one.state in ("open", "acknowledged"):
            # what is outstanding of the one is outstanding of both
            tx(
                "UPDATE incidents SET state = ?, opened_at = ?, resolved_at = NULL, "
                "resolved_by = NULL WHERE pk = ?",
                (one.state, one.opened_at, into),
            )
            event(tx, into, now, "opened", None, f"{pk} is {one.state}")

    return write
