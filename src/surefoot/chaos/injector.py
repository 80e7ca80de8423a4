"""Has faults act where they belong: what a :class:`surefoot.Runtime` is given as ``faults=``."""

from __future__ import annotations

import functools
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from ..context import frame
from .actions import Pause, Return
from .fault import Fault
from .firings import Firing, Firings
from .places import Place, Seam

__all__ = ["Injector"]

PATIENCE = 1000
"""Milliseconds to wait for the end of a write: far more than one takes."""


class Injector:
    """Faults, how often each one's place was reached, and what acted.

    The order is: the place is reached and counted, the script is asked, the firing is written down,
    the fault acts. With the same seed and the same order of calls the same faults act.

    :param firings: where it is written down.

    >>> from surefoot import step
    >>> from surefoot.chaos import fail, fault
    >>> injector = Injector([fault("timeout").at("ask", script=fail(1))])
    >>> injector.reached, injector.fired()
    ({}, [])
    """

    def __init__(
        self, faults: Iterable[Fault] = (), *, firings: Firings | None = None, seed: int = 0
    ) -> None:
        self.faults: list[Fault] = list(faults)
        self.firings = firings if firings is not None else Firings()
        self.reached: dict[str, int] = {}
        """How often each seam of each step was reached, as ``"before answer"``."""
        self._counts: dict[tuple[int, str | None], int] = {}
        self._acted: set[int] = set()
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._calm = threading.Lock()
        self._writing = False

    def add(self, fault: Fault, step: Any = None, **where: Any) -> Fault:
        """Have one more fault act. ``step`` and ``where`` as in :meth:`Fault.at`."""
        placed = fault.at(step, **where)
        with self._lock:
            self.faults.append(placed)
        return placed

    def fired(self, fault: Fault | str | None = None) -> list[Firing]:
        """What acted, the oldest first; of one fault at its place, of all faults of a name, or of
        all."""
        every = self.firings.all()
        if isinstance(fault, Fault):
            return [one for one in every if fault.acted_in(one)]
        return [one for one in every if fault in (None, one.fault)]

    def not_fired(self) -> list[Fault]:
        """Faults that have not acted yet: what they were to prove is not proved."""
        # of what acted in this process it is known which fault it was; else its place must do
        elsewhere = [one for one in self.firings.all() if one.pid != os.getpid()]
        return [
            one
            for one in self.faults
            if id(one) not in self._acted and not any(map(one.acted_in, elsewhere))
        ]

    # -- seams ----------------------------------------------------------------------------------

    def at(self, place: Place, value: Any = None) -> Any:
        """A place is reached. :returns: the value to go on with."""
        for fault in self._due(place, value):
            with self._between_writes() if isinstance(fault.action, Pause) else nullcontext():
                value = fault.action.act(place, value)
        return value

    def _due(self, place: Place, value: Any) -> Iterator[Fault]:
        with self._lock:
            words = f"{place.seam} {place.step}" if place.step is not None else place.seam
            self.reached[words] = self.reached.get(words, 0) + 1
            faults = list(self.faults)
        for fault in faults:
            if not fault.fits(place):
                continue
            if isinstance(fault.action, Return) and fault.action.is_vain(value):
                continue  # the place of another value; a fault that changes nothing proves nothing
            with self._lock:
                key = (id(fault), place.call_id if fault.script.each else None)
                number = self._counts[key] = self._counts.get(key, 0) + 1
                dice = self._random.random() if fault.script.chance < 1 else 0.0
            if fault.script.acts(number, dice):
                self._note(fault, place, number)
                yield fault

    def _note(self, fault: Fault, place: Place, number: int) -> None:
        self.firings.add(
            Firing(
                fault=fault.name,
                seam=place.seam,
                at=Firings.now(),
                pid=os.getpid(),
                seen=number,
                step=place.step,
                call_id=place.call_id,
                attempt=place.attempt,
                item=place.item,
                event=place.event,
                detail=fault.action.words,
            )
        )
        self._acted.add(id(fault))

    def write(self, event: str) -> None:
        """The journal's seam: see :data:`surefoot.store.base.Seam`."""
        if event == "before":
            with self._calm:
                self._writing = True
        elif event == "after":
            self._writing = False
        self.at(Place("write", event=event))

    @contextmanager
    def _between_writes(self) -> Iterator[None]:
        """While no thread is at a write, and none begins one: a process that is stopped within a
        transaction would hold the database's lock, and the others wait, as they should."""
        for _ in range(PATIENCE):
            self._calm.acquire()
            if not self._writing:
                break
            self._calm.release()
            time.sleep(0.001)  # noqa: TID251  waits for another thread, which no clock moves
        else:
            self._calm.acquire()  # a write that failed has no end
        try:
            yield
        finally:
            self._calm.release()

    def place(self, seam: Seam, event: str | None = None) -> Place:
        """Where the code stands now, for seams that know nothing of steps."""
        here = frame()
        if here is None or here.step is None:
            return Place(seam, event=event)
        return replace(_place(seam, here, here.run), event=event)

    @contextmanager
    def everywhere(self, sleep: Callable[[float], Any] | None = None) -> Iterator[None]:
        """Have faults act outside of Surefoot, too: in the HTTP clients that are loaded. They are put
        back afterwards.

        :param sleep: what a latency waits with; None waits for real.
        """
        from .http import patched

        with patched(self, sleep):
            yield

    # -- bodies ---------------------------------------------------------------------------------

    def around(self, fn: Callable[..., Any], spec: Any, here: Any) -> Callable[..., Any]:
        """A body with its faults: before it, after it, and in what it returns.

        :param spec: the step. :param here: the frame of this attempt.
        """
        place = replace(_place("before", here, here.run), stage=spec.stage, form=spec.form)
        if spec.is_async:
            return self._around_async(fn, place)

        @functools.wraps(fn)
        def body(*args: Any, **kwargs: Any) -> Any:
            given = replace(place, arguments=args, named=tuple(kwargs.items()))
            self.at(given)
            value = fn(*args, **kwargs)
            return self._after(given, value)

        return body

    def _around_async(self, fn: Callable[..., Any], place: Place) -> Callable[..., Any]:
        @functools.wraps(fn)
        async def body(*args: Any, **kwargs: Any) -> Any:
            given = replace(place, arguments=args, named=tuple(kwargs.items()))
            self.at(given)
            value = fn(*args, **kwargs)
            if hasattr(value, "__await__"):
                value = await value
            return self._after(given, value)

        return body

    def _after(self, given: Place, value: Any) -> Any:
        self.at(replace(given, seam="after"))
        return self.at(replace(given, seam="value"), value)

    @contextmanager
    def within(self, spec: Any, here: Any) -> Iterator[None]:
        """The same around a body in a child process: faults act in the parent, and not on values."""
        place = replace(_place("before", here, here.run), stage=spec.stage, form=spec.form)
        self.at(place)
        yield
        self.at(replace(place, seam="after"))


def _place(seam: Seam, here: Any, run: Any) -> Place:
    return Place(
        seam,
        run_id=run.run_id if run is not None else None,
        step=here.step,
        call_id=here.call_id,
        attempt=here.attempt,
        item=here.item,
    )
