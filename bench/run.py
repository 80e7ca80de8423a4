"""``make bench``: prints every figure beside its floor. It never fails: timings decide nothing."""

from __future__ import annotations

import platform
import sqlite3
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import classifying, journal, load, logs, proxy, scrubbing, starting


def main() -> None:
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")
    for part in (starting, classifying, scrubbing, journal, logs, load, proxy):
        for row in part.measure():
            print(row.line(), flush=True)


if __name__ == "__main__":
    main()
