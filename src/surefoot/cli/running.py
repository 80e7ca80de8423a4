"""One run in this process, for ``run`` and ``resume``: signals, progress, logs, and how it ended."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import RunLocked, SurefootError
from ..events import Event, RunStarted
from .app import CTRL_C
from .stopping import Stopping

if TYPE_CHECKING:
    from ..observe.progress import ProgressBars
    from ..runtime import Runtime
    from ..workflow.run import Run
    from ..workflow.workflow import Workflow

__all__ = ["Ended", "Start", "execute", "program_output"]

Start = Callable[["Runtime"], "tuple[Workflow[Any, Any], Callable[[], Any]]"]
"""Finds the workflow, and gives it with what starts or resumes it."""


@dataclass(frozen=True)
class Ended:
    """What there is to tell. ``ran`` is False where the record was only read."""

    run: Run[Any]
    exit_code: int
    ran: bool
    exception: BaseException | None = None
    stopped: str | None = None


class _Watch:
    """A listener that remembers the run's id: an exception that ends a run does not carry it."""

    def __init__(self) -> None:
        self.run_id: str | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted) and self.run_id is None:
            self.run_id = event.run_id


def execute(
    start: Start,
    *,
    journal: str | None,
    durability: str | None = None,
    create: bool,
    as_json: bool,
) -> Ended:
    """Run a workflow to its end, whatever that is.

    :raises SurefootError: nothing ran, or the journal failed.
    """
    from ..runtime import Runtime
    from .telling import logging_for_people

    watch = _Watch()
    with Stopping() as stopping, contextlib.ExitStack() as stack:
        runtime = Runtime(
            # absolute: the workflow, or a resume, may change the current folder
            Runtime(journal).path,
            durability=durability,
            clock=stopping.clock,
            listeners=[watch],
            create=create,
        )
        bars = _bars(runtime)
        stack.enter_context(runtime)
        stack.enter_context(program_output(as_json))
        workflow, begin = start(runtime)
        stack.enter_context(logging_for_people(runtime))
        stopping.watch(runtime.stop, runtime.config.grace)
        run: Run[Any] | None = None
        exception: BaseException | None = None
        try:
            run = _driven(workflow, begin, stopping)
            exception = run.exception
        except BaseException as exc:
            if watch.run_id is None or isinstance(exc, SurefootError):
                raise
            if isinstance(exc, Exception) and stopping.exit_code is None:
                _raise_if_taken_over(runtime, watch.run_id, exc)
                raise
            exception = exc
        finally:
            if bars is not None:
                bars.close()
        if run is None:
            assert watch.run_id is not None
            run = _read(runtime, watch.run_id)
        ran = watch.run_id is not None
        # the record in full, while the journal is at hand
        run.document()
    return _ended(run, ran, exception, stopping.exit_code)


def _driven(workflow: Workflow[Any, Any], begin: Callable[[], Any], stopping: Stopping) -> Run[Any]:
    if not workflow.is_async:
        found: Run[Any] = begin()
        return found
    import asyncio

    async def whole() -> Run[Any]:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        cancel = task.cancel

        def end() -> None:
            loop.call_soon_threadsafe(cancel)

        stopping.end_by(end)
        ended: Run[Any] = await begin()
        return ended

    return asyncio.run(whole())


def _raise_if_taken_over(runtime: Runtime, run_id: str, exc: Exception) -> None:
    """What ended the body came too late to be written: the run is another process's.

    :raises RunLocked: so it is.
    """
    from ..journal.leases import Owner
    from .out import write
    from .telling import traceback_of

    owner = runtime.journal.run(run_id).owner
    if owner is not None and owner != Owner.this().dump():
        write(traceback_of(exc), err=True)
        raise RunLocked(
            f"run {run_id} was taken over by {Owner.parse(owner)} meanwhile; what ended it here is "
            f"not kept. See how it goes on with: surefoot show {run_id}"
        ) from exc


def _read(runtime: Runtime, run_id: str) -> Run[Any]:
    from ..workflow.run import read_run

    return read_run(runtime.journal, run_id)


def _ended(
    run: Run[Any], ran: bool, exception: BaseException | None, signalled: int | None
) -> Ended:
    if isinstance(exception, KeyboardInterrupt):
        return Ended(run, CTRL_C, ran, exception, "by Ctrl-C")
    if isinstance(exception, SystemExit):
        code = exception.code if isinstance(exception.code, int) else 1
        return Ended(run, code or 1, ran, exception, f"by sys.exit({exception.code!r})")
    if signalled is not None and run.status not in ("completed", "halted"):
        return Ended(run, signalled, ran, exception, _signal_name(signalled))
    return Ended(run, 0 if run.status == "completed" else 1, ran, exception)


def _signal_name(exit_code: int) -> str:
    import signal

    return f"by {signal.Signals(exit_code - 128).name}"


def _bars(runtime: Runtime) -> ProgressBars | None:
    from ..observe.progress import ProgressBars, someone_looks

    if not runtime.config.progress or not someone_looks():
        return None
    bars = ProgressBars()
    runtime.listen(bars)
    return bars


@contextlib.contextmanager
def program_output(as_json: bool) -> Iterator[None]:
    """With ``--json`` what the workflow itself prints goes to standard error: the document is all
    that a program reads."""
    if not as_json or sys.stderr is None:
        yield
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield


@contextlib.contextmanager
def working_folder(folder: str | None) -> Iterator[None]:
    """Stand in the folder that a run was started in, if it is still there: its input may name files
    in it."""
    before = os.getcwd()
    if folder is None or not os.path.isdir(folder):
        yield
        return
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
