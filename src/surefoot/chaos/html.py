"""The matrix as one page of HTML: offline, printable, without a script.

Nothing is told by colour alone: each outcome is a word, and what is not allowed has a cross and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.metadata import PackageNotFoundError, version
from platform import python_version

from .campaign import Matrix
from .model import CellResult, Outcome
from .report import by_step, effects_of, fault_of, groups, notes_of, parts, summary
from .verdict import EVENTS

__all__ = ["page"]

MEANINGS: dict[Outcome, str] = {
    "recovered": "the control's result, and every effect once",
    "degraded": "a fallback or a default served",
    "compensated": "rolled back: what was done was undone",
    "dead_lettered": "items were set aside, the rest went on",
    "halted": "stopped cleanly; a resume without the fault gave the control's result, or a person must "
    "say what happened",
    "stuck": "neither an end nor a resume came of it",
    "wrong_output": "it completed, with another result or other effects than the control",
    "duplicate": "an effect reached the outside world twice",
    "lost": "an effect never did",
    "not_fired": "the fault did not act: nothing is proved",
}

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --line: #b9b9b9; --soft: #f2f2f2;
  --good: #e3f1e5; --mild: #fdf3d8; --bad: #f8dcdc; --bad-ink: #8d1212; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #17181a; --line: #55585c;
  --soft: #232528; --good: #1e3524; --mild: #3b331a; --bad: #471d1d; --bad-ink: #ffb3b3; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  margin: 2rem auto; max-width: 78rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .87rem; }
caption { text-align: left; padding: .3rem 0; font-weight: 600; }
th, td { border: 1px solid var(--line); padding: .2rem .45rem; text-align: left; vertical-align: top; }
thead th { background: var(--soft); position: sticky; top: 0; }
tbody th { font-weight: 500; white-space: nowrap; background: var(--soft); }
td.recovered { background: var(--good); }
td.degraded, td.compensated, td.dead_lettered, td.halted { background: var(--mild); }
td.wrong { background: var(--bad); color: var(--bad-ink); outline: 2px solid currentColor;
  outline-offset: -2px; font-weight: 600; }
td.none { color: inherit; opacity: .55; }
summary { cursor: pointer; } details p { margin: .3rem 0; max-width: 28rem; font-weight: 400; }
code, pre { font: .85rem/1.4 ui-monospace, monospace; } pre { background: var(--soft); padding: .6rem;
  overflow-x: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dd { margin: 0; }
dt { font-weight: 600; }
@media print { body { margin: 0; max-width: none; } thead th { position: static; }
  .scroll { overflow: visible; } details > *:not(summary) { display: none; } }
"""


def page(matrix: Matrix) -> str:
    """The whole page. All that comes from the workflow is escaped."""
    title = f"Resilience of {matrix.workflow}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p role="status"><strong>{escape(summary(matrix))}</strong></p>',
        *_wrong("Violations", matrix.violations),
        *_wrong("Not fired", matrix.not_fired),
        *_steps(matrix),
        *_writes(matrix),
        *_pairs(matrix),
        *_effects(matrix),
        *_times(matrix),
        *_about(matrix),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


# -- what is wrong --------------------------------------------------------------------------------


def _wrong(title: str, bad: Sequence[CellResult]) -> Iterator[str]:
    if not bad:
        return
    yield f"<h2>{title}</h2>"
    for one in groups(bad):
        names = ", ".join(f"<code>{escape(fault_of(each.cell))}</code>" for each in one.results)
        yield (
            f"<p><strong>✗ {escape(one.step)}: {one.outcome}</strong> ({len(one.results)}): {names}</p>"
            f"<p>{escape(one.detail)}</p><p>Next: {escape(one.advice)}</p>"
        )
        if one.allow is not None:
            yield f"<pre>{escape(one.allow)}</pre>"
        yield f"<p>Again: <code>surefoot chaos replay {escape(one.results[0].cell.id)}</code></p>"


# -- tables ---------------------------------------------------------------------------------------


def _single(matrix: Matrix) -> list[CellResult]:
    return [one for one in matrix.results if len(one.cell.faults) == 1]


def _steps(matrix: Matrix) -> Iterator[str]:
    """Step × fault: the steps side by side, the faults below each other."""
    columns = by_step(one for one in _single(matrix) if one.cell.step is not None)
    if not columns:
        return
    rows = list(dict.fromkeys(fault_of(one.cell) for those in columns.values() for one in those))
    found = {(step, fault_of(one.cell)): one for step, those in columns.items() for one in those}
    yield "<h2>Step × fault</h2>"
    yield from _table(
        "What came of each fault at each step; open a cell for what was seen",
        ["fault", *columns],
        ((row, [found.get((step, row)) for step in columns]) for row in rows),
    )


def _writes(matrix: Matrix) -> Iterator[str]:
    """Write × moment: a kill at every write of the journal, and what else was done there."""
    those = [one for one in _single(matrix) if one.cell.step is None]
    if not those:
        return
    found = {one.cell.id: one for one in those}
    rows = list(dict.fromkeys(one.cell.id.split("/")[1] for one in those))
    moments = list(dict.fromkeys((*EVENTS, *(one.cell.id.split("/")[2] for one in those))))
    yield "<h2>Writes of the journal</h2>"
    yield from _table(
        "A kill before, inside and after each commit; ENOSPC and EIO: what its database failed with",
        ["write", *moments],
        ((row, [found.get(f"write/{row}/{one}") for one in moments]) for row in rows),
    )


def _table(
    caption: str, head: Sequence[str], rows: Iterable[tuple[str, Sequence[CellResult | None]]]
) -> Iterator[str]:
    yield f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead><tr>'
    yield "".join(f'<th scope="col">{escape(one)}</th>' for one in head)
    yield "</tr></thead><tbody>"
    for name, cells in rows:
        told = "".join(map(_cell, cells))
        yield f'<tr><th scope="row">{escape(name)}</th>{told}</tr>'
    yield "</tbody></table></div>"


def _cell(one: CellResult | None) -> str:
    if one is None:
        return '<td class="none">–</td>'
    look = one.outcome if one.allowed else "wrong"
    sign = "" if one.allowed else "✗ "
    return (
        f'<td class="{look}"><details><summary>{sign}{one.outcome}</summary>{_detail(one)}'
        "</details></td>"
    )


def _detail(one: CellResult) -> str:
    lines = [
        escape(one.detail),
        f"allowed: {' or '.join(one.cell.allowed)} ({escape(one.cell.because or 'by default')})",
        f"fired {one.fired} ×, {one.processes} processes, {one.attempts} attempts",
    ]
    if one.outcome != "not_fired":
        lines.append(escape(parts(one.times)))
    for each in one.effects:
        lines.append(
            f"{escape(each.step)}: {each.received} received, {each.applied} applied of "
            f"{each.expected}, {len(each.duplicate)} duplicated, {len(each.lost)} lost, "
            f"{len(each.unknown)} unknown"
        )
    return "".join(f"<p>{line}</p>" for line in lines)


def _pairs(matrix: Matrix) -> Iterator[str]:
    those = [one for one in matrix.results if len(one.cell.faults) > 1]
    if not those:
        return
    rows: dict[str, list[CellResult]] = {}
    for one in those:
        rows.setdefault(one.cell.id.partition("+")[0], []).append(one)
    yield "<h2>Two faults, one after another</h2>"
    yield (
        '<div class="scroll"><table><caption>What came of a second fault, in the process after the '
        'first one\'s</caption><thead><tr><th scope="col">first</th><th scope="col">seconds</th>'
        '<th scope="col">outcomes</th></tr></thead><tbody>'
    )
    for first, row in rows.items():
        bad = any(not one.allowed for one in row)
        counts: dict[str, int] = {}
        for one in row:
            name = one.outcome if one.allowed else f"✗ {one.outcome}"
            counts[name] = counts.get(name, 0) + 1
        told = ", ".join(f"{number} {name}" for name, number in counts.items())
        yield (
            f'<tr><th scope="row">{escape(first)}</th><td>{len(row)}</td>'
            f'<td class="{"wrong" if bad else "recovered"}">{escape(told)}</td></tr>'
        )
    yield "</tbody></table></div>"


def _effects(matrix: Matrix) -> Iterator[str]:
    rows = effects_of(matrix)
    if not rows:
        return
    yield "<h2>Effects</h2>"
    head = ("effect", "received", "applied", "duplicated", "lost", "unknown")
    yield (
        '<div class="scroll"><table><caption>Counted outside of the processes, over all cells'
        "</caption><thead><tr>"
    )
    yield "".join(f'<th scope="col">{one}</th>' for one in head) + "</tr></thead><tbody>"
    for step, numbers in rows:
        cells = (
            '<td colspan="5">not measured: no surefoot.testing.Ledger heard of it</td>'
            if numbers is None
            else "".join(f"<td>{one}</td>" for one in numbers)
        )
        yield f'<tr><th scope="row">{escape(step)}</th>{cells}</tr>'
    yield "</tbody></table></div>"


def _times(matrix: Matrix) -> Iterator[str]:
    """The parts of the recoveries of each step: the middle one and the longest."""
    columns = {
        step: sorted(
            (one.times for one in those if one.outcome == "recovered" and one.times.total),
            key=lambda one: one.total,
        )
        for step, those in by_step(matrix.results).items()
    }
    columns = {step: those for step, those in columns.items() if those}
    if not columns:
        return
    yield "<h2>Recovery times</h2>"
    yield (
        '<div class="scroll"><table><caption>From the fault to the right end; seconds of real time</caption>'
        "<thead><tr>"
    )
    head = (
        "step",
        "which",
        "total",
        "until noticed",
        "until a process was at it",
        "work",
        "back-off",
    )
    yield "".join(f'<th scope="col">{one}</th>' for one in head) + "</tr></thead><tbody>"
    for step, those in columns.items():
        for which, one in (("median", those[len(those) // 2]), ("longest", those[-1])):
            back = f"{one.backoff:.3f}" + (
                "" if one.waited or not one.backoff else " (not waited for)"
            )
            numbers = (
                f"{one.total:.3f}",
                "not noticed" if one.detection is None else f"{one.detection:.3f}",
                "no other process" if one.restart is None else f"{one.restart:.3f}",
                f"{one.work:.3f}",
                back,
            )
            told = "".join(f"<td>{number}</td>" for number in (which, *numbers))
            yield f'<tr><th scope="row">{escape(step)}</th>{told}</tr>'
    yield "</tbody></table></div>"


# -- how it was run -------------------------------------------------------------------------------


def _about(matrix: Matrix) -> Iterator[str]:
    control = matrix.control
    same = "the same twice" if control.steady else "another each time"
    facts = [
        ("control run", f"completed in {control.seconds:.3f} s; its result was {same}"),
        ("in it", f"{control.attempts} attempts, {control.writes // len(EVENTS)} journal writes"),
        ("cells", f"{len(matrix.results)}, in {matrix.seconds:.1f} s"),
        ("seed", str(matrix.seed)),
        ("versions", f"Surefoot {_version()}, Python {python_version()}"),
    ]
    facts += [("note", one) for one in notes_of(matrix)]
    yield "<h2>How it was run</h2><dl>"
    yield "".join(f"<dt>{name}</dt><dd>{escape(told)}</dd>" for name, told in facts)
    yield "</dl><h2>The outcomes</h2><dl>"
    yield "".join(f"<dt>{name}</dt><dd>{meaning}</dd>" for name, meaning in MEANINGS.items())
    yield "</dl>"


def _version() -> str:
    try:
        return version("surefoot")
    except PackageNotFoundError:
        return "(not installed)"
