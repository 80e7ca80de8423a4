"""Hold one exception against the plan of its class: which rule says what it is?"""

from __future__ import annotations

from typing import NamedTuple

from surefoot.catalog.plan import Block, Candidate, Plan
from surefoot.catalog.rule import AFTER_INFERENCE, Rule
from surefoot.classify.facts import Facts
from surefoot.model import Evidence

__all__ = ["Match", "Setting", "first_match"]

_EVIDENCE_KEPT = 200


class Setting(NamedTuple):
    """Where the failure happened."""

    stage: str | None
    after_inference: bool


class Match(NamedTuple):
    """A rule that holds, how specific it is, and what it was recognised by."""

    rule: Rule
    tier: int
    evidence: tuple[Evidence, ...]
    code: str


def first_match(plan: Plan, facts: Facts, setting: Setting) -> Match | None:
    """The best rule that holds; None if none does.

    >>> from surefoot.catalog import load
    >>> error = OSError(28, "No space left on device")
    >>> found = first_match(load().plan(OSError), Facts(error), Setting(None, False))
    >>> found.rule.kind
    'disk_full'
    """
    for block in plan.blocks:
        candidates, ranks, probes, patterns, for_any, _ = block
        if probes and not (for_any and facts.bare):
            ranks = _ranks(block, facts)
        found: list[int] | None = None
        for rank in ranks:
            candidate = candidates[rank]
            if candidate.pattern >= 0 and patterns is not None:
                if found is None:
                    found = patterns.search(facts.text)
                if candidate.pattern not in found:
                    continue
            if candidate.plain:
                return Match(candidate.rule, candidate.tier, candidate.evidence, "")
            match = _held(candidate, facts, setting)
            if match is not None:
                return match
    return None


def _ranks(block: Block, facts: Facts) -> tuple[int, ...]:
    """The candidates of a block that can hold, best first."""
    hits: list[int] = []
    own = facts.own
    look_into_body = block.in_body and facts.body_has(block.in_body)
    for key, table, prefixes, gate in block.probes:
        if (gate is not None and gate not in own) or (key[0] == "body" and not look_into_body):
            continue  # nothing is there: do not go through the motions
        for value in facts.values(key):
            if value in table:
                hits += table[value]
            if prefixes:
                hits += [rank for prefix, rank in prefixes if value.startswith(prefix)]
    return tuple(sorted({*hits, *block.always})) if hits else block.always


def _held(candidate: Candidate, facts: Facts, setting: Setting) -> Match | None:
    rule = candidate.rule
    evidence = [*candidate.evidence]
    if rule.stages:
        if setting.stage in rule.stages:
            evidence.append(Evidence("stage", str(setting.stage)))
        elif setting.after_inference and AFTER_INFERENCE in rule.stages:
            evidence.append(Evidence("stage", "after an inference"))
        else:
            return None
    if rule.truncated is not None:
        if facts.truncated is not rule.truncated:
            return None
        evidence.append(Evidence("truncated", "yes" if rule.truncated else "no"))
    codes = []
    for condition in rule.conditions:
        value = condition.find(facts.values(condition.key))
        if value is None:
            return None
        codes.append(value)
        evidence.append(Evidence(condition.label, value[:_EVIDENCE_KEPT]))
    if rule.message is not None:
        # the pattern, not what it found: evidence is shown, and a message may hold a secret
        evidence.append(Evidence("message", rule.message))
    return Match(rule, candidate.tier, tuple(evidence), " ".join(codes))
