"""Many cells, a bounded number at a time, within a bounded time; the result is the matrix."""

from __future__ import annotations

import functools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from .arena import Arena, Control
from .model import Cell, CellResult, FaultSpec
from .plan import can_follow, ends_process, pair_of
from .verdict import EVENTS

__all__ = ["Campaign", "Matrix"]

Progress = Callable[[CellResult, int, int], None]
"""Told of each result, with how many there are by now, and how many there will be (of pairs of kills,
nobody knows before: then at least so many)."""

SHARED = 4
"""Writes at the end of a run that may come or not: which ends of items share a commit depends on the
threads. Or a tenth of all, if that is more."""


@dataclass
class Matrix:
    """What a chaos run found out. ``seconds`` is real time."""

    workflow: str
    control: Control
    results: list[CellResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_played: int = 0
    """Cells that the time limit left out."""
    beyond: int = 0
    """Cells at a write that came in the control run alone: they are none."""
    effects: tuple[str, ...] = ()
    """All effects of the workflow by its map, also those that nobody counted."""
    seconds: float = 0.0
    seed: int = 0

    @property
    def violations(self) -> list[CellResult]:
        """Cells that ended as they must not; those that did not fire are apart."""
        return [one for one in self.results if not one.allowed and one.outcome != "not_fired"]

    @property
    def not_fired(self) -> list[CellResult]:
        return [one for one in self.results if one.outcome == "not_fired"]

    @property
    def not_measured(self) -> tuple[str, ...]:
        """Effects that no ledger saw: whether they came twice, nobody knows."""
        return tuple(one for one in self.effects if one not in self.control.deeds)

    @property
    def exit_code(self) -> int:
        """1 for a violation; 5 where a fault did not fire, was not played, or there was none at all."""
        if self.violations:
            return 1
        return 5 if self.not_fired or self.not_played or not self.results else 0

    def outcomes(self) -> Counter[str]:
        return Counter(one.outcome for one in self.results)


class Campaign:
    """Plays cells in an arena.

    :param jobs: cells at a time.
    :param time_limit: seconds; cells that have not begun by then are left out, and counted.
    """

    def __init__(
        self,
        arena: Arena,
        control: Control,
        *,
        jobs: int = 2,
        time_limit: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._arena = arena
        self._control = control
        self._jobs = max(1, jobs)
        self._end = None if time_limit is None else _now() + time_limit
        self._progress = progress
        self._telling = threading.Lock()
        self._lengths: dict[str, int] = {}
        """How many events at the journal the second process of a pair is known to have."""

    def play(self, cells: Sequence[Cell], matrix: Matrix) -> None:
        """Play these, and put what came of them into the matrix, in their order."""
        rows = [functools.partial(self._one, one, matrix) for one in cells]
        self._play(rows, matrix, len(cells))

    def play_pairs(
        self, seconds: Sequence[Cell], matrix: Matrix, *, sample: int | None, seed: int
    ) -> None:
        """Two faults: after each of the matrix' cells that ended its process, each of ``seconds`` that
        can act in the process that went on.

        :param sample: so many of them, by chance; None: all.
        """
        pairs = [
            pair_of(first.cell, second)
            for first in self._firsts(matrix)
            for second in seconds
            if can_follow(second, first.after)
        ]
        if sample is not None and sample < len(pairs):
            chosen = set(random.Random(seed).sample(range(len(pairs)), sample))
            matrix.notes.append(f"a sample of {sample} of {len(pairs)} pairs, seed {seed}")
            pairs = [one for number, one in enumerate(pairs) if number in chosen]
        self.play(pairs, matrix)

    def walk_pairs(
        self, second: Callable[[int], Cell], matrix: Matrix, *, sample: int | None, seed: int
    ) -> None:
        """Two kills: after each of the matrix' kills at the journal, one at every event at the journal
        of the process that went on.

        How many there are nobody knows before: the second kill moves on until the run is over before
        it could act. That ends the row, and is no failure.

        :param sample: so many of those that are known of, by chance; None: all.
        """
        firsts = [one for one in self._firsts(matrix) if one.cell.faults[0].seam == "write"]
        known = []
        for one in firsts:
            events = one.after.get("write", 0)
            for number in range(1, events + 1):
                known.append(pair_of(one.cell, second(number)))
                self._lengths[known[-1].id] = events
        if sample is not None:
            few = random.Random(seed).sample(known, min(sample, len(known)))
            matrix.notes.append(f"a sample of {len(few)} of {len(known)} pairs, seed {seed}")
            self.play(few, matrix)
            return
        rows = [functools.partial(self._row, one, second, matrix) for one in firsts]
        self._play(rows, matrix, len(known))

    def _firsts(self, matrix: Matrix) -> list[CellResult]:
        return [one for one in matrix.results if ends_process(one.cell) and one.after]

    def _one(self, cell: Cell, matrix: Matrix) -> Iterator[CellResult]:
        if self._late(matrix, 1):
            return
        yield self._arena.play(cell, self._control)

    def _row(
        self, first: CellResult, second: Callable[[int], Cell], matrix: Matrix
    ) -> Iterator[CellResult]:
        number, known = 1, first.after.get("write", 0)
        while not self._late(matrix, max(1, known - number + 1)):
            result = self._arena.play(pair_of(first.cell, second(number)), self._control, tries=1)
            if not result.beyond or (number == 1 and known):
                yield result
            if result.beyond:
                return
            number += 1

    def _play(
        self, rows: Sequence[Callable[[], Iterator[CellResult]]], matrix: Matrix, of: int
    ) -> None:
        """Rows of cells, so many rows at a time; each row is played in its order."""
        told = 0

        def through(row: Callable[[], Iterator[CellResult]]) -> list[CellResult]:
            nonlocal told
            found = []
            for result in row():
                found.append(result)
                with self._telling:
                    told += 1
                    if self._progress is not None:
                        self._progress(result, told, max(told, of))
            return found

        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="surefoot-chaos")
        try:
            playing: list[Future[list[CellResult]]] = [pool.submit(through, row) for row in rows]
            left = set(playing)
            while left:
                done, left = wait(left, return_when=FIRST_COMPLETED)
                for one in done:
                    one.result()  # whatever is wrong with one ends all
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            self._arena.stop()
            raise
        finally:
            pool.shutdown()
        found = [result for one in playing for result in one.result()]
        kept = [one for one in found if not self._is_tail(one)]
        matrix.results += kept
        matrix.beyond += len(found) - len(kept)

    def _is_tail(self, result: CellResult) -> bool:
        """Whether a fault found no write because a process ended a few writes before the one by which
        it was planned."""
        if not result.beyond:
            return False
        first, *second = result.cell.faults
        planned = [(first, self._control.writes)]
        planned += [(one, self._lengths.get(result.cell.id, 0)) for one in second]
        return any(_is_late(fault, events // len(EVENTS)) for fault, events in planned)

    def _late(self, matrix: Matrix, cells: int) -> bool:
        """Whether the time is up; then so many cells are noted as not played."""
        if self._end is None or _now() < self._end:
            return False
        with self._telling:
            matrix.not_played += cells
        return True


def _is_late(fault: FaultSpec, writes: int) -> bool:
    """Whether a fault is to act at one of the last of so many writes.

    >>> late = FaultSpec("kill", "", "write", script="nth:9")
    >>> _is_late(late, 12), _is_late(late, 40)
    (True, False)
    """
    if fault.seam != "write" or not fault.script.startswith("nth:"):
        return False
    number = int(fault.script.partition(":")[2])
    return number > 1 and number > writes - max(SHARED, writes // 10)


def _now() -> float:
    return time.monotonic()
