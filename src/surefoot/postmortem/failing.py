"""What one step of a run failed with and how that ended, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..journal.aftermath import StepGroup, Trouble
from ..journal.undo import UNDO
from .words import code, counted, joined, ordinal, times, took

__all__ = ["RECOVERED", "Failing", "by_step", "failed", "how", "others"]

WORST = (
    *("failed", "running", "lost", "caught", "skipped", "default", "fallback", "resumed"),
    *("resolved", "replayed", "verified", "adapted", "retried", "split", "superseded"),
)
"""How a failing call ended, the worst first."""

RECOVERED = frozenset(
    ("default", "fallback", "resumed", "resolved", "replayed", "verified", "adapted", "retried")
)


@dataclass
class Failing:
    """The failures of one step; ``hows`` and ``kinds`` count calls and failures."""

    step: str
    kinds: Counter[str] = field(default_factory=Counter)
    hows: Counter[str] = field(default_factory=Counter)
    via: dict[str, None] = field(default_factory=dict)
    calls: int = 0
    failures: int = 0
    attempts: int = 0
    items: bool = False
    slowest: float | None = None
    of: int = 0
    """All calls of this step."""
    resource: str | None = None

    @property
    def worst(self) -> int:
        return min((WORST.index(one) if one in WORST else 0 for one in self.hows), default=99)


def by_step(
    trouble: Iterable[Trouble], steps: Sequence[StepGroup], resources: Mapping[str, str]
) -> list[Failing]:
    """The failing steps, the worst first; what a rollback could not undo is told elsewhere."""
    total: Counter[str] = Counter()
    for group in steps:
        if group.form != "map" and group.status != "superseded":
            total[group.step] += group.calls
    found: dict[str, Failing] = {}
    for one in trouble:
        if one.step.endswith((UNDO, ".verify")):
            continue
        into = found.setdefault(
            one.step,
            Failing(one.step, of=total[one.step], resource=resources.get(one.step)),
        )
        into.kinds[one.kind] += one.failures
        into.hows[one.how] += one.calls
        into.calls += one.calls
        into.failures += one.failures
        into.attempts = max(into.attempts, one.attempts)
        into.items = into.items or bool(one.is_item)
        if one.via and one.via != "skipped":
            into.via[one.via] = None
        if one.how in RECOVERED and one.slowest is not None:
            into.slowest = max(into.slowest or 0.0, one.slowest)
    return sorted(found.values(), key=lambda one: (one.worst, -one.failures))


def kinds_of(one: Failing) -> str:
    """``rate_limited (openai)``, ``timeout and connection``, …"""
    names = sorted(one.kinds, key=lambda kind: (-one.kinds[kind], kind))
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} other kinds"]
    told = joined(names)
    return f"{told} ({one.resource})" if one.resource else told


def failed(one: Failing) -> str:
    """Who failed, how often, with what: ``"`enrich` failed 3 times with rate_limited (openai)"``."""
    name, kinds = code(one.step), kinds_of(one)
    if one.calls == 1 and one.failures == 1 and "skipped" in one.hows:
        return (
            f"one item of {name} failed with {kinds}"
            if one.items
            else f"{name} failed with {kinds}"
        )
    if one.calls == 1:
        who = f"one item of {name}" if one.items and one.of > 1 else name
        return f"{who} failed {times(one.failures)} with {kinds}"
    noun = "item" if one.items else "call"
    of = f"{one.calls:,} of {one.of:,} {noun}s" if one.of > one.calls else counted(one.calls, noun)
    more = f", {one.failures:,} times in all," if one.failures > one.calls else ""
    return f"{of} of {name} failed{more} with {kinds}"


def how(one: Failing) -> str:
    """How that ended, to follow :func:`failed`."""
    if len(one.hows) > 1:
        parts = [_several(one, name, number) for name, number in _ordered(one.hows)]
        return f": {joined(parts)}"
    [(name, number)] = one.hows.items()
    if number > 1:
        return _all_of_them(one, name)
    return _single(one, name)


def _ordered(hows: Counter[str]) -> list[tuple[str, int]]:
    return sorted(hows.items(), key=lambda pair: -WORST.index(pair[0]) if pair[0] in WORST else 0)


def _after(one: Failing, slowest: bool = False) -> str:
    if one.slowest is None or one.slowest < 0.001:
        return ""
    return f"{', the slowest' if slowest else ''} after {took(one.slowest)}"


def _single(one: Failing, name: str) -> str:
    nth = ordinal(max(one.attempts, 2))
    via = code(next(iter(one.via))) if one.via else "its fallback"
    return {
        "retried": f", recovered by its {nth} attempt{_after(one)}",
        "adapted": f", recovered by its {nth} attempt, with changed arguments,{_after(one)}".rstrip(
            ","
        ),
        "fallback": f", its fallback {via} gave the result{_after(one)} (degraded)",
        "default": ", and a default stands in for its result (degraded)",
        "verified": ", and its verify found that it had happened all the same",
        "resumed": f" and halted the run, and a resume recovered it{_after(one)}",
        "resolved": ", and a person found out how it had ended",
        "replayed": ", was set aside, and was replayed since",
        "skipped": " and was set aside as a dead letter",
        "caught": ", and the workflow caught that and went on",
        "failed": " and halted the run",
        "running": " and has not ended",
        "lost": ", and its end was never written",
        "split": ", and its items were tried again in two halves",
        "superseded": ", and was set aside by --from",
    }.get(name, f" and is {name}")


def _all_of_them(one: Failing, name: str) -> str:
    via = joined([code(to) for to in list(one.via)[:2]]) or "their fallback"
    return {
        "retried": f", all recovered by another attempt{_after(one, True)}",
        "adapted": f", all recovered with changed arguments{_after(one, True)}",
        "fallback": f", and {via} gave the results (degraded)",
        "default": ", and a default stands in for their results (degraded)",
        "verified": ", and their verify found that they had happened all the same",
        "resumed": f" and halted the run, and a resume recovered them{_after(one, True)}",
        "resolved": ", and a person found out how they had ended",
        "replayed": ", were set aside, and were replayed since",
        "skipped": " and were set aside as dead letters",
        "caught": ", and the workflow caught that and went on",
        "failed": " and halted the run",
        "running": " and have not ended",
        "lost": ", and their ends were never written",
        "split": ", and their items were tried again in two halves",
        "superseded": ", and were set aside by --from",
    }.get(name, f" and are {name}")


def _several(one: Failing, name: str, number: int) -> str:
    via = joined([code(to) for to in list(one.via)[:2]]) or "a fallback"
    told = {
        "retried": "recovered by another attempt",
        "adapted": "recovered with changed arguments",
        "fallback": f"got {'its result' if number == 1 else 'their results'} from {via} (degraded)",
        "default": f"got a default for {'its result' if number == 1 else 'their results'} (degraded)",
        "verified": "had happened all the same",
        "resumed": "recovered by a resume",
        "resolved": "settled by a person",
        "replayed": "replayed since",
        "skipped": f"set aside as {'a dead letter' if number == 1 else 'dead letters'}",
        "caught": "caught by the workflow",
        "failed": "halted the run",
        "running": "not ended",
        "lost": "without a written end",
        "split": "tried again in halves",
        "superseded": "set aside by --from",
    }.get(name, name)
    return f"{number:,} {told}"


def others(rest: Sequence[Failing]) -> str:
    """The other failing steps, counted: ``"; 2 other steps failed too and recovered"``."""
    if not rest:
        return ""
    if len(rest) == 1:
        return f"; {failed(rest[0])} too{how(rest[0])}"
    hows: Counter[str] = Counter()
    for one in rest:
        hows.update(one.hows)
    told = f"; {counted(len(rest), 'other step')} failed too"
    if set(hows) <= RECOVERED - {"default", "fallback"}:
        return f"{told} and recovered"
    aside = hows["skipped"]
    degraded = hows["default"] + hows["fallback"]
    parts = []
    if aside:
        parts.append(f"{counted(aside, 'item')} set aside")
    if degraded:
        parts.append(f"{counted(degraded, 'result')} degraded")
    for name, word in (
        ("failed", "halted the run"),
        ("caught", "caught"),
        ("running", "not ended"),
    ):
        if hows[name]:
            parts.append(f"{hows[name]:,} {word}")
    return f"{told} ({', '.join(parts)})" if parts else told
