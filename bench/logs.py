"""What a log record in a step costs, beside the same record in a program without Surefoot."""

from __future__ import annotations

import io
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import surefoot
from surefoot import Runtime, step, workflow

from .report import Row

COUNT = 3_000


def _write() -> float:
    """Seconds that a record takes, from the call to a formatted line in memory."""
    logger = logging.getLogger("bench.logs")
    began = time.perf_counter()
    for number in range(COUNT):
        logger.info("asked %s for row %d of %s", "gpt", number, "tickets")
    return (time.perf_counter() - began) / COUNT


@step
def writing() -> float:
    return _write()


@workflow
def logging_run() -> float:
    return writing()


def _handler(stream: io.StringIO) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    return handler


def measure() -> list[Row]:
    logger = logging.getLogger("bench.logs")
    logger.setLevel("INFO")
    logger.propagate = False
    handler = _handler(io.StringIO())
    logger.addHandler(handler)
    try:
        return _rows(logger, handler)
    finally:
        surefoot.logs.uninstall()
        logger.handlers.clear()


def _rows(logger: logging.Logger, handler: logging.Handler) -> list[Row]:
    def median(once: Callable[[], float]) -> float:
        return statistics.median(once() for _ in range(5))

    with tempfile.TemporaryDirectory(prefix="surefoot-bench-") as folder:
        with Runtime(journal=Path(folder) / "logs.db", durability="process"):
            floor = median(_write)
            alone = median(logging_run)
            surefoot.logs.install()
            cleaned = median(logging_run)
            logger.removeHandler(handler)
            surefoot.logs.install(json=True, stream=io.StringIO(), logger="bench.logs")
            as_json = median(logging_run)
    return [
        _row("a log record in a step", alone, floor, "ratio ≤ 1.5", alone <= 1.5 * floor),
        _row("the same after logs.install()", cleaned, floor),
        _row("the same as ECS JSON", as_json, floor),
    ]


def _row(what: str, took: float, floor: float, aim: str = "", met: bool = True) -> Row:
    return Row(what, took * 1e6, "µs", took / floor, "plain logging", floor * 1e6, aim, met)
