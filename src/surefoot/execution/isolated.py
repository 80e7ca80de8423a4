"""A step's body in a child process: what it takes along, and what it asks its parent for.

The child gets the function's name, the arguments and where it stands (run, attempt, item, previous
failure). ``current()``, ``spend()`` and ``idempotency_key()`` work in it: the parent charges what was
spent when it hears of it, and has written durably that a key was asked for before the child goes on.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..attempts import Failure
from ..context import Frame, entered, keep_crumb
from ..errors import DefinitionError, UnsavableError
from ..isolation import Target
from ..isolation.exceptions import Extras, Record, extras_of, pack, unpack
from ..isolation.jobs import Job, Stop
from ..isolation.target import MainPlace, check_same, find
from ..isolation.wire import dumps
from ..model import Classification

if TYPE_CHECKING:
    from ..isolation.worker import Channel
    from .apart import InProcess
    from .commands import Invoke

__all__ = ["run_isolated", "run_isolated_async"]


class Place(NamedTuple):
    """Where a body stands, as it travels."""

    run_id: str | None
    created_at: float | None
    step: str | None
    call_id: str | None
    attempt: int
    item: int | None
    item_id: str | None
    failure: tuple[int, Record, Extras, Classification] | None
    has_key: bool
    has_meter: bool
    workflow: str | None = None
    stage: str | None = None


class Body:
    """What runs in the child. It is found there by its import path, as the user's function is."""

    def __init__(
        self,
        target: Target,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        place: Place,
    ) -> None:
        self._target = target
        self._args = args
        self._kwargs = dict(kwargs)
        self._place = place
        self._fn: Callable[..., Any] | None = None

    def prepare(self, main: MainPlace) -> None:
        """Import the function; that is not part of its timeout."""
        self._fn = find(self._target, main)

    def __call__(self, channel: Channel) -> Any:
        assert self._fn is not None
        with entered(_frame(self._place, channel)):
            answer = self._fn(*self._args, **self._kwargs)
            if inspect.iscoroutine(answer):
                import asyncio

                return asyncio.run(answer)
            return answer


class _InChild:
    """Stands for the run in the child: who it is, and no more."""

    importing = False

    def __init__(self, run_id: str | None, created_at: float | None, workflow: str | None) -> None:
        self.run_id = run_id
        self.created_at = created_at
        self.workflow = workflow

    def refuse(self, where: str) -> str:
        return (
            f"{where} was called within an isolated step, whose process has no journal; call it from "
            "the workflow, and give the isolated step what it needs of it as an argument"
        )


class _Key:
    """``idempotency_key()`` of the child: the parent writes down that it was asked for."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._key: str | None = None

    def ask(self) -> str:
        if self._key is None:
            self._key = str(self._channel.ask("key"))
        return self._key


class _Meter:
    """``spend()`` of the child: told at once, so that what a killed attempt cost is kept too."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def charge(self, usd: float, tokens: int = 0) -> None:
        self._channel.tell("spend", (usd, tokens))


def _frame(place: Place, channel: Channel) -> Frame:
    failure = None
    if place.failure is not None:
        attempt, record, extras, classification = place.failure
        failure = Failure(attempt, unpack(record, extras, channel.main()), classification)
    return Frame(
        step=place.step,
        call_id=place.call_id,
        attempt=place.attempt,
        item=place.item,
        item_id=place.item_id,
        failure=failure,
        effect=_Key(channel) if place.has_key else None,
        meter=_Meter(channel) if place.has_meter else None,
        once=True,  # the step around owns the retries
        child=_InChild(place.run_id, place.created_at, place.workflow),
        stage=place.stage,
    )


# -- the parent's side ----------------------------------------------------------------------------


def _job(command: Invoke, where: InProcess, stop: Stop | None = None) -> Job:
    if where.memory is not None and sys.platform != "linux":
        raise DefinitionError(
            f"{command.what}: memory={where.memory} is enforced on Linux only (by RLIMIT_DATA), and "
            f"this is {sys.platform}; leave memory= out here"
        )
    check_same(where.target, command.fn, command.what)
    frame = command.frame

    def answer(word: str, data: Any) -> Any:
        if word == "key":
            return frame.effect.ask()
        if word == "spend":
            frame.meter.charge(*data)
        if word == "log":
            message = str(data["msg"])
            keep_crumb(frame, data["created"], data["levelname"], data["name"], message)
        return None

    return Job(
        _pickled(command, where.target),
        command.what,
        answer,
        timeout=command.timeout,
        memory=where.memory,
        owner=where.owner,
        stop=stop,
    )


def _pickled(command: Invoke, target: Target) -> bytes:
    place = _place(command.frame)
    try:
        return dumps(Body(target, command.args, command.kwargs, place))
    except Exception as exc:
        given: dict[Any, Any] = {**dict(enumerate(command.args)), **command.kwargs}
        told = f"{type(exc).__name__}: {exc}"
        for name, value in given.items():
            try:
                dumps(value)
            except Exception as its:
                which = f"argument {name + 1}" if isinstance(name, int) else f"argument {name}"
                told = f"{which}, a {type(value).__qualname__} ({type(its).__name__}: {its})"
                break
        raise UnsavableError(
            f"{command.what}: isolation='process' cannot send its arguments to its process: {told}. "
            "Give it plain data and make the rest in the step, or leave isolation= out"
        ) from exc


def _place(frame: Frame) -> Place:
    run, failed = frame.run, frame.failure
    failure = None
    if failed is not None:
        record = pack(failed.exception)
        failure = (
            failed.attempt,
            record,
            extras_of(failed.exception, record),
            failed.classification,
        )
    return Place(
        run.run_id if run is not None else None,
        run.created_at if run is not None else None,
        frame.step,
        frame.call_id,
        frame.attempt,
        frame.item,
        frame.item_id,
        failure,
        frame.effect is not None,
        frame.meter is not None,
        run.workflow if run is not None else None,
        frame.stage,
    )


def run_isolated(command: Invoke, where: InProcess) -> Any:
    """Run a body in a child, from the calling thread; see :meth:`Pool.run` for what is raised."""
    return where.pool.run(_job(command, where))


async def run_isolated_async(command: Invoke, where: InProcess) -> Any:
    """The same from the calling task: a thread waits for the child. A cancelled task's child is
    killed, and gone when the cancellation goes on."""
    import asyncio
    import contextvars
    import threading

    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    stop = Stop()
    job = _job(command, where, stop)
    value: Any = None
    error: BaseException | None = None
    context = contextvars.copy_context()

    def tell() -> None:
        if not done.done():
            done.set_result(None)

    def body() -> None:
        nonlocal value, error
        try:
            value = context.run(where.pool.run, job)
        except BaseException as exc:
            error = exc
        try:
            loop.call_soon_threadsafe(tell)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    threading.Thread(target=body, name=f"surefoot {command.what}", daemon=True).start()
    cancelled: asyncio.CancelledError | None = None
    while not done.done():
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError as exc:
            cancelled = exc
            # in a thread: what is cancelled twice must not leave the child behind
            threading.Thread(
                target=stop, name=f"surefoot stops {command.what}", daemon=True
            ).start()
    if cancelled is not None:
        raise cancelled
    if error is not None:
        raise error
    return value
