"""The fixtures of the pytest plugin, in inner sessions of pytest."""

from __future__ import annotations

from pathlib import Path

from .conftest import Play

ALL = "import asyncio\nfrom surefoot import *\nfrom surefoot.chaos import *\nfrom surefoot.testing import *\n"


def test_minutes_of_back_off_pass_in_no_time(play: Play) -> None:
    result = play(
        ALL
        + """
import time

@step(recover=[on("connection").retry(attempts=6, base=30, cap=300)])
def ask() -> str:
    return "yes"

@workflow
def asked() -> str:
    return ask()

def test_waits(faults, virtual_clock):
    faults.add(fault("connection"), ask, script=fail(4))
    began, real = virtual_clock.now(), time.monotonic()
    run = asked.start()
    assert_recovered(run, "yes", kinds=["connection"])
    assert sum(virtual_clock.sleeps) == virtual_clock.now() - began > 120
    assert time.monotonic() - real < 60
    assert_fired(faults, times=4)
"""
    )
    result.assert_outcomes(passed=1)


def test_and_so_they_do_where_it_is_async(play: Play) -> None:
    result = play(
        ALL
        + """
@step(recover=[on("timeout").retry(attempts=6, base=30, cap=300)])
async def ask() -> str:
    return "yes"

@workflow
async def asked() -> str:
    return await ask()

def test_waits(faults, virtual_clock):
    faults.add(fault("timeout"), ask, script=fail(4))
    run = asyncio.run(asked.start())
    assert_recovered(run, "yes", kinds=["timeout"])
    assert sum(virtual_clock.sleeps) > 120
"""
    )
    result.assert_outcomes(passed=1)


def test_a_fault_that_does_not_act_fails_the_test(play: Play) -> None:
    result = play(
        ALL
        + """
from shop import shop, load

def test_passes_but_proves_nothing(faults, ledger):
    faults.add(fault("timeout"), "pya")
    assert shop.start(2).result == 1

def test_says_that_it_may_not_act(faults, ledger):
    faults.add(fault("timeout"), "pya", must_fire=False)
    assert shop.start(2).result == 1

def test_one_of_two_of_a_name_is_not_both(faults, ledger, virtual_clock):
    faults.add(fault("timeout"), "load", script=fail(1))
    faults.add(fault("timeout"), "nowhere", script=fail(1))
    assert shop.start(2).result == 1
"""
    )
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*not_fired: timeout (*) before in pya, always*",
            "*nothing is proved by a fault that did not act*",
            "*reached: *before load 1×*",
            "*not_fired: timeout (*) before in nowhere, fail:1*",
        ]
    )


def test_an_example_that_is_judged_otherwise_at_its_step_is_refused(play: Play) -> None:
    result = play(
        ALL
        + """
from shop import load

def test_it(faults):
    faults.add(fault("connection"), load)
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*connection (Python): EOFError is judged as corrupt_file in load (stage ingestion)*"]
    )


def test_a_failure_of_the_test_itself_is_told_first(play: Play) -> None:
    result = play(
        ALL
        + """
def test_fails(faults):
    faults.add(fault("timeout"), "nowhere")
    assert 1 == 2
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2*"])
    result.stdout.no_fnmatch_line("*not_fired*")


def test_a_test_has_a_journal_and_a_ledger_of_its_own(play: Play, project: Path) -> None:
    result = play(
        ALL
        + """
import os, subprocess, sys
from shop import shop

def test_one(journal, ledger, tmp_path):
    shop.with_options(run_id="r").start(3)
    assert [one.run_id for one in journal.runs()] == ["r"]
    assert str(tmp_path) in str(ledger.path) and ledger.path.exists()
    ledger.assert_once(5)

def test_another(journal, ledger):
    assert journal.runs() == [] and ledger.entries() == []

def test_children_find_them(journal, ledger):
    code = "from shop import shop; shop.with_options(run_id='child').start(2)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert [one.run_id for one in journal.runs()] == ["child"]
    ledger.assert_once(1)

def test_they_are_gone_afterwards():
    assert "SUREFOOT_LEDGER" not in os.environ and "SUREFOOT_JOURNAL" not in os.environ
    from surefoot.context import frame
    assert frame() is None
"""
    )
    result.assert_outcomes(passed=4)
    assert not (project / ".surefoot").exists(), "the project's own journal was touched"


def test_asking_for_the_clock_too_late_is_told(play: Play) -> None:
    result = play(
        """
import pytest

def test_late(journal, request):
    request.getfixturevalue("virtual_clock")
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*virtual_clock was asked for too late*name it among*"])


def test_the_fault_proxy_stands_between_a_client_and_its_server(play: Play) -> None:
    result = play(
        """
import socket

def test_it(fault_proxy):
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = fault_proxy.proxy("api", f"127.0.0.1:{server.getsockname()[1]}")
        torn = proxy.add("reset_peer", timeout=0)
        with socket.create_connection(proxy.address, timeout=30) as client:
            accepted, _ = server.accept()
            accepted.sendall(b"x")
            try:
                assert client.recv(1) == b""
            except ConnectionResetError:
                pass
            accepted.close()
        assert torn.fired == 1
"""
    )
    result.assert_outcomes(passed=1)


def test_the_fault_proxy_takes_options(play: Play) -> None:
    result = play(
        """
import pytest

@pytest.mark.parametrize("fault_proxy", [{"seed": 7}], indirect=True)
def test_seed(fault_proxy):
    assert fault_proxy.seed == 7
"""
    )
    result.assert_outcomes(passed=1)


def test_methods_of_unittest_may_use_them(play: Play) -> None:
    result = play(
        ALL
        + """
import unittest, pytest
from shop import shop

class TestShop(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _given(self, faults, virtual_clock, ledger):
        self.faults, self.ledger = faults, ledger

    def test_recovers(self):
        self.faults.add(fault("timeout"), "load", script=fail(1))
        assert_recovered(shop.start(2), 1)

    def test_proves_nothing(self):
        self.faults.add(fault("connection"), "nowhere")
        assert shop.start(2).result == 1
"""
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*not_fired: connection*nowhere*"])
