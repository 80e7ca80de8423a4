"""A call and its resource: waiting for admission, and telling what came of it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ..attempts import Raised, Returned
from ..errors import CircuitOpen
from ..journal.shared import tell
from ..model import Classification
from ..resources import Resource, Slot
from .call import Call
from .commands import Command, Invoke, Sleep, Until

__all__ = ["Guard"]

NEVER = 1e9
"""Seconds; as good as no bound."""


class Guard:
    """One call's dealings with its resource."""

    def __init__(self, call: Call, resource: Resource) -> None:
        self._call = call
        self._slot: Slot | None = None
        self.resource = resource

    def invoke(self, command: Invoke) -> Generator[Command, Any, Returned | Raised]:
        """Run an attempt once the resource admits it; where its circuit is open, that is how the
        attempt failed."""
        self._slot = None
        admitted = yield from self._admitted()
        if isinstance(admitted, Raised):
            return admitted
        resource, slot = self.resource, admitted
        try:
            reply: Returned | Raised = yield command
        except BaseException:
            self._give_back(slot)
            raise
        if isinstance(reply, Returned):
            if resource.succeeded(slot):
                now = self._call.run.clock.now()
                self._call.run.journal.group.lazily(tell(resource.name, now, 0.0, now))
        else:
            self._slot = slot  # what it failed with is judged next
        resource.leave(slot)
        return reply

    def failed(self, failure: Classification) -> None:
        """The attempt failed as that."""
        run = self._call.run
        now = run.clock.now()
        told = self.resource.failed(self._slot, failure, now)
        if told is not None:
            # carried by the failure's own commit, which comes next
            run.journal.group.lazily(
                tell(self.resource.name, told.gate_until, told.open_until, now)
            )

    def passed(self) -> None:
        """The attempt ended without a verdict."""
        if self._slot is not None:
            self.resource.without_verdict(self._slot)

    def _give_back(self, slot: Slot) -> None:
        self.resource.without_verdict(slot)
        self.resource.leave(slot)

    def _left(self) -> float:
        """Seconds until the call's deadline."""
        call = self._call
        deadline = call.policy.deadline
        if deadline is None:
            return NEVER
        _ = call.new  # it begins when this is first asked for
        return call.began + deadline - call.run.clock.monotonic()

    def _admitted(self) -> Generator[Command, Any, Slot | Raised]:
        run, resource = self._call.run, self.resource
        while True:
            run.check()
            run.services.hear()
            answer = resource.enter(run.clock.now())
            if answer.slot is not None:
                return (yield from self._turn(answer.slot, answer.wait))
            if answer.done is not None:
                try:
                    ended = yield Until(answer.done, max(0.0, self._left()))
                except BaseException:
                    resource.stop_waiting(answer.done)
                    raise
                if not ended:
                    resource.stop_waiting(answer.done)
                    return self._refused(0.0, "no place became free before its deadline")
            elif answer.open:
                return self._refused(
                    answer.open, f"its circuit is open for {answer.open:.3g} s more"
                )
            elif answer.wait >= self._left():
                return self._refused(answer.wait, self._held(answer.wait))
            else:
                yield Sleep(answer.wait)

    def _turn(self, slot: Slot, wait: float) -> Generator[Command, Any, Slot | Raised]:
        """Wait for its turn at the resource's pace, then look again whether it may begin."""
        run, resource = self._call.run, self.resource
        try:
            while wait > 0:
                if wait >= self._left():
                    self._give_back(slot)
                    return self._refused(wait, self._held(wait))
                yield Sleep(wait)
                run.check()
                again = resource.still(run.clock.now(), slot)
                if again.open and not slot.probe:
                    self._give_back(slot)
                    return self._refused(
                        again.open, f"its circuit is open for {again.open:.3g} s more"
                    )
                wait = again.wait
        except BaseException:
            self._give_back(slot)
            raise
        return slot

    def _held(self, wait: float) -> str:
        return f"it may not be asked for {wait:.3g} s, longer than what is left of the deadline"

    def _refused(self, wait: float, why: str) -> Raised:
        return Raised(
            CircuitOpen(
                f"{self._call.spec.where}: resource {self.resource.name}: {why}",
                retry_after=wait or None,
            )
        )
