"""Faults below the real HTTP clients: they read a real answer, and raise their own exceptions."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from surefoot import Runtime, classify, step, workflow
from surefoot.chaos import Injector, fail, http_answer, http_fault, nth
from surefoot.chaos.http import patched
from surefoot.clock import ManualClock
from surefoot.config import Config
from surefoot.errors import UsageError


class Server:
    """A real one on loopback; it counts what reaches it."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # noqa: N802
                outer.seen.append(self.path)
                body = json.dumps({"text": "x" * 1000}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def _httpx(url: str) -> Any:
    with httpx.Client(timeout=5) as client:
        return client.get(url).raise_for_status().json()


def _httpx_async(url: str) -> Any:
    async def get() -> Any:
        async with httpx.AsyncClient(timeout=5) as client:
            return (await client.get(url)).raise_for_status().json()

    return asyncio.run(get())


def _requests(url: str) -> Any:
    with requests.Session() as session:
        answer = session.get(url, timeout=5)
        answer.raise_for_status()
        return answer.json()


CLIENTS = [_httpx, _httpx_async, _requests]
Client = Callable[[str], Any]


@pytest.mark.parametrize("get", CLIENTS)
@pytest.mark.parametrize(
    ("word", "kind", "reaches"),
    [
        ("429", "rate_limited", 0),
        ("500", "server_error", 0),
        ("reset", "connection", 0),
        ("drop_answer", "connection", 1),
        ("truncate", "connection", 1),
        ("latency:30", "timeout", 0),
    ],
)
def test_each_client_fails_in_its_own_words(
    server: Server, get: Client, word: str, kind: str, reaches: int
) -> None:
    clock = ManualClock()
    injector = Injector([http_fault(word).at(script=fail(1))])
    with patched(injector, clock.sleep):
        with pytest.raises(Exception) as caught:
            get(server.url)
        assert classify(caught.value).kind == kind
        assert type(caught.value).__module__.split(".")[0] in ("httpx", "requests")
        assert len(server.seen) == reaches
        assert len(get(server.url)["text"]) == 1000  # fail(1): then it passes
    assert [one.fault for one in injector.fired()] == [f"HTTP {word}"]
    assert (injector.fired()[0].event or "").startswith("GET http://127.0.0.1")
    assert clock.sleeps == ([5] if word.startswith("latency") else [])


@pytest.mark.parametrize("get", CLIENTS)
def test_a_latency_that_the_client_bears_is_only_slow(server: Server, get: Client) -> None:
    clock = ManualClock()
    with patched(Injector([http_fault("latency:2")]), clock.sleep):
        assert len(get(server.url)["text"]) == 1000
    assert clock.sleeps == [2]


@pytest.mark.parametrize("get", CLIENTS)
def test_afterwards_nothing_is_patched(server: Server, get: Client) -> None:
    before = (
        httpx.HTTPTransport.handle_request,
        httpx.AsyncHTTPTransport.handle_async_request,
        requests.adapters.HTTPAdapter.send,
    )
    with pytest.raises(KeyError), patched(Injector([http_fault("500")])):
        raise KeyError
    assert before == (
        httpx.HTTPTransport.handle_request,
        httpx.AsyncHTTPTransport.handle_async_request,
        requests.adapters.HTTPAdapter.send,
    )
    assert len(get(server.url)["text"]) == 1000


def test_it_can_be_aimed_at_one_address(server: Server) -> None:
    fault = http_fault("500").at(event=f"GET {server.url}/bad")
    injector = Injector([fault])
    with patched(injector):
        _httpx(f"{server.url}/good")
        with pytest.raises(httpx.HTTPStatusError):
            _httpx(f"{server.url}/bad")
    assert len(injector.fired()) == 1


def test_an_answer_has_the_body_and_headers_that_are_given(server: Server) -> None:
    fault = http_answer(418, {"short": True}, {"x-pot": "tea"})
    with patched(Injector([fault])):
        answer = requests.get(server.url, timeout=5)
    assert (answer.status_code, answer.json(), answer.headers["x-pot"]) == (
        418,
        {"short": True},
        "tea",
    )
    assert server.seen == []


def test_a_real_sdk_reads_the_answer_and_raises_its_own(server: Server) -> None:
    import openai

    client = openai.OpenAI(api_key="none", base_url=server.url, max_retries=0)
    with patched(Injector([http_fault("429").at(script=nth(1))])):
        with pytest.raises(openai.RateLimitError) as caught:
            client.models.list()
    found = classify(caught.value)
    assert (found.kind, found.retry_after) == ("rate_limited", 1.0)
    client.close()


def test_in_a_run_the_step_that_asked_is_known_and_recovers(server: Server, tmp_path: Path) -> None:
    @step(attempts=3)
    def ask(url: str) -> int:
        return len(_httpx(url)["text"])

    injector = Injector([http_fault("503").at(ask, script=fail(2))])
    runtime = Runtime(
        tmp_path / "j.db",
        clock=ManualClock(),
        durability="process",
        config=Config(),
        faults=injector,
    )
    with runtime, injector.everywhere():
        run = workflow(lambda: ask(server.url)).start()
    assert run.result == 1000
    assert [(one.step, one.attempt) for one in injector.fired()] == [
        (ask.spec.name, 1),
        (ask.spec.name, 2),
    ]


def test_what_is_no_fault_of_http_is_told() -> None:
    for word in ("teapot", "99", "600", "latency:", "latency:x"):
        with pytest.raises(UsageError, match="give"):
            http_fault(word)


def test_a_library_that_is_not_loaded_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("httpx", "httpx2", "requests"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    before = httpx.HTTPTransport.handle_request, requests.adapters.HTTPAdapter.send
    with patched(Injector()):
        assert not {"httpx", "httpx2", "requests"} & set(sys.modules)
        assert before == (httpx.HTTPTransport.handle_request, requests.adapters.HTTPAdapter.send)
