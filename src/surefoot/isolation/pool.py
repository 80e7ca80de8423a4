"""Warm child processes, and the running of one body in one of them.

Each child works for one caller at a time, over pipes of its own, so that killing it harms no other.
There are as many as calls run at once; an idle one is used again, or ends after a while. Time is the
real one here: a process does not wait for a clock that is played.
"""

from __future__ import annotations

import os
import queue
import threading
from concurrent.futures import Future
from typing import Any

from ..clock import SystemClock
from ..errors import RunInterrupted
from .child import Child, Guardian
from .jobs import Job, Work

__all__ = ["Pool"]

IDLE = 60.0
"""Seconds after which an idle child ends."""


class Pool:
    """The children of one runtime."""

    def __init__(self, idle: float = IDLE) -> None:
        """:param idle: seconds after which an idle child ends."""
        self._idle_seconds = idle
        self._clock = SystemClock()
        self._fresh()

    def _fresh(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[tuple[Child, float]] = []
        self._running: dict[Child, object] = {}
        self._requests: queue.SimpleQueue[Future[Child] | str] = queue.SimpleQueue()
        self._keeper: threading.Thread | None = None
        self._guardian: Guardian | None = None
        self._closed = False

    # -- running ------------------------------------------------------------------------------

    def run(self, job: Job) -> Any:
        """Run a body in a child, and give its result.

        :raises StepTimeout: it took too long; its process was killed. :raises StepKilled: its process
            was killed from outside. :raises StepCrashed: it crashed, or left by ``os._exit``.
        :raises StepOutOfMemory: it needed more than ``memory``. :raises RunInterrupted: the pool was
            closed, or its owner stopped. What the body raises is raised here.
        """
        if self._pid != os.getpid():  # a fork: the children are the parent's
            self._fresh()
        while True:
            child = self._take()
            keep = False
            try:
                with self._lock:
                    self._running[child] = job.owner
                    self._check_open()
                job.stop.at(child)
                outcome = Work(child, job).run()
                keep = outcome.keep
            finally:
                job.stop.at(None)
                if not keep:
                    child.kill()
                with self._lock:
                    self._running.pop(child, None)
                if keep:
                    self._give_back(child)
                else:
                    child.forget()
            if not outcome.again:
                return outcome.value()

    def interrupt(self, owner: object) -> None:
        """Kill the children that work for ``owner``; their jobs end by RunInterrupted."""
        with self._lock:
            children = [child for child, whose in self._running.items() if whose is owner]
            for child in children:
                child.interrupted = True
        for child in children:
            child.kill()

    def close(self) -> None:
        """End all children, the working ones too."""
        if self._pid != os.getpid():
            self._fresh()
            return
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            working = list(self._running)
            for child in working:
                child.interrupted = True
            keeper, self._keeper = self._keeper, None
        if keeper is not None:
            self._requests.put("close")
            keeper.join()
        for child in [*working, *(one for one, _ in idle)]:
            child.kill()
        for child, _ in idle:
            child.forget()
        if self._guardian is not None:
            self._guardian.close()
            self._guardian = None

    @property
    def pids(self) -> list[int]:
        """The processes of its children."""
        with self._lock:
            return sorted({c.pid for c in self._running} | {c.pid for c, _ in self._idle})

    # -- children -----------------------------------------------------------------------------

    def _take(self) -> Child:
        request: Future[Child] = Future()
        with self._lock:
            self._check_open()
            while self._idle:
                child, _ = self._idle.pop()  # the last one used: the others may end
                if not child.gone.is_set():
                    return child
                child.forget()
            if self._keeper is None:
                self._keeper = threading.Thread(
                    target=self._keep, name="surefoot keeps children", daemon=True
                )
                self._keeper.start()
            self._requests.put(request)
        try:
            return request.result()
        except BaseException:
            # Ctrl-C meanwhile: the child that still comes is for the next one
            request.add_done_callback(self._unclaimed)
            raise

    def _unclaimed(self, request: Future[Child]) -> None:
        if request.exception() is None:
            self._give_back(request.result())

    def _check_open(self) -> None:
        if self._closed:
            raise RunInterrupted("its runtime was closed meanwhile")

    def _give_back(self, child: Child) -> None:
        with self._lock:
            closed = self._closed
            if not closed:
                self._idle.append((child, self._clock.monotonic()))
        if closed:
            child.kill()
            child.forget()
        else:
            self._requests.put("idle")

    def _keep(self) -> None:
        """Starts the children and ends idle ones. All start in this thread, which lives as long as
        they may: on Linux a child dies with the thread that started it."""
        while True:
            try:
                request = self._requests.get(timeout=self._until_idle())
            except queue.Empty:
                self._end_idle()
                continue
            if request == "close":
                break
            if isinstance(request, Future):
                self._start(request)
        while not self._requests.empty():  # asked for at the last moment
            late = self._requests.get()
            if isinstance(late, Future):
                late.set_exception(RunInterrupted("its runtime was closed meanwhile"))
        # the thread ends now, and with it (on Linux) what was started in it: it is killed anyway

    def _start(self, request: Future[Child]) -> None:
        try:
            if self._guardian is None:
                self._guardian = Guardian()
            child = Child(self._guardian)
        except BaseException as exc:
            request.set_exception(exc)
        else:
            request.set_result(child)

    def _until_idle(self) -> float | None:
        with self._lock:
            if not self._idle:
                return None
            oldest = min(since for _, since in self._idle)
        return max(0.0, oldest + self._idle_seconds - self._clock.monotonic())

    def _end_idle(self) -> None:
        limit = self._clock.monotonic() - self._idle_seconds
        with self._lock:
            over = [child for child, since in self._idle if since <= limit]
            self._idle = [(child, since) for child, since in self._idle if since > limit]
        for child in over:
            child.kill()
            child.forget()
