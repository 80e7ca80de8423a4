"""A workflow of four steps, small enough for all pairs of kills: load → score (a map) → pay → mail."""

from __future__ import annotations

from surefoot import Happened, NotHappened, effect, idempotency_key, step, workflow
from surefoot.testing import Ledger


@step(stage="ingestion")
def load(n: int) -> list[int]:
    return list(range(n))


@step(stage="inference")
def score(number: int) -> int:
    return number * number


def was_paid(amount: int) -> Happened[int] | NotHappened:
    there = any(one.deed == str(amount) for one in Ledger.here().entries("pay"))
    return Happened(amount) if there else NotHappened()


@effect(key=lambda amount: f"pay:{amount}", verify=was_paid, stage="postprocessing")
def pay(amount: int) -> int:
    Ledger.here().receive(amount)  # a receiver that knows no keys: it is asked
    return amount


def was_mailed(amount: int) -> Happened[str] | NotHappened:
    there = any(one.deed == str(amount) for one in Ledger.here().entries("mail"))
    return Happened("sent") if there else NotHappened()


@effect(key=lambda amount: f"mail:{amount}", verify=was_mailed, stage="notification")
def mail(amount: int) -> str:
    Ledger.here().receive(amount, key=idempotency_key())
    return "sent"


@workflow
def four(n: int) -> int:
    amount = pay(sum(score.map(load(n)).results))
    mail(amount)
    return amount
