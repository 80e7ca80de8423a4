"""The API's own HTTP: what clients do that libraries hide."""

from __future__ import annotations

import pytest

from tests.proxy.servers import connect, read_all, read_exactly


def talk(base_url: str, data: bytes) -> bytes:
    with connect(base_url.removeprefix("http://")) as client:
        client.sendall(data)
        return read_all(client)


def test_a_connection_is_kept_for_several_requests(base_url: str) -> None:
    request = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = talk(base_url, request + request + last)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3


def test_a_body_may_come_in_chunks(base_url: str) -> None:
    head = b"POST /populate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    answer = talk(base_url, head + b"Connection: close\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 201 ")


def test_a_client_that_waits_is_told_to_go_on(base_url: str) -> None:
    head = b"POST /populate HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
    with connect(base_url.removeprefix("http://")) as client:
        client.sendall(head + b"Connection: close\r\n\r\n")
        assert read_exactly(client, 12) == b"HTTP/1.1 100"
        client.sendall(b"[]")
        assert b"HTTP/1.1 201 " in read_all(client)


def test_a_client_of_http_1_0_is_answered_and_closed(base_url: str) -> None:
    assert b" 200 OK\r\n" in talk(base_url, b"GET /version HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"POST /populate HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(base_url: str, data: bytes) -> None:
    assert talk(base_url, data).startswith(b"HTTP/1.1 400 ")


@pytest.mark.extension
def test_a_body_that_is_too_long_is_refused(base_url: str) -> None:
    head = b"POST /populate HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
    assert talk(base_url, head).startswith(b"HTTP/1.1 413 ")


def test_a_query_is_passed_over(base_url: str) -> None:
    request = b"GET /version?x=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert talk(base_url, request).startswith(b"HTTP/1.1 200 ")
