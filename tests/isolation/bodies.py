"""Steps and effects whose bodies run in child processes, which import them from here."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from surefoot import current, effect, idempotency_key, on, spend, step, workflow


def say(path: str, text: str) -> None:
    aside = Path(f"{path}.aside")
    aside.write_text(text)
    aside.rename(path)


# -- deaths ---------------------------------------------------------------------------------------


@step(isolation="process", attempts=1)
def segfault() -> None:
    ctypes.string_at(0)


@step(isolation="process", attempts=1)
def leave(code: int) -> None:
    os._exit(code)


@step(isolation="process", attempts=1)
def abort() -> None:
    os.abort()


@step(isolation="process", attempts=1)
def wait_to_be_killed(path: str) -> None:
    say(path, str(os.getpid()))
    time.sleep(60)


@step(isolation="process", attempts=1, memory=256 << 20)
def fill(megabytes: int) -> int:
    return len(bytearray(megabytes << 20))


@step(isolation="process", attempts=1, timeout=0.5)
def hang(path: str) -> None:
    """Ignores SIGTERM, and has started a process of its own."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    own = subprocess.Popen(["sleep", "60"])
    say(path, f"{os.getpid()} {own.pid}")
    time.sleep(60)


@step(isolation="process")
def dies_once() -> int:
    if current().attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return current().attempt or 0


# -- exceptions and values ------------------------------------------------------------------------


class Answer:
    """Stands for a client's response: no plain data."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers


class OddlyMade(Exception):
    """Takes other arguments than it leaves in ``args``: unpickling it raises TypeError."""

    def __init__(self, code: int, *, response: Answer) -> None:
        super().__init__(f"code {code}")
        self.code = code
        self.response = response


class HangsWhenPickled(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.trap = Trap()


class Trap:
    def __reduce__(self) -> Any:
        time.sleep(60)


class Unpicklable:
    def __reduce__(self) -> Any:
        raise TypeError("never")


class Unmade:
    """Pickles, and cannot be made again."""

    def __reduce__(self) -> Any:
        return (int, ("no number",))


@step(isolation="process", attempts=1)
def fail_oddly() -> None:
    try:
        {"name": 1}["price"]
    except KeyError as exc:
        error = OddlyMade(7, response=Answer({"retry-after": "3"}))
        if sys.version_info >= (3, 11):
            error.add_note("looked for the price")
        raise error from exc


@step(isolation="process", attempts=1)
def fail_with_a_trap() -> None:
    raise HangsWhenPickled("the real error")


@step(isolation="process", attempts=1)
def fail_locally() -> None:
    class Local(ValueError):
        pass

    raise Local("from within")


@step(isolation="process", attempts=1)
def leave_by_sys_exit() -> None:
    sys.exit(7)


@step(isolation="process", attempts=1)
def fail_as_group() -> None:
    import builtins  # a group is a builtin since Python 3.11

    group: Any = builtins.__dict__["ExceptionGroup"]
    raise group("two", [ValueError(1), OddlyMade(3, response=Answer({"a": "b"}))])


def raise_deeper(path: str) -> None:
    open(path).close()


@step(isolation="process", attempts=1)
def open_file(path: str) -> None:
    raise_deeper(path)


@step(isolation="process", attempts=1)
def give(what: str) -> Any:
    values = {"bytes": bytes(range(256)) * 20_000, "bad": Unpicklable(), "unmade": Unmade()}
    return values[what]


@step(isolation="process", attempts=1)
def double(value: Any) -> Any:
    return value * 2


@step(isolation="process", attempts=1, ignore=("client",))
def with_client(client: Any) -> None:
    raise AssertionError("never reached")


# -- place ----------------------------------------------------------------------------------------


@step(isolation="process")
def where() -> dict[str, Any]:
    here = current()
    if here.attempt == 1:
        raise ConnectionError("not yet")
    assert here.failure is not None
    return {
        "run": here.run_id,
        "step": here.step,
        "attempt": here.attempt,
        "now": here.now.timestamp(),
        "failure": [type(here.failure.exception).__name__, here.failure.kind],
        "pid": os.getpid(),
    }


@step(isolation="process")
def item_of(value: str) -> tuple[int | None, str]:
    return current().item, value


@effect(
    key=lambda order, journal: f"pay:{order}",
    isolation="process",
    recover=[on("process_killed").retry(attempts=2)],
)
def pay(order: int, journal: str) -> str:
    key = idempotency_key()
    with contextlib.closing(sqlite3.connect(journal)) as connection:
        [written] = connection.execute(
            "SELECT asked FROM claims WHERE effect_key = ?", [key]
        ).fetchone()
    if current().attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)  # nobody can tell whether it was paid
    return f"{key} asked={written} attempt={current().attempt}"


@effect(key=lambda order: f"ship:{order}", isolation="process")
def ship(order: int) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return "shipped"


@step(isolation="process")
def costly() -> int:
    spend(0.25, tokens=10)
    if current().attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return 1


@step(isolation="process")
def log_and_print() -> None:
    logger = logging.getLogger("bodies")
    logger.debug("not asked for")
    logger.warning("%d rows are odd", 3)
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception("it failed")
    print("printed")
    print("to the error output", file=sys.stderr)
    os.write(1, b"written by a library of C\n")


@step(isolation="process", attempts=1)
def read_input() -> str:
    return input()


@step(isolation="process")
def surroundings() -> tuple[str, str | None]:
    return os.getcwd(), os.environ.get("SET_MEANWHILE")


@step
def inner(n: int) -> int:
    return n + 1


@effect(key=lambda n: n)
def inner_effect(n: int) -> int:
    return n


@workflow
def inner_flow() -> int:
    return 1


@step(isolation="process", attempts=1)
def calls(what: str) -> int:
    if what == "step":
        return inner(1)
    return inner_effect(1) if what == "effect" else inner_flow()


# -- pool -----------------------------------------------------------------------------------------


@step(isolation="process")
def pid(n: int = 0) -> int:
    return os.getpid()


@step(isolation="process")
def square(n: int) -> tuple[int, int]:
    time.sleep(0.02)
    return n * n, os.getpid()


@step(isolation="process")
async def square_async(n: int) -> tuple[int, int]:
    await asyncio.sleep(0.02)
    return n * n, os.getpid()


@step(isolation="process")
async def sleep_async(path: str) -> None:
    say(path, str(os.getpid()))
    await asyncio.sleep(60)


class Model:
    """Its methods are steps as well."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    @step(isolation="process")
    def scaled(self, n: int) -> tuple[int, bool]:
        return self.factor * n, os.getpid() != os.getppid()

    @step(isolation="process")
    @staticmethod
    def plain(n: int) -> int:
        return n
