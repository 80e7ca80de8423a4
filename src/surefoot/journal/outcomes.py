"""What a postmortem reads of a run's effects, undos and dead letters, of what it ran on, and of the run
before it. Nothing here writes or locks. Times are seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass

from ..store.base import Store
from .records import RunRecord, columns
from .undo import UNDO

__all__ = [
    "Doubtful",
    "LetterGroup",
    "claims_by_state",
    "doubtful",
    "latest_completed",
    "letter_groups",
    "process_detail",
    "process_of_run",
    "sources",
    "undo_counts",
]


# -- effects, undos, letters ----------------------------------------------------------------------


def claims_by_state(store: Store, run_pk: int) -> dict[str, int]:
    """The effects of a run by their claims' state; undos are none."""
    rows = store.read(
        "SELECT state, count(*) FROM claims WHERE run_pk = ? "
        f"AND effect NOT LIKE '%{UNDO}' GROUP BY state",
        (run_pk,),
    )
    return dict(rows)


@dataclass(frozen=True)
class Doubtful:
    """An effect that has begun, and nobody knows its end. ``by`` is the run whose claim it is."""

    effect: str
    key: str
    state: str
    at: float
    by: str


def doubtful(store: Store, run_pk: int, limit: int) -> tuple[int, list[Doubtful]]:
    """How many effects of a run are in doubt, and the first of them. The run must not be going on:
    then those that it holds are simply under way."""
    from_ = (
        "FROM claims c LEFT JOIN runs r ON r.pk = c.run_pk WHERE (c.run_pk = ? AND c.state IN "
        "('held', 'in_doubt')) OR (c.state = 'in_doubt' AND EXISTS (SELECT 1 FROM calls k WHERE "
        "k.run_pk = ? AND k.step = c.effect AND k.effect_key = c.effect_key AND "
        "k.status = 'failed'))"
    )
    [(count,)] = store.read(f"SELECT count(*) {from_}", (run_pk, run_pk))
    rows = store.read(
        f"SELECT c.effect, c.effect_key, c.state, c.at, coalesce(r.run_id, '') {from_} "
        "ORDER BY c.at, c.rowid LIMIT ?",
        (run_pk, run_pk, limit),
    )
    return int(count), [Doubtful(*row) for row in rows]


def undo_counts(store: Store, run_pk: int) -> dict[str, int]:
    """What became of the undos of a run, by state."""
    rows = store.read(
        "SELECT state, count(*) FROM compensations WHERE run_pk = ? GROUP BY state", (run_pk,)
    )
    return dict(rows)


@dataclass(frozen=True)
class LetterGroup:
    """Dead letters of one step, kind and state; ``kept`` are those whose input was saved."""

    step: str
    kind: str
    state: str
    letters: int
    kept: int


def letter_groups(store: Store, run_pk: int) -> list[LetterGroup]:
    rows = store.read(
        "SELECT step, kind, state, count(*), count(input) FROM dead_letters WHERE run_pk = ? "
        "GROUP BY step, kind, state ORDER BY count(*) DESC, step, kind, state LIMIT 200",
        (run_pk,),
    )
    return [LetterGroup(*row) for row in rows]


# -- what it ran on, and what ran before ----------------------------------------------------------


def process_detail(store: Store, process_pk: int | None) -> str | None:
    """What is known of a process, as JSON; None for a failure that an older Surefoot recorded."""
    if process_pk is None:
        return None
    rows = store.read("SELECT detail FROM processes WHERE pk = ?", (process_pk,))
    return rows[0][0] if rows else None


def process_of_run(store: Store, run_pk: int) -> str | None:
    """The same of the process that saw a run's latest failure; None where none is known."""
    rows = store.read(
        "SELECT process_pk FROM failures WHERE run_pk = ? AND process_pk IS NOT NULL "
        "ORDER BY pk DESC LIMIT 1",
        (run_pk,),
    )
    return process_detail(store, rows[0][0]) if rows else None


def sources(store: Store, run_pk: int) -> dict[str, str]:
    """The digest of each step's code, as its latest call ran it."""
    rows = store.read(
        "SELECT step, source FROM calls WHERE seq IN (SELECT max(seq) FROM calls WHERE run_pk = ? "
        "AND source IS NOT NULL AND status != 'superseded' GROUP BY step)",
        (run_pk,),
    )
    return dict(rows)


def latest_completed(store: Store, run: RunRecord) -> RunRecord | None:
    """The latest run of the same workflow that began before this one and completed."""
    rows = store.read(
        f"SELECT {columns(RunRecord)} FROM runs WHERE workflow = ? AND status = 'completed' "
        "AND pk != ? AND created_at <= ? ORDER BY created_at DESC, pk DESC LIMIT 1",
        (run.workflow, run.pk, run.created_at),
    )
    return RunRecord(*rows[0]) if rows else None
