"""Starts a fault proxy beside a program: in a thread of it, or in a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Protocol

from ...errors import SurefootError
from .server import FaultServer

__all__ = ["InProcess", "InThread", "Running"]

PATIENCE = 30.0
"""Seconds: a server that has not begun or ended by then hangs."""


class Running(Protocol):
    """A server that was started, and can be stopped."""

    url: str
    seed: int

    def stop(self) -> None: ...


class InThread:
    """In a thread of this process, with an event loop of its own: ready within milliseconds."""

    def __init__(self, *, seed: int | None, log: Path | None, metrics: bool) -> None:
        """
        :raises UsageError: the log cannot be opened.
        """
        self._server = FaultServer(port=0, seed=seed, log=log, metrics=metrics)
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="surefoot-fault-proxy", daemon=True)
        self._thread.start()
        if not self._ready.wait(PATIENCE):
            raise SurefootError("the fault proxy did not start; is this machine overloaded?")
        if self._failed is not None:
            self._thread.join(PATIENCE)
            raise self._failed
        self.url, self.seed = self._server.url, self._server.seed

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as exc:
            self._failed = exc
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        await self._server.start()
        self._ready.set()
        try:
            await self._end.wait()
        finally:
            await self._server.stop()

    def stop(self) -> None:
        if self._loop is not None and self._end is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(PATIENCE)


class InProcess:
    """``surefoot fault-proxy`` in a child, which ends with this process whatever becomes of it."""

    def __init__(self, *, seed: int | None, log: Path | None, metrics: bool) -> None:
        """
        :raises SurefootError: it did not start; the message is its own.
        """
        command = [sys.executable, "-m", "surefoot", "fault-proxy"]
        command += ["--port", "0", "--json", "--until-stdin-ends"]
        command += [] if seed is None else ["--seed", str(seed)]
        command += [] if log is None else ["--log", str(log)]
        command += ["--metrics"] if metrics else []
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        try:
            told = json.loads(line)
            self.url, self.seed = told["url"], told["seed"]
        except (ValueError, KeyError):
            rest = self._child.stdout.read()
            self.stop()
            raise SurefootError(f"the fault proxy did not start: {line}{rest}") from None

    def stop(self) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()
        try:
            self._child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()
