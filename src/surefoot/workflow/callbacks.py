"""``@workflow(on_halt=…, on_recovered=…)``: code that is told how a run ended.

A callback gets the :class:`Run`, once its end is written and the run is free. What it raises is warned
about and changes nothing. It is a call in this process and no more: whoever must be told even if the
process dies here is told by an alert, see docs/alerts.md.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import DefinitionError

if TYPE_CHECKING:
    from .lifecycle import Session

__all__ = ["NOBODY", "Callbacks", "tell", "tell_async"]


class Callbacks(NamedTuple):
    """What a workflow calls: ``on_halt`` for a run that halted (also if it was rolled back for that),
    ``on_recovered`` for one that completed after it had stopped."""

    on_halt: Callable[[Any], Any] | None = None
    on_recovered: Callable[[Any], Any] | None = None

    def check(self, where: str, *, is_async: bool) -> None:
        """:raises DefinitionError: one of them cannot be called as it would have to be."""
        for name, fn in zip(self._fields, self):
            if fn is None:
                continue
            if not callable(fn):
                raise DefinitionError(f"{where}: {name}={fn!r} must be a function that takes a Run")
            try:
                inspect.signature(fn).bind(None)
            except TypeError:
                raise DefinitionError(
                    f"{where}: {name}={_named(fn)} must take one argument: the Run"
                ) from None
            except ValueError:  # a builtin that does not tell its signature
                pass
            if not is_async and inspect.iscoroutinefunction(fn):
                raise DefinitionError(
                    f"{where}: {name}={_named(fn)} is an async def, which a workflow that is a plain "
                    "def cannot await; make it a plain def"
                )


NOBODY = Callbacks()


def _named(fn: Any) -> str:
    return str(getattr(fn, "__qualname__", repr(fn)))


def _owed(session: Session) -> Callable[[Any], Any] | None:
    """Who is to be told of how this session left its run."""
    callbacks = session.definition.callbacks
    if session.ended == "halted" or (session.ended == "rolled_back" and session.halted):
        return callbacks.on_halt
    if session.ended == "completed" and session.recovers:
        return callbacks.on_recovered
    return None


def tell(session: Session) -> None:
    """Call what is owed, in the calling thread."""
    fn = _owed(session)
    if fn is not None:
        session.runtime.safely(fn, lambda: fn(session.run()))


async def tell_async(session: Session) -> None:
    """The same for an async workflow: what the callback returns is awaited if it can be."""
    fn = _owed(session)
    if fn is None:
        return
    answers: list[Any] = []
    session.runtime.safely(fn, lambda: answers.append(fn(session.run())))
    if answers and inspect.isawaitable(answers[0]):
        try:
            await answers[0]
        except Exception as exc:
            session.runtime.failed(fn, exc)
