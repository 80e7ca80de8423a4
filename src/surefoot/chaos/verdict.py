"""What came of a cell: judged by what was seen outside of its processes. No I/O."""

from __future__ import annotations

import math
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..testing.ledger import Entry
from .firings import Firing
from .model import Cell, CellResult, Counted, FaultSpec, Outcome, Times

if TYPE_CHECKING:
    from .arena import Control
    from .nursery import Ended

__all__ = ["EVENTS", "Seen", "counted", "judge", "times_of"]

EVENTS = ("before", "inside", "after")
"""Moments of one write of the journal, in their order."""


@dataclass
class Seen:
    """All that was seen of a cell. ``halted`` is the answer of the process in which it halted first;
    ``paused`` the process that was stopped while the others brought the run to its end; ``from_step`` the
    step whose value was wrong, from which the resume began."""

    processes: list[Ended] = field(default_factory=list)
    halted: Mapping[str, Any] | None = None
    paused: Ended | None = None
    from_step: str | None = None
    firings: Sequence[Firing] = ()
    entries: Sequence[Entry] = ()

    @property
    def last(self) -> Mapping[str, Any]:
        """The answer of the last process; empty where it left none."""
        return (self.processes[-1].answer or {}) if self.processes else {}

    @property
    def faulty(self) -> list[Ended]:
        """The processes in the order in which faults were given to them."""
        return [self.paused, *self.processes] if self.paused is not None else self.processes


def judge(cell: Cell, control: Control, seen: Seen, journal: str | None) -> CellResult:
    """The verdict about a cell."""
    effects = counted(control, seen)
    outcome, detail = _outcome(cell, control, seen, effects)
    last, after = seen.last, seen.faulty[1:2]
    first_kind = next((one["kind"] for one in last.get("failures", ())), None)
    return CellResult(
        cell=cell,
        outcome=outcome,
        allowed=outcome in cell.allowed and outcome != "not_fired",
        detail=detail,
        fired=len(seen.firings),
        processes=len(seen.faulty),
        attempts=int(last.get("attempts", 0)),
        status=str(last.get("status", "")),
        kind=(seen.halted or {}).get("kind") or first_kind,
        times=times_of(seen),
        effects=effects,
        journal=journal,
        beyond=outcome == "not_fired" and _is_beyond(cell, seen),
        after=dict((after[0].answer or {}).get("reached", {})) if after else {},
    )


# -- effects --------------------------------------------------------------------------------------


def counted(control: Control, seen: Seen) -> tuple[Counted, ...]:
    """What the ledger has, beside what the control did; effects that nobody wrote down are left as
    not measured. Of effects whose deeds are others each time only the number is compared."""
    told = []
    for step in dict.fromkeys((*control.deeds, *(one.effect for one in seen.entries))):
        entries = [one for one in seen.entries if one.effect == step]
        times = Counter(one.deed for one in entries if one.applied)
        wanted = Counter(control.deeds.get(step, ()))
        twice = tuple(deed for deed, number in times.items() if number > max(1, wanted[deed]))
        if step in control.unsteady:
            missing = max(0, sum(wanted.values()) - sum(times.values()))
            lost: tuple[str, ...] = (f"{missing} of {sum(wanted.values())}",) if missing else ()
            unknown: tuple[str, ...] = ()
        else:
            lost = tuple(sorted((wanted - times).elements()))
            unknown = tuple(sorted(set(times) - set(wanted)))
        told.append(
            Counted(
                step=step,
                expected=sum(wanted.values()),
                received=len(entries),
                applied=sum(times.values()),
                duplicate=twice,
                lost=lost,
                unknown=unknown,
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
    twice = [f"{one.step}: {deed}" for one in effects for deed in one.duplicate]
    if twice:
        return "duplicate", f"done twice: {_some(twice)}" + (f"; and {stuck}" if stuck else "")
    if stuck:
        return "stuck", stuck
    if seen.paused is not None and (seen.paused.answer or {}).get("status") == "completed":
        return (
            "wrong_output",
            "a process that had lost its lease went on to the end, beside the one that held the run",
        )
    found, detail = _ending(control, seen)
    return _with_effects(found, detail, control, seen, effects)


def _with_effects(
    found: Outcome, detail: str, control: Control, seen: Seen, effects: Sequence[Counted]
) -> tuple[Outcome, str]:
    """An end that looks good is none if effects are missing that should have come with it."""
    lost = [f"{one.step}: {deed}" for one in effects for deed in one.lost]
    odd = [f"{one.step}: {deed}" for one in effects for deed in one.unknown]
    completed = seen.last.get("status") == "completed"
    whole = completed and not _differs(control, seen.last)
    if found in ("recovered", "halted") and completed:
        if lost:
            return "lost", f"{detail}, and yet this was never done: {_some(lost)}"
        if odd:
            return "wrong_output", f"{detail}; done, and not by the control: {_some(odd)}"
    elif found == "degraded" and lost:
        if whole and not odd and not _degraded_effects(seen, effects):
            return "lost", f"{detail}; the result is the control's, but not done: {_some(lost)}"
        return found, f"{detail}; not done as by the control: {_some(lost)}"
    elif found == "dead_lettered" and lost:
        for one in effects:
            most = _goes_with_items(control, seen, one)
            missing = len(one.lost) - len(one.unknown)
            if missing > most:
                told = f"{one.step}: {missing} not done, of which at most {most} go with the items"
                return "lost", f"{detail}; {told}"
        return found, f"{detail}; not done with it: {_some(lost)}"
    return found, detail


def _degraded_effects(seen: Seen, effects: Sequence[Counted]) -> bool:
    """Whether an effect that is missing was itself replaced by a fallback or a default."""
    lost = {one.step for one in effects if one.lost}
    return bool(lost & set(seen.last.get("degraded_steps", ())))


def _goes_with_items(control: Control, seen: Seen, effect: Counted) -> int:
    """How many deeds of an effect can be missing because items were set aside."""
    most = 0
    for step, number in Counter(one["step"] for one in seen.last.get("letters", ())).items():
        items = max(1, control.reached.get(f"before {step}", 1))
        most += number * max(1, math.ceil((effect.expected or 0) / items))
    return most


def _unproved(cell: Cell, seen: Seen) -> str:
    """Words of the first fault of which nothing proves that it acted in its process."""
    for number, fault in enumerate(cell.faults):
        if number >= len(seen.faulty) or not _is_proved(fault, seen.faulty[number], seen):
            where = f" of {fault.step}" if fault.step else f" {fault.event or ''}".rstrip()
            return f"{fault.words} at {fault.seam}{where}"
    return ""


def _is_proved(fault: FaultSpec, process: Ended, seen: Seen) -> bool:
    """It was written down by that process, and a process that was to die is dead of it."""
    if not any(
        one.seam == fault.seam and process.pid in (0, one.pid) and _is_place(fault, one)
        for one in seen.firings
    ):
        return False
    if fault.what == "pause":  # and others went on meanwhile
        return process is seen.paused
    if fault.what == "kill" and not fault.value:
        return process.signal == signal.SIGKILL and not process.late
    if fault.what == "exit":
        return process.died and process.exit_code == int(fault.value or "1")
    return True


def _is_place(fault: FaultSpec, firing: Firing) -> bool:
    step = firing.step or ""
    return fault.step is None or fault.step in (step, step.rpartition("<locals>.")[2])


def _is_beyond(cell: Cell, seen: Seen) -> bool:
    """Whether the fault that did not act was to act at a later write than its process made."""
    for number, fault in enumerate(cell.faults):
        if number >= len(seen.faulty):
            return False
        if _is_proved(fault, seen.faulty[number], seen):
            continue
        answer = seen.faulty[number].answer or {}
        word, _, at = fault.script.partition(":")
        nth = int(at) if word == "nth" and at.isdigit() else 0
        return fault.seam == "write" and "writes" in answer and answer["writes"] < nth * len(EVENTS)
    return False


def _stuck(seen: Seen) -> str:
    last = seen.processes[-1]
    if last.late:
        return f"a process was still at it after {last.seconds:.0f} s and was killed"
    if seen.paused is not None and seen.paused.late:
        return "the process that was paused did not end once it was continued"
    if last.answer is None:
        return f"after {_processes(len(seen.processes))} it had not come to an end"
    if "error" in last.answer:
        return f"it could not be gone on with: {last.answer['error'].strip().splitlines()[-1]}"
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
        number = len(last["undone"])
        return "compensated", f"rolled back: {number} effect{'' if number == 1 else 's'} undone"
    if seen.halted is not None:
        why = f"halted as {seen.halted['kind']}"
        if "in_doubt" in (seen.halted.get("kind"), last.get("kind")):
            return "halted", f"{why}, in doubt: nobody can know whether it happened"
        if _differs(control, last):
            return "wrong_output", f"{why}; the resume completed with another result"
        where = f" from {seen.from_step} on" if seen.from_step is not None else ""
        return "halted", f"{why}; a resume{where} without the fault completed it"
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
    if seen.paused is not None:
        return "another process took the run over; the one that was paused got to write nothing"
    died = sum(one.died for one in seen.processes)
    failures = len(seen.last.get("failures", ()))
    words = []
    if died:
        words.append(f"{_processes(died)} died, the run went on")
    if failures:
        words.append(f"{failures} failed attempt{'' if failures == 1 else 's'}")
    return ", ".join(words) or "nothing had to be done"


def _processes(number: int) -> str:
    return f"{number} process{'' if number == 1 else 'es'}"


def _some(words: Sequence[str]) -> str:
    shown = ", ".join(words[:3])
    return shown if len(words) <= 3 else f"{shown} and {len(words) - 3} more"


# -- times ----------------------------------------------------------------------------------------


def times_of(seen: Seen) -> Times:
    """From the moment that the first fault acted to the end of the last process. All of it is real
    time; what the policy waited stands beside it, unless it was waited for."""
    answers = [one.answer for one in seen.processes if one.answer is not None]
    if not seen.firings or not answers or "ended" not in answers[-1]:
        return Times()
    fired = min(one.at for one in seen.firings)
    failures = answers[-1].get("failures", ())
    backoff = sum(float(one.get("waited") or 0.0) for one in failures)
    waited = bool(answers[-1].get("real_time", False))
    total = max(0.0, answers[-1]["ended"] - fired)
    detection, restart = _until_work(seen, fired)
    # clocks are read at several places: a part is never told as more than the whole
    if detection is not None:
        detection = min(detection, total)
    if restart is not None:
        restart = min(restart, total - (detection or 0.0))
    known = (detection or 0.0) + (restart or 0.0) + (backoff if waited else 0.0)
    return Times(detection, restart, max(0.0, total - known), total, backoff, waited)


def _until_work(seen: Seen, fired: float) -> tuple[float | None, float | None]:
    """Seconds until the fault was noticed, and from there until another process was at it."""
    first = seen.faulty[0]
    later = [
        float(one.answer["began"])
        for one in seen.processes
        if one is not first and one.answer is not None and one.answer["began"] >= fired
    ]
    if first.answer is None:
        noticed: float | None = first.seen or None
    else:
        noticed = next((at for at in first.answer.get("noticed", ()) if at >= fired), None)
    if seen.paused is not None:
        noticed = None  # nobody sees that a process is slow: only its lease runs out
    since = noticed if noticed is not None else fired
    detection = max(0.0, noticed - fired) if noticed is not None else None
    return detection, max(0.0, min(later) - since) if later else None
