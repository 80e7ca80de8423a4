"""Loopback servers that answer as the providers document, or break off as networks do."""

from __future__ import annotations

import binascii
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

__all__ = ["Answer", "closed_port", "event_stream_error", "misbehaving", "serving"]


@dataclass(frozen=True)
class Answer:
    """One answer, as it goes over the wire."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    answer: Answer
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.server.answer
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_PUT = do_HEAD = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[tuple[str, Callable[[Answer], None]]]:
    """A server on 127.0.0.1: its address, and how to set its next answers."""
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()

    def answer(with_: Answer) -> None:
        server.answer = with_

    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", answer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _hang(client: socket.socket) -> None:
    client.settimeout(10)
    while client.recv(65_536):  # until the client gives up
        pass


def _reset(client: socket.socket) -> None:
    client.recv(1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _close(client: socket.socket) -> None:
    client.recv(65_536)


def _sends(raw: bytes) -> Callable[[socket.socket], None]:
    def behave(client: socket.socket) -> None:
        client.recv(65_536)
        client.sendall(raw)

    return behave


_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_BEHAVIOURS: Mapping[str, Callable[[socket.socket], None]] = {
    "hang": _hang,
    "reset": _reset,
    "close": _close,
    "truncated": _sends(_JSON + b'Content-Length: 1000\r\n\r\n{"a": '),
    "chunks": _sends(_JSON + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n'),
    "bad_gzip": _sends(_JSON + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"),
    "bad_json": _sends(_JSON + b'Content-Length: 6\r\n\r\n{"a": '),
    "page": _sends(_JSON + b"Content-Length: 6\r\n\r\n<html>"),
    "not_http": _sends(b"SSH-2.0-OpenSSH_9.0\r\n"),
    "untrusted": _close,
}


@contextmanager
def misbehaving(how: str) -> Iterator[str]:
    """The address of a server that takes a connection and then misbehaves."""
    context = None
    if how == "untrusted":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # an authority that nobody knows, made for this test
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    behave = _BEHAVIOURS[how]
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)

        def run() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:  # closed: the test is over
                    return
                with client:
                    try:
                        if context is not None:
                            with context.wrap_socket(client, server_side=True):
                                continue
                        behave(client)
                        time.sleep(0.01)  # what was sent arrives before the connection is gone
                    except OSError:
                        continue

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            scheme = "https" if context is not None else "http"
            yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(0.5)


def event_stream_error(code: str, body: bytes) -> bytes:
    """An exception in AWS's event-stream encoding."""
    headers = b""
    for name, value in (
        (":message-type", "exception"),
        (":exception-type", code),
        (":content-type", "application/json"),
    ):
        headers += bytes([len(name)]) + name.encode() + b"\x07"
        headers += struct.pack("!H", len(value)) + value.encode()
    total = 12 + len(headers) + len(body) + 4
    prelude = struct.pack("!II", total, len(headers))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + body
    return message + struct.pack("!I", binascii.crc32(message))
