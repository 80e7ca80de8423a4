"""The package is what its pyproject.toml promises."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None
    return match.group()


def test_the_core_depends_on_four_packages_and_no_more(pyproject: dict[str, Any]) -> None:
    names = sorted(name_of(text) for text in pyproject["project"]["dependencies"])
    assert names == ["click", "google-re2", "rich", "tomli"]


def test_the_package_tells_its_own_version(pyproject: dict[str, Any]) -> None:
    import surefoot

    version = pyproject["project"]["version"]
    assert importlib.metadata.version("surefoot") == version
    assert surefoot.__version__ == version


def test_the_script_is_the_command_line(pyproject: dict[str, Any]) -> None:
    assert pyproject["project"]["scripts"] == {"surefoot": "surefoot.cli:main"}
    done = subprocess.run(
        [sys.executable, "-m", "surefoot", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert pyproject["project"]["version"] in done.stdout


def test_the_types_are_for_users_too() -> None:
    assert (ROOT / "src" / "surefoot" / "py.typed").exists()


def test_every_python_that_is_supported_has_its_tested_versions(pyproject: dict[str, Any]) -> None:
    named = [text.rsplit(" ", 1)[1] for text in pyproject["project"]["classifiers"] if "3." in text]
    assert [f"py{version}.txt" for version in named] == sorted(
        path.name
        for path in (ROOT / "constraints").iterdir()
        # those of environments of their own, as catalog-py3.11.txt, are for one Python
        if path.name.startswith("py")
    )


def test_constraints_are_plain_versions() -> None:
    for path in (ROOT / "constraints").iterdir():
        for line in path.read_text(encoding="utf-8").splitlines():
            assert line.startswith("#") or re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line), line


def test_no_file_holds_a_path_of_somebodys_machine_or_a_registrys_address() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    # Put together here, so that this file does not hold them itself.
    hosts = ("files.python" + "hosted.org", "pypi" + ".org", "registry" + ".npmjs.org")
    homes = ("/root" + "/", "/work" + "/main", "/home/" + "user/")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            found = [word for word in hosts + homes if word in text]
            assert not found, f"{name} holds {found}"
