"""Why an exception is what it is: the rule that decided, those that lost, and those that nearly held.

Only for people: :func:`surefoot.classify.classify` decides, and this looks again at all that it could
have looked at. Pure, like it.

>>> from surefoot.catalog import load
>>> error = OSError(28, "No space left on device")
>>> found = reasons(error, catalog=load())
>>> found.classification.rule, found.why
('builtins.disk_full', 'the most specific of 2 that hold')
>>> [(one.rule, one.why) for one in found.lost]
[('generic.no_space', 'less specific: by message, the winner by errno')]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from surefoot.catalog import Catalog
from surefoot.catalog.plan import TIERS, Candidate, Plan, rank_of
from surefoot.catalog.rule import (
    AFTER_INFERENCE,
    OF_CATALOG,
    OF_PACKAGE,
    OF_USER,
    Condition,
    Rule,
)
from surefoot.classify.chain import context_of, explicit_causes, members
from surefoot.classify.facts import Facts
from surefoot.classify.judge import CRITICAL_RULE, NO_RULE, PASSING, RETRY_RULE, classify
from surefoot.classify.match import Setting
from surefoot.classify.safely import attribute
from surefoot.model import Classification

__all__ = ["LookedAt", "NotChosen", "Reasons", "reasons"]

RAISED, CAUSE, HANDLED, MEMBER = "raised", "cause", "handled before", "member of a group"
_EXCEPTIONS = 50  # further down nothing is explained any more
_VALUES = 3
_SHOWN = 80  # characters of a value that was found
_BY = {number: name for name, number in TIERS.items()}
_WHOSE = {
    OF_USER: "a rule of yours",
    OF_PACKAGE: "a package's rule",
    OF_CATALOG: "a built-in rule",
}


@dataclass(frozen=True)
class LookedAt:
    """One exception of the chain: how it hangs on the one that was raised, and its best rule."""

    type: str
    relation: str
    rule: str
    kind: str | None
    decided: bool


@dataclass(frozen=True)
class NotChosen:
    """A rule that did not decide, and why. ``type`` is the exception that it was asked of."""

    rule: str
    kind: str
    type: str
    why: str


@dataclass(frozen=True)
class Reasons:
    """What a failure is, and why.

    ``rule`` is None where no rule of the catalog decided. ``lost`` are rules that hold, too; ``near``
    are those about the same class that do not hold. ``left_off`` counts those that did not fit in.
    Values that were found stand in ``why`` as they are: scrub them before they go anywhere.
    """

    classification: Classification
    rule: Rule | None
    why: str
    exceptions: tuple[LookedAt, ...]
    lost: tuple[NotChosen, ...]
    near: tuple[NotChosen, ...]
    left_off: int

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``: without the classification, which has its own."""
        return {
            "why": self.why,
            "source": self.rule.source if self.rule is not None else None,
            "file": self.rule.file if self.rule is not None else None,
            "exceptions": [asdict(each) for each in self.exceptions],
            "lost": [asdict(each) for each in self.lost],
            "near": [asdict(each) for each in self.near],
            "left_off": self.left_off,
        }


class _Node(NamedTuple):
    """One exception of the chain with all that may be asked of it, best first."""

    exc: BaseException
    plan: Plan
    relation: str
    held: list[Candidate]
    missed: list[tuple[Candidate, list[str]]]
    unasked: list[Candidate]


def reasons(
    exc: BaseException,
    *,
    catalog: Catalog,
    stage: str | None = None,
    after_inference: bool = False,
    now: float | None = None,
    most: int = 8,
) -> Reasons:
    """What ``exc`` is, and why it is that and nothing else.

    :param most: how many rules are told of each sort.

    >>> from surefoot.catalog import load
    >>> from surefoot.catalog.examples import build
    >>> late = build({"type": "openai.APITimeoutError", "bases": ["openai.APIConnectionError"]})
    >>> [(one.rule, one.why) for one in reasons(late, catalog=load()).lost][:1]
    [('openai.connection', 'further up: by openai.APIConnectionError, the winner by openai.APITimeoutError')]
    """
    found = classify(exc, catalog=catalog, stage=stage, after_inference=after_inference, now=now)
    setting = Setting(stage, after_inference)
    nodes = [_look(each, relation, catalog, setting) for each, relation in _chain(exc)]
    node, winner = _decided(nodes, found)
    lost = [*_lost(nodes, node, winner), *_unasked(nodes)]
    near = _near(nodes, node, {one.rule for one in lost})
    return Reasons(
        classification=found,
        rule=winner.rule if winner is not None else None,
        why=_why(found, winner, nodes, node),
        exceptions=tuple(_looked_at(each, each is node) for each in nodes),
        lost=tuple(lost[:most]),
        near=tuple(near[:most]),
        left_off=max(0, len(lost) - most) + max(0, len(near) - most),
    )


# -- looking again --------------------------------------------------------------------------------


def _chain(exc: BaseException) -> Iterator[tuple[BaseException, str]]:
    """All exceptions that ``classify`` may look at, each once, the nearest first."""
    left: list[tuple[BaseException, str]] = [(exc, RAISED)]
    seen = {id(exc)}
    for each, relation in left:  # grows
        yield each, relation
        facts = Facts(each)
        further = [
            (one, HANDLED if relation == HANDLED else CAUSE) for one in explicit_causes(facts)
        ]
        further += [(one, MEMBER) for one in members(attribute(each, "exceptions"))]
        context = context_of(each)
        if context is not None:
            further.append((context, HANDLED))
        for one, how in further:
            if id(one) not in seen and len(left) < _EXCEPTIONS:
                seen.add(id(one))
                left.append((one, how))


def _look(exc: BaseException, relation: str, catalog: Catalog, setting: Setting) -> _Node:
    plan = catalog.plan(type(exc))
    facts = Facts(exc, plan.names)
    held: list[Candidate] = []
    missed: list[tuple[Candidate, list[str]]] = []
    for candidate, misses in _asked(plan, facts, setting):
        if misses:
            missed.append((candidate, misses))
        else:
            held.append(candidate)
    known = {candidate.rule.id for candidate in held}
    known.update(candidate.rule.id for candidate, _ in missed)
    general = _asked(catalog.plan(Exception), facts, setting, lambda one: one.rule.id not in known)
    unasked = [one for one, misses in general if not misses and not one.rule.classes]
    return _Node(exc, plan, relation, held, missed, unasked)


def _asked(
    plan: Plan,
    facts: Facts,
    setting: Setting,
    wanted: Callable[[Candidate], bool] = lambda candidate: True,
) -> Iterator[tuple[Candidate, list[str]]]:
    """The candidates of a plan, best first, each with what it lacks."""
    for block in plan.blocks:
        found = block.patterns.search(facts.text) if block.patterns is not None else ()
        for candidate in block.candidates:
            if wanted(candidate):
                yield candidate, [*_misses(candidate, facts, setting, found)]


def _misses(
    candidate: Candidate, facts: Facts, setting: Setting, found: Sequence[int]
) -> Iterator[str]:
    rule = candidate.rule
    if rule.stages and not (
        setting.stage in rule.stages or (setting.after_inference and AFTER_INFERENCE in rule.stages)
    ):
        yield f"stage: {_any(sorted(rule.stages))} is wanted, {setting.stage or 'none'} is told"
    if rule.truncated is not None and facts.truncated is not rule.truncated:
        yield "its text is not cut off" if rule.truncated else "its text is cut off"
    for condition in rule.conditions:
        values = facts.values(condition.key)
        if condition.find(values) is None:
            there = _any([value[:_SHOWN] for value in values]) or "nothing"
            yield f"{condition.label}: {_wanted(condition)} is wanted, {there} is there"
    if rule.message is not None and candidate.pattern not in found:
        yield f"message: /{rule.message}/ is not in it"


def _wanted(condition: Condition) -> str:
    return _any([*sorted(condition.exact), *(f"{prefix}*" for prefix in condition.prefixes)])


def _any(values: Sequence[str]) -> str:
    return " or ".join([*values[:_VALUES], *(["…"] if len(values) > _VALUES else [])])


# -- telling --------------------------------------------------------------------------------------


def _decided(
    nodes: Sequence[_Node], found: Classification
) -> tuple[_Node | None, Candidate | None]:
    """The exception that decided, and by which candidate."""
    id = next((one.value for one in found.evidence if one.what == "rule of its cause"), found.rule)
    for node in nodes:
        best = node.held[0] if node.held else None
        if best is not None and best.rule.id == id and node.plan.name == found.type:
            return node, best
    return next((node for node in nodes if node.plan.name == found.type), None), None


def _why(
    found: Classification,
    winner: Candidate | None,
    nodes: Sequence[_Node],
    node: _Node | None,
) -> str:
    if found.rule in (CRITICAL_RULE, RETRY_RULE):
        return "the code that raised it says so itself, and no rule overrules that"
    if winner is None:
        return (
            "no rule holds" if found.rule == NO_RULE else "it stands too far down to be explained"
        )
    here = len({one.rule.id for each in nodes for one in each.held})
    why = "the only one that holds" if here == 1 else f"the most specific of {here} that hold"
    if winner.rule.wrapper:
        return "what it wraps is not known"
    if node is not None and node.relation == MEMBER:
        return f"{why}, about the worst member of the group"
    return why


def _looked_at(node: _Node, decided: bool) -> LookedAt:
    best = node.held[0].rule if node.held else None
    return LookedAt(
        type=node.plan.name,
        relation=node.relation,
        rule=best.id if best is not None else NO_RULE,
        kind=best.kind if best is not None else None,
        decided=decided,
    )


def _lost(
    nodes: Sequence[_Node], decided: _Node | None, winner: Candidate | None
) -> Iterator[NotChosen]:
    """The rules that hold and did not decide: all about the exception that did, else the best one."""
    told = {winner.rule.id} if winner is not None else set()
    first = [decided] if decided is not None else []
    for node in [*first, *(each for each in nodes if each is not decided)]:
        for one in node.held if node is decided else node.held[:1]:
            if one.rule.id in told:
                continue
            told.add(one.rule.id)
            if winner is not None and node is decided:
                why = _behind(one, winner)
            else:
                why = _elsewhere(one, node, winner, decided)
            yield NotChosen(one.rule.id, one.rule.kind, node.plan.name, why)


def _behind(one: Candidate, winner: Candidate) -> str:
    """Why a rule stands behind another one that holds for the same exception."""
    lower = _lower(one, winner)
    if lower is not None:
        return lower
    if one.where != winner.where:
        return f"further up: by {_named(one)}, the winner by {_named(winner)}"
    if one.rule.weight != winner.rule.weight:
        return f"fewer conditions: {one.rule.weight}, the winner {winner.rule.weight}"
    if len(one.rule.conditions) != len(winner.rule.conditions):
        return "a message, and the winner goes by a value"
    if one.rule.is_broad != winner.rule.is_broad:
        return "a class of values, and the winner wants one of them"
    return "as specific, and listed later"


def _lower(one: Candidate, winner: Candidate) -> str | None:
    if one.rule.standing != winner.rule.standing:
        return f"{_WHOSE[one.rule.standing]}: {_WHOSE[winner.rule.standing]} goes first"
    if one.tier != winner.tier:
        return f"less specific: by {_by(one)}, the winner by {_by(winner)}"
    return None


def _elsewhere(one: Candidate, node: _Node, winner: Candidate | None, decided: _Node | None) -> str:
    """Why a rule about another exception of the chain did not decide."""
    if one.rule.kind in PASSING and node.relation != RAISED:
        return "a cancellation, or control flow, further down decides nothing"
    if one.rule.wrapper:
        return "a wrapper: it steps back for what it wraps"
    if winner is not None and rank_of(one.rule, one.tier) < rank_of(winner.rule, winner.tier):
        return str(_lower(one, winner))
    if node.relation == HANDLED:
        return (
            "its exception was merely being handled: it is asked only where nothing else is known"
        )
    if node.relation == MEMBER and decided is not None and decided.relation == MEMBER:
        return "another member of the group is worse"
    return "its exception does not decide: it stands further from the one that was raised"


def _unasked(nodes: Sequence[_Node]) -> Iterator[NotChosen]:
    """General rules that fit and were not asked."""
    told: set[str] = set()
    for node in nodes:
        for one in node.unasked:
            if one.rule.id in told:
                continue
            told.add(one.rule.id)
            what = "mistakes in the code" if node.plan.is_error else "what is no Exception"
            why = f"its {_by(one)} fits, but general rules are not asked of {what}"
            yield NotChosen(one.rule.id, one.rule.kind, node.plan.name, why)


def _near(nodes: Sequence[_Node], decided: _Node | None, lost: set[str]) -> list[NotChosen]:
    """Rules about the class of the exception that decided, or that was raised, which do not hold."""
    told = lost | {one.rule.id for node in nodes for one in node.held}
    found: list[tuple[int, int, int, NotChosen]] = []
    for node in nodes:
        if node is not decided and node.relation != RAISED:
            continue
        for candidate, misses in node.missed:
            rule = candidate.rule
            asks = rule.weight - bool(rule.classes) - rule.exact
            if (
                rule.id in told
                or not candidate.evidence
                or (len(misses) > 1 and asks == len(misses))
            ):
                continue
            told.add(rule.id)
            one = NotChosen(rule.id, rule.kind, node.plan.name, "; ".join(misses))
            found.append((len(misses), -asks, len(found), one))
    return [one for *_, one in sorted(found, key=lambda each: each[:3])]


def _named(candidate: Candidate) -> str:
    """The class or the package that a candidate goes by; general rules have none."""
    return candidate.evidence[0].value if candidate.evidence else "no class"


def _by(candidate: Candidate) -> str:
    """What a rule goes by, in a word: ``code``, ``class``, ``status`` …"""
    if candidate.tier == TIERS["value"]:
        return " and ".join(condition.label for condition in candidate.rule.conditions)
    return _BY[candidate.tier].removeprefix("scoped ")
