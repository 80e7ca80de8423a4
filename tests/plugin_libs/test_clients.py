"""The pytest plugin beside the libraries that users have: HTTP clients, and plugins for async tests."""

from __future__ import annotations

from tests.plugin.conftest import Play
from tests.plugin.test_fixtures import ALL


def test_a_client_that_is_loaded_late_gets_its_faults_too(play: Play) -> None:
    result = play(
        ALL
        + """
import sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
import pytest

@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
        def log_message(self, *args): ...
    made = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_address[1]}/"
    made.shutdown(); made.server_close(); thread.join()

@step
def get(url: str) -> str:
    import httpx
    response = httpx.get(url)
    response.raise_for_status()
    return response.text

@workflow
def got(url: str) -> str:
    return get(url)

def test_it(faults, virtual_clock, server):
    sys.modules.pop("httpx", None)
    faults.add(http_answer(503), get, script=fail(2))
    run = got.start(server)
    assert_recovered(run, "ok", kinds=["overloaded"])
    assert_fired(faults, times=2)

def test_and_clients_are_as_before(server):
    import httpx
    assert httpx.HTTPTransport.handle_request.__module__.startswith("httpx")
    assert httpx.get(server).text == "ok"
"""
    )
    result.assert_outcomes(passed=2)


def test_an_async_test_of_anyio_has_the_same_runtime(play: Play) -> None:
    result = play(
        ALL
        + """
import pytest

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
async def warm():
    await asyncio.sleep(0)  # the loop runs by now
    return 1

@step(recover=[on("timeout").retry(attempts=6, base=30, cap=300)])
async def ask() -> str:
    return "yes"

@workflow
async def asked() -> str:
    return await ask()

async def test_waits(warm, faults, virtual_clock, journal):
    faults.add(fault("timeout"), ask, script=fail(4))
    run = await asked.start()
    assert_recovered(run, "yes", kinds=["timeout"])
    assert sum(virtual_clock.sleeps) > 120
    assert [one.run_id for one in journal.runs()] == [run.run_id]

async def test_is_as_it_was_for_the_next_one(warm, journal):
    assert (await asked.start()).result == "yes"
    assert len(journal.runs()) == 1
""",
        "-p",
        "anyio.pytest_plugin",
    )
    result.assert_outcomes(passed=2)
