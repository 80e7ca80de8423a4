"""What injects faults, as the execution of calls sees it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..context import Frame
    from .spec import StepSpec

__all__ = ["Injector"]


class Injector(Protocol):
    """For failure tests; see :class:`surefoot.chaos.Injector`."""

    def write(self, event: str) -> None:
        """Around each write of the journal."""
        ...

    def around(self, fn: Callable[..., Any], spec: StepSpec, here: Frame) -> Callable[..., Any]:
        """A body with its faults."""
        ...

    def within(self, spec: StepSpec, here: Frame) -> AbstractContextManager[None]:
        """The same around a body that runs in another process."""
        ...
