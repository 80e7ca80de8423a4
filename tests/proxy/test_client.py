"""``FaultProxy``, the client that tests use."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from surefoot.chaos.proxy import FaultProxy
from surefoot.errors import SurefootError, UsageError
from tests.proxy.servers import SECONDS, Server, connect, echo, read_all, round_trip

pytestmark = pytest.mark.extension


def test_a_proxy_is_used_by_its_address(faults: FaultProxy, upstream: Server) -> None:
    api = faults.proxy("api", upstream.address)
    with socket.create_connection(api.address, timeout=20) as client:
        assert round_trip(client, b"hello") == b"hello"
    assert api.url == f"http://{api.listen}"
    assert faults.proxies == {"api": api}
    assert repr(api) == f"<proxy api: {api.listen} → {upstream.address}>"


def test_a_toxic_is_added_changed_and_removed(faults: FaultProxy, upstream: Server) -> None:
    api = faults.proxy("api", upstream.address)
    slow = api.add("latency", name="slow", stream="upstream", toxicity=0.5, latency=5)
    assert (slow.name, slow.type, slow.stream, slow.toxicity) == (
        "slow",
        "latency",
        "upstream",
        0.5,
    )
    slow.update(toxicity=0.75, jitter=2)
    assert slow.attributes == {"latency": 5, "jitter": 2}
    assert [(one.name, one.toxicity) for one in api.toxics()] == [("slow", 0.75)]
    slow.remove()
    assert api.toxics() == []


def test_down_refuses_connections_until_its_block_ends(
    faults: FaultProxy, upstream: Server
) -> None:
    api = faults.proxy("api", upstream.address)
    with connect(api.listen) as client:
        with api.down():
            assert not api.enabled
            with pytest.raises(ConnectionRefusedError):
                connect(api.listen)
            try:
                assert read_all(client) == b""
            except ConnectionResetError:
                pass
    assert api.enabled
    with connect(api.listen) as client:
        assert round_trip(client, b"up") == b"up"


def test_down_without_a_block_lasts_until_up(faults: FaultProxy, upstream: Server) -> None:
    api = faults.proxy("api", upstream.address)
    api.down()
    with pytest.raises(ConnectionRefusedError):
        connect(api.listen)
    api.up()
    connect(api.listen).close()


def test_a_reset_proxy_is_up_and_without_toxics(faults: FaultProxy, upstream: Server) -> None:
    api, other = faults.proxy("api", upstream.address), faults.proxy("other", upstream.address)
    for one in (api, other):
        one.add("timeout")
        one.down()
    api.reset()
    assert api.enabled and api.toxics() == []
    assert not other.enabled and len(other.toxics()) == 1
    faults.reset()
    assert other.enabled and other.toxics() == []


def test_a_second_proxy_of_one_name_is_refused(faults: FaultProxy, upstream: Server) -> None:
    faults.proxy("api", upstream.address)
    with pytest.raises(UsageError, match="there is a proxy 'api' already"):
        faults.proxy("api", upstream.address)


def test_a_misspelt_attribute_is_refused_with_the_nearest(
    faults: FaultProxy, upstream: Server
) -> None:
    api = faults.proxy("api", upstream.address)
    with pytest.raises(UsageError, match="Did you mean 'latency'"):
        api.add("latency", latncy=5)
    slow = api.add("latency", latency=5)
    with pytest.raises(UsageError, match="latency has no attribute 'rate'"):
        slow.update(rate=5)


def test_a_misspelt_toxic_is_refused_with_those_there_are(
    faults: FaultProxy, upstream: Server
) -> None:
    with pytest.raises(UsageError, match="there is no toxic 'flood'; there are bandwidth"):
        faults.proxy("api", upstream.address).add("flood")


@pytest.mark.parametrize("upstream", ["nowhere", "host:", "host:99999", "::1:80"])
def test_an_address_that_is_none_is_refused(faults: FaultProxy, upstream: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        faults.proxy("api", upstream)


def test_a_proxy_that_is_not_running_says_how_to_run_it() -> None:
    with pytest.raises(UsageError, match="with FaultProxy"):
        FaultProxy().proxy("api", "127.0.0.1:1")


def test_nothing_is_left_when_the_block_ends(upstream: Server) -> None:
    before = set(threading.enumerate())
    with FaultProxy() as faults:
        api = faults.proxy("api", upstream.address)
        client = connect(api.listen)
        assert round_trip(client, b"x") == b"x"
    left = [one for one in threading.enumerate() if one not in before]
    assert [one for one in left if one.name == "surefoot-fault-proxy"] == []
    with client:
        try:
            assert read_all(client) == b""
        except ConnectionResetError:
            pass
    with pytest.raises(ConnectionRefusedError):
        connect(api.listen)


# -- url= -----------------------------------------------------------------------------------------


def test_by_url_a_running_server_is_used_and_tidied_up(
    faults: FaultProxy, upstream: Server
) -> None:
    faults.proxy("not mine", upstream.address)
    with FaultProxy(url=faults.url + "/") as other:
        assert other.seed == faults.seed == 7
        api = other.proxy("api", upstream.address)
        with connect(api.listen) as client:
            assert round_trip(client, b"x") == b"x"
        assert api.add("limit_data", bytes=0, first_n=1).fired == 0
    assert set(faults.ask("GET", "/proxies")) == {"not mine"}


def test_by_url_what_an_earlier_program_left_is_replaced(
    faults: FaultProxy, upstream: Server
) -> None:
    faults.proxy("api", "127.0.0.1:1").add("timeout")
    with FaultProxy(url=faults.url) as other:
        api = other.proxy("api", upstream.address)
        assert api.toxics() == []
        assert api.upstream == upstream.address


def test_url_and_what_only_an_own_server_has_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="leave url= out"):
        FaultProxy(url="http://127.0.0.1:8474", seed=1)


def test_where_nothing_answers_the_message_names_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(SurefootError, match=url), FaultProxy(url=url):
        pass


@pytest.fixture
def plain(faults: FaultProxy) -> Iterator[str]:
    """An API whose /version is that of a real Toxiproxy; all else goes to our server."""

    def relay(client: socket.socket) -> None:
        request = client.recv(65536)
        if request.startswith(b"GET /version "):
            body = b'{"version": "2.12.0"}\n'
            size = str(len(body)).encode()
            head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + size
            client.sendall(head + b"\r\n\r\n" + body)
            return
        with connect(faults.url.removeprefix("http://")) as server:
            server.sendall(request)
            back = threading.Thread(target=pump, args=(server, client))
            back.start()
            pump(client, server)
            back.join(SECONDS)

    def pump(source: socket.socket, dest: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                dest.sendall(data)
            dest.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one side has closed

    with Server(relay) as server:
        yield f"http://{server.address}"


def test_a_real_toxiproxy_is_refused_our_own_words(plain: str, upstream: Server) -> None:
    with FaultProxy(url=plain) as faults:
        assert faults.seed is None
        api = faults.proxy("api", upstream.address)
        slow = api.add("latency", latency=5)
        with pytest.raises(UsageError, match="is a real Toxiproxy, and http_status is"):
            api.add("http_status", status=500)
        with pytest.raises(UsageError, match="first_n is Surefoot's own"):
            api.add("latency", name="two", latency=5, first_n=1)
        with pytest.raises(UsageError, match="first_n is Surefoot's own"):
            slow.update(first_n=1)
        with pytest.raises(UsageError, match="fired is Surefoot's own"):
            assert slow.fired
        with pytest.raises(UsageError, match="invalid toxic type"):
            api.add("a toxic of their own")
        assert [one.name for one in api.toxics()] == ["latency_downstream"]


def test_a_server_of_ours_speaks_ipv6_to_the_upstream(faults: FaultProxy) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with Server(echo, host="::1") as server:
        api = faults.proxy("api", server.address)
        with connect(api.listen) as client:
            assert round_trip(client, b"x") == b"x"
