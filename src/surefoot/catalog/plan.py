"""For one class of exceptions: which rules can match, in the order in which they are asked.

A plan is made once for a class. It is a list of blocks; all rules of a block are of one tier. In a
block rules are not asked one after the other: those that want a value (a status, a code) are found
by looking that value up, and all patterns of a block are searched in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from surefoot.catalog.patterns import EngineName, PatternSet
from surefoot.catalog.rule import Condition, FactKey, Rule
from surefoot.model import Evidence

__all__ = [
    "CLASS_NAME",
    "OF_STANDING",
    "READ_NAMES",
    "TIERS",
    "Block",
    "Candidate",
    "Plan",
    "Probe",
    "make_blocks",
    "rank_of",
    "tier_of",
]

# What a rule goes by decides before all else; the numbers are compared across causes too.
TIERS = {
    "code": 7,
    "class": 6,
    "value": 5,
    "scoped message": 4,
    "message": 3,
    "builtin class": 2,
}
OF_STANDING = 100
"""What a step of a rule's standing counts: more than all tiers together."""
_CODES = frozenset(("attr", "body"))
# What classes have rules for; the instance may hold nothing all the same.
_OF_CLASS = frozenset(("attr", "errno"))


CLASS_NAME = ("attr", "__class__", "__name__")
"""What is known of an exception before there is one."""

READ_NAMES = frozenset(
    (
        *("status_code", "status", "code", "http_status", "response", "resp", "headers", "body"),
        *("sqlstate", "pgcode", "diag", "orig", "grpc_status_code", "details"),
        *("returncode", "exitcode", "exit_code", "request", "last_attempt", "last_exception"),
        *("retry_after", "retry_after_seconds", "retry_after_s", "retry_after_ms"),
        *("cooldown_time", "next_retry_delay", "litellm_response_headers"),
        *("reason", "original_exception", "inner_exception", "exceptions"),
    )
)
"""The attributes that are read off any exception, whatever its class."""


class Candidate(NamedTuple):
    """A rule that may match exceptions of one class.

    ``where`` is how far up the MRO its class (or package) stands, ``plain`` whether nothing but the
    class is asked for, ``pattern`` the index in the block's patterns, or -1.
    """

    rule: Rule
    tier: int
    where: int
    evidence: tuple[Evidence, ...]
    plain: bool = False
    pattern: int = -1


class Probe(NamedTuple):
    """Look one value up: ``table`` and ``prefixes`` lead to the ranks of candidates.

    ``gate`` names what the instance must hold for there to be a value, where the class has no such
    attribute; None: read it in any case.
    """

    key: FactKey
    table: dict[str, list[int]]
    prefixes: list[tuple[str, int]]
    gate: str | None


class Block(NamedTuple):
    """Candidates of one tier, best first.

    ``always`` are the ranks of those without a probe. ``for_any`` says that its probes read nothing
    but what is read off every exception (see :data:`READ_NAMES`). ``in_body`` are the keys of which
    a body, or its ``error``, must have one for the probes of the body to find anything.
    """

    candidates: tuple[Candidate, ...]
    always: tuple[int, ...]
    probes: tuple[Probe, ...]
    patterns: PatternSet | None
    for_any: bool
    in_body: frozenset[str]


class Plan(NamedTuple):
    """What is asked of an exception of one class.

    ``name`` is the class's qualified name, ``is_error`` whether it is an Exception (others are
    control flow, and general rules are not asked of them). ``names`` are those of
    :data:`READ_NAMES` that the class itself may answer; most classes answer none, and then nothing
    has to be tried that the instance does not hold. ``best`` is the most that a match can count.
    """

    name: str
    blocks: tuple[Block, ...]
    is_error: bool
    names: frozenset[str]
    best: int


def rank_of(rule: Rule, tier: int) -> int:
    """How much a match counts among the exceptions of one chain; users' rules come first."""
    return tier + OF_STANDING * rule.standing


def tier_of(rule: Rule, class_name: str | None) -> int:
    """How specific a rule is when it matched by ``class_name`` (None: it names no class).

    >>> from surefoot.catalog.rule import make_rule
    >>> rule = make_rule({"id": "x.y", "kind": "timeout", "status": 408},
    ...                  library="x", packages=(), file="x.toml")
    >>> tier_of(rule, None) == TIERS["value"]
    True
    """
    if any(condition.key[0] in _CODES for condition in rule.conditions):
        return TIERS["code"]
    if class_name is not None and not class_name.startswith("builtins."):
        return TIERS["class"]
    if rule.conditions:
        return TIERS["value"]
    if rule.message is not None:
        return TIERS["scoped message" if rule.scoped else "message"]
    return TIERS["builtin class"]


def make_blocks(
    candidates: Iterable[Candidate],
    engine: EngineName | None,
    answers: Callable[[str], bool] = lambda name: True,
) -> tuple[Block, ...]:
    """Candidates sorted and cut into blocks.

    :param answers: whether the class itself may answer for an attribute.
    """
    ordered = sorted(
        candidates,
        key=lambda each: (
            -each.rule.standing,
            -each.tier,
            each.where,
            -each.rule.weight,
            -len(each.rule.conditions),  # a status says more than a message
            each.rule.is_broad,
        ),
    )
    blocks = []
    start = 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or _section(ordered[end]) != _section(ordered[start]):
            blocks.append(_make_block(ordered[start:end], engine, answers))
            start = end
    return tuple(blocks)


def _section(candidate: Candidate) -> tuple[int, int]:
    return candidate.rule.standing, candidate.tier


def _make_block(
    candidates: Sequence[Candidate], engine: EngineName | None, answers: Callable[[str], bool]
) -> Block:
    always: list[int] = []
    probes: dict[FactKey, Probe] = {}
    patterns: list[str] = []
    final: list[Candidate] = []
    for rank, candidate in enumerate(candidates):
        rule = candidate.rule
        if rule.message is not None:
            candidate = candidate._replace(pattern=len(patterns))
            patterns.append(rule.message)
        final.append(candidate)
        looked_up = [each for each in rule.conditions if each.key != CLASS_NAME]
        if looked_up:
            _add(probes, looked_up[0], rank, answers)
        else:
            always.append(rank)
    found = PatternSet(patterns, engine) if patterns else None
    for_any = all(key[0] not in _OF_CLASS for key in probes)
    in_body = frozenset(
        key[2] if key[1] == "error" and len(key) > 2 else key[1]
        for key in probes
        if key[0] == "body"
    )
    return Block(tuple(final), tuple(always), tuple(probes.values()), found, for_any, in_body)


def _add(
    probes: dict[FactKey, Probe],
    condition: Condition,
    rank: int,
    answers: Callable[[str], bool],
) -> None:
    key = condition.key
    gate = key[1] if key[0] == "attr" and not answers(key[1]) else None
    probe = probes.setdefault(key, Probe(key, {}, [], gate))
    for value in condition.exact:
        probe.table.setdefault(value, []).append(rank)
    probe.prefixes.extend((prefix, rank) for prefix in condition.prefixes)
