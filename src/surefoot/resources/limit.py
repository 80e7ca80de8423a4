"""How many attempts may run at once, and how fast they may begin: learnt from what the server says.

Two numbers. The *limit* bounds how many run at once: it begins small, and each success raises it by a
quarter up to :data:`SLOW_START`, then by a tenth; a refusal halves it (additive increase, multiplicative
decrease, as TCP does). The *pace* bounds how many begin in a second: there is none until the server
refuses for the first time. Then it is what the server has let through since it was last quiet, over
the time until it will take more; from there it grows, slowly at first. A further refusal takes back
the growth, or measures anew where it comes at once.

A limit alone does not do: at a quota of 20 a second and an answer within 50 ms, one at a time is
already too many in the one second and too few in the next.
"""

from __future__ import annotations

__all__ = ["AdaptiveLimit"]

FIRST = 4.0
SLOW_START = 32.0
FAST, SLOW = 0.25, 0.1
"""What a success adds to the limit. Those that are on their way at the first refusal are refused as
well: a quarter of what was let through by then. With a whole one (TCP's slow start) it would be as many
again, 13 of 213 requests at a quota of 20 a second; see bench/load.py."""
SHRINK = 0.5
BELOW = 0.96
"""The pace is a little below what was measured, so that it does not touch the quota again."""
GROWTH, FASTER = 0.03, 0.002
"""From :data:`QUIET` seconds on, a second without a refusal raises the pace by these shares; the second
one is multiplied by the seconds since the refusal: what was measured long ago says little."""
QUIET = 2.0
FORGOTTEN = 300.0
"""Seconds without a refusal after which there is no pace any more."""
SHORTEST = 1.0
"""Seconds: quotas of less than a second are not known."""


class AdaptiveLimit:
    """Not safe for threads by itself. Times are seconds of one clock.

    :param most: never more than so many at once; None: no bound but what is learnt.
    """

    def __init__(self, most: int | None) -> None:
        self.limit = FIRST if most is None else min(FIRST, float(most))
        self.running = 0
        self.rate: float | None = None
        self.turns = 0
        """Goes up when the turns that were given out hold no more."""
        self._most = float(most) if most is not None else float("inf")
        self._since: float | None = None
        self._begun = 0
        self._refusals = 0
        self._let_through = 0
        self._lasted = SHORTEST
        self._before: float | None = None
        self._steady = False
        self._next = 0.0
        self._refused_at = 0.0
        self._raised_at = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next attempt may begin at the present pace."""
        self._age(now)
        return 0.0 if self.rate is None else max(0.0, self._next - now)

    def begin(self, now: float) -> None:
        if self._since is None:
            self._since = now
        self.running += 1
        self._begun += 1
        self._take(now)

    def again(self, now: float) -> float:
        """Seconds until the new turn of an attempt whose turn holds no more."""
        wait = self.wait(now)
        self._begun += 1
        self._take(now)
        return wait

    def _take(self, now: float) -> None:
        if self.rate is not None:
            self._next = max(now, self._next) + 1.0 / self.rate

    def end(self) -> None:
        self.running = max(0, self.running - 1)

    def succeeded(self) -> None:
        if self.limit < self._most:
            grown = FAST if self.limit < SLOW_START else SLOW
            self.limit = min(self._most, self.limit + grown)

    def refused(self, now: float, asked: float | None) -> None:
        """The server said that it was too much; ``asked`` seconds are to pass."""
        until = now + (asked or 0.0)
        if now < self._refused_at:
            # one of those that were on their way when it refused: it was not let through either
            self._refusals += 1
            self._measure()
            return
        self.limit = max(1.0, self.limit * SHRINK)
        since = self._since if self._since is not None else now
        self._before = self.rate
        self._steady = now - self._refused_at > QUIET
        self._let_through, self._lasted = self._begun, max(SHORTEST, until - since)
        self._refusals, self._begun = 1, 0
        self._since = self._refused_at = until
        self._raised_at = until + QUIET
        # who waits for a turn gets another one: else all of them would begin when the gate opens
        self._next = until
        self.turns += 1
        self._measure()

    def _measure(self) -> None:
        """What it let through since it was last quiet, a second."""
        passed = max(1, self._let_through - self._refusals)
        measured = passed / self._lasted * BELOW
        before = self._before
        if before is not None and self._steady:
            # it went well for a while: only what it has grown by was too much
            measured = before * BELOW
        elif before is not None:
            measured = min(before * BELOW, max(measured, before / 2))
        self.rate = measured

    def _age(self, now: float) -> None:
        if self.rate is None or now <= self._raised_at:
            return
        if now - self._refused_at > FORGOTTEN:
            self.rate = None
            return
        before, after = self._raised_at - self._refused_at, now - self._refused_at
        self.rate *= 1.0 + GROWTH * (after - before) + FASTER * (after**2 - before**2) / 2
        self._raised_at = now
