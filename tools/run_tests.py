"""Runs the tests: all of them on the main Python, the core's on every other one of 3.10–3.13.

    make test                       # everything
    make test ARGS="-k lease -x"    # what pytest selects, on the main Python only

Two suites run at a time. The main one, measured for coverage, is shown as it runs; of the others
the closing line is shown, and all of it where a test failed. A Python that this machine does not
have is skipped, and named.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pythons import SUPPORTED, Version, find, version_text

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
MAIN_ONLY = (
    "alerts",
    "chaos",
    "codec_libs",
    "containers",
    "crash",
    "house",
    "log_libs",
    "postmortem",
    "proxy_libs",
    "typing",
)
"""Areas that need the development environment, or say nothing new on another Python."""
OWN_TARGET = (
    "chaostoolkit",
    "cli",
    "deadletter",
    "demo",
    "docs",
    "isolation",
    "libraries",
    "objects",
    "on_airflow",
    "on_prefect",
    "plugin",
    "plugin_libs",
    "postgres",
    "proxy_clients",
    "rules",
    "secrets",
    "vacuity",
)
"""Areas with a make target of their own: too slow for `make test` (cli, deadletter, isolation, plugin and
secrets start processes: `make test-processes`; vacuity plays whole chaos runs: `make test-chaos`), or in
another environment. The code in the docs is run by `make check`."""


@dataclass(frozen=True)
class Suite:
    """What one Python has to run, and how it went."""

    version: Version
    seconds: float = 0.0
    returncode: int = 0
    output: str = ""

    @property
    def closing_line(self) -> str:
        lines = [line for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else "(no output)"


def areas(*, core: bool) -> list[str]:
    """The folders and files of tests/ that a suite runs."""
    left_out = OWN_TARGET + (MAIN_ONLY if core else ())
    return sorted(
        str(path.relative_to(ROOT))
        for path in TESTS.iterdir()
        if path.name not in left_out
        and (any(path.rglob("test_*.py")) if path.is_dir() else path.name.startswith("test_"))
    )


def run_main(arguments: Sequence[str]) -> int:
    """Everything, on this Python, in view."""
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", *areas(core=False)]
    if arguments:  # a person at work: quick, and no verdict on coverage
        command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def run_core(version: Version) -> Suite:
    """The core's tests on another Python, with nothing but the core's dependencies beside it."""
    started = time.monotonic()
    name = version_text(version)
    python = ROOT / ".venvs" / name / "bin" / "python"
    set_up = [sys.executable, str(ROOT / "tools" / "bootstrap.py"), "test", name]
    tests = [str(python), "-m", "pytest", "-p", "no:cacheprovider", *areas(core=True)]
    done = None
    for command in (set_up, tests):
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            break
    assert done is not None
    return Suite(version, time.monotonic() - started, done.returncode, done.stdout)


def report(suite: Suite) -> None:
    if suite.returncode != 0:
        print(suite.output)
    print(f"Python {version_text(suite.version)} (core tests, {suite.seconds:.0f} s):")
    print(suite.closing_line, flush=True)


def check_coverage() -> int:
    command = [sys.executable, str(ROOT / "tools" / "check_coverage.py")]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def main(arguments: list[str]) -> int:
    if arguments:
        return run_main(arguments)
    here: Version = sys.version_info[:2]
    found = find()
    if not areas(core=True):
        sys.exit("tests/ holds no core test")
    others = [version for version in SUPPORTED if version != here and version in found]
    missing = [version_text(v) for v in SUPPORTED if v != here and v not in found]

    waiting: queue.SimpleQueue[Version] = queue.SimpleQueue()
    finished: list[Suite] = []
    for version in others:
        waiting.put(version)

    def work() -> None:
        while True:
            try:
                version = waiting.get_nowait()
            except queue.Empty:
                return
            finished.append(run_core(version))

    # One beside the main suite; a second one as soon as the main suite is through.
    beside = threading.Thread(target=work, daemon=True)
    beside.start()
    print(f"Python {version_text(here)} (all tests):", flush=True)
    main_result = run_main([])
    work()
    beside.join()

    for suite in sorted(finished, key=lambda suite: suite.version):
        report(suite)
    if missing:
        print(f"Python {', '.join(missing)}: not on this machine, skipped")
    failed = [version_text(s.version) for s in finished if s.returncode != 0]
    if main_result != 0:
        failed.insert(0, version_text(here))
    if failed:
        print(f"FAILED on Python {', '.join(failed)}")
        return 1
    return check_coverage()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main(sys.argv[1:]))
