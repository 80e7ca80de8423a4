"""The layers, as the contract in pyproject.toml has them: the one list of them."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent


def layers() -> list[list[str]]:
    """Top to bottom; each with its neighbours: [["cli"], …, ["adapters", "chaos"], …]."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    lines = next(c["layers"] for c in contracts if c["type"] == "layers")
    return [[name.strip(" ()") for name in line.split("|")] for line in lines]


def pure_layers() -> frozenset[str]:
    """Everything from `decide` down: no I/O but reading the catalog, so every branch is testable."""
    lines = layers()
    first = next(i for i, names in enumerate(lines) if "decide" in names)
    return frozenset(name for names in lines[first:] for name in names)
