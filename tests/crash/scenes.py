"""Scenes for several processes that meet at one run. A child plays one of them at a time.

Children wait for each other through files in their folder: ``say`` makes one, ``hear`` waits for one.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

from surefoot import (
    Happened,
    NotHappened,
    Runtime,
    SurefootError,
    current,
    effect,
    idempotency_key,
    step,
    workflow,
)
from surefoot.config import Config
from tests.support.clocks import HurriedClock
from tests.support.ledger import Ledger

PLACE: Path
ORDERS: dict[str, Any]
"""What a child's bodies are told to do, by the parent."""


def say(word: str) -> None:
    (PLACE / word).touch()


def hear(word: str, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not (PLACE / word).exists():
        assert time.monotonic() < end, f"nobody said {word!r}"
        time.sleep(0.001)


def ledger() -> Ledger:
    return Ledger(PLACE / "ledger")


def obey(step: str) -> None:
    """Note that a body runs, and do what the orders say: fail, die, or wait to be told to go on."""
    ledger().note("begin", what=step, pid=os.getpid(), attempt=current().attempt)
    order = ORDERS.get(step)
    if order == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif order == "fail":
        raise AssertionError("a bug that is mended later")
    elif order is not None:
        say(f"{step} begins")
        hear(order)


@step
def first(n: int) -> int:
    obey("first")
    return n + 1


@step
def middle(n: int) -> int:
    obey("middle")
    return n + 10


@step
def last(n: int) -> int:
    obey("last")
    return n + 100


@workflow
def three(n: int) -> int:
    return last(middle(first(n)))


@effect
def bare(n: int) -> str:
    """Nobody can ask whether it happened."""
    ledger().receive("bare", n, None)
    obey("bare")
    return f"done {n}"


@effect(key=lambda n: f"asking:{n}")
def asking(n: int) -> str:
    key = idempotency_key()
    ledger().receive("asking", n, key)
    obey("asking")
    return f"done {n}"


def look(n: int) -> Happened[str] | NotHappened:
    obey("look")
    there = any(act["deed"] == n for act in ledger().acts("looking"))
    obey("looked")
    return Happened(f"found {n}") if there else NotHappened()


@effect(key=lambda n: f"looking:{n}", verify=look)
def looking(n: int) -> str:
    obey("before the act")
    ledger().receive("looking", n, None)
    obey("looking")
    return f"done {n}"


@workflow
def with_bare(n: int) -> str:
    return bare(first(n))


@workflow
def with_asking(n: int) -> str:
    return asking(n)


@workflow
def with_looking(n: int) -> str:
    return looking(n)


WORKFLOWS = {made.name: made for made in (three, with_bare, with_asking, with_looking)}


def play(
    folder: str,
    name: str,
    how: str,
    *,
    run_id: str = "run",
    orders: dict[str, Any] | None = None,
    barrier: str | None = None,
    lease: float = 60.0,
    hurried: bool = True,
) -> dict[str, Any]:
    """Start or resume a run in this process, and tell what came of it."""
    global PLACE, ORDERS
    logging.disable(logging.CRITICAL)
    PLACE, ORDERS = Path(folder), orders or {}
    made: Any = WORKFLOWS[name]
    clock = HurriedClock() if hurried else None
    if barrier is not None:
        say(f"ready {os.getpid()}")
        hear(barrier)
    journal = PLACE / "journal.db"
    with Runtime(journal=journal, clock=clock, config=Config(), lease=lease):
        try:
            if how == "resume":
                run = made.resume(run_id)
            else:
                run = made.with_options(run_id=run_id).start(1)
        except SurefootError as exc:
            say(f"refused {os.getpid()}")
            say("refused")
            return {
                "error": type(exc).__name__,
                "exit_code": exc.exit_code,
                "message": str(exc),
            }
        return {
            "status": run.status,
            "result": run.result if run.status == "completed" else None,
            "kind": (run.error or {}).get("kind"),
            "message": (run.error or {}).get("message"),
        }
