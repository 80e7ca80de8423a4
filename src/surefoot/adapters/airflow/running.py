"""One try of a task instance: begins its run, or goes on with it, and tells Airflow what came of it."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import inspect
import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn

from ...errors import RunLocked, UnknownRun
from ...journal.origin import Origin
from ...runtime import Runtime
from ...workflow.inputs import from_json
from ...workflow.run import Run
from ...workflow.step import Step
from ...workflow.step import step as make_step
from ...workflow.workflow import Workflow
from . import versions
from .host import AirflowHost, Suspended

__all__ = ["as_workflow", "decision_on", "params_of", "run_id_of", "run_task"]

DECISION = "__surefoot_airflow__"
"""Where an exception keeps what is to be done about it, for the policy that Airflow asks next."""
LONGEST_ID = 200
REASON = 500
"""Characters of a reason that Airflow keeps."""
LOCKED_WAIT = 30.0
"""Seconds until another look at a run that a living process holds: an earlier try that goes on."""


def run_id_of(dag_id: str, run_id: str, task_id: str | None = None, map_index: int = -1) -> str:
    """The id of the run of a task instance, the same in all of its tries; without a task, of a DAG run.

    >>> run_id_of("triage", "manual__1", "answer", 3)
    'airflow:triage/manual__1/answer[3]'
    """
    found = f"airflow:{dag_id}/{run_id}"
    if task_id is not None:
        found += f"/{task_id}" + (f"[{map_index}]" if map_index >= 0 else "")
    if len(found) <= LONGEST_ID:
        return found
    digest = hashlib.sha256(found.encode()).hexdigest()[:16]
    return f"{found[: LONGEST_ID - 17]}~{digest}"


def as_workflow(fn: Any) -> Workflow[..., Any]:
    """What is put into a task as a workflow: a function is one step of it, with the catalog's ladders."""
    if isinstance(fn, Workflow):
        return fn
    piece: Step[..., Any] = fn if isinstance(fn, Step) else make_step(fn)
    if piece.spec.is_async:

        @functools.wraps(piece, updated=())
        async def body(*args: Any, **kwargs: Any) -> Any:
            return await piece(*args, **kwargs)

    else:

        @functools.wraps(piece, updated=())
        def body(*args: Any, **kwargs: Any) -> Any:
            return piece(*args, **kwargs)

    # it is made here, so nobody can import it by its name: Airflow runs it again
    body.__qualname__ = f"<airflow>.{piece.spec.name}"
    return Workflow(body, name=piece.spec.name)


def run_task(
    workflow: Workflow[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], *, whole: bool
) -> Any:
    """The result of the workflow; raises what makes Airflow wait, or fail the task.

    :param whole: the task is the whole DAG: the run has the DAG run's id.
    """
    context = versions.context()
    ti = context["ti"]
    ids = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id}
    map_index = ti.map_index if ti.map_index is not None else -1
    if map_index >= 0:
        ids["map_index"] = str(map_index)
    run_id = run_id_of(ti.dag_id, ti.run_id, None if whole else ti.task_id, map_index)
    host = AirflowHost(Origin("airflow", versions.version(), ids, _page(ti)))
    with Runtime(host=host) as runtime:
        try:
            run = _started(runtime, workflow, run_id, args, kwargs)
        except Suspended as wait:
            _wait(wait.exception, wait.seconds, wait.reason)
        except RunLocked as exc:
            _wait(exc, LOCKED_WAIT, runtime.scrub_text(str(exc)))
        return _told(runtime, run)


def params_of(workflow: Workflow[..., Any]) -> dict[str, Any]:
    """The arguments of a workflow from the params of the DAG run, converted to their types.

    :raises InputError: one does not fit.
    """
    params = versions.context()["params"]
    fn = workflow.definition.fn
    names = [name for name in inspect.signature(fn).parameters if name in params]
    named = {name: json.dumps(params[name]) for name in names}
    return from_json(fn, None, named, f"workflow {workflow.name}")


def _page(ti: Any) -> str | None:
    try:
        return str(ti.log_url)
    except Exception:  # a task that is tested without a server has none
        return None


def _started(
    runtime: Runtime,
    workflow: Workflow[..., Any],
    run_id: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Run[Any]:
    """Begins the run, or goes on with it where an earlier try, or a clear, has left it."""
    try:
        before = runtime.journal.run(run_id).status
    except UnknownRun:
        before = None
    # it looks at the input, too: a run is no other one's result
    run = _waited(workflow, workflow.with_options(run_id=run_id).start(*args, **kwargs))
    if before in ("halted", "cancelled") and run.exception is None and run.status == before:
        run = _waited(workflow, workflow.resume(run_id))
    return run


def _waited(workflow: Workflow[..., Any], started: Any) -> Run[Any]:
    found: Run[Any] = asyncio.run(started) if workflow.is_async else started
    return found


def _told(runtime: Runtime, run: Run[Any]) -> Any:
    if run.status == "completed":
        return run.result
    exc = run.exception
    if run.status == "interrupted" and exc is not None:
        raise exc  # Airflow's own control flow: a skip, a deferral
    error = run.error or {}
    if error:
        said = f"{error['kind']} ({error['category']}): {error['type']}: {error['message']}"
    else:
        said = f"run {run.run_id} is {run.status}"
    _fail(exc, said)


def _wait(exc: BaseException, seconds: float, reason: str) -> NoReturn:
    if versions.has_retry_policy():
        _decided(exc, ("retry", seconds, reason))
        raise exc
    until = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    raise versions.reschedule_exception()(until) from exc


def _fail(exc: BaseException | None, reason: str) -> NoReturn:
    if exc is not None and versions.has_retry_policy():
        _decided(exc, ("fail", 0.0, reason))
        raise exc
    raise versions.fail_exception()(reason[:REASON]) from exc


def _decided(exc: BaseException, decision: tuple[str, float, str]) -> None:
    try:
        exc.__dict__[DECISION] = json.dumps(decision)
    except AttributeError:  # one without a __dict__: the catalog is asked again
        return


def decision_on(exc: BaseException) -> tuple[str, float, str] | None:
    """``retry`` or ``fail``, the seconds to wait and the reason; None: the run has not decided."""
    told = getattr(exc, "__dict__", {}).get(DECISION)
    if told is None:
        return None
    what, seconds, reason = json.loads(told)
    return what, seconds, reason[:REASON]
