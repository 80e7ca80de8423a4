"""Real receivers on loopback: HTTP (a Slack-shaped webhook, Mattermost's, plain JSON) and SMTP."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hooks:
    """An HTTP server that keeps what it gets. ``answers`` are the statuses of the next requests (200
    where there is none); while ``hanging`` is set, it does not answer."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []
        self.answers: list[int] = []
        self.hanging = threading.Event()
        self._arrived = threading.Condition()
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hooks._keep(self.path, json.loads(body))
                while hooks.hanging.is_set() and not hooks._closed.wait(0.02):
                    pass
                status = hooks.answers.pop(0) if hooks.answers else 200
                try:
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(b"ok")
                except OSError:
                    return  # whoever sent it has gone

            def log_message(self, *args: Any) -> None:
                return

        self._closed = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def _keep(self, path: str, body: Any) -> None:
        with self._arrived:
            self.got.append((path, body))
            self._arrived.notify_all()

    def url(self, name: str = "in") -> str:
        """Of a sink that posts JSON with ``title`` and ``message``."""
        return f"json://127.0.0.1:{self.port}/{name}"

    def titles(self, name: str = "in") -> list[str]:
        return [body["title"] for path, body in self.got if path.strip("/") == name]

    def bodies(self, name: str = "in") -> list[str]:
        return [body["message"] for path, body in self.got if path.strip("/") == name]

    def wait_for(self, number: int, seconds: float = 30.0) -> None:
        """Until so many requests have come in all."""
        with self._arrived:
            came = self._arrived.wait_for(lambda: len(self.got) >= number, seconds)
        assert came, f"{len(self.got)} of {number} requests came: {self.got}"

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def hooks() -> Iterator[Hooks]:
    made = Hooks()
    try:
        yield made
    finally:
        made.close()


class Mailbox:
    """What an SMTP server got."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.port = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 taken"


@contextmanager
def smtp() -> Iterator[Mailbox]:
    """A real SMTP server."""
    from aiosmtpd.controller import Controller

    box = Mailbox()
    with socket.socket() as free:  # the controller cannot be told to choose a port
        free.bind(("127.0.0.1", 0))
        box.port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
