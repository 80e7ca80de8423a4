"""``http_status``: answers an HTTP/1 request in the server's place."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from ...clock import Chance
from .stages import Bytes, Stage, Way

__all__ = ["HttpStatusStage", "RequestReader", "answer"]

REQUEST = re.compile(rb"[A-Z]+ \S+ HTTP/1\.[01]\r\n")
START = re.compile(rb"[A-Z]+( \S*( [HTP/1.0]*\r?)?)?")
"""A request line, and what may yet become one: an SMTP client's ``QUIT`` must not wait for more."""
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)
EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)
HEAD_LIMIT = 64 * 1024


def answer(status: int, body: str) -> bytes:
    """A whole response that closes its connection.

    >>> print(answer(503, '{"error": "later"}').decode().replace("\\r", ""))
    HTTP/1.1 503 Service Unavailable
    Content-Type: application/json
    Content-Length: 18
    Connection: close
    <BLANKLINE>
    {"error": "later"}
    """
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Injected"
    try:
        json.loads(body)
        kind = "application/json"
    except ValueError:
        kind = "text/plain; charset=utf-8"
    raw = body.encode()
    return (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(raw)}\r\nConnection: close\r\n\r\n"
    ).encode() + raw


class RequestReader:
    """Takes a stream's bytes and tells when one request is complete.

    Whoever answers earlier resets the connection under a client that still sends.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self._head = -1
        self._body = 0
        self._chunked = False

    def add(self, data: Bytes) -> bool | None:
        """True: the request is complete; False: it is not yet; None: this is no request."""
        self.data += data
        if self._head < 0:
            if not REQUEST.match(self.data) and not START.fullmatch(self.data):
                return None
            end = self.data.find(b"\r\n\r\n")
            if end < 0:
                return None if len(self.data) > HEAD_LIMIT else False
            self._head = end + 4
            head = bytes(self.data[: end + 2])
            self._chunked = CHUNKED.search(head) is not None
            length = LENGTH.search(head)
            if EXPECT.search(head):
                return True  # the client waits for us, and then sends no body
            self._body = int(length.group(1)) if length else 0
        if self._chunked:
            # ours to recognise the end, not to read: the last chunk has the size 0
            tail = self.data[max(self._head - 2, 0) :]
            return b"\r\n0\r\n" in tail and tail.endswith(b"\r\n\r\n")
        return len(self.data) >= self._head + self._body


class HttpStatusStage(Stage):
    """Collects a request, answers it and closes; what is no HTTP/1 request passes.

    Each answer ends its connection, so that ``first_n`` connections are as many requests.
    """

    def __init__(self, attributes: Mapping[str, Any], way: Way, chance: Chance) -> None:
        super().__init__(attributes, way, chance)
        self._reader = RequestReader()

    def feed(self, data: Bytes) -> None:
        if self.over:
            return
        complete = self._reader.add(data)
        if complete is None or self.way.spent(self):
            return self._pass()
        # What is collected does not count as held: a long body must be read to its end, else the
        # client never looks up for an answer.
        if not complete:
            return
        if not self._fire():
            return self._pass()
        self.over = True
        self.way.answer(answer(self.attributes["status"], self.attributes["body"]))

    def _pass(self) -> None:
        data, self._reader = bytes(self._reader.data), RequestReader()
        if data:
            self.next.feed(data)

    def end(self) -> None:
        if not self.over:
            self._pass()
            self.over = True
            self.next.end()

    def release(self) -> None:
        if not self.over:
            self._pass()
