"""The words of a chaos run: what is done in a cell, what came of it, and what is allowed.

All of it is plain data that goes to JSON and back: it travels to child processes, into reports, and
onto the command line of ``surefoot chaos replay``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from .places import Seam

__all__ = ["OUTCOMES", "Cell", "CellResult", "Counted", "FaultSpec", "Outcome", "Times"]

Outcome = Literal[
    "recovered",
    "degraded",
    "compensated",
    "dead_lettered",
    "halted",
    "stuck",
    "wrong_output",
    "duplicate",
    "lost",
    "not_fired",
]
"""How a cell ended. ``recovered``: the control's result, every effect once. ``degraded``: a fallback or a
default served. ``compensated``: rolled back. ``dead_lettered``: items were set aside. ``halted``: cleanly,
and a resume without the fault gave the control's result. ``stuck``: neither an end nor a resume came of it
in time. ``wrong_output``: it completed, with another result than the control's. ``duplicate`` and ``lost``:
an effect reached the outside world twice, or never. ``not_fired``: the fault did not act, so nothing is
proved."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

What = Literal[
    "kind",
    "kill",
    "pause",
    "exit",
    "value",
    "system",
    "delay",
    "http",
    "journal",
    "memory",
    "jump",
]


@dataclass(frozen=True)
class FaultSpec:
    """A fault as data; :func:`surefoot.chaos.specs.made` makes the fault.

    ``value`` says which: the kind; the signal's number or the exit code; the change of a value;
    the system's error; the seconds; the HTTP status, or ``reset``, ``truncate``, ``drop_answer``;
    what the journal's database fails with (``ENOSPC``, ``EIO``); the seconds by which the wall clock
    jumps. ``rule`` is that of a kind's example.
    """

    what: What
    value: str = ""
    seam: Seam = "before"
    step: str | None = None
    script: str = "fail:1"
    item: int | None = None
    event: str | None = None
    rule: str | None = None

    @property
    def words(self) -> str:
        """
        >>> FaultSpec("kind", "rate_limited", step="ask", rule="openai.rate_limit").words
        'rate_limited'
        """
        if self.what == "kill" and self.value:
            return f"signal {self.value}"
        if self.what == "exit":
            return "os._exit" if self.value in ("", "1") else f"os._exit({self.value})"
        named = {
            "kill": "killed",
            "pause": "paused",
            "delay": "delay",
            "http": "HTTP",
            "memory": "out of memory",
            "jump": "clock",
        }
        word = named.get(self.what)
        if word is None:
            return self.value if self.what != "value" else f"value {self.value}"
        return f"{word} {self.value}".strip()


@dataclass(frozen=True)
class Cell:
    """One square of the matrix: these faults, one after another in as many processes.

    ``id`` is stable from run to run, e.g. ``answer/before/rate_limited`` or ``write/17/inside``;
    two faults are joined by ``+``.
    """

    id: str
    faults: tuple[FaultSpec, ...]
    step: str | None
    recoverable: bool | None = None
    """Of the kind; None where the process, the journal or the value is the matter."""
    allowed: tuple[Outcome, ...] = ("recovered",)
    because: str = ""
    """Where the permission comes from: the default, or the expectation by its place."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Cell:
        """Back from :meth:`as_dict` and JSON."""
        faults = tuple(FaultSpec(**one) for one in told["faults"])
        return cls(**{**told, "faults": faults, "allowed": tuple(told["allowed"])})


@dataclass(frozen=True)
class Times:
    """The parts of a recovery, in seconds of real time, from the moment that the fault acted to the
    right end.

    ``detection``: until it was noticed (None: nothing noticed it); ``restart``: from there until another
    process was at it (None: none was needed); ``work``: what was done again or was still to do.
    ``total`` is their sum. ``backoff`` is what the policy waited: a part of the total where it was really
    waited for (``waited``), else only told beside it.

    >>> Times(0.2, 0.1, 0.5, 0.8, backoff=30.0).total
    0.8
    """

    detection: float | None = None
    restart: float | None = None
    work: float = 0.0
    total: float = 0.0
    backoff: float = 0.0
    waited: bool = False


@dataclass(frozen=True)
class Counted:
    """Effects of one step, counted outside of the process. ``None`` where nobody instrumented it.
    ``duplicate``, ``lost`` and ``unknown`` name deeds."""

    step: str
    expected: int | None = None
    received: int | None = None
    applied: int | None = None
    duplicate: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def measured(self) -> bool:
        return self.expected is not None


@dataclass(frozen=True)
class CellResult:
    """What came of a cell."""

    cell: Cell
    outcome: Outcome
    allowed: bool
    detail: str = ""
    """For people: what was seen, and why it is a violation if it is one."""
    fired: int = 0
    processes: int = 1
    attempts: int = 0
    status: str = ""
    kind: str | None = None
    """What the failure was judged as."""
    times: Times = field(default_factory=Times)
    effects: Sequence[Counted] = ()
    journal: str | None = None
    """Where its journal is kept, for a violation."""
    beyond: bool = False
    """The fault was to act at a later write than there was: the run is over before."""
    after: Mapping[str, int] = field(default_factory=dict)
    """What the process after the first one reached, and how often: where a second fault can act."""

    def as_dict(self) -> dict[str, Any]:
        told = asdict(self)
        del told["after"]
        return told
