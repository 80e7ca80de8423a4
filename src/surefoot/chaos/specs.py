"""Faults from data: what a child process is told to do wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .actions import Raise
from .fault import (
    Fault,
    clock_jump,
    crash,
    delay,
    exit_process,
    fault,
    out_of_memory,
    pause,
    system_fault,
    value_fault,
)
from .model import FaultSpec
from .scripts import parse

if TYPE_CHECKING:
    from ..catalog import Catalog

__all__ = ["made"]


def made(spec: FaultSpec, *, catalog: Catalog | None = None, clock: Any = None) -> Fault:
    """The fault that is described.

    :param catalog: whose examples are raised; None: the built-in one.
    :param clock: what delays wait with, and what jumps; None: the real one, which cannot jump.
    :raises UsageError: there is no such fault.

    >>> made(FaultSpec("kill", step="pay", seam="after")).name
    'killed'
    """
    found = _bare(spec, catalog, clock)
    return found.at(
        spec.step, seam=spec.seam, item=spec.item, event=spec.event, script=parse(spec.script)
    )


def _bare(spec: FaultSpec, catalog: Catalog | None, clock: Any) -> Fault:
    if spec.what == "kind":
        return fault(spec.value, rule=spec.rule, catalog=catalog)
    if spec.what == "kill":
        return crash(int(spec.value) if spec.value else None)
    if spec.what == "pause":
        return pause()
    if spec.what == "exit":
        return exit_process(int(spec.value or "1"))
    if spec.what == "value":
        return value_fault(spec.value)
    if spec.what == "system":
        return system_fault(spec.value)
    if spec.what == "delay":
        return delay(float(spec.value), clock.sleep if clock is not None else None)
    if spec.what == "memory":
        return out_of_memory()
    if spec.what == "jump":
        return clock_jump(float(spec.value), clock)
    if spec.what == "journal":
        from ..store.sqlite import database_failure

        name = spec.value
        return Fault(f"journal {name}", Raise(lambda: database_failure(name), words=name))
    if spec.what == "http":
        from .http import http_fault

        return http_fault(spec.value)
    raise UsageError(f"{spec.what!r} is no fault")
