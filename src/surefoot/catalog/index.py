"""The catalog in memory: kinds, rules, and for each class of exceptions the plan of its rules."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import FunctionType
from typing import Any

from surefoot.catalog.kindtable import KindEntry
from surefoot.catalog.patterns import EngineName
from surefoot.catalog.plan import (
    CLASS_NAME,
    READ_NAMES,
    TIERS,
    Block,
    Candidate,
    Plan,
    make_blocks,
    rank_of,
    tier_of,
)
from surefoot.catalog.problems import CatalogProblem, nearest
from surefoot.catalog.rule import Rule
from surefoot.errors import UsageError
from surefoot.fingerprint.failure import OwnFrames
from surefoot.model import Category, Evidence, Kind

__all__ = ["Catalog", "LazyFile"]

# Classes whose plan is kept. A program that makes classes without end must not fill the memory.
_PLANS_KEPT = 4_096
_BUILTIN, _WORDS = TIERS["builtin class"], TIERS["message"]
_get_mro = type.__dict__["__mro__"].__get__
_get_dict = type.__dict__["__dict__"].__get__
_get_module = type.__dict__["__module__"].__get__
_get_qualname = type.__dict__["__qualname__"].__get__

LazyFile = Callable[[], Iterable[Rule]]
"""Reads the rules of one built-in file."""


class Catalog:
    """Kinds and rules. Nothing of it changes; rules of libraries are read when they are needed.

    Made by :func:`surefoot.catalog.load`.

    >>> from surefoot.catalog import load
    >>> load().kind("rate_limited").retryable
    True
    """

    def __init__(
        self,
        kinds: Mapping[str, KindEntry],
        rules: Sequence[Rule],
        files: Mapping[str, tuple[tuple[str, ...], LazyFile]],
        problems: Sequence[CatalogProblem] = (),
        engine: EngineName | None = None,
    ) -> None:
        """
        :param rules: those that every exception is held against.
        :param files: name → packages and reader of the files that are read for their packages.
        """
        self.kinds: Mapping[str, Kind] = {id: entry.kind for id, entry in kinds.items()}
        self.problems: tuple[CatalogProblem, ...] = tuple(problems)
        self.own_frames = OwnFrames()
        self.kept: dict[Any, Any] = {}
        """What classify works out once for this catalog; nothing but a shortcut."""
        self._categories = {id: entry.categories for id, entry in kinds.items()}
        self._causes = {id: entry.causes for id, entry in kinds.items()}
        self._engine = engine
        self._lock = threading.RLock()
        self._files = dict(files)
        self._by_package: dict[str, list[str]] = {}
        for name, (packages, _) in files.items():
            for package in packages:
                self._by_package.setdefault(package, []).append(name)
        self._rules: dict[str, tuple[Rule, ...]] = {"": tuple(rules)}
        self._by_class: dict[str, list[Rule]] = {}
        self._by_scope: dict[str, list[Rule]] = {}
        self._general: list[Rule] = []
        self._plans: dict[int, tuple[type, Plan]] = {}
        self._add(rules)
        self._general_blocks: tuple[Block, ...] | None = None

    def __repr__(self) -> str:
        read = sum(map(len, self._rules.values()))
        return f"<Catalog of {len(self.kinds)} kinds, {read} rules read>"

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules; reads every file that has not been needed yet."""
        with self._lock:
            for name in self._files:
                self._read(name)
            names = ("", *self._files)
            return tuple(rule for name in names for rule in self._rules[name])

    def kind(self, id: str) -> Kind:
        """The kind called ``id``.

        :raises UsageError: if there is none; the message names the nearest one.
        """
        try:
            return self.kinds[id]
        except KeyError:
            raise UsageError(
                f"there is no kind {id!r}{nearest(id, self.kinds)}; `surefoot catalog list` "
                "shows them all, and a table [kind.<id>] registers a new one"
            ) from None

    def rule(self, id: str) -> Rule:
        """The rule called ``id``.

        :raises UsageError: if there is none; the message names the nearest one.
        """
        rules = {rule.id: rule for rule in self.rules}
        try:
            return rules[id]
        except KeyError:
            raise UsageError(
                f"there is no rule {id!r}{nearest(id, rules)}; `surefoot catalog list` shows them"
            ) from None

    def category(self, kind: str, stage: str | None, after_inference: bool) -> Category:
        """The category of a failure of ``kind`` at ``stage``, where its rule names none.

        >>> from surefoot.catalog import load
        >>> load().category("rate_limited", "notification", False)
        'infrastructure'
        """
        categories = self._categories[kind]
        if categories:
            if stage is not None and stage in categories:
                return categories[stage]
            if after_inference and "after_inference" in categories:
                return categories["after_inference"]
        return self.kinds[kind].category

    def causes(self, kind: str) -> str:
        """Why failures of ``kind`` happen, in words; empty where nobody wrote it down.

        >>> from surefoot.catalog import load
        >>> load().causes("db_locked")[:34]
        'A long transaction or a schema cha'
        """
        return self._causes[kind]

    def plan(self, cls: type) -> Plan:
        """Which rules are asked of exceptions of ``cls``."""
        # by id: a metaclass may make hashing and comparing fail; the class is kept, so it is its own
        kept = self._plans.get(id(cls))
        if kept is not None:
            return kept[1]
        with self._lock:
            plan = self._make_plan(cls)
            if len(self._plans) >= _PLANS_KEPT:
                self._plans.clear()
            self._plans[id(cls)] = (cls, plan)
        return plan

    def _make_plan(self, cls: type) -> Plan:
        classes = [each for each in _get_mro(cls) if each is not object]
        names = [class_name(each) for each in classes]
        scopes: dict[str, int] = {}
        for where, each in enumerate(classes):
            for scope in _scopes(_module(each)):
                scopes.setdefault(scope, where)
        for scope in scopes:
            for file in self._by_package.get(scope, ()):
                self._read(file)
        found: list[Candidate] = []
        seen: set[str] = set()
        for where, name in enumerate(names):
            for rule in self._by_class.get(name, ()):
                if rule.id not in seen and not (rule.exact and where):
                    seen.add(rule.id)
                    found.append(_by_class(rule, name, where))
        for scope, where in scopes.items():
            for rule in self._by_scope.get(scope, ()):
                if rule.id not in seen:
                    seen.add(rule.id)
                    found.append(_by_scope(rule, scope, where))
        found = [each for each in found if _fits_class(each.rule, names[0])]
        is_error = any(each is Exception for each in classes)  # "in" would ask a metaclass
        blocks = make_blocks(found, self._engine, partial(_may_answer, classes))
        if is_error:
            general = self._general_now()
            if any(each.rule.kind == "bug" and each.tier == _BUILTIN for each in found):
                # a TypeError that speaks of a rate limit is a mistake in the code all the same
                general = tuple(each for each in general if each.candidates[0].tier != _WORDS)
            blocks = _merge(blocks, general)
        answered = frozenset(each for each in READ_NAMES if _may_answer(classes, each))
        name = names[0] if names else "builtins.object"
        first = blocks[0].candidates[0] if blocks else None
        best = rank_of(first.rule, first.tier) if first is not None else 0
        return Plan(name, blocks, is_error, answered, best)

    def _general_now(self) -> tuple[Block, ...]:
        blocks = self._general_blocks
        if blocks is None:
            blocks = self._general_blocks = make_blocks(
                (Candidate(rule, tier_of(rule, None), 1_000, ()) for rule in self._general),
                self._engine,
            )
        return blocks

    def _read(self, name: str) -> None:
        if name not in self._rules:
            _, reader = self._files[name]
            rules = self._rules[name] = tuple(reader())
            self._add(rules)

    def _add(self, rules: Iterable[Rule]) -> None:
        for rule in rules:
            for name in rule.classes:
                self._by_class.setdefault(name, []).append(rule)
            if rule.classes:
                continue
            if rule.scoped:
                for package in rule.packages:
                    self._by_scope.setdefault(package, []).append(rule)
            else:
                self._general.append(rule)


def class_name(cls: type) -> str:
    """Module and qualified name, whatever its metaclass does.

    >>> class_name(OSError)
    'builtins.OSError'
    """
    return f"{_module(cls)}.{_get_qualname(cls)}"


def _module(cls: type) -> str:
    try:
        module: Any = _get_module(cls)
    except AttributeError:  # made where there is no __name__
        return ""
    return module if isinstance(module, str) else ""


def _may_answer(classes: Iterable[type], name: str) -> bool:
    """Whether the classes themselves may have an attribute ``name``."""
    for each in classes:
        names = _get_dict(each)
        if name in names or "__getattr__" in names:
            return True
        # every builtin class has a __getattribute__ of its own, which does nothing special
        if isinstance(names.get("__getattribute__"), FunctionType):
            return True
    return hasattr(object, name)


def _scopes(module: str) -> list[str]:
    """``a.b.c`` → ``a``, ``a.b``, ``a.b.c``."""
    parts = module.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def _fits_class(rule: Rule, name: str) -> bool:
    """Whether what a rule asks of the class's bare name holds; that is known before any instance."""
    own = (name.rpartition(".")[2].lower(),)
    return all(each.key != CLASS_NAME or each.find(own) for each in rule.conditions)


def _by_class(rule: Rule, name: str, where: int) -> Candidate:
    evidence = (Evidence("class", name),)
    return Candidate(
        rule, tier_of(rule, name), where, evidence, plain=rule.weight == 1 + rule.exact
    )


def _by_scope(rule: Rule, scope: str, where: int) -> Candidate:
    return Candidate(rule, tier_of(rule, None), where, (Evidence("package", scope),))


def _merge(own: tuple[Block, ...], general: tuple[Block, ...]) -> tuple[Block, ...]:
    """Both in order; at the same tier what is about the class comes first."""

    def rank(block: Block) -> tuple[int, int]:
        first = block.candidates[0]
        return -first.rule.standing, -first.tier

    return tuple(sorted((*own, *general), key=rank))
