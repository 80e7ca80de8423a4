"""Did it hold? Counted in the receiver's books, not taken from the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from .shop import Order

__all__ = ["expected_deeds", "expected_undos", "problems"]

FAULTS = ("charge:reset", "ship:422", "refund:503", "release:hold")
"""What must have gone wrong: a saga that nothing disturbed proves nothing."""


def expected_deeds(order: Order, shipped: bool) -> list[str]:
    """The business keys of what is done for an order, in its order."""
    deeds = [f"reserve:{order.id}:{article}" for article in order.articles]
    deeds.append(f"charge:{order.id}:{order.cents} cents")
    if shipped:
        deeds += [f"ship:{order.id}:parcel", f"notify:{order.id}:mail"]
    return deeds


def expected_undos(order: Order) -> list[str]:
    """The same undone, the last one first."""
    undos = [f"refund:{order.id}:{order.cents} cents"]
    return undos + [f"release:{order.id}:{article}" for article in reversed(order.articles)]


def problems(shipped: Order, refused: Order, books: dict[str, Any]) -> Iterable[str]:
    """What is wrong, as sentences; nothing where it held."""
    applied: Sequence[str] = books["applied"]
    expected = {
        shipped.id: expected_deeds(shipped, True),
        refused.id: expected_deeds(refused, False) + expected_undos(refused),
    }
    counts = Counter(applied)
    for order, wanted in expected.items():
        for business in wanted:
            if counts[business] != 1:
                yield f"{business} was done {counts[business]} times, not once"
        found = [one for one in applied if one.split(":")[1] == order]
        beyond = sorted(set(found) - set(wanted))
        if beyond:
            yield f"order {order}: done without need: {', '.join(beyond)}"
        in_order = list(dict.fromkeys(one for one in found if one in wanted))
        if not beyond and in_order != [one for one in wanted if one in found]:
            yield f"order {order}: done in another order: {', '.join(found)}"
    fired = {f"{deed}:{status}" for deed, status in books["asked"]}
    for fault in FAULTS:
        if fault not in fired:
            yield f"the fault {fault} never fired"
