"""What each toxic does to real connections; holds for our server and for a real Toxiproxy."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.proxy.conftest import Http
from tests.proxy.servers import (
    Server,
    connect,
    echo,
    http,
    read_all,
    read_exactly,
    round_trip,
    says,
)

FAR = 60_000
"""Milliseconds that no test waits for."""


class Proxied:
    """A proxy before a server, by the plain API."""

    def __init__(self, ask: Http, upstream: str, listen: str = "127.0.0.1:0") -> None:
        self._ask = ask
        wanted = {"name": "p", "listen": listen, "upstream": upstream}
        answer = ask("POST", "/proxies", wanted)
        assert answer.status == 201, answer
        self.listen: str = answer.json["listen"]

    def add(self, type: str, stream: str = "downstream", **attributes: Any) -> str:
        toxicity = attributes.pop("toxicity", 1.0)
        wanted = {"type": type, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        answer = self._ask("POST", "/proxies/p/toxics", wanted)
        assert answer.status == 200, answer
        return str(answer.json["name"])

    def update(self, name: str, **attributes: Any) -> None:
        answer = self._ask("POST", f"/proxies/p/toxics/{name}", {"attributes": attributes})
        assert answer.status == 200, answer

    def remove(self, name: str) -> None:
        assert self._ask("DELETE", f"/proxies/p/toxics/{name}").status == 204

    def connect(self) -> socket.socket:
        return connect(self.listen)


@pytest.fixture
def proxied(ask: Http, upstream: Server) -> Proxied:
    """A proxy before an echo server."""
    return Proxied(ask, upstream.address)


@pytest.fixture
def before(ask: Http) -> Iterator[Callable[..., Proxied]]:
    """Makes a proxy before a server of another kind."""
    servers: list[Server] = []

    def make(handler: Callable[[socket.socket], None], **more: Any) -> Proxied:
        servers.append(Server(handler, **more))
        servers[-1].__enter__()
        return Proxied(ask, servers[-1].address)

    yield make
    for name in ask("GET", "/proxies").json:
        ask("DELETE", f"/proxies/{name}")
    for server in servers:
        server.__exit__(None, None, None)


def arrives(connection: socket.socket, seconds: float = 0.05) -> bool:
    """Whether anything comes, or the end, within a moment."""
    connection.settimeout(seconds)
    try:
        return connection.recv(1, socket.MSG_PEEK) is not None
    except TimeoutError:
        return False
    finally:
        connection.settimeout(20)


def ends(connection: socket.socket) -> bool:
    """Whether the connection is closed or torn; what still comes is passed over."""
    try:
        read_all(connection)
    except ConnectionError:
        pass
    return True


# -- without a toxic ------------------------------------------------------------------------------


def test_bytes_pass_unchanged_in_both_directions(proxied: Proxied) -> None:
    data = bytes(range(256)) * 4096
    with proxied.connect() as client:
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        assert read_exactly(client, len(data)) == data
        sender.join()


def test_a_noop_passes_everything(proxied: Proxied) -> None:
    proxied.add("noop")
    with proxied.connect() as client:
        assert round_trip(client, b"as it is") == b"as it is"


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_ipv6_on_both_sides(ask: Http) -> None:
    with Server(echo, host="::1") as server:
        proxied = Proxied(ask, server.address, listen="[::1]:0")
        assert proxied.listen.startswith("[::1]:")
        with proxied.connect() as client:
            assert round_trip(client, b"six") == b"six"


def test_where_the_upstream_is_down_the_connection_is_closed(ask: Http) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        upstream = f"127.0.0.1:{gone.getsockname()[1]}"
    proxied = Proxied(ask, upstream)
    with proxied.connect() as client:
        assert ends(client)


def test_a_server_that_closes_closes_the_client(before: Callable[..., Proxied]) -> None:
    proxied = before(lambda one: one.sendall(b"bye"))
    with proxied.connect() as client:
        assert read_all(client) == b"bye"


# -- latency --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_latency_delays_each_direction(proxied: Proxied, stream: str) -> None:
    proxied.add("latency", stream, latency=120)
    with proxied.connect() as client:
        started = time.monotonic()
        assert round_trip(client, b"late") == b"late"
        assert time.monotonic() - started >= 0.1


def test_latencies_add_up(proxied: Proxied) -> None:
    proxied.add("latency", "upstream", latency=60)
    proxied.add("latency", "downstream", latency=60)
    with proxied.connect() as client:
        started = time.monotonic()
        assert round_trip(client, b"late") == b"late"
        assert time.monotonic() - started >= 0.1


def test_latency_does_not_narrow_the_stream(proxied: Proxied) -> None:
    # one after the other these 200 would take 200 × 100 ms
    proxied.add("latency", latency=100)
    data = b"0123456789" * 1000
    with proxied.connect() as client:
        for start in range(0, len(data), 50):
            client.sendall(data[start : start + 50])
        started = time.monotonic()
        assert read_exactly(client, len(data)) == data
        assert time.monotonic() - started < 15


def test_a_removed_latency_lets_go_what_it_holds(proxied: Proxied) -> None:
    name = proxied.add("latency", latency=FAR)
    with proxied.connect() as client:
        client.sendall(b"held")
        assert not arrives(client)
        proxied.remove(name)
        assert read_exactly(client, 4) == b"held"
        assert round_trip(client, b"free") == b"free"


def test_a_latency_is_added_to_an_open_connection(proxied: Proxied) -> None:
    with proxied.connect() as client:
        assert round_trip(client, b"x") == b"x"
        proxied.add("latency", latency=FAR)
        client.sendall(b"y")
        assert not arrives(client)


# -- bandwidth, slicer ----------------------------------------------------------------------------


def test_bandwidth_bounds_the_rate(proxied: Proxied) -> None:
    proxied.add("bandwidth", rate=100)
    data = b"x" * 30_000
    with proxied.connect() as client:
        started = time.monotonic()
        client.sendall(data)
        assert read_exactly(client, len(data)) == data
        assert time.monotonic() - started >= 0.2


def test_a_removed_bandwidth_lets_go_what_it_holds(proxied: Proxied) -> None:
    name = proxied.add("bandwidth", rate=1)
    data = b"x" * 30_000  # 30 s at this rate
    with proxied.connect() as client:
        client.sendall(data)
        assert arrives(client, 5)
        proxied.remove(name)
        started = time.monotonic()
        assert read_exactly(client, len(data)) == data
        assert time.monotonic() - started < 15


def test_a_slicer_loses_nothing(proxied: Proxied) -> None:
    proxied.add("slicer", average_size=100, size_variation=50, delay=10)
    data = bytes(range(256)) * 40
    with proxied.connect() as client:
        client.sendall(data)
        assert read_exactly(client, len(data)) == data


def test_a_slicer_makes_pieces(proxied: Proxied) -> None:
    proxied.add("slicer", average_size=100, size_variation=0, delay=20_000)
    with proxied.connect() as client:
        client.sendall(b"x" * 300)
        assert 0 < len(client.recv(65536)) < 300


# -- the ends of a connection ---------------------------------------------------------------------


def test_a_slow_close_delays_the_end(before: Callable[..., Proxied]) -> None:
    proxied = before(lambda one: one.sendall(b"bye"))
    proxied.add("slow_close", delay=200)
    with proxied.connect() as client:
        started = time.monotonic()
        assert read_all(client) == b"bye"
        assert time.monotonic() - started >= 0.15


def test_a_timeout_lets_nothing_pass_and_closes(proxied: Proxied) -> None:
    proxied.add("timeout", timeout=150)
    with proxied.connect() as client:
        started = time.monotonic()
        client.sendall(b"into the dark")
        assert read_all(client) == b""
        assert time.monotonic() - started >= 0.1


def test_a_timeout_of_zero_never_closes(proxied: Proxied) -> None:
    proxied.add("timeout", timeout=0)
    with proxied.connect() as client:
        client.sendall(b"into the dark")
        assert not arrives(client, 0.2)


def test_a_removed_timeout_closes_the_connection(proxied: Proxied) -> None:
    name = proxied.add("timeout", timeout=0)
    with proxied.connect() as client:
        client.sendall(b"into the dark")
        assert not arrives(client)
        proxied.remove(name)
        assert ends(client)


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_a_reset_tears_the_connection(proxied: Proxied, stream: str) -> None:
    proxied.add("reset_peer", stream, timeout=0)
    with proxied.connect() as client:
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            read_all(client)


def test_a_reset_waits_for_its_time(proxied: Proxied) -> None:
    proxied.add("reset_peer", timeout=150)
    with proxied.connect() as client:
        started = time.monotonic()
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            read_all(client)
        assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize("limit", [0, 1, 10, 25])
def test_limit_data_closes_after_so_many_bytes(before: Callable[..., Proxied], limit: int) -> None:
    proxied = before(says(b"0123456789" * 3))
    proxied.add("limit_data", bytes=limit)
    with proxied.connect() as client:
        assert read_all(client) == (b"0123456789" * 3)[:limit]


def test_limit_data_counts_over_pieces(proxied: Proxied) -> None:
    proxied.add("limit_data", bytes=5)
    with proxied.connect() as client:
        assert round_trip(client, b"abc") == b"abc"
        client.sendall(b"defg")
        assert read_exactly(client, 2) == b"de"
        assert ends(client)


def test_limit_data_goes_on_with_its_count_after_an_update(proxied: Proxied) -> None:
    name = proxied.add("limit_data", bytes=FAR)
    with proxied.connect() as client:
        assert round_trip(client, b"abc") == b"abc"
        proxied.update(name, bytes=5)
        client.sendall(b"defg")
        assert read_exactly(client, 2) == b"de"
        assert ends(client)


# -- together -------------------------------------------------------------------------------------


def test_toxics_act_in_the_order_of_their_adding(before: Callable[..., Proxied]) -> None:
    proxied = before(says(b"0123456789"))
    proxied.add("limit_data", bytes=4)
    proxied.add("latency", latency=120)
    with proxied.connect() as client:
        started = time.monotonic()
        assert read_all(client) == b"0123"
        assert time.monotonic() - started >= 0.1


def test_a_toxicity_of_zero_spares_every_connection(proxied: Proxied) -> None:
    proxied.add("timeout", timeout=0, toxicity=0.0)
    for _ in range(10):
        with proxied.connect() as client:
            assert round_trip(client, b"spared") == b"spared"


def test_a_toxicity_between_spares_some(proxied: Proxied) -> None:
    proxied.add("limit_data", bytes=0, toxicity=0.5)
    hit = 0
    for _ in range(60):  # all or none of them alike: a chance of 2 in 2^60
        with proxied.connect() as client:
            try:
                client.sendall(b"x")
                hit += client.recv(1) == b""
            except ConnectionError:
                hit += 1
    assert 0 < hit < 60


def test_a_kept_http_connection_passes(before: Callable[..., Proxied]) -> None:
    proxied = before(http(b"hello"))
    proxied.add("latency", latency=1)
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    with proxied.connect() as client:
        for _ in range(3):
            client.sendall(request)
            assert read_exactly(client, len(answer)) == answer
