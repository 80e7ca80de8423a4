"""The real libraries against the rules: what all these tests share, and the count that matters.

A failure that is not worth a retry and is judged to be worth one, or the reverse, is the worst that
the catalog can do. Every test tells its verdict to ``verdicts``; the session prints both counts.
"""

from __future__ import annotations

import pytest

from surefoot.catalog import Catalog, load
from surefoot.classify import classify
from surefoot.model import Classification

_COUNT = pytest.StashKey["Verdicts"]()


class Verdicts:
    """What was judged, and what was judged wrongly."""

    def __init__(self) -> None:
        self.judged = 0
        self.wrongly_retried: list[str] = []
        self.wrongly_given_up: list[str] = []

    def add(self, name: str, retryable: bool, found: Classification) -> None:
        """Count ``found`` against what is right."""
        self.judged += 1
        if found.retryable and not retryable:
            self.wrongly_retried.append(f"{name}: {found.kind} by {found.rule}")
        elif retryable and not found.retryable:
            self.wrongly_given_up.append(f"{name}: {found.kind} by {found.rule}")


class Judge:
    """Classifies real exceptions and checks the verdict."""

    def __init__(self, catalog: Catalog, verdicts: Verdicts, name: str) -> None:
        self._catalog = catalog
        self._verdicts = verdicts
        self._name = name

    def __call__(
        self,
        exc: BaseException,
        kind: str,
        *,
        retryable: bool,
        outcome: str | None = None,
        stage: str | None = None,
        category: str | None = None,
    ) -> Classification:
        found = classify(exc, catalog=self._catalog, stage=stage)
        self._verdicts.add(self._name, retryable, found)
        said = f"{found.kind} by {found.rule}: {found.type}: {found.message[:300]}"
        assert found.kind == kind, said
        assert found.retryable is retryable, said
        assert outcome is None or found.outcome == outcome, f"{found.outcome}: {said}"
        assert category is None or found.category == category, f"{found.category}: {said}"
        return found


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_COUNT] = Verdicts()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    verdicts = terminalreporter.config.stash[_COUNT]
    if not verdicts.judged:
        return
    terminalreporter.section("retry judgements on real exceptions")
    for what, wrong in (
        ("not retryable, judged retryable", verdicts.wrongly_retried),
        ("retryable, judged not retryable", verdicts.wrongly_given_up),
    ):
        terminalreporter.line(f"{what}: {len(wrong)} of {verdicts.judged}")
        for each in wrong:
            terminalreporter.line(f"  {each}")


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load()


@pytest.fixture
def judge(catalog: Catalog, request: pytest.FixtureRequest) -> Judge:
    return Judge(catalog, request.config.stash[_COUNT], request.node.name)


@pytest.fixture
def verdicts(request: pytest.FixtureRequest) -> Verdicts:
    return request.config.stash[_COUNT]
