"""How a workflow is found again: by module, or by file; and back."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import UsageError

__all__ = ["as_workflow", "describe", "load", "load_described", "load_file"]


def describe(fn: Any) -> str | None:
    """How ``fn`` can be imported again, as JSON; None where it cannot be (a closure, a notebook)."""
    qualname = getattr(fn, "__qualname__", "")
    module = getattr(fn, "__module__", None)
    code = getattr(fn, "__code__", None)
    if "<" in qualname or module is None or code is None:
        return None
    file = code.co_filename
    if file.startswith("<") or not os.path.exists(file):
        return None
    if module in sys.modules:
        # a file that was loaded by its path is found again by its path
        spec = getattr(sys.modules[module], "__spec__", None)
        if spec is None or getattr(spec, "name", None) != module:
            module = "__main__"
        elif getattr(sys.modules[module], "__surefoot_file__", None):
            module = "__main__"
    return json.dumps(
        {
            "module": None if module == "__main__" else module,
            "file": os.path.abspath(file),
            "qualname": qualname,
            "cwd": os.getcwd(),
        }
    )


def load(target: str) -> Any:
    """Import ``pkg.module:name`` or ``path/to/file.py:name``.

    :raises UsageError: it cannot be found; the message says what was looked for.
    """
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name:
        raise UsageError(
            f"{target!r} names no workflow; write pkg.module:name or path/to/file.py:name"
        )
    if place.endswith(".py") or os.sep in place:
        return _attribute(load_file(Path(place)), name, place)
    return _attribute(_import(place), name, place)


def load_described(target: str | None, run_id: str) -> Any:
    """Import the workflow that a run was recorded with.

    :raises UsageError: it cannot be imported from here.
    """
    if target is None:
        raise UsageError(
            f"the workflow of run {run_id} was defined where it cannot be imported again (a "
            "notebook, a closure, a terminal); resume it from code, with workflow.resume(run_id), "
            "or name it: --workflow path/to/file.py:name"
        )
    told = json.loads(target)
    if told["cwd"] not in sys.path:
        sys.path.insert(0, told["cwd"])
    try:
        module = (
            _import(told["module"]) if told["module"] is not None else load_file(Path(told["file"]))
        )
        return _attribute(module, told["qualname"], told["module"] or told["file"])
    except UsageError as exc:
        raise UsageError(
            f"{exc}\nThe workflow of run {run_id} was recorded as {told['qualname']} in "
            f"{told['file']}; if it has moved, name it: --workflow path/to/file.py:name"
        ) from exc


def _import(name: str) -> ModuleType:
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is not None and (name == exc.name or name.startswith(f"{exc.name}.")):
            raise UsageError(
                f"there is no module {exc.name!r} to be found from {os.getcwd()}; "
                "write pkg.module:name or path/to/file.py:name"
            ) from exc
        raise


def load_file(path: Path) -> ModuleType:
    """Import a file by its path, once for each process.

    :raises UsageError: there is no such file.
    """
    path = path.absolute()
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    main = sys.modules.get("__main__")
    if main is not None and getattr(main, "__file__", None) is not None:
        if Path(str(main.__file__)).absolute() == path:
            return main
    name = path.stem
    for module in list(sys.modules.values()):
        if getattr(module, "__surefoot_file__", None) == str(path):
            return module
    if name in sys.modules:
        name = f"_surefoot_{name}"
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    module.__surefoot_file__ = str(path)  # type: ignore[attr-defined]
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _attribute(module: ModuleType, name: str, place: str) -> Any:
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            from .checks import nearest

            raise UsageError(f"{place} has no {name!r}{nearest(name, vars(module))}") from None
    return found


def as_workflow(found: Any, target: str) -> Any:
    """:raises UsageError: what was found is no workflow."""
    from .workflow import Workflow

    if not isinstance(found, Workflow):
        raise UsageError(
            f"{target} is {type(found).__name__}, not a workflow; put @workflow on the function"
        )
    return found
