"""What ``@workflow`` found out about a function, once, for all of its runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from ..codec import Codec
from .callbacks import NOBODY, Callbacks

__all__ = ["Definition", "Rollback"]

Rollback = Literal["on_halt"]


class Definition(NamedTuple):
    """A workflow as its decorator left it.

    ``max_cost`` is US dollars that one run may cost. ``rollback="on_halt"`` undoes the effects of a
    run that halts. ``callbacks`` are told how a run ended.
    """

    fn: Callable[..., Any]
    name: str
    codec: Codec
    max_cost: float | None = None
    rollback: Rollback | None = None
    callbacks: Callbacks = NOBODY
