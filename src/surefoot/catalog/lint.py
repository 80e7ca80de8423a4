"""What a rule may be wrong in, though it can be read: found before users meet it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from surefoot.catalog.examples import build_for
from surefoot.catalog.index import Catalog
from surefoot.catalog.patterns import check_pattern
from surefoot.catalog.problems import CatalogProblem, nearest
from surefoot.catalog.rule import Rule

__all__ = ["lint"]


def lint(catalog: Catalog, rules: Iterable[Rule] | None = None) -> list[CatalogProblem]:
    """Duplicates, unknown kinds, missing sources and examples, patterns that cannot be used.

    :param rules: those to look at; None is all of the catalog's.

    >>> from surefoot.catalog import load
    >>> catalog = load()
    >>> lint(catalog, [catalog.rule("builtins.disk_full")])
    []
    """
    problems = []
    ids: dict[str, Rule] = {}
    sense: dict[object, Rule] = {}
    for rule in catalog.rules if rules is None else rules:
        for message in _faults(rule, catalog):
            problems.append(CatalogProblem(rule.file, None, f"rule {rule.id!r}: {message}"))
        if ids.setdefault(rule.id, rule) is not rule:
            problems.append(
                CatalogProblem(rule.file, None, f"rule {rule.id!r}: the id is used twice")
            )
        same = sense.setdefault(_sense(rule), rule)
        if same is not rule:
            problems.append(
                CatalogProblem(
                    rule.file,
                    None,
                    f"rule {rule.id!r}: matches just what {same.id!r} matches, so that one of the "
                    "two is never used",
                )
            )
    return problems


def _faults(rule: Rule, catalog: Catalog) -> Iterator[str]:
    if rule.kind not in catalog.kinds:
        yield f"there is no kind {rule.kind!r}{nearest(rule.kind, catalog.kinds)}"
    if not rule.source and not rule.user:
        yield "source is missing: where is the fact from?"
    if not rule.user:
        yield from _misplaced(rule)
    if rule.message is not None:
        wrong = check_pattern(rule.message)
        if wrong is not None:
            yield f"message: expected a pattern in RE2 syntax: {wrong}"
        else:
            yield from _loose(rule.message)
    try:
        build_for(rule)
    except Exception as exc:
        yield str(exc)


def _misplaced(rule: Rule) -> Iterator[str]:
    """A built-in file is read only for classes of its packages: elsewhere a rule would be lost."""
    library = rule.file.partition(".")[0]
    if not rule.id.startswith(f"{library}."):
        yield f"its id should begin with {library!r} and a dot"
    for name in rule.classes:
        if rule.packages and not any(name.startswith(f"{each}.") for each in rule.packages):
            yield f"class {name!r} is of none of the file's packages"


def _loose(pattern: str) -> Iterator[str]:
    try:
        if re.compile(pattern).search("") is not None:
            yield "message: the pattern matches the empty text, and so every message"
    except re.error as exc:
        yield f"message: the pattern cannot be used without google-re2: {exc}"


def _sense(rule: Rule) -> object:
    return (
        rule.user,
        rule.classes or rule.packages,
        rule.conditions,
        rule.stages,
        rule.message,
        rule.truncated,
        rule.exact,
    )
