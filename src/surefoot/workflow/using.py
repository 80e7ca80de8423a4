"""One use of a step: in a run, outside of one, or with everything switched off."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..clock import ManualClock
from ..context import Frame, frame
from ..errors import DefinitionError
from ..execution.apart import refuse_in_child
from ..execution.driving import Pipeline, call_async, call_sync
from ..execution.host import Host
from ..execution.outside import outside_async, outside_sync
from ..execution.spec import StepSpec
from ..execution.state import RunState, Scope
from ..journal.group_commit import runs_live_here
from ..policy import Policy
from ..runtime import Runtime

__all__ = ["check_spec", "runtime_of", "use_async", "use_sync"]


class _NoWaits(Runtime):
    """Inside ``surefoot.testing.disabled()``: the ladder, without its waits."""

    def __init__(self) -> None:
        super().__init__(clock=ManualClock())


def runtime_of(here: Frame | None) -> Runtime:
    """The runtime around, or a default one."""
    if here is not None and here.disabled:
        return _NoWaits()
    if here is not None and here.runtime is not None:
        found: Runtime = here.runtime
        return found
    return Runtime()


def check_spec(spec: StepSpec, run: RunState) -> None:
    """What can only be checked in a run: the kinds that its ``on(…)`` name, and its name.

    :raises DefinitionError: an unknown kind, or two steps of one name.
    """
    known = run.specs.get(spec.name)
    if known is not None:
        if known.fn is not spec.fn or known.form != spec.form:
            _same_name(known, spec)
        return
    run.specs[spec.name] = spec
    services: Any = run.services
    services.check_kinds(spec.policy.named_kinds(), spec.where)


def _same_name(known: StepSpec, spec: StepSpec) -> None:
    one, other = _place(known), _place(spec)
    if one == other and known.form == spec.form:
        return  # the same function, made again (a closure, a reloaded module)
    raise DefinitionError(
        f"two steps of one run are called {spec.name!r}: {known.form} {one} and {spec.form} "
        f"{other}; give one of them a name: @{spec.form}(name=…)"
    )


def _place(spec: StepSpec) -> str:
    code = getattr(spec.fn, "__code__", None)
    if code is None:  # a partial, an object with __call__
        return f"{spec.fn!r}"
    return f"{code.co_filename}:{code.co_firstlineno}"


def policy_in(spec: StepSpec, here: Frame) -> Policy:
    """The step's policy where it stands: inside a retrying step it is tried once."""
    return replace(spec.policy, once=True) if here.once else spec.policy


def _host(run: RunState, here: Frame) -> Host | None:
    """Who carries a call out: what stands in another step is part of that one's attempt."""
    return run.services.host if here.call_id is None else None


def use_sync(
    spec: StepSpec,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    policy: Policy | None = None,
    scope: Scope | None = None,
    item: int | None = None,
    item_id: str | None = None,
    pipeline: Pipeline | None = None,
) -> Any:
    here = frame()
    if here is not None and here.run is not None:
        run: RunState = here.run
        if run.specs.get(spec.name) is not spec:
            check_spec(spec, run)
        return call_sync(
            spec,
            run,
            here,
            scope or here.scope,
            policy or policy_in(spec, here),
            args,
            kwargs,
            item,
            item_id,
            pipeline,
            _host(run, here),
        )
    _warn_of_lost_run(spec, here)
    runtime = runtime_of(here)
    if spec.effect is not None and not (here is not None and here.disabled):
        from .lifecycle import effect_outside

        refuse_in_child(here, spec.where)
        return effect_outside(spec, runtime, args, kwargs)
    runtime.check_kinds(spec.policy.named_kinds(), spec.where)
    try:
        return outside_sync(
            spec, runtime, policy or _plain_policy(spec, here), args, kwargs, here, item
        )
    finally:
        if here is None or here.runtime is not runtime:
            runtime.close_workers()  # made for this call, with its children


async def use_async(
    spec: StepSpec,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    policy: Policy | None = None,
    scope: Scope | None = None,
    item: int | None = None,
    item_id: str | None = None,
) -> Any:
    here = frame()
    if here is not None and here.run is not None:
        run: RunState = here.run
        if run.specs.get(spec.name) is not spec:
            check_spec(spec, run)
        return await call_async(
            spec,
            run,
            here,
            scope or here.scope,
            policy or policy_in(spec, here),
            args,
            kwargs,
            item,
            item_id,
            _host(run, here),
        )
    _warn_of_lost_run(spec, here)
    runtime = runtime_of(here)
    if spec.effect is not None and not (here is not None and here.disabled):
        from .lifecycle import effect_outside_async

        refuse_in_child(here, spec.where)
        return await effect_outside_async(spec, runtime, args, kwargs)
    runtime.check_kinds(spec.policy.named_kinds(), spec.where)
    try:
        return await outside_async(
            spec, runtime, policy or _plain_policy(spec, here), args, kwargs, here, item
        )
    finally:
        if here is None or here.runtime is not runtime:
            runtime.close_workers()  # made for this call, with its children


def _plain_policy(spec: StepSpec, here: Frame | None) -> Policy:
    return policy_in(spec, here) if here is not None else spec.policy


def _warn_of_lost_run(spec: StepSpec, here: Frame | None) -> None:
    if here is not None or threading.current_thread() is threading.main_thread():
        return
    if runs_live_here():
        warnings.warn(
            f"{spec.where} is called in a thread that does not belong to the run of this process, so "
            "nothing of it is recorded; start the thread with surefoot.carry(function)",
            RuntimeWarning,
            stacklevel=4,
        )
