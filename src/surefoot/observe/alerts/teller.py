"""Evaluates and sends: by a daemon thread beside the runs of a process, or at a person's word.

A run never waits for it. When the process ends, sending gets ``linger`` seconds; what is left is in
the journal, for the next process.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...clock import Clock, SystemClock
from ...errors import JournalError
from ...journal import Journal, Owner
from ...journal import alert_sending as outbox
from ...journal.alert_sending import Claim, Hold, Waiting
from ...journal.alerts import MessageRecord
from ...journal.alerts import due as due_at
from ...journal.group_commit import live_runs_of
from ...journal_url import shown
from ...policy import Backoff
from .evaluate import Evaluation
from .messages import Speaker
from .options import AlertOptions, SinkOptions
from .sending import Courier, Delivery

if TYPE_CHECKING:
    from ...model import Kind

__all__ = ["Passed", "Setting", "Teller", "TellerThread", "post", "teller_for"]

PACE = 1.0
"""Seconds between passes, at least: each reads the journal."""
IDLE = 5.0
"""Seconds between passes, at most, while runs live: other processes write, too, and time passes."""
TURN, LOOK = 0.05, 0.2
"""Seconds between looks at deliveries under way: at least, and at most."""
SOON = 60.0
"""Seconds: for what is due within them the thread stays, though no run is live."""
BACKOFF = Backoff(base=5.0, cap=1_800.0, factor=3.0)
SURELY = 60.0
"""Seconds beyond its time limit after which a sender on another host counts as dead."""
LOGGER = "surefoot"


@dataclass(frozen=True)
class Setting:
    """What a teller needs to know. ``clean`` takes secrets out of a text, ``kinds`` are the
    catalog's."""

    path: Path | str
    options: AlertOptions
    clock: Clock
    durability: str
    clean: Callable[[str], str]
    kinds: Callable[[], Mapping[str, Kind]]

    @property
    def location(self) -> str:
        """The journal's place as its store names it."""
        return shown(self.path) if isinstance(self.path, str) else str(self.path.absolute())


@dataclass(frozen=True)
class Passed:
    """What a pass left: deliveries under way, and when the next thing is due (seconds since the
    epoch; None: nothing is)."""

    busy: bool
    due: float | None


class Lane:
    """One sink's deliveries, one at a time."""

    def __init__(self, sink: SinkOptions) -> None:
        self.sink = sink
        self.courier: Courier | None = None
        self.delivery: Delivery | None = None
        self.late_after = 0.0
        """When it took too long, by a clock that really goes: a test's does not move a server."""
        self.stuck: Delivery | None = None
        """One that did not end in time, and may end yet."""
        self.stuck_until = 0.0
        """When it would be tried again, by the clock of records."""


class Teller:
    """Evaluates the journal and sends what is due. Not safe to use from two threads.

    :param wake: called when a delivery ends.
    """

    def __init__(self, setting: Setting, wake: Callable[[], None] = lambda: None) -> None:
        self.setting = setting
        self.holder = secrets.token_hex(8)
        self._wake = wake
        self._owner = Owner.this()
        self._journal: Journal | None = None
        self._lanes = {name: Lane(sink) for name, sink in setting.options.sinks.items()}
        self._warned: set[str] = set()
        self._speaker = Speaker(
            setting.clean, setting.kinds, self._owner.name, shown(str(setting.path))
        )

    @property
    def journal(self) -> Journal:
        """One of its own: the run's is closed with the run."""
        if self._journal is None:
            self._journal = Journal.open(
                self.setting.path,
                self.setting.clock,
                durability=self.setting.durability,
                create=False,
            )
        return self._journal

    def staff(self) -> None:
        """Have all couriers ready.

        :raises RuntimeError: the interpreter is ending.
        """
        for lane in self._lanes.values():
            if lane.courier is None:
                courier = Courier(lane.sink.name, self.setting.clean, self._wake)
                courier.start()
                lane.courier = courier

    def close(self) -> None:
        """Send the couriers home and close the journal."""
        for lane in self._lanes.values():
            if lane.courier is not None:
                lane.courier.give(None)
                lane.courier = None
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    # -- a pass -------------------------------------------------------------------------------

    def evaluate(self) -> float | None:
        """Write messages about what is new.

        :returns: when the next digest is due (seconds since the epoch).
        :raises JournalError: the journal cannot be used.
        """
        journal = self.journal
        while True:
            now = self.setting.clock.now()
            evaluation = Evaluation(
                journal.store, self.setting.options, self._speaker, now, self._owner
            )
            op = evaluation.op()
            # alerts have just begun; or another process was quicker, and what it wrote is read, too
            if op is None or journal.group.commit(op) is not False:
                return evaluation.next_digest()

    def send(self, *, impatient: bool = False) -> Passed:
        """See what became of deliveries, and begin those that are due. Waits for nothing.

        :param impatient: what failed before is tried now.
        :raises JournalError: the journal cannot be used.
        """
        for lane in self._lanes.values():
            self._settle(lane)
        now, due = self.setting.clock.now(), []
        for name, at in due_at(self.journal.store).items():
            lane_of = self._lanes.get(name)
            if lane_of is None or lane_of.delivery is not None or lane_of.stuck is not None:
                continue
            until = self._begin(lane_of, impatient) if at <= now or impatient else at
            if until is not None:
                due.append(until)
        busy = any(lane.delivery is not None for lane in self._lanes.values())
        return Passed(busy, min(due, default=None))

    def _begin(self, lane: Lane, impatient: bool) -> float | None:
        """Claim the next message of a sink; gives when to look again, if there is none now."""
        sink, now = lane.sink, self.setting.clock.now()
        self.staff()
        quiet = sink.quiet.until(now) if sink.quiet is not None else None
        answer = self.journal.group.commit(
            outbox.claim(
                sink.name,
                now,
                self._owner,
                self.holder,
                lives=self._lives,
                lease=sink.timeout + SURELY,
                hold=Hold(quiet, f"quiet hours {sink.quiet}", sink.quiet.but)
                if quiet is not None and sink.quiet is not None
                else None,
                rate=sink.rate,
                impatient=impatient,
            )
        )
        if isinstance(answer, Waiting):
            return answer.until
        assert isinstance(answer, Claim) and lane.courier is not None
        lane.late_after = _real_now() + sink.timeout
        lane.delivery = Delivery(sink, answer.message)
        lane.courier.give(lane.delivery)
        return None

    def _settle(self, lane: Lane) -> None:
        stuck, delivery = lane.stuck, lane.delivery
        if stuck is not None:
            self._settle_stuck(lane, stuck)
        if delivery is None:
            return
        if delivery.ended:
            self._record(lane, delivery.message, delivery.why)
            lane.delivery = None  # only once it is written: what was sent is not sent again
        elif _real_now() > lane.late_after:
            lane.delivery, lane.stuck = None, delivery
            self._late(lane, delivery)

    def _late(self, lane: Lane, delivery: Delivery) -> None:
        lane.stuck_until = self._record(
            lane, delivery.message, f"no answer within {lane.sink.timeout:g} s"
        )

    def _settle_stuck(self, lane: Lane, delivery: Delivery) -> None:
        """One that took too long: while it hangs nothing else is sent there, and its late word
        counts. When its turn comes again and it still hangs, that was one more attempt."""
        if delivery.ended:
            lane.stuck = None
            if delivery.why is None:
                self._record(lane, delivery.message, None)
        elif self.setting.clock.now() >= lane.stuck_until:
            message = delivery.message
            if message.attempts >= lane.sink.max_attempts:
                # it was given up: another message may fare better, with another courier
                lane.stuck, lane.courier = None, None
                return
            delivery.message = replace(message, attempts=message.attempts + 1)
            self._late(lane, delivery)

    def _record(self, lane: Lane, message: MessageRecord, why: str | None) -> float:
        """Write what came of an attempt; gives when the next one may be made."""
        commit, clock = self.journal.group.commit, self.setting.clock
        if why is None:
            commit(outbox.sent(message, clock.now()))
            return clock.now()
        if message.attempts >= lane.sink.max_attempts:
            at, more = clock.now(), "it was given up; see: surefoot alerts list"
            commit(outbox.give_up(message, why))
        else:
            at = clock.now() + BACKOFF.wait(message.attempts, clock.uniform)
            more = "it is tried again"
            commit(outbox.try_again(message, why, at))
        if lane.sink.name not in self._warned:
            # once, and never as an alert: what tells of failures must not feed on its own
            self._warned.add(lane.sink.name)
            logging.getLogger(LOGGER).warning(
                "an alert could not be sent to %s: %s; %s", lane.sink.name, why, more
            )
        return at

    def _lives(self, holder: str) -> bool:
        """Whether another teller of this very process still sends; we ask only when we do not."""
        return holder != self.holder and any(
            isinstance(one, TellerThread) and one.teller.holder == holder
            for one in threading.enumerate()
        )


def _real_now() -> float:
    return SystemClock().monotonic()


def post(teller: Teller, ended: threading.Event, *, impatient: bool, seconds: float) -> bool:
    """Send all that is due now, in the calling thread, for so many seconds at most.

    :param ended: what the teller's ``wake`` sets.
    :param impatient: what failed before is tried once more now.
    :returns: whether nothing is under way any more.
    """
    until = _real_now() + seconds
    while True:
        ended.clear()
        passed = teller.send(impatient=impatient)
        impatient = False
        if not passed.busy:
            return True
        left = until - _real_now()
        if left <= 0:
            return False
        ended.wait(min(left, LOOK))


class TellerThread(threading.Thread):
    """A teller beside the runs of this process. It ends when no run is live and nothing is due soon.

    :param setting: what to tell, of which journal.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(name="surefoot-alerts", daemon=True)
        self.location = setting.location
        self._woken = threading.Event()
        self.teller = Teller(setting, self._woken.set)
        self._closing = threading.Event()
        self._gate = threading.Lock()
        self._over = False
        self._evaluated = float("-inf")
        self._digest: float | None = None
        self._pid = os.getpid()

    def wake(self) -> bool:
        """Something happened. False if this thread has ended: another one must be started."""
        with self._gate:
            self._woken.set()
            return not self._over and self.is_alive()

    def run(self) -> None:
        # what Apprise imports needs it, and it cannot be imported once the interpreter is ending
        import concurrent.futures.thread  # noqa: F401

        atexit.register(self.linger)
        try:
            self.teller.staff()
            self._loop()
        except Exception as exc:
            with suppress(Exception):
                logging.getLogger(LOGGER).warning("alerts stop in this process: %s", exc)
        finally:
            self._over = True
            with suppress(Exception):
                self.teller.close()
            if not self._closing.is_set():
                atexit.unregister(self.linger)

    def _loop(self) -> None:
        told = False
        while True:
            try:
                if not self._pass():
                    return
                told = False
            except JournalError as exc:
                # runs have their own word about that; a lock or a full disk may pass
                if not told:
                    logging.getLogger(LOGGER).warning("alerts wait for the journal: %s", exc)
                told = True
                if self._closing.wait(IDLE) or not live_runs_of(self.location):
                    return

    def _pass(self) -> bool:
        """Evaluate and send, then wait for the next time; False if there is none."""
        clock = self.teller.setting.clock
        closing = self._closing.is_set()
        if closing or _real_now() - self._evaluated >= PACE:
            self._woken.clear()
            self._evaluated = _real_now()
            self._digest = self.teller.evaluate()
        passed = self.teller.send()
        now = clock.now()
        due_now = passed.due is not None and passed.due <= now
        if closing and not (passed.busy or due_now):
            return False
        soon = passed.due is not None and passed.due - now < SOON
        with self._gate:
            live = live_runs_of(self.location) or self._woken.is_set()
            if not (live or passed.busy or soon or closing):
                self._over = True
                return False
        waits = [at - now for at in (passed.due, self._digest) if at is not None]
        left = min([IDLE, *waits])
        if closing or passed.busy:
            left = min(left, LOOK)
        self._woken.wait(max(left, 0.0))
        # not more often than that, however many failures wake it
        pace = TURN if passed.busy else self._evaluated + PACE - _real_now()
        self._closing.wait(max(pace, TURN))
        return True

    def linger(self) -> None:
        """At the end of the process: what is new and due is sent, for ``linger`` seconds at most."""
        if os.getpid() != self._pid:
            return
        self._closing.set()
        self._woken.set()
        self.join(self.teller.setting.options.linger)


def teller_for(setting: Setting) -> TellerThread:
    """The teller of a journal in this process; it is started if there is none."""
    location = setting.location
    for one in threading.enumerate():
        if isinstance(one, TellerThread) and one.location == location:
            if one.teller.setting.options == setting.options and one.wake():
                return one
    made = TellerThread(setting)
    made.start()
    return made
