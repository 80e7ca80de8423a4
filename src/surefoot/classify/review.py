"""Rules held against the rest of the catalog: does each decide what it is there to decide?

>>> from surefoot.catalog import load
>>> catalog = load()
>>> review(catalog, [catalog.rule("builtins.disk_full")])
[]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from surefoot.catalog import Catalog, CatalogProblem, Rule
from surefoot.catalog.examples import build_for
from surefoot.catalog.lint import lint
from surefoot.classify.reasons import Reasons, reasons

__all__ = ["review"]

_EVERY_RULE = 100_000


def review(
    catalog: Catalog, rules: Iterable[Rule] | None = None, *, now: float | None = None
) -> list[CatalogProblem]:
    """All that :func:`surefoot.catalog.lint.lint` finds, and the examples that turn out otherwise.

    :param rules: those to look at; None is all of the catalog's.
    :param now: seconds since the epoch, for examples whose wait is given as a date.
    """
    looked_at = list(catalog.rules if rules is None else rules)
    problems = lint(catalog, looked_at)
    for rule in looked_at:
        problems += [
            CatalogProblem(rule.file, rule.line, f"rule {rule.id!r}: {message}")
            for message in _surprises(rule, catalog, now)
        ]
    return sorted(problems, key=lambda one: (one.file, one.line or 0))


def _surprises(rule: Rule, catalog: Catalog, now: float | None) -> Iterator[str]:
    example = rule.example
    try:
        exc = build_for(rule)
    except Exception:  # lint has told of it
        return
    assert example is not None  # else there would be no exception
    found = reasons(
        exc,
        catalog=catalog,
        stage=example.get("stage"),
        after_inference=bool(example.get("after_inference")),
        now=now,
        most=_EVERY_RULE,
    )
    told = found.classification
    if told.rule != rule.id:
        yield f"its own example is {told.kind} by {told.rule!r}{_because(rule, found)}"
        return
    wait, retries = example.get("wait"), example.get("retries")
    if wait is not None and told.retry_after != wait:
        yield f"its example should ask for a wait of {wait} s, and asks for {told.retry_after}"
    if retries is not None and told.retries_spent != retries:
        yield f"its example should tell of {retries} retries, and tells of {told.retries_spent}"


def _because(rule: Rule, found: Reasons) -> str:
    """What stood in the way of ``rule``."""
    for one in (*found.lost, *found.near):
        if one.rule == rule.id:
            return f": {one.why}"
    return ": it is not asked of this exception"
