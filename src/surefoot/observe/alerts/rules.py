"""Which rules a piece of news fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from ...journal.alert_news import News
from .options import SEVERITIES, RuleOptions

__all__ = ["fits", "fits_filters"]

Letters = Callable[[], Sequence[tuple[str, str, str, int]]]
"""Workflow, step, kind, and how many of their dead letters are open."""


def fits_filters(rule: RuleOptions, news: News) -> bool:
    """Whether it passes what the rule asks for, whatever happened.

    >>> rule = RuleOptions("r", step=("answer*",), severity="error")
    >>> fits_filters(rule, News("failure", 0.0, step="answer_all", severity="critical"))
    True
    >>> fits_filters(rule, News("failure", 0.0, step="answer_all", severity="warning"))
    False
    """
    for wanted, value in (
        (rule.kind, news.kind),
        (rule.category, news.category),
        (rule.stage, news.stage),
    ):
        if wanted and value not in wanted:
            return False
    for patterns, value in ((rule.workflow, news.workflow), (rule.step, news.step)):
        if patterns and not any(fnmatchcase(value or "", one) for one in patterns):
            return False
    if rule.severity is not None:
        return SEVERITIES.index(news.severity or "error") >= SEVERITIES.index(rule.severity)
    return True


def fits(rule: RuleOptions, news: News, failures: Callable[[], int], letters: Letters) -> bool:
    """Whether a rule is about it.

    :param failures: how often it failed so far. :param letters: what waits for a person.
    """
    if news.event not in rule.on or not fits_filters(rule, news):
        return False
    if rule.after > 1 and news.fingerprint is not None and failures() < rule.after:
        return False
    if news.event == "dead_letters" and rule.dead_letters_over:
        return _waiting(rule, letters()) > rule.dead_letters_over
    return True


def _waiting(rule: RuleOptions, letters: Sequence[tuple[str, str, str, int]]) -> int:
    return sum(
        number
        for workflow, step, kind, number in letters
        if (not rule.kind or kind in rule.kind)
        and (not rule.workflow or any(fnmatchcase(workflow, one) for one in rule.workflow))
        and (not rule.step or any(fnmatchcase(step, one) for one in rule.step))
    )
