"""The saga: reserve the stock → charge the card → create the shipment → notify the customer.

Each deed has a key that names it, a ``verify`` that asks the other side, and an undo. Where an order
cannot be shipped, ``rollback="on_halt"`` undoes what was done for it, the last one first.

    SHOP_URL=http://127.0.0.1:… python -m examples.payment_saga.shop place  RUN order.json
    SHOP_URL=http://127.0.0.1:… python -m examples.payment_saga.shop undo   RUN
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from surefoot import Happened, NotHappened, Run, effect, idempotency_key, workflow


@dataclass(frozen=True)
class Order:
    id: str
    articles: list[str]
    cents: int
    address: str


def tell(deed: str, order: Order, subject: str, **more: Any) -> str:
    """Ask the other side for one deed under the running effect's key; gives its receipt."""
    response = httpx.post(
        f"{os.environ['SHOP_URL']}/{deed}",
        json={"order": order.id, "subject": subject, **more},
        headers={"Idempotency-Key": idempotency_key()},
        timeout=10.0,
    )
    response.raise_for_status()
    receipt: str = response.json()["receipt"]
    return receipt


def looked_up(*_: Any, **__: Any) -> Happened[str] | NotHappened:
    """Whether the other side has applied this key: asked before anything is done a second time."""
    response = httpx.get(
        f"{os.environ['SHOP_URL']}/deeds", params={"key": idempotency_key()}, timeout=10.0
    )
    response.raise_for_status()
    receipt = response.json()["receipt"]
    return NotHappened() if receipt is None else Happened(receipt)


# -- what is done, and how it is undone -----------------------------------------------------------


def release(receipt: str, order: Order, article: str) -> None:
    tell("release", order, article, receipt=receipt)


@effect(
    key=lambda order, article: f"{order.id}:{article}",
    verify=looked_up,
    compensate=release,
    stage="postprocessing",
)
def reserve(order: Order, article: str) -> str:
    return tell("reserve", order, article)


def refund(receipt: str, order: Order) -> None:
    tell("refund", order, f"{order.cents} cents", receipt=receipt)


@effect(
    key=lambda order: f"{order.id}", verify=looked_up, compensate=refund, stage="postprocessing"
)
def charge(order: Order) -> str:
    return tell("charge", order, f"{order.cents} cents")


@effect(key=lambda order: f"{order.id}:parcel", verify=looked_up, stage="postprocessing")
def ship(order: Order) -> str:
    return tell("ship", order, "parcel", address=order.address)


@effect(key=lambda order, parcel: f"{order.id}:mail", verify=looked_up, stage="notification")
def notify(order: Order, parcel: str) -> str:
    return tell("notify", order, "mail", parcel=parcel)


@workflow(rollback="on_halt")
def checkout(order: Order) -> str:
    for article in order.articles:
        reserve(order, article)
    charge(order)
    parcel = ship(order)
    notify(order, parcel)
    return parcel


# -- a process of its own: the one that is killed, and the one that finishes ------------------------


def main() -> int:
    logging.basicConfig(level=logging.CRITICAL)  # run.py tells the story
    action, run_id, *rest = sys.argv[1:]
    run: Run[str]
    if action == "place":
        fields = json.loads(Path(rest[0]).read_text(encoding="utf-8"))
        run = checkout.with_options(run_id=run_id).start(Order(**fields))
    else:
        run = checkout.rollback(run_id)
    told = {"status": run.status, "undone": [[one.step, one.state] for one in run.undone]}
    print(json.dumps(told))
    return 0 if run.status in ("completed", "rolled_back") else 1


if __name__ == "__main__":
    sys.exit(main())
