"""Assertions about runs and faults, whose failures tell what happened and what to type next."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from .timeline import next_command, short, timeline

if TYPE_CHECKING:
    from ..workflow.run import Run

__all__ = [
    "assert_dead_lettered",
    "assert_degraded",
    "assert_fired",
    "assert_halted",
    "assert_recovered",
]


class _Faults(Protocol):
    """What :class:`surefoot.chaos.Injector` is here."""

    @property
    def reached(self) -> Any: ...

    @property
    def faults(self) -> Sequence[Any]: ...

    def fired(self, fault: Any = None) -> Sequence[Any]: ...

    def not_fired(self) -> Sequence[Any]: ...


class _Any:
    def __repr__(self) -> str:
        return "anything"


ANYTHING: Any = _Any()


def assert_recovered(
    run: Run[Any], result: Any = ANYTHING, *, kinds: Iterable[str] | None = None
) -> None:
    """Something went wrong in the run, and it completed all the same: whole, nothing set aside.

    :param result: what it must have returned.
    :param kinds: the kinds of all its failures, no more and no less.
    :raises AssertionError: it did not; also where nothing had gone wrong at all, since that proves
        nothing.

    >>> import tempfile
    >>> from surefoot import Runtime, step, workflow
    >>> from surefoot.chaos import Injector, fail, fault
    >>> from surefoot.testing import ManualClock
    >>> @step
    ... def ask() -> str:
    ...     return "yes"
    >>> @workflow
    ... def asked() -> str:
    ...     return ask()
    >>> faults = Injector([fault("rate_limited").at("ask", script=fail(2))])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Runtime(f"{folder}/j.db", clock=ManualClock(), faults=faults):
    ...         assert_recovered(asked.start(), "yes", kinds=["rate_limited"])
    """
    expected = "a run that recovered"
    if run.status != "completed":
        _fail(run, expected, f"it is {run.status}")
    letters = _letters(run)
    if letters:
        _fail(run, expected, f"{len(letters)} set aside as dead letters: use assert_dead_lettered")
    if run.degraded:
        _fail(run, expected, "a fallback or a default served: use assert_degraded")
    if not run.failures and not run.document()["resumes"]:
        _fail(run, expected, "nothing went wrong in it, so nothing is proved: did the fault act?")
    _check_result(run, result)
    if kinds is not None:
        _check_kinds(run, kinds)


def assert_halted(run: Run[Any], *, kind: str | None = None, step: Any = None) -> None:
    """The run halted, cleanly: its end is written and it can be resumed.

    :param kind: what it halted as.
    :param step: the step, or its name, whose failure it was.
    :raises AssertionError: it did not.
    """
    wanted = "a run that halted" + (f" as {kind}" if kind is not None else "")
    if step is not None:
        wanted += f" in {_step_name(step)}"
    if run.status != "halted":
        _fail(run, wanted, f"it is {run.status}")
    error = run.error or {}
    if kind is not None and error.get("kind") != kind:
        _fail(run, wanted, f"it halted as {error.get('kind')}")
    if step is not None:
        found = [one.step for one in run.failures if one.decision == "halt"]
        if not any(_is_step(one, step) for one in found):
            where = f"in {', '.join(dict.fromkeys(found))}" if found else "in no step"
            _fail(run, wanted, f"it halted {where}")


def assert_degraded(run: Run[Any], result: Any = ANYTHING, *, step: Any = None) -> None:
    """The run completed, and a fallback or a default served in it.

    :param result: what it must have returned.
    :param step: the step, or its name, that was served so.
    :raises AssertionError: it did not.
    """
    wanted = "a run that completed with a fallback or a default"
    if run.status != "completed":
        _fail(run, wanted, f"it is {run.status}")
    if not run.degraded:
        _fail(run, wanted, "all of its results are the steps' own")
    if step is not None:
        found = [one["step"] for one in run.document()["steps"] if one["degraded"]]
        if not any(_is_step(one, step) for one in found):
            _fail(run, f"{wanted} in {_step_name(step)}", f"it was in {', '.join(found)}")
    _check_result(run, result)


def assert_dead_lettered(
    run: Run[Any], n: int, *, kind: str | None = None, step: Any = None
) -> None:
    """The run completed, and so many of its items were set aside as dead letters.

    :param n: how many, of this kind and step where they are given; 1 or more.
    :raises AssertionError: it is another number. :raises ValueError: less than 1.
    """
    if n < 1:
        raise ValueError(f"assert_dead_lettered(run, {n}): give 1 or more; see assert_recovered")
    what = (f" of {_step_name(step)}" if step is not None else "") + (
        f" as {kind}" if kind is not None else ""
    )
    wanted = f"a completed run with {n} set aside{what}"
    if run.status != "completed":
        _fail(run, wanted, f"it is {run.status}")
    kinds = {(one.call_id): one.kind for one in run.failures}  # the last one of a call counts
    found = [
        one
        for one in _letters(run)
        if (step is None or _is_step(one["step"], step))
        and (kind is None or kinds.get(one["id"]) == kind)
    ]
    if len(found) != n:
        shown = ", ".join(
            f"{one['step']}[{one['item']}] ({kinds.get(one['id'])})" for one in _letters(run)[:5]
        )
        _fail(run, wanted, f"{len(found)} were; set aside are: {shown or 'none'}")


def assert_fired(injector: _Faults, fault: Any = None, *, times: int | None = None) -> None:
    """Faults acted: every one that was added, or this one.

    :param injector: the fixture ``faults``, or a :class:`surefoot.chaos.Injector`.
    :param fault: what ``faults.add(…)`` gave; None: all of them.
    :param times: so often, no more and no less.
    :raises AssertionError: one did not act, with what was reached; or there is none at all.

    >>> from surefoot.chaos import Injector, fault
    >>> assert_fired(Injector([fault("timeout").at("ask")]))
    Traceback (most recent call last):
    AssertionError: not_fired: timeout (builtins) before in ask, always...
    """
    idle = injector.not_fired()
    silent = [one for one in idle if fault is None or one is fault]
    if not injector.faults:
        raise AssertionError("not_fired: no fault was added, so nothing is proved")
    if fault is not None and all(one is not fault for one in injector.faults):
        raise AssertionError(
            f"not_fired: {fault} was never added; give what faults.add(…) returned"
        )
    if silent:
        raise AssertionError(unproved(injector, silent))
    number = len(injector.fired(fault))
    if times is not None and number != times:
        what = str(fault) if fault is not None else "the faults"
        raise AssertionError(
            f"{what} acted {number} times, not {times}\n  reached: {_reached(injector)}"
        )


def unproved(injector: _Faults, silent: Sequence[Any]) -> str:
    """What is said about faults that did not act."""
    names = "; ".join(map(str, silent))
    return (
        f"not_fired: {names}\n  nothing is proved by a fault that did not act\n"
        f"  reached: {_reached(injector)}"
    )


# -- inside ---------------------------------------------------------------------------------------


def _reached(injector: _Faults) -> str:
    told = ", ".join(f"{place} {number}×" for place, number in injector.reached.items())
    return told or "no seam at all; did the run happen in this test's runtime?"


def _letters(run: Run[Any]) -> list[dict[str, Any]]:
    found = [one for one in run.document()["steps"] if one["dead_letter"] == "open"]
    return sorted(
        found, key=lambda one: (one["step"], one["item"] if one["item"] is not None else -1)
    )


def _step_name(step: Any) -> str:
    name = step if isinstance(step, str) else getattr(getattr(step, "spec", None), "name", None)
    if not isinstance(name, str):
        raise TypeError(f"{step!r} is no step: give a @step, an @effect, or its name")
    return name


def _is_step(name: str, step: Any) -> bool:
    """A step that was defined within a function goes by its short name too."""
    return _step_name(step) in (name, name.rpartition("<locals>.")[2])


def _check_result(run: Run[Any], result: Any) -> None:
    if result is not ANYTHING and run.result != result:
        _fail(run, f"the result {short(result)}", f"it returned {short(run.result)}")


def _check_kinds(run: Run[Any], kinds: Iterable[str]) -> None:
    wanted: Collection[str] = {kinds} if isinstance(kinds, str) else set(kinds)
    found = {one.kind for one in run.failures}
    if wanted != found:
        shown = ", ".join(sorted(found)) or "none"
        _fail(run, f"failures of the kinds {', '.join(sorted(wanted))}", f"they were {shown}")


def _fail(run: Run[Any], expected: str, found: str) -> None:
    """:raises AssertionError: always."""
    document = run.document()
    lines = [
        f"run {run.run_id} of {run.workflow}: expected {expected}; {found}",
        "what happened:",
        *timeline(document),
        f"look at it: {next_command(document)}",
    ]
    raise AssertionError("\n".join(lines))
