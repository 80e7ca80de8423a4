"""Which outcomes are allowed: by default, and by a team's own word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError, UsageError
from .model import OUTCOMES, FaultSpec, Outcome

__all__ = ["Expect", "Permission", "expectations", "permitted"]

RECOVERS: tuple[Outcome, ...] = ("recovered", "degraded", "dead_lettered", "compensated")
HALTS: tuple[Outcome, ...] = ("halted", "compensated", "recovered")
SURVIVES: tuple[Outcome, ...] = ("recovered",)
NOTICED: tuple[Outcome, ...] = ("recovered", "degraded", "dead_lettered", "halted", "compensated")
NEVER: tuple[Outcome, ...] = ("not_fired",)
"""What nobody may allow: a cell that proves nothing."""


@dataclass(frozen=True)
class Expect:
    """What is allowed where. The first that fits counts.

    :param allow: outcomes.
    :param step: of this step; None: of any.
    :param kind: faults of this kind, or what else is done: ``killed``, ``value truncated``; None: any.
    :raises UsageError: an outcome that there is not, or that cannot be allowed.

    >>> Expect(("halted",), step="pay", kind="auth").fits("pay", FaultSpec("kind", "auth"))
    True
    """

    allow: tuple[Outcome, ...]
    step: str | None = None
    kind: str | None = None
    place: str = "an expectation"

    def __post_init__(self) -> None:
        for one in self.allow:
            if one not in OUTCOMES or one in NEVER:
                known = ", ".join(name for name in OUTCOMES if name not in NEVER)
                raise UsageError(f"allow={one!r}: give one or more of {known}")
        if not self.allow:
            raise UsageError("an expectation allows nothing; give allow=[…]")

    def fits(self, step: str | None, fault: FaultSpec) -> bool:
        """Whether it speaks of this fault at this step."""
        if self.step is not None and self.step != step:
            return False
        return self.kind is None or self.kind in (fault.value, fault.words)


@dataclass(frozen=True)
class Permission:
    """What is allowed, and who says so."""

    allow: tuple[Outcome, ...]
    because: str


def permitted(
    step: str | None,
    fault: FaultSpec,
    expects: Sequence[Expect],
    *,
    recoverable: bool | None,
    needs_person: bool,
) -> Permission:
    """What may come of a fault.

    :param recoverable: of the kind; None where the fault is no failure of a step.
    :param needs_person: whether nobody could know, after a crash, what an effect has done: then a
        halt is right.
    """
    for one in expects:
        if one.fits(step, fault):
            return Permission(one.allow, one.place)
    if recoverable is True:
        return Permission(RECOVERS, "a recoverable kind must recover or degrade")
    if recoverable is False:
        return Permission(HALTS, "an unrecoverable kind must halt cleanly, and be resumable")
    if fault.what == "value":
        return Permission(NOTICED, "a wrong value must be noticed")
    if needs_person:
        return Permission((*SURVIVES, "halted"), "a crash must be survived, or be told as a doubt")
    return Permission(SURVIVES, "a crash must be survived")


def expectations(tables: Any, place: str) -> tuple[Expect, ...]:
    """Those of ``[[chaos.expect]]``.

    :raises ConfigError: one is written wrongly; the message names the file.
    """
    if not isinstance(tables, list):
        raise ConfigError(f"{place}: chaos.expect must be a list of tables: [[chaos.expect]]")
    return tuple(one for table in tables for one in _expect(table, place))


def _expect(table: Any, place: str) -> Iterable[Expect]:
    known = ("step", "kind", "allow")
    if not isinstance(table, Mapping):
        raise ConfigError(f"{place}: [[chaos.expect]] must be a table")
    for key in table:
        if key not in known:
            raise ConfigError(
                f"{place}: [[chaos.expect]] has no key {key!r}; known are {', '.join(known)}"
            )
    allow = table.get("allow")
    allow = [allow] if isinstance(allow, str) else allow
    kinds = table.get("kind")
    try:
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            yield Expect(tuple(allow or ()), table.get("step"), kind, f"{place} [[chaos.expect]]")
    except UsageError as exc:
        raise ConfigError(f"{place}: [[chaos.expect]] {exc}") from exc
