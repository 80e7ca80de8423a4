"""What the outside world saw: effects counted outside of the process that may be killed.

A ledger is a file that outlives every process that writes to it, or a receiver on loopback in front
of one. It plays the receiver of effects: one that is given an idempotency key applies what it gets
once for each key, one that is given none applies all of it. Only so can a test tell a correct retry
from a second payment.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ..context import frame
from ..errors import UsageError

__all__ = ["VARIABLE", "Entry", "Ledger", "Tally"]

VARIABLE = "SUREFOOT_LEDGER"
"""The environment variable by which a child process finds the ledger of its test."""


@dataclass(frozen=True)
class Entry:
    """One thing that reached the outside world.

    ``deed`` is the business key: what must be applied exactly once. ``applied`` is False where the
    receiver had seen its ``key`` before. ``at`` is seconds since the epoch.
    """

    effect: str
    deed: str
    key: str | None
    applied: bool
    pid: int
    at: float
    run_id: str | None = None
    attempt: int | None = None


@dataclass(frozen=True)
class Tally:
    """What was counted. ``duplicates`` and ``lost`` name deeds; ``unknown`` are those that nobody
    expected."""

    received: int
    applied: int
    duplicates: tuple[str, ...]
    lost: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Nothing twice, nothing lost, nothing that nobody expected."""
        return not (self.duplicates or self.lost or self.unknown)


class Ledger:
    """An append-only file of what effects did, synced line by line.

    :param path: the file; it is made with the first entry.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ledger = Ledger(f"{folder}/ledger")
    ...     [ledger.receive("order 1", effect="pay", key="k1") for attempt in (1, 2)]
    [True, False]
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @classmethod
    def here(cls) -> Ledger:
        """The ledger of the test that this process is part of.

        :raises UsageError: it is part of none; ``SUREFOOT_LEDGER`` is not set.
        """
        place = os.environ.get(VARIABLE)
        if not place:
            raise UsageError(
                f"there is no ledger here: {VARIABLE} is not set; surefoot chaos and the fixture "
                "`ledger` set it, or make one: Ledger(path)"
            )
        return cls(place)

    # -- writing --------------------------------------------------------------------------------

    def receive(self, deed: object, *, key: str | None = None, effect: str | None = None) -> bool:
        """Be the receiver of an effect. The entry is on disk when this returns.

        :param deed: the business key, e.g. the order that is paid.
        :param key: the idempotency key that came with it, if the receiver heeds keys.
        :param effect: whose it is; None: that of the effect that calls.
        :returns: whether it was applied; False: its key had been seen.
        """
        here = frame()
        name = effect or (here.step if here is not None else None) or "?"
        with self._held() as handle:
            applied = key is None or all(
                one.key != key or one.effect != name for one in self.entries()
            )
            entry = Entry(
                effect=name,
                deed=str(deed),
                key=key,
                applied=applied,
                pid=os.getpid(),
                at=time.time(),  # noqa: TID251  of the world outside, which no test's clock moves
                run_id=here.run.run_id if here is not None and here.run is not None else None,
                attempt=here.attempt if here is not None else None,
            )
            line = (json.dumps(asdict(entry)) + "\n").encode()
            if os.write(handle, line) != len(line):
                raise OSError(f"the ledger {self.path} could not be written")
            os.fsync(handle)
        return applied

    @contextmanager
    def _held(self) -> Iterator[int]:
        """The file, for this process and thread alone."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)
        try:
            _lock(handle)
            yield handle
        finally:
            os.close(handle)  # and with it the lock goes

    # -- reading --------------------------------------------------------------------------------

    def entries(self, effect: str | None = None) -> list[Entry]:
        """What was received, the oldest first; a line that a kill cut short is no entry."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        whole, _, _ = text.rpartition("\n")
        found = [Entry(**json.loads(line)) for line in whole.splitlines()]
        return [one for one in found if effect in (None, one.effect)]

    def tally(self, expected: Iterable[object] | None = None, effect: str | None = None) -> Tally:
        """Count.

        :param expected: the deeds that should have been done, each once; None: those that were.
        """
        entries = self.entries(effect)
        times = Counter(one.deed for one in entries if one.applied)
        wanted = {str(one) for one in expected} if expected is not None else set(times)
        return Tally(
            received=len(entries),
            applied=sum(times.values()),
            duplicates=tuple(deed for deed, number in times.items() if number > 1),
            lost=tuple(sorted(wanted - set(times))),
            unknown=tuple(sorted(set(times) - wanted)),
        )

    def assert_once(self, *deeds: object, effect: str | None = None) -> None:
        """These deeds, and no others, were done once each.

        :raises AssertionError: with what was done twice, what is missing, and by which attempts.
        """
        tally = self.tally(deeds, effect)
        if tally.right:
            return
        lines = [f"  lost: {deed}" for deed in tally.lost]
        lines += [f"  nobody expected: {deed}" for deed in tally.unknown]
        for deed in tally.duplicates:
            by = [
                f"pid {one.pid}, attempt {one.attempt}, key {one.key}"
                for one in self.entries(effect)
                if one.deed == deed and one.applied
            ]
            lines.append(f"  {len(by)} times: {deed} ({'; '.join(by)})")
        raise AssertionError("effects did not happen exactly once:\n" + "\n".join(lines))

    # -- over HTTP ------------------------------------------------------------------------------

    @contextmanager
    def serve(self) -> Iterator[str]:
        """A receiver on loopback, for code that sends its effects over HTTP.

        ``POST <url>/EFFECT/DEED``, with the header ``Idempotency-Key`` where the sender has one;
        answered 200 with ``{"applied": …}`` once the entry is on disk.

        :returns: its URL, as long as the ``with`` block lasts.
        """
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="surefoot-ledger", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(ledger: Ledger) -> type[BaseHTTPRequestHandler]:
    class Receiver(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # noqa: N802  the name that http.server calls
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            effect, slash, deed = self.path.strip("/").partition("/")
            if not slash or not effect or not deed:
                self._answer(404, {"error": "POST to /EFFECT/DEED"})
                return
            key = self.headers.get("Idempotency-Key")
            applied = ledger.receive(unquote(deed), key=key, effect=unquote(effect))
            self._answer(200, {"applied": applied})

        def do_GET(self) -> None:  # noqa: N802
            self._answer(200, {"entries": [asdict(one) for one in ledger.entries()]})

        def _answer(self, status: int, told: Any) -> None:
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """A test's output is no access log."""

    return Receiver


def _lock(handle: int) -> None:
    """Wait until nobody else holds the file."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)
