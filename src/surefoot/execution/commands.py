"""What a call's flow asks its driver to do. The sync and the async driver know only these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ..context import Frame
from ..store.base import Op

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .apart import InProcess

__all__ = ["Again", "Command", "Commit", "Finish", "Invoke", "Sleep", "Until"]


class Invoke:
    """Call a user's function once, standing in ``frame``. Answered with Returned or Raised.

    ``isolation``: in a child process, where it is not None. ``within``: what is done around that.
    """

    __slots__ = ("args", "fn", "frame", "isolation", "kwargs", "timeout", "what", "within")

    def __init__(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        frame: Frame,
        timeout: float | None,
        what: str,
        isolation: InProcess | None = None,
        within: AbstractContextManager[None] | None = None,
    ) -> None:
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.frame = frame
        self.timeout = timeout
        self.what = what
        self.isolation = isolation
        self.within = within


class Commit:
    """Write durably, then answer with the write's result."""

    __slots__ = ("op",)

    def __init__(self, op: Op) -> None:
        self.op = op


class Finish:
    """Write the end of a step. A map may let the next item begin before it is durable."""

    __slots__ = ("op",)

    def __init__(self, op: Op) -> None:
        self.op = op


class Sleep:
    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Again:
    """The next attempt is due ``seconds`` from now. ``exception`` is what the last one raised; it is
    journaled by now. A local driver sleeps; where an orchestrator retries, its retry begins here."""

    __slots__ = ("exception", "seconds")

    def __init__(self, seconds: float, exception: BaseException) -> None:
        self.seconds = seconds
        self.exception = exception


class Until:
    """Wait until ``done`` ends, for at most ``seconds``; answered with whether it did."""

    __slots__ = ("done", "seconds")

    def __init__(self, done: Future[None], seconds: float) -> None:
        self.done = done
        self.seconds = seconds


Command = Again | Invoke | Commit | Finish | Sleep | Until
