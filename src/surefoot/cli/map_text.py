"""The map of a workflow for people at a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .map_rows import (
    LEGEND,
    Document,
    GroupedRow,
    actions,
    facts,
    grouped,
    heading,
    journal_words,
    left_out,
    stage_rows,
)
from .out import plain, render, table

__all__ = ["text_of"]

RECOVERABLE = {"yes": "green", "no": "bold red"}


def text_of(document: Document, *, all: bool = False) -> str:  # noqa: A002
    """The stages, each step with its facts and its table, and what to do about what halts."""
    from rich.text import Text

    top: list[tuple[str, Any]] = [("code", document["function"])]
    if document["does"]:
        top.append(("does", document["does"]))
    if document["nested_workflows"]:
        top.append(("within", ", ".join(document["nested_workflows"])))
    top.append(("journal", journal_words(document)))
    for number, (stage, names) in enumerate(stage_rows(document)):
        top.append(("stages" if number == 0 else "", f"{stage}: {', '.join(names)}"))
    parts: list[Any] = [Text(plain(heading(document)), "bold"), table(("", ""), top, indent=2)]
    if document["points"]:
        rows = [(one["step"], one["text"]) for one in document["points"]]
        parts += [Text(), Text("to look at", "bold"), table(("", ""), rows, indent=2)]
    for stage in document["stages"]:
        for step in document["steps"]:
            if step["stage"] == stage["stage"]:
                parts += _step(step, stage["stage"] or "no stage", all)
    to_do = [(kind, title, action) for kind, title, action in actions(document)]
    if to_do:
        parts += [Text(), table(("WHEN IT HALTS", "", "WHAT A PERSON DOES"), to_do)]
    parts += [Text(), *(Text(plain(one), "dim") for one in (*LEGEND, *document["notes"]))]
    return render(*parts)


def _step(step: Document, stage: str, every: bool) -> list[Any]:
    from rich.text import Text

    title = Text("\n").append(plain(step["name"]), "bold")
    title.append(f"  {step['form']}, {stage}")
    if step["module"]:
        title.append(f"  {step['module']}, line {step['line']}", "dim")
    parts: list[Any] = [title, table(("", ""), facts(step), indent=2)]
    rows = grouped(step, all=every)
    if rows:
        parts += [Text(), _table(rows, every)]
    more = None if every else left_out(step)
    if more:
        parts.append(Text(f"  {plain(more)}", "dim"))
    return parts


def _table(rows: Sequence[GroupedRow], every: bool) -> Any:
    """Each cell may be wrapped: nothing of a table that is reviewed may be cut off."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    made.add_column("", width=0)
    made.add_column("FAILURES", overflow="fold", ratio=4 if not every else 2)
    if every:
        made.add_column("CATEGORY", no_wrap=True)
    made.add_column("WHY EXPECTED", overflow="fold", ratio=2)
    made.add_column("RECOVERABLE", no_wrap=True)
    made.add_column("WHAT SUREFOOT DOES", overflow="fold", ratio=4 if not every else 3)
    if every:
        made.add_column("WHAT A PERSON DOES IF IT HALTS", overflow="fold", ratio=4)
    for row in rows:
        cells: list[Any] = ["", Text(plain(", ".join(row.kinds)))]
        if every:
            cells.append(Text(", ".join(row.categories)))
        cells += [
            Text(plain(row.why)),
            Text(row.recoverable, RECOVERABLE.get(row.recoverable, "")),
            Text(plain(row.words), "bold" if row.can_halt and row.tier == "likely" else ""),
        ]
        if every:
            cells.append(Text(plain(row.action) if row.can_halt else ""))
        made.add_row(*cells)
    return made
