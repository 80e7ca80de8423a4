"""One nursery for all crash tests: it is warm once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.nursery import Nursery


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    folder = tmp_path_factory.mktemp("nursery")
    with Nursery(folder, warm=["tests.crash.toy", "tests.crash.scenes"]) as one:
        yield one
