"""What differs between the versions of Airflow. Nothing here is imported before Airflow is."""

from __future__ import annotations

import functools
from typing import Any

__all__ = [
    "context",
    "decorated_operator",
    "fail_exception",
    "has_retry_policy",
    "reschedule_exception",
    "task_decorator_factory",
    "version",
]


@functools.cache
def version() -> str:
    from importlib.metadata import version as installed

    for name in ("apache-airflow-core", "apache-airflow"):
        try:
            return installed(name)
        except ImportError:
            continue
    return "?"


@functools.cache
def has_retry_policy() -> bool:
    """Whether a task's policy may decide about its retries: from 3.3 on."""
    try:
        from airflow.sdk import RetryPolicy  # noqa: F401
    except ImportError:
        return False
    return True


def context() -> Any:
    """The context of the task instance that runs."""
    try:
        from airflow.sdk import get_current_context
    except ImportError:
        from airflow.operators.python import get_current_context
    return get_current_context()


def fail_exception() -> Any:
    """It ends a task without any more tries."""
    try:
        from airflow.sdk.exceptions import AirflowFailException
    except ImportError:
        from airflow.exceptions import AirflowFailException
    return AirflowFailException


def reschedule_exception() -> Any:
    """It frees the worker until a time; that counts as no try."""
    try:
        from airflow.sdk.exceptions import AirflowRescheduleException
    except ImportError:
        from airflow.exceptions import AirflowRescheduleException
    return AirflowRescheduleException


def decorated_operator() -> Any:
    """The class behind ``@task``."""
    try:
        from airflow.providers.standard.decorators.python import _PythonDecoratedOperator
    except ImportError:
        from airflow.decorators.python import _PythonDecoratedOperator
    return _PythonDecoratedOperator


def task_decorator_factory() -> Any:
    try:
        from airflow.sdk.bases.decorator import task_decorator_factory as factory
    except ImportError:
        from airflow.decorators.base import task_decorator_factory as factory
    return factory


def reschedule_deps(operator: Any) -> Any:
    """What the scheduler must look at so that a rescheduled task waits; None where it needs no hint."""
    if not version().startswith("2."):
        return None
    from airflow.ti_deps.deps.ready_to_reschedule import ReadyToRescheduleDep

    return operator.deps | {ReadyToRescheduleDep()}
