"""Faults of HTTP, below the real client: it reads a real answer and raises its own exception.

The clients' transports are patched while faults are about: httpx and httpx2 (``HTTPTransport``,
``AsyncHTTPTransport``) and requests (``HTTPAdapter``), and with them the SDKs that stand on them. A
library that is not loaded is not touched.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .fault import Fault
from .places import Place

if TYPE_CHECKING:
    from .injector import Injector

__all__ = ["CLIENTS", "HTTP_FAULTS", "Exchange", "http_answer", "http_fault", "patched"]

CLIENTS = ("httpx", "httpx2", "requests")

HTTP_FAULTS = ("429", "500", "503", "reset", "truncate", "drop_answer")
"""What a chaos run does to each step that talks HTTP."""


@dataclass
class Exchange:
    """One request, and what is to be done about it. Faults set it; the patched transport does it."""

    request: str
    answer: tuple[int, Mapping[str, str], bytes] | None = None
    """Given instead of the server's; nothing is sent."""
    reset: bool = False
    """The connection is torn before anything is sent."""
    drop: bool = False
    """The request is sent and done, and its answer is lost."""
    keep: float = 1.0
    """The part of the body that arrives before the connection breaks off."""
    delay: float = 0.0
    """Seconds before anything is sent."""
    sleeps: list[Callable[[float], Any]] = field(default_factory=list)


@dataclass(frozen=True)
class _Http:
    """Sets what is to be done about an exchange."""

    words: str
    change: Mapping[str, Any]

    def act(self, place: Place, value: Any) -> Any:
        if isinstance(value, Exchange):
            for name, wanted in self.change.items():
                setattr(value, name, wanted)
        return value


def http_answer(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> Fault:
    """The server answers so, and never got the request.

    :param body: bytes, a text, or data for JSON; None: an error as most APIs word it.
    :raises UsageError: no status of HTTP.

    >>> http_answer(429, headers={"retry-after": "2"}).name
    'HTTP 429'
    """
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise UsageError(f"{status!r} is no HTTP status: give 100 to 599")
    if body is None:
        body = {"error": {"message": f"injected by surefoot chaos: {status}", "type": "injected"}}
    data = body if isinstance(body, bytes) else str(body).encode()
    kind = "text/plain"
    if not isinstance(body, (bytes, str)):
        data, kind = json.dumps(body).encode(), "application/json"
    given = {"content-type": kind, "content-length": str(len(data)), **(headers or {})}
    if status == 429 and headers is None:
        given["retry-after"] = "1"
    return _made(f"{status}", {"answer": (status, given, data)})


def http_fault(value: str) -> Fault:
    """A fault by its word: a status, ``reset`` (before anything is sent), ``drop_answer`` (it is done,
    and the answer is lost), ``truncate`` (half of the body arrives), ``latency:SECONDS``.

    :raises UsageError: another word.

    >>> http_fault("drop_answer").seam
    'http'
    """
    word, _, number = value.partition(":")
    if value.isdigit():
        return http_answer(int(value))
    if value == "reset":
        return _made(value, {"reset": True})
    if value == "drop_answer":
        return _made(value, {"drop": True})
    if value == "truncate":
        return _made(value, {"keep": 0.5})
    if word == "latency":
        try:
            return _made(value, {"delay": float(number)})
        except ValueError:
            pass
    raise UsageError(
        f"{value!r} is no fault of HTTP: give a status, reset, drop_answer, truncate or latency:SECONDS"
    )


def _made(word: str, change: Mapping[str, Any]) -> Fault:
    return Fault(f"HTTP {word}", _Http(f"HTTP {word}", change), seam="http")


# -- the clients ----------------------------------------------------------------------------------


@contextmanager
def patched(injector: Injector, sleep: Callable[[float], Any] | None = None) -> Iterator[None]:
    """Have every request of the loaded clients pass the injector, for the length of a ``with`` block.

    :param sleep: what a latency waits with; None waits for real.
    """
    from ..clock import SystemClock

    wait = sleep if sleep is not None else SystemClock().sleep
    undo: list[tuple[Any, str, Any]] = []

    def put(owner: Any, name: str, made: Any) -> None:
        undo.append((owner, name, owner.__dict__[name]))
        setattr(owner, name, made)

    for name in ("httpx", "httpx2"):
        module = sys.modules.get(name)
        if module is not None:
            put(module.HTTPTransport, "handle_request", _sync(module, injector, wait))
            put(module.AsyncHTTPTransport, "handle_async_request", _async(module, injector, wait))
    requests = sys.modules.get("requests")
    if requests is not None:
        put(requests.adapters.HTTPAdapter, "send", _requests(requests, injector, wait))
    try:
        yield
    finally:
        for owner, name, before in reversed(undo):
            setattr(owner, name, before)


def _exchange(injector: Injector, method: Any, url: Any) -> Exchange:
    words = f"{method} {url}"
    made = Exchange(words)
    injector.at(injector.place("http", words), made)
    return made


def _late(exchange: Exchange, limit: float | None, wait: Callable[[float], Any]) -> bool:
    """Wait as long as the client would. :returns: whether it has given up by then."""
    if exchange.delay <= 0:
        return False
    if limit is not None and exchange.delay > limit:
        wait(limit)
        return True
    wait(exchange.delay)
    return False


def _sync(httpx: Any, injector: Injector, wait: Callable[[float], Any]) -> Any:
    inner = httpx.HTTPTransport.handle_request

    def handle_request(self: Any, request: Any) -> Any:
        exchange = _exchange(injector, request.method, request.url)
        if _late(exchange, _read_limit(request), wait):
            raise httpx.ReadTimeout("timed out", request=request)
        _before(httpx, exchange, request)
        if exchange.answer is not None:
            return _answer(httpx, exchange.answer)
        response = inner(self, request)
        if exchange.drop:
            response.read()
            response.close()
            raise _dropped(httpx, request)
        if exchange.keep < 1:
            body = response.read()
            return _cut(httpx, response, body, exchange.keep, request)
        return response

    return handle_request


def _async(httpx: Any, injector: Injector, wait: Callable[[float], Any]) -> Any:
    inner: Callable[..., Awaitable[Any]] = httpx.AsyncHTTPTransport.handle_async_request

    async def handle_async_request(self: Any, request: Any) -> Any:
        exchange = _exchange(injector, request.method, request.url)
        if _late(exchange, _read_limit(request), wait):
            raise httpx.ReadTimeout("timed out", request=request)
        _before(httpx, exchange, request)
        if exchange.answer is not None:
            return _answer(httpx, exchange.answer)
        response = await inner(self, request)
        if exchange.drop:
            await response.aread()
            await response.aclose()
            raise _dropped(httpx, request)
        if exchange.keep < 1:
            body = await response.aread()
            return _cut(httpx, response, body, exchange.keep, request)
        return response

    return handle_async_request


def _read_limit(request: Any) -> float | None:
    found = request.extensions.get("timeout", {}).get("read")
    return float(found) if found is not None else None


def _before(httpx: Any, exchange: Exchange, request: Any) -> None:
    if exchange.reset:
        raise httpx.ConnectError("[Errno 104] Connection reset by peer", request=request)


def _dropped(httpx: Any, request: Any) -> Exception:
    made: Exception = httpx.RemoteProtocolError(
        "Server disconnected without sending a response.", request=request
    )
    return made


def _answer(httpx: Any, answer: tuple[int, Mapping[str, str], bytes]) -> Any:
    status, headers, body = answer
    return httpx.Response(status, headers=dict(headers), content=body)


def _cut(httpx: Any, response: Any, body: bytes, keep: float, request: Any) -> Any:
    """The answer as it was, with a body that breaks off: httpx raises when it is read."""
    part = body[: int(len(body) * keep)]
    error = httpx.RemoteProtocolError(
        "peer closed connection without sending complete message body "
        f"(received {len(part)} bytes, expected {len(body)})",
        request=request,
    )

    class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            yield part
            raise error

        async def __aiter__(self) -> Any:
            yield part
            raise error

    # read already, and so decoded: what is passed on is plain
    headers = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
    ]
    headers.append(("content-length", str(len(body))))
    return httpx.Response(response.status_code, headers=headers, stream=Broken())


def _requests(requests: Any, injector: Injector, wait: Callable[[float], Any]) -> Any:
    inner = requests.adapters.HTTPAdapter.send

    def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _exchange(injector, request.method, request.url)
        if _late(exchange, _limit_of(kwargs.get("timeout")), wait):
            raise requests.exceptions.ReadTimeout("Read timed out.", request=request)
        if exchange.reset:
            error = ConnectionResetError(104, "Connection reset by peer")
            raise requests.exceptions.ConnectionError(
                f"('Connection aborted.', {error!r})", request=request
            ) from error
        if exchange.answer is not None:
            status, headers, body = exchange.answer
            return self.build_response(request, _raw(status, headers, body, len(body)))
        response = inner(self, request, *args, **kwargs)
        if exchange.drop:
            response.content  # noqa: B018  the server has done it all
            response.close()
            raise requests.exceptions.ConnectionError(
                "('Connection aborted.', RemoteDisconnected('Remote end closed connection without "
                "response'))",
                request=request,
            )
        if exchange.keep < 1:
            body = response.content
            headers = {
                name: value
                for name, value in response.headers.items()
                if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
            }
            headers["content-length"] = str(len(body))
            part = body[: int(len(body) * exchange.keep)]
            return self.build_response(
                request, _raw(response.status_code, headers, part, len(body))
            )
        return response

    return send


def _limit_of(timeout: Any) -> float | None:
    """requests takes a number, or a pair for connecting and reading."""
    found = timeout[1] if isinstance(timeout, tuple) else timeout
    return float(found) if isinstance(found, (int, float)) else None


def _raw(status: int, headers: Mapping[str, str], body: bytes, length: int) -> Any:
    """An answer as urllib3 reads it off the wire: it notices by itself that a body is too short."""
    import http.client
    import io

    import urllib3

    return urllib3.HTTPResponse(
        body=io.BytesIO(body),
        headers={**headers, "content-length": str(length)},
        status=status,
        reason=http.client.responses.get(status, ""),
        preload_content=False,
        enforce_content_length=True,
        request_method="GET",
    )
