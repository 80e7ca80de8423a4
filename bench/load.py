"""200 items at once against a server that allows 20 requests a second: Surefoot beside tenacity.

    python -m bench.load [--items 200] [--rate 20]

Both ask the same server (a process of its own, fresh for each) with the same ``httpx.AsyncClient``,
and both begin all items at the same time. What is printed was counted at the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import tenacity

from surefoot import Runtime, on, step, workflow

from .report import Row

ROOT = Path(__file__).resolve().parent.parent
ITEMS, RATE = 200, 20.0
MOST_REFUSED = 0.05
MOST_TIME = 1.3
"""Times of what the limit itself allows."""

Ask = Callable[[httpx.AsyncClient, int], Awaitable[object]]


@dataclass(frozen=True)
class Outcome:
    """What came of it, as the server counted. ``seconds`` is until the last item was done."""

    who: str
    items: int
    requests: int
    refused: int
    done: int
    seconds: float
    floor: float

    @property
    def share(self) -> float:
        """Refused requests, of all."""
        return self.refused / self.requests

    @property
    def ratio(self) -> float:
        """The time, as a multiple of what the limit allows."""
        return self.seconds / self.floor


def allowed(items: int, rate: float) -> float:
    """Seconds that the limit itself asks for: the bucket is full at the start.

    >>> allowed(200, 20.0)
    9.0
    """
    return max(0.0, (items - rate) / rate)


@contextmanager
def limited_server(rate: float) -> Iterator[str]:
    """A server process; gives its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.limited_server", "--rate", str(rate)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


def _client(url: str, items: int) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=items, max_keepalive_connections=items)
    return httpx.AsyncClient(base_url=url, limits=limits, timeout=30.0)


async def _get(client: httpx.AsyncClient, item: int) -> int:
    response = await client.get(f"/item/{item}")
    response.raise_for_status()
    return item


# -- with Surefoot --------------------------------------------------------------------------------


@step(
    stage="inference",
    resource="limited",
    ignore=("client",),
    recover=[on("rate_limited").retry(attempts=50)],
)
async def ask(item: int, *, client: httpx.AsyncClient) -> int:
    return await _get(client, item)


@workflow
async def asked(url: str, items: int) -> int:
    async with _client(url, items) as client:
        batch = await ask.bind(client=client).map(range(items), workers=items)
        return len(batch.results)


async def with_surefoot(url: str, items: int) -> None:
    with tempfile.TemporaryDirectory(prefix="surefoot-load-") as name:
        with Runtime(journal=Path(name) / "journal.db"):
            await asked(url, items)


# -- with tenacity --------------------------------------------------------------------------------


def _is_429(exc: BaseException) -> bool:
    return isinstance(exc, httpx.HTTPStatusError) and exc.response.status_code == 429


@tenacity.retry(
    wait=tenacity.wait_exponential_jitter(),
    retry=tenacity.retry_if_exception(_is_429),
    stop=tenacity.stop_after_attempt(50),
)
async def ask_again(client: httpx.AsyncClient, item: int) -> int:
    return await _get(client, item)


async def with_tenacity(url: str, items: int) -> None:
    async with _client(url, items) as client:
        await asyncio.gather(*(ask_again(client, item) for item in range(items)))


# -- both -----------------------------------------------------------------------------------------


def run(who: str, work: Callable[[str, int], Awaitable[None]], items: int, rate: float) -> Outcome:
    """Do the work against a fresh server.

    :raises RuntimeError: an item was answered twice: then nothing else means anything.
    """

    # each retry is told with a warning: said once, in the table
    logging.getLogger("surefoot").addHandler(logging.NullHandler())

    async def timed(url: str) -> float:
        began = time.perf_counter()
        await work(url, items)
        return time.perf_counter() - began

    with limited_server(rate) as url:
        seconds = asyncio.run(timed(url))
        told = httpx.get(f"{url}/stats").json()
    twice = [path for path, count in told["answered"].items() if count > 1]
    if twice:
        raise RuntimeError(f"{who}: answered more than once: {', '.join(twice)}")
    done, floor = len(told["answered"]), allowed(items, rate)
    return Outcome(who, items, told["requests"], told["refused"], done, seconds, floor)


def both(items: int = ITEMS, rate: float = RATE) -> tuple[Outcome, Outcome]:
    """Surefoot's outcome, then tenacity's."""
    return (
        run("surefoot, resource=", with_surefoot, items, rate),
        run("tenacity, jitter", with_tenacity, items, rate),
    )


def table(*outcomes: Outcome) -> str:
    """For people.

    >>> print(table(Outcome("x", 200, 204, 4, 200, 10.8, 9.0)))
    with                  done  requests  429s  share   time  of the limit's
    x                  200/200       204     4   2.0%  10.8s           1.20×
    """
    lines = ["with                  done  requests  429s  share   time  of the limit's"]
    lines += [
        f"{one.who:<19}{f'{one.done}/{one.items}':>7}{one.requests:>10}{one.refused:>6}"
        f"{one.share:>7.1%}{one.seconds:>6.1f}s{one.ratio:>15.2f}×"
        for one in outcomes
    ]
    return "\n".join(lines)


def rows(ours: Outcome, theirs: Outcome) -> list[Row]:
    """The two figures that there is an aim for."""
    all_done = ours.done == ours.items
    return [
        Row(
            f"{ours.items} items at {ours.items} at once, {RATE:g}/s allowed: total",
            ours.seconds,
            "s",
            ours.ratio,
            "what the limit allows",
            ours.floor,
            f"all done, ≤ {MOST_TIME} ×",
            all_done and ours.ratio <= MOST_TIME,
        ),
        Row(
            "429s among its requests",
            100 * ours.share,
            "%",
            ours.share / theirs.share if theirs.share else 0.0,
            "tenacity's share",
            100 * theirs.share,
            f"< {MOST_REFUSED:.0%}",
            all_done and ours.share < MOST_REFUSED,
        ),
    ]


def measure() -> list[Row]:
    ours, theirs = both()
    print(table(ours, theirs))
    return rows(ours, theirs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="200 items at once, 20 requests a second")
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--rate", type=float, default=RATE)
    given = parser.parse_args()
    print(table(*both(given.items, given.rate)))
