"""Which cells there are: every step × every fault that can happen there, and every write.

What can happen is what the workflow's map says. What was reached is what the control run says: a
fault at a step that was not called is planned all the same where a person asks for it by name, and then
says ``not_fired``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .expect import Expect, permitted
from .fault import rules_of
from .http import HTTP_FAULTS
from .model import Cell, FaultSpec, Outcome

if TYPE_CHECKING:
    from ..catalog import Catalog
    from .arena import Control

__all__ = ["Only", "Plan", "pair_of", "planned", "writes_of"]

PASSING = frozenset(("cancelled", "control_flow"))
NOT_INJECTED = frozenset(
    "process_killed process_crashed resume_drift run_locked in_doubt circuit_open "
    "deadline_exceeded budget_exceeded retries_exhausted dependency_failed".split()
)
"""Kinds that Surefoot makes itself of what happens: killing and the like has cells of its own."""
EVENTS = ("before", "inside", "after")


@dataclass(frozen=True)
class Only:
    """Which cells are wanted: by step, by kind (or what else is done, such as ``killed``)."""

    steps: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, words: Sequence[str]) -> Only:
        """From ``step=pay``, ``kind=timeout``, several with commas.

        :raises UsageError: another word.
        """
        found: dict[str, set[str]] = {"step": set(), "kind": set()}
        for word in words:
            name, equals, value = word.partition("=")
            if name not in found or not equals or not value:
                raise UsageError(f"--only {word}: write step=NAME or kind=NAME")
            found[name].update(one.strip() for one in value.split(","))
        return cls(frozenset(found["step"]), frozenset(found["kind"]))

    def wants(self, step: str | None, fault: FaultSpec) -> bool:
        by_step = not self.steps or step in self.steps
        words = {fault.value, fault.words, fault.what}
        return by_step and (not self.kinds or bool(self.kinds & words))


@dataclass
class Plan:
    """Cells, and what was left out and why."""

    cells: list[Cell] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def planned(
    document: Mapping[str, Any],
    catalog: Catalog,
    control: Control,
    *,
    expects: Sequence[Expect] = (),
    only: Only = Only(),
) -> Plan:
    """The standard cells.

    :param document: the map of the workflow: :func:`surefoot.workflow.mapping.failure_map`.
    :raises UsageError: ``only`` names a step or a kind that there is not.
    """
    plan = Plan()
    steps = {one["name"]: one for one in document["steps"] if one["found"] == "code"}
    _check(only, steps, catalog)
    doubts = any(_needs_person(one) for one in steps.values())
    for name, step in steps.items():
        reached = control.reached.get(f"before {name}", 0)
        if not reached and name not in only.steps:
            plan.notes.append(f"{name} was not called by the control run: nothing is tested there")
            continue
        talks = control.reached.get(f"http {name}", 0) > 0
        for fault, recoverable in _of_step(step, catalog, talks):
            if not only.wants(name, fault):
                continue
            allowed = permitted(
                name, fault, expects, recoverable=recoverable, needs_person=_needs_person(step)
            )
            plan.cells.append(
                Cell(_id(fault), (fault,), name, recoverable, allowed.allow, allowed.because)
            )
    for number in sorted({1, (control.writes // 3 + 1) // 2, max(1, control.writes // 3)}):
        for name in ("ENOSPC", "EIO"):
            fault = FaultSpec("journal", name, "write", script=f"nth:{number}", event="inside")
            if not only.steps and only.wants(None, fault):
                allowed = permitted(None, fault, expects, recoverable=None, needs_person=doubts)
                cell_id = f"write/{number}/{name}"
                plan.cells.append(
                    Cell(cell_id, (fault,), None, None, allowed.allow, allowed.because)
                )
    return plan


def _check(only: Only, steps: Mapping[str, Any], catalog: Catalog) -> None:
    import difflib

    for name in only.steps - set(steps):
        near = difflib.get_close_matches(name, list(steps), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(steps)}"
        raise UsageError(f"--only step={name}: the workflow has no such step; {hint}")
    others = {"killed", "os._exit", "kill", "exit", "value", "journal", "ENOSPC", "EIO"}
    others |= {f"HTTP {one}" for one in HTTP_FAULTS} | set(HTTP_FAULTS) | {"http"}
    others |= {f"value {one}" for one in VALUES} | set(VALUES)
    for kind in only.kinds - set(catalog.kinds) - others:
        near = difflib.get_close_matches(kind, [*catalog.kinds, *others], n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see: surefoot catalog list"
        raise UsageError(f"--only kind={kind}: there is no such fault; {hint}")


VALUES = ("truncated", "empty", "none", "wrong_type")


def _of_step(
    step: Mapping[str, Any], catalog: Catalog, talks: bool
) -> Iterator[tuple[FaultSpec, bool | None]]:
    """The faults of one step, with whether their kind is recoverable.

    :param talks: whether it sent a request by a client whose answers can be made to fail.
    """
    name = step["name"]
    seen: set[str] = set()
    for row in step["failures"]:
        kind = row["kind"]
        if kind in PASSING or kind in NOT_INJECTED or kind in seen:
            continue
        seen.add(kind)
        rule = _example(row, catalog, step["stage"])
        if rule is not None:
            yield FaultSpec("kind", kind, step=name, rule=rule), bool(row["recoverable"])
    if step["effect"] is not None:
        lost = _example({"kind": "connection", "because": []}, catalog, step["stage"])
        if lost is not None:
            yield FaultSpec("kind", "connection", "after", name, rule=lost), None
    if talks:
        for word in HTTP_FAULTS:
            yield FaultSpec("http", word, "http", name), True
    yield FaultSpec("kill", "", "before", name), None
    yield FaultSpec("kill", "", "after", name), None
    yield FaultSpec("exit", "1", "before", name), None
    if step["stage"] == "inference" and step["effect"] is None:
        for value in VALUES:
            yield FaultSpec("value", value, "value", name), None


def _example(row: Mapping[str, Any], catalog: Catalog, stage: str | None) -> str | None:
    """The rule whose example is raised: one of those by which the map expects the kind."""
    named = [rule for because in row["because"] for rule in because["rules"]]
    for rule in named:
        if next(rules_of(row["kind"], None, rule, catalog, stage), None) is not None:
            return str(rule)
    found = next(rules_of(row["kind"], None, None, catalog, stage), None)
    return found.id if found is not None else None


def _needs_person(step: Mapping[str, Any]) -> bool:
    """Whether after a crash nobody can know what this effect did."""
    effect = step["effect"]
    if effect is None or effect["on_doubt"] == "rerun":
        return False
    return effect["verify"] is None and not effect["asks_for_key"]


def _id(fault: FaultSpec) -> str:
    return f"{fault.step}/{fault.seam}/{fault.words.replace(' ', '_')}"


# -- crash sweeps ---------------------------------------------------------------------------------


def writes_of(
    control: Control,
    document: Mapping[str, Any],
    *,
    expects: Sequence[Expect] = (),
    sample: int | None = None,
    seed: int = 0,
) -> list[Cell]:
    """A kill at every write of the journal: before, inside and after each commit.

    :param sample: so many of them, by chance; None: all.
    """
    doubts = any(_needs_person(one) for one in document["steps"])
    cells = []
    for number in range(1, control.writes // len(EVENTS) + 1):
        for event in EVENTS:
            fault = FaultSpec("kill", "", "write", script=f"nth:{number}", event=event)
            allowed = permitted(None, fault, expects, recoverable=None, needs_person=doubts)
            cell_id = f"write/{number}/{event}"
            cells.append(Cell(cell_id, (fault,), None, None, allowed.allow, allowed.because))
    if sample is not None and sample < len(cells):
        chosen = set(random.Random(seed).sample(range(len(cells)), sample))
        cells = [one for number, one in enumerate(cells) if number in chosen]
    return cells


def pair_of(first: Cell, second: Cell) -> Cell:
    """Two faults, the second one in the process after the first's."""
    allowed: tuple[Outcome, ...] = tuple(dict.fromkeys((*first.allowed, *second.allowed)))
    return Cell(
        f"{first.id}+{second.id}",
        (*first.faults, *second.faults),
        first.step,
        None,
        allowed,
        first.because,
    )
