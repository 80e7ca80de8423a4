"""A fault: what goes wrong, where, and when."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .actions import (
    TRANSFORMS,
    Action,
    Delay,
    Exhaust,
    Exit,
    Jump,
    Kill,
    Pause,
    Raise,
    Return,
    system_error,
)
from .places import SEAMS, Place, Seam
from .scripts import ALWAYS, Script, fail

if TYPE_CHECKING:
    from ..catalog import Catalog, Rule
    from .firings import Firing

__all__ = [
    "Fault",
    "clock_jump",
    "crash",
    "delay",
    "exception_of",
    "exit_process",
    "fault",
    "out_of_memory",
    "pause",
    "raises",
    "rules_of",
    "system_fault",
    "value_fault",
]


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong at a seam of the steps of one name, or of all.

    ``name`` tells it from others in tables and logs. ``event``: at writes and requests, which moment
    or which ``"POST https://…"`` (a prefix will do); None is any.
    """

    name: str
    action: Action
    seam: Seam = "before"
    step: str | None = None
    script: Script = ALWAYS
    item: int | None = None
    event: str | None = None
    kind: str | None = None
    """What it is to be judged as; None: whatever comes of it."""

    def __post_init__(self) -> None:
        if self.seam not in SEAMS:
            raise UsageError(f"seam {self.seam!r}: give one of {', '.join(SEAMS)}")

    def at(
        self,
        step: Any = None,
        *,
        seam: Seam | None = None,
        item: int | None = None,
        event: str | None = None,
        script: Script | None = None,
    ) -> Fault:
        """The same fault elsewhere, or at another time.

        :param step: a step, an effect, or its name; None leaves it.

        >>> crash().at("pay", seam="after", script=fail(1)).step
        'pay'
        """
        changed: dict[str, Any] = {}
        if step is not None:
            changed["step"] = step if isinstance(step, str) else name_of(step)
        for key, value in (("seam", seam), ("item", item), ("event", event), ("script", script)):
            if value is not None:
                changed[key] = value
        return replace(self, **changed)

    def fits(self, place: Place) -> bool:
        """Whether its place is this one."""
        if place.seam != self.seam or not self._is_step(place.step):
            return False
        if self.item is not None and place.item != self.item:
            return False
        if self.event is not None and not (place.event or "").startswith(self.event):
            return False
        condition = self.script.condition
        return condition is None or bool(condition(place))

    def acted_in(self, firing: Firing) -> bool:
        """Whether a firing is of this fault: of its name, at its place."""
        return (
            (firing.fault, firing.seam) == (self.name, self.seam)
            and self._is_step(firing.step)
            and self.item in (None, firing.item)
            and (self.event is None or (firing.event or "").startswith(self.event))
        )

    def _is_step(self, name: str | None) -> bool:
        """A step that was defined within a function goes by its short name too."""
        if self.step is None or name == self.step:
            return True
        return name is not None and name.rpartition("<locals>.")[2] == self.step

    def __str__(self) -> str:
        where = f" in {self.step}" if self.step is not None else ""
        return f"{self.name} {self.seam}{where}, {self.script}"


def name_of(step: Any) -> str:
    """The name of a step. :raises UsageError: it is none."""
    name = getattr(getattr(step, "spec", None), "name", None)
    if not isinstance(name, str):
        raise UsageError(f"{step!r} is no step: give a @step, an @effect, or its name")
    return name


def fault(
    kind: str,
    *,
    library: str | None = None,
    rule: str | None = None,
    catalog: Catalog | None = None,
) -> Fault:
    """A failure of this kind, as the catalog's examples have it.

    :param library: whose exception, e.g. ``"openai"``; None: the first that there is.
    :param rule: the rule whose example it is.
    :param catalog: None: the built-in one.
    :raises UsageError: the catalog has no example of it; the message says for which libraries it has.

    >>> str(fault("rate_limited", library="openai"))
    'rate_limited (openai) before, always'
    """
    found = next(rules_of(kind, library, rule, catalog), None)
    if found is None:
        raise UsageError(_no_example(kind, library, rule, catalog))
    return of_rule(found)


def of_rule(rule: Rule) -> Fault:
    """The failure that a rule's example shows."""
    return Fault(
        f"{rule.kind} ({rule.library})",
        Raise(lambda: exception_of(rule), words=rule.id),
        kind=rule.kind,
    )


def exception_of(rule: Rule) -> BaseException:
    """The exception of a rule's example, made anew."""
    from ..catalog.examples import build_for

    return build_for(rule)


def rules_of(
    kind: str,
    library: str | None = None,
    rule: str | None = None,
    catalog: Catalog | None = None,
    stage: str | None = None,
) -> Iterator[Rule]:
    """The rules whose examples are judged to be of this kind.

    :param stage: judged there, where the example itself names none.
    """
    from ..classify import classify

    known = catalog if catalog is not None else _builtin()
    for one in known.rules:
        if one.kind != kind or one.example is None:
            continue
        if (library is not None and one.library != library) or (
            rule is not None and one.id != rule
        ):
            continue
        place: Any = stage if stage is not None else one.example.get("stage")
        after = stage is None and bool(one.example.get("after_inference"))
        exc = exception_of(one)
        if classify(exc, catalog=known, stage=place, after_inference=after).kind == kind:
            yield one


def _builtin() -> Catalog:
    from ..catalog import load

    return load()


def _no_example(kind: str, library: str | None, rule: str | None, catalog: Catalog | None) -> str:
    known = catalog if catalog is not None else _builtin()
    if kind not in known.kinds:
        import difflib

        near = difflib.get_close_matches(kind, list(known.kinds), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see: surefoot catalog list"
        return f"there is no kind {kind!r}; {hint}"
    libraries = sorted({str(one.library) for one in rules_of(kind, catalog=catalog)})
    what = f"rule {rule!r}" if rule is not None else f"library {library!r}"
    if not libraries:
        return f"the catalog has no example of {kind}; raise one yourself: raises(lambda: …)"
    return (
        f"the catalog has no example of {kind} for {what}; it has some for {', '.join(libraries)}"
    )


def raises(make: Callable[[], BaseException], name: str | None = None) -> Fault:
    """An exception of your own.

    :param make: makes it; a class that needs no arguments will do.

    >>> raises(lambda: ValueError("bad")).at("parse").seam
    'before'
    """
    return Fault(name or f"raises {getattr(make, '__name__', 'an exception')}", Raise(make))


def crash(number: int | None = None) -> Fault:
    """The process is killed. :param number: the signal; None is SIGKILL."""
    action = Kill() if number is None else Kill(number, words=f"signal {number}")
    return Fault("killed" if number is None else f"signal {number}", action, script=fail(1))


def pause() -> Fault:
    """The process stops until somebody continues it (SIGCONT); meanwhile its lease can run out.

    :raises UsageError: this system cannot stop a process (Windows).
    """
    if not hasattr(signal, "SIGSTOP"):
        raise UsageError("this system cannot stop a process: there is no SIGSTOP")
    return Fault("paused", Pause(), script=fail(1))


def exit_process(code: int = 1) -> Fault:
    """The process ends itself at once, without clean-up."""
    return Fault(f"os._exit({code})", Exit(code), script=fail(1))


def out_of_memory() -> Fault:
    """The system has no more memory for this process, for real (Linux)."""
    return Fault("out of memory", Exhaust())


def clock_jump(seconds: float, clock: Any) -> Fault:
    """The wall clock is set forward or back.

    :param clock: one that can be set: with ``jump(seconds)``, or ``advance`` (forward only).
    :raises UsageError: it cannot be.
    """
    jump = getattr(clock, "jump", None) or (
        getattr(clock, "advance", None) if seconds > 0 else None
    )
    if jump is None:
        raise UsageError(
            f"{clock!r} cannot be set by {seconds:g} s; pass a clock with jump(seconds)"
        )
    return Fault(f"clock jumps {seconds:+g} s", Jump(seconds, jump))


def delay(seconds: float, sleep: Callable[[float], Any] | None = None) -> Fault:
    """Time passes before the body. :param sleep: None waits for real."""
    from ..clock import SystemClock

    return Fault(f"delay {seconds:g} s", Delay(seconds, sleep or SystemClock().sleep))


def value_fault(name: str, change: Callable[[Any], Any] | None = None) -> Fault:
    """The body returns another value: ``truncated``, ``empty``, ``none``, ``wrong_type``; or what
    ``change`` makes of it.

    :raises UsageError: there is none of this name.
    """
    turn = change if change is not None else TRANSFORMS.get(name)
    if turn is None:
        raise UsageError(f"{name!r} is no change of a value: give {', '.join(TRANSFORMS)}")
    return Fault(f"value {name}", Return(turn, words=name), seam="value")


def system_fault(name: str) -> Fault:
    """An error of the operating system, such as ``ENOSPC``. :raises UsageError: there is no such."""
    return Fault(name, system_error(name))
