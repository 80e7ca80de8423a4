"""Real servers on loopback, and what a plain socket sees of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType

SECONDS = 20.0
"""No wait of these tests is longer: only a hang gets there."""

Handler = Callable[[socket.socket], None]


class Server:
    """Calls ``handler`` for each connection, in a thread of its own, and closes it afterwards."""

    def __init__(self, handler: Handler, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=1024)
        self._handler = handler
        self._open: set[socket.socket] = set()
        self.connections = 0
        name = self._listener.getsockname()
        self.address = f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Server:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(SECONDS)
        self._listener.close()
        for one in list(self._open):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other side was quicker
        for thread in self._threads[1:]:
            thread.join(SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._handler(connection)
        except OSError:
            pass  # the proxy tore it
        finally:
            self._open.discard(connection)
            connection.close()


def echo(connection: socket.socket) -> None:
    """Give back what comes, until its end."""
    while data := connection.recv(65536):
        connection.sendall(data)


def says(data: bytes) -> Handler:
    """A server that sends ``data`` at once, and closes when the client has."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(data)
        while connection.recv(65536):
            pass

    return serve


def http(body: bytes = b"from upstream") -> Handler:
    """A server that answers each request of a kept connection."""

    def serve(connection: socket.socket) -> None:
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            head, _, data = data.partition(b"\r\n\r\n")
            length = 0
            for line in head.split(b"\r\n"):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            while len(data) < length:
                data += connection.recv(65536)
            data = data[length:]
            size = str(len(body)).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: " + size + b"\r\n\r\n" + body)

    return serve


def connect(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS)


def read_all(connection: socket.socket) -> bytes:
    """All bytes up to the end of the stream.

    :raises ConnectionResetError: it was torn.
    """
    parts = []
    while data := connection.recv(65536):
        parts.append(data)
    return b"".join(parts)


def read_exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        assert more, f"the stream ended after {len(data)} of {size} bytes: {data!r}"
        data += more
    return data


def round_trip(connection: socket.socket, data: bytes) -> bytes:
    """What an echo server gives back."""
    connection.sendall(data)
    return read_exactly(connection, len(data))
