"""What one test works with: a runtime of its own, its faults, its clock, its folder."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..clock import ManualClock
from ..errors import UsageError
from ..runtime import Runtime
from ..testing.ledger import VARIABLE, Ledger
from .actions import Raise
from .clocks import SkippingClock
from .fault import Fault, rules_of
from .firings import Firings
from .http import CLIENTS
from .injector import Injector

__all__ = ["Bench", "Faults", "bench"]

JOURNAL = "SUREFOOT_JOURNAL"


class Faults(Injector):
    """The faults of one test.

    Each one that is added must act, or the test fails: of a fault that did nothing nobody learns
    anything. HTTP clients are patched once a fault of HTTP is added, and put back at the end.

    :param sleep: what an HTTP latency waits with.
    """

    def __init__(self, firings: Firings, sleep: Callable[[float], Any]) -> None:
        super().__init__(firings=firings)
        self._sleep = sleep
        self._undo = ExitStack()
        self._patched = False
        self._optional: set[int] = set()

    def add(self, fault: Fault, step: Any = None, *, must_fire: bool = True, **where: Any) -> Fault:
        """Have one more fault act.

        :param step: a step, an effect, or its name. :param where: ``script``, ``seam``, ``item``,
            ``event``, as in :meth:`Fault.at`.
        :param must_fire: whether the test fails if it does not act.
        :raises UsageError: its exception is judged as another kind there.
        """
        _check_judged(fault, step)
        placed = super().add(fault, step, **where)
        if not must_fire:
            self._optional.add(id(placed))
        if placed.seam == "http" and not self._patched:
            self._patched = True
            for name in CLIENTS:  # one that is loaded later would go past the fault
                if name not in sys.modules and importlib.util.find_spec(name) is not None:
                    importlib.import_module(name)
            self._undo.enter_context(self.everywhere(self._sleep))
        return placed

    def silent(self) -> list[Fault]:
        """Those that were to act and did not."""
        return [one for one in self.not_fired() if id(one) not in self._optional]

    def close(self) -> None:
        """Put the HTTP clients back."""
        self._undo.close()


def _check_judged(fault: Fault, step: Any) -> None:
    """An end of file is a lost connection here, and a damaged file there: the stage decides."""
    spec = getattr(step, "spec", None)
    if fault.kind is None or spec is None or not isinstance(fault.action, Raise):
        return
    from ..runtime import classify

    exc = fault.action.make()
    found = classify(exc, stage=spec.stage).kind
    # of a stage that nothing is said of, the run may know more: it is judged when it is raised
    if found == fault.kind or spec.stage is None:
        return
    known = sorted({str(one.library) for one in rules_of(fault.kind, stage=spec.stage)})
    raise UsageError(
        f"{fault.name}: {type(exc).__name__} is judged as {found} in {spec.name} (stage {spec.stage}); "
        f"name a library whose exception is judged as {fault.kind} there: "
        f"fault({fault.kind!r}, library=…), of {', '.join(known) or 'which there is none'}"
    )


@dataclass
class Bench:
    """``clock`` is None where the test's time is real."""

    folder: Path
    runtime: Runtime
    faults: Faults | None
    clock: ManualClock | SkippingClock | None

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.folder / "ledger")

    def catch_up(self, until: float) -> None:
        """Let the test's time be that of a process which skipped waits and is dead by now.

        :param until: seconds since the epoch, by that process's clock.
        """
        ahead = until - self.runtime.clock.now()
        if ahead <= 0 or self.clock is None:
            return
        if isinstance(self.clock, ManualClock):
            self.clock.advance(ahead)  # nobody waited here: it is none of the test's sleeps
        else:
            self.clock.sleep(ahead)


@contextmanager
def bench(folder: Path, *, faults: bool, clock: str) -> Iterator[Bench]:
    """A runtime that is entered for the length of the block, with a journal in ``folder``.

    :param clock: ``real``, ``virtual`` (a :class:`ManualClock`), or ``skipping``.
    """
    place = folder / ".surefoot"  # where a program that is started in the folder looks, too
    place.mkdir(mode=0o700, exist_ok=True)
    made: ManualClock | SkippingClock | None = None
    if clock != "real":
        made = ManualClock() if clock == "virtual" else SkippingClock()
    injected = None
    if faults:
        from ..clock import SystemClock

        injected = Faults(Firings(place / "fired.jsonl"), (made or SystemClock()).sleep)
    path = place / "journal.db"
    settings = {JOURNAL: str(path), VARIABLE: str(place / "ledger")}
    with _environment(settings):
        runtime = Runtime(path, clock=made, durability="process", faults=injected)
        try:
            with runtime:
                yield Bench(place, runtime, injected, made)
        finally:
            if injected is not None:
                injected.close()


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """For child processes of the test, too."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def asked_late(name: str, because: str) -> UsageError:
    """A fixture that was asked for when the test's runtime stood already without it."""
    return UsageError(
        f"{name} was asked for too late ({because}): name it among the test's arguments, or in "
        f'@pytest.mark.usefixtures("{name}")'
    )
