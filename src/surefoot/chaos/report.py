"""The resilience matrix, as text; and what is the same for every form of it."""

from __future__ import annotations

import json
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from .campaign import Matrix
from .model import Cell, CellResult, Outcome, Times

__all__ = [
    "Group",
    "by_step",
    "effects_of",
    "fault_of",
    "groups",
    "notes_of",
    "parts",
    "scrubbed",
    "summary",
    "text",
]

WRITES = "(writes of the journal)"
WIDTH = 110
"""Columns of a text; what a person looks at is rarely wider."""


def by_step(results: Iterable[CellResult]) -> dict[str, list[CellResult]]:
    """The cells of each step, in their order; those of the journal's writes last."""
    found: dict[str, list[CellResult]] = defaultdict(list)
    for one in results:
        found[one.cell.step or WRITES].append(one)
    writes = found.pop(WRITES, None)
    return {**found, WRITES: writes} if writes else dict(found)


def fault_of(cell: Cell) -> str:
    """A cell's id without its step.

    >>> from .model import FaultSpec
    >>> fault_of(Cell("pay/before/timeout", (FaultSpec("kind", "timeout", step="pay"),), "pay"))
    'before/timeout'
    """
    return cell.id.removeprefix(f"{cell.step}/") if cell.step else cell.id.removeprefix("write/")


def summary(matrix: Matrix) -> str:
    """The first line: what was done, and whether it held.

    It never says that something was survived of which nothing was tested.
    """
    number = len(matrix.results)
    if not number:
        return f"{matrix.workflow}: no cell was played; nothing is proved"
    fired = sum(one.outcome != "not_fired" for one in matrix.results)
    counts = ", ".join(f"{n} {name}" for name, n in matrix.outcomes().most_common())
    words = f"{matrix.workflow}: {_cells(number)}, {fired} fired: {counts}"
    bad = len(matrix.violations)
    if bad:
        return f"{words}; {bad} {'violation' if bad == 1 else 'violations'}"
    if matrix.not_fired or matrix.not_played:
        return f"{words}; not all of it is proved"
    return f"{words}; all of it is allowed"


def _cells(number: int) -> str:
    return f"{number} cell{'' if number == 1 else 's'}"


def scrubbed(result: CellResult) -> CellResult:
    """Without secrets: what effects did, and what went wrong, may name them."""
    from ..runtime import scrub

    def clean(words: Iterable[str]) -> tuple[str, ...]:
        return tuple(str(scrub(one)) for one in words)

    effects = [
        replace(
            one, duplicate=clean(one.duplicate), lost=clean(one.lost), unknown=clean(one.unknown)
        )
        for one in result.effects
    ]
    return replace(result, detail=str(scrub(result.detail)), effects=tuple(effects))


# -- what is wrong, together ----------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Cells that ended in the same wrong way, with what to do about it."""

    step: str
    outcome: Outcome
    results: tuple[CellResult, ...]
    detail: str
    advice: str
    allow: str | None
    """The table for ``surefoot.toml`` that would allow it; None for what nobody should allow."""


def groups(results: Iterable[CellResult]) -> list[Group]:
    """Violations, and cells that did not fire, told together where they are alike."""
    alike: dict[tuple[str, str, str, str], list[CellResult]] = defaultdict(list)
    for one in results:
        step = one.cell.step or WRITES
        alike[step, one.outcome, one.cell.because, _advice(one)].append(one)
    found = []
    for (step, _, because, advice), those in alike.items():
        first = those[0]
        details = list(dict.fromkeys(one.detail for one in those))
        detail = details[0] if len(details) == 1 else f"e.g. {details[0]}"
        if first.outcome != "not_fired":
            detail += f"; allowed is {' or '.join(first.cell.allowed)} ({because or 'by default'})"
        found.append(Group(step, first.outcome, tuple(those), detail, advice, _table(those)))
    return found


def _advice(one: CellResult) -> str:
    step = one.cell.step or "the step"
    fault = one.cell.faults[0]
    if one.outcome == "not_fired":
        return f"give an input with which {step} is called; or leave it out: --only"
    if one.outcome == "halted":
        if "in doubt" in one.detail:
            return f"give {step} a verify=, or have its body send idempotency_key()"
        return (
            f"say what {step} does about it: recover=[on(…).retry(…), .fall_back(…) or "
            ".skip(default=…)]; or allow it"
        )
    if one.outcome == "duplicate":
        return (
            "make what is done twice an @effect with a key=, and give it a verify= or have its body send "
            "idempotency_key()"
        )
    if one.outcome == "wrong_output" and fault.what == "value":
        return f"check the value in {step} itself, before it is saved, and raise if it is wrong"
    if one.outcome in ("wrong_output", "lost"):
        return f"look for an except around {step} that swallows the failure and goes on"
    if one.outcome == "stuck":
        return "look at what it printed, and at the run"
    if one.outcome == "recovered":
        return "it does better than it was asked to: allow that, too"
    return f"look at what {step} falls back on, sets aside or undoes; or allow it"


def _table(those: Sequence[CellResult]) -> str | None:
    outcome = those[0].outcome
    if outcome not in ("recovered", "halted", "degraded", "dead_lettered", "compensated"):
        return None
    allow = list(dict.fromkeys(("recovered", outcome)))
    kinds = list(dict.fromkeys(_kind(one.cell) for one in those))
    lines = ["[[chaos.expect]]"]
    if those[0].cell.step is not None:
        lines.append(f"step = {json.dumps(those[0].cell.step)}")
    lines += [f"kind = {json.dumps(kinds)}", f"allow = {json.dumps(allow)}"]
    return "\n".join(lines)


def _kind(cell: Cell) -> str:
    fault = cell.faults[0]
    if fault.seam == "write":
        return "write"
    return fault.value if fault.what == "kind" else fault.words


# -- the text -------------------------------------------------------------------------------------


def text(matrix: Matrix, *, again: str) -> str:
    """All of it for people.

    :param again: the command that plays one cell again, to which its id is added.
    """
    lines = [summary(matrix)]
    for step, results in by_step(matrix.results).items():
        lines += ["", f"  {step}"]
        lines += [line for part in _outcomes(results) for line in part]
    lines += _effects(matrix)
    lines += _times(matrix)
    for title, bad in (("violations", matrix.violations), ("not fired", matrix.not_fired)):
        if bad:
            lines += ["", f"{title}:"]
            for one in groups(bad):
                lines += _told(one, again)
    notes = notes_of(matrix)
    if notes:
        lines += ["", *(f"note: {one}" for one in notes)]
    return "\n".join(lines)


def _outcomes(results: Sequence[CellResult]) -> Iterable[list[str]]:
    """Lines for each outcome of one step: how often, attempts, recovery time, and which faults."""
    alike: dict[tuple[str, bool], list[CellResult]] = defaultdict(list)
    for one in results:
        alike[one.outcome, one.allowed].append(one)
    for (outcome, allowed), those in alike.items():
        attempts = sorted(one.attempts for one in those)
        many = f"{attempts[0]}-{attempts[-1]}" if attempts[0] != attempts[-1] else f"{attempts[0]}"
        totals = [one.times.total for one in those if one.times.total]
        took = f"{median(totals):.3f} s" if totals else "-"
        sign = " " if allowed else "✗"
        head = f"  {sign} {len(those):>4} {outcome:<13} attempts {many:<6} {took:>9}   "
        names = ", ".join(_short(those))
        yield textwrap.wrap(
            names,
            WIDTH,
            initial_indent=head,
            subsequent_indent=" " * len(head),
            break_on_hyphens=False,
        )


def _short(those: Sequence[CellResult]) -> list[str]:
    """Their faults; of long rows of writes and pairs, the first and the last."""
    names = [fault_of(one.cell) for one in those]
    if (those[0].cell.step is None and len(names) > 6) or any("+" in name for name in names):
        return [*names[:2], "…", names[-1]] if len(names) > 3 else names
    return names


def _told(group: Group, again: str) -> list[str]:
    names = [fault_of(one.cell) for one in group.results]
    few = names if len(names) <= 40 else [*names[:40], f"and {len(names) - 40} more"]
    lines = [f"  {group.step}: {group.outcome} in {_cells(len(names))}"]
    for label, words in (
        ("faults", ", ".join(few)),
        ("seen", group.detail),
        ("next", group.advice),
    ):
        lines += textwrap.wrap(
            words, WIDTH, initial_indent=f"      {label:<7} ", subsequent_indent=" " * 14
        )
    if group.allow is not None:
        head, *rest = group.allow.splitlines()
        lines.append(f"      allow   in surefoot.toml: {head}")
        lines += [f"                               {line}" for line in rest]
    first = group.results[0]
    if first.journal is not None:
        lines.append(f"      kept    {first.journal}")
    lines.append(f"      again   {again} {first.cell.id}")
    return lines


def effects_of(matrix: Matrix) -> list[tuple[str, tuple[int, int, int, int, int] | None]]:
    """What effects came to over all cells: received, applied, duplicated, lost, unknown. None, and never
    0, for what nobody counted. Lost is counted where it is the verdict: a run that halted in doubt, or
    set an item aside, has not lost what it did not do."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    heard = dict.fromkeys(matrix.control.deeds)
    for result in matrix.results:
        for one in result.effects:
            heard[one.step] = None
            sums[one.step] += Counter(
                received=one.received or 0,
                applied=one.applied or 0,
                duplicate=len(one.duplicate),
                lost=len(one.lost) if result.outcome == "lost" else 0,
                unknown=len(one.unknown),
            )
    names = ("received", "applied", "duplicate", "lost", "unknown")
    return [
        (step, tuple(sums[step][name] for name in names) if step in heard else None)  # type: ignore[misc]
        for step in dict.fromkeys((*matrix.effects, *heard))
    ]


def _effects(matrix: Matrix) -> list[str]:
    rows = effects_of(matrix)
    lines = ["", "effects, counted outside of the processes:"] if rows else []
    for step, numbers in rows:
        if numbers is None:
            lines.append(f"  {step}: not measured (no surefoot.testing.Ledger heard of it)")
        else:
            received, applied, twice, lost, unknown = numbers
            lines.append(
                f"  {step}: {received} received, {applied} applied, {twice} duplicated, {lost} lost, "
                f"{unknown} unknown"
            )
    return lines


def _times(matrix: Matrix) -> list[str]:
    times = [one.times for one in matrix.results if one.outcome == "recovered" and one.times.total]
    if not times:
        return []
    longest = max(times, key=lambda one: one.total)
    middle = sorted(times, key=lambda one: one.total)[len(times) // 2]
    lines = ["", "recovery, from the fault to the right end, in real time:"]
    lines += [
        f"  {name:<9} {parts(one)}" for name, one in (("median", middle), ("longest", longest))
    ]
    backoff = [one.backoff for one in times if one.backoff]
    if backoff and not times[0].waited:
        lines.append(f"  back-off is not waited for: {max(backoff):.1f} s at most")
    return lines


def parts(times: Times) -> str:
    """The parts of a recovery; what was not measured is no 0.

    >>> parts(Times(None, 0.02, 0.08, 0.1))
    '0.100 s: not noticed, 0.020 s until a process was at it, 0.080 s of work'
    """
    told = [
        "not noticed" if times.detection is None else f"{times.detection:.3f} s until noticed",
        "no other process"
        if times.restart is None
        else f"{times.restart:.3f} s until a process was at it",
        f"{times.work:.3f} s of work",
    ]
    if times.waited and times.backoff:
        told.append(f"{times.backoff:.3f} s of back-off")
    return f"{times.total:.3f} s: {', '.join(told)}"


def notes_of(matrix: Matrix) -> list[str]:
    """What is to be known to read the numbers rightly."""
    notes = list(matrix.notes)
    if matrix.not_played:
        notes.append(
            f"{_cells(matrix.not_played)} were not played: the time limit was reached; to bound it on "
            "purpose, take a sample: --sample"
        )
    if matrix.beyond:
        notes.append(
            f"{_cells(matrix.beyond)} at the last writes of the control run did not come again: which "
            "writes share a commit depends on the threads"
        )
    if not matrix.control.steady:
        notes.append("the control's result is another each time: results were not compared")
    for one in matrix.control.unsteady:
        notes.append(f"what {one} does is another each time: only the number was compared")
    return notes
