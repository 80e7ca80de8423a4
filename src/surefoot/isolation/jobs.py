"""One body in one child: the conversation between the two, and what its end means."""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..clock import SystemClock
from ..errors import (
    DefinitionError,
    RunInterrupted,
    StepCrashed,
    StepDied,
    StepKilled,
    StepOutOfMemory,
    StepTimeout,
    UnsavableError,
    UsageError,
)
from . import wire
from .child import ENDED, Child
from .exceptions import crash_stack, traceback_of, unpack
from .target import main_place

__all__ = ["Answer", "Job", "Outcome", "Stop", "Work"]

STARTUP = 120.0
"""Seconds that a child may take to start and to import what it is to run."""

EXTRAS = 2.0
"""Seconds that are waited for what is not plain of an exception: pickling it may run users' code."""

CRASHES = frozenset(("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS"))

Answer = Callable[[str, Any], Any]
"""What a body tells or asks while it runs: a word, and what belongs to it."""


class Stop:
    """Ends one job from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: Child | None = None
        self.asked = False

    def __call__(self) -> None:
        with self._lock:
            self.asked = True
            child = self._child
        if child is not None:
            child.interrupted = True
            child.kill()

    def at(self, child: Child | None) -> None:
        """The job runs in ``child`` from now on.

        :raises RunInterrupted: it was to stop before that.
        """
        with self._lock:
            self._child = child
            if child is not None and self.asked:
                raise RunInterrupted("stopped before its process began")


class Job:
    """One body to be run in a child.

    :param body: pickled; it has ``prepare()``, which imports, and is called with a
        :class:`surefoot.isolation.worker.Channel`.
    :param timeout: seconds from when the body begins, or None.
    :param memory: bytes, or None.
    :param owner: whose it is, for :meth:`Pool.interrupt`.
    """

    __slots__ = ("answer", "body", "memory", "owner", "stop", "timeout", "what")

    def __init__(
        self,
        body: bytes,
        what: str,
        answer: Answer,
        *,
        timeout: float | None = None,
        memory: int | None = None,
        owner: object = None,
        stop: Stop | None = None,
    ) -> None:
        self.body = body
        self.what = what
        self.answer = answer
        self.timeout = timeout
        self.memory = memory
        self.owner = owner
        self.stop = stop or Stop()


class Outcome:
    """How a job ended, and whether its child can be used again. ``again``: it had not begun."""

    def __init__(
        self,
        result: Any = None,
        error: BaseException | None = None,
        *,
        keep: bool = False,
        again: bool = False,
    ) -> None:
        self._result = result
        self._error = error
        self.keep = keep
        self.again = again

    def value(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result


class Work:
    """One job in one child: the conversation between them."""

    def __init__(self, child: Child, job: Job) -> None:
        self._child = child
        self._job = job
        self._clock = SystemClock()
        self._began = False
        self._until: float | None = self._clock.monotonic() + STARTUP

    def run(self) -> Outcome:
        child, job = self._child, self._job
        child.send(("job", job.body, job.memory, _surroundings()), len(job.body) + 20_000)
        while True:
            try:
                message = child.inbox.get(timeout=self._left())
            except queue.Empty:
                return self._too_late()
            outcome = self._handle(message)
            if outcome is not None:
                child.warm = True
                return outcome

    def _left(self) -> float | None:
        return None if self._until is None else max(0.0, self._until - self._clock.monotonic())

    def _handle(self, message: wire.Message) -> Outcome | None:
        job = self._job
        word = message[0]
        if word == "began":
            self._began = True
            timeout = job.timeout
            self._until = None if timeout is None else self._clock.monotonic() + timeout
        elif word == "ask":
            # what cannot be answered ends the body: it must not act without the answer
            self._child.send(("reply", job.answer(message[1], message[2])))
        elif word == "returned":
            return self._returned(message[1], message[2])
        elif word == "raised":
            return self._raised(message[1], message[2], message[3])
        elif word == ENDED:
            return self._died(message[1])
        else:
            self._heard(message)
        return None

    def _heard(self, message: wire.Message) -> None:
        """What needs no answer."""
        if message[0] == "tell":
            self._job.answer(message[1], message[2])
        elif message[0] == "log":
            self._job.answer("log", message[1])
            _log(message[1])
        elif message[0] == "out":
            stream = getattr(sys, message[1])
            if stream is not None:
                stream.write(message[2])

    def _drain(self) -> None:
        """What a child that is gone had told before."""
        while True:
            try:
                message = self._child.inbox.get(timeout=0)
            except queue.Empty:
                return
            self._heard(message)

    # -- ends ---------------------------------------------------------------------------------

    def _returned(self, data: bytes, retire: bool) -> Outcome:
        what = self._job.what
        try:
            value = wire.loads(data, _main)
        except Exception as exc:
            error = UnsavableError(
                f"{what}: its result came back from its process and could not be made again here "
                f"({type(exc).__name__}: {exc}); return plain data"
            )
            error.__cause__ = exc
            return Outcome(error=error, keep=not retire)
        return Outcome(value, keep=not retire)

    def _raised(self, phase: str, record: dict[str, Any], retire: bool) -> Outcome:
        extras, keep = None, False
        self._until = self._clock.monotonic() + EXTRAS
        while True:
            try:
                message = self._child.inbox.get(timeout=self._left())
            except queue.Empty:
                break  # pickling it hangs: the error is here all the same, and the child goes
            if message[0] == "extras":
                extras, keep = message[1], not retire
                break
            if message[0] == ENDED:
                break
            self._heard(message)
        exc = unpack(record, extras, _main())
        return Outcome(error=self._as_ours(phase, exc), keep=keep)

    def _as_ours(self, phase: str, exc: BaseException) -> BaseException:
        job = self._job
        error: BaseException
        if phase == "memory":
            error = StepOutOfMemory(
                f"{job.what}: needed more than its memory={job.memory} bytes; raise it, or give the "
                "step less to do at a time",
                memory=job.memory,
            )
        elif phase == "prepare" and not isinstance(exc, (UsageError, KeyboardInterrupt)):
            error = DefinitionError(
                f"{job.what}: its process could not import what it is to run "
                f"({type(exc).__name__}: {exc}); it must be importable from a fresh Python, see "
                "docs/isolation.md"
            )
        else:
            return exc
        error.__cause__ = exc
        return error

    def _too_late(self) -> Outcome:
        child, job = self._child, self._job
        child.kill()
        self._drain()
        if not self._began:
            told = (
                f"its process took longer than {STARTUP:g} s to start and to import what it is to "
                "run, and was killed"
            )
            return Outcome(error=StepTimeout(f"{job.what}: {told}", timeout=STARTUP))
        return Outcome(
            error=StepTimeout(
                f"{job.what} took longer than its {job.timeout:g} s; its process was killed",
                timeout=job.timeout,
                running=lambda: not child.gone.is_set(),
            )
        )

    def _died(self, returncode: int) -> Outcome:
        child, job = self._child, self._job
        if child.interrupted:
            return Outcome(error=RunInterrupted(f"{job.what}: stopped, its process was killed"))
        if not self._began and child.warm:
            return Outcome(again=True)  # it had died while it was idle: nothing began
        return Outcome(error=self._death(returncode, child.trace()))

    def _death(self, returncode: int, trace: str) -> StepDied:
        what, name = self._job.what, _signal_name(returncode)
        when = "" if self._began else " before its body began"
        stack = crash_stack(trace)
        place = f" in {stack[-1][2]} ({stack[-1][0]}:{stack[-1][1]})" if stack else ""
        limit = self._job.memory
        under = f" (under memory={limit} bytes)" if limit is not None else ""
        if name is None:
            told = f"{what}: its process left with exit code {returncode}{when}, without a result"
            return StepCrashed(told, returncode, None, trace)
        if name in CRASHES:
            told = f"{what}: its process crashed with {name}{place}{when}{under}"
            crashed = StepCrashed(told, returncode, name, trace)
            return crashed.with_traceback(traceback_of(stack))
        likely = ", most likely by the out-of-memory killer" if name == "SIGKILL" else ""
        told = f"{what}: its process was killed from outside by {name}{when}{likely}"
        return StepKilled(told, returncode, name, trace)


def _signal_name(returncode: int) -> str | None:
    if returncode >= 0:
        return None
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"


def _surroundings() -> dict[str, Any]:
    """What a child is to stand in: the same folder, paths, environment and log levels."""
    try:
        folder: str | None = os.getcwd()
    except OSError:  # it was removed
        folder = None
    manager = logging.root.manager
    levels = {
        name: logger.level
        for name, logger in list(manager.loggerDict.items())
        if isinstance(logger, logging.Logger) and logger.level
    }
    return {
        "cwd": folder,
        "path": list(sys.path),
        "environ": dict(os.environ),
        "levels": {"": logging.root.level, **levels},
        "disabled": manager.disable,
        "main": tuple(main_place()),
    }


def _main() -> ModuleType:
    return sys.modules["__main__"]


def _log(fields: dict[str, Any]) -> None:
    """A record of the child, to this process's handlers."""
    record = logging.makeLogRecord(fields)
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)
