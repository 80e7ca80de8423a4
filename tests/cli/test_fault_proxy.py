"""``surefoot fault-proxy``, and the process that ``FaultProxy(process=True)`` starts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot.chaos.proxy import FaultProxy
from tests.proxy.servers import Server, connect, echo, round_trip

COMMAND = [sys.executable, "-m", "surefoot", "fault-proxy"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A call that is expected to end by itself."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_tells_where_it_is_and_ends_by_a_signal(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    config = tmp_path / "proxies.json"
    with Server(echo) as server:
        config.write_text(
            json.dumps([{"name": "api", "listen": "127.0.0.1:0", "upstream": server.address}])
        )
        child = start("--port", "0", "--seed", "5", "--config", str(config), "--json")
        assert child.stdout is not None
        told = json.loads(child.stdout.readline())
        assert told["seed"] == 5
        with FaultProxy(url=told["url"]) as faults:
            assert set(faults.ask("GET", "/proxies")) == {"api"}
        with connect(told["proxies"][0]["listen"]) as client:
            assert round_trip(client, b"x") == b"x"
        child.send_signal(number)
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (code, "", "")


def test_for_people_it_names_the_api_and_the_proxies(tmp_path: Path) -> None:
    config = tmp_path / "proxies.json"
    config.write_text('[{"name": "api", "upstream": "127.0.0.1:1", "enabled": false}]')
    child = start("--port", "0", "--seed", "5", "--config", str(config))
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(2)]
    child.terminate()
    child.communicate(timeout=60)
    assert lines[0].startswith("The fault proxy's API is at http://127.0.0.1:")
    assert "(seed 5)" in lines[0]
    assert lines[1].endswith("127.0.0.1:1 (disabled)\n")


def test_a_taken_port_is_wrong_usage_and_says_the_next_move() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("--port", str(taken.getsockname()[1]), "--json")
    assert done.returncode == 2
    assert "Choose another port" in done.stderr
    assert json.loads(done.stdout)["error"]["exit_code"] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("{}", "a list of proxies is wanted"),
        ('[{"name": "api"}]', "missing required field: upstream at proxy 1"),
    ],
)
def test_a_file_of_proxies_that_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    config = tmp_path / "proxies.json"
    config.write_text(text)
    done = run("--port", "0", "--config", str(config))
    assert done.returncode == 2
    assert str(config) in done.stderr and message in done.stderr


def test_a_missing_file_of_proxies_is_named(tmp_path: Path) -> None:
    done = run("--port", "0", "--config", str(tmp_path / "none.json"))
    assert done.returncode == 2
    assert "none.json" in done.stderr


def test_a_process_of_its_own_works_like_a_thread(tmp_path: Path) -> None:
    log = tmp_path / "fired.jsonl"
    with Server(echo) as server:
        with FaultProxy(process=True, seed=9, log=log, metrics=True) as faults:
            assert faults.seed == 9
            api = faults.proxy("api", server.address)
            cut = api.add("limit_data", bytes=0)
            with connect(api.listen) as client:
                client.sendall(b"x")
                assert client.recv(1) == b""
            assert cut.fired == 1
            assert "surefoot_fault_proxy_fired_total" in faults.ask("GET", "/metrics")
        with pytest.raises(ConnectionRefusedError):
            connect(api.listen)
    assert json.loads(log.read_text())["toxic"] == "limit_data_downstream"


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_no_proxy_outlives_the_program_that_started_it() -> None:
    code = (
        "import os, signal\n"
        "from surefoot.chaos.proxy import FaultProxy\n"
        "faults = FaultProxy(process=True).__enter__()\n"
        "print(faults.url, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    address = done.stdout.strip().removeprefix("http://")
    for _ in range(2000):  # it ends as soon as it sees its standard input end
        try:
            connect(address).close()
        except (ConnectionRefusedError, ConnectionResetError):
            return
    raise AssertionError(f"the proxy at {address} still runs")
