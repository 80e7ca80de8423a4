"""Child processes on demand, forked from a process that is warm and has one thread.

The tests' own process may have threads that other tests left behind, and a fork of it would take
their locks along. So a server is started once (:class:`Nursery`); it imports what the children need
and forks one for each request, which takes milliseconds.
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
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ended:
    """How a child ended: with a value, an error's text, or by a signal."""

    pid: int
    value: Any = None
    error: str | None = None
    signal: int | None = None

    def unwrap(self) -> Any:
        """Its value; an AssertionError with the child's traceback where there is none."""
        assert self.error is None, f"the child failed:\n{self.error}"
        assert self.signal is None, f"the child was killed by {signal.Signals(self.signal).name}"
        return self.value


class Nursery:
    """Starts children that call ``package.module:function(**kwargs)``; all of it JSON.

    :param warm: modules that the server imports before it forks.
    """

    def __init__(self, folder: Path, warm: Sequence[str] = ()) -> None:
        self._out = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery", str(folder), *warm],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        )
        try:
            self._ask({"do": "hello"})
        except BaseException:
            self._server.kill()
            self.__exit__()
            raise

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(timeout=10)
        self._server.stdout.close()

    def start(self, target: str, **kwargs: Any) -> int:
        """Start a child; gives its pid."""
        pid: int = self._ask({"do": "start", "target": target, "kwargs": kwargs})
        return pid

    def wait(self, pid: int, timeout: float = 60.0) -> Ended:
        """Wait for a child; one that takes longer than ``timeout`` seconds is killed."""
        told = self._ask({"do": "wait", "pid": pid, "timeout": timeout}, timeout + 10)
        if told["late"]:
            raise AssertionError(f"child {pid} was stuck: it did not end within {timeout:g} s")
        kept = self._out / f"{pid}.json"
        result = json.loads(kept.read_text()) if kept.exists() else {}
        kept.unlink(missing_ok=True)
        return Ended(pid, signal=told["signal"], **result)

    def run(self, target: str, **kwargs: Any) -> Ended:
        return self.wait(self.start(target, **kwargs))

    def _ask(self, request: dict[str, Any], timeout: float = 60.0) -> Any:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(request).encode() + b"\n")
        self._server.stdin.flush()
        if not select.select([self._server.stdout], [], [], timeout)[0]:
            raise AssertionError(f"the nursery does not answer to {request['do']}")
        line = self._server.stdout.readline()
        assert line, "the nursery has died; see its error output"
        return json.loads(line)


# -- the server -----------------------------------------------------------------------------------


def _serve(folder: Path, warm: list[str]) -> None:
    for name in warm:
        module = importlib.import_module(name)
        getattr(module, "warm_up", lambda: None)()
    assert threading.active_count() == 1, threading.enumerate()
    gc.collect()
    gc.freeze()  # else a collection in a child touches, and so copies, all that it inherited
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what children print belongs to the error output
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "start":
            pid = os.fork()
            if pid == 0:
                answers.close()
                _child(folder, request["target"], request["kwargs"])
            answer: Any = pid
        elif request["do"] == "wait":
            answer = _wait(request["pid"], request["timeout"])
        else:
            answer = "hello"
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _wait(pid: int, timeout: float) -> dict[str, Any]:
    late = False
    watched = os.pidfd_open(pid)
    try:
        if not select.select([watched], [], [], timeout)[0]:
            late = True
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(watched)
    _, status = os.waitpid(pid, 0)
    return {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None, "late": late}


def _child(folder: Path, target: str, kwargs: dict[str, Any]) -> NoReturn:
    os.close(0)
    try:
        module, _, name = target.partition(":")
        value = getattr(importlib.import_module(module), name)(**kwargs)
        text = json.dumps({"value": value})
    except BaseException:
        text = json.dumps({"error": traceback.format_exc()})
    aside = folder / f".{os.getpid()}"
    aside.write_text(text)
    aside.rename(folder / f"{os.getpid()}.json")
    os._exit(0)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2:])
