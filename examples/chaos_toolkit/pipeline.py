"""A payment whose process is killed: the workflow of experiment.json."""

from __future__ import annotations

from surefoot import Happened, NotHappened, effect, idempotency_key, step, workflow
from surefoot.testing import Ledger


@step(stage="ingestion")
def load(orders: int) -> list[int]:
    return list(range(1, orders + 1))


@step(stage="inference")
def price(order: int) -> int:
    return 10 * order


def was_paid(order: int, amount: int) -> Happened[int] | NotHappened:
    """What the payment provider says when it is asked."""
    for entry in Ledger.here().entries("pay"):
        if entry.deed == f"order {order}":
            return Happened(amount)
    return NotHappened()


@effect(key=lambda order, amount: f"pay:{order}", verify=was_paid, stage="postprocessing")
def pay(order: int, amount: int) -> int:
    # the ledger stands for the payment provider, which heeds idempotency keys
    Ledger.here().receive(f"order {order}", key=idempotency_key())
    return amount


@workflow
def shop(orders: int) -> int:
    total = 0
    for order in load(orders):
        total += pay(order, price(order))
    return total
