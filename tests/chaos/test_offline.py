"""Processes of a chaos run reach their own machine only."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.chaos.offline import _is_here

TRY = """
import socket, sys
from surefoot.chaos.offline import stay_on_loopback
stay_on_loopback()
server = socket.create_server(("127.0.0.1", 0))
{code}
"""
REFUSED = """
try:
    {call}
except OSError as exc:  # urllib wraps it, and keeps what it says
    assert "--allow-network" in str(exc) and {named!r} in str(exc), exc
else:
    raise SystemExit("it was let through")
"""


def python(code: str) -> None:
    """Run it in a process of its own: there is no way back from the hook."""
    done = subprocess.run(
        [sys.executable, "-c", TRY.format(code=code)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("socket.create_connection(('192.0.2.1', 80), 1)", "192.0.2.1"),
        ("socket.socket().connect(('192.0.2.1', 80))", "192.0.2.1"),
        ("socket.getaddrinfo('example.com', 80)", "example.com"),
        ("socket.getaddrinfo(b'example.com', 80)", "example.com"),
        (
            "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
            "192.0.2.1",
        ),
        (
            "__import__('urllib.request').request.urlopen('http://192.0.2.1/', timeout=1)",
            "192.0.2.1",
        ),
    ],
)
def test_another_machine_is_refused_whoever_asks(call: str, named: str) -> None:
    python(REFUSED.format(call=call, named=named))


def test_loopback_is_reached_by_its_name_and_its_addresses() -> None:
    python(
        "port = server.getsockname()[1]\n"
        "for host in ('127.0.0.1', 'localhost'):\n"
        "    socket.create_connection((host, port), 5).close()\n"
    )


def test_sockets_of_the_file_system_stay_open_to_it() -> None:
    python("a, b = socket.socketpair()\na.send(b'x')\nassert b.recv(1) == b'x'\n")


@given(st.ip_addresses())
def test_an_address_is_here_if_it_is_a_loopback_one(address: object) -> None:
    assert _is_here(str(address)) == address.is_loopback  # type: ignore[attr-defined]


@given(st.from_regex(r"\A[a-z]{1,10}\.(com|org|internal)\Z"))
def test_a_name_of_a_machine_is_not_here(name: str) -> None:
    assert not _is_here(name)
