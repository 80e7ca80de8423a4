"""What a rule may be wrong in, though it can be read: found before users meet it.

Nothing is classified here: whether a rule's own example is decided by it is for
:func:`surefoot.classify.review.review`, which begins with all of this.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable, Iterator

from surefoot.catalog.examples import build_for
from surefoot.catalog.index import Catalog
from surefoot.catalog.patterns import check_pattern
from surefoot.catalog.problems import CatalogProblem, Level, nearest
from surefoot.catalog.rule import OF_CATALOG, OF_USER, Condition, Rule

__all__ = ["HARMLESS", "lint"]

HARMLESS = (
    "done",
    "ok",
    "Processed 4290 of 15000 rows in 429 s",
    "The file was saved",
    "Connected to the database at db.example.com:5432",
    "started worker 3 with request id 5f3a9e02",
    "no answer expected",
    "the value of the parameter was updated",
    "GET /v1/items/500 HTTP/1.1 200",
    "Model loaded; timeout is 60 s, limit 5000, memory 16 GB",
)
"""Messages in which nothing fails: a rule that goes by its message alone must leave them alone."""

_SHORT = 4
_FLAGS = re.compile(r"\(\?[imsU]+\)")
_PLAIN = re.compile(r"[\w\s,:;/'\"=@#%&<>!~`-]+")


def lint(catalog: Catalog, rules: Iterable[Rule] | None = None) -> list[CatalogProblem]:
    """Duplicates, rules that never get their turn, unknown kinds, classes without a module, patterns
    that match too much or cannot be used, missing sources and examples.

    :param rules: those to look at; None is all of the catalog's.

    >>> from surefoot.catalog import load
    >>> catalog = load()
    >>> lint(catalog, [catalog.rule("builtins.disk_full")])
    []
    """
    every = catalog.rules
    looked_at = list(every if rules is None else rules)
    known = {rule.id: rule for rule in every if rule.standing == OF_CATALOG}
    ids: dict[str, Rule] = {}
    before: dict[object, list[Rule]] = {}
    problems = []
    for rule in looked_at:
        found = [*_faults(rule, catalog)]
        if ids.setdefault(rule.id, rule) is not rule:
            found.append(("problem", "the id is used twice"))
        elif rule.standing != OF_CATALOG and rule.id in known:
            found.append(("problem", "the id is that of a built-in rule; give it one of its own"))
        for name in rule.classes or ("",):
            before.setdefault(name, [])
        goes_first = next((one for one in before[_first(rule)] if _hides(one, rule)), None)
        if goes_first is not None:
            found.append(("problem", _hidden(goes_first, rule)))
        for name in rule.classes or ("",):
            before[name].append(rule)
        problems += [
            CatalogProblem(rule.file, rule.line, f"rule {rule.id!r}: {message}", level)
            for level, message in found
        ]
    return problems


# -- one rule -------------------------------------------------------------------------------------


def _faults(rule: Rule, catalog: Catalog) -> Iterator[tuple[Level, str]]:
    if rule.kind not in catalog.kinds:
        yield "problem", f"there is no kind {rule.kind!r}{nearest(rule.kind, catalog.kinds)}"
    if not rule.source and rule.standing != OF_USER:
        yield "problem", "source is missing: where is the fact from?"
    if rule.standing == OF_CATALOG:
        for message in _misplaced(rule):
            yield "problem", message
    for name in rule.classes:
        if "." not in name:
            whole = f"builtins.{name}" if hasattr(builtins, name) else f"its.module.{name}"
            yield "problem", f"class {name!r} names no module, so that it never matches: {whole}"
    if rule.message is not None:
        for message in _about_pattern(rule, rule.message):
            yield "problem", message
    try:
        build_for(rule)
    except Exception as exc:
        missing = rule.example is None and rule.standing == OF_USER
        yield "warning" if missing else "problem", str(exc).removeprefix(f"rule {rule.id}: ")


def _misplaced(rule: Rule) -> Iterator[str]:
    """A built-in file is read only for classes of its packages: elsewhere a rule would be lost."""
    library = rule.file.partition(".")[0]
    if not rule.id.startswith(f"{library}."):
        yield f"its id should begin with {library!r} and a dot"
    for name in rule.classes:
        if rule.packages and not any(name.startswith(f"{each}.") for each in rule.packages):
            yield f"class {name!r} is of none of the file's packages"


def _about_pattern(rule: Rule, pattern: str) -> Iterator[str]:
    wrong = check_pattern(pattern)
    if wrong is not None:
        yield f"message: expected a pattern in RE2 syntax: {wrong}"
        return
    try:
        compiled = re.compile(pattern)
    except re.error as exc:
        yield f"message: the pattern cannot be used without google-re2: {exc}"
        return
    if compiled.search("") is not None:
        yield "message: the pattern matches the empty text, and so every message"
    elif not rule.classes and not rule.conditions:
        yield from _too_much(pattern, compiled)


def _too_much(pattern: str, compiled: re.Pattern[str]) -> Iterator[str]:
    """A message is all that the rule goes by: what else might have it?"""
    harmless = [text for text in HARMLESS if compiled.search(text)]
    if len(harmless) > len(HARMLESS) // 2:
        yield "message: the pattern matches nearly every message"
        return
    short = [each for each in _literals(pattern) if len(each.strip()) < _SHORT]
    for each in short:
        yield (
            f"message: {each!r} is so short that it stands in many messages: "
            rf"write a longer text, or \b{each.strip()}\b"
        )
    if harmless and not short:
        yield f"message: the pattern matches messages in which nothing fails, as {harmless[0]!r}"


def _literals(pattern: str) -> list[str]:
    """The alternatives of a pattern that are plain texts; none where it has brackets."""
    bare = _FLAGS.sub("", pattern)
    if "(" in bare or "[" in bare:
        return []
    return [each for each in bare.split("|") if _PLAIN.fullmatch(each)]


# -- one rule and those before it -----------------------------------------------------------------


def _first(rule: Rule) -> str:
    return rule.classes[0] if rule.classes else ""


def _hidden(first: Rule, rule: Rule) -> str:
    if _sense(first) == _sense(rule):
        return f"matches just what {first.id!r} matches, so that one of the two is never used"
    return f"it never decides: whatever it matches, {first.id!r} matches before it"


def _hides(first: Rule, rule: Rule) -> bool:
    """Whether ``first``, which is listed before it, is always chosen where ``rule`` holds.

    It is if all that it asks for is asked for by ``rule`` as well, and ``rule`` asks for nothing more
    that would put it first; see :func:`surefoot.catalog.plan.make_blocks` for the order.
    """
    return (
        first.standing == rule.standing
        and first.weight == rule.weight
        and len(first.conditions) == len(rule.conditions)
        and (rule.is_broad or not first.is_broad)
        and _same_exceptions(first, rule)
        and (not first.stages or (bool(rule.stages) and rule.stages <= first.stages))
        and first.message in (None, rule.message)
        and first.truncated in (None, rule.truncated)
        and all(any(_covers(one, each) for each in rule.conditions) for one in first.conditions)
    )


def _same_exceptions(first: Rule, rule: Rule) -> bool:
    if first.exact and not rule.exact:
        return False
    if rule.classes:
        return set(rule.classes) <= set(first.classes)
    return (
        not first.classes
        and first.scoped == rule.scoped
        and (not rule.scoped or set(rule.packages) <= set(first.packages))
    )


def _covers(first: Condition, other: Condition) -> bool:
    return (
        first.key == other.key
        and all(first.find((value,)) is not None for value in other.exact)
        and all(prefix.startswith(first.prefixes) for prefix in other.prefixes)
    )


def _sense(rule: Rule) -> object:
    return (
        rule.classes or rule.packages,
        rule.conditions,
        rule.stages,
        rule.message,
        rule.truncated,
        rule.exact,
    )
