"""Alerts beside the runs of one runtime: started with the first run, woken by failures and ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from ...events import AttemptFailed, CallHalted, CallSkipped, Event, RunEnded, RunStarted
from ...journal import Journal
from ...journal.alerts import begin_alerts, reader
from .sending import secrets_of
from .teller import Setting, Teller, TellerThread, teller_for

__all__ = ["Alerting"]

WAKING = (RunStarted, RunEnded, AttemptFailed, CallHalted, CallSkipped)


class Alerting:
    """What a runtime with sinks does about alerts.

    :param journal: the runs' own, which is opened by now.
    """

    def __init__(self, setting: Setting, journal: Callable[[], Journal]) -> None:
        self.setting = setting
        self.secrets = tuple(
            one for sink in setting.options.sinks.values() for one in secrets_of(sink)
        )
        self._journal = journal
        self._renew()

    def _renew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._thread: TellerThread | None = None

    def heard(self, event: Event) -> None:
        """Something happened: if it matters, the journal is looked at within a second or so."""
        if not isinstance(event, WAKING):
            return
        if self._pid != os.getpid():
            # after a fork the thread is not here, and the lock may be held by one that is not
            self._renew()
        if isinstance(event, RunStarted):
            # What happens from here on is news, also if this process dies before it is told. On disk
            # before the teller looks: its own beginning would be later than the first failure.
            journal = self._journal()
            if reader(journal.store) is None:
                journal.group.commit(begin_alerts(self.setting.clock.now()))
        thread = self._thread
        if thread is not None and thread.wake():
            return
        with self._lock:
            if self._thread is None or not self._thread.wake():
                self._thread = teller_for(self.setting)

    def evaluate(self) -> None:
        """Look at the journal now, in the calling thread; sending is left to the teller's."""
        teller = Teller(self.setting)
        try:
            teller.evaluate()
        finally:
            teller.close()
