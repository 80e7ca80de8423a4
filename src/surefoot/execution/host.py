"""An orchestrator that carries calls out: as its own tasks, with its own retries and its own waits.

A :class:`Host` is handed each call of a workflow's body as a :class:`Stepper`, and advances it one
attempt at a time. What is to be done after a failure stays the ladder's decision; how the next attempt
comes about is the host's. So there is one owner of a retry, and one decision about it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any, Protocol

from ..attempts import Raised, Returned, drive, drive_async
from ..journal.origin import Origin
from .call import Call
from .commands import Again, Command
from .flow import flow

__all__ = ["Host", "Stepper"]

Step = Again | Returned | Raised


class Host(Protocol):
    """What the adapters bring: ``Runtime(host=…)``. It sees the calls that stand in a workflow's own
    body and the items of its maps; steps within steps are tried once, as everywhere."""

    @property
    def origin(self) -> Origin:
        """What the journal keeps of it with each run that begins."""
        ...

    @property
    def parent(self) -> int | None:
        """The pk of the run that new runs are parts of, if they are."""
        ...

    def carry_out(self, steps: Stepper) -> Any:
        """The call's result; raises what ended it."""
        ...

    async def carry_out_async(self, steps: Stepper) -> Any:
        """The same for an ``async def``."""
        ...


class Stepper:
    """A call, advanced attempt by attempt.

    :param handle: carries the commands of its flow out, in the calling thread or task.
    """

    def __init__(self, call: Call, handle: Callable[[Any], Any]) -> None:
        self.call = call
        self.failed: Again | None = None
        """The failure after which it stands still; None before the first attempt and at the end."""
        self._loop = flow(call)
        self._handle = handle

    def advance(self) -> Step:
        """Go on until an attempt has failed and another is due, or until the end.

        :returns: :class:`Again`: the failure is journaled, the next attempt is due in its ``seconds``;
            call ``advance()`` for it then. Or what it ended with: ``Returned`` or ``Raised``.
        :raises BaseException: cancellation and the like, which pass through; an item of a map that is
            set aside (``SetAside``); a journal that cannot be written.
        """
        return drive(self._next(), self._handle)

    async def advance_async(self) -> Step:
        """The same for an ``async def``."""
        return await drive_async(self._next(), self._handle)

    def _next(self) -> Generator[Command, Any, Step]:
        """The flow's commands up to the next announcement of an attempt, or to its end."""
        self.failed = None
        go_on = functools.partial(self._loop.send, None)
        while True:
            try:
                command = go_on()
            except StopIteration as stop:
                return _ended(stop.value)
            if isinstance(command, Again):
                self.failed = command
                return command
            try:
                reply = yield command
            except BaseException as exc:
                go_on = functools.partial(self._loop.throw, exc)
            else:
                go_on = functools.partial(self._loop.send, reply)


def _ended(result: Any) -> Step:
    return result if type(result) is Raised else Returned(result)
