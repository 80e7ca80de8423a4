"""The workflow of a recorded run, for the commands that need its code."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..workflow.workflow import Workflow

__all__ = ["workflow_of"]


def workflow_of(
    recorded: str | None, run_id: str, target: str | None, stack: contextlib.ExitStack
) -> Workflow[Any, Any]:
    """Import it, from where the run found it or from ``target``.

    :param recorded: how it is imported, as the run recorded it.
    :param stack: found in its own place, we stand in the folder that the run was started in until
        this is closed.
    :raises UsageError: it cannot be imported.
    """
    from ..workflow.target import as_workflow, load, load_described
    from .running import working_folder
    from .telling import loaded

    if target is not None:
        given = target
        return loaded(lambda: as_workflow(load(given), given), given)
    told = json.loads(recorded) if recorded else {}
    stack.enter_context(working_folder(told.get("cwd")))
    what = f"{told.get('module') or told.get('file')}:{told.get('qualname')}"
    return loaded(lambda: as_workflow(load_described(recorded, run_id), what), what)
