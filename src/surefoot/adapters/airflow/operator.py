"""``@task.recover``. Only imported by Airflow, or where it is there."""

from __future__ import annotations

import functools
from typing import Any

from ...workflow.step import Step
from ...workflow.workflow import Workflow
from . import RETRIES_OF_A_WORKFLOW, most_attempts
from .running import as_workflow, params_of, run_task
from .versions import (
    decorated_operator,
    has_retry_policy,
    reschedule_deps,
    task_decorator_factory,
)

__all__ = ["RecoverOperator", "recover_task"]

FEWEST_RETRIES = 9
"""The catalog's longest ladders: the run decides earlier whether there is anything to wait for."""

GIVEN = "__surefoot_given__"
"""What a function stands for that Airflow takes in place of a step or a workflow."""

_Base: Any = decorated_operator()


class RecoverOperator(_Base):  # type: ignore[misc, unused-ignore]
    """A function, a step, an effect or a workflow whose run goes on from try to try.

    :param whole: the task is a whole DAG's; its run has the DAG run's id.
    """

    custom_operator_name = "@task.recover"
    is_async = False  # an ``async def`` is awaited in the try, by its run
    reschedule = True  # before 3.3 it waits as a sensor does, and the scheduler asks for this

    def __init__(self, *, whole: bool = False, **kwargs: Any) -> None:
        self.whole = whole
        super().__init__(**kwargs)

    def execute_callable(self) -> Any:
        workflow = as_workflow(getattr(self.python_callable, GIVEN, self.python_callable))
        if self.whole:
            return run_task(workflow, (), params_of(workflow), whole=True)
        return run_task(workflow, tuple(self.op_args), dict(self.op_kwargs), whole=False)

    @classmethod
    def get_serialized_fields(cls) -> Any:
        return super().get_serialized_fields() | {"reschedule"}


if (_deps := reschedule_deps(_Base)) is not None:
    RecoverOperator.deps = _deps


def recover_task(
    python_callable: Any = None, multiple_outputs: bool | None = None, **kwargs: Any
) -> Any:
    """``@task.recover``; takes what ``@task`` takes. ``retries`` bounds the ladder of the step."""
    policy = getattr(getattr(python_callable, "spec", None), "policy", None)
    if isinstance(python_callable, Workflow):
        kwargs.setdefault("retries", RETRIES_OF_A_WORKFLOW)
    else:
        most = most_attempts(policy) - 1 if policy is not None else 0
        kwargs.setdefault("retries", max(FEWEST_RETRIES, most))
    if isinstance(python_callable, (Step, Workflow)):
        python_callable = _standing_for(python_callable)
        # its annotations are not looked up from here; one value is one XCom
        multiple_outputs = bool(multiple_outputs)
    if has_retry_policy():
        from .policy import CatalogRetries

        kwargs.setdefault("retry_policy", CatalogRetries())
    return task_decorator_factory()(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=RecoverOperator,
        **kwargs,
    )


def _standing_for(given: Any) -> Any:
    """Airflow wants a function, with its name, its signature and its globals."""

    @functools.wraps(given, updated=())
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        return given(*args, **kwargs)

    setattr(stand_in, GIVEN, given)
    return stand_in
