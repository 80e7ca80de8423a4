"""What attempts cost: told by the body (:func:`spend`) or by the step's ``cost=``."""

from __future__ import annotations

import math
from typing import Any, Protocol

from ..attempts import Raised, Returned
from ..context import frame
from ..errors import UsageError
from .spec import StepSpec

__all__ = ["Meter", "checked", "spend"]


class Meter(Protocol):
    """What is charged: a call of a run."""

    def charge(self, usd: float, tokens: int = 0) -> None: ...
    def warn(self, message: str) -> None: ...


def spend(usd: float = 0.0, *, tokens: int = 0) -> None:
    """Say what the running attempt has cost: US dollars, and tokens. What a failed attempt cost is
    kept too, and counts against ``max_cost``.

    Outside of a run it does nothing.

    :raises UsageError: for something below zero, or no number.

    >>> spend(0.002, tokens=850)
    """
    _check(usd, tokens)
    here = frame()
    if here is not None and here.meter is not None:
        here.meter.charge(float(usd), int(tokens))


def _check(usd: Any, tokens: Any) -> None:
    for name, value in (("usd", usd), ("tokens", tokens)):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0:
            raise UsageError(f"spend({name}={value!r}): give a number of at least 0")


def checked(spec: StepSpec, reply: Returned, meter: Meter | None) -> Returned | Raised:
    """An attempt's result after ``cost=`` has counted it and ``returns=`` and ``expect=`` have held
    it against what it should be; what does not fit is a failure of the attempt."""
    if spec.cost is not None and meter is not None:
        _charge(spec, reply.value, meter)
    if spec.check is None:
        return reply
    try:
        return Returned(spec.check(reply.value))
    except Exception as exc:
        return Raised(exc)


def _charge(spec: StepSpec, value: Any, meter: Meter) -> None:
    """A ``cost=`` that fails breaks no run: it is told, and the attempt counts as free."""
    assert spec.cost is not None
    try:
        told = spec.cost(value)
        usd, tokens = told if isinstance(told, tuple) else (told, 0)
        _check(usd, tokens)
    except Exception as exc:
        meter.warn(f"{spec.where}: its cost= failed, so it is counted as free: {exc}")
        return
    meter.charge(float(usd), int(tokens))
