"""Carrying a call's commands out: in the calling thread, or in the calling task."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from ..attempts import Raised, Returned, drive, drive_async
from ..context import Frame, enter, leave
from ..errors import JournalError, StepTimeout
from ..isolation import run_bounded
from ..policy import Policy
from ..store.base import Op
from .call import MISS, Call, leave_scope, open_call, replay
from .commands import Again, Command, Commit, Finish, Invoke, Until
from .flow import flow
from .host import Host, Stepper
from .spec import StepSpec
from .state import RunState, Scope

if TYPE_CHECKING:
    from asyncio import Future

__all__ = [
    "call_async",
    "call_sync",
    "carry_out_async",
    "carry_out_sync",
    "commit_async",
    "invoke_async",
    "invoke_sync",
    "loop_runs",
]

Pipeline = Callable[[Op], None]
"""Takes the ends of mapped steps, which need not be durable before the next item begins."""


def call_sync(
    spec: StepSpec,
    run: RunState,
    frame: Frame,
    scope: Scope,
    policy: Policy,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    item: int | None = None,
    item_id: str | None = None,
    pipeline: Pipeline | None = None,
    host: Host | None = None,
) -> Any:
    """Use a step once, in the calling thread.

    :param host: carries it out, where it is not None.
    """
    call = open_call(spec, run, frame, scope, policy, args, kwargs, item, item_id)
    try:
        if call.record is not None or call.kept is not None:
            value = replay(call)
            if value is not MISS:
                return value
        if host is not None:
            return host.carry_out(Stepper(call, handler(call, pipeline)))
        return carry_out_sync(call, pipeline)
    finally:
        leave_scope(call)


def carry_out_sync(call: Call, pipeline: Pipeline | None = None) -> Any:
    """Run a call that was opened, in the calling thread."""
    return _given(drive(flow(call), handler(call, pipeline)))


def handler(call: Call, pipeline: Pipeline | None = None) -> Callable[[Command], Any]:
    """Carries a call's commands out in the calling thread."""
    run = call.run
    commit = run.commit

    def handle(command: Command) -> Any:
        if isinstance(command, Invoke):
            return invoke_sync(command)
        if isinstance(command, Commit):
            return commit(command.op)
        if isinstance(command, Finish):
            return commit(command.op) if pipeline is None else pipeline(command.op)
        if isinstance(command, Until):
            from concurrent.futures import wait

            return bool(wait((command.done,), command.seconds).done)
        if isinstance(command, Again) and command.seconds <= 0:
            return None
        if loop_runs():
            warnings.warn(
                f"{call.spec.where} waits {command.seconds:.3g} s in a thread whose event loop "
                "stands still meanwhile; make it an async def",
                RuntimeWarning,
                stacklevel=2,
            )
        return run.clock.sleep(command.seconds)

    return handle


def _given(result: Any) -> Any:
    """A flow's result, or the exception that it ended with."""
    if type(result) is Raised:
        raise result.exception
    return result


def loop_runs() -> bool:
    """Whether the calling thread runs an event loop; asyncio is not loaded to find out."""
    import sys

    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def invoke_sync(command: Invoke) -> Returned | Raised:
    token = enter(command.frame)
    try:
        if command.isolation is not None:
            from .isolated import run_isolated

            with command.within or nullcontext():
                return Returned(run_isolated(command, command.isolation))
        if command.timeout is None:
            return Returned(command.fn(*command.args, **command.kwargs))
        return Returned(
            run_bounded(command.fn, command.args, command.kwargs, command.timeout, command.what)
        )
    except BaseException as exc:
        if type(exc) is StepTimeout and command.frame.fence is not None and exc.running():
            command.frame.fence.fall()  # its thread goes on: it begins nothing more in this run
        return Raised(exc)
    finally:
        leave(token)


async def call_async(
    spec: StepSpec,
    run: RunState,
    frame: Frame,
    scope: Scope,
    policy: Policy,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    item: int | None = None,
    item_id: str | None = None,
    host: Host | None = None,
) -> Any:
    """Use a step once, in the calling task.

    :param host: carries it out, where it is not None.
    """
    call = open_call(spec, run, frame, scope, policy, args, kwargs, item, item_id)
    try:
        if call.record is not None or call.kept is not None:
            value = replay(call)
            if value is not MISS:
                return value
        if host is not None:
            return await host.carry_out_async(Stepper(call, handler_async(call)))
        return await carry_out_async(call)
    finally:
        leave_scope(call)


async def carry_out_async(call: Call) -> Any:
    """Run a call that was opened, in the calling task."""
    return _given(await drive_async(flow(call), handler_async(call)))


def handler_async(call: Call) -> Callable[[Command], Awaitable[Any]]:
    """Carries a call's commands out in the calling task."""
    run = call.run

    async def handle(command: Command) -> Any:
        if isinstance(command, Invoke):
            return await invoke_async(command)
        if isinstance(command, (Commit, Finish)):
            return await commit_async(run, command.op)
        if isinstance(command, Until):
            return await _until(command)
        if isinstance(command, Again) and command.seconds <= 0:
            return None
        return await run.clock.sleep_async(command.seconds)

    return handle


async def _until(command: Until) -> bool:
    import asyncio

    done, _ = await asyncio.wait({asyncio.wrap_future(command.done)}, timeout=command.seconds)
    return bool(done)


async def commit_async(run: RunState, op: Op) -> Any:
    """Commit without blocking the event loop. A cancellation waits until it is written."""
    import asyncio

    loop = asyncio.get_running_loop()
    written: Future[Any] = loop.create_future()

    def settled(ticket: Any) -> None:
        def hand_over() -> None:
            if not written.done():
                written.set_result(ticket)

        try:
            loop.call_soon_threadsafe(hand_over)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    run.journal.group.soon(op, settled)
    cancelled: asyncio.CancelledError | None = None
    while not written.done():
        try:
            await asyncio.shield(written)
        except asyncio.CancelledError as exc:
            cancelled = exc
    try:
        value = written.result().value()
    except JournalError as exc:
        run.broken = exc
        raise
    if cancelled is not None:
        raise cancelled
    return value


async def invoke_async(command: Invoke) -> Returned | Raised:
    token = enter(command.frame)
    try:
        if command.isolation is not None:
            from .isolated import run_isolated_async

            with command.within or nullcontext():
                return Returned(await run_isolated_async(command, command.isolation))
        answer = command.fn(*command.args, **command.kwargs)
        if not inspect.isawaitable(answer):
            return Returned(answer)
        if command.timeout is None:
            return Returned(await answer)
        return Returned(await _bounded(answer, command.timeout, command.what))
    except BaseException as exc:
        return Raised(exc)
    finally:
        leave(token)


async def _bounded(awaitable: Any, timeout: float, what: str) -> Any:
    import asyncio

    task = asyncio.ensure_future(awaitable)
    try:
        await asyncio.wait({task}, timeout=timeout)
    except BaseException:
        task.cancel()
        await asyncio.wait({task})  # what it cleans up is part of the run
        raise
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait({task})  # it may clean up before it is gone
    if not task.cancelled() and task.exception() is None:
        return task.result()  # it had finished, or would not be cancelled: its work is done
    raise StepTimeout(
        f"{what} took longer than its {timeout:g} s and was cancelled", timeout=timeout
    )
