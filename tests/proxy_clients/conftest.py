"""Toxiproxy's real clients against our server, or a real one where ``TOXIPROXY_URL`` names it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from surefoot.chaos.proxy import FaultProxy
from tests.proxy.servers import Server, echo

REAL = os.environ.get("TOXIPROXY_URL")


@pytest.fixture
def url() -> Iterator[str]:
    if REAL:
        with FaultProxy(url=REAL) as faults:
            for name in faults.ask("GET", "/proxies"):  # what an earlier test left there
                faults.ask("DELETE", f"/proxies/{name}")
        yield REAL.rstrip("/")
        return
    with FaultProxy(seed=1) as faults:
        yield faults.url


@pytest.fixture
def upstream() -> Iterator[Server]:
    with Server(echo) as server:
        yield server
