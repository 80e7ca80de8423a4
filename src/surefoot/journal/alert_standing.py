"""How things stand that alerts told of: their incidents, how often they failed, what is set aside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..store.base import Store

__all__ = ["Counts", "Standing", "counts", "letters_of", "resolved", "standing"]


@dataclass(frozen=True)
class Standing:
    """The incident of a fingerprint, now: the one it was merged into, where it was."""

    pk: int
    fingerprint: str
    fingerprints: tuple[str, ...]
    state: str
    opened_at: float
    resolved_by: str | None
    resolved_at: float | None
    muted_until: float | None

    def muted(self, now: float) -> bool:
        """Whether a person does not want to hear of it; a mute that is over is lifted by the next
        failure only."""
        return self.state == "muted" and (self.muted_until is None or self.muted_until > now)


@dataclass(frozen=True)
class Counts:
    """How often something failed: in all, and in how many runs."""

    failures: int
    runs: int


def standing(store: Store, fingerprint: str) -> Standing | None:
    """The incident of a fingerprint; None where there is none."""
    rows = store.read("SELECT pk, merged_into FROM incidents WHERE fingerprint = ?", (fingerprint,))
    if not rows:
        return None
    pk, into = rows[0]
    seen = {pk}
    while into is not None and into not in seen:
        pk = into
        seen.add(pk)
        [(into,)] = store.read("SELECT merged_into FROM incidents WHERE pk = ?", (pk,))
    [row] = store.read(
        "SELECT pk, fingerprint, state, opened_at, resolved_by, resolved_at, muted_until "
        "FROM incidents WHERE pk = ?",
        (pk,),
    )
    return Standing(row[0], row[1], _members(store, pk), *row[2:])


def resolved(store: Store) -> set[str]:
    """Subjects that some sink was told of, and whose incident is resolved."""
    rows = store.read(
        "SELECT DISTINCT s.subject FROM alert_subjects s JOIN incidents i ON i.fingerprint = s.subject "
        "JOIN incidents r ON r.pk = coalesce(i.merged_into, i.pk) "
        "WHERE s.state <> 'over' AND r.state = 'resolved'"
    )
    return {row[0] for row in rows}


def _members(store: Store, pk: int) -> tuple[str, ...]:
    """Its fingerprint and those of the incidents merged into it, however deep."""
    found: dict[int, str] = {}
    waiting = [pk]
    while waiting:
        one = waiting.pop()
        for other, fingerprint in store.read(
            "SELECT pk, fingerprint FROM incidents WHERE pk = ? OR merged_into = ?", (one, one)
        ):
            if other not in found:
                found[other] = fingerprint
                waiting.append(other)
    return tuple(found.values())


def counts(
    store: Store,
    fingerprints: Iterable[str],
    *,
    since: float = 0.0,
    after: int = 0,
    told_at: float = float("-inf"),
    top: int,
) -> Counts:
    """How often they failed: since a time, after one failure and up to another.

    :param told_at: the time of that failure, for what the workflows' own code failed with.
    """
    names = list(fingerprints)
    which = f"fingerprint IN ({', '.join('?' * len(names))})"
    rows = store.read(
        "SELECT count(*), count(DISTINCT run_pk) FROM ("
        f"SELECT run_pk FROM failures WHERE {which} AND at >= ? AND pk > ? AND pk <= ? "
        f"UNION ALL SELECT run_pk FROM body_failures WHERE {which} AND at >= ? AND at > ?) t",
        (*names, since, after, top, *names, since, told_at),
    )
    return Counts(*rows[0])


def letters_of(store: Store, fingerprints: Sequence[str]) -> int:
    """How many dead letters of these fingerprints wait for a person."""
    marks = ", ".join("?" * len(fingerprints))
    rows = store.read(
        f"SELECT count(*) FROM dead_letters WHERE state = 'open' AND fingerprint IN ({marks})",
        tuple(fingerprints),
    )
    return int(rows[0][0])
