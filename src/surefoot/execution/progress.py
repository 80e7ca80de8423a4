"""How far up its ladder a call had come when its process died, read off its recorded failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..attempts import Progress
from ..clock import Clock
from ..codec import decode
from ..decide import History
from ..errors import SurefootError
from ..journal import FailureRecord
from ..policy import Fallback, Policy, Split
from .spec import StepSpec

__all__ = ["climbed"]


def climbed(
    spec: StepSpec, policy: Policy, rows: Sequence[FailureRecord], clock: Clock
) -> tuple[History, Progress | None]:
    """The history of a call, and the rung from which it goes on.

    :param rows: its failures since it last began afresh, oldest first; at least one.
    """
    rows = _before_parts(rows)
    fallbacks = {fallback.name: fallback for one in policy.recover for fallback in one.fallbacks}
    used = [fallbacks[row.fallback_to] for row in rows if row.fallback_to in fallbacks]
    # a fallback was a new beginning: its failures are counted as its own
    fell = [number for number, row in enumerate(rows) if row.decision == "fall_back"]
    own = rows[fell[-1] + 1 :] if fell else rows
    now, wall = clock.monotonic(), clock.now()
    spent: dict[str, int] = {}
    first: dict[str, float] = {}
    rounds: dict[str, int] = {}
    for row in own:
        spent[row.kind] = spent.get(row.kind, 0) + 1
        first.setdefault(row.kind, now - max(0.0, wall - row.at))
        if row.decision == "adapt":
            rounds[row.kind] = rounds.get(row.kind, 0) + 1
    history = History(
        now, tuple(spent.items()), tuple(first.items()), tuple(rounds.items()), used=tuple(used)
    )
    return history, _progress(policy, rows[-1], fallbacks)


def _before_parts(rows: Sequence[FailureRecord]) -> Sequence[FailureRecord]:
    """The failures up to the one that split an argument. Those after it are of single parts, whose
    arguments are not the call's and whose results are gone: the parts begin anew."""
    for number, row in enumerate(rows):
        if row.decision == "adapt" and _kept(row)["split"] is not None:
            return rows[: number + 1]
    return rows


def _kept(row: FailureRecord) -> dict[str, Any]:
    nothing: dict[str, Any] = {"changes": {}, "split": None}
    if row.changes_kept is None:
        return nothing
    try:
        kept: dict[str, Any] = decode("json", row.changes_kept)
    except SurefootError:  # a class that is gone: it adapts anew
        return nothing
    return kept


def _progress(
    policy: Policy, last: FailureRecord, fallbacks: dict[str, Fallback]
) -> Progress | None:
    fallback = fallbacks.get(last.fallback_to or last.fallback or "")
    kept = _kept(last)
    changes: dict[str, Any] = kept["changes"]
    split = _splitter(policy, kept["split"]) if kept["split"] is not None else None
    if not changes and fallback is None and split is None:
        return None
    return Progress(changes, fallback, split)


def _splitter(policy: Policy, name: str) -> tuple[str, Split] | None:
    for one in policy.recover:
        adapter = one.adapt_rung.adapters.get(name) if one.adapt_rung is not None else None
        if isinstance(adapter, Split):
            return name, adapter
    return None
