"""Exception → classification. Pure: no I/O, no clock, no chance; and total: it never raises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from surefoot.catalog import Catalog
from surefoot.catalog.index import class_name
from surefoot.catalog.kindtable import with_retry, without_retry
from surefoot.catalog.plan import TIERS, Plan, rank_of
from surefoot.catalog.rule import Rule
from surefoot.classify.chain import context_of, explicit_causes, members
from surefoot.classify.facts import Facts
from surefoot.classify.match import Match, Setting, first_match
from surefoot.classify.retry_after import Asked, asked_wait, headers_of, in_message
from surefoot.classify.safely import attribute
from surefoot.classify.spent import retries_spent
from surefoot.errors import RunCancelled, WorkflowCriticalError, WorkflowRetryError
from surefoot.fingerprint.failure import fingerprint
from surefoot.model import Classification, Evidence, Kind, Rung

__all__ = ["CRITICAL_RULE", "NO_RULE", "RETRY_RULE", "classify"]

NO_RULE = "none"
"""The ``rule`` of a classification that no rule made."""
CRITICAL_RULE = "surefoot.critical"
RETRY_RULE = "surefoot.retry"

PASSING = frozenset(("cancelled", "control_flow"))
_LIMITS = frozenset(("rate_limited", "overloaded", "quota_exhausted", "too_many_connections"))
# What a WorkflowRetryError does not take over from its cause: these say "do not", or nothing.
_NOT_TAKEN_OVER = PASSING | {"bug", "unknown"}
_CAUSE, _HANDLED, _MEMBER = "cause of", "handled before", "member of"
_CERTAIN = TIERS["builtin class"] + 1
_STOPS = (KeyboardInterrupt, SystemExit, RunCancelled)
_SEVERITIES = {"info": 0, "warning": 1, "error": 2, "critical": 3}
_KEPT = 8_192
_NODES = 200  # exceptions looked at, causes and members together
_GROUPS_DEEP = 8


class _Node(NamedTuple):
    """One exception of the chain. ``relation`` says how it hangs on the one that was raised."""

    facts: Facts
    plan: Plan
    match: Match | None
    relation: str


class _Verdict(NamedTuple):
    """The node that decides; all that were looked at for it; and what users' code said itself."""

    node: _Node
    nodes: list[_Node]
    critical: bool
    retry: bool


def classify(
    exc: BaseException,
    *,
    catalog: Catalog,
    stage: str | None = None,
    step: str | None = None,
    after_inference: bool = False,
    now: float | None = None,
    frames: Sequence[str] | None = None,
) -> Classification:
    """What ``exc`` is.

    Never raises, whatever the exception's attributes, ``__str__`` or chain do.

    :param stage: the stage of the step that raised it.
    :param step: its name; part of the fingerprint.
    :param after_inference: whether a model was asked before: a text that cannot be parsed is then
        the model's fault.
    :param now: seconds since the epoch, for waits that are given as dates.
    :param frames: ``module:function`` of the user's frames, where the traceback was lost on the way
        from another process.

    >>> from surefoot.catalog import load
    >>> found = classify(OSError(28, "No space left on device"), catalog=load())
    >>> found.kind, found.retryable, found.rule
    ('disk_full', False, 'builtins.disk_full')
    """
    try:
        return _Judge(catalog, Setting(stage, after_inference), step, now, frames).classify(exc)
    except BaseException:
        # a defect of ours, or memory that is gone: still an answer, and the careful one
        return _unread(catalog.kinds["unknown"], exc)


class _Judge:
    """One classification in the making."""

    def __init__(
        self,
        catalog: Catalog,
        setting: Setting,
        step: str | None,
        now: float | None,
        frames: Sequence[str] | None,
    ) -> None:
        self.catalog = catalog
        self.setting = setting
        self.step = step
        self.now = now
        self.frames = frames
        self.left = _NODES

    # -- finding what decides ------------------------------------------------------------------

    def verdict(self, exc: BaseException, depth: int) -> _Verdict:
        """Judge ``exc`` and all that hangs on it. The most specific rule wins, then the nearest.

        What was merely being handled when another exception came counts only as long as nothing
        certain is known, and never over a bug: that bug is in the handler.
        """
        root = self.look(exc, "")
        nodes = [root]
        # type() and not isinstance: an object may lie about its class, or raise when it is asked
        retry = issubclass(type(exc), WorkflowRetryError)
        critical = issubclass(type(exc), WorkflowCriticalError)
        if root.match is not None and root.match.rule.kind in PASSING:
            return _Verdict(root, nodes, critical, retry)
        found = explicit_causes(root.facts)
        if not found and root.facts.get("exceptions") is None:
            certain = _key(root.match, True) >= _CERTAIN or _is_bug(root)
            if certain or context_of(exc) is None:
                return _Verdict(root, nodes, critical, retry)  # most failures stand alone
        winner, best, around = root, 0, nodes
        seen = {id(exc)}
        at = contexts_from = 0
        while at < len(nodes):
            node = nodes[at]
            at += 1
            key = _key(node.match, at == 1)
            if key > best:
                winner, best, around = node, key, nodes
            inner = self.worst_member(node, depth)
            if inner is not None:
                # of a group that was raised, nothing but a rule for the group itself says more
                key = max(_key(inner.node.match, at == 1), _CERTAIN if at == 1 else 0)
                critical = critical or inner.critical
                if key > best:
                    winner, best, around = inner.node, key, inner.nodes
                    retry = inner.retry if at == 1 else retry
            held = node.relation == _HANDLED
            if at > 1:
                found = explicit_causes(node.facts)
            for cause in self.add(found, nodes, seen, _HANDLED if held else _CAUSE, best):
                if not held and issubclass(type(cause), WorkflowCriticalError):
                    critical = True
            if at == len(nodes) and best < _CERTAIN and not _is_bug(winner):
                contexts = (context_of(each.facts.exc) for each in nodes[contexts_from:])
                contexts_from = at
                handled = [each for each in contexts if each is not None]
                self.add(handled, nodes, seen, _HANDLED, best)
        return _Verdict(winner, around, critical, retry)

    def look(self, exc: BaseException, relation: str, best: int = 0) -> _Node:
        """Hold one exception against its rules, if one of them can count more than ``best``."""
        self.left -= 1
        plan = self.catalog.plan(type(exc))
        facts = Facts(exc, plan.names)
        match = first_match(plan, facts, self.setting) if plan.best > best else None
        return _Node(facts, plan, match, relation)

    def add(
        self,
        found: Sequence[BaseException],
        nodes: list[_Node],
        seen: set[int],
        relation: str,
        best: int,
    ) -> list[BaseException]:
        """Look at those of ``found`` that are new, as long as there is room."""
        new = []
        for exc in found:
            if id(exc) not in seen and self.left > 0:
                seen.add(id(exc))
                new.append(exc)
                nodes.append(self.look(exc, relation, best))
        return new

    def worst_member(self, node: _Node, depth: int) -> _Verdict | None:
        """The verdict on the worst member of a group; None if ``node`` is none."""
        found = members(node.facts.get("exceptions")) if depth < _GROUPS_DEEP else []
        if not found:
            return None
        seen = {id(node.facts.exc)}
        worst: _Verdict | None = None
        badness: tuple[int, ...] = ()
        for exc in found:  # grows: the members of an inner group are members
            if id(exc) in seen or self.left <= 0:
                continue
            seen.add(id(exc))
            inner = members(attribute(exc, "exceptions"))
            if inner:
                self.left -= 1
                found.extend(inner)
                continue
            verdict = self.verdict(exc, depth + 1)
            bad = self.badness(verdict)
            if worst is None or bad > badness:
                worst, badness = verdict, bad
        if worst is None:
            return None
        return worst._replace(node=worst.node._replace(relation=_MEMBER))

    def badness(self, verdict: _Verdict) -> tuple[int, ...]:
        """What makes one member worse than another. Who wants the program to end is heard first."""
        match = verdict.node.match
        found = self.of_rule(match.rule if match is not None else None)
        return (
            issubclass(type(verdict.node.facts.exc), _STOPS),
            verdict.critical,
            found.kind not in PASSING,
            _SEVERITIES[found.severity],
            not found.recoverable,
            not found.retryable,
        )

    # -- saying what it is ---------------------------------------------------------------------

    def classify(self, exc: BaseException) -> Classification:
        node, nodes, critical, retry = self.verdict(exc, 0)
        match = node.match
        base = self.of_rule(match.rule if match is not None else None)
        evidence = [*match.evidence] if match is not None else []
        if node.relation:
            evidence.append(Evidence(node.relation, self.catalog.plan(type(exc)).name))
        if critical or retry:
            if base.rule not in (CRITICAL_RULE, RETRY_RULE):
                evidence.append(Evidence("rule of its cause", base.rule))
            base = self.said_so(base, critical)
        spent, asked, refused = self.of_server(base, node, nodes, retry)
        if asked is not None:
            evidence.append(Evidence("wait", f"{asked.seconds:g} s ({asked.source})"))
        if spent:
            evidence.append(Evidence("retries already made", str(spent)))
        own_rule = match is not None and match.rule.user
        if refused and base.retryable and not (retry or own_rule):
            evidence.append(Evidence("header x-should-retry", "false"))
            base = replace(base, retryable=False, ladder=without_retry(base.ladder))
        frames = self.frames
        if frames is None:
            frames = self.own_frames(exc, node)
        return _filled(
            base,
            type=node.plan.name,
            message=node.facts.text,
            fingerprint=self.fingerprint(base.kind, node, tuple(frames)),
            retry_after=asked.seconds if asked is not None else None,
            retries_spent=spent,
            evidence=tuple(evidence),
        )

    def of_rule(self, rule: Rule | None) -> Classification:
        """All that is the same for every failure of a rule, at this stage."""
        key = (id(rule), self.setting)
        kept: Classification | None = self.catalog.kept.get(key)
        if kept is None:
            kept = self.catalog.kept[key] = _of_rule(rule, self.catalog, self.setting)
        return kept

    def said_so(self, base: Classification, critical: bool) -> Classification:
        """What users' own code says goes before what the rules say."""
        if base.kind in _NOT_TAKEN_OVER:
            kind = self.catalog.kinds["misconfiguration" if critical else "dependency_failed"]
            base = replace(base, kind=kind.id, category=kind.category, ladder=kind.ladder)
        if critical:
            return replace(
                base,
                rule=CRITICAL_RULE,
                retryable=False,
                recoverable=False,
                ladder=(Rung("halt"),),
                severity="critical",
            )
        return replace(
            base,
            rule=RETRY_RULE,
            retryable=True,
            recoverable=True,
            ladder=with_retry(base.ladder),
        )

    def of_server(
        self, base: Classification, node: _Node, nodes: Sequence[_Node], retry: bool
    ) -> tuple[int, Asked | None, bool]:
        """Retries already made, the wait asked for, and whether a retry was refused."""
        spent, asked, refused = 0, None, False
        limited = base.kind in _LIMITS
        if nodes[0] is not node and not retry:
            nodes = (node, *nodes)  # what decides is asked first; a WorkflowRetryError before it
        for each in nodes:
            facts = each.facts
            spent = spent or retries_spent(facts, each.plan)
            if facts.bare:
                continue
            headers = headers_of(facts)
            if asked is None:
                asked = asked_wait(facts, headers, now=self.now, limited=limited)
            refused = refused or headers.get("x-should-retry") == "false"
        if asked is None and (base.retryable or limited):
            asked = in_message(node.facts.text)
        return spent, asked, refused

    def fingerprint(self, kind: str, node: _Node, frames: tuple[str, ...]) -> str:
        name, code = node.plan.name, node.match.code if node.match is not None else ""
        if not frames:
            return fingerprint(kind, name, code, (), self.step, node.facts.text)
        key = (kind, name, code, frames, self.step)
        kept = self.catalog.kept
        found: str | None = kept.get(key)
        if found is None:
            if len(kept) > _KEPT:
                kept.clear()
            found = kept[key] = fingerprint(kind, name, code, frames, self.step)
        return found

    def own_frames(self, exc: BaseException, node: _Node) -> tuple[str, ...]:
        own = self.catalog.own_frames
        found = own(attribute(exc, "__traceback__"))
        if not found and node.relation:
            found = own(attribute(node.facts.exc, "__traceback__"))
        return found


def _of_rule(rule: Rule | None, catalog: Catalog, setting: Setting) -> Classification:
    kind = catalog.kinds["unknown" if rule is None else rule.kind]
    retryable, recoverable = kind.retryable, kind.recoverable
    category = catalog.category(kind.id, setting.stage, setting.after_inference)
    if rule is not None:
        retryable = retryable if rule.retryable is None else rule.retryable
        recoverable = recoverable if rule.recoverable is None else rule.recoverable
        category = rule.category or category
    ladder = with_retry(kind.ladder) if retryable else without_retry(kind.ladder)
    return Classification(
        kind=kind.id,
        category=category,
        recoverable=recoverable or retryable,
        retryable=retryable,
        rule=NO_RULE if rule is None else rule.id,
        fingerprint="",
        ladder=ladder,
        type="",
        message="",
        outcome="open" if rule is None else rule.outcome,
        severity=kind.severity,
    )


def _filled(base: Classification, **fields: object) -> Classification:
    """``dataclasses.replace`` for what is different each time, at a fifth of its time."""
    filled = object.__new__(Classification)
    filled.__dict__.update(base.__dict__, **fields)
    return filled


def _key(match: Match | None, raised: bool) -> int:
    """How much a match counts among the exceptions of one chain."""
    if match is None or (match.rule.kind in PASSING and not raised):
        return 0
    if match.rule.wrapper:
        return 1
    return rank_of(match.rule, match.tier)


def _is_bug(node: _Node) -> bool:
    return node.match is not None and node.match.rule.kind == "bug"


def _unread(kind: Kind, exc: object) -> Classification:
    name = class_name(type(exc))
    return Classification(
        kind=kind.id,
        category=kind.category,
        recoverable=kind.recoverable,
        retryable=kind.retryable,
        rule=NO_RULE,
        fingerprint=fingerprint(kind.id, name),
        ladder=kind.ladder,
        type=name,
        message="(it cannot be read)",
        severity=kind.severity,
    )
