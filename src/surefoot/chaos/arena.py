"""Where cells are played: the control run, and one cell after another, each in a folder of its own."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import JournalError, SurefootError, UsageError
from ..testing.ledger import Entry, Ledger
from .child import RUN_ID
from .expect import Expect
from .firings import Firings
from .model import Cell, CellResult
from .nursery import Ended, Nursery
from .verdict import Seen, judge

__all__ = ["Arena", "Control", "ControlFailed", "Prepared", "Setup", "for_all"]

Setup = Callable[[Path], AbstractContextManager[Mapping[str, Any]]]
"""Prepares a cell: given its folder, it yields what :class:`Prepared` has, and cleans up. What it starts (a
stand-in for a server) outlives the processes that are killed."""

PROCESSES = 8
"""After so many processes without an end the cell is stuck."""
TRIES = 3
"""For cells at a write of the journal: which writes share a commit depends on the threads."""
FOLDER = "{folder}"
LONGEST_NAME = 120
"""Characters: file systems take 255 bytes, and some systems 260 for a whole path."""


@contextmanager
def for_all(setup: Any) -> Iterator[Setup | None]:
    """The setup of cells. One that takes no folder is entered once for the whole chaos run, and yields
    the one of the cells: for what takes long to start and is the same for all.

    >>> from contextlib import nullcontext
    >>> @contextmanager
    ... def servers():
    ...     yield lambda folder: nullcontext({"input": 3})
    >>> with for_all(servers) as setup:
    ...     with setup(Path("/tmp")) as prepared:
    ...         prepared["input"]
    3
    """
    if setup is None:
        yield None
        return
    needed = [
        one
        for one in inspect.signature(setup).parameters.values()
        if one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    if needed:
        yield setup
        return
    with setup() as made:
        yield made


class ControlFailed(SurefootError):
    """The run without faults did not complete: nothing can be proved about those with some."""

    exit_code = 5


@dataclass(frozen=True)
class Prepared:
    """What a setup yields, all of it optional.

    :param input: the workflow's input, as data for JSON.
    :param environment: variables for its processes.
    :param effects: tells after the last process what reached a receiver that keeps books of its own,
        in addition to the ledger.
    :param expect: what is allowed where, before what the settings say.
    """

    input: Any = None
    environment: Mapping[str, str] = field(default_factory=dict)
    effects: Callable[[], Sequence[Entry]] | None = None
    expect: Sequence[Expect] = ()

    @classmethod
    def of(cls, told: Any) -> Prepared:
        """:raises UsageError: the setup yielded something else."""
        known = ("input", "environment", "effects", "expect")
        if not isinstance(told, Mapping) or not set(told) <= set(known):
            what = ", ".join(map(str, told)) if isinstance(told, Mapping) else repr(told)
            raise UsageError(
                f"the setup must yield a mapping with any of {', '.join(known)}; it yielded {what}"
            )
        return cls(**told)


@dataclass(frozen=True)
class Control:
    """The run without faults, twice: the second one tells what is always the same.

    ``deeds`` are what each effect did, by the ledger; ``reached`` is how often each seam was; ``writes``
    counts the events at the journal, three for each write, of the shorter run.
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
    unsteady: tuple[str, ...] = ()
    """Effects whose deeds were others in the second run: of these only the number is compared."""


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
    expects: tuple[Expect, ...] = ()
    """What the setup of the control run said is allowed."""

    def __enter__(self) -> Arena:
        self.folder.mkdir(parents=True, exist_ok=True)
        answers = self.folder / "answers"
        self._nursery = Nursery(self.target, answers, self.environment, offline=self.offline)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
        shutil.rmtree(self.folder / "answers", ignore_errors=True)

    def stop(self) -> None:
        """End all processes; cells that are being played fail as
        :class:`surefoot.chaos.nursery.Closed`."""
        self._nursery.close()

    @property
    def can_pause(self) -> bool:
        """Whether a process can be stopped and continued here."""
        return self._nursery.forks

    # -- the control ----------------------------------------------------------------------------

    def control(self) -> Control:
        """Run it without faults.

        :raises ControlFailed: it did not complete; the message says why.
        :raises UsageError: the workflow cannot be called with this input.
        """
        first = self._controlled("control")
        second = self._controlled("control-2")
        deeds, other = first["deeds"], second["deeds"]
        return Control(
            result=first["result"],
            deeds=deeds,
            reached=first["reached"],
            writes=min(first["writes"], second["writes"]),
            attempts=first["attempts"],
            seconds=first["ended"] - first["began"],
            letters=len(first["letters"]),
            degraded=first["degraded"],
            steady=first["result"] == second["result"],
            unsteady=tuple(
                one
                for one in dict.fromkeys((*deeds, *other))
                if Counter(deeds.get(one, ())) != Counter(other.get(one, ()))
            ),
        )

    def _controlled(self, name: str) -> dict[str, Any]:
        with self._place(name) as place:
            ended = self._process(place, [], 0.0)
            answer = dict(ended.answer or {})
            if answer.get("why") == "usage":
                raise UsageError(str(answer["error"]))
            if answer.get("status") != "completed":
                raise ControlFailed(
                    "the control run, without any fault, did not complete: "
                    f"{_why(ended)}. Nothing was tested. Its journal and output: {place.folder}"
                )
            self.expects = tuple(place.prepared.expect)
            deeds: dict[str, tuple[str, ...]] = {}
            for entry in place.entries():
                if entry.applied:
                    deeds[entry.effect] = (*deeds.get(entry.effect, ()), entry.deed)
            self._drop(place.folder)
            return {**answer, "result": place.without_folder(answer["result"]), "deeds": deeds}

    # -- cells ----------------------------------------------------------------------------------

    def play(self, cell: Cell, control: Control, *, tries: int = TRIES) -> CellResult:
        """Play one cell, to its end or until it is stuck.

        :param tries: how often a fault at a write, a pause, or a second fault is tried until it acts.
        """
        only = cell.faults[0] if len(cell.faults) == 1 else None
        sure = only is not None and only.seam != "write" and only.what != "pause"
        while True:
            tries -= 1
            result = self._played(cell, control)
            if sure or tries < 1 or result.outcome != "not_fired":
                return result

    def _played(self, cell: Cell, control: Control) -> CellResult:
        with self._place(_folder_name(cell.id)) as place:
            seen = self._seen(cell, place)
            seen.firings = Firings(place.folder / "fired.jsonl").all()
            seen.entries = place.entries()
            seen.processes = [place.cleared(one) for one in seen.processes]
            result = judge(cell, control, seen, str(place.folder))
            if result.allowed or result.beyond:
                self._drop(place.folder)
                result = result if self.keep else replace(result, journal=None)
            return result

    def _seen(self, cell: Cell, place: _Place) -> Seen:
        """Process after process, as a supervisor would start them; a halted run is resumed once, as a
        person would who has mended the cause: where a wrong value was noticed, from its step on."""
        wrong = cell.faults[-1].step if cell.faults and cell.faults[-1].what == "value" else None
        seen = Seen(from_step=wrong)
        faults = [asdict(one) for one in cell.faults]
        if cell.faults and cell.faults[0].what == "pause":
            self._paused(seen, place, faults)
        else:
            self._gone_on(seen, place, faults)
        return seen

    def _paused(self, seen: Seen, place: _Place, faults: list[dict[str, Any]]) -> None:
        """The first process is stopped, and its lease runs out as if it were on another host; others
        bring the run to its end. Then it goes on, and must not get to write any more."""

        def others() -> None:
            try:
                _cut_off(place.folder / "journal.db")
            except JournalError:  # it was stopped within a write, and holds the lock: not this time
                return
            self._gone_on(seen, place, faults[1:])

        first = self._process(place, faults[:1], 0.0, others)
        if not seen.processes:  # it was never stopped, or nobody could take over
            seen.processes.append(first)
            return
        seen.paused = first
        if seen.last.get("status") == "completed":  # what is to be read now, after it?
            seen.processes.append(self._process(place, [], float(seen.last["skipped"])))

    def _gone_on(self, seen: Seen, place: _Place, faults: list[dict[str, Any]]) -> None:
        skipped = 0.0
        while len(seen.processes) < PROCESSES:
            number = len(seen.processes)
            from_step = seen.from_step if seen.halted is not None else None
            ended = self._process(place, faults[number : number + 1], skipped, from_step=from_step)
            seen.processes.append(ended)
            answer = ended.answer or {}
            skipped = float(answer.get("skipped", skipped))
            if ended.late or ("error" in answer and answer["why"] != "journal"):
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

    def _process(
        self,
        place: _Place,
        faults: list[dict[str, Any]],
        skipped: float,
        while_paused: Callable[[], None] | None = None,
        from_step: str | None = None,
    ) -> Ended:
        job = {
            "target": self.target,
            "folder": str(place.folder),
            "given": place.given,
            "faults": faults,
            "environment": dict(place.prepared.environment),
            "skipped": skipped,
            "real_time": self.real_time,
            "offline": self.offline,
            "seed": self.seed,
            "from_step": from_step,
        }
        return self._nursery.run(job, self.timeout, while_paused)

    @contextmanager
    def _place(self, name: str) -> Iterator[_Place]:
        folder = self.folder / name
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        if self.setup is None:
            yield _Place(folder, _filled(self.given, folder), Prepared())
            return
        with self.setup(folder) as told:
            prepared = Prepared.of(told)
            given = dict(self.given)
            if prepared.input is not None:
                given["input"] = json.dumps(prepared.input)
            yield _Place(folder, _filled(given, folder), prepared)

    def _drop(self, folder: Path) -> None:
        if not self.keep:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Place:
    """The folder of one cell, and what was prepared for it."""

    folder: Path
    given: Any
    prepared: Prepared

    def entries(self) -> list[Entry]:
        """What reached the outside world; the cell's own folder is told as ``{folder}``, so that it can
        be held against the control's."""
        found = Ledger(self.folder / "ledger").entries()
        if self.prepared.effects is not None:
            found += self.prepared.effects()
        return [replace(one, deed=self.without_folder(one.deed)) for one in found]

    def cleared(self, ended: Ended) -> Ended:
        if ended.answer is None or "result" not in ended.answer:
            return ended
        result = self.without_folder(ended.answer["result"])
        return replace(ended, answer={**ended.answer, "result": result})

    def without_folder(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(str(self.folder), FOLDER)
        if isinstance(value, Mapping):
            return {
                self.without_folder(key): self.without_folder(one) for key, one in value.items()
            }
        return [self.without_folder(one) for one in value] if isinstance(value, list) else value


def _cut_off(journal: Path) -> None:
    """Have the run's holder be a process of another host, of which nothing was heard for long."""
    from ..clock import SystemClock
    from ..journal import Journal
    from ..journal.visits import cut_off

    with closing(Journal.open(journal, SystemClock(), durability="process")) as opened:
        opened.group.commit(cut_off(RUN_ID))


def _filled(given: Any, folder: Path) -> Any:
    """``{folder}`` in texts stands for the cell's own folder."""
    if isinstance(given, str):
        return given.replace(FOLDER, str(folder))
    if isinstance(given, Mapping):
        return {name: _filled(value, folder) for name, value in given.items()}
    return given


def _folder_name(cell_id: str) -> str:
    """
    >>> _folder_name("write/17/inside+pay/after/killed")
    'write--17--inside_pay--after--killed'
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", cell_id.replace("/", "--"))
    if len(name) > LONGEST_NAME:  # two of them must not meet in one folder
        name = f"{name[:LONGEST_NAME]}-{hashlib.sha256(cell_id.encode()).hexdigest()[:8]}"
    return name


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
