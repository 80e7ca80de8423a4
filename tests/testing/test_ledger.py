"""A ledger counts effects where no killed process can take the count along."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from surefoot import Runtime, effect, idempotency_key, workflow
from surefoot.config import Config, load_config
from surefoot.errors import UsageError
from surefoot.testing import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def test_without_a_key_everything_is_applied(ledger: Ledger) -> None:
    assert ledger.receive("a", effect="pay") and ledger.receive("a", effect="pay")
    tally = ledger.tally()
    assert (tally.received, tally.applied, tally.duplicates) == (2, 2, ("a",))
    assert not tally.right


def test_with_a_key_it_is_applied_once(ledger: Ledger) -> None:
    assert [ledger.receive("a", effect="pay", key="k") for _ in range(3)] == [True, False, False]
    assert ledger.tally(["a"]).right and ledger.tally().received == 3


def test_the_same_key_of_another_effect_is_another(ledger: Ledger) -> None:
    assert ledger.receive("a", effect="pay", key="k") and ledger.receive(
        "a", effect="mail", key="k"
    )
    assert len(ledger.entries("mail")) == 1


def test_it_says_what_is_lost_what_came_twice_and_what_nobody_expected(ledger: Ledger) -> None:
    for deed in ("a", "a", "c"):
        ledger.receive(deed, effect="pay")
    with pytest.raises(AssertionError) as caught:
        ledger.assert_once("a", "b")
    text = str(caught.value)
    assert "lost: b" in text and "nobody expected: c" in text
    assert f"2 times: a (pid {os.getpid()}, attempt None, key None; pid" in text
    ledger2 = Ledger(ledger.path.with_name("other"))
    ledger2.assert_once()
    ledger2.receive(7, effect="pay")
    ledger2.assert_once(7)


def test_an_effect_in_a_run_says_who_it_is(ledger: Ledger, tmp_path: Path) -> None:
    @effect(key=lambda n: f"order {n}")
    def pay(n: int) -> bool:
        return ledger.receive(n, key=idempotency_key())

    with Runtime(tmp_path / "j.db", durability="process", config=Config()):
        workflow(lambda: pay(1)).with_options(run_id="r").start()
    (entry,) = ledger.entries()
    assert (entry.effect, entry.run_id, entry.attempt) == (pay.spec.name, "r", 1)
    assert entry.key is not None


def test_a_kill_leaves_what_was_received_and_no_half_entry(ledger: Ledger) -> None:
    program = (
        "import os, signal, sys; from surefoot.testing import Ledger\n"
        "ledger = Ledger.here()\n"
        "ledger.receive('a', effect='pay')\n"
        'os.write(os.open(ledger.path, os.O_APPEND | os.O_WRONLY), b\'{"effect": "pa\')\n'
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "SUREFOOT_LEDGER": str(ledger.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment)
    assert done.returncode == -signal.SIGKILL
    ledger.assert_once("a")


def _receive(place: str, number: int) -> None:
    for turn in range(20):
        Ledger(place).receive(f"{number}-{turn}", effect="pay", key=f"k{turn}")


def test_of_many_processes_one_applies_each_key(ledger: Ledger) -> None:
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_receive, args=(str(ledger.path), n)) for n in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    tally = ledger.tally()
    assert (tally.received, tally.applied) == (80, 20)


def test_threads_do_not_tear_each_others_entries(ledger: Ledger) -> None:
    threads = [
        threading.Thread(target=lambda: [ledger.receive(n, effect="pay") for n in range(25)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.entries()) == 100


def test_a_receiver_on_loopback_answers_once_it_is_written(ledger: Ledger) -> None:
    with ledger.serve() as url:

        def post(path: str, key: str | None) -> object:
            headers = {"Idempotency-Key": key} if key is not None else {}
            request = urllib.request.Request(url + path, b"{}", headers, method="POST")
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)["applied"]

        assert [post("/pay/order%201", "k"), post("/pay/order%201", "k")] == [True, False]
        assert post("/mail/x", None) is True
        with pytest.raises(urllib.error.HTTPError, match="404"):
            post("/pay", None)
        with urllib.request.urlopen(url) as answer:
            assert len(json.load(answer)["entries"]) == 3
    assert ledger.tally(["order 1"], "pay").right


def test_where_there_is_none_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUREFOOT_LEDGER", raising=False)
    with pytest.raises(UsageError, match="SUREFOOT_LEDGER is not set"):
        Ledger.here()


def test_the_variable_is_no_unknown_setting(tmp_path: Path) -> None:
    assert load_config(tmp_path, {"SUREFOOT_LEDGER": "x"}) == Config()
