"""What a step says about its own recovery: ``on(…)`` overrides, back-off, limits.

All of it is frozen data that is checked when it is made. Nothing here decides; see
:mod:`surefoot.decide`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from ..clock import Chance
from ..errors import DefinitionError

__all__ = [
    "MISSING",
    "AdaptRung",
    "Adapter",
    "Backoff",
    "Fallback",
    "On",
    "Policy",
    "RetryRung",
    "SkipRung",
    "on",
]

Adapter = Callable[[Any, Any], Any]
"""``(value, failure) -> value``: what an argument becomes in the next attempt."""

DEFAULT_ATTEMPTS = 5
DEFAULT_ROUNDS = 5


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""No default was given (None is a default like any other)."""


class Backoff(NamedTuple):
    """Capped exponential back-off with full jitter. ``base`` and ``cap`` are seconds.

    >>> Backoff(base=1, cap=10).ceiling(1), Backoff(base=1, cap=10).ceiling(5)
    (1.0, 10.0)
    """

    base: float = 0.5
    cap: float = 30.0
    factor: float = 2.0

    def ceiling(self, failures: int) -> float:
        """The longest wait, in seconds, after so many failures (the first is 1)."""
        # 2.0**1024 overflows; the cap is reached long before
        return float(min(self.cap, self.base * self.factor ** min(failures - 1, 64)))

    def wait(self, failures: int, chance: Chance) -> float:
        """Full jitter: anything from nothing to the ceiling.

        Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
        """
        return chance(0.0, self.ceiling(failures))


class RetryRung(NamedTuple):
    attempts: int | None = None
    within: float | None = None
    backoff: Backoff | None = None


class AdaptRung(NamedTuple):
    adapters: Mapping[str, Adapter]
    rounds: int = DEFAULT_ROUNDS


class SkipRung(NamedTuple):
    default: Any = MISSING


class Fallback(NamedTuple):
    """Where a call goes when its own function cannot do it."""

    form: Literal["function", "value", "model"]
    target: Any
    argument: str | None = None
    timeout: float | None = None
    """Seconds for one attempt of it; None takes the step's own, or a fallback step's."""

    @property
    def name(self) -> str:
        if self.form == "function":
            return str(getattr(self.target, "__qualname__", None) or repr(self.target))
        return f"{self.argument or self.form}={self.target!r}"


def _positive(what: str, value: float | None, *, zero: bool = False) -> None:
    if value is None:
        return
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or math.isnan(value) or value < 0 or (value == 0 and not zero):
        raise DefinitionError(f"{what}={value!r} must be a number above 0 (seconds or a count)")


def _count(what: str, value: int | None) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise DefinitionError(f"{what}={value!r} must be a whole number of at least 1")


def _own_timeout(function: Any) -> float | None:
    """A step's own limit on an attempt, where the fallback is a step."""
    policy = getattr(getattr(function, "spec", None), "policy", None)
    return policy.timeout if isinstance(policy, Policy) else None


@dataclass(frozen=True)
class On:
    """Rungs for some failures; made by :func:`on`, extended by its methods, which chain."""

    what: tuple[str | type[BaseException], ...]
    retry_rung: RetryRung | None = None
    adapt_rung: AdaptRung | None = None
    fallbacks: tuple[Fallback, ...] = ()
    skip_rung: SkipRung | None = None
    halts: bool = False

    def retry(
        self,
        attempts: int | None = None,
        within: float | None = None,
        *,
        base: float | None = None,
        cap: float | None = None,
    ) -> On:
        """Try the same again.

        :param attempts: how often in all, the first try counted; None is the step's own number.
        :param within: seconds since the first such failure after which no retry starts.
        :param base: the first wait's ceiling in seconds. :param cap: the largest one's.
        :raises DefinitionError: for a number that makes no sense.
        """
        _count("attempts", attempts)
        _positive("within", within)
        _positive("base", base, zero=True)
        _positive("cap", cap, zero=True)
        backoff = None
        if base is not None or cap is not None:
            default = Backoff()
            backoff = Backoff(
                default.base if base is None else base, default.cap if cap is None else cap
            )
        return replace(self, retry_rung=RetryRung(attempts, within, backoff))

    def adapt(self, *, rounds: int = DEFAULT_ROUNDS, **adapters: Adapter) -> On:
        """Change arguments and try again: ``adapt(batch_size=halve(minimum=1))``.

        :param rounds: how often at most.
        :raises DefinitionError: without arguments, or for one that is not callable.
        """
        _count("rounds", rounds)
        if not adapters:
            raise DefinitionError(
                "adapt() needs at least one argument: adapt(prompt=truncate(0.7))"
            )
        for name, adapter in adapters.items():
            if not callable(adapter):
                raise DefinitionError(
                    f"adapt({name}={adapter!r}): give a callable (value, failure) -> value"
                )
        return replace(self, adapt_rung=AdaptRung(dict(adapters), rounds))

    def fall_back(
        self, *functions: Callable[..., Any], timeout: float | None = None, **value: Any
    ) -> On:
        """Go elsewhere, in order: ``fall_back(smaller_model)``, ``fall_back(value=[])`` or
        ``fall_back(model="gpt-4o-mini")`` (the same function with that argument changed).

        :param timeout: seconds for one attempt of these fallbacks; None takes a fallback step's
            own, or else that of the step which falls back.
        :raises DefinitionError: for something that cannot be called, or no target at all.
        """
        if not functions and not value:
            raise DefinitionError(
                "fall_back() needs a function, value=… or an argument to change, as model=…"
            )
        for function in functions:
            if not callable(function):
                raise DefinitionError(
                    f"fall_back({function!r}): give a function or a step; "
                    f"for a constant write fall_back(value={function!r})"
                )
        _positive("timeout", timeout)
        found = [
            Fallback(
                "function", function, timeout=_own_timeout(function) if timeout is None else timeout
            )
            for function in functions
        ]
        for name, target in value.items():
            if name == "value":
                found.append(Fallback("value", target))
            else:
                found.append(Fallback("model", target, name, timeout))
        return replace(self, fallbacks=self.fallbacks + tuple(found))

    def skip(self, default: Any = MISSING) -> On:
        """Set the item of a map aside; outside a map, go on with ``default``."""
        return replace(self, skip_rung=SkipRung(default))

    def halt(self) -> On:
        """Stop here: rungs that this ``on`` does not name are left out."""
        return replace(self, halts=True)

    def specificity(self, kind: str, exc: BaseException) -> int:
        """How closely this fits a failure: 0 not at all; a kind beats a class beats Exception."""
        best = 0
        for what in self.what:
            if isinstance(what, str):
                if what == kind:
                    return 1_000
            elif isinstance(exc, what):
                # depth 1 is BaseException, 2 Exception, …: the deeper class is the closer one
                best = max(best, min(len(what.__mro__) - 1, 999))
        return best


def on(*what: str | type[BaseException]) -> On:
    """Say what to do about some failures, by kind or by exception class.

    >>> on("rate_limited", "overloaded").retry(attempts=8, within=600).what
    ('rate_limited', 'overloaded')

    :raises DefinitionError: for anything that is neither a kind's name nor an exception class.
    """
    if not what:
        raise DefinitionError('on() needs a kind or an exception class: on("rate_limited")')
    for one in what:
        if not isinstance(one, str) and not (
            isinstance(one, type) and issubclass(one, BaseException)
        ):
            raise DefinitionError(f"on({one!r}): give a kind's name or an exception class")
    return On(what)


@dataclass(frozen=True)
class Policy:
    """All limits and overrides of one step. ``timeout`` and ``deadline`` are seconds."""

    attempts: int | None = None
    timeout: float | None = None
    deadline: float | None = None
    recover: tuple[On, ...] = ()
    backoff: Backoff = field(default_factory=Backoff)
    effect: bool = False
    on_doubt: Literal["halt", "rerun"] = "halt"
    once: bool = False
    """An outer step owns the retries."""
    in_map: bool = False
    in_batch: bool = False
    """It works on several items at once, which can be tried in two halves."""
    quarantine: bool = False
    """In a map: what runs out of rungs is set aside where the catalog allows it."""
    max_cost: float | None = None
    """US dollars that all attempts of one call may cost; the next one is not begun above it."""

    def __post_init__(self) -> None:
        _count("attempts", self.attempts)
        _positive("max_cost", self.max_cost)
        _positive("timeout", self.timeout)
        _positive("deadline", self.deadline)
        if self.on_doubt not in ("halt", "rerun"):
            raise DefinitionError(f"on_doubt={self.on_doubt!r}: give 'halt' or 'rerun'")
        for one in self.recover:
            if not isinstance(one, On):
                raise DefinitionError(
                    f'recover=[{one!r}]: give a list of on(…), as recover=[on("timeout").retry()]'
                )

    def named_kinds(self) -> tuple[str, ...]:
        """Every kind that an ``on`` names, for checking them when a run starts."""
        return tuple(what for one in self.recover for what in one.what if isinstance(what, str))
