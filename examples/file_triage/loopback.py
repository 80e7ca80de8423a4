"""What the two servers of this example have in common: a process of their own on loopback.

A server prints one line, ``{"port": …}``, once it is ready, and ends when its standard input is
closed. So it never outlives the program that started it, not even one that was killed.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with kept connections, JSON answers, and a way to break off."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body in one packet: no waiting for a delayed ACK

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def answer(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        self.answer_bytes(status, json.dumps(value).encode(), headers)

    def answer_bytes(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """End the connection with a TCP reset, not with a polite goodbye."""
        self.close_connection = True
        linger_at_once = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_at_once)
        self.rfile.close()
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Nothing on the terminal: the servers keep records of their own."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away (or was killed) is nothing to report; anything else is."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handle_error(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        try:
            super().shutdown_request(request)
        except OSError:  # already reset
            pass


def serve_until_parent_ends(server: Server) -> None:
    """Announce the port, serve, and stop when standard input ends."""
    print(json.dumps({"port": server.server_address[1]}), flush=True)

    def watch() -> None:
        sys.stdin.buffer.read()
        server.shutdown()

    threading.Thread(target=watch, daemon=True).start()
    server.serve_forever(poll_interval=0.1)
    server.server_close()


class Records:
    """Lines of JSON in a file and in memory; each is in the file before :meth:`add` returns."""

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def add(self, **fields: Any) -> None:
        line = json.dumps({"at": time.time(), **fields})
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def close(self) -> None:
        with self._lock:
            self._file.close()


def read_records(path: Path) -> list[dict[str, Any]]:
    """What :class:`Records` wrote; an empty list if there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Service:
    """A server process as its starter sees it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.url + path, timeout=10) as response:
            found: dict[str, Any] = json.load(response)
        return found


@contextmanager
def service(module: str, *arguments: str) -> Iterator[Service]:
    """Run ``python -m module arguments…`` until the block ends.

    :raises RuntimeError: if it ends before it has announced its port.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path_of_children()},
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{module} did not start; its message is above")
        yield Service(process, json.loads(line)["port"])
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def path_of_children() -> str:
    """PYTHONPATH for child processes: this repository, then what was there before."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
