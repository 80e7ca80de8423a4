"""Crash sweeps, and what came of them.

    make sweep-full                     # all of it; the result goes into docs/chaos.md
    make sweep-sample                   # a sample by chance
    make sweep-sample ARGS="--seed 7"   # the same one again

Two parts: a kill at every write of the journal in the demo's workflow, and all pairs of kills (the
second one in the process after the first's) in a workflow of four steps. A part that loses or doubles
an effect, gets stuck, or is not through in its time, fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "chaos.md"
MARKS = ("<!-- the last sweep: tools/sweep.py writes it -->", "<!-- end of the last sweep -->")
NEVER = ("duplicate", "lost", "stuck", "wrong_output", "not_fired")


@dataclass(frozen=True)
class Part:
    """One chaos run. ``limit`` is seconds."""

    title: str
    target: str
    options: tuple[str, ...]
    limit: int


PARTS = (
    Part(
        "the demo's workflow, a kill at every write",
        "examples.file_triage.pipeline:triage",
        ("--setup", "examples.file_triage.chaos:setup", "--crash-sweep", "--only", "kind=write"),
        300,
    ),
    Part(
        "four steps, all pairs of kills",
        "tests/vacuity/four.py:four",
        ("--input", "2", "--crash-sweep", "--only", "kind=write", "--pairs"),
        600,
    ),
)


def played(part: Part, extra: list[str]) -> dict[str, Any]:
    """What ``surefoot chaos --json`` says of it."""
    command = [sys.executable, "-m", "surefoot", "chaos", part.target, *part.options]
    done = subprocess.run(
        [*command, "--jobs", "2", "--time-limit", str(part.limit), "--json", *extra],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "SUREFOOT_RULES": str(ROOT / "examples/file_triage/rules.toml"),
        },
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    if "error" in told:
        raise SystemExit(f"{part.title}: {told['error']['message']}")
    return told


def row(part: Part, told: dict[str, Any]) -> str:
    """One line of the table in the docs."""
    outcomes = Counter(told["outcomes"])
    double = sum(len(one["faults"]) == 2 for one in (each["cell"] for each in told["cells"]))
    what = f"{len(told['cells']) - double} single" + (f", {double} double" if double else "")
    rest = ", ".join(f"{number} {name}" for name, number in outcomes.items() if name not in NEVER)
    bad = " | ".join(str(outcomes[one]) for one in ("lost", "duplicate", "stuck"))
    return f"| {part.title} | {what} | {rest} | {bad} | {told['seconds']:.0f} s |"


def write(rows: list[str]) -> None:
    """Put the result where the docs show it."""
    head = (
        f"On {date.today().isoformat()}, Python {platform.python_version()}, {os.cpu_count()} cores:\n\n"
        "| what | cells | outcomes | lost | duplicated | stuck | took |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
    )
    page = PAGE.read_text(encoding="utf-8")
    body = f"{MARKS[0]}\n{head}" + "\n".join(rows) + f"\n{MARKS[1]}"
    new, number = re.subn(
        f"{re.escape(MARKS[0])}.*?{re.escape(MARKS[1])}", lambda _: body, page, flags=re.DOTALL
    )
    if number != 1:
        raise SystemExit(f"{PAGE} has not got its place for the last sweep: {MARKS[0]}")
    PAGE.write_text(new, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="crash sweeps of two workflows")
    parser.add_argument("--sample", type=int, help="so many kills of each, by chance")
    parser.add_argument("--seed", type=int, help="the same sample again")
    parser.add_argument("--write", action="store_true", help="write the result into docs/chaos.md")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    extra = ["--seed", str(seed)]
    if given.sample is not None:
        extra += ["--sample", str(given.sample)]
        print(f"seed {seed}; the same again: make sweep-sample ARGS='--seed {seed}'")
    rows, bad = [], 0
    for part in PARTS:
        told = played(part, extra)
        rows.append(row(part, told))
        bad += told["exit_code"] != 0
        print(f"{told['summary']}; {told['seconds']:.0f} s")
        for one in told["cells"]:
            if not one["allowed"]:
                print(f"  {one['cell']['id']}: {one['outcome']}: {one['detail']}")
        for note in told["notes"]:
            print(f"  note: {note}")
    if given.write and not bad:
        write(rows)
        print(f"written into {PAGE.relative_to(ROOT)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
