"""What ``surefoot chaos`` does, from its options to the matrix."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .app import Stopped
from .out import complain, counted, plain, write, write_json

if TYPE_CHECKING:
    from ..chaos.arena import Arena, Control
    from ..chaos.campaign import Campaign, Matrix
    from ..chaos.expect import Expect
    from ..chaos.model import Cell, CellResult
    from ..chaos.plan import Only
    from ..chaos.remembered import Remembered

__all__ = ["ChaosRun"]

SIGTERM_CODE = 143


class ChaosRun:
    """A chaos run, or one cell of an earlier one, as the options say.

    :raises UsageError: an option is wrong; the message says which.
    """

    def __init__(
        self,
        target: str,
        input_: str | None = None,
        args: Sequence[str] = (),
        setup: str | None = None,
        only: Sequence[str] = (),
        words: Sequence[str] = (),
        crash_sweep: bool = False,
        pauses: bool = False,
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
        from ..chaos.expect import settled
        from ..chaos.plan import Only
        from ..runtime import Runtime

        config = Runtime(create=False).config
        self.expects, by_default = settled(config.chaos, str(config.source))
        self.target = target
        self.given: dict[str, Any] = {"input": input_, "args": _named(args)}
        self.setup = setup if setup is not None else by_default
        self.only: Only = Only.parse((*only, *words))
        self.crash_sweep = crash_sweep
        self.pauses = pauses or bool(self.only.kinds & {"paused", "pause"})
        self.pairs = pairs
        self.sample = sample
        self.seed = seed
        self.jobs = jobs or os.cpu_count() or 2
        self.time_limit = time_limit
        self.timeout = timeout
        self.real_time = real_time
        self.offline = not allow_network
        self.keep = keep
        self.html = _writable("--html", html)
        self.junit = _writable("--junit", junit_)
        self.as_json = as_json
        self.quiet = quiet or as_json
        self.notes: list[str] = []
        self._document: dict[str, Any] = {}
        self._folder: Path | None = None
        self._told = 0.0
        self._bad = 0

    @classmethod
    def again(cls, told: Remembered, folder: Path, *, quiet: bool) -> ChaosRun:
        """The same once more.

        :param folder: where what is left is kept.
        """
        made = cls(
            told.target,
            setup=told.setup,
            seed=told.seed,
            timeout=told.timeout,
            real_time=told.real_time,
            allow_network=not told.offline,
            keep=folder,
            quiet=quiet,
        )
        made.given = dict(told.given)
        return made

    # -- what the commands do -------------------------------------------------------------------

    def run(self) -> int:
        """Play all of it, and tell. :returns: the exit code."""
        from ..chaos.campaign import Campaign, Matrix
        from ..chaos.report import text

        began = time.monotonic()
        with self._arena() as arena:
            control = self._control(arena)
            cells = self.cells(arena, control)
            self._announce(cells)
            self._remember(cells)  # now already: what is stopped half way can be looked at, too
            matrix = Matrix(self.target, control, seed=self.seed, notes=self.notes)
            matrix.effects = tuple(
                one["name"] for one in self._document["steps"] if one["effect"] is not None
            )
            progress = None if self.quiet else self._progress
            campaign = Campaign(
                arena, control, jobs=self.jobs, time_limit=self.time_limit, progress=progress
            )
            campaign.play(cells, matrix)
            if self.pairs:
                self._play_pairs(campaign, cells, matrix)
            matrix.seconds = time.monotonic() - began
            self._remember([one.cell for one in matrix.results])
        _scrub(matrix)
        self._write(matrix)
        if self.as_json:
            write_json(_as_json(matrix))
        else:
            write(plain(text(matrix, again="surefoot chaos replay")))
        return matrix.exit_code

    def listed(self) -> list[Cell]:
        """The cells that would be played; of pairs, the first ones."""
        with self._arena() as arena:
            return self.cells(arena, arena.control())

    def replayed(self, cell: Cell) -> CellResult:
        """One cell, with its control run."""
        from ..chaos.report import scrubbed

        with self._arena() as arena:
            return scrubbed(arena.play(cell, self._control(arena)))

    # -- its parts ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _arena(self) -> Iterator[Arena]:
        """A place to play in. Whatever happens, no process stays behind; folders do where there is
        something to look at."""
        from ..chaos.arena import Arena, ControlFailed, for_all

        loaded = self._loaded()  # before anything is made: what cannot be imported is told once
        made = self.keep is None
        folder = self._folder = (
            Path(tempfile.mkdtemp(prefix="surefoot-chaos-")) if self.keep is None else self.keep
        ).absolute()
        try:
            with (
                _terminated(),
                for_all(loaded) as setup,
                Arena(
                    self.target,
                    folder,
                    self.given,
                    setup=setup,
                    timeout=self.timeout,
                    real_time=self.real_time,
                    offline=self.offline,
                    seed=self.seed,
                    keep=self.keep is not None,
                ) as arena,
            ):
                yield arena
        except ControlFailed:
            raise  # its folder is what is looked at next
        except BaseException:  # wrong usage, or stopped: there is nothing to look at
            if made:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            if made and folder.exists() and not any(folder.iterdir()):
                folder.rmdir()

    def _loaded(self) -> Any:
        """Import the workflow for its map, and the setup.

        :raises UsageError: it cannot be imported.
        """
        from ..runtime import Runtime, scrub
        from ..workflow.mapping.failure_map import failure_map
        from ..workflow.target import as_workflow, load
        from .telling import loaded

        with contextlib.redirect_stdout(
            sys.stderr
        ):  # what a module prints is no part of the matrix
            workflow = loaded(lambda: as_workflow(load(self.target), self.target), self.target)
            catalog = Runtime(create=False).catalog
            self._document = failure_map(workflow, catalog, None, clean=scrub)
            return _setup(self.setup)

    def _control(self, arena: Arena) -> Control:
        self._say(
            f"running {self.target} twice without faults, in child processes of this command, in "
            f"{self._folder}"
        )
        return arena.control()

    def cells(self, arena: Arena, control: Control) -> list[Cell]:
        """What is to be played, single faults only."""
        from ..chaos.plan import ends_process, planned, writes_of
        from ..runtime import Runtime

        expects: Sequence[Expect] = (*arena.expects, *self.expects)
        catalog = Runtime(create=False).catalog
        plan = planned(
            self._document,
            catalog,
            control,
            expects=expects,
            only=self.only,
            pauses=self.pauses and arena.can_pause,
        )
        self.notes += plan.notes
        if self.pauses and not arena.can_pause:
            self.notes.append("no process was paused: its children cannot be forked here")
        cells = list(plan.cells)
        if self.crash_sweep:
            cells += writes_of(control, self._document, expects=expects, only=self.only)
        if self.sample is None or self.sample >= len(cells):
            return cells
        chance = random.Random(self.seed)
        chosen = set(chance.sample(range(len(cells)), self.sample))
        if self.pairs and not any(ends_process(cells[one]) for one in chosen):
            enders = [number for number, one in enumerate(cells) if ends_process(one)]
            chosen |= {chance.choice(enders)} if enders else set()
        self.notes.append(f"a sample of {len(chosen)} of {len(cells)} cells, seed {self.seed}")
        return [one for number, one in enumerate(cells) if number in chosen]

    def _play_pairs(self, campaign: Campaign, cells: Sequence[Cell], matrix: Matrix) -> None:
        """Two faults. What can follow a fault was seen when it was played alone."""
        from ..chaos.plan import kill_at, kill_id

        writes = [one for one in cells if one.faults[0] == kill_at(1)] or [
            one for one in cells if one.faults[0].what == "kill" and one.faults[0].seam == "write"
        ]

        def second(number: int) -> Cell:
            return replace(writes[0], id=kill_id(kill_at(number)), faults=(kill_at(number),))

        if self.crash_sweep and writes:
            campaign.walk_pairs(second, matrix, sample=self.sample, seed=self.seed)
        else:
            campaign.play_pairs(cells, matrix, sample=self.sample, seed=self.seed)

    def _announce(self, cells: Sequence[Cell]) -> None:
        kills = sum(one.faults[0].what in ("kill", "exit") for one in cells)
        pauses = sum(one.faults[0].what == "pause" for one in cells)
        where = "loopback alone" if self.offline else "the network, as you allowed"
        more = ", and then pairs of faults" if self.pairs else ""
        stops = f", in {pauses} it is stopped for a while (SIGSTOP)" if pauses else ""
        self._say(
            f"{counted(len(cells), 'cell')} to play{more}, {self.jobs} at a time; in {kills} of them a "
            f"child process of this command is killed (SIGKILL, os._exit){stops}. They touch "
            f"{self._folder} and {where}, and what the workflow itself writes; nothing else is killed"
        )

    def _progress(self, result: CellResult, done: int, of: int) -> None:
        now = time.monotonic()
        self._bad += not result.allowed and not result.beyond
        if now - self._told >= 2 or done == of:
            bad = f", {self._bad} not allowed so far" if self._bad else ""
            self._say(f"{done}/{of} cells{bad}")
            self._told = now

    def _say(self, words: str) -> None:
        if not self.quiet:
            complain(words)

    def _remember(self, cells: Sequence[Cell]) -> None:
        from ..chaos.remembered import Remembered, remember

        told = Remembered(
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
        try:
            remember(told)
        except OSError as exc:  # what is known of the cells is worth more than to be able to replay
            self._say(f"`surefoot chaos replay` will not know of this run: {exc}")

    def _write(self, matrix: Matrix) -> None:
        if self.junit is not None:
            from ..chaos.junit import junit

            self.junit.write_text(junit(matrix), encoding="utf-8")
        if self.html is not None:
            from ..chaos.html import page

            self.html.write_text(page(matrix), encoding="utf-8")


def _named(args: Sequence[str]) -> dict[str, str]:
    from ..errors import UsageError

    named = {}
    for one in args:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise UsageError(f"--arg {one!r} must be name=value, as --arg limit=20")
        named[name] = value
    return named


def _writable(option: str, file: Path | None) -> Path | None:
    """:raises UsageError: its folder is not there; better now than after all the cells."""
    from ..errors import UsageError

    if file is not None and not file.absolute().parent.is_dir():
        raise UsageError(
            f"{option} {file}: there is no folder {file.absolute().parent}; make it first"
        )
    return file.absolute() if file is not None else None


@contextlib.contextmanager
def _terminated() -> Iterator[None]:
    """A SIGTERM ends the command as Ctrl-C does: with all of its processes."""

    def stop(number: int, _frame: Any) -> None:
        raise Stopped(SIGTERM_CODE)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _scrub(matrix: Matrix) -> None:
    """Deeds and results may hold secrets: from here on, all of it is for people."""
    from ..chaos.report import scrubbed
    from ..runtime import scrub

    matrix.results = [scrubbed(one) for one in matrix.results]
    control = matrix.control
    deeds: Mapping[str, tuple[str, ...]] = {
        step: tuple(str(scrub(one)) for one in those) for step, those in control.deeds.items()
    }
    matrix.control = replace(control, result=scrub(control.result), deeds=deeds)


def _as_json(matrix: Matrix) -> dict[str, Any]:
    from dataclasses import asdict

    from ..chaos.report import notes_of, summary

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
        "notes": notes_of(matrix),
        "cells": [one.as_dict() for one in matrix.results],
    }


def _setup(name: str | None) -> Any:
    """:raises UsageError: there is no such function."""
    if name is None:
        return None
    from ..errors import UsageError
    from ..workflow.target import load
    from .telling import loaded

    found = loaded(lambda: load(name), name)
    if not callable(found):
        raise UsageError(f"--setup {name}: it must be a function that takes a folder")
    return found
