"""A workflow as a DAG of one task."""

from __future__ import annotations

import inspect
from typing import Any

from ...errors import UsageError
from ...workflow.workflow import Workflow

__all__ = ["make_dag"]

TASK_ID = "run"


def make_dag(workflow: Any, dag_id: str | None, options: dict[str, Any]) -> Any:
    """:raises UsageError: it is no workflow, or an argument has no value in ``params``."""
    try:
        from airflow.sdk import DAG
    except ImportError:
        from airflow import DAG
    from .operator import recover_task

    if not isinstance(workflow, Workflow):
        raise UsageError(f"dag({workflow!r}): give a function with @workflow")
    given = {"retries": options.pop("retries")} if "retries" in options else {}
    options.setdefault("catchup", False)
    params = options.get("params") or {}
    parameters = inspect.signature(workflow).parameters.values()
    missing = [one.name for one in parameters if one.default is one.empty]
    missing = [name for name in missing if name not in params]
    if missing:
        raise UsageError(
            f"dag({workflow.name}): its argument {missing[0]!r} has no value; give a default for it: "
            f"params={{{missing[0]!r}: …}}"
        )
    with DAG(dag_id or workflow.name.replace("<locals>.", ""), **options) as made:
        task = recover_task(workflow, task_id=TASK_ID, whole=True, **given)
        # what Airflow binds when the file is read; the values are the params of the DAG run
        task(**{one.name: None for one in parameters if one.default is one.empty})
    return made
