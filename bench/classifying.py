"""What it costs to load the catalog and to classify an exception."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from surefoot.catalog import load
from surefoot.catalog.examples import build
from surefoot.classify import classify

from .report import Row

LOADING = """
import time
import surefoot.catalog, surefoot.classify
began = time.perf_counter()
catalog = surefoot.catalog.load()
surefoot.classify.classify(ConnectionRefusedError(111, "refused"), catalog=catalog, now=0.0)
print((time.perf_counter() - began) * 1e3)
"""


def _each(fn: Callable[[], object], count: int = 2_000, rounds: int = 9) -> float:
    best = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(count):
            fn()
        best.append((time.perf_counter() - began) / count)
    return statistics.median(best)


def measure() -> list[Row]:
    times = [
        float(
            subprocess.run(
                [sys.executable, "-c", LOADING], check=True, capture_output=True, text=True
            ).stdout
        )
        for _ in range(7)
    ]
    loading = statistics.median(times)
    began = time.perf_counter()
    compile("x = 1\n" * 2_000, "floor", "exec")
    floor = (time.perf_counter() - began) * 1e3
    rows = [
        Row(
            "loading the catalog, with the first failure",
            loading,
            "ms",
            loading / floor,
            "compiling 2,000 lines of Python",
            floor,
            "≤ 30 ms",
            loading <= 30,
        )
    ]
    catalog = load()
    cases = {
        "OSError (ECONNREFUSED)": ConnectionRefusedError(111, "Connection refused"),
        "a rate limit with headers and a body": build(
            {
                "type": "openai.RateLimitError",
                "bases": ["openai.APIStatusError", "openai.APIError", "openai.OpenAIError"],
                "message": "Error code: 429 - Rate limit reached for gpt-4o",
                "status": 429,
                "headers": {"retry-after": "7", "x-ratelimit-remaining-requests": "0"},
                "body": {"error": {"code": "rate_limit_exceeded", "type": "requests"}},
            }
        ),
        "ValueError": ValueError("no"),
    }
    for name, exc in cases.items():
        took = _each(partial(classify, exc, catalog=catalog, now=0.0))
        low = _each(partial(str, exc))
        rows.append(
            Row(
                f"classifying {name}",
                took * 1e6,
                "µs",
                took / low,
                "str() of it",
                low * 1e6,
                "≤ 20 µs",
                took <= 20e-6,
            )
        )
    return rows
