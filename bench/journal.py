"""What a step costs: against a raw SQLite insert, in a map, replayed, and in memory."""

from __future__ import annotations

import itertools
import logging
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from surefoot import Runtime, on, step, workflow
from surefoot.clock import ManualClock

from .report import Row


@step
def trivial(n: int) -> int:
    return n + 1


@workflow
def sequence(count: int) -> int:
    total = 0
    for n in range(count):
        total = trivial(n)
    return total


@workflow
def mapped(count: int) -> int:
    return len(trivial.map(range(count), workers=8))


@workflow
def broken_after(count: int) -> int:
    total = 0
    for n in range(count):
        total = trivial(n)
    if os.environ.get("BENCH_BREAK"):
        raise RuntimeError("stop here")
    return total


def deep(frames: int) -> None:
    if frames == 0:
        raise ConnectionError("db.example.org:5432 refused the connection, request 8f14e45f")
    deep(frames - 1)


@step(recover=[on("connection").retry(attempts=500, within=1e9)])
def failing(prompt: str, rows: list[dict[str, object]], options: dict[str, object]) -> None:
    MARKS.append(time.perf_counter())
    deep(10)


@workflow
def always_failing(count: int) -> None:
    rows: list[dict[str, object]] = [{"id": n, "name": f"row {n}"} for n in range(count)]
    failing("Summarise this. " * 50, rows, {"model": "small", "api_key": "sk-" + "a" * 24})


MARKS: list[float] = []
"""When each attempt of ``failing`` began."""


def floor_inserts(folder: Path, count: int, synchronous: str) -> float:
    """Seconds for one raw insert and commit in WAL mode."""
    connection = sqlite3.connect(folder / f"floor-{synchronous}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, id TEXT, step TEXT, r BLOB)")
    began = time.perf_counter()
    for n in range(count):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (?, ?, ?, ?)", (n, "x" * 20, "trivial", b"1"))
        connection.execute("COMMIT")
    took = (time.perf_counter() - began) / count
    connection.close()
    return took


def sequential(folder: Path, count: int, durability: str) -> float:
    with Runtime(journal=folder / f"seq-{durability}.db", durability=durability):
        sequence(5)
        began = time.perf_counter()
        sequence(count)
        return (time.perf_counter() - began) / count


def pairs(
    floor: Callable[[], float], ours: Callable[[], float], rounds: int = 5
) -> tuple[float, float, float]:
    """Medians of both and of their ratio, taken in turns so that both see the same disk."""
    floors, times, ratios = [], [], []
    for _ in range(rounds):
        low, high = floor(), ours()
        floors.append(low)
        times.append(high)
        ratios.append(high / low)
    return statistics.median(floors), statistics.median(times), statistics.median(ratios)


def fresh_in(folder: Path) -> Path:
    """A new, empty folder in ``folder``."""
    return Path(tempfile.mkdtemp(dir=folder))


def measure() -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="surefoot-bench-") as name:
        folder = Path(name)

        def fresh() -> Path:
            return fresh_in(folder)

        low, high, ratio = pairs(
            lambda: floor_inserts(fresh(), 300, "FULL"), lambda: sequential(fresh(), 300, "power")
        )
        rows.append(
            Row(
                "a step, default durability",
                high * 1e6,
                "µs",
                ratio,
                "raw WAL/FULL insert + commit",
                low * 1e6,
                "ratio ≤ 1.5",
                ratio <= 1.5,
            )
        )
        low, high, ratio = pairs(
            lambda: floor_inserts(fresh(), 2000, "NORMAL"),
            lambda: sequential(fresh(), 2000, "process"),
        )
        rows.append(
            Row(
                "a step, durability=process",
                high * 1e6,
                "µs",
                ratio,
                "raw WAL/NORMAL insert + commit",
                low * 1e6,
                "≤ 150 µs",
                high <= 150e-6,
            )
        )
        rows.append(_map(fresh()))
        rows.append(_replay(fresh()))
        rows.append(_memory(fresh()))
        rows.append(_failure_record(fresh()))
    return rows


def _failure_record(folder: Path) -> Row:
    """A failed attempt with a stack of 12 frames and 3 inputs, from its raise to its commit: judged,
    decided upon, and its whole record written. Waits are not slept."""
    MARKS.clear()
    logging.disable(logging.CRITICAL)
    try:
        with Runtime(journal=folder / "f.db", clock=ManualClock(), durability="process"):
            always_failing.with_options(run_id="f").start(50)
    finally:
        logging.disable(logging.NOTSET)
    took = statistics.median(after - before for before, after in itertools.pairwise(MARKS))
    low = floor_inserts(folder, 2_000, "NORMAL")
    return Row(
        "a failed attempt and its record (12 frames, 3 inputs), median",
        took * 1e6,
        "µs",
        took / low,
        "raw WAL/NORMAL insert + commit",
        low * 1e6,
        "≤ 1 ms",
        took <= 1e-3,
    )


def _map(folder: Path, count: int = 20_000) -> Row:
    def ours() -> float:
        began = time.perf_counter()
        mapped(count)
        return time.perf_counter() - began

    with Runtime(journal=folder / "map.db"):
        mapped(100)
        low, took, _ = pairs(lambda: floor_inserts(fresh_in(folder), 300, "FULL"), ours)
    rate = count / took
    return Row(
        ".map, 8 workers, default durability",
        rate,
        "items/s",
        rate * low,
        "raw inserts/s, one commit each",
        1 / low,
        "≥ 10,000 items/s",
        rate >= 10_000,
    )


def _replay(folder: Path, count: int = 5_000) -> Row:
    rounds = itertools.count(1)

    def ours() -> float:
        id = f"r{next(rounds)}"
        os.environ["BENCH_BREAK"] = "1"
        broken_after.with_options(run_id=id).start(count)
        del os.environ["BENCH_BREAK"]
        began = time.perf_counter()
        run = broken_after.resume(id)
        took = (time.perf_counter() - began) / count
        assert run.reused == count, run
        return took

    def floor() -> float:
        began = time.perf_counter()
        for n in range(1, count + 1):
            read.execute("SELECT result FROM calls WHERE seq = ?", (n,)).fetchone()
        return (time.perf_counter() - began) / count

    with Runtime(journal=folder / "replay.db", durability="process"):
        ours()
        read = sqlite3.connect(folder / "replay.db")
        low, took, _ = pairs(floor, ours)
        read.close()
    return Row(
        "a replayed step",
        took * 1e6,
        "µs",
        took / low,
        "one SELECT by primary key",
        low * 1e6,
        "≤ 20 µs",
        took <= 20e-6,
    )


MEMORY = """
import resource, sys, os
from pathlib import Path
from surefoot import Runtime
from bench.journal import mapped
with Runtime(journal=Path(sys.argv[1]) / "memory.db", durability="process"):
    mapped(100)
    def rss():
        return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    before = rss()
    mapped(int(sys.argv[2]))
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before) / 1e6)
"""


def _memory(folder: Path, count: int = 100_000) -> Row:
    def run(n: int) -> float:
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(folder), str(n)],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parent.parent,
        )
        return float(done.stdout)

    peak = run(count)
    floor = sys.getsizeof(list(range(count))) / 1e6
    return Row(
        "100,000 mapped items, peak above the start",
        peak,
        "MB",
        peak / floor,
        "the list of their indexes",
        floor,
        "≤ 100 MB",
        peak <= 100,
    )
