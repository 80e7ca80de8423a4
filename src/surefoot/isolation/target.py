"""How a child process finds the function that it is to run: by import, never by its code."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from ..errors import DefinitionError

__all__ = ["MainPlace", "Target", "check_same", "find", "load_main", "main_place", "target_of"]

WAYS_OUT = "put it at the top level of a module, or leave isolation= out"


class Target(NamedTuple):
    """A function by its module and its qualified name; ``file`` is where the module was loaded from."""

    module: str
    qualname: str
    file: str | None


class MainPlace(NamedTuple):
    """Where the program's first module came from: ``python -m name``, or a file."""

    name: str | None
    file: str | None


def target_of(fn: Any, where: str) -> Target:
    """How a child finds ``fn``.

    :raises DefinitionError: it cannot be imported: a lambda, a function in a function, a notebook's.

    >>> import json
    >>> target_of(json.dumps, "step dumps")[:2]
    ('json', 'dumps')
    """
    qualname = getattr(fn, "__qualname__", None)
    module = getattr(fn, "__module__", None)
    if not isinstance(fn, FunctionType) or not isinstance(qualname, str) or not module:
        raise DefinitionError(
            f"{where}: isolation='process' needs a function that its process can import, and "
            f"{fn!r} is a {type(fn).__name__}; write a def at the top level of a module"
        )
    if "<" in qualname:
        what = "is a lambda" if "<lambda>" in qualname else "is defined inside a function"
        raise DefinitionError(
            f"{where}: isolation='process': {qualname} {what}, where its process cannot import it; "
            f"{WAYS_OUT}"
        )
    file = getattr(sys.modules.get(module), "__file__", None)
    if module == "__main__" and (file is None or not os.path.exists(file)):
        raise DefinitionError(
            f"{where}: isolation='process': {qualname} is defined in a notebook or at a terminal, "
            f"where its process cannot import it; {WAYS_OUT}"
        )
    return Target(module, qualname, os.path.abspath(file) if file is not None else None)


def check_same(target: Target, fn: Any, where: str) -> None:
    """Before the first use: does the name lead to this very function?

    :raises DefinitionError: it leads to something else, which the child would run instead.
    """
    module = sys.modules.get(target.module)
    if module is None:
        return  # the child tells what it finds
    found = _bare(_attribute(module, target.qualname))
    if found is not fn:
        what = "nothing" if found is None else repr(found)
        raise DefinitionError(
            f"{where}: isolation='process': its process would look for {target.module}."
            f"{target.qualname} and find {what}; give the function that name, or leave isolation= "
            "out"
        )


def find(target: Target, main: MainPlace) -> Any:
    """The bare function, imported here if need be.

    :raises DefinitionError: it is not found.
    """
    if target.module == "__main__":
        module = load_main(main)
    else:
        module = _module(target)
    found = _bare(_attribute(module, target.qualname))
    if found is None:
        raise DefinitionError(
            f"the process of an isolated step finds no {target.qualname} in {target.module} "
            f"({target.file}); {WAYS_OUT}"
        )
    return found


def _bare(found: Any) -> Any:
    """The function below ``@step`` or ``@effect``, or the function itself."""
    spec = getattr(found, "spec", None)
    return getattr(spec, "fn", found)


def _attribute(module: ModuleType, qualname: str) -> Any:
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def _module(target: Target) -> ModuleType:
    """By its name; by its file where the name leads elsewhere, as for what was loaded by its path."""
    known = sys.modules.get(target.module)
    if known is not None:
        return known
    try:
        spec = importlib.util.find_spec(target.module)
    except (ImportError, ValueError):
        spec = None
    by_name = spec is not None and (
        target.file is None
        or spec.origin is None
        or os.path.realpath(spec.origin) == os.path.realpath(target.file)
    )
    if by_name or target.file is None:
        return importlib.import_module(target.module)
    spec = importlib.util.spec_from_file_location(target.module, target.file)
    if spec is None or spec.loader is None:
        return importlib.import_module(target.module)
    module = importlib.util.module_from_spec(spec)
    sys.modules[target.module] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(target.module, None)
        raise
    return module


def main_place() -> MainPlace:
    """Where this program's first module came from."""
    main = sys.modules.get("__main__")
    name = getattr(getattr(main, "__spec__", None), "name", None)
    file = getattr(main, "__file__", None)
    return MainPlace(name, os.path.abspath(file) if file is not None else None)


def load_main(place: MainPlace) -> ModuleType:
    """The program's first module, imported in the child as ``__mp_main__`` (the name that
    :mod:`multiprocessing` uses, too), so that what stands under ``if __name__ == "__main__":`` does
    not run again.

    :raises DefinitionError: there is no file to import.
    """
    known = sys.modules.get("__mp_main__")
    if known is not None:
        return known
    if place.name is None and (place.file is None or not os.path.exists(place.file)):
        raise DefinitionError(
            "the process of an isolated step needs something of a notebook or a terminal, which it "
            "cannot import; put it into a module"
        )
    import runpy

    module = ModuleType("__mp_main__")
    if place.name is not None:
        content = runpy.run_module(place.name, run_name="__mp_main__", alter_sys=True)
        vars(module).update(content)
        sys.modules["__main__"] = sys.modules["__mp_main__"] = module
        return module
    assert place.file is not None
    spec = importlib.util.spec_from_file_location("__mp_main__", place.file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get("__main__")
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop("__mp_main__", None)
        if before is not None:
            sys.modules["__main__"] = before
        raise
    return module
