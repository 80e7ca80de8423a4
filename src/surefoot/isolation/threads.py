"""Running a step's body apart from its caller: worker threads, with a bound on time.

A Python thread cannot be interrupted from outside. A body that outlives its timeout is abandoned:
its thread goes on as a daemon, what it returns or raises later goes nowhere.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import StepTimeout

__all__ = ["run_bounded"]


class _Box:
    """What a worker leaves behind, unless it was abandoned before."""

    __slots__ = ("done", "error", "value")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.value: Any = None
        self.error: BaseException | None = None


def run_bounded(
    fn: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    timeout: float,
    what: str,
) -> Any:
    """Call ``fn`` in a daemon thread with the caller's context, for at most ``timeout`` seconds.

    :param what: names the call in the message and in the thread's name.
    :raises StepTimeout: it took longer; the thread was abandoned.
    """
    box = _Box()
    context = contextvars.copy_context()

    def body() -> None:
        try:
            box.value = context.run(fn, *args, **kwargs)
        except BaseException as exc:
            box.error = exc
        finally:
            box.done.set()

    threading.Thread(target=body, name=f"surefoot {what}", daemon=True).start()
    if not box.done.wait(timeout):
        raise StepTimeout(
            f"{what} took longer than its {timeout:g} s; it cannot be interrupted, so its thread "
            "was abandoned and what it returns later is not used",
            timeout=timeout,
            running=lambda: not box.done.is_set(),
        )
    if box.error is not None:
        raise box.error
    return box.value
