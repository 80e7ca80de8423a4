"""Which exception classes the installed libraries have, and which of them no rule knows.

What each library's modules are, and which classes need no rule, stands in census/*.toml:

    [redis]                                   # the library, as in its file of rules
    package = "redis"                         # the distribution's import name
    modules = ["redis.exceptions"]            # where its exceptions are found
    by_more_than_the_class = ["redis.exceptions.RedisError"]  # bases; judged by code or text
    internal = ["redis.x.Y"]                  # never raised at a user
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surefoot.catalog import Catalog
from surefoot.catalog.examples import build
from surefoot.classify import classify
from tests.rules.http import tomllib

HERE = Path(__file__).parent
SKIP = (object, BaseException, Exception)


@dataclass(frozen=True)
class Library:
    """One library's entry in the census."""

    name: str
    modules: tuple[str, ...]
    by_more_than_the_class: frozenset[str]
    internal: frozenset[str]

    @property
    def packages(self) -> frozenset[str]:
        return frozenset(module.split(".")[0] for module in self.modules)


def libraries() -> list[Library]:
    """All entries, by name."""
    found = []
    for path in sorted((HERE / "census").glob("*.toml")):
        for name, entry in tomllib.loads(path.read_text("utf-8")).items():
            found.append(
                Library(
                    name,
                    tuple(entry["modules"]),
                    frozenset(entry.get("by_more_than_the_class", ())),
                    frozenset(entry.get("internal", ())),
                )
            )
    return sorted(found, key=lambda each: each.name)


def name_of(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def classes(library: Library) -> list[type[BaseException]]:
    """The exception classes that the library's modules hold, by name."""
    found = set()
    for module in library.modules:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = list(vars(importlib.import_module(module)).values())
        for value in values:
            if (
                inspect.isclass(value)
                and issubclass(value, BaseException)
                and not issubclass(value, Warning)
                and value.__name__ != "Warning"  # DB-API's, which nobody raises
                and value.__module__.split(".")[0] in library.packages
            ):
                found.add(value)
    return sorted(found, key=name_of)


def bases(cls: type) -> list[str]:
    """The names of the classes that one is derived from, as an example wants them."""
    return [name_of(each) for each in cls.__mro__[1:] if each not in SKIP]


def is_known(cls: type[BaseException], catalog: Catalog) -> bool:
    """Whether a rule knows an exception of this class by nothing but its class."""
    example: dict[str, Any] = {"type": name_of(cls), "bases": bases(cls)}
    example["bases"] = [each for each in example["bases"] if not each.startswith("builtins.")]
    if state := getattr(cls, "sqlstate", None):
        example["sqlstate"] = state
    return classify(build(example), catalog=catalog).rule != "none"


def unknown(library: Library, catalog: Catalog) -> list[str]:
    """The classes that no rule knows and that the census does not excuse."""
    excused = library.by_more_than_the_class | library.internal
    return [
        name_of(cls)
        for cls in classes(library)
        if name_of(cls) not in excused and not is_known(cls, catalog)
    ]


def main() -> int:
    """Print the census of what is installed: for a nightly look at newer versions."""
    from importlib.metadata import packages_distributions, version

    from surefoot.catalog import load

    catalog = load()
    names = packages_distributions()
    total = left = 0
    for library in libraries():
        found, missing = classes(library), unknown(library, catalog)
        total, left = total + len(found), left + len(missing)
        of = (names.get(package, [package])[0] for package in sorted(library.packages))
        versions = ", ".join(sorted({f"{one} {_version(one, version)}" for one in of}))
        print(
            f"{library.name}: {len(found)} exception classes, {len(missing)} unknown ({versions})"
        )
        for name in missing:
            print(f"  {name}")
    print(
        f"{total} exception classes in {len(libraries())} libraries, {left} unknown to the catalog"
    )
    return 1 if left else 0


def _version(name: str, version: Any) -> str:
    from importlib.metadata import PackageNotFoundError

    try:
        return str(version(name))
    except PackageNotFoundError:
        return "?"


if __name__ == "__main__":
    raise SystemExit(main())
