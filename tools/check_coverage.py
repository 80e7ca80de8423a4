"""Holds the coverage: 100 % of branches from `decide` down, and elsewhere never less than before.

    python tools/check_coverage.py            # after `coverage run -m pytest`
    python tools/check_coverage.py --raise    # writes today's figure as the new floor

The pure layers are read from the layers contract in pyproject.toml, so there is one list of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layers import pure_layers

ROOT = Path(__file__).resolve().parent.parent
FLOOR = ROOT / "tools" / "coverage_floor.txt"
SLACK = 0.3
"""Percent: races between threads take a branch in one run and not in the next."""


@dataclass(frozen=True)
class File:
    """What the tests reached of one file."""

    path: str
    covered: int
    total: int
    missing: str

    @property
    def module(self) -> str:
        """The top-level module it belongs to: src/surefoot/codec/numpy.py → codec."""
        return Path(self.path).parts[2].removesuffix(".py")


def read(data: dict[str, Any]) -> list[File]:
    """The files of a `coverage json` report."""
    files = []
    for path, entry in sorted(data["files"].items()):
        summary = entry["summary"]
        branches = [f"{a}→{b if b > 0 else 'exit'}" for a, b in entry.get("missing_branches", [])]
        missing = [str(line) for line in entry["missing_lines"]] + branches
        files.append(
            File(
                Path(path).as_posix(),
                summary["covered_lines"] + summary["covered_branches"],
                summary["num_statements"] + summary["num_branches"],
                ", ".join(missing),
            )
        )
    return files


def measured() -> list[File]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "-q", "-o", str(report)]
        subprocess.run(command, cwd=ROOT, check=True)
        return read(json.loads(report.read_text(encoding="utf-8")))


def percent(files: list[File]) -> float:
    total = sum(file.total for file in files)
    return 100.0 * sum(file.covered for file in files) / total if total else 100.0


def main(arguments: list[str]) -> int:
    files = measured()
    layers = pure_layers()
    pure = [file for file in files if file.module in layers]
    others = [file for file in files if file.module not in layers]
    holes = [file for file in pure if file.covered < file.total]
    for file in holes:
        print(f"{file.path}: not covered: {file.missing}")
    print(f"coverage from decide down: {percent(pure):.2f} % of lines and branches (100 % wanted)")

    reached = percent(others)
    if "--raise" in arguments:
        FLOOR.write_text(f"{int(reached * 10) / 10}\n", encoding="utf-8")
    floor = float(FLOOR.read_text(encoding="utf-8"))
    print(f"coverage above decide: {reached:.2f} % (floor {floor} %)")
    sunk = reached < floor - SLACK
    if sunk:
        worst = sorted(others, key=lambda file: file.covered - file.total)[:8]
        for file in worst:
            print(f"{file.path}: {file.total - file.covered} not covered: {file.missing[:200]}")
        print("FAILED: coverage fell below its floor; the new code needs tests")
    elif reached >= floor + 1:
        print("it rose: `make coverage-floor` keeps it there")
    if holes:
        print("FAILED: the pure layers need a test for each of the branches above")
    return 1 if holes or sunk else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
