"""The steps that a workflow may call, found without calling it: in what its code can name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

from ..execution.spec import StepSpec
from .step import Step

__all__ = ["steps_of"]

DEEPEST = 4
"""How many names lead from the workflow to a step: ``module.Class.step``."""
MOST = 20_000
"""Objects looked at; a program has few steps and may have many names."""


def steps_of(fn: Any) -> dict[str, Step[..., Any]]:
    """Steps and effects by name: those in the globals and the closure of a workflow's function, in
    the classes and modules that these name, and in the functions that they call.

    A step that is only reached through something made at run time is not found.

    >>> def work() -> None: ...
    >>> steps_of(work)
    {}
    """
    found: dict[str, Step[..., Any]] = {}
    seen: set[int] = set()
    left: list[tuple[Any, int]] = [(inspect.unwrap(fn), 0)]
    own = getattr(inspect.unwrap(fn), "__module__", "").partition(".")[0]
    while left and len(seen) < MOST:
        one, depth = left.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Step):
            found.setdefault(one.spec.name, one)
            one = inspect.unwrap(one.spec.fn)
        if depth < DEEPEST:
            left.extend((value, depth + 1) for value in _named_by(one, own))
    return found


def _named_by(one: Any, own: str) -> Iterator[Any]:
    values: Mapping[str, Any]
    if isinstance(one, FunctionType):
        # a step that another function of its module calls is as likely to be its
        values = one.__globals__
        yield from (cell.cell_contents for cell in one.__closure__ or () if _filled(cell))
    elif isinstance(one, ModuleType):
        if one.__name__.partition(".")[0] != own:
            return  # a library's names are none of the workflow's steps
        values = vars(one)
    elif isinstance(one, type):
        if one.__module__.partition(".")[0] != own:
            return
        values = vars(one)
    elif hasattr(one, "definition") and hasattr(one, "__wrapped__"):  # another workflow
        yield one.__wrapped__
        return
    else:
        values = vars(type(one)) if type(one).__module__.partition(".")[0] == own else {}
    for value in list(values.values()):
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        interesting = isinstance(value, (Step, FunctionType, ModuleType, type))
        if interesting or hasattr(type(value), "__wrapped__") or hasattr(value, "definition"):
            yield value
        elif type(value).__module__.partition(".")[0] == own:
            yield value


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def specs_of(fn: Any) -> dict[str, StepSpec]:
    """The same, as what their decorators left."""
    return {name: step.spec for name, step in steps_of(fn).items()}
