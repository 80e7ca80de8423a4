"""What runs inside of a child process: wait for a body, run it, say how it ended, wait for the next.

Standard input is empty here, and what is printed goes to the parent's ``sys.stdout`` and
``sys.stderr``, as log records go to its handlers. File descriptor 1 is the error output: what a
library of C writes there does not get between the parent's lines.
"""

from __future__ import annotations

import contextvars
import faulthandler
import io
import logging
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..context import Frame, entered, frame, place
from ..errors import UnsavableError
from . import wire
from .exceptions import extras_of, pack
from .target import MainPlace, load_main

__all__ = ["Channel", "main"]

PR_SET_PDEATHSIG = 1


class Channel:
    """The pipes to the parent."""

    def __init__(self, readable: int, writable: int) -> None:
        self._readable = readable
        self._writable = writable
        self._sending = threading.Lock()
        self._asking = threading.Lock()
        self._replies: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.jobs: queue.SimpleQueue[wire.Message] = queue.SimpleQueue()
        self.main_place = MainPlace(None, None)

    def tell(self, what: str, data: Any = None) -> None:
        """Let the parent know, without waiting."""
        self.send(("tell", what, data))

    def ask(self, what: str, data: Any = None) -> Any:
        """Ask the parent, and wait for its answer: it has done by then what was asked for."""
        with self._asking:
            self.send(("ask", what, data))
            return self._replies.get()

    def send(self, message: wire.Message) -> None:
        with self._sending:
            try:
                wire.send(self._writable, message)
            except OSError:
                end_group()  # the parent is gone

    def main(self) -> ModuleType:
        return load_main(self.main_place)

    def watch(self) -> None:
        """Take what comes from the parent; once it is gone, end."""
        while (message := wire.receive(self._readable)) is not None:
            if message[0] == "reply":
                self._replies.put(message[1])
            else:
                self.jobs.put(message)
        end_group()


def end_group() -> None:
    """End at once, with all that was started here."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


class _Importing:
    """Stands in the frame while a child imports its program: what would start a run there is told
    what it has run into."""

    run_id = None
    created_at = None
    importing = True

    def refuse(self, where: str) -> str:
        return (
            f"{where} was called while the process of an isolated step imported its file, where it "
            'would run again and again; put the call below: if __name__ == "__main__":'
        )


class _Raw(io.RawIOBase):
    def __init__(self, channel: Channel, name: str) -> None:
        self._channel = channel
        self._name = name

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2

    def write(self, data: Any) -> int:
        text = bytes(data)
        self._channel.send(("out", self._name, text.decode("utf-8", "replace")))
        return len(text)


class _Handler(logging.Handler):
    """Sends each record to the parent, ready to be printed."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._channel.send(("log", _plain(record)))
        except Exception:
            self.handleError(record)


def _plain(record: logging.LogRecord) -> dict[str, Any]:
    fields = dict(vars(record))
    fields["msg"], fields["args"] = record.getMessage(), None
    if record.exc_info and not record.exc_text and record.exc_info[0] is not None:
        fields["exc_text"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
    fields["exc_info"] = None
    here = frame()
    if here is not None and here.child is not None:
        fields = {**place(here), **fields}
    plain = (str, int, float, bool, type(None))
    return {k: v if isinstance(v, plain) else repr(v) for k, v in fields.items()}


def main(parent: int, trace: int) -> None:
    """The life of a child.

    :param parent: the process that started it. :param trace: the file that a crash is told to, or -1.
    """
    _die_with(parent)
    _prefer_me()
    channel = Channel(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdin = io.TextIOWrapper(io.BytesIO())
    for name in ("stdout", "stderr"):
        raw = io.BufferedWriter(_Raw(channel, name))
        setattr(sys, name, io.TextIOWrapper(raw, "utf-8", "replace", line_buffering=True))
    if trace >= 0:
        faulthandler.enable(os.fdopen(os.dup(trace), "wb"), all_threads=False)
        os.close(trace)
    threading.Thread(target=channel.watch, name="surefoot watches", daemon=True).start()
    handler = _Handler(channel)
    while True:
        _, body, memory, around = channel.jobs.get()
        _stand(channel, around, handler)
        contextvars.Context().run(_job, channel, body, memory)


def _die_with(parent: int) -> None:
    """Linux: be killed when the thread that started this process ends, with its process or before."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if hasattr(os, "getppid") and os.name == "posix" and os.getppid() != parent:
        os._exit(1)  # it was gone before


def _prefer_me() -> None:
    """Linux: where memory runs out, the kernel is to end this process rather than its parent."""
    try:
        with open("/proc/self/oom_score_adj", "r+") as file:
            score = min(1000, int(file.read()) + 500)
            file.seek(0)
            file.write(str(score))
    except (OSError, ValueError):  # another system, or not allowed: it chooses by size, as always
        return


def _stand(channel: Channel, around: dict[str, Any], handler: logging.Handler) -> None:
    """Take over the parent's folder, paths, environment and log levels."""
    channel.main_place = MainPlace(*around["main"])
    if around["cwd"] is not None:
        try:
            os.chdir(around["cwd"])
        except OSError:  # it is gone: stay where we are
            pass
    sys.path[:] = around["path"]
    if dict(os.environ) != around["environ"]:
        os.environ.clear()
        os.environ.update(around["environ"])
    _log_to(handler, around)


def _log_to(handler: logging.Handler, around: dict[str, Any]) -> None:
    """All records go to the parent, whose handlers they are for; none are handled twice."""
    logging.root.handlers[:] = [handler]
    manager = logging.root.manager
    for logger in list(manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.handlers[:], logger.propagate = [], True
    for name, level in around["levels"].items():
        (logging.getLogger(name) if name else logging.root).setLevel(level)
    logging.disable(around["disabled"])


def _job(channel: Channel, data: bytes, memory: int | None) -> None:
    try:
        with entered(Frame(child=_Importing())):
            body = wire.loads(data, channel.main)
            body.prepare(channel.main_place)
    except BaseException as exc:
        _raised(channel, "prepare", exc, retire=True)
        return
    channel.send(("began",))
    limited = _limited(memory)
    try:
        value = body(channel)
    except BaseException as exc:
        limited()
        out_of_memory = memory is not None and isinstance(exc, MemoryError)
        _raised(channel, "memory" if out_of_memory else "body", exc, retire=out_of_memory)
        return
    limited()
    del body
    try:
        answer = wire.dumps(value)
    except BaseException as exc:
        error = UnsavableError(
            f"its result, a {type(value).__qualname__}, cannot be sent back from its process "
            f"({type(exc).__name__}: {exc}); return plain data"
        )
        error.__cause__ = exc if isinstance(exc, Exception) else None
        _raised(channel, "body", error, retire=False)
        return
    _flush()
    channel.send(("returned", answer, False))


def _limited(memory: int | None) -> Callable[[], None]:
    """Bound the memory of this process; gives what lifts the bound again.

    ``RLIMIT_DATA`` counts what the process can write to (man 2 getrlimit, since Linux 4.7): not its
    libraries, nor address space that is only reserved, of which ``RLIMIT_AS`` would count gigabytes.
    """
    if memory is None:
        return lambda: None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    return lambda: resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # the body closed it, or put another one there
            continue


def _raised(channel: Channel, phase: str, exc: BaseException, *, retire: bool) -> None:
    """Say what was raised, first what is plain: that cannot fail and runs nobody's code."""
    _flush()
    record = pack(exc)
    channel.send(("raised", phase, record, retire))
    channel.send(("extras", extras_of(exc, record)))
