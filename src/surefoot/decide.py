"""(classification, policy, history, now, chance) → decision. Pure: no I/O, no clock, no dice.

The ladder is always climbed in one order: retry → adapt → fall back → skip → halt. For each rung the
most specific ``on`` of the step counts; a rung that none names comes from the catalog.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from .clock import Chance
from .model import Classification, Rung, RungName
from .policy import (
    DEFAULT_ATTEMPTS,
    MISSING,
    Adapter,
    AdaptRung,
    Backoff,
    Fallback,
    On,
    Policy,
    RetryRung,
    SkipRung,
)

__all__ = [
    "Adapt",
    "Decision",
    "Doubt",
    "FallBack",
    "Halt",
    "History",
    "Retry",
    "Rungs",
    "Settled",
    "Skip",
    "decide",
    "limit_of",
    "rungs",
]

PASSING = frozenset({"cancelled", "control_flow"})
"""Kinds that are no failures: they pass through untouched."""

UNREACHED = frozenset({"bug", "cancelled", "control_flow"})
"""Kinds that ``on(Exception)`` never reaches."""

SPLITTING = frozenset(
    (
        *("gpu_out_of_memory", "host_out_of_memory", "payload_too_large"),
        *("context_length_exceeded", "output_truncated", "content_filtered", "malformed_output"),
        *("unexpected_output", "numerical_error", "missing_value", "schema_mismatch"),
        *("invalid_value", "corrupt_file", "encoding_error", "parse_error", "empty_data"),
    )
)
"""Kinds of a batch that fewer items may not have: what is too large, and what one item is to blame for."""

CRITICAL_RULE = "surefoot.critical"
"""The rule of WorkflowCriticalError: nothing overrides it."""

BUDGET_RULE = "surefoot.budget_exceeded"
"""The rule of a run's own ``max_cost``: no item is set aside for it, the run halts."""

Doubt = Literal["none", "key", "rerun", "open"]
"""What is known of a failed effect: ``none`` surely not done (or it is a step), ``key`` perhaps done
but its receiver knows the key, ``rerun`` perhaps done and the user wants it tried again all the same,
``open`` perhaps done."""


class Retry(NamedTuple):
    """The same again after ``after`` seconds."""

    after: float
    reason: str


class Adapt(NamedTuple):
    """Change arguments by ``adapters``, then at once again."""

    adapters: Mapping[str, Adapter]
    round: int
    reason: str


class FallBack(NamedTuple):
    to: Fallback
    reason: str


class Skip(NamedTuple):
    """Set the item aside, or go on with ``default``."""

    default: Any
    reason: str


class Halt(NamedTuple):
    """Nothing is left. ``kind`` is the reason's kind where it is not the failure's own."""

    reason: str
    kind: str | None = None


class Settled(NamedTuple):
    """An effect's attempt failed, and its verify found that it had happened all the same."""

    reason: str


Decision = Settled | Retry | Adapt | FallBack | Skip | Halt


class History(NamedTuple):
    """What one call has gone through. Times are seconds of the monotonic clock.

    ``spent`` counts the tries of each kind, those made inside a client library included.
    """

    started: float
    spent: tuple[tuple[str, int], ...] = ()
    first: tuple[tuple[str, float], ...] = ()
    rounds: tuple[tuple[str, int], ...] = ()
    exhausted: frozenset[str] = frozenset()
    used: tuple[Fallback, ...] = ()

    def after(self, classification: Classification, now: float) -> History:
        """This history with one more failure."""
        kind = classification.kind
        spent = dict(self.spent)
        spent[kind] = spent.get(kind, 0) + 1 + classification.retries_spent
        first = dict(self.first)
        first.setdefault(kind, now)
        return self._replace(spent=tuple(spent.items()), first=tuple(first.items()))

    def adapted(self, kind: str) -> History:
        rounds = dict(self.rounds)
        rounds[kind] = rounds.get(kind, 0) + 1
        return self._replace(rounds=tuple(rounds.items()))

    def unchanged(self, kind: str) -> History:
        """The adapters changed nothing: that rung is at its end."""
        return self._replace(exhausted=self.exhausted | {kind})

    def fell_back(self, to: Fallback) -> History:
        """A fallback is a new beginning: its failures are counted as its own."""
        return History(started=self.started, used=(*self.used, to))


def decide(
    classification: Classification,
    exc: BaseException,
    policy: Policy,
    history: History,
    now: float,
    chance: Chance,
    doubt: Doubt = "none",
    cost: float = 0.0,
    may_retry: bool = True,
) -> Decision:
    """What happens now.

    :param history: with this failure already in it (see :meth:`History.after`).
    :param now: seconds of the clock that ``history`` was made with.
    :param cost: US dollars that the call's attempts have cost so far.
    :param may_retry: whether the retry budget of its resource has room for one more.
    """
    kind = classification.kind
    if kind in PASSING:
        return Halt(f"{kind} is no failure; it passes through")
    if classification.rule == CRITICAL_RULE:
        return Halt("the code itself said that a person must act")
    if classification.rule == BUDGET_RULE:
        return Halt("the run has cost as much as its max_cost allows")
    if doubt == "open":
        return Halt(
            "the effect may have happened, and nothing can tell: give it verify=, or have its body "
            "pass on idempotency_key(), or say on_doubt='rerun'",
            kind="in_doubt",
        )
    left = None if policy.deadline is None else history.started + policy.deadline - now
    if left is not None and left <= 0:
        return Halt(f"its deadline of {policy.deadline:g} s has passed", kind="deadline_exceeded")
    if policy.max_cost is not None and cost >= policy.max_cost:
        return Halt(
            f"its attempts have cost ${cost:.4g}, and max_cost is ${policy.max_cost:.4g}",
            kind="budget_exceeded",
        )

    chosen = rungs(classification, exc, policy)
    reasons: list[str] = []

    retry = chosen.retry
    if retry is not None:
        verdict = _retry(retry, classification, policy, history, now, left, chance)
        if isinstance(verdict, Retry):
            if may_retry:
                return verdict
            verdict = "the retry budget of its resource is used up"
        reasons.append(verdict)
    else:
        reasons.append(f"{kind} is not retried")

    if doubt != "none":
        # what may have happened may be repeated under its key, never changed or left out
        return Halt("; ".join([*reasons, "the effect may have happened"]), kind="in_doubt")

    adapt = chosen.adapt
    if adapt is not None and kind not in history.exhausted:
        done = dict(history.rounds).get(kind, 0)
        if done < adapt.rounds:
            return Adapt(adapt.adapters, done + 1, f"round {done + 1} of {adapt.rounds}")
        reasons.append(f"adapted {done} times")
    elif adapt is not None:
        reasons.append("adapting changes nothing more")

    for to in chosen.fallbacks:
        if to not in history.used:
            return FallBack(to, "; ".join(reasons))
    if chosen.fallbacks:
        reasons.append("no fallback is left")

    if policy.in_batch and kind in SPLITTING:
        return Halt("; ".join([*reasons, "its items are tried in two halves"]), kind="split")
    if chosen.skip is not None:
        if policy.in_map:
            return Skip(chosen.skip.default, "; ".join(reasons))
        if chosen.skip.default is not MISSING:
            return Skip(chosen.skip.default, "; ".join(reasons))
        reasons.append("skip() outside a map needs skip(default=…)")
    return Halt("; ".join(reasons))


class Rungs(NamedTuple):
    """What may be tried for a failure, the step's own words and the catalog's put together."""

    retry: RetryRung | None
    adapt: AdaptRung | None
    fallbacks: tuple[Fallback, ...]
    skip: SkipRung | None


def rungs(classification: Classification, exc: BaseException, policy: Policy) -> Rungs:
    """The rungs that apply: the step's own by specificity, else the catalog's.

    Whether each is climbed is for :func:`decide` to say; a failure map tells both.
    """
    kind = classification.kind
    scored: list[tuple[int, On]] = []
    for one in policy.recover:
        score = one.specificity(kind, exc)
        if score == 0 or (score < 1_000 and kind in UNREACHED and _only_broad(one, exc)):
            continue
        scored.append((score, one))
    scored.sort(key=lambda pair: -pair[0])  # stable: the first listed wins a tie
    ordered = [one for _, one in scored]

    def first(has: RungName) -> On | None:
        """The closest ``on`` that names this rung, or that ends the ladder before it."""
        for one in ordered:
            if one.halts or _names(one, has):
                return one
        return None

    catalog = {rung.name: rung for rung in classification.ladder}
    own = first("retry")
    retry: RetryRung | None
    if own is not None:
        retry = own.retry_rung
    else:
        retry = _catalog_retry(catalog.get("retry"), policy) if classification.retryable else None
    own = first("adapt")
    adapt = own.adapt_rung if own is not None else None
    own = first("fall_back")
    fallbacks = own.fallbacks if own is not None else ()
    own = first("skip")
    skip: SkipRung | None
    if own is not None:
        skip = own.skip_rung
    else:
        skip = SkipRung() if policy.quarantine and "skip" in catalog else None
    return Rungs(retry, adapt, fallbacks, skip)


def _only_broad(one: On, exc: BaseException) -> bool:
    """Whether this ``on`` fits by Exception or BaseException alone."""
    return not any(
        isinstance(what, type) and what not in (Exception, BaseException) and isinstance(exc, what)
        for what in one.what
    )


def _names(one: On, rung: RungName) -> bool:
    return {
        "retry": one.retry_rung is not None,
        "adapt": one.adapt_rung is not None,
        "fall_back": bool(one.fallbacks),
        "skip": one.skip_rung is not None,
    }[rung]


def _catalog_retry(rung: Rung | None, policy: Policy) -> RetryRung | None:
    if rung is None:
        # retryable by its rule, though its kind as a rule is not: the step's own numbers
        return RetryRung(attempts=policy.attempts)
    attempts = policy.attempts
    if rung.attempts is not None:
        # what the catalog calls careful stays careful, whatever the step asks for in general
        attempts = min(rung.attempts, attempts or rung.attempts)
    backoff = Backoff(
        policy.backoff.base if rung.base is None else rung.base,
        policy.backoff.cap if rung.cap is None else rung.cap,
        policy.backoff.factor,
    )
    return RetryRung(attempts, rung.within, backoff)


def limit_of(rung: RetryRung, policy: Policy) -> int:
    """How often a call is tried in all while it fails with one kind.

    >>> limit_of(RetryRung(attempts=8), Policy()), limit_of(RetryRung(), Policy())
    (8, 5)
    """
    return rung.attempts or policy.attempts or DEFAULT_ATTEMPTS


def _retry(
    rung: RetryRung,
    classification: Classification,
    policy: Policy,
    history: History,
    now: float,
    left: float | None,
    chance: Chance,
) -> Retry | str:
    """A retry, or why there is none."""
    kind = classification.kind
    if policy.once:
        return "the step around it owns the retries"
    if policy.effect and kind == "unknown":
        return "an effect is not tried again after a failure that nobody knows"
    spent = dict(history.spent)[kind]
    limit = limit_of(rung, policy)
    if spent >= limit:
        times = "once" if spent == 1 else f"{spent} times"
        return f"tried {times} as {kind} (the limit is {limit})"
    backoff = rung.backoff or policy.backoff
    wait = backoff.wait(spent, chance)
    asked = classification.retry_after
    if asked is not None:
        # never earlier than the server says; a little later, so that not all come at once
        wait = asked + chance(0.0, min(1.0, asked * 0.1))
    if left is not None and wait >= left:
        return f"the wait of {wait:.3g} s is longer than the {left:.3g} s left of its deadline"
    if rung.within is not None:
        elapsed = now - dict(history.first)[kind]
        if elapsed + wait >= rung.within:
            return f"the next try would be later than {rung.within:g} s after the first failure"
    said = f", as the server asked ({asked:g} s)" if asked is not None else ""
    return Retry(wait, f"try {spent + 1} of {limit}{said}")
