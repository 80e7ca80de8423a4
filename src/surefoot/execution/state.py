"""A run while it runs: its scopes, what is recorded of it, and its flags."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..clock import Clock
from ..errors import BudgetExceeded, JournalError, RunCancelled, RunInterrupted, RunLocked
from ..events import Event
from ..journal import CallRecord, Journal, Lease
from ..journal.journal import Stored
from ..journal.writes import ProcessWrite
from ..model import Classification
from ..resources import Resource
from ..store.base import Op
from .faults import Injector
from .spec import StepSpec

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ..isolation.pool import Pool
    from .host import Host

__all__ = ["OnDrift", "Recorded", "RunState", "Scope", "Services"]

PROBE = "a value like any other"
"""Put under a name to see whether it is hidden there."""
NAMES = 10_000
"""Names of which a run remembers whether they are a secret's."""
OnDrift = Literal["stop", "rerun", "reuse"]


class Services(Protocol):
    """What a call needs from the runtime above it."""

    @property
    def journal(self) -> Journal: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def listening(self) -> bool: ...
    @property
    def stopping(self) -> bool: ...
    @property
    def workers(self) -> Pool: ...
    @property
    def faults(self) -> Injector | None: ...
    @property
    def host(self) -> Host | None: ...
    def classify(
        self, exc: BaseException, spec: StepSpec, after_inference: bool
    ) -> Classification: ...
    def emit(self, event: Event) -> None: ...
    @property
    def keep_locals(self) -> bool: ...
    def scrub_text(self, text: str) -> str: ...
    def scrub(self, value: Any) -> Any: ...
    def pickle_key(self) -> bytes: ...
    def resource(self, name: str) -> Resource: ...
    def hear(self) -> None: ...


class Scope:
    """The calls that one attempt of one call makes, or that the workflow's body makes."""

    __slots__ = ("active", "counts", "id", "mapped", "maps", "ordinals", "overlapped")

    def __init__(self, id: str, *, mapped: bool = False) -> None:
        self.id = id
        self.counts: dict[tuple[str, str], int] = {}
        self.ordinals: dict[str, int] = {}
        self.maps: dict[str, Scope] = {}
        self.active = 0
        self.mapped = mapped
        self.overlapped = mapped


class Recorded:
    """What the journal holds of a run that is resumed."""

    def __init__(self, calls: list[CallRecord]) -> None:
        self.by_id: dict[str, CallRecord] = {}
        self.by_position: dict[tuple[str, str, int], CallRecord] = {}
        self.overlapped: set[str] = set()
        self.superseded: set[str] = set()
        intern = sys.intern
        for call in calls:
            if call.status == "superseded":
                self.superseded.add(call.call_id.partition("~")[0])
                continue
            # a long map repeats these in every row
            call.scope, call.step = intern(call.scope), intern(call.step)
            call.status, call.form = intern(call.status), intern(call.form)
            self.by_id[call.call_id] = call
            if call.item is None:
                self.by_position[call.scope, call.step, call.ordinal] = call
            if call.overlapped:
                self.overlapped.add(call.scope)


class RunState:
    """One run in this process, shared by its threads and tasks."""

    def __init__(
        self,
        services: Services,
        lease: Lease,
        workflow: str,
        created_at: float,
        recorded: Recorded | None = None,
        on_drift: OnDrift = "stop",
    ) -> None:
        self.services = services
        self.journal = services.journal
        self.clock = services.clock
        self.lease = lease
        self.run_id = lease.run_id
        self.workflow = workflow
        self.created_at = created_at
        self.recorded = recorded or Recorded([])
        self.on_drift: OnDrift = on_drift
        self.lock = threading.Lock()
        self.root = Scope("")
        self.reused = 0
        self.time_saved = 0.0
        self.cost = 0.0
        self.cost_saved = 0.0
        self.max_cost: float | None = None
        self.degraded = False
        self.after_inference = False
        self.broken: BaseException | None = None
        self.replayed_failures: set[str] = set()
        self.warned: set[str] = set()
        self.specs: dict[str, StepSpec] = {}
        self.kept: dict[str, dict[str, Stored]] = {}
        self._secret_names: dict[str, bool] = {}
        self._process: tuple[int, ProcessWrite] | None = None
        self._ahead: dict[int, tuple[str, bytes | None, str]] = {}
        self._keys: dict[tuple[str, str], Future[None]] = {}

    # -- flags --------------------------------------------------------------------------------

    def check(self) -> None:
        """Before anything new begins: may it?

        :raises RunLocked: another process took the run over. :raises RunCancelled: a stop was
            asked for. :raises RunInterrupted: this process is to end.
        """
        if self.broken is not None:
            raise self.broken
        lease = self.lease
        if lease.lost:
            raise RunLocked(
                f"run {self.run_id} was taken over by another process; this one stops. "
                f"See who holds it with: surefoot show {self.run_id}"
            )
        if lease.cancelled:
            raise RunCancelled(f"run {self.run_id} was cancelled")
        if self.services.stopping:
            raise RunInterrupted(f"run {self.run_id} was asked to stop")
        if self.max_cost is not None and self.cost >= self.max_cost:
            raise BudgetExceeded(
                f"run {self.run_id} has cost ${self.cost:.4g}, and its max_cost is "
                f"${self.max_cost:.4g}; raise it and resume: surefoot resume {self.run_id}"
            )

    def charge(self, usd: float) -> None:
        """Add what an attempt cost, in US dollars."""
        with self.lock:
            self.cost += usd

    def commit(self, op: Op) -> Any:
        """Write and wait. A run whose write failed goes no further, whoever catches the error.

        :raises JournalError: nothing more can be written.
        """
        try:
            return self.journal.group.commit(op)
        except JournalError as exc:
            self.broken = exc
            raise

    def writable(self) -> bool:
        """Whether anything more of it can be written by this process."""
        return self.broken is None and not self.lease.lost

    def warn_once(self, what: str, tell: Callable[[], None]) -> None:
        with self.lock:
            if what in self.warned:
                return
            self.warned.add(what)
        tell()

    def this_process(self, fn: Callable[..., Any]) -> ProcessWrite:
        """Who tells of a failure, found out with the run's first one.

        :param fn: the function that failed: its folder says which commit runs.
        """
        from .record.process import this_process

        pid = os.getpid()
        if self._process is None or self._process[0] != pid:
            self._process = (pid, this_process(fn, self.services.scrub_text))
        return self._process[1]

    def is_secret(self, name: str) -> bool:
        """Whether what stands under a name is a secret, as the scrubber and its settings see it."""
        found = self._secret_names.get(name)
        if found is None:
            probe = {name: PROBE}
            try:
                found = bool(self.services.scrub(probe) != probe)
            except Exception:  # what cannot be scrubbed is not shown
                found = True
            if len(self._secret_names) < NAMES:
                self._secret_names[name] = found
        return found

    # -- what nested steps completed ----------------------------------------------------------

    def keep(self, scope: str, call_id: str, stored: Stored) -> None:
        """A step within a retrying step is done: the next attempt of that one finds it here."""
        with self.lock:
            self.kept.setdefault(scope, {})[call_id] = stored

    def drop_kept(self, call_id: str) -> None:
        """The step around has ended: what was done within it is not asked for again."""
        with self.lock:
            for scope in [one for one in self.kept if one.partition("/")[0] == call_id]:
                del self.kept[scope]

    # -- keys in flight in this process -------------------------------------------------------

    def take_key(self, effect: str, key: str) -> Future[None] | None:
        """Be at this key; where another thread or task of this run is, what ends when it leaves."""
        from concurrent.futures import Future  # with it comes logging

        with self.lock:
            held = self._keys.get((effect, key))
            if held is None:
                done: Future[None] = Future()
                done.set_running_or_notify_cancel()  # who waits for it must not cancel it
                self._keys[effect, key] = done
            return held

    def free_key(self, effect: str, key: str) -> None:
        with self.lock:
            held = self._keys.pop((effect, key))
        held.set_result(None)

    # -- checkpoints --------------------------------------------------------------------------

    def checkpoint(self, seq: int) -> tuple[str, bytes | None, str]:
        """(format, inline bytes, digest) of a recorded call; reads ahead."""
        with self.lock:
            found = self._ahead.pop(seq, None)
            if found is not None:
                return found
            if len(self._ahead) > 4_096:  # asked for in another order: do not hoard
                self._ahead.clear()
            for number, format_, inline, digest in self.journal.checkpoints(self.lease.run_pk, seq):
                self._ahead[number] = (format_, inline, digest)
            return self._ahead.pop(seq)

    def reuse(self, record: CallRecord) -> None:
        """Count a recorded call that was used again."""
        with self.lock:
            self.reused += 1
            self.time_saved += record.duration or 0.0
            self.cost_saved += record.cost
            if record.degraded is not None:
                self.degraded = True
