"""Whether a step's body runs in a child process; how it gets there is in ``isolated``, which loads
processes, pipes and pickles, and which a program without such steps never needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..context import Frame
from ..errors import UsageError
from ..isolation import Target

if TYPE_CHECKING:
    from ..isolation.pool import Pool

__all__ = ["InProcess", "Isolation", "refuse_in_child"]


class Isolation(NamedTuple):
    """What a decorator found out: where a child finds the function, and its memory in bytes."""

    target: Target
    memory: int | None

    def within(self, pool: Pool, owner: object) -> InProcess:
        return InProcess(self.target, self.memory, pool, owner)


class InProcess(NamedTuple):
    """One invocation that is to happen in a child of ``pool``, for the run ``owner``."""

    target: Target
    memory: int | None
    pool: Pool
    owner: object


def refuse_in_child(here: Frame | None, where: str) -> None:
    """What needs the journal cannot be called in a child.

    :raises UsageError: it is; the message says what to do instead.
    """
    if here is not None and here.child is not None:
        raise UsageError(here.child.refuse(where))
