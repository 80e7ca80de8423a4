"""Calls as Prefect's task runs: Prefect retries and waits, the ladder says whether and how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...attempts import Raised, Returned
from ...execution.call import SetAside
from ...execution.commands import Again
from ...execution.host import Stepper
from ...journal.origin import Origin
from .pages import loaded

__all__ = ["PrefectHost"]

MANY = 1_000_000
"""Prefect's bound on retries; the condition decides long before it."""


class Waits(list[float]):
    """Prefect reads the wait from a list, by the number of the retry; it asks after the condition was
    answered. This one answers with what the ladder has decided."""

    def __init__(self, steps: Stepper) -> None:
        super().__init__((0.0,))
        self._steps = steps

    def __getitem__(self, index: Any) -> Any:
        failed = self._steps.failed
        return failed.seconds if failed is not None else 0.0


class PrefectHost:
    """Carries each call of one flow run out as a task run.

    :param origin: the flow run.
    :param explain: told of each failed attempt, for the logs of its task run.
    """

    def __init__(
        self, origin: Origin, explain: Callable[[BaseException, Again | None], None]
    ) -> None:
        self.origin = origin
        self.parent: int | None = None
        self._explain = explain

    def carry_out(self, steps: Stepper) -> Any:
        aside: list[SetAside] = []

        def attempt() -> Any:
            try:
                out = steps.advance()
            except SetAside as exc:
                # no failure of the task: the item is a dead letter now, and the map goes on
                aside.append(exc)
                return None
            return self._answer(out)

        value = self._task(steps, attempt)()
        if aside:
            raise aside[0]
        return value

    async def carry_out_async(self, steps: Stepper) -> Any:
        aside: list[SetAside] = []

        async def attempt() -> Any:
            try:
                out = await steps.advance_async()
            except SetAside as exc:
                aside.append(exc)
                return None
            return self._answer(out)

        value = await self._task(steps, attempt)()
        if aside:
            raise aside[0]
        return value

    def _answer(self, out: Again | Returned | Raised) -> Any:
        if isinstance(out, Returned):
            return out.value
        self._explain(out.exception, out if isinstance(out, Again) else None)
        raise out.exception

    def _task(self, steps: Stepper, attempt: Callable[[], Any]) -> Any:
        call = steps.call
        item = call.item_id if call.item_id is not None else call.item
        name = call.spec.name if item is None else f"{call.spec.name}[{item}]"

        def another_is_due(task: Any, task_run: Any, state: Any) -> bool:
            return steps.failed is not None

        made = loaded().task(
            name=call.spec.name,
            task_run_name=name.replace("{", "(").replace("}", ")"),  # it would be a template
            tags=["surefoot", *([call.spec.stage] if call.spec.stage else [])],
            retries=MANY,
            retry_delay_seconds=Waits(steps),
            retry_condition_fn=another_is_due,
            persist_result=False,
            cache_policy=_no_cache(),
        )
        return made(attempt)


def _no_cache() -> Any:
    from prefect.cache_policies import NO_CACHE

    return NO_CACHE
