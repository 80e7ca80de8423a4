"""``chaostoolkit-toxiproxy`` of PyPI: its actions and probes."""

from __future__ import annotations

import time
from typing import Any

import pytest
from chaostoxi.proxy import actions as proxies
from chaostoxi.proxy import probes
from chaostoxi.toxic import actions as toxics

from tests.proxy.servers import Server, connect, read_all, round_trip


@pytest.fixture
def configuration(url: str, upstream: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A proxy ``api`` before the upstream, made by the toolkit's own action."""
    monkeypatch.setenv("api_PORT", "")  # the action writes it into the environment
    made: dict[str, Any] = {"toxiproxy_url": url}
    proxies.delete_proxy("api", configuration=made)
    host, _, port = upstream.address.rpartition(":")
    assert proxies.create_proxy("api", host, int(port), "127.0.0.1", configuration=made)
    assert int(made["api_PORT"]) > 0
    return made


def listen(configuration: dict[str, Any]) -> str:
    return f"127.0.0.1:{configuration['api_PORT']}"


def test_the_probes_find_the_proxy(configuration: dict[str, Any], upstream: Server) -> None:
    assert probes.proxy_exist("api", configuration=configuration) is True
    assert probes.proxy_exist("none", configuration=configuration) is False
    found = probes.get_proxy_attribute("api", "upstream", configuration=configuration)
    assert found == upstream.address


def test_a_proxy_is_disabled_enabled_and_deleted(configuration: dict[str, Any]) -> None:
    address = listen(configuration)
    assert proxies.disable_proxy("api", configuration=configuration)
    with pytest.raises(ConnectionRefusedError):
        connect(address)
    assert proxies.enable_proxy("api", configuration=configuration)
    assert listen(configuration) == address
    connect(address).close()
    proxies.delete_proxy("api", configuration=configuration)
    assert probes.proxy_exist("api", configuration=configuration) is False


def test_the_upstream_is_changed(configuration: dict[str, Any]) -> None:
    with Server(lambda one: one.sendall(b"other")) as other:
        assert proxies.modify_proxy(
            "api", upstream_address=other.address, configuration=configuration
        )
        with connect(listen(configuration)) as client:
            assert read_all(client) == b"other"


@pytest.mark.parametrize(
    ("create", "arguments"),
    [
        (toxics.create_latency_toxic, {"latency": 1, "jitter": 0}),
        (toxics.create_bandwith_degradation_toxic, {"rate": 1000}),
        (toxics.create_slow_connection_close_toxic, {"delay": 1}),
        (toxics.create_slicer_toxic, {"average_size": 2, "size_variation": 1, "delay": 1}),
        (toxics.create_limiter_toxic, {"bytes_limit": 1000}),
        (toxics.create_toxic, {"toxic_type": "noop"}),
    ],
)
def test_each_helper_makes_its_toxic(
    configuration: dict[str, Any], create: Any, arguments: dict[str, Any]
) -> None:
    assert create("api", "t", **arguments, configuration=configuration)
    with connect(listen(configuration)) as client:
        assert round_trip(client, b"hello") == b"hello"
    assert toxics.delete_toxic("api", "t", configuration=configuration)
    assert not toxics.delete_toxic("api", "t", configuration=configuration)


def test_a_timeout_toxic_closes_after_its_time(configuration: dict[str, Any]) -> None:
    assert toxics.create_timeout_toxic("api", "t", 100, configuration=configuration)
    with connect(listen(configuration)) as client:
        started = time.monotonic()
        client.sendall(b"x")
        assert read_all(client) == b""
        assert time.monotonic() - started >= 0.05


def test_reset_removes_toxics(configuration: dict[str, Any]) -> None:
    assert toxics.create_timeout_toxic("api", "t", 0, configuration=configuration)
    assert proxies.reset(configuration=configuration)
    with connect(listen(configuration)) as client:
        assert round_trip(client, b"x") == b"x"
