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
        self._origin = origin
        self._parent = parent

    @property
    def origin(self) -> Origin:
        return self._origin

    @property
    def parent(self) -> int | None:
        return self._parent

    def carry_out(self, steps: Stepper) -> Any:
        while True:
            out = steps.advance()
            if not isinstance(out, Again):
                return _given(out)
            if out.seconds > 0:
                if steps.call.item is None:
                    raise _suspended(steps, out)
                steps.call.run.clock.sleep(out.seconds)

    async def carry_out_async(self, steps: Stepper) -> Any:
        while True:
            out = await steps.advance_async()
            if not isinstance(out, Again):
                return _given(out)
            if out.seconds > 0:
                if steps.call.item is None:
                    raise _suspended(steps, out)
                await steps.call.run.clock.sleep_async(out.seconds)


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
