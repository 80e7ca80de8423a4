"""Quiet hours of a sink."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Any

__all__ = ["Quiet", "parse_quiet"]


@dataclass(frozen=True)
class Quiet:
    """From ``begin`` to ``end`` by the clock on the wall of ``zone`` (None: this machine's). What is
    of a severity in ``but`` goes through."""

    begin: time
    end: time
    zone: tzinfo | None = None
    but: tuple[str, ...] = ("critical",)

    def until(self, now: float) -> float | None:
        """When the quiet hours that are on now end; None if none are. Seconds since the epoch.

        >>> quiet = parse_quiet("22:00-07:00", "UTC")
        >>> quiet.until(1_700_000_000.0)  # 22:13:20
        1700031600.0
        >>> quiet.until(1_700_040_000.0) is None  # 09:20
        True
        """
        here = datetime.fromtimestamp(now, self.zone).replace(fold=0)
        at = here.time()
        if self.begin < self.end:
            on, days = self.begin <= at < self.end, 0
        else:
            on, days = at >= self.begin or at < self.end, 1 if at >= self.begin else 0
        if not on:
            return None
        day = here.date() + timedelta(days=days)
        # the wall clock's own: a night in which the clocks change is shorter or longer
        ends = datetime.combine(day, self.end, tzinfo=self.zone).timestamp()
        return max(ends, now + 1.0)

    def __str__(self) -> str:
        zone = f" {self.zone}" if self.zone is not None else ""
        return f"{self.begin:%H:%M}-{self.end:%H:%M}{zone}"


def parse_quiet(text: Any, zone: Any = None, but: tuple[str, ...] = ("critical",)) -> Quiet:
    """Quiet hours such as ``22:00-07:00``.

    :raises ValueError: naming the key and what it must be.
    """
    match = (
        re.fullmatch(r"\s*([0-2]?\d):([0-5]\d)\s*-\s*([0-2]?\d):([0-5]\d)\s*", text)
        if isinstance(text, str)
        else None
    )
    if match is not None and max(int(match[1]), int(match[3])) <= 23:
        begin = time(int(match[1]), int(match[2]))
        end = time(int(match[3]), int(match[4]))
        if begin != end:
            return Quiet(begin, end, _zone(zone), but)
    raise ValueError(f"quiet = {text!r} must be two different times of day: 22:00-07:00")


def _zone(name: Any) -> tzinfo | None:
    if name is None:
        return None
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except Exception as exc:  # unknown, no text, no path of its own, or no data on this machine
        raise ValueError(f"timezone = {name!r} must be a name such as Europe/Berlin") from exc
