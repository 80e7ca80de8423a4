"""One process of a cell: brings the run as far as it comes, with its fault, and says what came of it.

The job and the answer are JSON. A process that is killed leaves no answer; the firing that it wrote
down before is what proves that it was the fault.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import JournalError, RunLocked, SurefootError, UsageError
from ..events import AttemptFailed, CallHalted, CallSkipped, Event
from .clocks import SkippingClock
from .firings import Firings
from .injector import Injector
from .model import FaultSpec
from .specs import made

__all__ = ["attend"]

RUN_ID = "chaos"
NOTICED = 100
"""Failures of one process whose moment is told."""


def attend(
    *,
    target: str,
    folder: str,
    given: Mapping[str, Any],
    faults: list[Mapping[str, Any]],
    environment: Mapping[str, str] | None = None,
    skipped: float = 0.0,
    real_time: bool = False,
    offline: bool = True,
    seed: int = 0,
    from_step: str | None = None,
    output: str = "output.txt",
) -> dict[str, Any]:
    """Start the run, or go on with it: resume it, or finish its rollback.

    :param target: the workflow, as ``surefoot run`` is told it.
    :param folder: where journal, firings and ledger are.
    :param given: its arguments, as ``surefoot run`` is told them: ``input``, a JSON text or None, and
        ``args``, texts by name.
    :param environment: variables that the workflow is to see.
    :param skipped: seconds of waiting that earlier processes skipped.
    :param real_time: wait for real.
    :param offline: refuse connections to other machines.
    :param from_step: resume from this step on: what it returned is wrong.
    :param output: what the workflow prints goes there, in the folder.
    :returns: status, result, failures, what was reached, and times; or ``error``, of which ``why`` says
        whether it was the ``journal``, the ``usage``, a ``lock`` or ``other``.
    """
    place = Path(folder)
    began = time.time()  # noqa: TID251  held against other processes' times
    os.environ.update(environment or {})
    os.environ["SUREFOOT_LEDGER"] = str(place / "ledger")
    _quiet(place / output)
    if offline:
        from .offline import stay_on_loopback

        stay_on_loopback()
    clock: Any = SkippingClock(skipped, seed)
    if real_time:
        from ..clock import SystemClock

        clock = SystemClock(seed)
    try:
        told = _attended(target, place, given, faults, clock, seed, from_step)
    except SurefootError as exc:
        told = {"error": _clean(f"{type(exc).__name__}: {exc}"), "why": _why(exc)}
    except BaseException as exc:
        traceback.print_exc()  # into the output, as it is: a secret in it is the owner's to see
        told = {"error": _clean(f"{type(exc).__name__}: {exc}"), "why": "other"}
    return {
        **told,
        "began": began,
        "ended": time.time(),  # noqa: TID251
        "skipped": getattr(clock, "skipped", 0.0),
        "real_time": real_time,
    }


def _clean(text: str) -> str:
    from ..runtime import scrub

    return str(scrub(text))


def _why(exc: SurefootError) -> str:
    if isinstance(exc, JournalError):
        return "journal"
    if isinstance(exc, UsageError):
        return "usage"
    return "lock" if isinstance(exc, RunLocked) else "other"


def _quiet(output: Path) -> None:
    """The workflow's own words are kept in a file: the matrix is what is shown."""
    sys.stdout.flush()
    sys.stderr.flush()
    handle = os.open(output, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    logging.captureWarnings(True)
    warnings.simplefilter("default")


def _attended(
    target: str,
    place: Path,
    given: Mapping[str, Any],
    faults: list[Mapping[str, Any]],
    clock: Any,
    seed: int,
    from_step: str | None,
) -> dict[str, Any]:
    from ..config import load_config
    from ..runtime import Runtime
    from ..workflow.target import as_workflow, load

    workflow = as_workflow(load(target), target)
    settings = Runtime(config=load_config(), create=False)
    injector = Injector(
        [made(FaultSpec(**one), catalog=settings.catalog, clock=clock) for one in faults],
        firings=Firings(place / "fired.jsonl"),
        seed=seed,
    )
    noticed: list[float] = []

    def notice(event: Event) -> None:
        if isinstance(event, (AttemptFailed, CallHalted, CallSkipped)) and len(noticed) < NOTICED:
            noticed.append(time.time())  # noqa: TID251  real, like the times of firings

    with Runtime(
        place / "journal.db",
        clock=clock,
        durability="process",
        config=settings.config,
        listeners=[notice],
        faults=injector,
    ) as runtime:
        with injector.everywhere(clock.sleep):
            run = _gone_on(workflow, runtime, given, from_step)
        record = runtime.journal.run(RUN_ID)
        letters = [one for one in runtime.journal.dead_letters(record.pk) if one.state == "open"]
        document = run.document()
    error = run.error or {}
    return {
        "status": run.status,
        "result": document["result"] if run.status == "completed" else None,
        "kind": error.get("kind"),
        "message": error.get("message"),
        "recoverable": error.get("recoverable"),
        "degraded": run.degraded,
        "degraded_steps": sorted({one["step"] for one in document["steps"] if one["degraded"]}),
        "letters": [{"step": one.step, "kind": one.kind, "item": one.item} for one in letters],
        "failures": [
            {"step": one.step, "kind": one.kind, "decision": one.decision, "waited": one.waited}
            for one in run.failures
        ],
        "noticed": noticed,
        "attempts": sum(one["attempts"] for one in document["steps"] if one["form"] != "map"),
        "undone": [{"step": one.step, "state": one.state} for one in run.undone],
        "reused": run.reused,
        "time_saved": run.time_saved,
        "reached": dict(injector.reached),
        "writes": injector.reached.get("write", 0),
    }


def _gone_on(workflow: Any, runtime: Any, given: Mapping[str, Any], from_step: str | None) -> Any:
    """What a person, or ``surefoot recover``, would do about the run as it is found."""
    status = {one.run_id: one.status for one in runtime.journal.runs()}.get(RUN_ID)
    if status is None:
        from ..workflow.inputs import from_json

        where = f"workflow {workflow.name}"
        named = from_json(workflow.__wrapped__, given.get("input"), given.get("args", {}), where)
        answer = workflow.with_options(run_id=RUN_ID).start(**named)
    elif status in ("rolling_back", "rolled_back"):
        answer = workflow.rollback(RUN_ID)
    else:
        answer = workflow.resume(RUN_ID, from_step=from_step)
    return asyncio.run(answer) if workflow.is_async else answer
