"""``.map``: one step over many items, bounded, each item a call of its own."""

from __future__ import annotations

import contextvars
import copy
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any, NamedTuple

from ..context import Frame, frame
from ..errors import DefinitionError, MapHalted
from ..events import ItemEnded, MapEnded, MapStarted, Where
from ..execution.call import SetAside
from ..execution.failures import halted_as
from ..execution.output import OneForEach
from ..execution.spec import StepSpec
from ..execution.state import RunState, Scope
from ..journal.group_commit import Ticket
from ..journal.letters import reopen
from ..journal.writes import CallEnd, NewCall, begin, end
from ..policy import Policy
from .batch import Batch, _Aside
from .using import runtime_of, use_async, use_sync

__all__ = ["map_async", "map_sync"]

JUDGED_FROM = 20
"""Items after which the share of failures is judged."""
QUEUE = 1_000
"""Ends of items that may wait to be written before the workers help."""

_PENDING = object()


class Unit(NamedTuple):
    """What one worker does at a time: an item, or the items of a batch."""

    start: int
    end: int


class MapRun:
    """One map while it runs: what is left, what came out, and when to stop."""

    def __init__(
        self,
        spec: StepSpec,
        items: Iterable[Any],
        *,
        star: bool,
        prefix: tuple[Any, ...],
        constants: Mapping[str, Any],
        workers: int,
        item_id: Callable[[Any], Any] | None,
        on_failure: str,
        max_failure_ratio: float,
        batch: int | None = None,
    ) -> None:
        where = f"{spec.where}: map"
        if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
            raise DefinitionError(f"{where}(workers={workers!r}) must be a whole number above 0")
        if on_failure not in ("quarantine", "halt"):
            raise DefinitionError(f"{where}(on_failure={on_failure!r}): 'quarantine' or 'halt'")
        if not 0 <= max_failure_ratio <= 1:
            raise DefinitionError(f"{where}(max_failure_ratio={max_failure_ratio!r}): from 0 to 1")
        _check_batch(spec, where, batch, star, item_id)
        self.spec = spec
        self.items = list(items)
        self._size = batch
        self._units: deque[Unit] = deque()
        if batch is not None:
            ends = range(batch, len(self.items) + batch, batch)
            self._units.extend(Unit(e - batch, min(e, len(self.items))) for e in ends)
        self.ids = _ids(spec, self.items, item_id)
        self.values: list[Any] = [_PENDING] * len(self.items)
        self.workers = min(workers, max(1, len(self.items)))
        self._star = star
        self._prefix = prefix
        self._constants = constants
        self._ratio = max_failure_ratio
        self._quarantine = on_failure == "quarantine"
        self._lock = threading.Lock()
        self._next = 0
        self.failed: BaseException | None = None
        self.failed_at = -1
        self.stopped = False
        self.aside = 0
        self.judged = 0
        self.unwritten: BaseException | None = None

        here = frame()
        self.run: RunState | None = here.run if here is not None else None
        self.policy = _policy(spec, here, self._quarantine)
        self.scope: Scope | None = None
        self.row: NewCall | None = None
        if self.run is not None:
            assert here is not None
            self._open(self.run, here)
            self._services: Any = self.run.services
        else:
            self._services = runtime_of(here)
        self._where = Where(
            self.run.run_id if self.run is not None else None,
            spec.name,
            self.row.call_id if self.row is not None else f"outside-{id(self):x}",
            stage=spec.stage,
        )
        self.listening = self._services.listening
        if self.listening:
            self._services.emit(MapStarted(self._where, len(self.items)))

    # -- the map's own row --------------------------------------------------------------------

    def _open(self, run: RunState, here: Frame) -> None:
        """Its items stand in one scope for all maps of this step here, so that maps which change
        places still find their items; the row itself only says how the map ended."""
        run.check()
        outer: Scope = here.scope
        name = f"{self.spec.name}.map"
        with run.lock:
            ordinal = outer.ordinals.get(name, 0)
            outer.ordinals[name] = ordinal + 1
            shared = outer.maps.get(name)
            if shared is None:
                shared = outer.maps[name] = Scope(f"{outer.id}/{name}", mapped=True)
        self.scope = shared
        call_id = blake2b(
            f"{outer.id}\0{name}\0{ordinal}".encode("utf-8", "surrogatepass"), digest_size=10
        ).hexdigest()
        self.began = run.clock.monotonic()
        self.row = NewCall(
            call_id,
            outer.id,
            name,
            "map",
            self.spec.stage,
            self.spec.resource,
            ordinal,
            "",
            0,
            None,
            None,
            None,
            None,
            run.clock.now(),
            None,
        )
        known = run.recorded.by_id.get(call_id)
        if known is not None and known.status == "failed":
            self._reopen(run, shared)
        run.journal.group.lazily(begin(run.lease, self.row, 0, outer.overlapped))

    def _reopen(self, run: RunState, scope: Scope) -> None:
        """The map halted before: what it had set aside runs again."""
        letters = [
            call
            for call in run.recorded.by_id.values()
            if call.scope == scope.id
            and call.status == "skipped"
            and not call.has_checkpoint
            # what a person set aside because nobody knows whether it happened stays there
            and not (call.note or "").startswith("in_doubt:")
        ]
        for call in letters:
            call.status = "failed"
            call.ended_run = 1
        ids = tuple(call.call_id for call in letters)
        run.journal.group.lazily(reopen(run.lease, ids, run.clock.now()))

    def close(self, status: str) -> CallEnd:
        assert self.run is not None
        note = f"{len(self.items)} items, {self.aside} set aside"
        return CallEnd(status, 1, self.run.clock.monotonic() - self.began, True, note=note)

    # -- items --------------------------------------------------------------------------------

    def take(self) -> Unit | None:
        """What is to be done next, or None: nothing is left, or the map stops."""
        with self._lock:
            if self._size is not None:
                return None if self.stopped or not self._units else self._units.popleft()
            index = self._next
            if self.stopped or index >= len(self.items):
                return None
            self._next = index + 1
            return Unit(index, index + 1)

    def use(self, unit: Unit) -> dict[str, Any]:
        """How the step is used for it."""
        item = self.items[unit.start]
        if self._size is not None:
            several = self.items[unit.start : unit.end]
            spec = copy.copy(self.spec)
            spec.check = OneForEach(self.spec.check, self.spec.where, len(several))
            return {
                "spec": spec,
                "args": (*self._prefix, several),
                "kwargs": self._constants,
                "policy": replace(self.policy, in_batch=len(several) > 1),
                "scope": self.scope,
                "item": unit.start,
            }
        args = (*self._prefix, *item) if self._star else (*self._prefix, item)
        return {
            "spec": self.spec,
            "args": args,
            "kwargs": self._constants,
            "policy": self.policy,
            "scope": self.scope,
            "item": unit.start,
            "item_id": self.ids[unit.start] if self.ids is not None else None,
        }

    def pipeline(self, op: Any) -> None:
        """Have an item's end written while the next one runs."""
        assert self.run is not None
        group = self.run.journal.group
        group.soon(op, self._written)
        if group.waiting > QUEUE:
            group.flush()

    def _written(self, ticket: Ticket) -> None:
        try:
            ticket.value()
        except BaseException as exc:
            self.unwritten = exc
            self.stopped = True
            assert self.run is not None  # only a run has ends to write
            self.run.broken = exc

    def completed(self, unit: Unit, value: Any) -> None:
        if self._size is None:
            self.values[unit.start] = value
        else:
            self.values[unit.start : unit.end] = list(value)
        self.judged += unit.end - unit.start  # only for the ratio: a lost update does not matter
        self._tell(unit, "completed")

    def set_aside(self, unit: Unit, how: SetAside) -> None:
        error = how.failure.exception if how.failure is not None else None
        count = unit.end - unit.start
        self.values[unit.start : unit.end] = [_Aside(how.reason, error)] * count
        with self._lock:
            self.judged += count
            self.aside += count
            too_many = self.judged >= JUDGED_FROM and self.aside > self._ratio * self.judged
            if too_many and self.failed is None:
                self.stopped = True
                last = f": {how.reason}"
                self.failed = MapHalted(
                    f"{self.spec.where}: {self.aside} of {self.judged} items failed, more than "
                    f"max_failure_ratio={self._ratio:g} allows; the last one{last}. Mend the cause, "
                    "then resume the run: it runs the items that failed again"
                )
                self.failed.__cause__ = error
        self._tell(unit, "quarantined")

    def failed_with(self, unit: Unit, exc: BaseException) -> None:
        """Several at once are tried in two halves, where that can help; else the map halts."""
        index = unit.start
        if unit.end - index > 1 and halted_as(exc) == "split":
            middle = (index + unit.end + 1) // 2
            with self._lock:
                self._units.extendleft((Unit(middle, unit.end), Unit(index, middle)))
            return
        with self._lock:
            self.stopped = True
            ordinary = isinstance(exc, Exception)
            if self.failed is None or (ordinary and not 0 <= self.failed_at <= index):
                self.failed = exc
                self.failed_at = index
        self._tell(unit, "failed")

    def _tell(self, unit: Unit, status: str) -> None:
        if self.listening:
            for index in range(unit.start, unit.end):
                self._services.emit(ItemEnded(self._where._replace(item=index), status))

    def result(self) -> Batch[Any, Any]:
        """The batch, or what the map halted with."""
        if self.unwritten is not None:
            raise self.unwritten
        if self.failed is not None:
            raise self.failed
        return Batch(self.items, self.values)

    def tell_end(self) -> None:
        if self.listening:
            counts = {"items": len(self.items), "quarantined": self.aside}
            self._services.emit(MapEnded(self._where, counts))


def _check_batch(spec: StepSpec, where: str, batch: int | None, star: bool, item_id: Any) -> None:
    if batch is None:
        return
    if not isinstance(batch, int) or isinstance(batch, bool) or batch < 1:
        raise DefinitionError(f"{where}(batch={batch!r}) must be a whole number above 0")
    if spec.effect is not None:
        raise DefinitionError(
            f"{where}(batch=…) is for steps: an effect that fails in the middle of a batch would be "
            "half done; map it item by item, under a key for each"
        )
    if star:
        raise DefinitionError(f"{where}(batch=…) has no starmap; give the items as one argument")
    if item_id is not None:
        raise DefinitionError(f"{where}(batch=…) tells batches apart by their items, not item_id=")


def _ids(
    spec: StepSpec, items: list[Any], item_id: Callable[[Any], Any] | None
) -> list[str] | None:
    if item_id is None:
        return None
    ids = [str(item_id(item)) for item in items]
    if len(set(ids)) != len(ids):
        seen: set[str] = set()
        twice = next(one for one in ids if one in seen or seen.add(one))  # type: ignore[func-returns-value]
        raise DefinitionError(
            f"{spec.where}: map(item_id=…) gives {twice!r} to two items; each needs an id of its own"
        )
    return ids


def _policy(spec: StepSpec, here: Frame | None, quarantine: bool) -> Policy:
    once = here is not None and here.once
    return replace(spec.policy, in_map=True, quarantine=quarantine, once=once)


# -- sync -----------------------------------------------------------------------------------------


def map_sync(spec: StepSpec, items: Iterable[Any], **options: Any) -> Batch[Any, Any]:
    """Run a map in daemon threads; the calling thread waits for them."""
    this = MapRun(spec, items, **options)
    done = threading.Semaphore(0)
    context = contextvars.copy_context()

    def work() -> None:
        try:
            while (unit := this.take()) is not None:
                _one(this, unit)
        finally:
            done.release()

    def start() -> None:
        copied = context.copy()
        name = f"surefoot {spec.name}.map"
        threading.Thread(target=copied.run, args=(work,), name=name, daemon=True).start()

    try:
        for _ in range(this.workers):
            start()
        for _ in range(this.workers):
            done.acquire()
        if this.run is not None:
            this.run.journal.group.flush()
    except BaseException:
        # Ctrl-C or SIGTERM in the waiting thread: no new item begins; those that run are daemons
        this.stopped = True
        if this.run is not None and spec.isolation is not None:
            this.run.services.workers.interrupt(this.run)  # their children can be ended
        raise
    if this.run is not None and this.row is not None and this.unwritten is None:
        failed = this.failed
        if failed is None or (isinstance(failed, Exception) and this.run.writable()):
            how = this.close("completed" if failed is None else "failed")
            this.run.commit(end(this.run.lease, this.row, how))
    this.tell_end()
    return this.result()


def _one(this: MapRun, unit: Unit) -> None:
    try:
        value = use_sync(**this.use(unit), pipeline=this.pipeline if this.run is not None else None)
    except SetAside as how:
        this.set_aside(unit, how)
    except BaseException as exc:
        this.failed_with(unit, exc)
    else:
        this.completed(unit, value)


# -- async ----------------------------------------------------------------------------------------


async def map_async(spec: StepSpec, items: Iterable[Any], **options: Any) -> Batch[Any, Any]:
    """Run a map in tasks of the calling loop."""
    import asyncio

    from ..execution.driving import commit_async

    this = MapRun(spec, items, **options)

    async def work() -> None:
        while (unit := this.take()) is not None:
            try:
                value = await use_async(**this.use(unit))
            except SetAside as how:
                this.set_aside(unit, how)
            except asyncio.CancelledError:
                raise
            except BaseException as exc:
                this.failed_with(unit, exc)
            else:
                this.completed(unit, value)

    tasks = [asyncio.ensure_future(work()) for _ in range(this.workers)]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        this.stopped = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    if this.run is not None and this.row is not None:
        failed = this.failed
        if failed is None or (isinstance(failed, Exception) and this.run.writable()):
            how = this.close("completed" if failed is None else "failed")
            await commit_async(this.run, end(this.run.lease, this.row, how))
    this.tell_end()
    return this.result()
