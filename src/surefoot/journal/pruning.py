"""Old runs and the checkpoints that nobody needs any more leave the journal: ``surefoot prune``.

Two things must never happen: that a run which can go on loses something, and that a row names a
checkpoint that is gone. So a run is judged in the very transaction that removes it; and a checkpoint
is *marked* (``removed_blobs``) in that transaction, looked for in all rows afterwards, and removed in a
third step, where its mark still stands. Whoever writes a row that names a checkpoint looks for a mark in
the row's own transaction, and where there is one, writes the checkpoint again and takes the mark away
(:meth:`surefoot.journal.Journal.keep`). docs/adr/0016-prune.md goes through the orders of events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UsageError
from ..journal_url import is_postgres
from ..store.base import Op, Tx
from .leases import Owner

if TYPE_CHECKING:
    from .journal import Journal

__all__ = ["Pruned", "prune"]

ENDED = ("completed", "cancelled", "rolled_back")
FAILED = "halted"
FAMILIES = 20
"""Runs, with their parts, that one transaction removes."""
FILES = 50
"""Checkpoints that one transaction removes."""
MARKS_KEPT = 7 * 86_400.0
"""Seconds. A writer that found a checkpoint there, and has been asleep since, still finds its mark."""


class Pruned(NamedTuple):
    """What was removed, or, in a dry run, would be. ``run_ids`` are the oldest first."""

    run_ids: tuple[str, ...]
    blobs: int


def prune(
    journal: Journal, older_than: float, *, keep_failed: bool = False, dry_run: bool = False
) -> Pruned:
    """Remove runs that ended more than ``older_than`` seconds ago, and what only they needed.

    Stays: whatever runs, is being rolled back, or was interrupted; a run with an open dead letter or
    an effect in doubt; a run that a living process holds; a run whose parts, or whose whole, stay.

    :param keep_failed: halted runs stay, too: they can be resumed once their cause is mended.
    :param dry_run: only tell. ``blobs`` is then 0, for nobody has looked.
    :raises JournalError: the journal or its checkpoints cannot be written.
    :raises UsageError: the journal is in Postgres.
    """
    if is_postgres(journal.store.location):
        raise UsageError(
            f"{journal.store.location}: prune works on SQLite journals alone so far, whose writers wait "
            "for each other; nothing was removed"
        )
    before = journal.clock.now() - older_than
    statuses = ENDED if keep_failed else (*ENDED, FAILED)
    marks = ", ".join("?" for _ in statuses)
    old = journal.store.read(
        f"SELECT pk, run_id FROM runs WHERE parent_pk IS NULL AND status IN ({marks}) "
        "AND coalesce(ended_at, started_at) < ? ORDER BY pk",
        (*statuses, before),
    )
    rule = _Rule(journal, statuses, before)
    if dry_run:
        would = journal.group.commit(
            lambda tx: [name for pk, name in old if rule.family(tx, pk) is not None]
        )
        return Pruned(tuple(would), 0)
    gone: list[str] = []
    for batch in _batches(old, FAMILIES):
        gone += journal.group.commit(_remove(journal, rule, batch))
    journal.group.commit(_processes(before))
    return Pruned(tuple(gone), _blobs(journal))


def _batches(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


class _Rule:
    """Which runs may go. Asked inside the transaction that removes them."""

    def __init__(self, journal: Journal, statuses: tuple[str, ...], before: float) -> None:
        self._statuses = statuses
        self._before = before
        self._held_here = journal.held_here

    def family(self, tx: Tx, pk: int) -> list[int] | None:
        """The run and its parts, the parts last; None where one of them must stay."""
        members = [pk]
        for one in members:  # it grows while it is gone through
            if not self._may_go(tx, one):
                return None
            found = tx("SELECT pk FROM runs WHERE parent_pk = ?", (one,)).fetchall()
            members += [row[0] for row in found]
        return members

    def _may_go(self, tx: Tx, pk: int) -> bool:
        row = tx(
            "SELECT status, coalesce(ended_at, started_at), owner FROM runs WHERE pk = ?", (pk,)
        ).fetchone()
        if row is None or row[0] not in self._statuses or row[1] >= self._before:
            return False
        if row[2] is not None:
            owner = Owner.parse(row[2])
            if self._held_here(pk) if owner == Owner.this() else owner.alive() is not False:
                return False
        for sql in NEEDED:
            if tx(sql, (pk,)).fetchone() is not None:
                return False
        return True


NEEDED = (
    "SELECT 1 FROM dead_letters WHERE run_pk = ? AND state IN ('open', 'reopened') LIMIT 1",
    "SELECT 1 FROM claims WHERE run_pk = ? AND state IN ('held', 'in_doubt') LIMIT 1",
    "SELECT 1 FROM compensations WHERE run_pk = ? AND state IN ('pending', 'in_doubt') LIMIT 1",
    # The newest row of each stays: a database may give its number again, and alerts have read up to it.
    "SELECT 1 WHERE ? = (SELECT max(pk) FROM runs)",
    "SELECT 1 WHERE ? = (SELECT run_pk FROM failures ORDER BY pk DESC LIMIT 1)",
    "SELECT 1 WHERE ? = (SELECT run_pk FROM dead_letters ORDER BY pk DESC LIMIT 1)",
)
"""What still needs a run."""

MARK = (
    "INSERT INTO removed_blobs (digest, at) SELECT DISTINCT result_digest, ? FROM {table} "
    "WHERE {run} = ? AND result IS NULL AND result_digest IS NOT NULL "
    "ON CONFLICT (digest) DO NOTHING"
)
REMOVE = (
    "DELETE FROM replays WHERE letter_pk IN (SELECT pk FROM dead_letters WHERE run_pk = ?)",
    "DELETE FROM dead_letters WHERE run_pk = ?",
    "DELETE FROM failures WHERE run_pk = ?",
    "DELETE FROM body_failures WHERE run_pk = ?",
    "DELETE FROM compensations WHERE run_pk = ?",
    "DELETE FROM alert_runs WHERE run_pk = ?",
    "DELETE FROM alert_subjects WHERE subject = (SELECT 'run:' || run_id FROM runs WHERE pk = ?)",
    "DELETE FROM calls WHERE run_pk = ?",
    # A key is done for every run, also for those to come: its claim stays, and names no run.
    "UPDATE claims SET run_pk = NULL WHERE run_pk = ?",
    "DELETE FROM runs WHERE pk = ?",
)


def _remove(journal: Journal, rule: _Rule, batch: Sequence[tuple[int, str]]) -> Op:
    def write(tx: Tx) -> list[str]:
        now = journal.clock.now()
        gone = []
        for pk, run_id in batch:
            members = rule.family(tx, pk)
            if members is None:
                continue
            for one in reversed(members):
                for table, run in (("calls", "run_pk"), ("runs", "pk")):
                    tx(MARK.format(table=table, run=run), (now, one))
                for sql in REMOVE:
                    tx(sql, (one,))
            gone.append(run_id)
        return gone

    return write


def _processes(before: float) -> Op:
    """Processes of which no failure is left; not the newest, whose number could be given again."""

    def write(tx: Tx) -> None:
        tx(
            "DELETE FROM processes WHERE at < ? AND pk < (SELECT max(pk) FROM processes) "
            "AND pk NOT IN (SELECT process_pk FROM failures WHERE process_pk IS NOT NULL)",
            (before,),
        )

    return write


# -- checkpoints -----------------------------------------------------------------------------------

NAMED = (
    "SELECT result_digest FROM calls WHERE result IS NULL AND result_digest IS NOT NULL "
    "UNION SELECT result_digest FROM runs WHERE result IS NULL AND result_digest IS NOT NULL "
    "UNION SELECT result_digest FROM claims WHERE result IS NULL AND result_digest IS NOT NULL"
)
"""All checkpoints that rows name."""


def _blobs(journal: Journal) -> int:
    """Remove the checkpoints that no row names; answers how many."""
    names = getattr(journal.blobs, "names", None)
    # a folder is this journal's own: what a killed process left there goes, too
    if names is not None:
        unknown = sorted(set(names()) - _named(journal))
        for part in _batches(unknown, 500):
            journal.group.commit(_mark(journal, part))
    # read after the marks were committed: whoever names one from then on takes its mark away
    marked = journal.store.read("SELECT digest, at FROM removed_blobs ORDER BY digest")
    named = _named(journal)
    removed = 0
    for part in _batches(marked, FILES):
        removed += journal.group.commit(_remove_files(journal, part, named))
    return removed


def _named(journal: Journal) -> set[str]:
    named = {row[0] for row in journal.store.read(NAMED)}
    told = journal.store.read("SELECT evidence FROM claims WHERE evidence IS NOT NULL")
    if told:
        import json

        named |= {json.loads(row[0]).get("digest") for row in told}
    return named


def _mark(journal: Journal, digests: Sequence[str]) -> Op:
    def write(tx: Tx) -> None:
        for digest in digests:
            tx(
                "INSERT INTO removed_blobs (digest, at) VALUES (?, ?) "
                "ON CONFLICT (digest) DO NOTHING",
                (digest, journal.clock.now()),
            )

    return write


def _remove_files(journal: Journal, marked: Sequence[tuple[str, float]], named: set[str]) -> Op:
    def write(tx: Tx) -> int:
        going = []
        for digest, at in marked:
            # the very mark that was there before the rows were looked through, or nothing
            if digest in named:
                tx("DELETE FROM removed_blobs WHERE digest = ? AND at = ?", (digest, at))
            elif tx(
                "SELECT 1 FROM removed_blobs WHERE digest = ? AND at = ?", (digest, at)
            ).fetchone():
                going.append(digest)
                if at < journal.clock.now() - MARKS_KEPT:
                    tx("DELETE FROM removed_blobs WHERE digest = ?", (digest,))
        return journal.blobs.remove(going)

    return write
