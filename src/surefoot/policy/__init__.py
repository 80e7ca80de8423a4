"""What a step says about its own recovery: rungs, limits, and the adapters that come with Surefoot.

All of it is frozen data that is checked when it is made. Nothing here decides; see
:mod:`surefoot.decide`.
"""

from .adapters import Split, grow, halve, last_error, split, truncate
from .rungs import (
    DEFAULT_ATTEMPTS,
    DEFAULT_ROUNDS,
    MISSING,
    Adapter,
    AdaptRung,
    Backoff,
    Fallback,
    On,
    Policy,
    RetryRung,
    SkipRung,
    on,
)

__all__ = [
    "DEFAULT_ATTEMPTS",
    "DEFAULT_ROUNDS",
    "MISSING",
    "AdaptRung",
    "Adapter",
    "Backoff",
    "Fallback",
    "On",
    "Policy",
    "RetryRung",
    "SkipRung",
    "Split",
    "grow",
    "halve",
    "last_error",
    "on",
    "split",
    "truncate",
]
