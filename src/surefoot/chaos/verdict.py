"""What came of a cell: judged by what was seen outside of its processes. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..testing.ledger import Entry
from .firings import Firing
from .model import Cell, CellResult, Counted, Outcome, Times

if TYPE_CHECKING:
    from .arena import Control
    from .nursery import Ended

__all__ = ["Seen", "judge"]


@dataclass
class Seen:
    """All that was seen of a cell. ``halted`` is the answer of the process in which it halted first."""

    processes: list[Ended] = field(default_factory=list)
    halted: Mapping[str, Any] | None = None
    firings: Sequence[Firing] = ()
    entries: Sequence[Entry] = ()

    @property
    def last(self) -> Mapping[str, Any]:
        """The answer of the last process; empty where it left none."""
        return (self.processes[-1].answer or {}) if self.processes else {}


def judge(cell: Cell, control: Control, seen: Seen, journal: str | None) -> CellResult:
    """The verdict about a cell."""
    effects = counted(cell, control, seen)
    outcome, detail = _outcome(cell, control, seen, effects)
    allowed = outcome in cell.allowed
    if not allowed and outcome != "not_fired":
        detail += f"; allowed is {' or '.join(cell.allowed)} ({cell.because or 'by default'})"
    last = seen.last
    first_kind = next((one["kind"] for one in last.get("failures", ())), None)
    return CellResult(
        cell=cell,
        outcome=outcome,
        allowed=allowed,
        detail=detail,
        fired=len(seen.firings),
        processes=len(seen.processes),
        attempts=int(last.get("attempts", 0)),
        status=str(last.get("status", "")),
        kind=(seen.halted or {}).get("kind") or first_kind,
        times=_times(seen),
        effects=effects,
        journal=journal,
    )


# -- effects --------------------------------------------------------------------------------------


def counted(cell: Cell, control: Control, seen: Seen) -> tuple[Counted, ...]:
    """What the ledger has, beside what the control did; effects that nobody wrote down are left as
    not measured."""
    told = []
    steps = dict.fromkeys((*control.deeds, *(one.effect for one in seen.entries)))
    for step in steps:
        entries = [one for one in seen.entries if one.effect == step]
        times = Counter(one.deed for one in entries if one.applied)
        wanted = Counter(control.deeds.get(step, ()))
        told.append(
            Counted(
                step=step,
                expected=sum(wanted.values()),
                received=len(entries),
                applied=sum(times.values()),
                duplicate=tuple(
                    deed for deed, number in times.items() if number > max(1, wanted[deed])
                ),
                lost=tuple(sorted(wanted - times)),
                unknown=tuple(sorted(set(times) - set(wanted))),
            )
        )
    return tuple(told)


# -- the outcome ----------------------------------------------------------------------------------


def _outcome(
    cell: Cell, control: Control, seen: Seen, effects: Sequence[Counted]
) -> tuple[Outcome, str]:
    missing = _unproved(cell, seen)
    if missing:
        return "not_fired", f"{missing} did not act: nothing is proved by this cell"
    stuck = _stuck(seen)
    if stuck:
        return "stuck", stuck
    twice = [f"{one.step}: {deed}" for one in effects for deed in one.duplicate]
    if twice:
        return "duplicate", f"done twice: {_some(twice)}"
    found, detail = _ending(control, seen)
    lost = [f"{one.step}: {deed}" for one in effects for deed in one.lost]
    if lost and found == "recovered":
        return "lost", f"the run completed, and yet this was never done: {_some(lost)}"
    odd = [f"{one.step}: {deed}" for one in effects for deed in one.unknown]
    if odd and found == "recovered":
        return "wrong_output", f"done, and not by the control: {_some(odd)}"
    return found, detail


def _unproved(cell: Cell, seen: Seen) -> str:
    """Words of the first fault that did not act."""
    fired = Counter((one.seam, one.detail) for one in seen.firings)
    wanted = Counter(one.seam for one in cell.faults)
    acted = Counter(one.seam for one in seen.firings)
    for fault in cell.faults:
        if acted[fault.seam] < wanted[fault.seam]:
            return f"{fault.words} at {fault.seam}" + (f" of {fault.step}" if fault.step else "")
    return "" if fired or not cell.faults else cell.faults[0].words


def _stuck(seen: Seen) -> str:
    last = seen.processes[-1]
    if last.late:
        return f"a process was still at it after {last.seconds:.0f} s and was killed"
    if last.answer is None:
        return f"after {len(seen.processes)} processes it had not come to an end"
    if "error" in last.answer:
        return f"it could not be gone on with: {str(last.answer['error']).strip().splitlines()[-1]}"
    if last.answer["status"] == "halted" and seen.halted is not None:
        if "in_doubt" in (seen.halted.get("kind"), last.answer.get("kind")):
            return ""
        if len(seen.processes) > 1 and last.answer is not seen.halted:
            return (
                "it halted, and a resume without the fault halted again: "
                f"{last.answer['kind']}: {last.answer['message']}"
            )
    return ""


def _ending(control: Control, seen: Seen) -> tuple[Outcome, str]:
    last = seen.last
    status = last.get("status")
    if status == "rolled_back":
        bad = [one["step"] for one in last["undone"] if one["state"] not in ("done", "kept")]
        if bad:
            return "stuck", f"rolled back, but not undone: {', '.join(bad)}"
        return "compensated", f"rolled back: {len(last['undone'])} effects undone"
    if seen.halted is not None:
        why = f"halted as {seen.halted['kind']}"
        if "in_doubt" in (seen.halted.get("kind"), last.get("kind")):
            return "halted", f"{why}, in doubt: nobody can know whether it happened"
        if _differs(control, last):
            return "wrong_output", f"{why}; the resume completed with another result"
        return "halted", f"{why}; a resume without the fault completed it"
    if status != "completed":
        return "stuck", f"it ended as {status}"
    aside = len(last["letters"]) - control.letters
    if aside > 0:
        kinds = ", ".join(sorted({one["kind"] for one in last["letters"]}))
        return "dead_lettered", f"{aside} set aside as {kinds}"
    if last["degraded"] and not control.degraded:
        return "degraded", "a fallback or a default served"
    if _differs(control, last):
        return (
            "wrong_output",
            "it completed with another result than the control, and nobody noticed",
        )
    return "recovered", _how(seen)


def _differs(control: Control, last: Mapping[str, Any]) -> bool:
    return control.steady and last.get("result") != control.result


def _how(seen: Seen) -> str:
    died = sum(one.died for one in seen.processes)
    failures = seen.last.get("failures", ())
    words = []
    if died:
        words.append(f"{died} process{'es' if died > 1 else ''} died, the run went on")
    if failures:
        words.append(f"{len(failures)} failed attempt{'s' if len(failures) > 1 else ''}")
    return ", ".join(words) or "nothing had to be done"


def _some(words: Sequence[str]) -> str:
    shown = ", ".join(words[:3])
    return shown if len(words) <= 3 else f"{shown} and {len(words) - 3} more"


# -- times ----------------------------------------------------------------------------------------


def _times(seen: Seen) -> Times:
    """From the moment that the first fault acted."""
    if not seen.firings:
        return Times()
    fired = min(one.at for one in seen.firings)
    backoff = float(seen.last.get("skipped", 0.0))
    answers = [one.answer for one in seen.processes if one.answer is not None]
    if not answers or "ended" not in answers[-1]:
        return Times(backoff=backoff)
    total = max(0.0, answers[-1]["ended"] - fired)
    first = seen.processes[0]
    if not first.died:
        noticed = [one["at"] for one in seen.last.get("failures", ())]
        detection = max(0.0, min(noticed) - fired) if noticed and not backoff else 0.0
        detection = min(detection, total)
        return Times(detection, 0.0, max(0.0, total - detection), total, backoff)
    began = [one["began"] for one in answers if one["began"] > fired]
    restart = max(0.0, min(began) - fired) if began else 0.0
    return Times(0.0, min(restart, total), max(0.0, total - restart), total, backoff)
