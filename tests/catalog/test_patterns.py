"""Messages are searched with google-re2, and without it with ``re``, with the same results."""

from __future__ import annotations

import sys

import pytest

from surefoot.catalog import load, pattern_engine
from surefoot.catalog.examples import build_for
from surefoot.catalog.patterns import PatternSet, check_pattern
from surefoot.classify import classify

PATTERNS = ["^rate", "(?i)LIMIT", "no", r"caf\w"]


@pytest.mark.parametrize("engine", ["re2", "re"])
@pytest.mark.parametrize(
    ("text", "found"),
    [("rate limit", [0, 1]), ("none", [2]), ("", []), ("café \ud800 cafx", [3])],
)
def test_both_engines_find_the_same(engine: str, text: str, found: list[int]) -> None:
    assert sorted(PatternSet(PATTERNS, engine).search(text)) == found  # type: ignore[arg-type]


def test_without_google_re2_the_catalog_works_with_re(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    assert pattern_engine() == "re"
    assert check_pattern("a(") is not None
    assert check_pattern("a") is None
    catalog = load()
    for rule in catalog.rules:
        if rule.message is not None and rule.example is not None:
            example = rule.example
            found = classify(
                build_for(rule),
                catalog=catalog,
                stage=example.get("stage"),
                after_inference=example.get("after_inference", False),
            )
            assert found.rule == rule.id


def test_a_pattern_that_re_cannot_read_does_not_take_the_others_with_it() -> None:
    assert PatternSet([r"\pN", "a"], "re").search("a 1") == [1]


def test_the_reason_of_a_bad_pattern_is_given() -> None:
    assert "missing" in str(check_pattern("a("))
    assert check_pattern("a") is None
