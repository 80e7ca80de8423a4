"""The saga: real processes, a real kill in the middle of a rollback, and books that tell."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from examples.file_triage.loopback import ROOT, Service, service
from examples.payment_saga.check import expected_deeds, expected_undos, problems
from examples.payment_saga.receiver import read_books
from examples.payment_saga.run import REFUSED, SHIPPED, Shop, ended

RECEIVER = "examples.payment_saga.receiver"


def good_books() -> dict[str, Any]:
    applied = expected_deeds(SHIPPED, True) + expected_deeds(REFUSED, False)
    asked = [["charge", "reset"], ["ship", "422"], ["refund", "503"], ["release", "hold"]]
    return {"applied": applied + expected_undos(REFUSED), "asked": asked}


def ask(receiver: Service, deed: str, key: str, subject: str = "x", **more: str) -> int:
    body = json.dumps({"order": "A", "subject": subject, **more})
    request = urllib.request.Request(
        f"{receiver.url}/{deed}", data=body.encode(), headers={"Idempotency-Key": key}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code


def test_everything_is_done_once_and_undone_once_across_a_kill(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "examples/payment_saga/run.py", "--work", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "exit -9" in done.stdout and "It held" in done.stdout
    books = read_books(tmp_path / "books.db")
    mine = [one for one in books["applied"] if one.split(":")[1] == REFUSED.id]
    assert mine == expected_deeds(REFUSED, False) + expected_undos(REFUSED)
    # the undo that was in doubt was asked for again, and its receiver knew the key
    assert sum(deed == "release" for deed, _ in books["asked"]) == len(REFUSED.articles) + 1


def test_a_refused_order_is_undone_without_a_kill_as_well(tmp_path: Path) -> None:
    books = tmp_path / "books.db"
    with service(RECEIVER, "--database", str(books)) as receiver:
        told = ended(Shop(tmp_path, receiver.url).place(REFUSED))
    assert told["status"] == "rolled_back"
    assert told["undone"] == [["charge", "done"], *[["reserve", "done"]] * len(REFUSED.articles)]
    assert read_books(books)["applied"] == [
        *expected_deeds(REFUSED, False),
        *expected_undos(REFUSED),
    ]


def test_good_books_have_no_problems() -> None:
    assert list(problems(SHIPPED, REFUSED, good_books())) == []


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda books: books["applied"].append("refund:B42:9900 cents"), "done 2 times"),
        (lambda books: books["applied"].remove("release:B42:lamp"), "done 0 times"),
        (lambda books: books["applied"].append("release:A17:cups"), "without need"),
        (lambda books: books["applied"].reverse(), "in another order"),
        (lambda books: books["asked"].remove(["refund", "503"]), "refund:503 never fired"),
    ],
)
def test_the_check_finds_what_is_wrong_in_the_books(spoil: Any, part: str) -> None:
    books = good_books()
    spoil(books)
    assert any(part in one for one in problems(SHIPPED, REFUSED, books))


def test_the_receiver_does_a_deed_once_for_each_key(tmp_path: Path) -> None:
    books = tmp_path / "books.db"
    with service(RECEIVER, "--database", str(books), "--fault", "charge:503:2") as receiver:
        assert [ask(receiver, "charge", "k1"), ask(receiver, "charge", "k2")] == [200, 503]
        assert [ask(receiver, "charge", "k1"), ask(receiver, "charge", "k3")] == [200, 200]
        assert ask(receiver, "ship", "k4", address="nowhere") == 422
        assert ask(receiver, "dance", "k5") == 400
        assert receiver.get("/deeds?key=k1")["receipt"] is not None
        assert receiver.get("/deeds?key=k2")["receipt"] is None
        told = receiver.get("/books")
    # two keys are two deeds, and the same thing: that is what the business key shows
    assert told["applied"] == ["charge:A:x", "charge:A:x"]
    assert [status for _, status in told["asked"]] == ["200", "503", "200", "200", "422"]
