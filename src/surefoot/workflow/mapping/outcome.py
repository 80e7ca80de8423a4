"""What will happen for a kind of failure: the ladder of a step, asked rung by rung of ``decide``.

Nothing is decided here. :func:`surefoot.decide.decide` is asked what it would do when each rung has
been used up; so the map says what a run does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from ...decide import Adapt, Doubt, FallBack, Halt, History, Retry, Skip, decide, limit_of, rungs
from ...model import Classification
from ...policy import MISSING, Adapter, On, Policy, RetryRung

__all__ = ["Outcome", "Place", "adapted", "outcome_of", "seconds", "words_of"]

Ends = Literal["set aside", "default", "value", "raised", "halt"]
"""How a ladder ends where nothing helped: the item of a map is set aside, a default or a constant
stands in, the step around gets the exception, or the run halts."""


@dataclass(frozen=True)
class Place:
    """Where a call stands: in a map, in a step (``inside``), with a ``try`` around it."""

    mapped: bool = False
    inside: str | None = None
    guarded: bool = False


@dataclass(frozen=True)
class Outcome:
    """What is done about one kind of failure. ``ladder`` is for programs, ``words`` for people."""

    ladder: tuple[str, ...]
    words: str
    ends: Ends


def outcome_of(
    classification: Classification,
    policy: Policy,
    place: Place = Place(),
    *,
    exc: BaseException | None = None,
    doubt: Doubt = "none",
) -> Outcome:
    """What ``decide`` would do, from the first failure of this kind to the last.

    :param policy: as the call has it: in a map, under another step's retries.
    :param exc: an exception of the class that an ``on(…)`` names; without it, one of which nothing
        but the kind is known.

    >>> from surefoot.catalog import load
    >>> from surefoot.policy import on
    >>> kind = load().kind("timeout")
    >>> failure = Classification(kind.id, kind.category, True, True, "none", "", kind.ladder, "", "")
    >>> outcome_of(failure, Policy(recover=(on("timeout").fall_back(value=0),))).words
    'tries up to 5 times within 15 min, then goes on with value=0'
    """
    exc = exc or Exception()
    kind = classification.kind
    plain = replace(classification, retries_spent=0, retry_after=None)

    def next_after(history: History) -> Any:
        return decide(plain, exc, policy, history, 0.0, _at_once, doubt)

    history = History(0.0).after(plain, 0.0)
    ladder: list[str] = []
    words: list[str] = []
    decision = next_after(history)
    chosen = rungs(plain, exc, policy)
    if isinstance(decision, Retry) and chosen.retry is not None:
        limit = limit_of(chosen.retry, policy)
        ladder.append(_retry_rung(chosen.retry, limit, policy))
        words.append(_tries(chosen.retry, limit, policy))
        history = history._replace(spent=((kind, limit),))
        decision = next_after(history)
    if isinstance(decision, Adapt) and chosen.adapt is not None:
        names = ", ".join(adapted(name, one) for name, one in decision.adapters.items())
        ladder.append(f"adapt({names}, rounds={chosen.adapt.rounds})")
        words.append(f"changes {names} (up to {_counted(chosen.adapt.rounds, 'round')})")
        history = history.unchanged(kind)
        decision = next_after(history)
    while isinstance(decision, FallBack):
        name = decision.to.name
        ladder.append(f"fall_back({name})")
        if decision.to.form == "value":
            words.append(f"goes on with {name}")
            return Outcome(tuple(ladder), ", then ".join(words), "value")
        words.append(f"falls back to {name}")
        history = history._replace(used=(*history.used, decision.to))
        decision = next_after(history)
    if isinstance(decision, Skip):
        ladder.append(
            "skip" if decision.default is MISSING else f"skip(default={decision.default!r})"
        )
        if decision.default is MISSING:
            words.append("sets the item aside")
            return Outcome(tuple(ladder), ", then ".join(words), "set aside")
        words.append(f"goes on with {decision.default!r}")
        return Outcome(tuple(ladder), ", then ".join(words), "default")
    assert isinstance(decision, Halt)
    ladder.append("halt")
    end, ends = _halts(decision, place)
    words.append(end if words else f"{end} at once")
    return Outcome(tuple(ladder), ", then ".join(words), ends)


def _at_once(low: float, high: float) -> float:
    """The shortest waits: how long a ladder takes is no question of the map."""
    return low


def _halts(decision: Halt, place: Place) -> tuple[str, Ends]:
    as_kind = f" as {decision.kind}" if decision.kind is not None else ""
    if place.inside is not None:
        return f"fails{as_kind} into {place.inside}, whose ladder goes on", "raised"
    unless = " unless the try around it goes on" if place.guarded else ""
    if place.mapped:
        return f"stops the map and halts the run{as_kind}{unless}", "halt"
    return f"halts the run{as_kind}{unless}", "halt"


def _within(rung: RetryRung, policy: Policy) -> float | None:
    """Seconds after which no retry starts: the deadline bounds them, too."""
    bounds = [one for one in (rung.within, policy.deadline) if one is not None]
    return min(bounds, default=None)


def _retry_rung(rung: RetryRung, limit: int, policy: Policy) -> str:
    backoff = rung.backoff or policy.backoff
    within = _within(rung, policy)
    parts = [f"attempts={limit}"]
    if within is not None:
        parts.append(f"within={within:g}")
    parts += [f"base={backoff.base:g}", f"cap={backoff.cap:g}"]
    return f"retry({', '.join(parts)})"


def _tries(rung: RetryRung, limit: int, policy: Policy) -> str:
    within = _within(rung, policy)
    return f"tries up to {_counted(limit, 'time')}" + (
        f" within {seconds(within)}" if within else ""
    )


def _counted(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def adapted(name: str, adapter: Adapter) -> str:
    """``prompt (truncate(ratio=0.7, minimum=1))``: an argument, and by what it is changed."""
    by = getattr(adapter, "__qualname__", None) or repr(adapter)
    return f"{name} ({by})" if "<lambda>" not in by else name


def words_of(one: On) -> str:
    """An ``on(…)`` of a step, as it was written.

    >>> from surefoot.policy import on
    >>> words_of(on("rate_limited").retry(attempts=8, within=600).skip())
    'on(rate_limited): retry(attempts=8, within=600) → skip'
    """
    rungs_: list[str] = []
    if one.retry_rung is not None:
        given = [("attempts", one.retry_rung.attempts), ("within", one.retry_rung.within)]
        if one.retry_rung.backoff is not None:
            given += [("base", one.retry_rung.backoff.base), ("cap", one.retry_rung.backoff.cap)]
        told = ", ".join(f"{name}={value:g}" for name, value in given if value is not None)
        rungs_.append(f"retry({told})")
    if one.adapt_rung is not None:
        names = ", ".join(adapted(*each) for each in one.adapt_rung.adapters.items())
        rungs_.append(f"adapt({names}, rounds={one.adapt_rung.rounds})")
    if one.fallbacks:
        rungs_.append(f"fall_back({', '.join(to.name for to in one.fallbacks)})")
    if one.skip_rung is not None:
        default = one.skip_rung.default
        rungs_.append("skip" if default is MISSING else f"skip(default={default!r})")
    if one.halts:
        rungs_.append("halt")
    what = ", ".join(w if isinstance(w, str) else w.__qualname__ for w in one.what)
    return f"on({what}): {' → '.join(rungs_) or 'nothing of its own'}"


def seconds(number: float) -> str:
    """
    >>> seconds(0.25), seconds(90), seconds(900), seconds(5400)
    ('0.25 s', '90 s', '15 min', '1.5 h')
    """
    if number <= 90:
        return f"{number:g} s"
    return f"{number / 60:.3g} min" if number < 3600 else f"{number / 3600:.3g} h"
