"""The last page of the demo: what failed, what became of it, and whether it held."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich import box
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .check import Check, Kill
from .report import Story

COLOURS = {"data": "yellow", "model": "magenta", "infrastructure": "cyan", "code": "red"}


def show(
    console: Console,
    story: Story | None,
    checks: Sequence[Check],
    kills: Sequence[Kill],
    table: Path,
    seconds: float,
    hints: Sequence[str],
) -> None:
    """Print the summary. ``seconds`` is how long the whole demo took."""
    if story is not None:
        console.print(_failures(story))
        console.print(_after_the_kills(story, kills))
        console.print(_findings(table))
    console.print(_checks(checks))
    held = all(check.ok for check in checks)
    red = [check.name for check in checks if not check.ok]
    verdict = Text(
        "It held." if held else f"It did not hold: {'; '.join(red)}.",
        style="bold green" if held else "bold red",
    )
    verdict.append(f"  {seconds:.0f} seconds in all.", style="dim")
    console.print(Panel(verdict, border_style="green" if held else "red"))
    console.print("[bold]Look at it yourself:[/]")
    for hint in hints:  # in one piece each, to be copied
        console.print(f"  {escape(hint)}", soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _failures(story: Story) -> RenderableType:
    table = _table("What failed, and what was done", "", "step", "recognised as", "seen", "done")
    for one in story.groups:
        colour = COLOURS.get(one.category, "white")
        table.add_row(
            f"{one.count}×",
            one.step,
            Text.assemble((one.kind, colour), (f"\n{one.category}", "dim")),
            escape(one.what),
            one.done,
        )
    return table


def _after_the_kills(story: Story, kills: Sequence[Kill]) -> RenderableType:
    lines = [
        f"SIGKILL {kill.where}: {kill.answered} answers and {kill.rows} rows were there"
        for kill in kills
    ]
    saved = (
        f"[bold]{story.reused}[/] calls were reused and not made again. "
        f"[bold]Time saved: {story.time_saved:.1f} s[/] of work "
        "[dim](the sum of their recorded durations; several ran at a time)[/]"
    )
    return Panel("\n".join([*lines, saved]), title="What the kills cost", title_align="left")


def _findings(table: Path) -> RenderableType:
    with closing(sqlite3.connect(f"file:{table}?mode=ro", uri=True)) as db:
        total = db.execute("SELECT count(*) FROM findings").fetchone()[0]
        kinds = db.execute(
            "SELECT description, count(*) AS n FROM findings GROUP BY 1 ORDER BY n DESC LIMIT 6"
        ).fetchall()
        query = "SELECT path, description, score FROM findings WHERE verdict = 'belies' ORDER BY at DESC"
        liars = db.execute(query).fetchall()
    text = Text(
        f"{total} files: " + ", ".join(f"{count} {name}" for name, count in kinds) + ", …\n"
    )
    for path, description, score in liars[:8]:
        text.append(f"\n{'/'.join(path.split('/')[-2:])}", style="bold")
        text.append(f" is no .{path.rsplit('.', 1)[-1]}: {description} ", style="")
        text.append(f"({score:.0%})", style="dim")
    if len(liars) > 8:
        text.append(f"\nand {len(liars) - 8} more")
    title = f"What was found: {len(liars)} files belie their names"
    return Panel(text, title=title, title_align="left")


def _checks(checks: Sequence[Check]) -> RenderableType:
    table = _table("Did it hold? Not taken from the journal", "", "check", "counted", "looked at")
    for check in checks:
        counted = Text(check.detail)
        for example in check.examples:
            counted.append(f"\n{example}", style="red")
        table.add_row(
            Text("✓", style="green") if check.ok else Text("✗", style="bold red"),
            Text(check.name, style="" if check.ok else "bold red"),
            counted,
            Text(check.source, style="dim"),
        )
    return table
