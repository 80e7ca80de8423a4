"""``surefoot chaos``: faults on purpose, and the matrix of what came of them."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .app import Group
from .options import examples, json_option
from .out import complain, counted, plain, write, write_json

if TYPE_CHECKING:
    from ..chaos.arena import Arena, Control
    from ..chaos.campaign import Matrix
    from ..chaos.model import Cell, CellResult
    from ..chaos.remembered import Remembered

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
        "surefoot chaos pipeline.py:triage --only step=pay --crash-sweep",
        "surefoot chaos pipeline.py:triage --html matrix.html --junit chaos.xml",
        "surefoot chaos replay pay/after/killed",
    ),
)
def chaos() -> None:
    """Prove that a workflow recovers: play every fault that can happen in each of its steps.

    It runs the workflow without faults first, then once for each step and fault, in child processes
    that it kills, in temporary folders. Effects are counted by surefoot.testing.Ledger.

    Ends with 0 if all that came of it is allowed, with 1 on a violation, and with 5 where a fault did
    not fire or the run without faults failed.
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
        help="A context manager that prepares a cell: it is given a folder, and yields the cell's input "
        "and environment.",
    ),
    click.option(
        "--only",
        multiple=True,
        metavar="WORD",
        help="Only these cells: step=NAME or kind=NAME, several with commas.",
    ),
    click.option("--crash-sweep", is_flag=True, help="Kill at every write of the journal, too."),
    click.option("--pairs", is_flag=True, help="Two faults, one after another."),
    click.option(
        "--sample",
        type=click.IntRange(1),
        help="So many cells, chosen by the seed.  [default: all]",
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


@chaos.command("run")
@click.argument("target")
@_options
@click.option("--jobs", type=click.IntRange(1), help="Cells at a time.  [default: processors]")
@click.option("--time-limit", type=float, metavar="SECONDS", help="Begin no cell after that.")
@click.option(
    "--timeout",
    type=float,
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
    """Play the faults of the workflow TARGET: pkg.module:name, or path/to/file.py:name."""
    return _Command(**options).run()


@chaos.command("list")
@click.argument("target", required=False)
@_options
@json_option
def list_(target: str | None, as_json: bool, **options: Any) -> int:
    """List the cells of the workflow TARGET, or those of the last chaos run."""
    from ..chaos.remembered import load_remembered

    if target is None:
        cells: Sequence[Cell] = load_remembered().cells
    else:
        command = _Command(target=target, as_json=as_json, quiet=True, **options)
        with command.arena() as arena:
            cells = command.cells(arena, arena.control())
    if as_json:
        write_json({"cells": [one.as_dict() for one in cells]})
        return 0
    for one in cells:
        write(f"{one.id}  ({' or '.join(one.allowed)})")
    return 0


@chaos.command()
@click.argument("cell_id", metavar="CELL")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep its folder, here.")
@json_option
def replay(cell_id: str, keep: Path | None, as_json: bool) -> int:
    """Play CELL of the last chaos run once more, and keep what it left."""
    from ..chaos.remembered import load_remembered

    told = load_remembered()
    cell = told.cell(cell_id)
    os.chdir(told.cwd)
    folder = keep or Path(tempfile.mkdtemp(prefix="surefoot-chaos-"))
    command = _Command.again(told, folder)
    with command.arena() as arena:
        control = arena.control()
        result = arena.play(cell, control)
    if as_json:
        write_json({**result.as_dict(), "control": control.result})
    else:
        _tell_cell(result)
    return 0 if result.allowed else (5 if result.outcome == "not_fired" else 1)


def _tell_cell(result: CellResult) -> None:
    """One cell, with what to look at next."""
    write(f"{result.cell.id}: {result.outcome}{'' if result.allowed else ', which is not allowed'}")
    write(f"  {plain(result.detail)}")
    faults = [f"{one.words} {one.seam} {one.step or one.event}" for one in result.cell.faults]
    write(f"  fault     {' and then '.join(faults)}")
    write(f"  fired     {result.fired} times, in {counted(result.processes, 'process')}")
    for one in result.effects:
        write(f"  {one.step}: {one.received} received, {one.applied} applied of {one.expected}")
    if result.journal is not None:
        write(f"  look      surefoot show chaos --journal {result.journal}/journal.db")
        write(f"            {result.journal}/output.txt is what it printed")


class _Command:
    """A chaos run from the command line."""

    def __init__(
        self,
        target: str,
        input_: str | None = None,
        args: Sequence[str] = (),
        setup: str | None = None,
        only: Sequence[str] = (),
        crash_sweep: bool = False,
        pairs: bool = False,
        sample: int | None = None,
        seed: int = 0,
        jobs: int | None = None,
        time_limit: float | None = None,
        timeout: float = 60.0,
        real_time: bool = False,
        allow_network: bool = False,
        keep: Path | None = None,
        html: Path | None = None,
        junit_: Path | None = None,
        as_json: bool = False,
        quiet: bool = False,
    ) -> None:
        from ..chaos.plan import Only
        from ..errors import UsageError

        named = {}
        for one in args:
            name, equals, value = one.partition("=")
            if not equals or not name:
                raise UsageError(f"--arg {one!r} must be name=value, as --arg limit=20")
            named[name] = value
        self.target = target
        self.given: dict[str, Any] = {"input": input_, "args": named}
        self.setup = setup
        self.only = Only.parse(only)
        self.crash_sweep = crash_sweep
        self.pairs = pairs
        self.sample = sample
        self.seed = seed
        self.jobs = jobs or os.cpu_count() or 2
        self.time_limit = time_limit
        self.timeout = timeout
        self.real_time = real_time
        self.offline = not allow_network
        self.keep = keep
        self.html = html
        self.junit = junit_
        self.as_json = as_json
        self.quiet = quiet or as_json
        self.folder = keep or Path(tempfile.mkdtemp(prefix="surefoot-chaos-"))
        self.notes: list[str] = []

    @classmethod
    def again(cls, told: Remembered, folder: Path) -> _Command:
        made = cls(
            told.target,
            setup=told.setup,
            seed=told.seed,
            timeout=told.timeout,
            real_time=told.real_time,
            allow_network=not told.offline,
            keep=folder,
        )
        made.given = dict(told.given)
        return made

    def arena(self) -> Arena:
        from ..chaos.arena import Arena

        return Arena(
            self.target,
            self.folder,
            self.given,
            setup=_setup(self.setup),
            timeout=self.timeout,
            real_time=self.real_time,
            offline=self.offline,
            seed=self.seed,
            keep=self.keep is not None,
        )

    def document(self) -> dict[str, Any]:
        """The map of the workflow."""
        from ..runtime import Runtime, scrub
        from ..workflow.mapping.failure_map import failure_map
        from ..workflow.target import as_workflow, load
        from .telling import loaded

        workflow = loaded(lambda: as_workflow(load(self.target), self.target), self.target)
        runtime = Runtime(create=False)
        return failure_map(workflow, runtime.catalog, None, clean=scrub)

    def cells(self, arena: Arena, control: Control) -> list[Cell]:
        """What is to be played."""
        import random

        from ..chaos.campaign import pairs
        from ..chaos.expect import expectations
        from ..chaos.plan import planned, writes_of
        from ..runtime import Runtime

        runtime = Runtime(create=False)
        place = str(runtime.config.source)
        expects = expectations(runtime.config.chaos.get("expect", []), place)
        document = self.document()
        plan = planned(document, runtime.catalog, control, expects=expects, only=self.only)
        self.notes += plan.notes
        cells = list(plan.cells)
        sweep = writes_of(control, document, expects=expects) if self.crash_sweep else []
        cells += sweep
        if self.pairs:
            cells = list(pairs(sweep or cells, None, self.seed))
        if self.sample is not None and self.sample < len(cells):
            chosen = set(random.Random(self.seed).sample(range(len(cells)), self.sample))
            self.notes.append(f"a sample of {self.sample} of {len(cells)} cells, seed {self.seed}")
            cells = [one for number, one in enumerate(cells) if number in chosen]
        return cells

    def run(self) -> int:
        from ..chaos.campaign import Campaign, Matrix
        from ..chaos.remembered import Remembered, remember
        from ..chaos.report import text

        began = time.monotonic()
        try:
            with self.arena() as arena:
                self._say(
                    f"running {self.target} without faults, in child processes of this command, in "
                    f"{self.folder}"
                )
                control = arena.control()
                cells = self.cells(arena, control)
                self._announce(cells)
                matrix = Matrix(self.target, control, seed=self.seed)
                matrix.effects = tuple(
                    one["name"] for one in self.document()["steps"] if one["effect"] is not None
                )
                matrix.notes += self.notes
                campaign = Campaign(
                    arena,
                    control,
                    jobs=self.jobs,
                    time_limit=self.time_limit,
                    progress=None if self.quiet else self._progress,
                )
                campaign.play(cells, matrix)
                matrix.seconds = time.monotonic() - began
            remember(
                Remembered(
                    self.target,
                    self.given,
                    self.setup,
                    os.getcwd(),
                    self.seed,
                    self.timeout,
                    self.real_time,
                    self.offline,
                    tuple(cells),
                )
            )
        finally:
            self._tidy()
        self._write(matrix)
        if self.as_json:
            write_json(_document(matrix))
        else:
            write(plain(text(matrix, again="surefoot chaos replay")))
        return matrix.exit_code

    def _announce(self, cells: Sequence[Cell]) -> None:
        kills = sum(one.faults[0].what in ("kill", "exit") for one in cells)
        where = "loopback alone" if self.offline else "the network, as you allowed"
        self._say(
            f"{counted(len(cells), 'cell')} to play, {self.jobs} at a time; in {kills} of them a child "
            f"process of this command kills itself. They touch {self.folder} and {where}, and what "
            "the workflow itself writes; nothing else is killed"
        )

    def _progress(self, result: CellResult, done: int, of: int) -> None:
        if not result.allowed:
            self._say(f"{done}/{of}  {result.cell.id}: {result.outcome}")
        elif done % 25 == 0 or done == of:
            self._say(f"{done}/{of}")

    def _say(self, words: str) -> None:
        if not self.quiet:
            complain(words)

    def _tidy(self) -> None:
        """Folders of violations stay: they are what is looked at next."""
        if self.keep is None:
            shutil.rmtree(self.folder / "answers", ignore_errors=True)
            if self.folder.exists() and not any(self.folder.iterdir()):
                self.folder.rmdir()

    def _write(self, matrix: Matrix) -> None:
        if self.junit is not None:
            from ..chaos.junit import junit

            self.junit.write_text(junit(matrix), encoding="utf-8")
        if self.html is not None:
            from ..chaos.html import page

            self.html.write_text(page(matrix), encoding="utf-8")


def _document(matrix: Matrix) -> dict[str, Any]:
    from dataclasses import asdict

    from ..chaos.report import summary

    return {
        "schema": 1,
        "summary": summary(matrix),
        "workflow": matrix.workflow,
        "exit_code": matrix.exit_code,
        "seed": matrix.seed,
        "seconds": round(matrix.seconds, 3),
        "control": asdict(matrix.control),
        "outcomes": dict(matrix.outcomes()),
        "not_measured": list(matrix.not_measured),
        "not_played": matrix.not_played,
        "notes": matrix.notes,
        "cells": [one.as_dict() for one in matrix.results],
    }


def _setup(name: str | None) -> Any:
    """:raises UsageError: there is no such function."""
    if name is None:
        return None
    from ..errors import UsageError
    from ..workflow.target import load

    found = load(name)
    if not callable(found):
        raise UsageError(f"--setup {name}: it must be a function that takes a folder")
    return found
