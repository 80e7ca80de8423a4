"""Reading the journal: runs, calls, failures, dead letters. Nothing here writes or locks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import UnknownRun
from ..store.base import Store
from .records import (
    CallRecord,
    DeadLetterRecord,
    FailureRecord,
    ProcessRecord,
    RunRecord,
    columns,
)

__all__ = ["KindSeen", "Reading"]

AHEAD = 128
"""Checkpoints that one query brings: a resume asks for them in nearly the same order."""


class KindSeen(NamedTuple):
    """What all runs saw of one kind of failure.

    ``failures`` are failed attempts. ``first`` and ``last`` are seconds since the epoch. ``ended``
    counts the calls that had such a failure by how they ended: a call's status, or ``degraded`` for
    one that was completed by a fallback.
    """

    kind: str
    failures: int
    runs: int
    first: float
    last: float
    ended: Mapping[str, int]


class Reading:
    """The readers' half of a journal."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def run(self, run_id: str) -> RunRecord:
        """:raises UnknownRun: there is none of this id; the message names the journal."""
        rows = self.store.read(f"SELECT {columns(RunRecord)} FROM runs WHERE run_id = ?", (run_id,))
        if not rows:
            raise UnknownRun(
                f"there is no run {run_id!r} in the journal {self.store.location}; "
                "list its runs with: surefoot runs"
            )
        return RunRecord(*rows[0])

    def runs(
        self, *, status: Sequence[str] = (), workflow: str | None = None, limit: int = -1
    ) -> list[RunRecord]:
        """Runs, the newest first."""
        where, parameters = [], list[Any]()
        if status:
            where.append(f"status IN ({', '.join('?' * len(status))})")
            parameters.extend(status)
        if workflow is not None:
            where.append("workflow = ?")
            parameters.append(workflow)
        condition = f"WHERE {' AND '.join(where)} " if where else ""
        bound = ""
        if limit >= 0:
            bound = " LIMIT ?"
            parameters.append(limit)
        rows = self.store.read(
            f"SELECT {columns(RunRecord)} FROM runs {condition}"
            f"ORDER BY created_at DESC, pk DESC{bound}",
            parameters,
        )
        return [RunRecord(*row) for row in rows]

    def calls(self, run_pk: int) -> list[CallRecord]:
        """All calls of a run as they began, without their results."""
        rows = self.store.read(
            f"SELECT {CallRecord.COLUMNS} FROM calls WHERE run_pk = ? ORDER BY seq", (run_pk,)
        )
        return [CallRecord(row) for row in rows]

    def checkpoints(self, run_pk: int, seq: int) -> list[tuple[int, str, bytes | None, str]]:
        """(seq, format, inline bytes or None, digest) of this completed call and those after it."""
        rows = self.store.read(
            "SELECT seq, format, result, result_digest FROM calls WHERE seq >= ? AND +run_pk = ? "
            "AND status = 'completed' AND format IS NOT NULL ORDER BY seq LIMIT ?",
            (seq, run_pk, AHEAD),
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def exception(self, run_pk: int, call_id: str) -> str | None:
        """The recorded exception of a failed call, as JSON."""
        rows = self.store.read(
            "SELECT exception FROM calls WHERE run_pk = ? AND call_id = ?", (run_pk, call_id)
        )
        return rows[0][0] if rows else None

    def failures(self, run_pk: int, call_id: str | None = None) -> list[FailureRecord]:
        """Failed attempts of a run, or of one of its calls, in their order."""
        condition, parameters = "run_pk = ?", [run_pk, *([call_id] if call_id else [])]
        if call_id:
            condition += " AND call_id = ?"
        rows = self.store.read(
            f"SELECT {columns(FailureRecord)} FROM failures WHERE {condition} ORDER BY pk",
            parameters,
        )
        return [FailureRecord(*row) for row in rows]

    def processes(self, run_pk: int) -> list[ProcessRecord]:
        """The processes that saw a run's failures, in the order of their first ones."""
        rows = self.store.read(
            f"SELECT {columns(ProcessRecord)} FROM processes WHERE pk IN "
            "(SELECT process_pk FROM failures WHERE run_pk = ?) ORDER BY pk",
            (run_pk,),
        )
        return [ProcessRecord(*row) for row in rows]

    def claim_arguments(self, effect: str, key: str) -> bytes | None:
        """The saved arguments of the deed that a key stands for, raw; None where none were kept."""
        rows = self.store.read(
            "SELECT arguments FROM claims WHERE effect = ? AND effect_key = ?", (effect, key)
        )
        return rows[0][0] if rows else None

    def cost(self, run_pk: int) -> float:
        """US dollars that all attempts of a run have cost, those that failed too."""
        rows = self.store.read(
            "SELECT (SELECT coalesce(sum(cost), 0) FROM calls WHERE run_pk = ?) + "
            "(SELECT coalesce(sum(cost), 0) FROM failures WHERE run_pk = ?)",
            (run_pk, run_pk),
        )
        return float(rows[0][0])

    def kinds_seen(self) -> dict[str, KindSeen]:
        """Every kind of failure that was ever seen, the most frequent first."""
        ended: dict[str, dict[str, int]] = {}
        for kind, how, calls in self.store.read(
            "SELECT kind, CASE WHEN degraded IS NOT NULL THEN 'degraded' ELSE status END, count(*) "
            "FROM (SELECT DISTINCT kind, run_pk, call_id FROM failures) f "
            "JOIN calls USING (run_pk, call_id) GROUP BY 1, 2 ORDER BY 3 DESC",
            (),
        ):
            ended.setdefault(kind, {})[how] = calls
        rows = self.store.read(
            "SELECT kind, count(*), count(DISTINCT run_pk), min(at), max(at) FROM failures "
            "GROUP BY kind ORDER BY count(*) DESC, kind",
            (),
        )
        return {
            kind: KindSeen(kind, times, runs, first, last, ended.get(kind, {}))
            for kind, times, runs, first, last in rows
        }

    def dead_letters(self, run_pk: int) -> list[DeadLetterRecord]:
        rows = self.store.read(
            f"SELECT {columns(DeadLetterRecord)} FROM dead_letters WHERE run_pk = ? ORDER BY pk",
            (run_pk,),
        )
        return [DeadLetterRecord(*row) for row in rows]

    def unfinished(self) -> list[RunRecord]:
        """Runs that say they are running, the oldest first; whether they live is another matter."""
        return list(reversed(self.runs(status=("running", "rolling_back"))))
