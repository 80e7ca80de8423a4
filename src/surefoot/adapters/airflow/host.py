"""A try of a task of Airflow as a host: a wait leaves the process, and Airflow brings the next try."""

from __future__ import annotations

from typing import Any

from ...attempts import Raised
from ...execution.commands import Again
from ...execution.host import Stepper
from ...journal.origin import Origin

__all__ = ["AirflowHost", "Suspended"]


class Suspended(BaseException):  # noqa: N818  no error: the run waits for its next try
    """A failure is journaled, and the next attempt is due in ``seconds``. It leaves the run
    ``interrupted`` and the call open, so that a resume goes on with its attempts."""

    def __init__(self, seconds: float, exception: BaseException, reason: str) -> None:
        super().__init__(seconds)
        self.seconds = seconds
        self.exception = exception
        self.reason = reason


class AirflowHost:
    """:class:`surefoot.execution.host.Host` for one try of one task instance.

    Waits are Airflow's. Two things go on in place: rungs that need no wait (adapt, fall back), and the
    items of a map, since Airflow knows nothing smaller than the task that would have to wait.
    """

    def __init__(self, origin: Origin, parent: int | None = None) -> None:
        self.origin = origin
        self.parent = parent

    def carry_out(self, steps: Stepper) -> Any:
        while isinstance(out := steps.advance(), Again):
            if _waits_here(steps, out):
                steps.call.run.clock.sleep(out.seconds)
        return _given(out)

    async def carry_out_async(self, steps: Stepper) -> Any:
        while isinstance(out := await steps.advance_async(), Again):
            if _waits_here(steps, out):
                await steps.call.run.clock.sleep_async(out.seconds)
        return _given(out)


def _waits_here(steps: Stepper, again: Again) -> bool:
    """Whether there is a wait that must be slept through.

    :raises Suspended: there is one, and Airflow can have it.
    """
    if again.seconds > 0 and steps.call.item is None:
        raise _suspended(steps, again)
    return again.seconds > 0


def _given(out: Any) -> Any:
    if isinstance(out, Raised):
        raise out.exception
    return out.value


def _suspended(steps: Stepper, again: Again) -> Suspended:
    call = steps.call
    services = call.run.services
    found = services.classify(again.exception, call.spec, call.run.after_inference)
    reason = (
        f"{call.spec.where}: {found.kind} ({found.category}); next try in {again.seconds:.3g} s"
    )
    return Suspended(again.seconds, again.exception, services.scrub_text(reason))
