"""Arenas for tests: real processes, of the workflow in tests/vacuity/shop.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from surefoot.chaos.arena import Arena

SHOP = "tests/vacuity/shop.py:shop"


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Callable[..., Arena]]:
    """Makes an arena, and ends its processes."""
    with ExitStack() as stack:

        def make(target: str = SHOP, input: str = "2", **more: Any) -> Arena:
            given = {"input": input, "args": {}}
            return stack.enter_context(Arena(target, tmp_path / "arena", given, **more))

        yield make
