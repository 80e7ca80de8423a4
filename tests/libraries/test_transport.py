"""The clients of HTTP, WebSockets and SSH, and the libraries that retry, as they really fail."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from surefoot.catalog.examples import build
from tests.libraries.clients.transport import CALLS
from tests.libraries.talk import certificate, in_a_child, says, talking
from tests.rules.clients import CLIENTS, PATIENCE, call
from tests.rules.conftest import Judge
from tests.rules.servers import Answer, closed_port, misbehaving, serving

HTTP = ("aiohttp", "httpx2", "httpx2-async", "urllib")
KNOWN_ELSEWHERE = ("httpx", "requests")  # tests/rules has their broken connections


def failure(client: str, url: str, timeout: float = PATIENCE) -> BaseException:
    with pytest.raises(Exception) as raised:
        if client in CALLS:
            CALLS[client](url, False, timeout)
        else:
            assert client in CLIENTS
            call(client, url, timeout=timeout)
    return raised.value


# --- any status, by any client

OPEN, REFUSED = "open", "refused"
# status: kind, retryable, outcome. RFC 9110; RFC 6585; RFC 8470 (425); Cloudflare's 520 to 530;
# nginx's 499; Anthropic's 529. Refused is what was turned down before it was acted on.
STATUSES: dict[int, tuple[str, bool, str]] = {
    400: ("invalid_request", False, REFUSED),
    401: ("auth", False, REFUSED),
    402: ("quota_exhausted", False, REFUSED),
    403: ("permission", False, REFUSED),
    404: ("not_found", False, REFUSED),
    405: ("invalid_request", False, REFUSED),
    406: ("invalid_request", False, REFUSED),
    407: ("auth", False, REFUSED),
    408: ("timeout", True, OPEN),
    409: ("conflict", True, OPEN),
    410: ("not_found", False, REFUSED),
    411: ("invalid_request", False, REFUSED),
    412: ("conflict", False, REFUSED),
    413: ("payload_too_large", False, REFUSED),
    414: ("invalid_request", False, REFUSED),
    415: ("invalid_request", False, REFUSED),
    416: ("invalid_request", False, REFUSED),
    418: ("invalid_request", False, REFUSED),
    421: ("connection", True, REFUSED),
    422: ("invalid_request", False, REFUSED),
    423: ("db_locked", True, REFUSED),
    424: ("dependency_failed", True, OPEN),
    425: ("connection", True, REFUSED),
    428: ("invalid_request", False, REFUSED),
    429: ("rate_limited", True, REFUSED),
    431: ("invalid_request", False, REFUSED),
    451: ("permission", False, REFUSED),
    498: ("auth", False, REFUSED),
    499: ("connection", True, OPEN),
    500: ("server_error", True, OPEN),
    501: ("invalid_request", False, REFUSED),
    502: ("server_error", True, OPEN),
    503: ("overloaded", True, OPEN),
    504: ("timeout", True, OPEN),
    505: ("invalid_request", False, REFUSED),
    507: ("disk_full", False, OPEN),
    511: ("permission", False, REFUSED),
    520: ("server_error", True, OPEN),
    521: ("connection", True, REFUSED),
    522: ("connection", True, OPEN),
    523: ("connection", True, REFUSED),
    524: ("timeout", True, OPEN),
    525: ("tls", False, REFUSED),
    526: ("tls", False, REFUSED),
    527: ("server_error", True, OPEN),
    529: ("overloaded", True, OPEN),
    530: ("dependency_failed", True, OPEN),
}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Callable[[Answer], None]]]:
    with serving() as served:
        yield served


@pytest.mark.parametrize("client", [*HTTP, *KNOWN_ELSEWHERE])
@pytest.mark.parametrize("status", STATUSES)
def test_a_status_means_the_same_whoever_asked(
    client: str, status: int, server: tuple[str, Callable[[Answer], None]], judge: Judge
) -> None:
    url, answer = server
    answer(Answer(status, b"", {"Content-Type": "text/plain"}))
    kind, retryable, outcome = STATUSES[status]
    judge(failure(client, url), kind, retryable=retryable, outcome=outcome)


@pytest.mark.parametrize("status", [401, 404, 429, 503])
def test_a_page_in_place_of_json_is_judged_by_its_status(
    status: int, server: tuple[str, Callable[[Answer], None]], judge: Judge
) -> None:
    """Somebody forgot raise_for_status: aiohttp complains about the type of the body."""
    import aiohttp

    async def ask() -> Any:
        async with aiohttp.ClientSession() as session, session.get(server[0]) as response:
            return await response.json()

    server[1](Answer(status, b"<html></html>", {"Content-Type": "text/html"}))
    with pytest.raises(aiohttp.ContentTypeError) as raised:
        asyncio.run(ask())
    kind, retryable, outcome = STATUSES[status]
    judge(raised.value, kind, retryable=retryable, outcome=outcome)


def test_what_a_server_of_aiohttp_raises_is_judged_by_its_status(judge: Judge) -> None:
    from aiohttp import web

    judge(web.HTTPNotFound(), "not_found", retryable=False)
    judge(web.HTTPServiceUnavailable(), "overloaded", retryable=True)
    judge(web.HTTPUnauthorized(), "auth", retryable=False)


def test_githubs_limit_stands_in_the_status_line_too(judge: Judge) -> None:
    raw = b"HTTP/1.1 403 rate limit exceeded\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with talking(says(raw)) as (host, port):
        exc = failure("urllib", f"http://{host}:{port}")
    judge(exc, "rate_limited", retryable=True, outcome="refused")


@pytest.mark.parametrize("client", ["requests", "httpx", "httpx2", "aiohttp"])
@pytest.mark.parametrize("header", ["x-ratelimit-remaining: 0", "Retry-After: 60"])
def test_a_403_that_says_when_it_ends_is_a_limit(client: str, header: str, judge: Judge) -> None:
    raw = f"HTTP/1.1 403 Forbidden\r\n{header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with talking(says(raw.encode())) as (host, port):
        exc = failure(client, f"http://{host}:{port}")
    judge(exc, "rate_limited", retryable=True, outcome="refused")


@pytest.mark.parametrize(("status", "retryable"), [(428, False), (501, False), (423, True)])
def test_retries_spent_on_a_status_that_stays_are_not_made_again(
    status: int, retryable: bool, server: tuple[str, Callable[[Answer], None]], judge: Judge
) -> None:
    import requests
    import urllib3
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    server[1](Answer(status, b""))
    retry = Retry(total=1, status_forcelist=[status], backoff_factor=0)
    kind = "server_error" if retryable else "invalid_request"
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retry))
        with pytest.raises(requests.exceptions.RetryError) as raised:
            session.get(server[0])
    judge(raised.value, kind, retryable=retryable)
    with urllib3.PoolManager(retries=retry) as pool:
        with pytest.raises(urllib3.exceptions.MaxRetryError) as spent:
            pool.request("GET", server[0])
    judge(spent.value, kind, retryable=retryable)


# --- connections that break


@pytest.mark.parametrize("client", [*HTTP, "websockets"])
def test_a_refused_connection_is_surely_not_done(client: str, judge: Judge) -> None:
    exc = failure(client, f"http://127.0.0.1:{closed_port()}")
    judge(exc, "connection", retryable=True, outcome="refused")


@pytest.mark.parametrize("client", [*HTTP, "websockets"])
def test_a_name_that_is_not_resolved_is_dns(client: str, judge: Judge) -> None:
    judge(failure(client, "http://nothing.invalid"), "dns", retryable=True, outcome="refused")


@pytest.mark.parametrize("client", [*HTTP, "websockets"])
def test_a_certificate_that_is_not_trusted_is_no_matter_of_trying_again(
    client: str, judge: Judge
) -> None:
    with misbehaving("untrusted") as url:
        judge(failure(client, url), "tls", retryable=False, outcome="refused")


@pytest.mark.parametrize("client", HTTP)
def test_a_connection_cut_during_the_tls_handshake_is_worth_another_try(
    client: str, judge: Judge
) -> None:
    with misbehaving("close") as url:
        exc = failure(client, url.replace("http:", "https:"))
    # the standard library does not say that it was the handshake
    judge(exc, "connection", retryable=True, outcome="open" if client == "urllib" else "refused")


@pytest.mark.parametrize("client", HTTP)
def test_no_tls_where_tls_is_expected_is_no_matter_of_trying_again(
    client: str, judge: Judge
) -> None:
    with misbehaving("not_http") as url:
        exc = failure(client, url.replace("http:", "https:"))
    kind = "misconfiguration" if client == "urllib" else "tls"
    judge(exc, kind, retryable=False, outcome="refused")


@pytest.mark.parametrize("client", HTTP)
@pytest.mark.parametrize("how", ["reset", "close", "chunks", "truncated", "not_http"])
def test_a_connection_that_breaks_after_the_request_leaves_it_open(
    client: str, how: str, judge: Judge
) -> None:
    with misbehaving(how) as url:
        judge(failure(client, url), "connection", retryable=True, outcome="open")


@pytest.mark.parametrize("client", HTTP)
def test_an_answer_that_does_not_come_leaves_it_open(client: str, judge: Judge) -> None:
    with misbehaving("hang") as url:
        judge(failure(client, url, timeout=0.3), "timeout", retryable=True, outcome="open")


@pytest.mark.parametrize("client", ["aiohttp", "httpx2", "httpx2-async"])
def test_an_answer_that_cannot_be_decompressed_is_the_servers_fault(
    client: str, judge: Judge
) -> None:
    with misbehaving("bad_gzip") as url:
        judge(failure(client, url), "server_error", retryable=True, outcome="open")


@pytest.mark.parametrize("how", ["close", "not_http"])
def test_a_handshake_that_is_cut_off_has_done_nothing(how: str, judge: Judge) -> None:
    with misbehaving(how) as url:
        judge(failure("websockets", url), "connection", retryable=True, outcome="refused")


def test_a_handshake_that_does_not_come_is_a_timeout(judge: Judge) -> None:
    with misbehaving("hang") as url:
        judge(failure("websockets", url, timeout=0.3), "timeout", retryable=True)


@pytest.mark.parametrize("client", ["aiohttp", "httpx", "httpx2", "urllib"])
def test_a_header_without_end_is_as_long_the_next_time(client: str, judge: Judge) -> None:
    raw = b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\nContent-Length: 2\r\n\r\n{}"
    with talking(says(raw)) as (host, port):
        exc = failure(client, f"http://{host}:{port}")
    judge(exc, "payload_too_large", retryable=False)


@pytest.mark.parametrize("client", ["httpx", "httpx2", "requests", "aiohttp"])
def test_no_file_descriptor_for_a_socket_is_our_own_lack(client: str, judge: Judge) -> None:
    exc = in_a_child(
        f"""
        import asyncio, os, resource
        import aiohttp, encodings.idna, httpx, httpx2, requests
        held = []
        def hold():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            try:
                while True:
                    held.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                pass
        def undo():
            while held:
                os.close(held.pop())
        async def ask():
            async with aiohttp.ClientSession() as session:
                hold()
                await session.get("http://127.0.0.1:9")
        makes = {{"httpx": httpx.Client, "httpx2": httpx2.Client, "requests": requests.Session}}
        if {client!r} == "aiohttp":
            asyncio.run(ask())
        else:
            client = makes[{client!r}]()
            hold()
            client.get("http://127.0.0.1:9")
        """
    )
    outcome = "open" if type(exc) is OSError else "refused"
    judge(exc, "fd_exhausted", retryable=True, outcome=outcome)
    assert type(exc).__module__.split(".")[0] == client


# --- aiohttp


def _with_aiohttp(use: Callable[[Any], Any], **options: Any) -> BaseException:
    import aiohttp

    async def run() -> None:
        async with aiohttp.ClientSession(**options) as session:
            await use(session)

    with pytest.raises(Exception) as raised:
        asyncio.run(run())
    return raised.value


def test_a_session_without_a_free_connection_never_sent_the_request(judge: Judge) -> None:
    import aiohttp

    limit = aiohttp.ClientTimeout(total=5, connect=0.05)

    async def use(session: Any) -> None:
        held = asyncio.ensure_future(session.get(url, timeout=aiohttp.ClientTimeout(total=2)))
        await asyncio.sleep(0.2)
        try:
            await session.get(url, timeout=limit)
        finally:
            held.cancel()

    async def run() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            await use(session)

    with misbehaving("hang") as url, pytest.raises(aiohttp.ConnectionTimeoutError) as raised:
        asyncio.run(run())
    judge(raised.value, "timeout", retryable=True, outcome="refused")


def test_a_limit_for_the_whole_request_leaves_it_open(judge: Judge) -> None:
    import aiohttp

    with misbehaving("hang") as url:
        exc = _with_aiohttp(lambda s: s.get(url, timeout=aiohttp.ClientTimeout(total=0.2)))
    judge(exc, "timeout", retryable=True, outcome="open")


def test_a_session_that_is_closed_stays_closed(judge: Judge) -> None:
    import httpx
    import httpx2

    async def use(session: Any) -> None:
        await session.close()
        await session.get("http://127.0.0.1:9")

    judge(_with_aiohttp(use), "bug", retryable=False)

    async def use_connector(session: Any) -> None:
        await session.connector.close()
        await session.get("http://127.0.0.1:9")

    judge(_with_aiohttp(use_connector), "bug", retryable=False, outcome="refused")
    for client in (httpx.Client(), httpx2.Client()):
        client.close()
        with pytest.raises(RuntimeError) as raised:
            client.get("http://127.0.0.1:9")
        judge(raised.value, "bug", retryable=False)


@pytest.mark.parametrize("url", ["http://", "example", "ftp://example.com", "x:y"])
def test_an_address_that_is_none_is_a_wrong_setting(url: str, judge: Judge) -> None:
    exc = _with_aiohttp(lambda session: session.get(url))
    judge(exc, "misconfiguration", retryable=False, outcome="refused")


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        ("407 Proxy Authentication Required", "auth", False),
        ("403 Forbidden", "permission", False),
        ("405 Method Not Allowed", "misconfiguration", False),
        ("502 Bad Gateway", "connection", True),
    ],
)
@pytest.mark.parametrize("client", ["aiohttp", "websockets", "httpx2", "requests", "urllib"])
def test_a_proxy_that_refuses_has_passed_nothing_on(
    client: str, status: str, kind: str, retryable: bool, judge: Judge
) -> None:
    import urllib.request

    import httpx2
    import requests
    from websockets.sync.client import connect

    raw = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    with talking(says(raw)) as (host, port):
        proxy = f"http://{host}:{port}"
        if client == "aiohttp":
            exc = _with_aiohttp(lambda session: session.get("https://x.invalid", proxy=proxy))
        else:
            with pytest.raises(Exception) as raised:
                if client == "websockets":
                    connect("wss://x.invalid", proxy=proxy)
                elif client == "httpx2":
                    httpx2.get("https://x.invalid", proxy=proxy)
                elif client == "requests":
                    requests.get("https://x.invalid", proxies={"https": proxy})
                else:
                    through = urllib.request.ProxyHandler({"https": proxy})
                    urllib.request.build_opener(through).open("https://x.invalid")
            exc = raised.value
    judge(exc, kind, retryable=retryable, outcome="refused")


def test_a_certificate_with_another_fingerprint_is_not_trusted(judge: Judge) -> None:
    import aiohttp

    async def use(session: Any) -> None:
        try:
            await session.get(f"https://{host}:{port}", ssl=aiohttp.Fingerprint(b"0" * 32))
        finally:
            await asyncio.sleep(0.5)  # TLS takes its leave

    context, _ = certificate("127.0.0.1")
    with talking(lambda client: client.recv(1), context) as (host, port):
        exc = _with_aiohttp(use)
    judge(exc, "tls", retryable=False, outcome="refused")


def test_no_socket_file_is_a_connection_that_was_not_made(tmp_path: Path, judge: Judge) -> None:
    import aiohttp

    async def run() -> None:
        connector = aiohttp.UnixConnector(str(tmp_path / "no.sock"))
        async with aiohttp.ClientSession(connector=connector) as session:
            await session.get("http://x/")

    with pytest.raises(aiohttp.ClientConnectorError) as raised:
        asyncio.run(run())
    judge(raised.value, "connection", retryable=True, outcome="refused")


def test_a_line_of_a_stream_may_be_too_long(judge: Judge) -> None:
    body = b"data: " + b"x" * 2_000_000
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def use(session: Any) -> None:
        async with session.get(url) as response:
            async for _ in response.content:
                pass

    with talking(says(raw)) as (host, port):
        url = f"http://{host}:{port}"
        exc = _with_aiohttp(use)
    judge(exc, "payload_too_large", retryable=False)


# --- WebSockets


@contextmanager
def _chatting(talk: Callable[[Any], None]) -> Iterator[str]:
    """The address of a real WebSocket server, of which ``talk`` gets each connection."""
    from websockets.sync.server import serve

    with serve(talk, "127.0.0.1", 0, close_timeout=1) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
    thread.join(2)


def _closed(code: int, reason: str = "") -> BaseException:
    """What websockets raises when its server closes with ``code``."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    with _chatting(lambda connection: connection.close(code, reason)) as url:
        with connect(url, proxy=None) as connection, pytest.raises(ConnectionClosed) as raised:
            connection.recv(timeout=PATIENCE)
    return raised.value


@pytest.mark.parametrize(
    ("code", "reason", "kind", "retryable"),
    [
        (1000, "", "connection", True),
        (1001, "", "connection", True),
        (1002, "", "invalid_request", False),
        (1003, "", "invalid_request", False),
        (1007, "Request contains an invalid argument.", "invalid_request", False),
        (1007, "API key not valid. Please pass a valid API key.", "auth", False),
        (1008, "Operation is not implemented, or supported.", "invalid_request", False),
        (1008, "Unauthorized", "auth", False),
        (1009, "", "payload_too_large", False),
        (1011, "Internal error occurred.", "server_error", True),
        (1011, "The model is overloaded. Please try again later.", "overloaded", True),
        (1011, "RESOURCE_EXHAUSTED: Maximum concurrent se", "rate_limited", True),
        (1012, "", "connection", True),
        (1013, "", "overloaded", True),
        (1014, "", "server_error", True),
        (3000, "", "auth", False),
        (3003, "", "permission", False),
        (4001, "Not Authorized", "auth", False),
        (4002, "Insufficient funds", "quota_exhausted", False),
        (4008, "Session expired", "unknown", True),
    ],
)
def test_the_code_of_a_closed_connection_says_why(
    code: int, reason: str, kind: str, retryable: bool, judge: Judge
) -> None:
    judge(_closed(code, reason), kind, retryable=retryable, outcome="open")


def test_a_connection_that_is_gone_without_a_word_is_made_again(judge: Judge) -> None:
    from websockets.exceptions import ConnectionClosedError
    from websockets.sync.client import connect

    def talk(connection: Any) -> None:
        connection.socket.shutdown(socket.SHUT_RDWR)

    with _chatting(talk) as url, connect(url, proxy=None) as connection:
        with pytest.raises(ConnectionClosedError) as raised:
            connection.recv(timeout=PATIENCE)
    judge(raised.value, "connection", retryable=True, outcome="open")


def test_a_message_larger_than_we_take_is_as_large_the_next_time(judge: Judge) -> None:
    from websockets.exceptions import ConnectionClosedError
    from websockets.sync.client import connect

    with _chatting(lambda connection: connection.send("x" * 5000)) as url:
        with connect(url, proxy=None, max_size=1000) as connection:
            with pytest.raises(ConnectionClosedError) as raised:
                connection.recv(timeout=PATIENCE)
    judge(raised.value, "payload_too_large", retryable=False)


def test_two_who_receive_from_one_connection_are_a_bug(judge: Judge) -> None:
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConcurrencyError

    async def run() -> None:
        async with connect(url, proxy=None) as connection:
            await asyncio.gather(connection.recv(), connection.recv())

    with _chatting(lambda connection: time.sleep(0.3)) as url:
        with pytest.raises(ConcurrencyError) as raised:
            asyncio.run(run())
    judge(raised.value, "bug", retryable=False)


@pytest.mark.parametrize("url", ["http://x", "ws://", "ws://x/#part"])
def test_an_address_that_is_no_websocket_is_a_wrong_setting(url: str, judge: Judge) -> None:
    from websockets.sync.client import connect

    with pytest.raises(Exception) as raised:
        connect(url, proxy=None)
    judge(raised.value, "misconfiguration", retryable=False, outcome="refused")


def test_aiohttp_that_awaits_a_text_and_is_left_alone_connects_again(judge: Judge) -> None:
    async def use(session: Any) -> None:
        async with session.ws_connect(url) as connection:
            await connection.receive_str(timeout=PATIENCE)

    with _chatting(lambda connection: connection.close(1012)) as url:
        judge(_with_aiohttp(use), "connection", retryable=True)
    with _chatting(lambda connection: connection.send(b"bytes")) as url:
        judge(_with_aiohttp(use), "bug", retryable=False)


def test_a_message_larger_than_aiohttp_takes_is_as_large_the_next_time(judge: Judge) -> None:
    import aiohttp

    async def use(session: Any) -> None:
        async with session.ws_connect(url, max_msg_size=1000) as connection:
            message = await connection.receive(timeout=PATIENCE)
            assert message.type is aiohttp.WSMsgType.ERROR
            raise message.data

    with _chatting(lambda connection: connection.send("x" * 5000)) as url:
        judge(_with_aiohttp(use), "payload_too_large", retryable=False)


# --- SSH


@contextmanager
def _ssh(
    *, auth: int | None = None, channel: int | None = None, sftp: type | None = None
) -> Iterator[tuple[int, Any]]:
    """The port and the key of a real SSH server that answers so when it is asked."""
    import paramiko

    key = paramiko.ECDSAKey.generate()

    class Server(paramiko.ServerInterface):
        def get_allowed_auths(self, username: str) -> str:
            return "password"

        def check_auth_password(self, username: str, password: str) -> int:
            return paramiko.AUTH_SUCCESSFUL if auth is None else auth

        def check_channel_request(self, kind: str, chanid: int) -> int:
            return paramiko.OPEN_SUCCEEDED if channel is None else channel

    transports: list[Any] = []

    def talk(client: socket.socket) -> None:
        transport = paramiko.Transport(client)
        transports.append(transport)
        transport.add_server_key(key)
        if sftp is not None:
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, sftp)
        try:
            transport.start_server(server=Server())
        except paramiko.SSHException:
            return
        while transport.is_active():
            time.sleep(0.01)

    with talking(talk) as (_, port):
        try:
            yield port, key
        finally:
            for transport in transports:
                transport.close()


@contextmanager
def _ssh_client(port: int, **options: Any) -> Iterator[Any]:
    import paramiko

    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(options.pop("policy", None) or paramiko.AutoAddPolicy())
    for name, key in options.pop("known", {}).items():
        client.get_host_keys().add(name, key.get_name(), key)
    asked: dict[str, Any] = {"username": "u", "password": "p", "timeout": 5, "banner_timeout": 5}
    asked |= {"allow_agent": False, "look_for_keys": False} | options
    try:
        client.connect("127.0.0.1", port, **asked)
        yield client
    finally:
        client.close()


def _ssh_failure(port: int, **options: Any) -> BaseException:
    with pytest.raises(Exception) as raised, _ssh_client(port, **options):
        pass
    return raised.value


def test_an_ssh_server_that_is_not_there(judge: Judge) -> None:
    exc = _ssh_failure(closed_port())
    assert type(exc).__name__ == "NoValidConnectionsError"
    judge(exc, "connection", retryable=True, outcome="refused")


def test_an_ssh_server_that_goes_before_it_says_who_it_is(judge: Judge) -> None:
    with talking(lambda client: None) as (_, port):
        judge(_ssh_failure(port), "connection", retryable=True, outcome="refused")


def test_an_ssh_server_that_says_nothing(judge: Judge) -> None:
    with talking(lambda client: time.sleep(2)) as (_, port):
        exc = _ssh_failure(port, banner_timeout=0.2)
    judge(exc, "connection", retryable=True, outcome="refused")


def test_wrong_credentials_for_ssh(judge: Judge) -> None:
    import paramiko

    with _ssh(auth=paramiko.AUTH_FAILED) as (port, _):
        judge(_ssh_failure(port), "auth", retryable=False, outcome="refused")
        exc = _ssh_failure(port, password=None, pkey=paramiko.ECDSAKey.generate())
        assert type(exc).__name__ == "BadAuthenticationType"
        judge(exc, "auth", retryable=False, outcome="refused")
        exc = _ssh_failure(port, password=None)
        judge(exc, "auth", retryable=False, outcome="refused")


def test_an_ssh_server_that_is_another_one(judge: Judge) -> None:
    import paramiko

    with _ssh() as (port, _):
        name = f"[127.0.0.1]:{port}"
        exc = _ssh_failure(port, known={name: paramiko.ECDSAKey.generate()})
        assert isinstance(exc, paramiko.BadHostKeyException)
        judge(exc, "tls", retryable=False, outcome="refused")
        exc = _ssh_failure(port, policy=paramiko.RejectPolicy())
        judge(exc, "tls", retryable=False, outcome="refused")


def test_an_ssh_server_with_other_algorithms(judge: Judge) -> None:
    import paramiko

    with _ssh() as (port, _):
        exc = _ssh_failure(port, disabled_algorithms={"keys": ["ecdsa-sha2-nistp256"]})
    assert isinstance(exc, paramiko.ssh_exception.IncompatiblePeer)
    judge(exc, "tls", retryable=False, outcome="refused")


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (1, "permission", False),
        (2, "connection", True),
        (3, "invalid_request", False),
        (4, "resource_exhausted", True),
    ],
)
def test_a_channel_that_is_not_opened(code: int, kind: str, retryable: bool, judge: Judge) -> None:
    import paramiko

    with _ssh(channel=code) as (port, _), _ssh_client(port) as client:
        with pytest.raises(paramiko.ChannelException) as raised:
            client.exec_command("true")
    judge(raised.value, kind, retryable=retryable, outcome="refused")


def test_a_session_that_is_gone(judge: Judge) -> None:
    import paramiko

    with _ssh() as (port, _), _ssh_client(port) as client:
        client.get_transport().close()
        with pytest.raises(paramiko.SSHException) as raised:
            client.get_transport().open_session()
    judge(raised.value, "connection", retryable=True)


def test_files_of_sftp_are_missing_or_forbidden_like_any_other(judge: Judge) -> None:
    import paramiko

    class Files(paramiko.SFTPServerInterface):
        def stat(self, path: str) -> int:
            return {
                "/secret": paramiko.SFTP_PERMISSION_DENIED,
                "/odd": paramiko.SFTP_FAILURE,
            }.get(path, paramiko.SFTP_NO_SUCH_FILE)

    with _ssh(sftp=Files) as (port, _), _ssh_client(port) as client, client.open_sftp() as sftp:
        for path, kind, retryable in (
            ("/nothing", "not_found", False),
            ("/secret", "permission", False),
            ("/odd", "unknown", True),
        ):
            with pytest.raises(OSError) as raised:
                sftp.stat(path)
            judge(raised.value, kind, retryable=retryable)


def test_a_key_file_that_is_none_or_is_locked(tmp_path: Path, judge: Judge) -> None:
    import paramiko

    path = tmp_path / "key"
    path.write_text("this is no key\n")
    with pytest.raises(paramiko.SSHException) as raised:
        paramiko.ECDSAKey.from_private_key_file(str(path))
    judge(raised.value, "misconfiguration", retryable=False, outcome="refused")
    paramiko.ECDSAKey.generate().write_private_key_file(str(path), password="secret")
    with pytest.raises(paramiko.PasswordRequiredException) as locked:
        paramiko.ECDSAKey.from_private_key_file(str(path))
    judge(locked.value, "auth", retryable=False, outcome="refused")
    with pytest.raises(Exception) as wrong:
        paramiko.ECDSAKey.from_private_key_file(str(path), password="other")
    judge(wrong.value, "misconfiguration", retryable=False, outcome="refused")


# --- libraries that retry


def test_tenacity_is_taken_off_what_it_wraps(judge: Judge) -> None:
    import tenacity

    def tried(exc: BaseException) -> BaseException:
        @tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_none())
        def step() -> None:
            raise exc

        with pytest.raises(tenacity.RetryError) as raised:
            step()
        return raised.value

    found = judge(tried(TimeoutError("timed out")), "timeout", retryable=True)
    assert found.retries_spent == 2
    quota = build(
        {"type": "openai.RateLimitError", "bases": ["openai.APIError"], "status": 429}
        | {"attrs": {"code": "insufficient_quota"}, "message": "You exceeded your current quota"}
    )
    judge(tried(quota), "quota_exhausted", retryable=False)
    judge(tried(KeyError("x")), "bug", retryable=False)


def test_what_tenacity_uses_to_steer_is_no_failure(judge: Judge) -> None:
    import tenacity

    judge(tenacity.TryAgain(), "control_flow", retryable=False)


def test_stamina_lets_the_failure_itself_through(judge: Judge) -> None:
    import stamina

    @stamina.retry(on=ConnectionError, attempts=2, wait_initial=0, wait_max=0, wait_jitter=0)
    def step() -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    with pytest.raises(ConnectionResetError) as raised:
        step()
    judge(raised.value, "connection", retryable=True, outcome="open")


def test_redress_is_taken_off_what_it_wraps(judge: Judge) -> None:
    """Not installed here: a stand-in with the attributes of redress 1.4.2."""
    exc = build(
        {"type": "redress.errors.RetryExhaustedError", "attrs": {"attempts": 3}}
        | {"message": "Retry stopped: MAX_ATTEMPTS_GLOBAL"}
    )
    exc.last_exception = TimeoutError("timed out")  # type: ignore[attr-defined]
    assert judge(exc, "timeout", retryable=True).retries_spent == 2
    exc.last_exception = None  # type: ignore[attr-defined]
    judge(exc, "retries_exhausted", retryable=False)
