"""A runtime on a real journal in a folder of its own; only time is played. For conftests to import."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surefoot import Runtime
from surefoot.clock import ManualClock
from surefoot.config import Config

__all__ = ["clock", "journal_path", "make_runtime", "runtime"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "j.db"


@pytest.fixture
def make_runtime(journal_path: Path, clock: ManualClock) -> Callable[[], Runtime]:
    """Another runtime on the same journal, as a later process would have it."""

    def make() -> Runtime:
        return Runtime(journal=journal_path, clock=clock, durability="process", config=Config())

    return make


@pytest.fixture
def runtime(make_runtime: Callable[[], Runtime]) -> Iterator[Runtime]:
    with make_runtime() as made:
        yield made
