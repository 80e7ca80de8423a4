"""A runtime on a real journal, with real child processes; only waits between attempts are played."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surefoot import Runtime
from surefoot.clock import ManualClock
from surefoot.config import Config


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "j.db"


@pytest.fixture
def make_runtime(journal_path: Path) -> Callable[[], Runtime]:
    def make() -> Runtime:
        return Runtime(
            journal=journal_path, clock=ManualClock(), durability="process", config=Config()
        )

    return make


@pytest.fixture
def runtime(make_runtime: Callable[[], Runtime]) -> Iterator[Runtime]:
    with make_runtime() as made:
        yield made
