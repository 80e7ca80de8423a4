"""The fault proxy: MB/s through an idle one, and what many open connections cost."""

from __future__ import annotations

import asyncio
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from surefoot.chaos.proxy import FaultProxy

from .report import Row

MEGABYTES = 400
CONNECTIONS = 1000
ROUNDS = 3


@contextmanager
def _sink() -> Iterator[tuple[str, int]]:
    """A server that counts what comes, and tells how much it was."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        buffer, total = bytearray(1 << 20), 0
        while size := connection.recv_into(buffer):
            total += size
        connection.sendall(b"%d" % total)
        connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def _rate(address: tuple[str, int]) -> float:
    """MB/s (a million bytes) of one connection; the median of some."""
    data, rates = bytes(1 << 18), []
    for _ in range(ROUNDS):
        with socket.create_connection(address) as connection:
            began = time.perf_counter()
            sent = 0
            while sent < MEGABYTES * 1_000_000:
                connection.sendall(data)
                sent += len(data)
            connection.shutdown(socket.SHUT_WR)
            arrived = int(connection.recv(100))
            rates.append(arrived / 1e6 / (time.perf_counter() - began))
            assert arrived == sent
    return statistics.median(rates)


async def _round_trips(address: tuple[str, int]) -> float:
    """Milliseconds for an echo on each of many open connections, one after the other written."""
    opened = [await asyncio.open_connection(*address) for _ in range(CONNECTIONS)]
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _, writer in opened:
            writer.write(b"x")
        for reader, _ in opened:
            assert await reader.readexactly(1) == b"x"
        times.append((time.perf_counter() - began) * 1e3)
    for _, writer in opened:
        writer.close()
    for _, writer in opened:
        await writer.wait_closed()
    return statistics.median(times)


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


async def _many(proxied: bool) -> float:
    server = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", 0, backlog=4096)
    host, port = server.sockets[0].getsockname()
    try:
        if not proxied:
            return await _round_trips((host, port))
        # in a process of its own: it may open as many files as it wants
        with await asyncio.to_thread(FaultProxy(process=True).__enter__) as faults:
            proxy = await asyncio.to_thread(faults.proxy, "many", f"{host}:{port}")
            return await _round_trips(proxy.address)
    finally:
        server.close()


def measure() -> list[Row]:
    with _sink() as address, FaultProxy(process=True) as faults:
        bare = _rate(address)
        proxy = faults.proxy("bench", f"{address[0]}:{address[1]}")
        idle = _rate(proxy.address)
        proxy.add("latency", stream="upstream", latency=1)
        delayed = _rate(proxy.address)
    direct, through = asyncio.run(_many(False)), asyncio.run(_many(True))
    return [
        Row(
            "the fault proxy, idle, one connection",
            idle, "MB/s", idle / bare, "without a proxy", bare, "≥ 200 MB/s", idle >= 200,
        ),
        Row(
            "the fault proxy with a latency of 1 ms",
            delayed, "MB/s", delayed / bare, "without a proxy", bare, "", True,
        ),
        Row(
            f"an echo on each of {CONNECTIONS:,} open connections",
            through, "ms", through / direct, "without a proxy", direct, "all open", True,
        ),
    ]  # fmt: skip
