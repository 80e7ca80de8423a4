"""Airflow carries Surefoot's steps and workflows out: as its own tasks, with its own retries and waits.

>>> from surefoot.adapters import airflow
>>> isinstance(airflow.available(), bool)
True
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ...errors import UsageError
from ...policy import DEFAULT_ATTEMPTS, Policy
from ...workflow.step import Step

__all__ = ["available", "dag", "task", "task_options"]

RETRIES_OF_A_WORKFLOW = 50
"""Waits of all its steps together; each step's own ladder ends long before."""


def available() -> bool:
    """Whether Airflow is installed here; it is not imported to find out."""
    from importlib.util import find_spec

    return find_spec("airflow") is not None


def dag(workflow: Any, *, dag_id: str | None = None, **options: Any) -> Any:
    """A workflow as a DAG of one task: each try of it resumes the run where the last one stopped.

    The arguments of the workflow are the DAG's ``params``, by name.

    :param dag_id: by default the workflow's name.
    :param options: what ``airflow.DAG`` takes: ``schedule``, ``start_date``, ``params`` …; and
        ``retries``, which bounds the waits of all steps together (50 by default).
    :returns: the ``DAG``; assign it to a name of the module, so that Airflow finds it.
    :raises UsageError: Airflow is not installed, or ``workflow`` is none.

        triage_dag = dag(triage, schedule="@daily", params={"path": "tickets.jsonl"})
    """
    _needed()
    from .dags import make_dag

    return make_dag(workflow, dag_id, options)


def task(fn: Any = None, **options: Any) -> Any:
    """What ``@task.recover`` is: a function, a step, an effect or a workflow as a task of Airflow.

    :param options: what Airflow's ``@task`` takes.
    :raises UsageError: Airflow is not installed.

        @task
        def answer(prompt: str) -> str: ...
    """
    _needed()
    from .operator import recover_task

    return recover_task(fn, **options)


def task_options(step: Step[..., Any]) -> dict[str, Any]:
    """Options that give Airflow's plain ``@task`` the limits of a step, for the step's *bare* function:
    ``task(**task_options(answer))(answer.__wrapped__)``. There is no journal then, and no checkpoint.

    :returns: ``retries``, ``retry_delay`` and, where the step has a ``timeout``, ``execution_timeout``;
        from Airflow 3.3 on a ``retry_policy`` that decides by the catalog.
    :raises UsageError: Airflow is not installed, or ``step`` is no step.
    """
    _needed()
    from .versions import has_retry_policy

    if not isinstance(step, Step):
        raise UsageError(f"task_options({step!r}): give a function with @step or @effect")
    policy = step.spec.policy
    found: dict[str, Any] = {
        "retries": most_attempts(policy) - 1,
        "retry_delay": timedelta(seconds=policy.backoff.base),
    }
    if policy.timeout is not None:
        found["execution_timeout"] = timedelta(seconds=policy.timeout)
    if has_retry_policy():
        from .policy import CatalogRetries

        found["retry_policy"] = CatalogRetries()
    return found


def most_attempts(policy: Policy) -> int:
    """The largest number of attempts that a policy names for any failure."""
    named = [one.retry_rung.attempts or 0 for one in policy.recover if one.retry_rung is not None]
    return max(policy.attempts or DEFAULT_ATTEMPTS, *named, 1)


def _needed() -> None:
    if not available():
        raise UsageError("Airflow is not installed here; pip install 'surefoot[airflow]'")
