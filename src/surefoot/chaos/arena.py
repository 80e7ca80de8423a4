"""Where cells are played: the control run, and one cell after another, each in a folder of its own."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import SurefootError
from ..testing.ledger import Ledger
from .firings import Firings
from .model import Cell, CellResult
from .nursery import Ended, Nursery
from .verdict import Seen, judge

__all__ = ["Arena", "Control", "ControlFailed", "Setup"]

Setup = Callable[[Path], AbstractContextManager[Mapping[str, Any]]]
"""Prepares a cell: given its folder, it yields ``{"input": …, "environment": {…}}``, and cleans up. What
it starts (a stand-in for a server) outlives the processes that are killed."""

PROCESSES = 8
"""After so many processes without an end the cell is stuck."""


class ControlFailed(SurefootError):
    """The run without faults did not complete: nothing can be proved about those with some."""

    exit_code = 5


@dataclass(frozen=True)
class Control:
    """The run without faults, twice: the second one tells whether its result is always the same.

    ``deeds`` are what each effect did, by the ledger; ``reached`` is how often each seam was.
    """

    result: Any
    deeds: Mapping[str, tuple[str, ...]]
    reached: Mapping[str, int]
    writes: int
    attempts: int
    seconds: float
    letters: int = 0
    degraded: bool = False
    steady: bool = True
    """Whether a second run gave the same result; else results are not compared."""


@dataclass
class Arena:
    """Plays cells of one workflow.

    :param setup: prepares each cell; None: ``given`` as it is.
    :param given: the workflow's arguments, as :func:`surefoot.chaos.child.attend` takes them;
        ``{folder}`` in them stands for the cell's own folder.
    :param timeout: seconds for one process.
    """

    target: str
    folder: Path
    given: Mapping[str, Any]
    setup: Setup | None = None
    timeout: float = 60.0
    real_time: bool = False
    offline: bool = True
    seed: int = 0
    keep: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    def __enter__(self) -> Arena:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._nursery = Nursery(self.target, self.folder / "answers", self.environment)
        self._stopping = threading.Event()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._nursery.close()

    # -- the control ----------------------------------------------------------------------------

    def control(self) -> Control:
        """Run it without faults.

        :raises ControlFailed: it did not complete; the message says why.
        """
        first = self._controlled("control")
        second = self._controlled("control-2")
        return Control(
            result=first["result"],
            deeds=first["deeds"],
            reached=first["reached"],
            writes=first["writes"],
            attempts=first["attempts"],
            seconds=first["ended"] - first["began"],
            letters=len(first["letters"]),
            degraded=first["degraded"],
            steady=first["result"] == second["result"],
        )

    def _controlled(self, name: str) -> dict[str, Any]:
        with self._place(name) as (folder, given, environment):
            ended = self._process(folder, given, environment, [], 0.0)
            answer = dict(ended.answer or {})
            if answer.get("status") != "completed":
                raise ControlFailed(
                    "the control run, without any fault, did not complete: "
                    f"{_why(ended)}. Nothing was tested. Its journal and output: {folder}"
                )
            ledger = Ledger(folder / "ledger")
            deeds: dict[str, tuple[str, ...]] = {}
            for entry in ledger.entries():
                if entry.applied:
                    deeds[entry.effect] = (*deeds.get(entry.effect, ()), entry.deed)
            self._drop(folder)
            return {**answer, "deeds": deeds}

    # -- cells ----------------------------------------------------------------------------------

    def play(self, cell: Cell, control: Control) -> CellResult:
        """Play one cell, to its end or until it is stuck."""
        with self._place(_folder_name(cell.id)) as (folder, given, environment):
            seen = self._seen(cell, folder, given, environment)
            seen.firings = Firings(folder / "fired.jsonl").all()
            seen.entries = Ledger(folder / "ledger").entries()
            result = judge(cell, control, seen, str(folder))
            if result.allowed and not self.keep:
                self._drop(folder)
                result = _without_journal(result)
            return result

    def _seen(self, cell: Cell, folder: Path, given: Any, environment: Mapping[str, str]) -> Seen:
        """Process after process, as a supervisor would start them; a halted run is resumed once, as a
        person would who has mended the cause."""
        seen = Seen()
        faults = [asdict(one) for one in cell.faults]
        skipped = 0.0
        while len(seen.processes) < PROCESSES:
            with_fault = faults[len(seen.processes) : len(seen.processes) + 1]
            ended = self._process(folder, given, environment, with_fault, skipped)
            seen.processes.append(ended)
            answer = ended.answer or {}
            skipped = float(answer.get("skipped", skipped))
            if ended.late or ("error" in answer and not answer["journal_failed"]):
                break
            status = answer.get("status")
            last_fault = len(seen.processes) >= len(faults)
            if status in ("completed", "rolled_back", "cancelled") and last_fault:
                break
            if status == "halted" and last_fault:
                if seen.halted is not None or answer.get("kind") == "in_doubt":
                    seen.halted = seen.halted or answer
                    break
                seen.halted = answer
        return seen

    def _process(
        self,
        folder: Path,
        given: Any,
        environment: Mapping[str, str],
        faults: list[dict[str, Any]],
        skipped: float,
    ) -> Ended:
        job = {
            "target": self.target,
            "folder": str(folder),
            "given": given,
            "faults": faults,
            "environment": dict(environment),
            "skipped": skipped,
            "real_time": self.real_time,
            "offline": self.offline,
            "seed": self.seed,
        }
        return self._nursery.run(job, self.timeout)

    @contextmanager
    def _place(self, name: str) -> Iterator[tuple[Path, Any, Mapping[str, str]]]:
        folder = self.folder / name
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        if self.setup is None:
            yield folder, _filled(self.given, folder), {}
            return
        with self.setup(folder) as prepared:
            given = dict(self.given)
            if "input" in prepared:
                given["input"] = json.dumps(prepared["input"])
            yield folder, _filled(given, folder), dict(prepared.get("environment", {}))

    def _drop(self, folder: Path) -> None:
        if not self.keep:
            shutil.rmtree(folder, ignore_errors=True)


def _without_journal(result: CellResult) -> CellResult:
    from dataclasses import replace

    return replace(result, journal=None)


def _filled(given: Any, folder: Path) -> Any:
    """``{folder}`` in texts stands for the cell's own folder."""
    if isinstance(given, str):
        return given.replace("{folder}", str(folder))
    if isinstance(given, Mapping):
        return {name: _filled(value, folder) for name, value in given.items()}
    if isinstance(given, list):
        return [_filled(value, folder) for value in given]
    return given


def _folder_name(cell_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", cell_id)[:150]


def _why(ended: Ended) -> str:
    if ended.late:
        return "it took too long (--timeout)"
    answer = ended.answer or {}
    if "error" in answer:
        return str(answer["error"]).strip().splitlines()[-1]
    if answer:
        return f"it is {answer['status']} ({answer['kind']}: {answer['message']})"
    if ended.signal is not None:
        return f"its process was killed by signal {ended.signal}"
    return f"its process ended with {ended.exit_code}"
