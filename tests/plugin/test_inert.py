"""Whoever does not use the plugin does not notice it."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]

LOADED = """
import sys

def test_nothing():
    assert 1 + 1 == 2

def test_loaded():
    for name in sorted(sys.modules):
        if name.split(".")[0] in ("surefoot", "re2", "sqlite3", "asyncio"):
            print("loaded", name)
    import os
    assert not [name for name in os.environ if name.startswith("SUREFOOT")]
"""


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """An environment in which Surefoot is installed with what its pyproject.toml declares."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    made = configparser.ConfigParser()
    for group, entries in project["entry-points"].items():
        made[group] = entries
    info = tmp_path / "site" / "surefoot-0.0.dist-info"
    info.mkdir(parents=True)
    with (info / "entry_points.txt").open("w") as out:
        made.write(out)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: surefoot\nVersion: 0.0\n")
    path = os.pathsep.join([str(tmp_path / "site"), str(ROOT / "src")])
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("SUREFOOT_", "PYTEST_", "COV"))
    }
    return {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def session(folder: Path, environment: dict[str, str], *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_there_by_its_entry_point_and_loads_nothing_before_it_is_used(
    installed: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "test_it.py").write_text(LOADED)
    out = session(tmp_path, installed, "-s", "test_it.py")
    assert "2 passed" in out
    loaded = {
        line.split()[1] for line in out.splitlines() if line.startswith(("loaded", ".loaded"))
    }
    plain = subprocess.run(
        [sys.executable, "-c", "import sys, surefoot, surefoot.chaos; print(*sys.modules)"],
        env=installed,
        capture_output=True,
        text=True,
        check=True,
    )
    mine = {one for one in loaded if one.startswith("surefoot")}
    assert "surefoot.chaos.pytest_plugin" in mine
    assert mine - set(plain.stdout.split()) == {"surefoot.chaos.pytest_plugin"}
    assert not list(tmp_path.rglob(".surefoot"))


def test_its_fixtures_and_its_marker_have_words_for_people(
    installed: dict[str, str], tmp_path: Path
) -> None:
    out = session(tmp_path, installed, "--fixtures", "--markers")
    assert "@pytest.mark.resilience(workflow" in out
    out = session(tmp_path, installed, "--fixtures")
    for name in ("faults", "virtual_clock", "journal", "ledger", "fault_proxy", "crash_at"):
        assert f"\n{name} -- " in out, name


def test_a_project_may_leave_it_out(installed: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n\ndef test_it():\n    assert 'surefoot' not in sys.modules\n"
    )
    assert "1 passed" in session(tmp_path, installed, "-p", "no:surefoot", "test_it.py")


def test_coverage_still_sees_all_of_a_module_that_the_plugin_imports_first(
    installed: dict[str, str], tmp_path: Path
) -> None:
    """`coverage run -m pytest` starts before any plugin."""
    pytest.importorskip("coverage")
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    data = {**installed, "COVERAGE_FILE": str(tmp_path / "data")}
    source = ["--include", "*/surefoot/chaos/places.py"]
    for command in (
        ["run", *source, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"],
        ["report", *source],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "coverage", *command],
            cwd=tmp_path,
            env=data,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    total = done.stdout.splitlines()[-1]
    assert int(total.split()[-1].rstrip("%")) > 60, done.stdout  # its definitions were all seen
