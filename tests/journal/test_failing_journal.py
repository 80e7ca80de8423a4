"""A write of the journal fails: nobody can overlook it, and nothing is done twice for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, effect, on, step, workflow
from surefoot.config import Config
from surefoot.errors import JournalError
from tests.support.clocks import HurriedClock

BODIES: list[str] = []
FAIL_AFTER: list[str] = []
"""The body after which the next write fails, once."""


def seam(event: str) -> None:
    if event == "before" and FAIL_AFTER and FAIL_AFTER[0] in BODIES:
        FAIL_AFTER.clear()
        raise sqlite3.OperationalError("database is locked")


class Broken(Exception):
    """An item that cannot be mended."""


@step
def inner(n: int) -> int:
    BODIES.append("inner")
    return n


@step
def outer(n: int) -> int:
    BODIES.append("outer")
    return inner(n)


@effect(key=lambda n: f"pay:{n}")
def pay(n: int) -> str:
    BODIES.append("pay")
    return "paid"


@step
def paying(n: int) -> str:
    return pay(n)


@step(attempts=1, recover=[on(Broken).skip()])
def convert(n: int) -> int:
    BODIES.append(f"convert {n}")
    if n in (1, 4):
        raise Broken
    return n


@step
async def convert_async(n: int) -> int:
    return convert.__wrapped__(n)


async_convert = convert_async.with_options(attempts=1, recover=[on(Broken).skip()])


@workflow
def careless(n: int) -> list[Any]:
    told: list[Any] = []
    for part in (outer, paying, pay):
        try:
            told.append(part(n))
        except Exception as exc:
            told.append(f"caught {type(exc).__name__}")
    return told


@workflow
def mapping(n: int) -> list[int]:
    return convert.map([1, 4, 3], workers=1).results


@workflow
async def mapping_async(n: int) -> list[int]:
    batch = await async_convert.map([1, 4, 3], workers=1)
    return batch.results


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    BODIES.clear()
    runtime = Runtime(
        journal=tmp_path / "journal.db", clock=HurriedClock(), config=Config(), seam=seam
    )
    with runtime:
        yield runtime
    FAIL_AFTER.clear()


def failed(after: str, use: Callable[[], Any]) -> list[str]:
    """Have the write after that body fail; the bodies that ran until the caller heard of it."""
    FAIL_AFTER.append(after)
    with pytest.raises(JournalError, match=r"journal\.db"):
        use()
    assert not FAIL_AFTER, "no write failed"
    ran = list(BODIES)
    BODIES.clear()
    return ran


def test_no_workflow_and_no_step_takes_it_for_its_own_failure(runtime: Runtime) -> None:
    start = careless.with_options(run_id="run").start
    assert failed("inner", lambda: start(1)) == ["outer", "inner"]
    assert runtime.journal.failures(1) == []
    assert careless.resume("run").result == [1, "paid", "paid"]
    assert BODIES == ["outer", "inner", "pay"]


def test_an_effect_whose_end_was_not_written_is_not_done_again_at_once(runtime: Runtime) -> None:
    start = careless.with_options(run_id="run").start
    assert failed("pay", lambda: start(1)) == ["outer", "inner", "pay"]
    run = careless.resume("run")
    # this effect cannot be asked about: its doubt waits for a person, whom `careless` overlooks
    assert run.result == [1, "caught InDoubt", "caught InDoubt"]
    assert BODIES == []


def test_what_was_set_aside_stays_aside_where_no_map_has_halted(runtime: Runtime) -> None:
    start = mapping.with_options(run_id="run").start
    assert failed("convert 4", lambda: start(1)) == ["convert 1", "convert 4"]
    assert mapping.resume("run").result == [3]
    assert BODIES == ["convert 4", "convert 3"]


def test_what_was_set_aside_stays_aside_in_async_too(runtime: Runtime) -> None:
    import asyncio

    start = mapping_async.with_options(run_id="run").start
    assert failed("convert 4", lambda: asyncio.run(start(1))) == ["convert 1", "convert 4"]
    assert asyncio.run(mapping_async.resume("run")).result == [3]
    assert BODIES == ["convert 4", "convert 3"]
