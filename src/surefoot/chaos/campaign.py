"""Many cells, a bounded number at a time, within a bounded time; the result is the matrix."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .arena import Arena, Control
from .model import Cell, CellResult
from .plan import pair_of

if TYPE_CHECKING:
    pass

__all__ = ["Campaign", "Matrix", "pairs"]

Progress = Callable[[CellResult, int, int], None]
"""Told of each result, with how many there are by now, and how many there will be."""


@dataclass
class Matrix:
    """What a chaos run found out. ``seconds`` is real time."""

    workflow: str
    control: Control
    results: list[CellResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_played: int = 0
    """Cells that the time limit left out."""
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
        """1 for a violation; 5 where a fault did not fire, or nothing was played at all."""
        if self.violations:
            return 1
        return 5 if self.not_fired or not self.results else 0

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
        self._told = threading.Lock()

    def play(self, cells: Sequence[Cell], matrix: Matrix) -> None:
        """Play these, and put what came of them into the matrix, in their order."""
        found: dict[int, CellResult] = {}
        left = iter(enumerate(cells))
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="surefoot-chaos") as pool:
            running: dict[Future[CellResult], int] = {}
            while True:
                while len(running) < self._jobs and not self._late():
                    following = next(left, None)
                    if following is None:
                        break
                    number, cell = following
                    running[pool.submit(self._arena.play, cell, self._control)] = number
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for one in done:
                    result = found[running.pop(one)] = one.result()
                    if self._progress is not None:
                        self._progress(result, len(matrix.results) + len(found), len(cells))
        matrix.results += [found[number] for number in sorted(found)]
        matrix.not_played += len(cells) - len(found)

    def play_pairs(
        self, firsts: Sequence[Cell], seconds: Callable[[int], Cell], matrix: Matrix, limit: int
    ) -> None:
        """A first kill at each of ``firsts``, and a second one at every write of the process after it.

        How many writes that process makes nobody knows before; the second kill moves on until it does
        not fire any more, which ends the row and is no failure.

        :param limit: writes of the second process that are tried at most.
        """
        for first in firsts:
            number = 1
            while number <= limit:
                batch = [pair_of(first, seconds(n)) for n in range(number, number + self._jobs)]
                trial = Matrix(matrix.workflow, self._control)
                self.play(batch, trial)
                fired = [one for one in trial.results if one.outcome != "not_fired"]
                matrix.results += fired
                matrix.not_played += trial.not_played
                if len(fired) < len(batch):
                    break
                number += self._jobs

    def _late(self) -> bool:
        return self._end is not None and _now() >= self._end


def _now() -> float:
    return time.monotonic()


def pairs(cells: Sequence[Cell], sample: int | None, seed: int) -> Iterable[Cell]:
    """All pairs of cells whose first fault ends its process, or a sample of them by chance."""
    first = [one for one in cells if one.faults[0].what in ("kill", "exit")]
    every = [pair_of(one, other) for one in first for other in cells if one.id != other.id]
    if sample is None or sample >= len(every):
        return every
    return random.Random(seed).sample(every, sample)
