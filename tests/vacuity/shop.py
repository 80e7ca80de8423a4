"""A sound workflow, and bugs that can be planted in it: ``PLANT`` says which.

load → answer (a map) → total, which calls weigh → pay → mail
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from surefoot import Happened, NotHappened, effect, idempotency_key, step, workflow
from surefoot.testing import Ledger

PLANT = os.environ.get("PLANT", "")
PLANTS = ("bare send", "swallowed", "unchecked", "cached", "lost checkpoint", "no fence")


def here() -> Path:
    """The cell's own folder."""
    return Ledger.here().path.parent


@step(stage="ingestion")
def load(n: int) -> list[str]:
    return [f"ticket {number}" for number in range(n)]


@step(stage="inference")
def answer(text: str) -> str:
    return text.upper()


@step(stage="postprocessing")
def weigh(answers: list[str]) -> int:
    return sum(len(one) for one in answers)


@step(stage="postprocessing")
def total(answers: list[str]) -> int:
    if PLANT != "unchecked" and not all(str(one).startswith("TICKET ") for one in answers):
        raise ValueError("an answer is no answer")
    kept = here() / "total.json"
    if PLANT == "cached":
        if kept.exists():
            return int(json.loads(kept.read_text()))
        kept.write_text("0")  # before the work is done
    weight = weigh([str(one) for one in answers])
    if PLANT == "cached":
        kept.write_text(json.dumps(weight))
    return weight


def was_paid(amount: int) -> Happened[int] | NotHappened:
    there = any(one.deed == str(amount) for one in Ledger.here().entries("pay"))
    return Happened(amount) if there else NotHappened()


@effect(key=lambda amount: f"pay:{amount}", verify=was_paid, stage="postprocessing")
def pay(amount: int) -> int:
    Ledger.here().receive(amount)
    return amount


def _send(amount: int) -> str:
    key = idempotency_key() if PLANT != "bare send" else None
    Ledger.here().receive(f"mail {amount}", key=key, effect="mail")
    return "sent"


if PLANT == "bare send":
    mail: Any = step(stage="notification", name="mail")(_send)
else:

    @effect(key=lambda amount: f"mail:{amount}", stage="notification")
    def mail(amount: int) -> str:
        return _send(amount)


@step
def never_called() -> None:
    """Only for an input below 1."""


@workflow
def shop(n: int) -> int:
    if n < 1:
        never_called()
    if PLANT == "broken":
        raise KeyError("price")
    texts = load(n)
    try:
        answers = answer.map(
            texts, workers=1
        ).results  # else which writes there are depends on threads
    except Exception:
        if PLANT != "swallowed":
            raise
        answers = ["TICKET ?"]
    weight = total(answers)
    pay(weight)
    mail(weight)
    return weight


# -- bugs of Surefoot itself, planted in the process that runs the workflow -----------------------


def _lose_checkpoints() -> None:
    """What the journal knows of a payment is gone whenever a process goes on."""
    from surefoot.chaos import child

    before: Callable[..., Any] = child._gone_on

    def gone_on(workflow: Any, runtime: Any, *rest: Any) -> Any:
        journal = here() / "journal.db"
        if journal.exists():
            with closing(sqlite3.connect(journal, isolation_level=None)) as connection:
                connection.execute("DELETE FROM claims WHERE effect = 'pay'")
                connection.execute("DELETE FROM calls WHERE step = 'pay'")
        return before(workflow, runtime, *rest)

    child._gone_on = gone_on


def _take_the_fence_away() -> None:
    """Writes are made whoever holds the run."""
    from surefoot.journal.group_commit import GroupCommit
    from surefoot.journal.writes import FENCE
    from surefoot.store.sqlite import SqliteStore

    before = SqliteStore.transact

    def transact(self: Any, ops: Any) -> Any:
        def open_to_all(op: Any) -> Any:
            def write(tx: Any) -> Any:
                return op(
                    lambda sql, given=(): tx(sql.replace(FENCE, "(? + ?) IS NOT NULL"), given)
                )

            return write

        return before(self, [open_to_all(op) for op in ops])

    SqliteStore.transact = transact  # type: ignore[method-assign]
    # else the process would see with its next commit, before anything of it counts, that it is out
    GroupCommit._look_for_cancel = lambda self, tx: None  # type: ignore[method-assign]


if PLANT == "lost checkpoint":
    _lose_checkpoints()
elif PLANT == "no fence":
    _take_the_fence_away()
