"""The resilience matrix, as text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from .campaign import Matrix
from .model import CellResult, Outcome

__all__ = ["SIGNS", "by_step", "summary", "text"]

SIGNS: dict[Outcome, str] = {
    "recovered": "R",
    "degraded": "D",
    "compensated": "C",
    "dead_lettered": "L",
    "halted": "H",
    "stuck": "S",
    "wrong_output": "W",
    "duplicate": "2",
    "lost": "0",
    "not_fired": "?",
}
"""One letter an outcome; a violation is put in brackets."""


def by_step(results: Sequence[CellResult]) -> dict[str, list[CellResult]]:
    """The cells of each step, in their order; those of the journal's writes last."""
    found: dict[str, list[CellResult]] = defaultdict(list)
    for one in results:
        found[one.cell.step or "(writes of the journal)"].append(one)
    return dict(found)


def summary(matrix: Matrix) -> str:
    """The first line: what was done, and whether it held.

    It never says that something was survived of which nothing was tested.
    """
    number = len(matrix.results)
    if not number:
        return f"{matrix.workflow}: no cell was played; nothing is proved"
    fired = sum(one.outcome != "not_fired" for one in matrix.results)
    counts = ", ".join(f"{n} {name}" for name, n in matrix.outcomes().most_common())
    words = f"{matrix.workflow}: {number} cells, {fired} fired: {counts}"
    bad = len(matrix.violations)
    if bad:
        return f"{words}; {bad} {'violation' if bad == 1 else 'violations'}"
    if matrix.not_fired:
        return f"{words}; not all of it is proved"
    return f"{words}; all of it is allowed"


def text(matrix: Matrix, *, again: str) -> str:
    """All of it for people.

    :param again: the command that plays one cell again, to which its id is added.
    """
    lines = [summary(matrix), ""]
    width = max((len(name) for name in by_step(matrix.results)), default=0)
    for step, results in by_step(matrix.results).items():
        row = "".join(_sign(one) for one in results)
        lines.append(f"  {step:<{width}}  {row}")
    used = {one.outcome for one in matrix.results}
    legend = ", ".join(f"{sign} {name}" for name, sign in SIGNS.items() if name in used)
    lines += ["", f"  {legend}; [ ] not allowed"]
    lines += _effects(matrix)
    lines += _times(matrix)
    for title, bad in (("violations", matrix.violations), ("not fired", matrix.not_fired)):
        if bad:
            lines += ["", f"{title}:"]
            for one in bad:
                lines.append(f"  {one.cell.id}: {one.outcome}")
                lines.append(f"      {one.detail}")
                lines.append(f"      again: {again} {one.cell.id}")
    notes = list(matrix.notes)
    if matrix.not_played:
        notes.append(f"{matrix.not_played} cells were not played: the time limit was reached")
    if not matrix.control.steady:
        notes.append("the control's result is another each time: results were not compared")
    if notes:
        lines += ["", *(f"note: {one}" for one in notes)]
    return "\n".join(lines)


def _sign(result: CellResult) -> str:
    sign = SIGNS[result.outcome]
    return sign if result.allowed else f"[{sign}]"


def _effects(matrix: Matrix) -> list[str]:
    """What effects came to over all cells; never 0 for what nobody counted."""
    if not matrix.effects and not matrix.control.deeds:
        return []
    received: Counter[str] = Counter()
    applied: Counter[str] = Counter()
    twice: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for result in matrix.results:
        for one in result.effects:
            received[one.step] += one.received or 0
            applied[one.step] += one.applied or 0
            twice[one.step] += len(one.duplicate)
            if result.outcome in ("lost", "recovered"):
                lost[one.step] += len(one.lost)
    lines = ["", "effects, counted outside of the processes:"]
    for step in dict.fromkeys((*matrix.effects, *matrix.control.deeds)):
        if step in matrix.control.deeds:
            lines.append(
                f"  {step}: {received[step]} received, {applied[step]} applied, "
                f"{twice[step]} duplicated, {lost[step]} lost"
            )
        else:
            lines.append(f"  {step}: not measured (no surefoot.testing.Ledger heard of it)")
    return lines


def _times(matrix: Matrix) -> list[str]:
    times = [one.times for one in matrix.results if one.outcome == "recovered" and one.times.total]
    if not times:
        return []
    total = sorted(one.total for one in times)
    middle = total[len(total) // 2]
    restart = sorted(one.restart for one in times)[len(times) // 2]
    backoff = max(one.backoff for one in times)
    words = (
        f"recovery, real time: {middle:.3f} s at the median ({restart:.3f} s of it until a process was "
        f"at it again), {total[-1]:.3f} s at most; back-off, not waited for: up to {backoff:.1f} s"
    )
    return ["", words]
