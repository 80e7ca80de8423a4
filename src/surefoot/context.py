"""The one context variable: where the running code stands.

A :class:`Frame` says which run, scope, call and attempt the current thread or task is in. It is set
around every attempt, and copied into worker threads. Upper layers put their own objects into it;
this module knows none of them, hence the ``Any``.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = [
    "PLACE",
    "Fence",
    "Frame",
    "carry",
    "crumbs_of",
    "entered",
    "frame",
    "keep_crumb",
    "place",
]

T = TypeVar("T")


class Fence:
    """Bounds one attempt that may be abandoned: once it is down, the attempt begins nothing more.

    >>> outer = Fence()
    >>> inner = Fence(outer)
    >>> outer.fall()
    >>> inner.down
    True
    """

    __slots__ = ("_down", "_outer")

    def __init__(self, outer: Fence | None = None) -> None:
        self._outer = outer
        self._down = False

    def fall(self) -> None:
        """The attempt was abandoned; its thread may still run."""
        self._down = True

    @property
    def down(self) -> bool:
        return self._down or (self._outer is not None and self._outer.down)


class Frame:
    """Where code stands. Treated as frozen: a new one is made for each attempt."""

    __slots__ = (
        "attempt",
        "call_id",
        "child",
        "crumbs",
        "disabled",
        "effect",
        "failure",
        "fence",
        "item",
        "item_id",
        "meter",
        "once",
        "run",
        "runtime",
        "scope",
        "stage",
        "step",
    )

    def __init__(
        self,
        *,
        runtime: Any = None,
        run: Any = None,
        scope: Any = None,
        step: str | None = None,
        call_id: str | None = None,
        attempt: int = 0,
        item: int | None = None,
        item_id: str | None = None,
        failure: Any = None,
        effect: Any = None,
        meter: Any = None,
        once: bool = False,
        disabled: bool = False,
        fence: Fence | None = None,
        child: Any = None,
        stage: str | None = None,
    ) -> None:
        self.runtime = runtime
        self.run = run
        self.scope = scope
        self.step = step
        self.call_id = call_id
        self.attempt = attempt
        self.item = item
        self.item_id = item_id
        self.failure = failure  # the previous attempt's failure, if there was one
        self.effect = effect  # what idempotency_key() needs, in an effect
        self.meter = meter  # what spend() charges
        self.once = once  # an outer step owns the retries
        self.disabled = disabled  # surefoot.testing.disabled()
        self.fence = fence  # down once the attempt was abandoned
        self.child = child  # in the process of an isolated step: what stands for the run
        self.stage = stage  # where the step stands: ingestion, inference, …
        self.crumbs: Any = None  # the log records of this attempt, once there is one


_CURRENT: contextvars.ContextVar[Frame | None] = contextvars.ContextVar("surefoot", default=None)

frame: Callable[[], Frame | None] = _CURRENT.get
"""The current frame, or None outside of everything."""

enter = _CURRENT.set
leave = _CURRENT.reset


class entered:  # noqa: N801  reads as a verb in `with entered(frame):`
    """Stand in a frame for the length of a ``with`` block.

    A class, because contextlib's generator form sets ``__traceback__`` on an exception that passes,
    which one that refuses attributes answers with another exception.
    """

    def __init__(self, new: Frame) -> None:
        self._new = new

    def __enter__(self) -> Frame:
        self._token = _CURRENT.set(self._new)
        return self._new

    def __exit__(self, *exc_info: object) -> None:
        _CURRENT.reset(self._token)


PLACE = (
    "run_id",
    "workflow",
    "step",
    "call_id",
    "attempt",
    "item",
    "stage",
    "kind",
    "fingerprint",
)
"""What a log record says of where it was made; the last two are of the failure before this attempt."""


def place(here: Frame | None) -> dict[str, Any]:
    """:data:`PLACE` of a frame, by name; None where there is nothing to say.

    >>> place(Frame(step="load", attempt=2))["attempt"], place(None)["attempt"]
    (2, None)
    """
    if here is None:
        return dict.fromkeys(PLACE)
    run = here.run if here.run is not None else here.child
    judged = here.failure.classification if here.failure is not None else None
    return {
        "run_id": run.run_id if run is not None else None,
        "workflow": getattr(run, "workflow", None),
        "step": here.step,
        "call_id": here.call_id,
        "attempt": here.attempt or None,
        "item": here.item,
        "stage": here.stage,
        "kind": judged.kind if judged is not None else None,
        "fingerprint": judged.fingerprint if judged is not None else None,
    }


CRUMBS = 30
"""Log records that an attempt keeps for the record of its failure."""

CRUMB_LENGTH = 1_000
"""Characters of a message that are kept."""


def crumbs_of(here: Frame) -> Any:
    """The log records of an attempt, oldest first: ``(created, level, logger, message)``."""
    if here.crumbs is None:
        here.crumbs = deque(maxlen=CRUMBS)
    return here.crumbs


def keep_crumb(here: Frame, created: float, level: str, logger: str, message: str) -> None:
    """Keep a log record for the failure that may follow; not Surefoot's own, and none twice.

    :param created: seconds since 1970. :param message: as it was formatted, with its secrets.

    >>> here = Frame(step="load")
    >>> keep_crumb(here, 1.5, "INFO", "app", "3 rows are odd")
    >>> list(here.crumbs)
    [(1.5, 'INFO', 'app', '3 rows are odd')]
    """
    if logger == "surefoot" or logger.startswith("surefoot."):
        return
    crumb = (created, level, logger, message[:CRUMB_LENGTH])
    crumbs = crumbs_of(here)
    if not crumbs or crumbs[-1] != crumb:
        crumbs.append(crumb)


def carry(fn: Callable[..., T]) -> Callable[..., T]:
    """Take the current run along into a thread of your own.

    The context is copied when ``carry`` is called; each call of what it returns gets a copy of its
    own, so that one carried function may run in several threads at once.

    >>> import threading
    >>> thread = threading.Thread(target=carry(print), args=("in the same run",))
    >>> thread.start(); thread.join()
    in the same run
    """
    captured = contextvars.copy_context()

    def carried(*args: Any, **kwargs: Any) -> T:
        return captured.copy().run(fn, *args, **kwargs)

    return carried
