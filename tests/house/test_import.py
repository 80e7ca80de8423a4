"""`import surefoot` is light, and nothing optional is needed for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src" / "surefoot"

# Libraries that a user may or may not have; and heavy parts that most programs never reach.
OPTIONAL = (
    "airflow",
    "anthropic",
    "apprise",
    "attr",
    "attrs",
    "botocore",
    "fsspec",
    "httpx",
    "magika",
    "msgspec",
    "numpy",
    "openai",
    "opentelemetry",
    "pandas",
    "polars",
    "prefect",
    "prometheus_client",
    "psycopg",
    "pyarrow",
    "pydantic",
    "pytest",
    "requests",
    "safetensors",
    "sqlalchemy",
    "stamina",
    "tenacity",
    "torch",
    "urllib3",
)
HEAVY = (
    "asyncio",
    "click",
    "concurrent.futures.process",
    "email.message",
    "http.client",
    "multiprocessing",
    "re2",
    "rich",
    "socket",
    "sqlite3",
    "ssl",
    "tomllib",
    "tomli",
    "unittest",
    "urllib.request",
)


LOADED_WITH_THEIR_PACKAGE = (
    "pytest_plugin",
    "adapters.airflow.operator",
    "adapters.airflow.policy",
    "store.postgres_types",
)
"""Modules with subclasses of a package's classes: nothing imports them where it is not there."""


def python(code: str, *arguments: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules() -> list[str]:
    """Every module of the package by name."""
    found = []
    for path in SOURCES.rglob("*.py"):
        parts = ("surefoot", *path.relative_to(SOURCES).with_suffix("").parts)
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return sorted(name for name in found if not name.endswith("__main__"))


def test_import_surefoot_pulls_in_neither_heavy_nor_optional_packages() -> None:
    code = """
import sys
before = set(sys.modules)  # an editable installation's or coverage's .pth files load things, too
import surefoot
print(__import__("json").dumps(sorted(set(sys.modules) - before)))
"""
    loaded = set(json.loads(python(code)))
    assert "surefoot" in loaded
    assert not loaded & {*HEAVY, *OPTIONAL}


@pytest.mark.parametrize("package", ["surefoot", "surefoot.cli"])
def test_a_package_that_exports_gives_all_that_it_names(package: str) -> None:
    python(f"import {package} as p; [getattr(p, name) for name in getattr(p, '__all__', ())]")


def test_every_module_imports_where_no_optional_package_is_installed() -> None:
    code = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked by the test)", name=name)

blocked = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Absent())
for name in sys.argv[2].split(","):
    importlib.import_module(name)
"""
    # The pytest plugin is the one module that only pytest itself imports.
    wanted = [name for name in modules() if not name.endswith(LOADED_WITH_THEIR_PACKAGE)]
    python(code, ",".join(OPTIONAL), ",".join(wanted))
