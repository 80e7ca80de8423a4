"""The black-box suite runs against ``TOXIPROXY_URL`` where that is set, else against our own server."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from surefoot.chaos.proxy import FaultProxy
from tests.proxy.servers import Server, echo

REAL = os.environ.get("TOXIPROXY_URL")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "extension: about Surefoot's own words, which a real Toxiproxy does not have"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not REAL:
        return
    ours = [item for item in items if item.get_closest_marker("extension")]
    if ours:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


class Http:
    """The API by plain requests, as a stranger makes them."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        try:
            sent = body if body is None or isinstance(body, bytes) else json.dumps(body)
            connection.request(method, path, sent, headers or {})
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())
        finally:
            connection.close()


@pytest.fixture(scope="session")
def base_url() -> Iterator[str]:
    if REAL:
        yield REAL.rstrip("/")
        return
    with FaultProxy(seed=1, metrics=True) as faults:
        yield faults.url


@pytest.fixture
def ask(base_url: str) -> Iterator[Http]:
    """The API, without a proxy before and after the test."""
    made = Http(base_url)
    for name in made("GET", "/proxies").json:
        assert made("DELETE", f"/proxies/{name}").status == 204
    yield made
    for name in made("GET", "/proxies").json:
        made("DELETE", f"/proxies/{name}")


@pytest.fixture
def upstream() -> Iterator[Server]:
    """An echo server."""
    with Server(echo) as server:
        yield server


@pytest.fixture
def faults() -> Iterator[FaultProxy]:
    """A server of its own, with a known seed."""
    with FaultProxy(seed=7) as made:
        yield made
