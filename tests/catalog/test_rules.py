"""Every rule of every file, by its own example; and the checks that keep the catalog clean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from surefoot.catalog import Rule, load
from surefoot.catalog.examples import build_for
from surefoot.catalog.lint import lint
from surefoot.catalog.rule import make_rule
from surefoot.classify import classify

CATALOG = load()
NOW = 1_700_000_000.0


FILES = sorted({rule.file for rule in CATALOG.rules})


@pytest.mark.parametrize("file", FILES)
def test_the_example_of_every_rule_is_decided_by_that_rule(file: str) -> None:
    rules = [rule for rule in CATALOG.rules if rule.file == file]
    assert rules
    for rule in rules:
        decides(rule)


def decides(rule: Rule) -> None:
    __tracebackhide__ = True
    example = rule.example
    assert example is not None, rule.id
    found = classify(
        build_for(rule),
        catalog=CATALOG,
        stage=example.get("stage"),
        after_inference=example.get("after_inference", False),
        now=NOW,
    )
    assert (found.rule, found.kind) == (rule.id, rule.kind)
    if rule.category is not None:
        assert found.category == rule.category
    if rule.retryable is not None:
        assert found.retryable == rule.retryable
    assert found.outcome == rule.outcome
    assert ("retry" in [rung.name for rung in found.ladder]) == found.retryable
    assert found.evidence
    if "wait" in example:
        assert found.retry_after == pytest.approx(example["wait"])
    if "retries" in example:
        assert found.retries_spent == example["retries"]


def test_the_catalog_is_clean() -> None:
    assert [str(problem) for problem in lint(CATALOG)] == []


def rule(*, user: bool = False, packages: Sequence[str] = (), **table: object) -> Rule:
    full = {"id": "acme.x", "kind": "timeout", "class": "acme.X", "example": {}, **table}
    return make_rule(
        {key: value for key, value in full.items() if value is not None},
        library="acme",
        packages=tuple(packages),
        file="acme.toml",
        source="" if user else "acme 1.0",
        user=user,
    )


def problems(*rules: Rule) -> Iterator[str]:
    return (problem.message for problem in lint(CATALOG, rules))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "time_out"}, "there is no kind 'time_out' (did you mean 'timeout'?)"),
        ({"source": None, "user": True, "example": None}, "an example is missing"),
        ({"id": "other.x"}, "its id should begin with 'acme'"),
        ({"packages": ["beta"]}, "class 'acme.X' is of none of the file's packages"),
        ({"message": "("}, "expected a pattern in RE2 syntax"),
        ({"message": "a*"}, "matches the empty text"),
        ({"message": r"\pN+x"}, "cannot be used without google-re2"),
        ({"class": None, "message": "x"}, "type is missing"),
        ({"example": {"mesage": "x"}}, "unknown key 'mesage'"),
        ({"class": "builtins.NoSuchError"}, "there is no exception builtins.NoSuchError"),
        ({"class": "surefoot.errors.load"}, "there is no exception surefoot.errors.load"),
    ],
)
def test_lint_finds_what_is_wrong(wrong: dict[str, Any], said: str) -> None:
    assert any(said in message for message in problems(rule(**wrong)))


def test_lint_misses_the_source_of_a_built_in_rule() -> None:
    bare = make_rule(
        {"id": "acme.x", "kind": "timeout", "class": "acme.X", "example": {}},
        library="acme",
        packages=(),
        file="acme.toml",
    )
    assert list(problems(bare)) == ["rule 'acme.x': source is missing: where is the fact from?"]


def test_lint_finds_what_stands_there_twice() -> None:
    assert list(problems(rule(), rule(kind="dns"))) == [
        "rule 'acme.x': the id is used twice",
        "rule 'acme.x': matches just what 'acme.x' matches, so that one of the two is never used",
    ]


def test_a_good_rule_has_no_problems() -> None:
    assert list(problems(rule(message="^gone$", packages=["acme"]), rule(user=True))) == [
        "rule 'acme.x': the id is used twice"
    ]
