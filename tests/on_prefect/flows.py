"""The workflows of these tests. What they do is appended to a file, which is what the tests count."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import httpx

from surefoot import Happened, NotHappened, effect, idempotency_key, on, step, workflow
from surefoot.adapters.prefect import flow

PLACE = Path(os.environ.get("TEST_PLACE", "."))
URL = os.environ.get("TEST_URL", "")


def did(what: str) -> None:
    with (PLACE / "did.txt").open("a") as file:
        file.write(f"{what}\n")


@step
def first(number: int) -> int:
    did("first")
    return number + 1


@step(stage="inference")
def post(path: str) -> int:
    response = httpx.post(f"{URL}{path}", timeout=10)
    response.raise_for_status()
    return response.status_code


@workflow
def waits(path: str) -> int:
    first(1)
    return post(path)


@step
def mend_me(number: int) -> int:
    did("mend_me")
    if not (PLACE / "mended").exists():
        raise TypeError("unsupported operand: a bug")
    return number * 2


@workflow
def breaks(number: int) -> int:
    return mend_me(first(number))


def kill_once(what: str) -> None:
    mark = PLACE / f"killed-{what}"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def was_paid(order: int) -> Happened[str] | NotHappened:
    did("verify")
    paid = PLACE / "paid.txt"
    found = idempotency_key() in (paid.read_text() if paid.exists() else "")
    return Happened("paid") if found else NotHappened()


def give_back(receipt: str, order: int) -> None:
    did(f"give back {order}")


@effect(key=lambda order: f"pay:{order}", verify=was_paid, settle=0, compensate=give_back)
def pay(order: int) -> str:
    with (PLACE / "paid.txt").open("a") as file:
        file.write(f"{idempotency_key()}\n")
    if order == 7:
        kill_once("pay")
    return "paid"


@workflow
def pays(order: int) -> str:
    first(order)
    return pay(order)


@workflow
def pays_in_vain(order: int) -> int:
    pay(order)
    return mend_me(order)


@step(
    timeout=1.5,
    attempts=2,
    isolation="process",
    recover=[on("timeout").retry(attempts=2, base=0.1)],
)
def hangs(number: int) -> int:
    did("hangs")
    if not (PLACE / "free").exists():
        (PLACE / "free").touch()
        time.sleep(60)
    return number


@workflow
def stuck(number: int) -> int:
    return hangs(number)


@step(recover=[on("invalid_value").skip()])
def halve(number: int) -> int:
    if number == 3:
        raise ValueError("3 cannot be halved")
    return number // 2


@workflow
def many(number: int) -> list[int]:
    return halve.map(range(number), workers=3).results


@step
async def fetch(path: str) -> int:
    async with httpx.AsyncClient() as client:
        response = await client.post(f"{URL}{path}", timeout=10)
    response.raise_for_status()
    return response.status_code


@workflow
async def waits_async(path: str) -> int:
    return await fetch(path)


waits_flow = flow(waits)
breaks_flow = flow(breaks)
pays_flow = flow(pays)
pays_in_vain_flow = flow(pays_in_vain)
stuck_flow = flow(stuck)
many_flow = flow(many)
waits_async_flow = flow(waits_async)
