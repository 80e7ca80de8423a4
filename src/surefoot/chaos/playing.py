"""Cells as tests: played once a session has come to them, told so that a person can act."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..errors import SurefootError
from .arena import Arena, Control
from .campaign import Campaign, Matrix
from .model import Cell, CellResult
from .resilience import Marked, arena_of
from .targets import python_path

__all__ = ["Sessions", "told", "told_sweep"]


OPEN = 4
"""Arenas at a time: each is a process that has imported a workflow, with all that this needs."""


class Sessions:
    """The arenas of a test session: one for each workflow and input, with its run without faults.

    :param folder: where they are; what a violation left stays there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[tuple[Any, ...], tuple[Arena, ExitStack]] = {}
        self._number = 0
        self._controls: dict[tuple[Any, ...], Control | SurefootError] = {}

    def close(self) -> None:
        """End their processes."""
        while self._open:
            self._close_oldest()

    def _close_oldest(self) -> None:
        _, entered = self._open.pop(next(iter(self._open)))
        entered.close()

    def play(self, asked: Marked, cell: Cell) -> CellResult:
        """Play one cell.

        :raises SurefootError: the run without faults failed, so that nothing can be proved.
        """
        arena, control = self._ready(asked)
        return arena.play(cell, control)

    def sweep(self, asked: Marked) -> Matrix:
        """Kill it at every write of the journal.

        :raises SurefootError: as :meth:`play`.
        """
        arena, control = self._ready(asked)
        matrix = Matrix(asked.target, control, seed=asked.seed)
        Campaign(arena, control, jobs=os.cpu_count() or 2).play(asked.sweep(control), matrix)
        return matrix

    def _ready(self, asked: Marked) -> tuple[Arena, Control]:
        known = asked.key in self._open
        arena, entered = self._open.pop(asked.key) if known else self._entered(asked)
        self._open[asked.key] = arena, entered  # the one that was used last stands last
        if asked.key not in self._controls:
            try:
                self._controls[asked.key] = arena.control()
            except SurefootError as exc:
                self._controls[asked.key] = exc  # once is enough: the next cells are told the same
        control = self._controls[asked.key]
        if isinstance(control, SurefootError):
            raise control
        return arena, control

    def _entered(self, asked: Marked) -> tuple[Arena, ExitStack]:
        if len(self._open) >= OPEN:
            self._close_oldest()
        self._number += 1
        entered = ExitStack()
        environment = {"PYTHONPATH": python_path()}
        made = arena_of(asked, self._folder / str(self._number), environment)
        return entered.enter_context(made), entered


# -- words ----------------------------------------------------------------------------------------


def told(result: CellResult, asked: Marked, node: str) -> str:
    """Why a cell fails, for whoever has to mend it.

    :param node: the test's id, by which pytest runs it again.
    """
    cell = result.cell
    lines = [f"{cell.id}: {result.outcome}, which is not allowed", f"  {result.detail}"]
    if result.outcome == "not_fired":
        lines[0] = f"{cell.id}: not_fired"
        lines.append("  give an input that reaches it, or name other steps: steps=[…]")
    because = f" ({cell.because})" if cell.because else ""
    lines.append(f"  expected  {' or '.join(cell.allowed)}{because}")
    lines.append(
        f"  seen      {result.outcome}: {_counted(result.fired, 'firing')}, "
        f"{_counted(result.processes, 'process')}, {_counted(result.attempts, 'attempt')}"
    )
    for one in result.effects:
        lines.append(
            f"  effects   {one.step}: {one.received} received, {one.applied} applied of {one.expected}"
        )
    lines += _what_happened(result)
    lines.append(f"  again     python -m pytest {shlex.quote(node)}")
    command = asked.command(cell)
    if command:
        lines.append(f"            {command}")
    if result.journal is not None:
        lines.append(
            f"  look      surefoot show chaos --journal {shlex.quote(result.journal)}/journal.db"
        )
        lines.append(f"            {result.journal}/output.txt is what it printed")
    return "\n".join(lines)


def _counted(number: int, what: str) -> str:
    plural = "es" if what.endswith("s") else "s"
    return f"{number} {what}{plural if number != 1 else ''}"


def _what_happened(result: CellResult) -> list[str]:
    """The timeline of its run, by the journal that it left."""
    from ..runtime import Runtime
    from ..testing.timeline import timeline
    from ..workflow.run import read_run
    from .child import RUN_ID

    path = Path(result.journal or "") / "journal.db"
    if result.journal is None or not path.exists():
        return []
    try:
        runtime = Runtime(path, create=False)
        try:
            document = read_run(runtime.journal, RUN_ID).document()
        finally:
            runtime.close()
    except SurefootError as exc:  # it was killed before the run was written down
        return [f"  what happened: {exc}"]
    return ["  what happened:", *(f"  {line}" for line in timeline(document))]


def told_sweep(matrix: Matrix, asked: Marked, node: str) -> str:
    """Why a sweep fails; empty where it does not."""
    bad: Sequence[CellResult] = [one for one in matrix.results if not one.allowed]
    if matrix.results and not bad and not matrix.not_played:
        return ""
    if not matrix.results:
        return f"{asked.target}: no write of the journal was reached; nothing is proved"
    lines = [f"{asked.target}: {len(bad)} of {len(matrix.results)} kills did not end as they must:"]
    for one in bad:
        lines.append(f"  {one.cell.id}: {one.outcome}")
        lines.append(f"      {one.detail}")
        if one.journal is not None:
            lines.append(
                f"      surefoot show chaos --journal {shlex.quote(one.journal)}/journal.db"
            )
    if matrix.not_played:
        lines.append(f"  {matrix.not_played} were not played")
    lines.append(f"  again     python -m pytest {shlex.quote(node)}")
    return "\n".join(lines)
