"""The settings of a resource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["ResourceOptions", "resource_options"]


@dataclass(frozen=True)
class ResourceOptions:
    """How a resource is protected. All of it has defaults that need no thought.

    ``concurrency`` is how many attempts may run at once at most; None sets no bound but the one that
    is learnt, which begins at 4 and grows with each success. ``adaptive=False`` switches the learning
    off: no limit that moves, and no pace.
    ``circuit_failures`` failures in a row open the circuit for ``circuit_seconds``, twice as long
    each time that the trial call fails, up to ten times. ``retry_budget`` is how many retries may be
    outstanding against successes; 0 means no bound.
    """

    concurrency: int | None = None
    adaptive: bool = True
    circuit_failures: int = 10
    circuit_seconds: float = 30.0
    retry_budget: int = 100


def resource_options(table: Any) -> ResourceOptions:
    """A ``[resources.<name>]`` table.

    :raises ValueError: naming the key and what it must be.

    >>> resource_options({"concurrency": 4}).concurrency
    4
    """
    if not isinstance(table, Mapping):
        raise ValueError("a table of settings")
    known = {field.name for field in fields(ResourceOptions)}
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"a table with {', '.join(sorted(known))}; {key!r} is none of them")
        if key == "adaptive":
            if not isinstance(value, bool):
                raise ValueError("adaptive = true or false")
            continue
        least = 0 if key == "retry_budget" else 1
        number = isinstance(value, (int, float) if key == "circuit_seconds" else int)
        if (
            not number
            or isinstance(value, bool)
            or value < (1e-9 if key == "circuit_seconds" else least)
        ):
            raise ValueError(f"{key} = a number of at least {least}")
    return ResourceOptions(**table)
