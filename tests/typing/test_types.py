"""mypy --strict sees the decorated functions' own signatures, and the mistakes in using them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def mypy(*arguments: str, cache: Path) -> tuple[int, str]:
    command = [
        *(sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--show-error-codes"),
        *("--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(cache)),
        *arguments,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


def test_every_signature_is_seen_and_every_mistake_is_told(cache: Path, tmp_path: Path) -> None:
    """In one run of mypy, which takes most of its time for our own sources."""
    text = (HERE / "mistakes.txt").read_text(encoding="utf-8")
    mistakes = tmp_path / "mistakes.py"
    mistakes.write_text(text, encoding="utf-8")
    code, told = mypy(
        "--python-version", "3.10", str(HERE / "steps.py"), str(mistakes), cache=cache
    )
    assert code == 1
    found: dict[int, str] = {}
    others = []
    for line in told.splitlines():
        match = re.search(r"mistakes\.py:(\d+): (error: .*)", line)
        if match is not None:
            found[int(match[1])] = found.get(int(match[1]), "") + match[2]
        elif " error: " in line:
            others.append(line)
    assert others == []
    wanted = {
        number: line.split("# E: ")[1]
        for number, line in enumerate(text.splitlines(), start=1)
        if "# E: " in line
    }
    assert len(wanted) > 20
    missing = {n: words for n, words in wanted.items() if words not in found.get(n, "")}
    assert missing == {}, {number: found.get(number) for number in missing}
    assert set(found) == set(wanted)
