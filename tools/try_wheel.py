"""Builds the wheel, installs it into an empty environment and uses it there, away from the sources.

    make test-wheel

What only an installed package can show: the data files and migrations are in it, the script is on the path,
and the core works with its own four dependencies and nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

WORKFLOW = """\
from surefoot import step, workflow

@step
def double(number: int) -> int:
    return number * 2

@workflow
def doubled(number: int) -> int:
    return double(number)
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Runs a command that must succeed; returns what it printed."""
    # Nothing of this checkout may help: no PYTHONPATH, no settings of its developer.
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SUREFOOT_"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=keep,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(done.stdout, done.stderr, sep="\n")
        sys.exit(f"FAILED (exit {done.returncode}): {' '.join(str(part) for part in command)}")
    return done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Into the temporary folder by --wheel-dir; pip copies nothing into the checkout.
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
        run(*pip, "wheel", "-qq", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
        wheel = next(folder.glob("surefoot-*.whl"))
        run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
        scripts = folder / "venv" / "bin"
        run(scripts / "python", "-m", "pip", "install", "-qq", wheel, cwd=folder)

        surefoot = scripts / "surefoot"
        (folder / "numbers_workflow.py").write_text(WORKFLOW, encoding="utf-8")
        run(surefoot, "--help", cwd=folder)
        assert "rate_limited" in run(surefoot, "catalog", "list", cwd=folder)
        target = "numbers_workflow.py:doubled"
        run(surefoot, "run", target, "--run-id", "one", "--input", "21", cwd=folder)
        assert '"result": 42' in run(surefoot, "show", "one", "--json", cwd=folder)
        print(f"{wheel.name}: installed, ran a workflow and showed it")


if __name__ == "__main__":
    main()
