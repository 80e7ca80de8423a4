"""``toxiproxy-python`` of PyPI."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from tests.proxy.servers import Server, connect, round_trip


@pytest.fixture
def client(url: str) -> Any:
    made = Toxiproxy()
    parts = urlsplit(url)
    made.update_api_consumer(parts.hostname, parts.port)
    made.destroy_all()
    return made


def test_the_server_runs_and_tells_its_version(client: Any) -> None:
    assert client.running()
    assert b'"version": "2.' in client.version()


def test_a_proxy_is_created_found_and_destroyed(client: Any, upstream: Server) -> None:
    proxy = client.create(upstream=upstream.address, name="api")
    with connect(proxy.listen) as connection:
        assert round_trip(connection, b"x") == b"x"
    assert client.get_proxy("api").listen == proxy.listen
    assert list(client.proxies()) == ["api"]
    with pytest.raises(ProxyExists):
        client.create(upstream=upstream.address, name="api")
    assert client.destroy(proxy)
    assert client.get_proxy("api") is None
    with pytest.raises(NotFound):
        proxy.destroy()


def test_a_proxy_is_down_in_a_block(client: Any, upstream: Server) -> None:
    proxy = client.create(upstream=upstream.address, name="api")
    with proxy.down(), pytest.raises(ConnectionRefusedError):
        connect(proxy.listen)
    connect(proxy.listen).close()


def test_toxics_are_added_listed_and_destroyed(client: Any, upstream: Server) -> None:
    proxy = client.create(upstream=upstream.address, name="api")
    proxy.add_toxic(type="latency", attributes={"latency": 5, "jitter": 1})
    proxy.add_toxic(name="tear", type="reset_peer", stream="upstream", attributes={"timeout": 0})
    assert set(proxy.toxics()) == {"latency_downstream", "tear"}
    toxic = proxy.get_toxic("tear")
    assert (toxic.type, toxic.stream, toxic.attributes) == (
        "reset_peer",
        "upstream",
        {"timeout": 0},
    )
    with connect(proxy.listen) as connection, pytest.raises(ConnectionResetError):
        round_trip(connection, b"x")
    assert proxy.destroy_toxic("tear")
    with connect(proxy.listen) as connection:
        assert round_trip(connection, b"x") == b"x"


def test_a_wrong_toxic_is_the_clients_own_error(client: Any, upstream: Server) -> None:
    proxy = client.create(upstream=upstream.address, name="api")
    with pytest.raises(InvalidToxic):
        proxy.add_toxic(type="flood")
    with pytest.raises(NotFound):
        proxy.destroy_toxic("none")


def test_reset_enables_and_removes(client: Any, upstream: Server) -> None:
    proxy = client.create(upstream=upstream.address, name="api", enabled=False)
    proxy.add_toxic(type="timeout", attributes={"timeout": 0})
    assert client.reset()
    again = client.get_proxy("api")
    assert again.enabled and again.toxics() == {}


def test_populate_makes_a_list(client: Any, upstream: Server) -> None:
    made = client.populate([{"name": n, "upstream": upstream.address} for n in ("one", "two")])
    assert [proxy.name for proxy in made] == ["one", "two"]
    assert set(client.proxies()) == {"one", "two"}
    client.destroy_all()
    assert client.proxies() == {}
