"""What ``import surefoot`` costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from .report import Row


def _seconds(code: str, rounds: int = 9) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def measure() -> list[Row]:
    bare = _seconds("pass")
    ours = _seconds("import surefoot")
    took = (ours - bare) * 1e3
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, surefoot; print('asyncio' in sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    return [
        Row(
            f"import surefoot (asyncio loaded: {loaded})",
            took,
            "ms",
            ours / bare,
            "an empty Python",
            bare * 1e3,
            "≤ 100 ms",
            took <= 100,
        )
    ]
