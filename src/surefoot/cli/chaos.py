"""``surefoot chaos``: faults on purpose, and the matrix of what came of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .app import Group
from .options import examples, json_option
from .out import counted, plain, write, write_json

if TYPE_CHECKING:
    from ..chaos.model import Cell, CellResult

__all__ = ["chaos"]

F = Callable[..., Any]


class _Chaos(Group):
    """``surefoot chaos TARGET`` is ``surefoot chaos run TARGET``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            args = ["run", *args]
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Chaos,
    epilog=examples(
        "surefoot chaos pipeline.py:triage --input '\"tickets.jsonl\"'",
        "surefoot chaos pipeline.py:triage --only step=pay",
        "surefoot chaos pipeline.py:triage --crash-sweep --only kind=write",
        "surefoot chaos pipeline.py:triage --html matrix.html --junit chaos.xml",
        "surefoot chaos replay pay/after/killed",
    ),
)
def chaos() -> None:
    """Prove that a workflow recovers: play every fault that can happen in each of its steps.

    It runs the workflow without faults first, then once for each step and fault, in child processes
    that it kills, in temporary folders. Effects are counted by surefoot.testing.Ledger.

    Ends with 0 if all that came of it is allowed, with 1 on a violation, and with 5 where a fault did
    not fire, or was not played, or the run without faults failed.
    """


SHARED = (
    click.option(
        "--input",
        "input_",
        metavar="JSON",
        help="As for surefoot run; {folder} in it is the cell's own folder.",
    ),
    click.option(
        "--arg", "args", multiple=True, metavar="NAME=VALUE", help="One argument: JSON or a text."
    ),
    click.option(
        "--setup",
        metavar="PKG:FN",
        help="A context manager that prepares a cell: it is given a folder, and yields the cell's input, "
        "environment and effects.  [default: setup of [chaos] in the settings]",
    ),
    click.option(
        "--only",
        multiple=True,
        metavar="WORD",
        help="Only these cells: step=NAME or kind=NAME, several with commas; kind=write are those at "
        "the journal.",
    ),
    click.option("--crash-sweep", is_flag=True, help="Kill at every write of the journal, too."),
    click.option(
        "--pauses",
        is_flag=True,
        help="Stop a process in each step, too, while another one takes its run over, as it can happen "
        "between hosts and between containers.",
    ),
    click.option(
        "--pairs",
        is_flag=True,
        help="Then two faults, one after another: after each kill, each fault that can follow; with "
        "--crash-sweep, kills at two writes.",
    ),
    click.option(
        "--sample",
        type=click.IntRange(1),
        help="So many cells, and so many pairs, chosen by the seed.  [default: all]",
    ),
    click.option(
        "--seed", type=int, default=0, show_default=True, help="For all that is left to chance."
    ),
)
"""What ``run`` and ``list`` have in common."""


def _options(fn: F) -> F:
    for option in reversed(SHARED):
        fn = option(fn)
    return fn


@chaos.command(
    "run",
    epilog=examples(
        "surefoot chaos run pipeline.py:triage --input '\"tickets.jsonl\"'",
        "surefoot chaos run pipeline.py:triage --only step=pay kind=killed,timeout",
        "surefoot chaos run pipeline.py:triage --crash-sweep --junit chaos.xml",
    ),
)
@click.argument("target")
@click.argument("words", nargs=-1, metavar="[WORD]...")
@_options
@click.option("--jobs", type=click.IntRange(1), help="Cells at a time.  [default: processors]")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Begin no cell after that; cells that were left out are not proved (5).",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="For one process; one that takes longer is stuck.",
)
@click.option("--real-time", is_flag=True, help="Wait for real where the workflow waits.")
@click.option("--allow-network", is_flag=True, help="Let its processes reach other machines.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep every cell's folder, here.")
@click.option("--html", type=click.Path(path_type=Path), help="Write the matrix as a page.")
@click.option("--junit", "junit_", type=click.Path(path_type=Path), help="Write it for CI.")
@json_option
def run(**options: Any) -> int:
    """Play the faults of the workflow TARGET: pkg.module:name, or path/to/file.py:name.

    A WORD after --only's first one is one more of them: --only step=pay kind=timeout.
    """
    from .chaos_run import ChaosRun

    return ChaosRun(**options).run()


@chaos.command(
    "list",
    epilog=examples(
        "surefoot chaos list                       the cells of the last chaos run",
        "surefoot chaos list pipeline.py:triage --input '\"tickets.jsonl\"' --only step=pay",
    ),
)
@click.argument("target", required=False)
@click.argument("words", nargs=-1, metavar="[WORD]...")
@_options
@json_option
def list_(target: str | None, as_json: bool, **options: Any) -> int:
    """List the cells of the workflow TARGET, or those of the last chaos run."""
    from ..chaos.remembered import load_remembered
    from .chaos_run import ChaosRun

    if target is None:
        cells: Sequence[Cell] = load_remembered().cells
    else:
        cells = ChaosRun(target=target, as_json=as_json, quiet=True, **options).listed()
    if as_json:
        write_json({"cells": [one.as_dict() for one in cells]})
        return 0
    for one in cells:
        write(plain(f"{one.id}  ({' or '.join(one.allowed)})"))
    return 0


@chaos.command(
    epilog=examples(
        "surefoot chaos replay pay/after/killed",
        "surefoot chaos replay write/17/inside --keep looked-at --json",
    )
)
@click.argument("cell_id", metavar="CELL")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep its folder, here.")
@json_option
def replay(cell_id: str, keep: Path | None, as_json: bool) -> int:
    """Play CELL of the last chaos run once more, and keep what it left."""
    from ..chaos.remembered import load_remembered
    from .chaos_run import ChaosRun

    told = load_remembered()
    cell = told.cell(cell_id)
    folder = (keep or Path(tempfile.mkdtemp(prefix="surefoot-chaos-"))).absolute()
    os.chdir(told.cwd)
    result = ChaosRun.again(told, folder, quiet=as_json).replayed(cell)
    if as_json:
        write_json(result.as_dict())
    else:
        _tell_cell(result)
    return 0 if result.allowed else (5 if result.outcome == "not_fired" else 1)


def _tell_cell(result: CellResult) -> None:
    """One cell, with what to look at next."""
    from ..chaos.report import parts

    cell = result.cell
    faults = [
        f"{one.words} {one.seam} {one.step or f'the journal ({one.event}, {one.script})'}"
        for one in cell.faults
    ]
    lines = [
        f"{cell.id}: {result.outcome}{'' if result.allowed else ', which is not allowed'}",
        f"  seen      {result.detail}",
        f"  allowed   {' or '.join(cell.allowed)} ({cell.because or 'by default'})",
        f"  fault     {', and then '.join(faults)}",
        f"  fired     {counted(result.fired, 'time')}",
        f"  processes {result.processes}",
        f"  attempts  {result.attempts}",
        f"  recovery  {parts(result.times)}",
    ]
    for one in result.effects:
        lines.append(
            f"  effect    {one.step}: {one.received} received, {one.applied} applied of {one.expected}; "
            f"{len(one.duplicate)} duplicated, {len(one.lost)} lost"
        )
    if result.journal is not None:
        lines += [
            f"  look      surefoot show chaos --journal {result.journal}/journal.db",
            f"            {result.journal}/output.txt is what it printed",
        ]
    write(plain("\n".join(lines)))
