"""What it costs to load the catalog and to classify an exception."""

from __future__ import annotations

import copy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from surefoot.catalog import Catalog, load
from surefoot.catalog.examples import build
from surefoot.classify import classify

from .report import Row

LOADING = """
import time
from surefoot.catalog import load
from surefoot.classify import classify
began = time.perf_counter()
catalog = load()
classify(ConnectionRefusedError(111, "refused"), catalog=catalog, now=0.0)
print((time.perf_counter() - began) * 1e3)
"""


def _each(fn: Callable[[], object], count: int = 2_000, rounds: int = 9) -> float:
    """Seconds of CPU that one call takes: nothing here waits, and other programs do not count."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(count):
            fn()
        times.append((time.process_time() - began) / count)
    return statistics.median(times)


def _raised(exc: BaseException) -> BaseException:
    """``exc`` with a traceback, as all that a step raises have one: its fingerprint is made of the
    functions in it. Of one that was never raised the message is read instead."""
    try:
        raise exc
    except type(exc) as caught:
        return caught


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
    rows.append(_all_rules())
    catalog = load()
    _ = catalog.rules  # all of them are read: their number must not matter
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
        "a class that no rule knows": build({"type": "acme.errors.Odd", "message": "out of phase"}),
    }
    unraised = {f"{name}, never raised": exc for name, exc in list(cases.items())[:2]}
    raised = {name: _raised(copy.copy(exc)) for name, exc in cases.items()}
    for name, exc in {**raised, **unraised}.items():
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
    rows.extend(_hostile(catalog))
    rows.extend(_others(catalog))
    return rows


def _all_rules() -> Row:
    """Reading every rule of every library, which only lists and exports do."""
    took = []
    count = 0
    for _ in range(5):
        began = time.perf_counter()
        count = len(load().rules)
        took.append((time.perf_counter() - began) * 1e3)
    began = time.perf_counter()
    compile("x = 1\n" * 2_000, "floor", "exec")
    floor = (time.perf_counter() - began) * 1e3
    reading = statistics.median(took)
    return Row(
        f"reading all {count:,} rules",
        reading,
        "ms",
        reading / floor,
        "compiling 2,000 lines of Python",
        floor,
        "≤ 50 ms",
        reading <= 50,
    )


def _hostile(catalog: Catalog) -> list[Row]:
    """A message of 1 MB, made to hang a backtracking engine."""
    rows = []
    for name, text in (("aaaa…", "a" * 1_000_000), ("retry after 1 1 1 …", "after 1 " * 125_000)):
        exc = RuntimeError(text)
        took = _each(partial(classify, exc, catalog=catalog, now=0.0), count=10)
        low = _each(partial(text.find, "b"), count=10)
        rows.append(
            Row(
                f"classifying a hostile message of 1 MB ({name})",
                took * 1e3,
                "ms",
                took / low,
                "one look through it",
                low * 1e3,
                "≤ 10 ms",
                took <= 10e-3,
            )
        )
    return rows


def _others(catalog: Catalog) -> list[Row]:
    """What others need to decide about the same exception: a call that raises it once, and gives
    up. Theirs is one isinstance; ours says what it is."""
    import stamina
    import tenacity

    exc = KeyError("price")

    def fails() -> None:
        raise exc

    def bare() -> None:
        try:
            fails()
        except KeyError as caught:
            caught.__traceback__ = None

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(ConnectionError), reraise=True
    )
    caller = stamina.RetryingCaller(attempts=3).on(ConnectionError)

    def ours() -> None:
        try:
            fails()
        except KeyError as caught:
            classify(caught, catalog=catalog, now=0.0)
            caught.__traceback__ = None

    def theirs(call: Callable[[Callable[[], None]], None]) -> None:
        try:
            call(fails)
        except KeyError as caught:
            caught.__traceback__ = None

    floor = _each(bare)
    return [
        Row(name, took * 1e6, "µs", took / floor, "raising and catching it", floor * 1e6, "", True)
        for name, took in (
            ("deciding about a KeyError: Surefoot's classify", _each(ours)),
            ("deciding about a KeyError: tenacity", _each(partial(theirs, retrying))),
            ("deciding about a KeyError: stamina", _each(partial(theirs, caller))),
        )
    ]
