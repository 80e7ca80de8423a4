"""Which cells there are: every step × every fault that can happen there, and every write.

What can happen is what the workflow's map says. What was reached is what the control run says: a
fault at a step that was not called is planned all the same where a person asks for it by name, and then
says ``not_fired``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .expect import Expect, permitted
from .fault import rules_of
from .http import HTTP_FAULTS
from .model import Cell, FaultSpec, Outcome
from .verdict import EVENTS

if TYPE_CHECKING:
    from ..catalog import Catalog
    from .arena import Control

__all__ = [
    "Only",
    "Plan",
    "can_follow",
    "ends_process",
    "id_of",
    "kill_at",
    "kill_id",
    "needs_person_after_crash",
    "pair_of",
    "planned",
    "writes_of",
]

PASSING = frozenset(("cancelled", "control_flow"))
NOT_INJECTED = frozenset(
    "process_killed process_crashed resume_drift run_locked in_doubt circuit_open "
    "deadline_exceeded budget_exceeded retries_exhausted dependency_failed".split()
)
"""Kinds that Surefoot makes itself of what happens: killing and the like has cells of its own."""


@dataclass(frozen=True)
class Only:
    """Which cells are wanted: by step, by kind (or what else is done, such as ``killed``; ``write`` are
    those at the journal)."""

    steps: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, words: Sequence[str]) -> Only:
        """From ``step=pay``, ``kind=timeout``, several with commas.

        :raises UsageError: another word.

        >>> sorted(Only.parse(["step=pay,kind=auth,tls"]).kinds)
        ['auth', 'tls']
        """
        found: dict[str, set[str]] = {"step": set(), "kind": set()}
        for word in words:
            of = ""
            for part in word.split(","):
                name, equals, value = part.strip().partition("=")
                of, value = (name, value) if equals else (of, name)
                if of not in found or not value:
                    raise UsageError(f"--only {word}: write step=NAME or kind=NAME")
                found[of].add(value)
        return cls(frozenset(found["step"]), frozenset(found["kind"]))

    def wants(self, step: str | None, fault: FaultSpec) -> bool:
        by_step = not self.steps or step in self.steps
        words = {fault.value, fault.words, fault.what, fault.seam}
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
    pauses: bool = False,
) -> Plan:
    """The standard cells.

    :param document: the map of the workflow: :func:`surefoot.workflow.mapping.failure_map`.
    :param pauses: whether processes are stopped while others take their run over.
    :raises UsageError: ``only`` names a step or a kind that there is not.
    """
    plan = Plan()
    steps = {one["name"]: one for one in document["steps"] if one["found"] == "code"}
    _check(only, steps, catalog)
    doubts = any(needs_person_after_crash(one) for one in steps.values())
    for name, step in steps.items():
        if only.steps and name not in only.steps:
            continue
        reached = control.reached.get(f"before {name}", 0)
        if not reached and name not in only.steps:
            plan.notes.append(f"{name} was not called by the control run: nothing is tested there")
            continue
        talks = control.reached.get(f"http {name}", 0) > 0
        for fault, recoverable in _of_step(step, catalog, talks, pauses):
            if only.wants(name, fault):
                doubt = _leaves_doubt(step, fault)
                plan.cells.append(_cell(id_of(fault), fault, name, recoverable, expects, doubt))
    for number in sorted({1, (control.writes // 3 + 1) // 2, max(1, control.writes // 3)}):
        for name in ("ENOSPC", "EIO"):
            fault = FaultSpec("journal", name, "write", script=f"nth:{number}", event="inside")
            if not only.steps and only.wants(None, fault):
                cell_id = f"write/{number}/{name}"
                plan.cells.append(_cell(cell_id, fault, None, None, expects, doubts))
    for kind in sorted(only.kinds - {"write"}):
        if not any(
            Only(kinds=frozenset((kind,))).wants(one.step, one.faults[0]) for one in plan.cells
        ):
            plan.notes.append(f"--only kind={kind}: it can happen at none of these steps")
    return plan


def _cell(
    cell_id: str,
    fault: FaultSpec,
    step: str | None,
    recoverable: bool | None,
    expects: Sequence[Expect],
    needs_person: bool,
) -> Cell:
    allowed = permitted(step, fault, expects, recoverable=recoverable, needs_person=needs_person)
    return Cell(cell_id, (fault,), step, recoverable, allowed.allow, allowed.because)


def _check(only: Only, steps: Mapping[str, Any], catalog: Catalog) -> None:
    import difflib

    for name in only.steps - set(steps):
        near = difflib.get_close_matches(name, list(steps), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(steps)}"
        raise UsageError(f"--only step={name}: the workflow has no such step; {hint}")
    others = {"killed", "os._exit", "kill", "exit", "value", "journal", "ENOSPC", "EIO"}
    others |= {"paused", "pause", "write"}
    others |= {f"HTTP {one}" for one in HTTP_FAULTS} | set(HTTP_FAULTS) | {"http"}
    others |= {f"value {one}" for one in VALUES} | set(VALUES)
    for kind in only.kinds - set(catalog.kinds) - others:
        near = difflib.get_close_matches(kind, [*catalog.kinds, *others], n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see: surefoot catalog list"
        raise UsageError(f"--only kind={kind}: there is no such fault; {hint}")


VALUES = ("truncated", "empty", "none", "wrong_type")


def _of_step(
    step: Mapping[str, Any], catalog: Catalog, talks: bool, pauses: bool
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
    if pauses:  # before its record is written: from then on it must get to write nothing
        yield FaultSpec("pause", "", "after", name), None
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


def needs_person_after_crash(step: Mapping[str, Any]) -> bool:
    """Whether nobody can know what this effect did if its process dies before the body asked for its
    key: for that it takes a ``verify``."""
    effect = step["effect"]
    return effect is not None and effect["on_doubt"] != "rerun" and effect["verify"] is None


def _leaves_doubt(step: Mapping[str, Any], fault: FaultSpec) -> bool:
    """Whether a halt in doubt is right after this fault: always, if the effect sends no key, after a
    process died. If it does, then only before the body has asked for it."""
    if not needs_person_after_crash(step):
        return False
    if step["effect"]["asks_for_key"]:
        return fault.seam == "before"
    return fault.seam == "after" or fault.what not in ("kind", "http")


def id_of(fault: FaultSpec) -> str:
    word = fault.value if fault.what == "value" else fault.words
    return f"{fault.step}/{fault.seam}/{word.replace(' ', '_')}"


# -- crash sweeps ---------------------------------------------------------------------------------


def writes_of(
    control: Control,
    document: Mapping[str, Any],
    *,
    expects: Sequence[Expect] = (),
    only: Only = Only(),
) -> list[Cell]:
    """A kill at every write of the journal: before, inside and after each commit."""
    doubts = any(needs_person_after_crash(one) for one in document["steps"])
    cells = [
        _cell(kill_id(fault), fault, None, None, expects, doubts)
        for fault in map(kill_at, range(1, control.writes + 1))
    ]
    return [one for one in cells if not only.kinds or only.wants(None, one.faults[0])]


def kill_at(number: int) -> FaultSpec:
    """A kill at the ``number``-th event at the journal; each write has three.

    >>> kill_at(5).event, kill_at(5).script
    ('inside', 'nth:2')
    """
    write, event = divmod(number - 1, len(EVENTS))
    return FaultSpec("kill", "", "write", script=f"nth:{write + 1}", event=EVENTS[event])


def kill_id(fault: FaultSpec) -> str:
    """The id of the cell of a kill at the journal."""
    return f"write/{fault.script.partition(':')[2]}/{fault.event}"


# -- two faults -----------------------------------------------------------------------------------


def ends_process(cell: Cell) -> bool:
    """Whether another process goes on after this fault, in which a second one can act."""
    return len(cell.faults) == 1 and cell.faults[0].what in ("kill", "exit")


def can_follow(cell: Cell, after: Mapping[str, int]) -> bool:
    """Whether a fault can act in a process that reached this.

    :param after: how often each seam was, see :attr:`surefoot.chaos.model.CellResult.after`.

    >>> pay = Cell("pay/before/timeout", (FaultSpec("kind", "timeout", step="pay"),), "pay")
    >>> can_follow(pay, {"before pay": 1}), can_follow(pay, {"before load": 1})
    (True, False)
    """
    fault = cell.faults[0]
    if fault.what == "pause":  # the first process only: who would take over from the second?
        return False
    if fault.seam == "write":
        return after.get("write", 0) >= int(fault.script.partition(":")[2]) * len(EVENTS)
    return after.get(f"{fault.seam} {fault.step}", 0) > 0


def pair_of(first: Cell, second: Cell) -> Cell:
    """Two faults, the second one in the process after the first's."""
    allowed: tuple[Outcome, ...] = tuple(dict.fromkeys((*first.allowed, *second.allowed)))
    because = " and ".join(dict.fromkeys(filter(None, (first.because, second.because))))
    return Cell(
        f"{first.id}+{second.id}",
        (*first.faults, *second.faults),
        first.step or second.step,
        None,
        allowed,
        because,
    )
