"""Child processes by the hundred: forked from one that has imported the workflow already.

A fork of the command's own process would take its threads' locks along, and importing a workflow
anew for each cell takes half a second. So a server is started once; it imports what the children
need while it has one thread, and forks one for each request, in milliseconds. Where it cannot fork
(Windows), or what it imported has started threads, each child is a Python of its own instead.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..errors import UsageError

__all__ = ["Ended", "Nursery"]

CALL = "surefoot.chaos.child:attend"
START_SECONDS = 120.0


@dataclass(frozen=True)
class Ended:
    """How a child ended: with an answer, by a signal, with an exit code of its own, or too late.

    ``seconds`` is how long it took.
    """

    answer: Mapping[str, Any] | None = None
    signal: int | None = None
    exit_code: int | None = None
    late: bool = False
    seconds: float = 0.0

    @property
    def died(self) -> bool:
        """Whether it left no answer."""
        return self.answer is None


class Nursery:
    """Starts children that attend to a run; see :func:`surefoot.chaos.child.attend`.

    :param target: the workflow: it is imported once, before any fork.
    :param folder: for the answers.
    :raises UsageError: the workflow cannot be imported; the message is the import's own.
    """

    def __init__(self, target: str, folder: Path, environment: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._out = folder
        self._environment = {**os.environ, **environment}
        self._lock = threading.Lock()
        self._number = 0
        self._server = subprocess.Popen(
            [sys.executable, "-m", "surefoot.chaos.nursery", str(folder), target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
        )
        try:
            hello = self._ask({"do": "hello"}, START_SECONDS)
        except BaseException:
            self.close()
            raise
        if "error" in hello:
            self.close()
            raise UsageError(str(hello["error"]))
        self.forks = bool(hello["forks"])
        """Whether children are forked; else each of them starts anew."""

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server; children that still run are killed with their run's time."""
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.close()
        try:
            self._server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._server.stdout.close()

    def run(self, job: Mapping[str, Any], timeout: float) -> Ended:
        """Let a child do a job; several threads may ask at once.

        :param timeout: seconds; then the child is killed.
        """
        with self._lock:
            self._number += 1
            place = self._out / f"{self._number}.json"
        began = time.monotonic()
        code, late = (self._forked if self.forks else self._spawned)(dict(job), place, timeout)
        seconds = time.monotonic() - began
        answer = None
        if place.exists():
            answer = json.loads(place.read_text(encoding="utf-8"))
            place.unlink()
        if code is not None and code < 0:
            return Ended(answer, signal=-code, late=late, seconds=seconds)
        return Ended(answer, exit_code=code, late=late, seconds=seconds)

    def _forked(self, job: dict[str, Any], place: Path, timeout: float) -> tuple[int | None, bool]:
        with self._lock:
            pid = int(self._ask({"do": "start", "job": job, "answer": str(place)})["pid"])
        end = time.monotonic() + timeout
        late = False
        while True:
            with self._lock:
                told = self._ask({"do": "look", "pid": pid})
            if told["ended"]:
                return told["code"], late
            if time.monotonic() > end and not late:
                late = True
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)  # noqa: TID251  waits for another process, which no clock moves

    def _spawned(self, job: dict[str, Any], place: Path, timeout: float) -> tuple[int | None, bool]:
        child = subprocess.Popen(
            [sys.executable, "-m", "surefoot.chaos.nursery", "--one", str(place)],
            stdin=subprocess.PIPE,
            env=self._environment,
        )
        try:
            child.communicate(json.dumps(job).encode(), timeout)
            return child.returncode, False
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            return child.returncode, True

    def _ask(self, request: dict[str, Any], timeout: float = 30.0) -> Any:
        assert self._server.stdin is not None and self._server.stdout is not None
        try:
            self._server.stdin.write(json.dumps(request).encode() + b"\n")
            self._server.stdin.flush()
            ready = os.name == "nt" or select.select([self._server.stdout], [], [], timeout)[0]
            line = self._server.stdout.readline() if ready else b""
        except BrokenPipeError:
            line = b""
        if not line:
            raise UsageError(
                "the process that was to run the workflow has died, or does not answer; what it said "
                "stands above"
            )
        return json.loads(line)


# -- the server -----------------------------------------------------------------------------------


def _serve(folder: Path, target: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a module prints when it is imported is no answer
    hello: dict[str, Any] = {"forks": False}
    try:
        _warm_up(target)
        hello["forks"] = hasattr(os, "fork") and threading.active_count() == 1
    except BaseException as exc:
        hello = {"error": f"{target} cannot be imported: {type(exc).__name__}: {exc}"}
    gc.collect()
    gc.freeze()  # else a collection in a child touches, and so copies, all that it inherited
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "start":
            pid = os.fork()
            if pid == 0:
                answers.close()
                os.close(0)
                _child(request["job"], Path(request["answer"]))
            answer: Any = {"pid": pid}
        elif request["do"] == "look":
            answer = _look(request["pid"])
        else:
            answer = hello
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _warm_up(target: str) -> None:
    """Import what every child needs; nothing here may start a thread."""
    from ..catalog import load as load_catalog
    from ..workflow.target import as_workflow, load
    from . import child, injector, specs  # noqa: F401

    load_catalog()
    as_workflow(load(target), target)


def _look(pid: int) -> dict[str, Any]:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done == 0:
        return {"ended": False}
    return {"ended": True, "code": os.waitstatus_to_exitcode(status)}


def _child(job: dict[str, Any], place: Path) -> NoReturn:
    code = 0
    try:
        module, _, name = CALL.partition(":")
        told = getattr(importlib.import_module(module), name)(**job)
        _answer(place, told)
    except BaseException:
        traceback.print_exc()
        code = 1
    os._exit(code)


def _answer(place: Path, told: Any) -> None:
    """Whole or not at all."""
    aside = place.with_suffix(".part")
    aside.write_text(json.dumps(told, default=str), encoding="utf-8")
    os.replace(aside, place)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        _child(json.loads(sys.stdin.read()), Path(sys.argv[2]))
    _serve(Path(sys.argv[1]), sys.argv[2])
