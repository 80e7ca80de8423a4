"""Surefoot's own words: a seed that works, first_n, http_status, corrupt, fired, the firing log."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot.chaos.proxy import FaultProxy, ProxyHandle
from surefoot.errors import UsageError
from tests.proxy.conftest import Http
from tests.proxy.servers import Server, connect, read_all, round_trip, says
from tests.proxy.servers import http as http_server

pytestmark = pytest.mark.extension


def passes(proxy: ProxyHandle) -> bool:
    """Whether an echo comes back; a torn or closed connection is a no."""
    with connect(proxy.listen) as client:
        try:
            client.sendall(b"x")
            return client.recv(1) == b"x"
        except ConnectionError:
            return False


def pattern(faults: FaultProxy, upstream: Server, count: int = 40) -> list[bool]:
    proxy = faults.proxy("api", upstream.address)
    proxy.add("limit_data", name="cut", bytes=0, toxicity=0.5)
    return [passes(proxy) for _ in range(count)]


# -- the seed -------------------------------------------------------------------------------------


def test_the_same_seed_makes_the_same_decisions(upstream: Server) -> None:
    seen = []
    for seed in (42, 42, 42, 43):
        with FaultProxy(seed=seed) as faults:
            seen.append(pattern(faults, upstream))
    assert seen[0] == seen[1] == seen[2]
    assert seen[3] != seen[0]
    assert True in seen[0] and False in seen[0]


def test_a_chosen_seed_is_told_and_repeats_the_run(upstream: Server) -> None:
    with FaultProxy() as faults:
        seed, first = faults.seed, pattern(faults, upstream)
    with FaultProxy(seed=seed) as faults:
        assert pattern(faults, upstream) == first


def test_another_toxic_does_not_change_what_one_decides(upstream: Server) -> None:
    with FaultProxy(seed=42) as faults:
        alone = pattern(faults, upstream)
    with FaultProxy(seed=42) as faults:
        other = faults.proxy("other", upstream.address)
        other.add("limit_data", bytes=0, toxicity=0.5)
        for _ in range(7):
            passes(other)
        assert pattern(faults, upstream) == alone


def test_connections_that_open_at_once_are_decided_in_the_order_of_their_coming(
    upstream: Server,
) -> None:
    with FaultProxy(seed=42) as faults:
        alone = pattern(faults, upstream)
    with FaultProxy(seed=42) as faults:
        proxy = faults.proxy("api", upstream.address)
        proxy.add("limit_data", name="cut", bytes=0, toxicity=0.5)
        clients = [connect(proxy.listen) for _ in alone]
        results = []
        for client in clients:
            client.sendall(b"x")
            try:
                results.append(client.recv(1) == b"x")
            except ConnectionError:
                results.append(False)
            client.close()
    assert results == alone


# -- first_n and fired ----------------------------------------------------------------------------


@pytest.mark.parametrize("first_n", [0, 1, 3])
def test_first_n_acts_on_so_many_connections_and_then_passes(
    faults: FaultProxy, upstream: Server, first_n: int
) -> None:
    proxy = faults.proxy("api", upstream.address)
    cut = proxy.add("reset_peer", timeout=0, first_n=first_n)
    assert [passes(proxy) for _ in range(5)] == [False] * first_n + [True] * (5 - first_n)
    assert cut.fired == first_n


def test_another_first_n_counts_from_there(faults: FaultProxy, upstream: Server) -> None:
    proxy = faults.proxy("api", upstream.address)
    cut = proxy.add("limit_data", bytes=0, first_n=1)
    assert [passes(proxy) for _ in range(3)] == [False, True, True]
    cut.update(first_n=2)
    assert [passes(proxy) for _ in range(3)] == [False, False, True]
    assert cut.fired == 3


def test_first_n_takes_connections_of_a_pool_into_account(
    faults: FaultProxy, upstream: Server
) -> None:
    proxy = faults.proxy("api", upstream.address)
    with connect(proxy.listen) as idle, connect(proxy.listen) as kept:
        assert round_trip(kept, b"x") == b"x" == round_trip(idle, b"x")
        cut = proxy.add("reset_peer", timeout=0, first_n=1)
        kept.sendall(b"y")
        with pytest.raises(ConnectionResetError):
            kept.recv(1)
        assert round_trip(idle, b"x") == b"x"  # it did nothing, and was not counted
        assert passes(proxy)
    assert cut.fired == 1


def test_a_higher_toxicity_adds_to_those_that_were_hit(upstream: Server) -> None:
    with FaultProxy(seed=5) as faults:
        proxy = faults.proxy("api", upstream.address)
        cut = proxy.add("corrupt", probability=1, toxicity=0.0)
        hit = []
        clients = [connect(proxy.listen) for _ in range(30)]
        for client in clients:
            assert round_trip(client, b"x") == b"x"
        for toxicity in (0.3, 0.6, 1.0):
            cut.update(toxicity=toxicity)
            now = set()
            for number, client in enumerate(clients):
                if round_trip(client, b"x") != b"x":
                    now.add(number)
            hit.append(now)
        for client in clients:
            client.close()
    assert hit[0] < hit[1] < hit[2] == set(range(30))


def test_a_first_n_that_is_not_given_is_not_shown(faults: FaultProxy, upstream: Server) -> None:
    proxy = faults.proxy("api", upstream.address)
    assert proxy.add("latency").attributes == {"latency": 0, "jitter": 0}
    assert proxy.add("noop", first_n=2).attributes == {"first_n": 2}


@pytest.mark.parametrize(
    ("type", "attributes"),
    [
        ("latency", {"latency": 1}),
        ("bandwidth", {"rate": 1000}),
        ("slicer", {"average_size": 1, "delay": 1}),
        ("limit_data", {"bytes": 1}),
        ("reset_peer", {"timeout": 0}),
        ("timeout", {"timeout": 50}),
        ("slow_close", {"delay": 1}),
        ("corrupt", {"offset": 1}),
    ],
)
def test_a_firing_is_counted_once_a_connection(
    faults: FaultProxy, upstream: Server, type: str, attributes: dict[str, Any]
) -> None:
    proxy = faults.proxy("api", upstream.address)
    toxic = proxy.add(type, **attributes)
    for _ in range(2):
        with connect(proxy.listen) as client:
            try:
                client.sendall(b"hello")
                client.recv(5)
                client.shutdown(socket.SHUT_WR)
                read_all(client)
            except OSError:
                pass
    assert toxic.fired == 2


def test_what_had_nothing_to_do_has_not_fired(faults: FaultProxy, upstream: Server) -> None:
    proxy = faults.proxy("api", upstream.address)
    toxics = [
        proxy.add("noop"),
        proxy.add("latency", latency=0),
        proxy.add("slicer", average_size=1000),
        proxy.add("limit_data", bytes=1000),
        proxy.add("slow_close", delay=0),
        proxy.add("reset_peer", stream="upstream", toxicity=0.0),
        proxy.add("corrupt", offset=1000),
    ]
    assert passes(proxy)
    assert [toxic.fired for toxic in toxics] == [0] * len(toxics)


def test_fired_is_shown_with_a_toxic_and_a_list_of_them(
    faults: FaultProxy, upstream: Server
) -> None:
    proxy = faults.proxy("api", upstream.address)
    proxy.add("limit_data", name="cut", bytes=0)
    passes(proxy)
    assert faults.ask("GET", "/proxies/api/toxics/cut")["fired"] == 1
    assert faults.ask("GET", "/proxies/api/toxics")[0]["fired"] == 1


# -- the firing log -------------------------------------------------------------------------------


def test_a_firing_is_on_the_disk_before_it_acts(tmp_path: Path, upstream: Server) -> None:
    log = tmp_path / "fired.jsonl"
    with FaultProxy(log=log) as faults:
        proxy = faults.proxy("api", upstream.address)
        proxy.add("reset_peer", name="tear", timeout=0)
        with connect(proxy.listen) as client:
            port = client.getsockname()[1]
            client.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
            lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == 1
    assert lines[0].pop("time").endswith("+00:00")
    assert lines[0] == {
        "proxy": "api",
        "toxic": "tear",
        "type": "reset_peer",
        "stream": "downstream",
        "connection": 0,
        "client": f"127.0.0.1:{port}",
    }


def test_a_log_is_appended_to_and_is_its_owners_alone(tmp_path: Path, upstream: Server) -> None:
    log = tmp_path / "fired.jsonl"
    for _ in range(2):
        with FaultProxy(log=log) as faults:
            proxy = faults.proxy("api", upstream.address)
            proxy.add("limit_data", bytes=0)
            passes(proxy)
    assert len(log.read_text().splitlines()) == 2
    assert log.stat().st_mode & 0o077 == 0


def test_a_log_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="firing log"), FaultProxy(log=tmp_path):
        pass


# -- corrupt --------------------------------------------------------------------------------------


def test_the_byte_at_an_offset_is_turned_over(faults: FaultProxy, upstream: Server) -> None:
    proxy = faults.proxy("api", upstream.address)
    proxy.add("corrupt", offset=3)
    with connect(proxy.listen) as client:
        assert round_trip(client, b"ab") == b"ab"
        assert round_trip(client, b"cdef") == b"c" + bytes([ord("d") ^ 0xFF]) + b"ef"
        assert round_trip(client, b"abcdef") == b"abcdef"


def test_a_probability_turns_over_the_same_bytes_each_time(upstream: Server) -> None:
    data = bytes(5000)
    seen = []
    for step in (5000, 77):
        with FaultProxy(seed=3) as faults:
            proxy = faults.proxy("api", upstream.address)
            proxy.add("corrupt", probability=0.01)
            with connect(proxy.listen) as client:
                got = b""
                for start in range(0, len(data), step):
                    got += round_trip(client, data[start : start + step])
            seen.append(got)
    assert seen[0] == seen[1]
    assert set(seen[0]) == {0, 0xFF}
    assert 10 < seen[0].count(0xFF) < 150


def test_a_probability_of_one_turns_over_all(faults: FaultProxy, upstream: Server) -> None:
    proxy = faults.proxy("api", upstream.address)
    proxy.add("corrupt", probability=1)
    with connect(proxy.listen) as client:
        assert round_trip(client, b"\x00\x0f") == b"\xff\xf0"


@pytest.mark.parametrize("attributes", [{}, {"probability": 2}, {"offset": -5}, {"offset": "x"}])
def test_a_corrupt_that_says_nothing_sensible_is_refused(
    faults: FaultProxy, upstream: Server, attributes: dict[str, Any]
) -> None:
    proxy = faults.proxy("api", upstream.address)
    with pytest.raises(UsageError, match="offset|probability"):
        proxy.add("corrupt", **attributes)


# -- http_status ----------------------------------------------------------------------------------


@pytest.fixture
def web() -> Iterator[Server]:
    with Server(http_server()) as server:
        yield server


def get(
    listen: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes, str | None]:
    connection = http.client.HTTPConnection(listen, timeout=20)
    try:
        connection.request(method, "/", body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("Content-Type")
    finally:
        connection.close()


def test_http_status_answers_by_itself(faults: FaultProxy, web: Server) -> None:
    proxy = faults.proxy("api", web.address)
    toxic = proxy.add("http_status", status=429, body='{"error": "slow down"}')
    assert toxic.name == "http_status_upstream"
    assert get(proxy.listen) == (429, b'{"error": "slow down"}', "application/json")
    assert toxic.fired == 1


def test_http_status_answers_the_first_n_requests(faults: FaultProxy, web: Server) -> None:
    proxy = faults.proxy("api", web.address)
    toxic = proxy.add("http_status", status=503, body="later", first_n=2)
    seen = [get(proxy.listen)[:2] for _ in range(4)]
    assert seen == [(503, b"later")] * 2 + [(200, b"from upstream")] * 2
    assert toxic.fired == 2


def test_http_status_reads_the_whole_request_first(faults: FaultProxy, web: Server) -> None:
    proxy = faults.proxy("api", web.address)
    proxy.add("http_status", status=500)
    assert get(proxy.listen, "POST", b"x" * 3_000_000)[0] == 500


def test_http_status_understands_a_chunked_request(faults: FaultProxy, web: Server) -> None:
    proxy = faults.proxy("api", web.address)
    proxy.add("http_status", status=500)
    with connect(proxy.listen) as client:
        client.sendall(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(20)
        client.sendall(b"0\r\n\r\n")
        assert read_all(client).startswith(b"HTTP/1.1 500 ")


def test_http_status_spares_a_client_that_asks_first_the_body(
    faults: FaultProxy, web: Server
) -> None:
    proxy = faults.proxy("api", web.address)
    proxy.add("http_status", status=413)
    with connect(proxy.listen) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        assert read_all(client).startswith(b"HTTP/1.1 413 ")


def test_http_status_goes_through_the_toxics_of_the_other_direction(
    faults: FaultProxy, web: Server
) -> None:
    proxy = faults.proxy("api", web.address)
    proxy.add("http_status", status=500)
    proxy.add("limit_data", bytes=12)
    with connect(proxy.listen) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_all(client) == b"HTTP/1.1 500"


@pytest.mark.parametrize(
    "data", [b"PING\r\n", b"QUIT\r\n", b"\x16\x03\x01", b"get / HTTP/1.1\r\n", b"SELECT 1;\r\n"]
)
def test_http_status_passes_what_is_no_request(
    faults: FaultProxy, upstream: Server, data: bytes
) -> None:
    proxy = faults.proxy("api", upstream.address)
    toxic = proxy.add("http_status")
    with connect(proxy.listen) as client:
        assert round_trip(client, data) == data
    assert toxic.fired == 0


def test_http_status_finds_a_request_that_comes_in_pieces(faults: FaultProxy, web: Server) -> None:
    proxy = faults.proxy("api", web.address)
    proxy.add("http_status", status=418)
    with connect(proxy.listen) as client:
        for part in (b"G", b"ET /te", b"a HTT", b"P/1.1\r", b"\nHost: x\r\n\r", b"\n"):
            client.sendall(part)
        assert read_all(client).startswith(b"HTTP/1.1 418 ")


def test_http_status_that_is_removed_lets_the_request_go(faults: FaultProxy, web: Server) -> None:
    proxy = faults.proxy("api", web.address)
    toxic = proxy.add("http_status")
    with connect(proxy.listen) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        toxic.remove()
        client.sendall(b"\r\n")
        client.settimeout(20)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("attributes", [{"status": 99}, {"status": 600}, {"status": "500"}])
def test_a_status_that_there_is_not_is_refused(
    faults: FaultProxy, web: Server, attributes: dict[str, Any]
) -> None:
    proxy = faults.proxy("api", web.address)
    with pytest.raises(UsageError, match="status must be"):
        proxy.add("http_status", **attributes)


def test_http_status_knows_only_requests(faults: FaultProxy, web: Server) -> None:
    proxy = faults.proxy("api", web.address)
    with pytest.raises(UsageError, match="its stream is upstream"):
        proxy.add("http_status", stream="downstream")


# -- half-closed connections, metrics -------------------------------------------------------------


def test_a_client_that_sends_no_more_still_gets_its_answer(faults: FaultProxy) -> None:
    # a real Toxiproxy closes the server's side altogether, and the answer is lost
    def counts(connection: socket.socket) -> None:
        connection.sendall(str(len(read_all(connection))).encode())

    with Server(counts) as server:
        for latency in (None, 5):
            proxy = faults.proxy(f"p{latency}", server.address)
            if latency:
                proxy.add("latency", latency=latency)
                proxy.add("latency", stream="upstream", latency=latency)
            with connect(proxy.listen) as client:
                client.sendall(b"x" * 1000)
                client.shutdown(socket.SHUT_WR)
                assert read_all(client) == b"1000"


def test_a_server_that_sends_no_more_still_gets_the_rest(faults: FaultProxy) -> None:
    got: list[bytes] = []
    done = threading.Event()

    def stops(connection: socket.socket) -> None:
        connection.sendall(b"that is all")
        connection.shutdown(socket.SHUT_WR)
        got.append(read_all(connection))
        done.set()

    with Server(stops) as server:
        proxy = faults.proxy("api", server.address)
        with connect(proxy.listen) as client:
            assert read_all(client) == b"that is all"
            client.sendall(b"still here")
        assert done.wait(20)
    assert got == [b"still here"]


def test_metrics_count_bytes_and_firings(ask: Http, base_url: str) -> None:
    with Server(says(b"12345678")) as server, FaultProxy(url=base_url) as faults:
        proxy = faults.proxy("api", server.address)
        proxy.add("limit_data", name="cut", bytes=3)
        with connect(proxy.listen) as client:
            assert read_all(client) == b"123"
        answer = ask("GET", "/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        lines = answer.raw.decode().splitlines()
    labels = f'listener="{proxy.listen}",proxy="api",upstream="{server.address}"'
    name = 'bytes_total{direction="downstream",' + labels + "}"
    assert f"toxiproxy_proxy_received_{name} 8" in lines
    assert f"toxiproxy_proxy_sent_{name} 3" in lines
    fired = 'proxy="api",stream="downstream",toxic="cut",type="limit_data"'
    assert f"surefoot_fault_proxy_fired_total{{{fired}}} 1" in lines


def test_there_are_no_metrics_where_nobody_asked(faults: FaultProxy) -> None:
    assert Http(faults.url)("GET", "/metrics").status == 404
