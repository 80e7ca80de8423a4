"""As much of an HTTP/1.1 server as the API needs, on asyncio's streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

__all__ = ["Handler", "Request", "Response", "as_json", "serve", "text"]

IDLE = 60.0
"""Seconds that a kept connection may say nothing, as in Toxiproxy."""
BODY_LIMIT = 8 * 1024 * 1024
"""Bytes; a request that is longer is answered 413."""


@dataclass(frozen=True)
class Request:
    """``path`` is without the query; ``headers`` have lower-case names."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes = b""
    content_type: str = ""


Handler = Callable[[Request], Awaitable[Response]]


def as_json(value: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(value).encode(), "application/json")


def text(value: str, status: int) -> Response:
    return Response(status, value.encode(), "text/plain; charset=utf-8")


class _Refused(Exception):  # noqa: N818  an answer
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.response = text(reason + "\n", status)


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handler
) -> None:
    """Answer the requests of one connection until it ends."""
    try:
        while True:
            try:
                request = await asyncio.wait_for(_read(reader, writer), IDLE)
                response = await handle(request)
                keep = request.headers.get("connection", "").lower() != "close"
            except _Refused as refused:
                response, keep = refused.response, False
            writer.write(_encoded(response, keep))
            await writer.drain()
            if not keep:
                return
    except (
        asyncio.IncompleteReadError,
        asyncio.TimeoutError,  # another class than TimeoutError before 3.11
        ConnectionError,
    ):
        pass  # the client has gone, or said nothing for too long
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        raise _Refused(431, "the request's head is too long") from None
    line, *rest = head[:-4].split("\r\n")
    words = line.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise _Refused(400, "400 Bad Request")
    headers = {}
    for one in rest:
        name, _, value = one.partition(":")
        headers[name.strip().lower()] = value.strip()
    if words[2] == "HTTP/1.0":
        headers["connection"] = "close"
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await _body(reader, headers)
    return Request(words[0], words[1].partition("?")[0], headers, body)


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _chunked(reader)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise _Refused(400, "400 Bad Request: invalid Content-Length")
    if int(length) > BODY_LIMIT:
        raise _Refused(413, "the request's body is too long")
    return await reader.readexactly(int(length))


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    total = 0
    while True:
        line = (await reader.readuntil(b"\r\n")).split(b";")[0].strip()
        try:
            size = int(line, 16)
        except ValueError:
            raise _Refused(400, "400 Bad Request: invalid chunk") from None
        total += size
        if total > BODY_LIMIT:
            raise _Refused(413, "the request's body is too long")
        if size == 0:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass  # trailers
            return b"".join(parts)
        parts.append((await reader.readexactly(size + 2))[:-2])


def _encoded(response: Response, keep: bool) -> bytes:
    try:
        phrase = HTTPStatus(response.status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {response.status} {phrase}"]
    if response.content_type:
        lines.append(f"Content-Type: {response.content_type}")
    if response.status != 204:
        lines.append(f"Content-Length: {len(response.body)}")
    if not keep:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + response.body
