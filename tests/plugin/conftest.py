"""Real inner pytest sessions, with the plugin as a project that installed Surefoot has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Play = Callable[..., pytest.RunResult]

SHOP = """
from surefoot import Happened, NotHappened, effect, idempotency_key, on, step, workflow
from surefoot.testing import Ledger


@step(stage="ingestion")
def load(n: int) -> list[int]:
    return list(range(n))


@step(stage="inference")
def score(x: int) -> int:
    return x * x


def was_paid(n: int):
    paid = any(one.deed == str(n) for one in Ledger.here().entries("pay"))
    return Happened(n) if paid else NotHappened()


@effect(key=lambda n: f"pay:{n}", verify=was_paid, stage="postprocessing")
def pay(n: int) -> int:
    Ledger.here().receive(n, key=idempotency_key())
    return n


@workflow
def shop(n: int) -> int:
    total = sum(score.map(load(n)).results)
    pay(total)
    return total
"""
"""A workflow without a mistake."""


@pytest.fixture
def play(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Play:
    """``play(text of test_it.py, *options)``: its result."""
    # other plugins are none of this test's, and this one may or may not be installed by its name
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(shop=SHOP)
    pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")

    def played(code: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(test_it=code)
        return pytester.runpytest_inprocess(
            "-p", "surefoot.chaos.pytest_plugin", "-p", "no:cacheprovider", "-rA", *options
        )

    return played


@pytest.fixture
def project(pytester: pytest.Pytester) -> Path:
    return pytester.path
