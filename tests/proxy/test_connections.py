"""Many connections, slow readers, and what is left of them."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterator
from typing import cast

import pytest

from surefoot.chaos.proxy import FaultProxy
from surefoot.chaos.proxy.server import FaultServer
from tests.proxy.conftest import Http
from tests.proxy.servers import SECONDS, Server, connect, read_exactly, round_trip

MANY = 1000


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Enough of them: here are both clients and servers, four to a connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * MANY + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine allows {hard} open files, and the test needs {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_connections_are_open_at_once(ask: Http, descriptors: None) -> None:
    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport = cast(asyncio.Transport, transport)

        def data_received(self, data: bytes) -> None:
            self._transport.write(data)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=4096)
        port = server.sockets[0].getsockname()[1]
        wanted = {"name": "many", "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{port}"}
        made = (await asyncio.to_thread(ask, "POST", "/proxies", wanted)).json
        host, _, listen = made["listen"].rpartition(":")
        opened = [await asyncio.open_connection(host, int(listen)) for _ in range(MANY)]
        for number, (_, writer) in enumerate(opened):
            writer.write(b"%d\n" % number)
        for number, (reader, _) in enumerate(opened):
            assert await reader.readline() == b"%d\n" % number
        toxic = {"type": "latency", "attributes": {"latency": 20}}
        await asyncio.to_thread(ask, "POST", "/proxies/many/toxics", toxic)
        for number, (_, writer) in enumerate(opened):
            writer.write(b"%d\n" % -number)
        for number, (reader, _) in enumerate(opened):
            assert await reader.readline() == b"%d\n" % -number
        for _, writer in opened:
            writer.close()
        for _, writer in opened:
            await writer.wait_closed()
        await asyncio.to_thread(ask, "DELETE", "/proxies/many")
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.extension
def test_a_reader_that_does_not_read_holds_the_sender_back(faults: FaultProxy) -> None:
    sent = 0

    def floods(connection: socket.socket) -> None:
        nonlocal sent
        connection.settimeout(0.5)
        try:
            while sent < 200_000_000:
                sent += connection.send(bytes(65536))
        except TimeoutError:
            pass
        connection.settimeout(SECONDS)
        connection.recv(1)

    with Server(floods) as server:
        for toxic in (None, {"type": "noop"}, {"type": "bandwidth", "rate": 1}):
            sent = 0
            proxy = faults.proxy(str(toxic), server.address)
            if toxic:
                proxy.add(**toxic)
            with connect(proxy.listen) as client:
                first = read_exactly(client, 10)
                assert first == bytes(10)
                client.sendall(b"x")  # lets the server end once it gave up
                while server._open:
                    pass
            assert sent < 100_000_000, f"{toxic}: {sent} bytes are somewhere in the proxy"


@pytest.mark.extension
def test_what_is_over_is_forgotten(faults: FaultProxy, upstream: Server) -> None:
    proxy = faults.proxy("api", upstream.address)
    proxy.add("latency", latency=1)
    for _ in range(20):
        with connect(proxy.listen) as client:
            assert round_trip(client, b"x") == b"x"
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""


@pytest.mark.extension
def test_no_connection_is_kept_after_its_end() -> None:
    async def main() -> int:
        server = FaultServer(port=0, seed=1)
        await server.start()
        assert server.api is not None
        done = asyncio.Event()

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.read(100))
            writer.close()
            done.set()

        upstream = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = upstream.sockets[0].getsockname()[1]
        told = [{"name": "p", "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{port}"}]
        (proxy,) = await server.api.populate(told)
        host, _, listen = proxy.listen.rpartition(":")
        for _ in range(5):
            reader, writer = await asyncio.open_connection(host, int(listen))
            writer.write(b"x")
            assert await reader.read() == b"x"
            writer.close()
            await writer.wait_closed()
        while proxy.open_connections:
            await asyncio.sleep(0.001)
        counted = proxy.bytes()
        upstream.close()
        await server.stop()
        return counted["downstream", "sent"]

    assert asyncio.run(asyncio.wait_for(main(), 20)) == 5
