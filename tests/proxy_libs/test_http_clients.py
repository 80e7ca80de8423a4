"""What httpx and requests see of each toxic: the table in docs/fault-proxy.md."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest
import requests

from surefoot import classify
from surefoot.chaos.proxy import FaultProxy, ProxyHandle
from tests.proxy.servers import Server, http

BODY = b"x" * 2000
SHORT = 0.3
"""Seconds, where the timeout is what a test waits for; elsewhere a slow machine must not reach it."""
LONG = 30.0


@pytest.fixture
def api() -> Iterator[ProxyHandle]:
    with Server(http(BODY)) as server, FaultProxy(seed=1) as faults:
        yield faults.proxy("api", server.address)


def by_httpx(api: ProxyHandle, timeout: float = LONG) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=timeout) as client:
        return client.get(api.url)


def by_requests(api: ProxyHandle, timeout: float = LONG) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(api.url, timeout=timeout)


def test_without_a_toxic_the_answer_comes(api: ProxyHandle) -> None:
    assert by_httpx(api).content == by_requests(api).content == BODY


def test_latency_is_a_read_timeout(api: ProxyHandle) -> None:
    slow = api.add("latency", latency=60_000)
    with pytest.raises(httpx.ReadTimeout) as seen:
        by_httpx(api, SHORT)
    assert classify(seen.value).kind == "timeout"
    with pytest.raises(requests.ReadTimeout):
        by_requests(api, SHORT)
    assert slow.fired == 2


def test_a_low_bandwidth_passes_every_read_timeout(api: ProxyHandle) -> None:
    # a read timeout is no deadline: each 100 ms something comes
    api.add("bandwidth", rate=1)
    for get in (by_httpx, by_requests):
        started = time.monotonic()
        assert get(api, 1.0).content == BODY
        assert time.monotonic() - started > 1.0


def test_a_timeout_that_never_ends_is_a_read_timeout(api: ProxyHandle) -> None:
    api.add("timeout", timeout=0)
    with pytest.raises(httpx.ReadTimeout):
        by_httpx(api, SHORT)
    with pytest.raises(requests.ReadTimeout):
        by_requests(api, SHORT)


def test_a_timeout_that_closes_is_a_server_that_says_nothing(api: ProxyHandle) -> None:
    api.add("timeout", timeout=50)
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending"):
        by_httpx(api)
    with pytest.raises(requests.ConnectionError, match="closed connection without response"):
        by_requests(api)


def test_a_reset_is_a_read_error(api: ProxyHandle) -> None:
    api.add("reset_peer", timeout=0)
    with pytest.raises(httpx.ReadError) as seen:
        by_httpx(api)
    assert classify(seen.value).kind == "connection"
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        by_requests(api)


def test_cut_in_the_headers_is_an_error_to_httpx_and_success_to_requests(
    api: ProxyHandle,
) -> None:
    api.add("limit_data", bytes=30)
    with pytest.raises(httpx.RemoteProtocolError):
        by_httpx(api)
    answer = by_requests(api)
    assert (answer.status_code, answer.content) == (200, b"")


def test_cut_in_the_body_is_an_error_to_both(api: ProxyHandle) -> None:
    api.add("limit_data", bytes=500)
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
        by_httpx(api)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        by_requests(api)


def test_down_is_a_connect_error(api: ProxyHandle) -> None:
    with api.down():
        with pytest.raises(httpx.ConnectError) as seen:
            by_httpx(api)
        assert classify(seen.value).kind == "connection"
        with pytest.raises(requests.ConnectionError, match="refused"):
            by_requests(api)


@pytest.mark.parametrize(
    ("type", "attributes"),
    [
        ("slicer", {"average_size": 64, "size_variation": 32, "delay": 10}),
        ("slow_close", {"delay": 60_000}),
        ("noop", {}),
    ],
)
def test_what_only_shapes_the_stream_changes_nothing(
    api: ProxyHandle, type: str, attributes: dict[str, int]
) -> None:
    api.add(type, **{"stream": "downstream", **attributes})  # type: ignore[arg-type]
    assert by_httpx(api).content == by_requests(api).content == BODY


def test_corrupt_in_the_status_line_is_no_http(api: ProxyHandle) -> None:
    api.add("corrupt", offset=0)
    with pytest.raises(httpx.RemoteProtocolError):
        by_httpx(api)
    with pytest.raises(requests.ConnectionError, match="BadStatusLine"):
        by_requests(api)


def test_corrupt_in_the_body_is_no_error_at_all(api: ProxyHandle) -> None:
    api.add("corrupt", offset=500)
    for answer in (by_httpx(api), by_requests(api)):
        assert answer.status_code == 200
        assert len(answer.content) == len(BODY) and answer.content != BODY


def test_http_status_is_an_answer_and_a_kept_client_goes_on(api: ProxyHandle) -> None:
    toxic = api.add("http_status", status=429, body='{"error": "slow down"}', first_n=2)
    with httpx.Client(trust_env=False, timeout=5) as client:
        seen = [client.post(api.url, content=b"y" * 100_000).status_code for _ in range(4)]
    assert seen == [429, 429, 200, 200]
    assert toxic.fired == 2
    toxic.update(first_n=1)
    assert by_requests(api).json() == {"error": "slow down"}
    assert by_requests(api).content == BODY


def test_first_n_with_a_retrying_client(api: ProxyHandle) -> None:
    torn = api.add("reset_peer", timeout=0, first_n=2)
    failures = 0
    for _ in range(5):
        try:
            by_httpx(api)
        except httpx.ReadError:
            failures += 1
    assert (failures, torn.fired) == (2, 2)
