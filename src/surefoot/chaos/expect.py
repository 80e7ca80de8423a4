"""Which outcomes are allowed: by default, and by a team's own word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError, UsageError
from .model import OUTCOMES, FaultSpec, Outcome

__all__ = ["Expect", "Permission", "expectations", "permitted", "settled"]

RECOVERS: tuple[Outcome, ...] = ("recovered", "degraded", "dead_lettered", "compensated")
HALTS: tuple[Outcome, ...] = ("halted", "compensated", "recovered")
SURVIVES: tuple[Outcome, ...] = ("recovered",)
NOTICED: tuple[Outcome, ...] = ("recovered", "degraded", "dead_lettered", "halted", "compensated")
KEYS = ("expect", "setup")
"""Of the table ``[chaos]``."""
NEVER: tuple[Outcome, ...] = ("not_fired",)
"""What nobody may allow: a cell that proves nothing."""


@dataclass(frozen=True)
class Expect:
    """What is allowed where. The first that fits counts.

    :param allow: outcomes.
    :param step: of this step; None: of any.
    :param kind: faults of this kind, or what else is done: ``killed``, ``value truncated``; ``write`` is
        whatever happens at the journal; None: any.
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
        return self.kind is None or self.kind in (fault.value, fault.words, fault.seam)


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
    :param needs_person: whether nobody could know, after this fault, what an effect has done: then a
        halt is right.
    """
    for one in expects:
        if one.fits(step, fault):
            return Permission(one.allow, one.place)
    if recoverable is True and needs_person:
        because = (
            "a recoverable kind must recover or degrade, or be told as a doubt: no key was sent yet"
        )
        return Permission((*RECOVERS, "halted"), because)
    if recoverable is True:
        return Permission(RECOVERS, "a recoverable kind must recover or degrade")
    if recoverable is False:
        return Permission(HALTS, "an unrecoverable kind must halt cleanly, and be resumable")
    if fault.what == "value":
        return Permission(NOTICED, "a wrong value must be noticed")
    if needs_person:
        return Permission(
            (*SURVIVES, "halted"), "what hits the process must be survived, or be told as a doubt"
        )
    return Permission(SURVIVES, "what hits the process must be survived")


def settled(table: Mapping[str, Any], place: str) -> tuple[tuple[Expect, ...], str | None]:
    """What the table ``[chaos]`` of the settings says: what is allowed, and the setup.

    :raises ConfigError: a key or a value is wrong; the message names the file.
    """
    import difflib

    for key in table:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(KEYS)}"
            raise ConfigError(f"{place}: [chaos] has no key {key!r}; {hint}")
    setup = table.get("setup")
    if setup is not None and (not isinstance(setup, str) or ":" not in setup):
        raise ConfigError(f"{place}: chaos.setup = {setup!r} must be a text such as pkg.module:fn")
    return expectations(table.get("expect", []), place), setup


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
    allow = _texts(table, "allow", place)
    kinds: list[Any] = _texts(table, "kind", place) or [None]
    step = table.get("step")
    if step is not None and not isinstance(step, str):
        raise ConfigError(f"{place}: [[chaos.expect]] step = {step!r} must be a step's name")
    try:
        for kind in kinds:
            yield Expect(tuple(allow), step, kind, f"{place} [[chaos.expect]]")  # type: ignore[arg-type]
    except UsageError as exc:
        raise ConfigError(f"{place}: [[chaos.expect]] {exc}") from exc


def _texts(table: Mapping[str, Any], key: str, place: str) -> list[str]:
    """A text or a list of texts."""
    value = table.get(key, [])
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
        raise ConfigError(
            f"{place}: [[chaos.expect]] {key} = {value!r} must be a text, or a list of texts"
        )
    return found
