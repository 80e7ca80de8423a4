"""Kill, resume, compare: what the crash sweep does at each point, and what it finds.

An undisturbed run is the control. A point is an event of a program (a write of the journal, before,
inside or after; a line in the ledger) at which its process is killed. Then new processes bring the
runs to their end, and a point is good if

- the kill is proved (else ``not_fired``),
- the results, the journal's end state and what was applied outside are the control's
  (else ``wrong_output``, ``wrong_state``, ``lost``, ``duplicate``),
- no call that was committed at the kill ran its body again (``ran_again``),
- the count of attempts went on where it was (else ``attempt_again``),
- nothing had gone on before it was written (``hasty``),
- a run asked for a person only where nobody could know (``needless_halt``).
"""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.ledger import Ledger, Line
from tests.support.nursery import Nursery

GO = "tests.crash.toy:go"
RETURNED = ("end", "raised")
ENDED = ("completed", "rolled_back")
SHARED = 4
"""Commits that mapped items may share or not."""


@dataclass(frozen=True)
class Finding:
    """What is wrong at one point."""

    point: str
    verdict: str
    detail: str

    def __str__(self) -> str:
        return f"{self.verdict} at {self.point}: {self.detail}"


@dataclass
class Report:
    """What a sweep did and found."""

    program: str
    points: int = 0
    fired: int = 0
    asked_a_person: int = 0
    findings: list[Finding] = field(default_factory=list)

    def verdicts(self) -> Counter[str]:
        return Counter(finding.verdict for finding in self.findings)

    def __str__(self) -> str:
        told = "".join(f"\n  {finding}" for finding in self.findings[:20])
        return (
            f"{self.program}: {self.points} points, {self.fired} kills, "
            f"{self.asked_a_person} times in doubt, {len(self.findings)} findings{told}"
        )


@dataclass(frozen=True)
class State:
    """What a journal holds, without times and counts."""

    runs: list[Any]
    calls: list[Any]
    claims: list[Any]
    letters: list[Any]
    undone: list[Any]


@dataclass(frozen=True)
class AtKill:
    """What was on disk when a process died."""

    event: str
    """Where: the event, and the last thing that the ledger heard."""
    pid: int
    lines: int
    done: set[tuple[str, str]]
    """(run, call) whose end was committed."""
    noted: set[tuple[str, str, int]]
    """(run, call, attempt) whose failure was committed."""
    asked: set[str]
    """The keys that the receiver may know: the last attempt had asked for them, or had failed and no
    other one had begun."""
    spent: set[tuple[str, str, int]]
    """Those after which it was to go on. (Where a call halts, its end is written, too; killed between
    the two, it begins afresh.)"""


@dataclass(frozen=True)
class Control:
    """What an undisturbed run of a program is."""

    runs: dict[str, Any]
    applied: Counter[tuple[str, str]]
    state: State
    events: list[str]
    """Of the shorter of two runs: which writes share a commit depends on the threads."""

    @property
    def writes(self) -> int:
        """How many events are of the journal."""
        return sum(event in ("before", "inside", "after") for event in self.events)

    def sure(self, at: int, of: int) -> bool:
        """Whether the ``at``-th of so many events must come. The last ones need not: two ends of
        items that share a commit here may have one each there."""
        return at <= of - 3 * SHARED

    def all_completed(self) -> bool:
        return all(run["status"] in ENDED for run in self.runs.values())


class Sweep:
    """Points of one program, each in a folder of its own.

    :param plant: a bug to plant, see :mod:`tests.crash.plants`.
    :param control: of the same program, where it is known already.
    """

    def __init__(
        self,
        nursery: Nursery,
        folder: Path,
        program: str,
        *,
        plant: str | None = None,
        durability: str = "process",
        control: Control | None = None,
    ) -> None:
        self._nursery = nursery
        self._folder = folder
        self._options = {"program": program, "plant": plant, "durability": durability}
        self._made = 0
        self.report = Report(program)
        self.control = control or self._control()

    def _place(self) -> Path:
        self._made += 1
        place = self._folder / f"{self.report.program}-{self._made}"
        place.mkdir(parents=True)
        return place

    def _control(self) -> Control:
        found: Control | None = None
        for _ in range(2):
            place = self._place()
            told = self._nursery.run(GO, folder=str(place), **self._options).unwrap()
            one = Control(told["runs"], applied(place), state(place), told["events"])
            if found is not None:
                assert (one.runs, one.applied, one.state) == (
                    found.runs,
                    found.applied,
                    found.state,
                ), "two undisturbed runs differ: the program is no control"
                one = min(one, found, key=lambda control: len(control.events))
            found = one
            shutil.rmtree(place)
        assert found is not None and found.all_completed(), found
        return found

    # -- points -------------------------------------------------------------------------------

    def single(self, at: int | str) -> None:
        """Kill at one event, then let it live."""
        place = self._place()
        kill = self._kill(place, at)
        if kill is not None:
            self._finish(place, [kill])
        shutil.rmtree(place)

    def some(self, count: int, chance: random.Random) -> None:
        """Kill at so many events, one after the other."""
        for at in chance.sample(range(1, len(self.control.events) + 1), count + 3 * SHARED):
            if self.report.points < count:
                self.single(at)

    def every(self, *, enough: int = 10_000) -> None:
        """Kill at each event, until the program is through without having been killed, or
        there are ``enough`` findings."""
        at = 0
        while self.report.fired == at and len(self.report.findings) < enough:
            at += 1
            self.single(at)

    def pairs(self, at: int, seconds: Iterable[int]) -> None:
        """Kill at one event, and then the process that resumes, too: at each of ``seconds``, or
        until it has no more events."""
        first = self._place()
        kill = self._kill(first, at)
        for again in seconds if kill is not None else ():
            assert kill is not None
            place = self._place()
            shutil.copytree(first, place, dirs_exist_ok=True)
            other = self._one_kill(place, again)
            if other is not None:
                self.report.points += 1
                self._finish(place, [kill, other])
            shutil.rmtree(place)
            if other is None:
                break
        shutil.rmtree(first)

    def _kill(self, place: Path, at: int | str) -> AtKill | None:
        """Kill at that event, which must come: unless it is later than in the shortest run, it is
        a finding if it does not."""
        for _ in range(3):
            kill = self._one_kill(place, at)
            if kill is not None:
                self.report.points += 1
                return kill
            shutil.rmtree(place)
            place.mkdir()
        if isinstance(at, str) or self.control.sure(at, len(self.control.events)):
            self.report.points += 1
            self._found([], "not_fired", f"event {at} did not come, nothing was killed")
        return None

    def _one_kill(self, place: Path, at: int | str) -> AtKill | None:
        proof = place / "fired"
        ended = self._nursery.run(GO, folder=str(place), kill_at=at, **self._options)
        told = proof.read_text() if proof.exists() else ""
        if ended.signal != signal.SIGKILL or not told.startswith(f"{at} "):
            assert ended.signal is None, f"killed by signal {ended.signal}, not by us"
            return None
        proof.unlink()
        self.report.fired += 1
        return at_kill(place, told, ended.pid)

    def _found(self, kills: Sequence[AtKill], verdict: str, detail: str) -> None:
        point = ", then ".join(kill.event for kill in kills)
        self.report.findings.append(Finding(point, verdict, detail))

    # -- after a kill -------------------------------------------------------------------------

    def _finish(self, place: Path, kills: list[AtKill]) -> None:
        rerun = False
        told: dict[str, Any] = {}
        for _ in range(4):
            ended = self._nursery.run(GO, folder=str(place), rerun=rerun, **self._options)
            if ended.error is not None or ended.signal is not None:
                self._found(kills, "stuck", f"the resume failed: {ended.error or ended.signal}")
                return
            told = ended.value["runs"]
            if all(run["status"] in ENDED for run in told.values()):
                break
            if any(run["kind"] != "in_doubt" for run in told.values() if run["kind"]) or rerun:
                break
            if self._could_have_known(place, kills):
                break
            self.report.asked_a_person += 1
            kills.append(at_kill(place, "the halt", ended.pid))
            rerun = True
        self._compare(place, kills, told)
        for kill in kills:
            for verdict, detail in bodies(place, kill):
                self._found(kills, verdict, detail)

    def _could_have_known(self, place: Path, kills: list[AtKill]) -> bool:
        """A run halts in doubt only where an attempt had begun and not asked for its key."""
        doubts = [key for _, key, state, _ in state(place).claims if state == "in_doubt"]
        # (one that can be verified, too, may still be in doubt when another one halts the run)
        unknown = [key for key in doubts if key not in kills[-1].asked and "row" not in key]
        if not unknown:
            self._found(kills, "needless_halt", f"in doubt: {doubts}, all of which can be known")
        return not unknown

    def _compare(self, place: Path, kills: list[AtKill], told: dict[str, Any]) -> None:
        control = self.control
        if told != control.runs:
            self._found(kills, "wrong_output", f"{told} instead of {control.runs}")
        counted = applied(place)
        for deed in {*counted, *control.applied}:
            if counted[deed] < control.applied[deed]:
                self._found(kills, "lost", f"{deed} was not applied")
            if counted[deed] > control.applied[deed]:
                self._found(kills, "duplicate", f"{deed} was applied {counted[deed]} times")
        now = state(place)
        for name in ("runs", "calls", "claims", "letters", "undone"):
            ours, theirs = getattr(now, name), getattr(control.state, name)
            if ours != theirs:
                odd = [row for row in (*ours, *theirs) if (row in ours) != (row in theirs)]
                self._found(kills, "wrong_state", f"{name} differ: {odd}")


# -- what is on disk ------------------------------------------------------------------------------


def applied(place: Path) -> Counter[tuple[str, str]]:
    """How often each deed was applied."""
    acts = Ledger(place / "ledger").acts()
    return Counter((act["what"], str(act["deed"])) for act in acts if act["applied"])


QUERIES = {
    "runs": "SELECT run_id, status, result_digest, degraded FROM runs ORDER BY 1",
    "calls": "SELECT r.run_id, step, form, call_id, item, c.status, c.result_digest, c.degraded, "
    "c.format FROM calls c JOIN runs r ON r.pk = c.run_pk ORDER BY 1, 2, 4",
    "claims": "SELECT effect, effect_key, state, result_digest FROM claims ORDER BY 1, 2",
    "letters": "SELECT step, item, kind, state FROM dead_letters ORDER BY call_id, state",
    "undone": "SELECT step, effect_key, generation, state FROM compensations ORDER BY 1, 2",
    "asked": "SELECT effect_key FROM claims c WHERE asked OR at < (SELECT max(f.at) FROM failures f "
    "WHERE f.run_pk = c.run_pk AND f.call_id = c.call_id "
    # a halt before an attempt could begin (the key was in doubt already) tells nothing about one
    "AND f.rule NOT IN ('surefoot.in_doubt', 'surefoot.key_conflict'))",
    "done": "SELECT r.run_id, c.call_id FROM calls c JOIN runs r ON r.pk = c.run_pk "
    "WHERE c.status IN ('completed', 'skipped') OR (c.status = 'failed' AND NOT ended_run)",
    "noted": "SELECT r.run_id, f.call_id, f.attempt, f.decision FROM failures f "
    "JOIN runs r ON r.pk = f.run_pk",
}


def _read(place: Path, *names: str) -> list[list[Any]]:
    """Read from a copy: a reader of the journal itself would tidy up after the crash."""
    aside = place / "copy"
    aside.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        if (place / name).exists():
            shutil.copy(place / name, aside / name)
    connection = sqlite3.connect(aside / "journal.db")
    try:
        connection.execute("PRAGMA synchronous=OFF")
        made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'claims'").fetchone()
        return [connection.execute(QUERIES[name]).fetchall() if made else [] for name in names]
    finally:
        connection.close()
        shutil.rmtree(aside)


def failed_attempts(place: Path) -> Counter[tuple[str, str, int]]:
    """How often each failed attempt was noted, of the calls that never halted."""
    noted = _read(place, "noted")[0]
    halted = {(run, call) for run, call, _, decision in noted if decision == "halt"}
    return Counter((run, call, n) for run, call, n, _ in noted if (run, call) not in halted)


def state(place: Path) -> State:
    return State(*_read(place, "runs", "calls", "claims", "letters", "undone"))


def at_kill(place: Path, event: str, pid: int) -> AtKill:
    done, noted, asked = _read(place, "done", "noted", "asked")
    halted = {(run, call) for run, call, _, decision in noted if decision == "halt"}
    attempts = {(run, call, attempt) for run, call, attempt, _ in noted}
    spent = {one for one in attempts if one[:2] not in halted}
    lines = len(Ledger(place / "ledger").lines())
    return AtKill(
        event, pid, lines, set(done), attempts, asked={key for (key,) in asked}, spent=spent
    )


def bodies(place: Path, kill: AtKill) -> Iterator[tuple[str, str]]:
    """What is wrong with the bodies around a kill."""
    lines = Ledger(place / "ledger").lines()
    before = [line for line in lines[: kill.lines] if line["word"] != "act"]
    for line in lines[kill.lines :]:
        if line["word"] == "begin" and _call(line) in kill.done and "ends_it" not in line:
            yield "ran_again", f"{line['what']} ran again although its end was committed"
        if line["word"] == "begin" and (*_call(line), line["attempt"]) in kill.spent:
            number = line["attempt"]
            yield "attempt_again", f"{line['what']} made attempt {number} again, which was noted"
    for number, line in enumerate(before):
        if line["word"] not in RETURNED or _call(line) in kill.done or line.get("part"):
            continue
        if (*_call(line), line["attempt"]) in kill.noted:
            continue
        for other in before[number + 1 :]:
            same = other["pid"] == line["pid"] and other["run"] == line["run"]
            after = not (line["beside"] and other["beside"]) or _call(other) == _call(line)
            if same and after:
                saw = f"{other['word']} of {other['what']}"
                yield "hasty", f"{line['what']} was not written yet at the {saw}"
                break


def _call(line: Line) -> tuple[str, str]:
    return line["run"], line["call"]
