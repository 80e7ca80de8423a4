"""How another process of this machine imports the workflow that a test holds in its hand."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..workflow.target import as_workflow, describe

__all__ = ["python_path", "target_of"]


def target_of(workflow: Any, where: str) -> str:
    """The workflow as ``surefoot run`` is told it.

    By its module where the import system finds it under that name, else by its file: pytest imports
    test files under names that only it can find.

    :param workflow: a workflow, or such a text already.
    :param where: who asks, for the message.
    :raises UsageError: it is no workflow, or cannot be imported anew; the message says what to do.
    """
    if isinstance(workflow, str):
        return workflow
    found = as_workflow(workflow, where)
    told = describe(found.__wrapped__)
    if told is None:
        raise UsageError(
            f"{where}: another process must import workflow {found.name}, and what is defined inside "
            "a function, in a notebook or in a terminal cannot be imported; move it, and the steps "
            "that it calls, to the top level of a module (the test's own file will do)"
        )
    at = json.loads(told)
    if at["module"] is not None and _is_found(at["module"], Path(at["file"]), sys.path):
        return f"{at['module']}:{at['qualname']}"
    return f"{at['file']}:{at['qualname']}"


def _is_found(module: str, file: Path, path: Sequence[str]) -> bool:
    """Whether a fresh process with this path imports this very file under this name."""
    parts = module.split(".")
    for folder in path:
        place = Path(folder or os.getcwd()).joinpath(*parts)
        for one in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if one.is_file():
                return one.resolve() == file.resolve()
    return False


def python_path() -> str:
    """``PYTHONPATH`` for a process that is to import what this one can."""
    return os.pathsep.join(dict.fromkeys(one or os.getcwd() for one in sys.path))
