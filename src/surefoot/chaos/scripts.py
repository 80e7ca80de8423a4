"""When a fault acts: scripts such as ``fail(2).then_pass()``.

A script is asked once for each time that the place of its fault is reached, and says whether to act.
It is frozen data: who asks counts. The first time is number 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    from .places import Place

__all__ = ["ALWAYS", "Script", "always", "fail", "nth", "parse", "sometimes", "when"]


@dataclass(frozen=True)
class Script:
    """Which of the times count: the first ``times`` of those from ``start`` on.

    ``times`` None: all of them. ``chance`` is between 0 and 1. ``each`` counts for each call
    (a retried call goes on where it was) instead of for the whole fault.
    """

    start: int = 1
    times: int | None = None
    chance: float = 1.0
    condition: Callable[[Place], Any] | None = None
    each: bool = False

    def acts(self, number: int, dice: float) -> bool:
        """Whether to act at the ``number``-th time that its place is reached and its condition holds.

        :param dice: a number between 0 (with it) and 1 (without it), by chance.

        >>> [fail(2).acts(number, 0.0) for number in (1, 2, 3)]
        [True, True, False]
        """
        within = self.times is None or number < self.start + self.times
        return number >= self.start and within and dice < self.chance

    def then_pass(self) -> Script:
        """Says what holds anyway, for whoever reads the test: after that, nothing is done."""
        if self.times is None:
            raise UsageError("always() has no end after which something could pass; use fail(n)")
        return self

    def of_each_call(self) -> Script:
        """Count for each call by itself: with it ``fail(1)`` fails the first attempt of every item."""
        return replace(self, each=True)

    def when(self, condition: Callable[[Place], Any]) -> Script:
        """Count only where ``condition`` holds; see :class:`surefoot.chaos.Place`."""
        return replace(self, condition=condition)

    def __str__(self) -> str:
        """As :func:`parse` reads it; a condition cannot be written.

        >>> str(fail(2)), str(nth(3)), str(always()), str(sometimes(0.25))
        ('fail:2', 'nth:3', 'always', 'sometimes:0.25')
        """
        if self.chance < 1:
            return f"sometimes:{self.chance:g}"
        if self.times is None and self.start == 1:
            return "always"
        if self.start > 1:
            return f"nth:{self.start}" + (f"x{self.times}" if self.times != 1 else "")
        return f"fail:{self.times}"


ALWAYS = Script()


def fail(times: int = 1) -> Script:
    """Act the first ``times`` times.

    :raises UsageError: less than once.
    """
    return Script(times=_positive(times, "fail"))


def nth(number: int) -> Script:
    """Act at the ``number``-th time alone. :raises UsageError: below 1."""
    return Script(start=_positive(number, "nth"), times=1)


def always() -> Script:
    """Act each time."""
    return ALWAYS


def when(condition: Callable[[Place], Any]) -> Script:
    """Act each time that ``condition(place)`` holds.

    >>> when(lambda place: place.item == 3).condition is not None
    True
    """
    return Script(condition=condition)


def sometimes(probability: float) -> Script:
    """Act by chance, the same with the same seed.

    :raises UsageError: a probability that is not above 0 and at most 1.
    """
    if not 0 < probability <= 1:
        raise UsageError(f"sometimes({probability!r}): give a probability above 0 and at most 1")
    return Script(chance=float(probability))


def _positive(number: int, what: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise UsageError(f"{what}({number!r}): give a whole number from 1 on")
    return number


def parse(text: str) -> Script:
    """A script as it is written on a command line: ``fail:2``, ``nth:3``, ``always``,
    ``sometimes:0.25``.

    :raises UsageError: it is none of these.

    >>> parse("fail:2") == fail(2)
    True
    """
    word, _, value = text.partition(":")
    try:
        if word == "always" and not value:
            return always()
        if word == "fail":
            return fail(int(value or "1"))
        if word == "nth":
            number, _, times = value.partition("x")
            return replace(nth(int(number)), times=_positive(int(times or "1"), "nth"))
        if word == "sometimes":
            return sometimes(float(value))
    except ValueError:
        pass
    raise UsageError(f"{text!r} is no script: give fail:N, nth:N, always or sometimes:P")
