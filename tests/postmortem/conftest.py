"""A runtime on a real journal in a folder of its own, and the postmortem of what ran in it; only time
is played."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime
from surefoot.clock import ManualClock
from surefoot.config import Config
from surefoot.postmortem.building import postmortem_of
from surefoot.postmortem.model import Postmortem

Tell = Callable[[Any], Postmortem]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def runtime(tmp_path: Path, clock: ManualClock) -> Iterator[Runtime]:
    with Runtime(
        journal=tmp_path / "j.db", clock=clock, durability="process", config=Config()
    ) as made:
        yield made


def told(runtime: Runtime, name: Any, journal_option: str | None = None) -> Postmortem:
    """The postmortem of a run, by its id or itself, or of an incident."""
    return postmortem_of(
        runtime.journal,
        name if isinstance(name, str) else name.run_id,
        kinds=runtime.catalog.kinds,
        scrub=runtime.scrub,
        scrub_text=runtime.scrub_text,
        journal_option=journal_option,
    )


@pytest.fixture
def tell(runtime: Runtime) -> Tell:
    return lambda name: told(runtime, name)
