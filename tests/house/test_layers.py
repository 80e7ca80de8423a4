"""What import-linter's contracts cannot say about imports."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src" / "surefoot"

sys.path.insert(0, str(ROOT / "tools"))
try:
    from layers import layers, pure_layers
finally:
    sys.path.pop(0)

CORE = {"click", "rich", "re2", "tomli"}
"""The dependencies that are always there."""


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "surefoot"


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(imported package's root, whether the import runs only when a function is called)."""

    def walk(node: ast.AST, lazy: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield alias.name.split(".")[0], lazy
            elif isinstance(child, ast.ImportFrom) and child.level == 0 and child.module:
                yield child.module.split(".")[0], lazy
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue  # never runs
            else:
                inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from walk(child, lazy or inside)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), False)


def third_party() -> dict[str, dict[str, bool]]:
    """{package: {module of ours that imports it: whether only inside functions}}."""
    found: dict[str, dict[str, bool]] = defaultdict(dict)
    for path in sorted(SOURCES.rglob("*.py")):
        name = module_name(path)
        for package, lazy in imports(path):
            if package not in sys.stdlib_module_names and package != "surefoot":
                found[package][name] = found[package].get(name, True) and lazy
    return found


LOADED_WITH_THEIR_PACKAGE = ("adapters.airflow.policy", "store.postgres_types")
"""Modules with subclasses of a package's classes: nothing imports them where it is not there."""


def test_each_top_level_module_has_its_place_in_the_layers() -> None:
    placed = {name for line in layers() for name in line}
    there = {
        path.stem
        for path in SOURCES.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.stem != "__init__"
    }
    assert there <= placed


def test_the_pure_layers_are_those_from_decide_down() -> None:
    assert pure_layers() >= {"decide", "classify", "catalog", "policy", "codec", "model", "scrub"}
    assert not pure_layers() & {"config", "isolation", "attempts", "journal", "store"}


def test_an_optional_package_is_imported_in_one_module_and_inside_functions() -> None:
    for package, modules in third_party().items():
        if package in CORE:
            continue
        # an adapter is a package: whatever stands in adapters/<tool>/ is for that tool
        places = {
            ".".join(one.split(".")[:2]) if one.startswith("adapters.") else one for one in modules
        }
        assert len(places) == 1, f"{package} is imported by {sorted(modules)}: choose one of them"
        for module, lazy in modules.items():
            # Nothing but pytest loads its plugin, and pytest is there then.
            assert (
                lazy or module.endswith("pytest_plugin") or module in LOADED_WITH_THEIR_PACKAGE
            ), f"{module} imports {package} when it is imported itself: do it inside a function"


def test_the_terminal_stays_where_people_look_at_it() -> None:
    allowed = {"cli", "observe"}
    for package in ("click", "rich"):
        users = {module.split(".")[0] for module in third_party().get(package, {})}
        assert users <= allowed, f"{package} is imported by {sorted(users - allowed)}"
