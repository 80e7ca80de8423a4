"""One resource: whether an attempt may begin now, and what its end says about the others."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from ..model import Classification
from .breaker import DOWN, Breaker, State
from .budget import RetryBudget
from .limit import AdaptiveLimit
from .options import ResourceOptions

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Admitted", "Look", "Resource", "Slot"]

HELD = frozenset(("rate_limited", "overloaded"))
"""Kinds whose wait holds everyone, not only the one that was told."""


class Slot:
    """An attempt's place; given back once, by whichever end comes first."""

    __slots__ = ("probe", "taken", "turns")

    def __init__(self, probe: bool, turns: int = 0) -> None:
        self.taken = True
        self.probe = probe
        self.turns = turns


class Admitted(NamedTuple):
    """The answer to who wants to begin: a ``slot``, to be used after ``wait`` seconds; or nothing
    yet: ``wait`` seconds, or until ``done`` ends; or the circuit is ``open`` for so many seconds."""

    slot: Slot | None = None
    wait: float = 0.0
    done: Future[None] | None = None
    open: float = 0.0


class Told(NamedTuple):
    """What other processes must know: the gate and the circuit, each until when, by the wall clock."""

    gate_until: float
    open_until: float


class Look(NamedTuple):
    """A resource at one moment. ``limit`` is how many attempts may run at once (None: no bound),
    ``per_second`` how many may begin (None: as many as like), ``retries_left`` the retries that its
    budget still allows (None: no bound)."""

    circuit: State
    open_seconds: float
    gate_seconds: float
    running: int
    limit: int | None
    per_second: float | None
    retries_left: int | None


class Resource:
    """The gate, breaker, budget and limit of one name. Safe for threads.

    Times that are passed in are seconds of the wall clock: other processes know no other.
    """

    def __init__(self, name: str, options: ResourceOptions) -> None:
        self.name = name
        self.options = options
        self._lock = threading.Lock()
        self._gate_until = 0.0
        self._breaker = Breaker(options.circuit_failures, options.circuit_seconds)
        self._budget = RetryBudget(options.retry_budget)
        self._limit = AdaptiveLimit(options.concurrency)
        self._waiting: deque[Future[None]] = deque()

    # -- before an attempt --------------------------------------------------------------------

    def enter(self, now: float) -> Admitted:
        """Ask to begin an attempt. Whoever gets a slot must :meth:`leave` with it."""
        with self._lock:
            if self._gate_until > now:
                return Admitted(wait=self._gate_until - now)
            left = self._breaker.left(now)
            if left > 0:
                return Admitted(open=left)
            if self._free() <= 0:
                from concurrent.futures import Future  # with it comes logging

                done: Future[None] = Future()
                done.set_running_or_notify_cancel()  # who waits for it must not cancel it
                self._waiting.append(done)
                return Admitted(done=done)
            probe = self._breaker.state(now) == "half_open"
            if not self._breaker.may_try(now):
                # half-open, and somebody else makes the trial call: that one decides
                return Admitted(wait=min(1.0, self.options.circuit_seconds))
            wait = self._limit.wait(now) if self.options.adaptive else 0.0
            self._limit.begin(now)
            return Admitted(slot=Slot(probe, self._limit.turns), wait=wait)

    def still(self, now: float, slot: Slot) -> Admitted:
        """For who has waited with a slot: whether anything has closed meanwhile, and when its new
        turn is, if the server has refused since it got its own."""
        with self._lock:
            wait = max(0.0, self._gate_until - now)
            if self.options.adaptive and slot.turns != self._limit.turns:
                slot.turns = self._limit.turns
                wait = max(wait, self._limit.again(now))
            return Admitted(wait=wait, open=0.0 if wait else self._breaker.left(now))

    def _free(self) -> int:
        """How many more may begin."""
        if self.options.adaptive:
            return max(1, int(self._limit.limit)) - self._limit.running
        if self.options.concurrency is None:
            return 1
        return self.options.concurrency - self._limit.running

    def stop_waiting(self, done: Future[None]) -> None:
        """Who waited for a place gives up; if it had been called already, the next one is."""
        with self._lock:
            if done in self._waiting:
                self._waiting.remove(done)
                return
            free = self._free() > 0 and self._waiting
            woken = self._waiting.popleft() if free else None
        if woken is not None:
            woken.set_result(None)

    # -- after an attempt ---------------------------------------------------------------------

    def leave(self, slot: Slot) -> None:
        """The attempt is over, however it ended."""
        with self._lock:
            if not slot.taken:
                return
            slot.taken = False
            self._limit.end()
            woken = [self._waiting.popleft() for _ in range(min(self._free(), len(self._waiting)))]
        for done in woken:
            done.set_result(None)

    def without_verdict(self, slot: Slot) -> None:
        """It ended in a way that says nothing about the resource: a cancellation, a bug."""
        with self._lock:
            if slot.probe:
                slot.probe = False
                self._breaker.gave_up()

    def succeeded(self, slot: Slot) -> bool:
        """It worked. Answers whether that is news for other processes: the circuit closed."""
        with self._lock:
            self._budget.succeeded()
            self._limit.succeeded()
            slot.probe = False
            return self._breaker.succeeded()

    def failed(self, slot: Slot | None, failure: Classification, now: float) -> Told | None:
        """It failed. Answers what other processes must know, if there is news for them."""
        news = False
        with self._lock:
            if failure.kind in HELD:
                asked = failure.retry_after
                if failure.kind == "rate_limited":
                    self._limit.refused(now, asked)
                if asked is not None and now + asked > self._gate_until:
                    self._gate_until = now + asked
                    news = True
            if failure.kind in DOWN:
                news = self._breaker.failed(now) or news
                if slot is not None:
                    slot.probe = False
            told = self._told(now)
        if failure.kind not in DOWN and slot is not None:
            self.without_verdict(slot)
        return told if news else None

    # -- retries ------------------------------------------------------------------------------

    def allows_retry(self, kind: str) -> bool:
        with self._lock:
            return self._budget.allows(kind)

    def retried(self, kind: str) -> None:
        with self._lock:
            self._budget.take(kind)

    # -- other processes ----------------------------------------------------------------------

    def _told(self, now: float) -> Told:
        return Told(self._gate_until, now + self._breaker.left(now))

    def hear(self, gate_until: float, open_until: float, now: float) -> None:
        """What another process has found out."""
        with self._lock:
            self._gate_until = max(self._gate_until, gate_until)
            if open_until > now:
                self._breaker.open_until(open_until)

    def state(self, now: float) -> tuple[State, float]:
        """The circuit's state, and the seconds until the gate opens."""
        with self._lock:
            return self._breaker.state(now), max(0.0, self._gate_until - now)

    def look(self, now: float) -> Look:
        """How it stands, for the record of a failure."""
        with self._lock:
            limit = self.options.concurrency
            if self.options.adaptive:
                limit = max(1, int(self._limit.limit))
            return Look(
                self._breaker.state(now),
                self._breaker.left(now),
                max(0.0, self._gate_until - now),
                self._limit.running,
                limit,
                self._limit.rate if self.options.adaptive else None,
                self._budget.retries_left,
            )
