"""The packages that a process has loaded, with their versions, at a cost of milliseconds.

``importlib.metadata`` would read a file for each installed package. The names of the folders that
installers leave (``httpx-0.27.0.dist-info``) say nearly as much; for a package whose module is called
something else (``yaml`` of PyYAML) its own ``__version__`` counts.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

from ...classify.safely import fields

__all__ = ["loaded_packages"]

ENDS = (".dist-info", ".egg-info")
MOST = 300
DEEPEST = 2
"""Dots in a module's name: ``google.cloud.storage`` is a package of its own."""


def loaded_packages() -> dict[str, str]:
    """{name: version}, by name."""
    modules = {name: module for name, module in list(sys.modules.items()) if type(name) is str}
    by_key = {_key(name): name for name in modules if name.count(".") <= DEEPEST}
    found: dict[str, str] = {}
    named: set[str] = set()
    for name, version in _installed():
        module = by_key.get(_key(name))
        if module is not None:
            found.setdefault(name, version)
            named.add(module.partition(".")[0])
    for name in sorted(modules.keys() - named - sys.stdlib_module_names):
        version_ = _own_version(modules[name]) if "." not in name else None
        if version_ is not None:
            found.setdefault(name, version_)
    return dict(sorted(found.items())[:MOST])


def _key(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def _installed() -> list[tuple[str, str]]:
    found = []
    for place in list(sys.path):
        try:
            names = os.listdir(place or ".")
        except OSError:
            continue
        for entry in names:
            if entry.endswith(ENDS):
                name, _, rest = entry.rpartition(".")[0].partition("-")
                version = rest.partition("-")[0]  # an egg says for which Python, too
                if version:
                    found.append((name, version))
    return found


def _own_version(module: ModuleType) -> str | None:
    found = fields(module).get("__version__")  # not by its __getattr__, which may import
    return found if type(found) is str and len(found) <= 40 else None
