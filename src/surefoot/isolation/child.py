"""One child process as its parent sees it: started, spoken to, killed, and known to be gone."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from ..errors import UsageError
from . import wire

__all__ = ["ENDED", "Child", "Guardian"]

ENDED = "ended"
"""The last message in a child's inbox, ours: ``(ENDED, returncode)``."""

GONE = 5.0
"""Seconds that are waited for a killed process; only one stuck in the kernel takes longer."""

SMALL = 32_768
"""Bytes that fit into an empty pipe for sure, so that writing them cannot block."""

_TRACE = 4_000

_BOOT = "import sys; sys.path[0] = {root!r}; from surefoot.isolation.worker import main; main({pid}, {fd})"

_GUARD = """
import os, signal, sys
held = set()
for line in sys.stdin:
    (held.add if line[0] == "+" else held.discard)(int(line[1:]))
for pid in held:
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        pass
"""


class Guardian:
    """A tiny process that knows the children's process groups, and kills them once their parent is
    gone, however it went: what a child has started itself (ffmpeg, a server) ends with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        if os.name == "posix":
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _GUARD],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C at the terminal is not for it
            )

    def add(self, pid: int) -> None:
        self._tell(f"+{pid}\n")

    def remove(self, pid: int) -> None:
        self._tell(f"-{pid}\n")

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._process is None or self._process.stdin is None:
                return
            try:
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()
            except OSError:  # someone killed it: the children still watch their pipes
                return

    def close(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            try:
                process.stdin.close()
            except OSError:
                pass
            process.wait()


class Child:
    """A child process. Start it in a thread that lives as long as it may: on Linux it dies with it
    (``PR_SET_PDEATHSIG`` looks at the thread, man 2 prctl)."""

    def __init__(self, guardian: Guardian) -> None:
        if not sys.executable:
            raise UsageError(
                "isolation='process' needs a Python to start, and sys.executable is empty here; "
                "leave isolation= out"
            )
        self.inbox: queue.SimpleQueue[wire.Message] = queue.SimpleQueue()
        self.gone = threading.Event()
        self.returncode: int | None = None
        self.warm = False
        self.interrupted = False
        self._life = threading.Lock()
        self._sending = threading.Lock()
        self._reaped = False
        self._guardian = guardian
        posix = os.name == "posix"
        # what faulthandler writes when it crashes; without a name, so that nothing is left behind
        self._trace: IO[bytes] | None = tempfile.TemporaryFile() if posix else None  # noqa: SIM115
        fd = self._trace.fileno() if self._trace is not None else -1
        root = str(Path(__file__).resolve().parents[2])
        boot = _BOOT.format(root=root, pid=os.getpid(), fd=fd)
        flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        self._process = subprocess.Popen(
            [sys.executable, *flags, "-c", boot],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            pass_fds=(fd,) if posix else (),
            start_new_session=True,  # a process group to kill, and no Ctrl-C from the terminal
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        self.pid = self._process.pid
        guardian.add(self.pid)
        self._reader = self._thread(self._read, "reads")
        self._waiter = self._thread(self._await_end, "waits for")

    def _thread(self, work: Any, name: str) -> threading.Thread:
        thread = threading.Thread(
            target=work, name=f"surefoot {name} child {self.pid}", daemon=True
        )
        thread.start()
        return thread

    def send(self, message: wire.Message, size: int = 0) -> None:
        """Hand over a message of about ``size`` bytes. What is large is written by a thread: a child
        that stands still must not hold up its timeout."""
        if size > SMALL:
            threading.Thread(
                target=self._send, args=(message,), name="surefoot sends", daemon=True
            ).start()
        else:
            self._send(message)

    def _send(self, message: wire.Message) -> None:
        with self._sending:
            if self._in.closed:
                return
            try:
                wire.send(self._in.fileno(), message)
            except OSError:  # it is gone: its inbox tells
                return

    def kill(self) -> None:
        """End it and all of its process group at once; returns when it is gone."""
        self._kill_group()
        self.gone.wait(GONE)

    def _kill_group(self) -> None:
        with self._life:
            if self._reaped:
                return  # its number may be another process's by now
            if os.name != "posix":
                self._process.kill()
                return
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                return
            except PermissionError:  # macOS, for a group of zombies only
                return

    def trace(self) -> str:
        """What it wrote of its crash; empty where there was none."""
        if self._trace is None or self._trace.closed:
            return ""
        self._trace.seek(0)
        return self._trace.read(_TRACE).decode("utf-8", "replace").strip()

    def _read(self) -> None:
        fd = self._out.fileno()
        while (message := wire.receive(fd)) is not None:
            self.inbox.put(message)

    def _await_end(self) -> None:
        if hasattr(os, "waitid"):
            # it is not reaped yet, so its group cannot be another one's: what it left ends now
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            self._kill_group()
            with self._life:
                self.returncode = self._process.wait()
                self._reaped = True
        else:
            self.returncode = self._process.wait()
            self._reaped = True
        self._guardian.remove(self.pid)
        self._reader.join(GONE)
        with self._sending:
            self._in.close()
        if not self._reader.is_alive():
            self._out.close()
        self.gone.set()
        self.inbox.put((ENDED, self.returncode))

    def forget(self) -> None:
        """It is gone, and nobody asks for its trace any more."""
        if self._trace is not None:
            self._trace.close()
