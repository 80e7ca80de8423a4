"""A workflow as a Prefect flow. A flow run is one run of ours, whichever of its attempts it is."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ...errors import UnknownRun
from ...execution.commands import Again
from ...execution.failures import judged
from ...model import Classification
from ...runtime import Runtime
from ...workflow.run import Run
from ...workflow.workflow import Workflow
from .host import PrefectHost
from .pages import loaded, origin_of

__all__ = ["flow", "run_id_of"]


def run_id_of(flow_run_id: Any) -> str:
    """The id of the run in our journal.

    >>> run_id_of("0192")
    'prefect-0192'
    """
    return f"prefect-{flow_run_id}"


def flow(workflow: Workflow[..., Any], *, journal: str | Path | None = None, **options: Any) -> Any:
    """``workflow`` as a native flow.

    Each call in its body is a task run. Prefect retries it where the ladder says so, after the wait
    that the ladder says; the flow run is the run ``prefect-<flow run's id>`` of the journal. Run again
    (Prefect's ``retries``, ``prefect flow-run retry``), it goes on from the step that failed.

    :param workflow: made by ``@workflow``, sync or async.
    :param journal: a path or URL; None is the configured or the default one.
    :param options: those of ``prefect.flow``: ``name``, ``retries``, ``log_prints``, …
    :returns: a ``prefect.Flow``.
    :raises DefinitionError: Prefect is not installed.
    """
    prefect = loaded()
    bare: Any = workflow.__wrapped__

    @functools.wraps(bare)
    def body(*args: Any, **kwargs: Any) -> Any:
        run_id, runtime = _opened(workflow, journal)
        with runtime:
            if _known(runtime, run_id):
                found: Any = workflow.resume(run_id)
                return _value(found)
            return workflow.with_options(run_id=run_id)(*args, **kwargs)

    @functools.wraps(bare)
    async def body_async(*args: Any, **kwargs: Any) -> Any:
        run_id, runtime = _opened(workflow, journal)
        with runtime:
            if _known(runtime, run_id):
                resumed: Any = workflow.resume(run_id)
                return _value(await resumed)
            return await workflow.with_options(run_id=run_id)(*args, **kwargs)

    options.setdefault("name", workflow.name)
    options.setdefault("persist_result", False)
    return prefect.flow(**options)(body_async if workflow.is_async else body)


def _opened(workflow: Workflow[..., Any], journal: str | Path | None) -> tuple[str, Runtime]:
    from prefect.context import FlowRunContext

    context: Any = FlowRunContext.get()
    flow_run_id = str(context.flow_run.id)
    runtime = Runtime(journal=journal)

    def explain(exc: BaseException, again: Again | None) -> None:
        runtime.safely(explain, lambda: _log(runtime, exc, again))

    runtime.host = PrefectHost(origin_of(flow_run_id, workflow.name), explain)
    return run_id_of(flow_run_id), runtime


def _known(runtime: Runtime, run_id: str) -> bool:
    try:
        runtime.journal.run(run_id)
    except UnknownRun:
        return False
    return True


def _value(run: Run[Any]) -> Any:
    """The result of a run that was resumed; what ended it is raised for Prefect to see."""
    if run.exception is not None:
        raise run.exception
    return run.result


def _log(runtime: Runtime, exc: BaseException, again: Again | None) -> None:
    """Into the logs of the task run: what the failure is, and what is done about it."""
    from prefect import get_run_logger

    known: Classification | None = judged(exc)
    found = known if known is not None else runtime.classify(exc)
    then = "halted" if again is None else f"tried again after {again.seconds:.3g} s"
    said = runtime.scrub_text(str(exc))
    get_run_logger().warning(
        "surefoot: %s (%s, %s), %s: %s",
        found.kind,
        found.category,
        "recoverable" if found.recoverable else "a person must act",
        then,
        said,
    )
