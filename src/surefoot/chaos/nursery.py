"""Child processes by the hundred: forked from one that has imported the workflow already.

A fork of the command's own process would take its threads' locks along, and importing a workflow
anew for each cell takes half a second. So a server is started once; it imports what the children
need while it has one thread, and forks one for each request, in milliseconds. Where it cannot fork
(Windows), or what it imported has started threads, each child is a Python of its own instead.

Each child leads a process group of its own. Whatever it started and left behind is ended with it, and
all children end with the server, which ends with whoever asked for it, also if that was killed.
"""

from __future__ import annotations

import contextlib
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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..errors import SurefootError, UsageError

__all__ = ["Closed", "Ended", "Nursery"]

CALL = "surefoot.chaos.child:attend"
START_SECONDS = 120.0
LOOK_SECONDS = 0.002
"""Between two looks at a child: a hundredth of what a cell takes."""


class Closed(SurefootError):
    """The processes were ended while one was waited for: the chaos run was stopped."""


@dataclass(frozen=True)
class Ended:
    """How a child ended: with an answer, by a signal, with an exit code of its own, or too late.

    ``seconds`` is how long it took; ``seen`` when its end was noticed, in seconds since the epoch.
    """

    answer: Mapping[str, Any] | None = None
    signal: int | None = None
    exit_code: int | None = None
    late: bool = False
    seconds: float = 0.0
    pid: int = 0
    seen: float = 0.0

    @property
    def died(self) -> bool:
        """Whether it left no answer."""
        return self.answer is None


class Nursery:
    """Starts children that attend to a run; see :func:`surefoot.chaos.child.attend`.

    :param target: the workflow: it is imported once, before any fork.
    :param folder: for the answers.
    :param offline: refuse connections to other machines, already while the workflow is imported.
    :raises UsageError: the workflow cannot be imported; the message is the import's own.
    """

    def __init__(
        self, target: str, folder: Path, environment: Mapping[str, str], *, offline: bool = True
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._out = folder
        self._environment = {**os.environ, **environment}
        self._lock = threading.Lock()
        self._number = 0
        self._closed = False
        self._spawns: set[subprocess.Popen[bytes]] = set()
        network = "offline" if offline else "network"
        self._server = subprocess.Popen(
            [sys.executable, "-m", "surefoot.chaos.nursery", network, target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
            start_new_session=True,  # Ctrl-C at the terminal is for the command: it ends the others
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
        """End all children that still run, and the server. Who waits for one gets :class:`Closed`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            spawns = list(self._spawns)
        for child in spawns:
            _end_group(child.pid)
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.close()  # which tells it to end its children, and itself
        try:
            self._server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._server.stdout.close()

    def run(
        self,
        job: Mapping[str, Any],
        timeout: float,
        while_paused: Callable[[], None] | None = None,
    ) -> Ended:
        """Let a child do a job; several threads may ask at once.

        :param timeout: seconds; then the child is killed.
        :param while_paused: called when the child has stopped itself; then it is continued.
        :raises Closed: the nursery was closed meanwhile.
        """
        with self._lock:
            self._number += 1
            place = self._out / f"{self._number}.json"
        began = time.monotonic()
        if self.forks:
            pid, code, late = self._forked(dict(job), place, timeout, while_paused)
        else:
            pid, code, late = self._spawned(dict(job), place, timeout)
        seconds, seen = time.monotonic() - began, _now()
        answer = None
        if place.exists():
            answer = json.loads(place.read_text(encoding="utf-8"))
            place.unlink()
        died_by = -code if code < 0 else None
        return Ended(
            answer, died_by, code if died_by is None else None, late, seconds, pid=pid, seen=seen
        )

    def _forked(
        self,
        job: dict[str, Any],
        place: Path,
        timeout: float,
        while_paused: Callable[[], None] | None,
    ) -> tuple[int, int, bool]:
        pid = int(self._told({"do": "start", "job": job, "answer": str(place)})["pid"])
        end = time.monotonic() + timeout
        late = False
        while True:
            told = self._told({"do": "look", "pid": pid})
            if told["ended"]:
                return pid, int(told["code"]), late
            if told["paused"]:
                paused = time.monotonic()
                if while_paused is not None:
                    try:
                        while_paused()
                    except BaseException:
                        _end_group(pid)
                        raise
                    while_paused = None
                end += time.monotonic() - paused
                self._told({"do": "continue", "pid": pid})
            if time.monotonic() > end and not late:
                late = True
                self._told({"do": "kill", "pid": pid})
            time.sleep(LOOK_SECONDS)  # noqa: TID251  waits for another process, which no clock moves

    def _spawned(self, job: dict[str, Any], place: Path, timeout: float) -> tuple[int, int, bool]:
        with self._lock:
            if self._closed:
                raise Closed("the chaos run was stopped")
            child = subprocess.Popen(
                [sys.executable, "-m", "surefoot.chaos.nursery", "--one", str(place)],
                stdin=subprocess.PIPE,
                env=self._environment,
                start_new_session=True,
            )
            self._spawns.add(child)
        late = False
        try:
            child.communicate(json.dumps(job).encode(), timeout)
        except subprocess.TimeoutExpired:
            late = True
            _end_group(child.pid)
            child.communicate()
        finally:
            self._spawns.discard(child)
            if child.poll() is not None:
                _end_group(child.pid)
        if self._closed:
            raise Closed("the chaos run was stopped")
        return child.pid, child.returncode, late

    def _told(self, request: dict[str, Any]) -> Any:
        with self._lock:
            if self._closed:
                raise Closed("the chaos run was stopped")
            return self._ask(request)

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


def _now() -> float:
    return time.time()  # noqa: TID251  held against the times of other processes


def _end_group(leader: int) -> None:
    """End a process, and whatever it started and left in its group."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(leader, signal.SIGKILL)
        else:
            os.kill(leader, signal.SIGTERM)


# -- the server -----------------------------------------------------------------------------------


def _serve(network: str, target: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a module prints when it is imported is no answer
    hello: dict[str, Any] = {"forks": False}
    try:
        if network == "offline":
            from .offline import stay_on_loopback

            stay_on_loopback()
        _warm_up(target)
        hello["forks"] = hasattr(os, "fork") and threading.active_count() == 1
    except BaseException as exc:
        hello = {"error": f"{target} cannot be imported: {type(exc).__name__}: {exc}"}
    gc.collect()
    gc.freeze()  # else a collection in a child touches, and so copies, all that it inherited
    alive: set[int] = set()
    for line in sys.stdin:
        request = json.loads(line)
        answer: Any = hello
        if request["do"] == "start":
            pid = os.fork()
            if pid == 0:
                os.setpgid(0, 0)
                answers.close()
                os.close(0)
                _child(request["job"], Path(request["answer"]))
            with contextlib.suppress(OSError):  # it may have done so itself, and be gone
                os.setpgid(pid, pid)
            alive.add(pid)
            answer = {"pid": pid}
        elif request["do"] == "look":
            answer = _look(request["pid"])
            if answer["ended"]:
                alive.discard(request["pid"])
                _end_group(request["pid"])
        elif request["do"] == "continue":
            os.killpg(request["pid"], signal.SIGCONT)
        elif request["do"] == "kill":
            _end_group(request["pid"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    for pid in alive:
        _end_group(pid)


def _warm_up(target: str) -> None:
    """Import what every child needs; nothing here may start a thread."""
    from ..catalog import load as load_catalog
    from ..workflow.target import as_workflow, load
    from . import child, injector, specs  # noqa: F401

    load_catalog()
    as_workflow(load(target), target)


def _look(pid: int) -> dict[str, Any]:
    done, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
    if done == 0:
        return {"ended": False, "paused": False}
    if os.WIFSTOPPED(status):
        return {"ended": False, "paused": True}
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
    _serve(sys.argv[1], sys.argv[2])
