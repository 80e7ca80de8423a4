"""The first line, which says all: what failed, what came of it, and whether anything is to be done."""

from __future__ import annotations

from .facts import Facts
from .failing import Failing, failed, how, others
from .model import Summary
from .words import code, counted, cut, joined, times, took

__all__ = ["summary"]

LIMITS = ("deadline", "max_cost", "budget", "later than")
"""Words of reasons that tell more than that the ladder was at its end."""
SAID = 160
"""Characters of a message that stand in the sentence."""


def summary(facts: Facts) -> Summary:
    """The sentence about a run, and how urgent it is."""
    status = facts.run.status
    steps = facts.failing
    if status == "completed":
        told = _completed(facts, steps)
    elif status == "halted":
        told = (_halted(facts, steps), "act")
    elif status == "rolled_back":
        told = _rolled_back(facts, steps)
    elif status in ("running", "rolling_back"):
        told = _held(facts, steps)
    else:
        told = _stopped(facts, steps)
    sentence, level = told
    return Summary(f"{sentence[0].upper()}{sentence[1:]}.", level)


# -- completed ------------------------------------------------------------------------------------


def _completed(facts: Facts, steps: list[Failing]) -> tuple[str, str]:
    run = facts.run
    resumed = _resumed(facts)
    if not steps:
        if run.resumes:
            told = f"the run of {code(run.workflow)} was stopped, {resumed}, and completed; no step failed"
        else:
            told = f"the run of {code(run.workflow)} completed in {took(facts.seconds)} without any failure"
    else:
        told = f"{failed(steps[0])}{how(steps[0])}{others(steps[1:])}"
        if run.resumes:
            told += f"; {resumed}"
    left, level = _left_over(facts, steps)
    return f"{told}; {left}", level


def _resumed(facts: Facts) -> str:
    """How often it was resumed, and what that spared."""
    run = facts.run
    told = f"resumed {times(run.resumes)}"
    if run.takeovers:
        told += " after its process died"
    if run.reused:
        told += f", {counted(run.reused, 'result')} reused ({took(run.time_saved)} saved)"
    return told


def _left_over(facts: Facts, steps: list[Failing]) -> tuple[str, str]:
    """What is to be done about a run that completed."""
    count, doubts = facts.doubtful
    if count:
        names = joined([code(one) for one in dict.fromkeys(d.effect for d in doubts)])
        return f"find out whether {names} happened ({count:,} in doubt)", "act"
    letters = facts.open_letters
    if letters:
        if steps and set(steps[0].hows) == {"skipped"} and steps[0].calls == letters:
            return f"mend and replay {'it' if letters == 1 else 'them'}", "act"
        return f"{counted(letters, 'dead letter')} {_waits(letters)} to be replayed", "act"
    degraded = sum(one.hows["fallback"] + one.hows["default"] for one in steps)
    if degraded or facts.run.degraded:
        what = "the degraded result" if degraded <= 1 else f"the {degraded:,} degraded results"
        return f"see whether {what} will do", "look"
    return "nothing to do", "fine"


def _waits(number: int) -> str:
    return "waits" if number == 1 else "wait"


# -- halted ---------------------------------------------------------------------------------------


def _halted(facts: Facts, steps: list[Failing]) -> str:
    error, kind = facts.error or {}, facts.halted_as
    rest = [one for one in steps if facts.halting is None or one.step != facts.halting.step]
    if facts.in_doubt:
        return _in_doubt(facts, rest)
    if kind == "resume_drift":
        where = _drifted(facts)
        return (
            f"the resume stopped, because {where} was called with other arguments than the recorded "
            f"ones (resume_drift){others(rest)}; a person must say whether to do it again or to take "
            "the recorded result"
        )
    if kind == "process_crashed" and facts.halting is None:
        at = _at_work(facts)
        where = f", the last time while {at} at work" if at else ""
        return (
            f"its process died {times(max(1, facts.run.takeovers))} in a row without one new result"
            f"{where}, so the run halted (process_crashed); see what kills it, then resume it"
        )
    if facts.halted_map is not None:
        step, _ = facts.halted_map
        mine = next((one for one in steps if one.step == step), None)
        rest = [one for one in steps if one.step != step]
        who = failed(mine) if mine is not None else f"items of {code(step)} failed"
        return (
            f"{who}, more than the map allows (max_failure_ratio), so the run halted{others(rest)}; "
            "mend the cause, then resume it"
        )
    if facts.halting is None or not steps or steps[0].step != facts.halting.step:
        return f"{_body(facts, error)}, so the run halted{others(rest)}; {_then(facts)}"
    lead, reason = steps[0], facts.halting.reason
    why = f" ({facts.halted_as}: {reason})" if kind != facts.halting.kind else ""
    if not why and any(word in reason for word in LIMITS):
        why = f" ({cut(reason, SAID)})"
    also = ""
    if len(lead.hows) > 1:
        also = how(lead)
    elif lead.hows["failed"] == 0:
        also = how(lead)
    told = f"{failed(lead)}{also or ' and halted the run'}{why}"
    if also:
        told += ", and the run halted"
    return f"{told}{others(rest)}; {_then(facts)}"


def _body(facts: Facts, error: dict[str, object]) -> str:
    """The workflow's own code raised."""
    type_ = str(error.get("type")).removeprefix("builtins.")
    said = cut(str(error.get("message") or "").partition("\nsurefoot: ")[0], SAID)
    words = f"{type_}: {said}" if said else type_
    if type_.startswith("surefoot."):  # an error of ours, as a spent budget: no code is to blame
        return f"the run of {code(facts.run.workflow)} failed with {error.get('kind')} ({said})"
    return f"the own code of {code(facts.run.workflow)} failed with {error.get('kind')} ({words})"


def _then(facts: Facts) -> str:
    """What a halted run waits for."""
    error = facts.error or {}
    kind = str(error.get("kind"))
    known = facts.kinds.get(kind)
    if kind in ("bug", "recursion_limit"):
        return "mend the code, then resume it"
    if not error.get("recoverable", True):
        return "a person must act first, then resume it"
    if kind == "unknown":
        return "find the cause, then resume it"
    if known is not None and not known.retryable:
        return "mend the cause, then resume it"
    return "resume it once the cause is over"


def _in_doubt(facts: Facts, rest: list[Failing]) -> str:
    count, doubts = facts.doubtful
    last = facts.halting
    if doubts:
        first = doubts[0]
        who = f"{code(first.effect)} (key {code(first.key)})"
        if count > 1:
            who += f" and {counted(count - 1, 'other effect')}"
    else:
        who = code(last.step) if last is not None else "an effect"
    after = ""
    if last is not None and last.kind != "in_doubt":
        resource = facts.resource_of.get(last.step)
        after = f" after {last.kind}{f' ({resource})' if resource else ''}"
    elif facts.run.resumes:
        after = ", since its process ended in the middle of it"
    return (
        f"nobody knows whether {who} happened{after}, so the run halted (in_doubt){others(rest)}; "
        "find out, then tell it"
    )


def _drifted(facts: Facts) -> str:
    if facts.halting is not None:
        return code(facts.halting.step)
    message = str((facts.error or {}).get("message"))
    name = message.removeprefix("step ").removeprefix("effect ").partition(": ")[0]
    return code(name) if name and len(name) < 80 else "an effect"


# -- stopped, running, rolled back ----------------------------------------------------------------


def _kept(facts: Facts) -> str:
    kept = facts.kept
    return (
        f"{counted(kept, 'result')} {'is' if kept == 1 else 'are'} kept"
        if kept
        else "no result is kept"
    )


def _so_far(steps: list[Failing], none: str) -> str:
    return f"{failed(steps[0])}{how(steps[0])}{others(steps[1:])}" if steps else none


def _stopped(facts: Facts, steps: list[Failing]) -> tuple[str, str]:
    run = facts.run
    verb = "was cancelled" if run.status == "cancelled" else "was stopped from outside"
    told = f"the run of {code(run.workflow)} {verb} after {took(facts.seconds)}; {_kept(facts)}"
    if steps:
        told += f"; {_so_far(steps, '')}"
    count, _ = facts.doubtful
    if count:
        told += f"; {counted(count, 'effect')} {'is' if count == 1 else 'are'} in doubt"
    if run.status == "cancelled":
        return f"{told}; nothing to do, unless it is to go on after all", "fine"
    return f"{told}; resume it", "act"


def _at_work(facts: Facts) -> str:
    """The steps that had begun and not ended."""
    names = [one.step for one in facts.steps if one.status == "running" and one.form != "map"] or [
        one.step.removesuffix(".map") for one in facts.steps if one.status == "running"
    ]
    names = list(dict.fromkeys(names))
    if not names:
        return ""
    told = joined([code(one) for one in names[:3]])
    if len(names) > 3:
        told += f" and {counted(len(names) - 3, 'other step')}"
    return f"{told} {'was' if len(names) == 1 else 'were'}"


def _held(facts: Facts, steps: list[Failing]) -> tuple[str, str]:
    run, holder = facts.run, facts.holder
    process = (holder or {}).get("process") or "its process"
    back = run.status == "rolling_back"
    if facts.died:
        at = _at_work(facts)
        during = (
            "while it rolled the run back"
            if back
            else f"while {at} at work"
            if at
            else "in the run"
        )
        told = f"the process of the run ({process}) died {during}; {_kept(facts)}"
        if steps:
            told += f"; {_so_far(steps, '')}"
        count, _ = facts.doubtful
        if count:
            told += f"; {counted(count, 'effect')} {'is' if count == 1 else 'are'} in doubt"
        return f"{told}; {'finish the rollback' if back else 'resume it'}", "act"
    what = "is being rolled back" if back else "is still running"
    known = "" if facts.alive else ", as far as this machine can know"
    told = f"the run of {code(run.workflow)} {what} ({process}){known}, {took(facts.seconds)} after it began"
    if not steps:
        return f"{told}; nothing has failed so far; nothing to do", "fine"
    return f"{told}; so far {_so_far(steps, '')}; nothing to do yet", "look"


def _rolled_back(facts: Facts, steps: list[Failing]) -> tuple[str, str]:
    if facts.halting is not None and steps:
        cause = f"{failed(steps[0])}, so the run"
    elif facts.body_failed:
        cause = f"{_body(facts, facts.error or {})}, so the run"
    else:
        cause = f"the run of {code(facts.run.workflow)}"
    undos, bad = facts.undos, facts.not_undone
    done, kept = undos.get("done", 0), undos.get("kept", 0)
    total = done + bad
    if bad:
        told = f"{done:,} of {counted(total, 'effect')} {'is' if done == 1 else 'are'} undone, {bad:,} not"
    elif done:
        told = "its effect is undone" if done == 1 else f"all {done:,} effects are undone"
    else:
        told = "it had no effect to undo"
    if kept:
        verb = "is" if kept == 1 else "are"
        told += f"; {counted(kept, 'effect')} without a compensate {verb} left as done"
    more = others(steps[1:]) if facts.halting is not None else others(steps)
    if bad:
        return (
            f"{cause} was rolled back: {told}{more}; mend what hindered it, then roll it back again",
            "act",
        )
    return f"{cause} was rolled back: {told}{more}; nothing to do", "fine"
