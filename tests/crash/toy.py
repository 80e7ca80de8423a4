"""A toy pipeline with everything that can be killed, and the function that a child process runs.

Every body notes its begin and its end in the ledger, and every effect acts on the ledger's receiver:
these, too, are points at which the process may be killed.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surefoot import (
    Happened,
    NotHappened,
    Runtime,
    WorkflowCriticalError,
    WorkflowRetryError,
    current,
    effect,
    halve,
    idempotency_key,
    on,
    split,
    step,
    workflow,
)
from surefoot.config import Config
from surefoot.workflow.run import Run
from tests.crash import plants
from tests.support.clocks import HurriedClock
from tests.support.failing import CtrlC, Failing
from tests.support.killer import Killer
from tests.support.ledger import Ledger


class Unlucky(Exception):
    """The workflow catches it."""


class Broken(Exception):
    """An item that cannot be mended."""


@dataclass
class World:
    """What is around a child: set once, by :func:`go`."""

    ledger: Ledger
    person_says_rerun: bool


WORLD: World


def warm_up() -> None:
    """Run it all once, before the nursery forks: what is loaded lazily is then there."""
    for program in PROGRAMS:
        with tempfile.TemporaryDirectory() as folder:
            go(folder, program)


@contextmanager
def body(what: str, beside: bool = False, **more: bool) -> Iterator[None]:
    """Note the begin and the end of a step's body, with the call that it belongs to.

    :param beside: other calls of its scope run at the same time, as the items of a map do.
    :param more: ``part``: one of several bodies whose results are kept together, as one call's.
        ``ends_it``: its failure ends the run; until that is written, nobody knows that it was not
        caught, and it is tried once more.
    """
    here = current()
    fields = {
        "what": what,
        "run": here.run_id,
        "call": here.call_id,
        "attempt": here.attempt,
        "pid": os.getpid(),
        "beside": beside or here.item is not None,
        **more,
    }
    WORLD.ledger.note("begin", **fields)
    try:
        yield
    except Exception:
        WORLD.ledger.note("raised", **fields)
        raise
    WORLD.ledger.note("end", **fields)


def put(what: str, deed: Any, key: str | None, beside: bool = False) -> None:
    with body(what, beside):
        WORLD.ledger.receive(what, deed, key)


# -- the parts ------------------------------------------------------------------------------------


@step(stage="ingestion")
def load(n: int) -> list[int]:
    with body("load"):
        return list(range(n))


@step
def inner(x: int) -> int:
    with body("inner"):
        return 10 * x


@step
def outer(x: int) -> int:
    with body("outer"):
        return inner(x) + inner(x + 1)


@step(attempts=2, recover=[on(Unlucky).retry(attempts=2)])
def flaky(x: int) -> str:
    with body("flaky"):
        raise Unlucky(f"no luck with {x}")


@step(recover=[on(Broken).skip()])
def convert(x: int) -> int:
    with body("convert"):
        if x == 1 and current().attempt == 1:
            raise WorkflowRetryError("not yet")
        if x == 2:
            raise Broken("cannot be mended")
        return 2 * x


@step
def total(values: list[int]) -> int:
    with body("total"):
        return sum(values)


@step
def essay(length: int) -> str:
    """Its checkpoint is a file."""
    with body("essay"):
        return "x" * length


@effect(key=lambda order, amount: f"charge:{order}")
def charge(order: int, amount: int) -> str:
    """The receiver knows the key: a repetition is received twice and applied once."""
    put("charge", order, idempotency_key())
    return f"receipt {order}"


def row_is_there(row: int, value: int) -> Happened[str] | NotHappened:
    there = any(line["deed"] == row for line in WORLD.ledger.acts("row"))
    return Happened(f"row {row}") if there else NotHappened()


@effect(key=lambda row, value: f"row:{row}", verify=row_is_there)
def insert_row(row: int, value: int) -> str:
    """The receiver applies all that it gets; but one can look whether it did."""
    put("row", row, None)
    return f"row {row}"


@effect
def mail(text: str) -> str:
    """It has no key of its own and passes on the one that it is given."""
    put("mail", text, idempotency_key())
    return f"sent {text}"


@effect(key=lambda item: f"label:{item}")
def label(item: int) -> str:
    """An effect that is mapped."""
    put("label", item, idempotency_key())
    return f"label {item}"


@effect(key=lambda n: f"refused:{n}")
def refused(n: int) -> str:
    """Its first attempt surely does nothing."""
    with body("refused"):
        key = idempotency_key()
        if current().attempt == 1:
            raise ConnectionRefusedError(111, "Connection refused")
        WORLD.ledger.receive("refused", n, key)
    return f"refused {n}"


@effect(key=lambda n: f"unheard:{n}")
def unheard(n: int) -> str:
    """It acts and does not hear of it; what is done again carries the same key."""
    with body("unheard"):
        if WORLD.ledger.receive("unheard", n, idempotency_key()):
            raise TimeoutError("no answer")
    return f"unheard {n}"


def unheard_row_is_there(row: int) -> Happened[str] | NotHappened:
    there = any(line["deed"] == row for line in WORLD.ledger.acts("unheard_row"))
    return Happened(f"row {row}") if there else NotHappened()


@effect(key=lambda row: f"unheard_row:{row}", verify=unheard_row_is_there)
def unheard_row(row: int) -> str:
    """It acts and does not hear of it; but one can look."""
    with body("unheard_row"):
        WORLD.ledger.receive("unheard_row", row, None)
        raise TimeoutError("no answer")


@workflow
def shaky(n: int) -> dict[str, Any]:
    """Effects that fail, in each of the ways that may be tried again."""
    return {
        "refused": settled(refused)(n),
        "unheard": settled(unheard)(n),
        "row": unheard_row(n),
        "labels": settled(refused).map([8, 9], workers=1).results,
    }


# -- the ladder -----------------------------------------------------------------------------------


class TooBig(Exception):
    """Half of it would do."""


@step(recover=[on(TooBig).adapt(size=halve(minimum=1))])
def sized(size: int) -> int:
    with body("sized"):
        if size > 2:
            raise TooBig(size)
        return size


@step(recover=[on(TooBig).adapt(values=split())])
def parts(values: list[int]) -> list[int]:
    with body("parts", part=len(values) == 1):
        if len(values) > 1:
            raise TooBig(len(values))
        return [10 * value for value in values]


def elsewhere(n: int) -> str:
    """Something to fall back on; it stumbles, too."""
    with body("elsewhere"):
        if current().attempt < 3:
            raise WorkflowRetryError("not yet")
        return f"elsewhere {n}"


@step(attempts=3, recover=[on(Broken).fall_back(elsewhere)])
def falls(n: int) -> str:
    with body("falls"):
        raise Broken("cannot be mended")


@step
def batched(values: list[int]) -> list[int]:
    with body("batched"):
        if len(values) > 1 and 3 in values:
            raise ValueError("one of them is to blame")
        return [100 * value for value in values]


@workflow
def climb(n: int) -> dict[str, Any]:
    """Every rung that changes something."""
    return {
        "sized": sized(4 * n),
        "parts": parts(list(range(n))),
        "falls": falls(n),
        "batched": batched.map(range(4), batch=2, workers=1).results,
    }


# -- a saga ---------------------------------------------------------------------------------------


def unbook(receipt: str, seat: int) -> None:
    put("unbook", seat, idempotency_key())


@effect(key=lambda seat: f"book:{seat}", compensate=unbook, on_doubt="rerun")
def book(seat: int) -> str:
    put("book", seat, idempotency_key())
    return f"seat {seat}"


def unpay(receipt: str) -> None:
    put("unpay", receipt, idempotency_key())


def paid(order: int) -> Happened[str] | NotHappened:
    there = any(line["deed"] == order for line in WORLD.ledger.acts("pay"))
    return Happened(f"paid {order}") if there else NotHappened()


@effect(key=lambda order: f"pay:{order}", verify=paid, compensate=unpay, on_doubt="rerun")
def pay(order: int) -> str:
    put("pay", order, None)
    return f"paid {order}"


@step
def fly(n: int) -> str:
    with body("fly", ends_it=True):
        raise WorkflowCriticalError("the airport is closed")


@workflow(rollback="on_halt")
def saga(n: int) -> str:
    book(n)
    pay(n)
    book(n + 1)
    return fly(n)


def settled(made: Any) -> Any:
    """The effect as it is; or, once a person has looked, the same with her word."""
    return made.with_options(on_doubt="rerun") if WORLD.person_says_rerun else made


@workflow
def pipeline(n: int) -> dict[str, Any]:
    numbers = load(n)
    nested = outer(n)
    try:
        caught = flaky(n)
    except Unlucky as exc:
        caught = f"caught: {exc}"
    batch = convert.map(numbers, workers=2)
    whole = total(batch.results)
    return {
        "nested": nested,
        "caught": caught,
        "converted": batch.indexed(),
        "aside": [one.index for one in batch.quarantined],
        "total": whole,
        "essay": len(essay(70_000)),
        "receipt": settled(charge)(7, whole),
        "row": insert_row(7, whole),
        "mail": settled(mail)("hello"),
        "labels": settled(label).map([1, 2], workers=2).results,
    }


@workflow
def second(whole: int) -> dict[str, Any]:
    """Another run with the same keys: it gets what the first one did."""
    return {"receipt": settled(charge)(7, whole), "row": insert_row(7, whole), "own": outer(1)}


@workflow
def small(n: int) -> dict[str, Any]:
    """For pairs of kills: the least that has a step, a map and effects of each honest kind."""
    numbers = load(n)
    batch = convert.map([10 + number for number in numbers], workers=1)
    whole = total(batch.results)
    return {"row": insert_row(1, whole), "receipt": settled(charge)(1, whole)}


# -- the same in async ----------------------------------------------------------------------------


@step
async def convert_async(x: int) -> int:
    with body("convert_async"):
        if x == 1 and current().attempt == 1:
            raise WorkflowRetryError("not yet")
        return 2 * x


@step
async def outer_async(x: int) -> int:
    with body("outer_async"):
        return await convert_async(x) + await convert_async(x + 1)


@effect(key=lambda order: f"charge_async:{order}")
async def charge_async(order: int) -> str:
    put("charge_async", order, idempotency_key(), beside=True)
    return f"receipt {order}"


@effect(key=lambda row: f"row_async:{row}", verify=lambda row: row_is_there_async(row))
async def insert_row_async(row: int) -> str:
    put("row_async", row, None, beside=True)
    return f"row {row}"


def row_is_there_async(row: int) -> Happened[str] | NotHappened:
    there = any(line["deed"] == row for line in WORLD.ledger.acts("row_async"))
    return Happened(f"row {row}") if there else NotHappened()


@workflow
async def pipeline_async(n: int) -> dict[str, Any]:
    import asyncio

    batch = await convert_async.map(range(n), workers=2)
    nested = await outer_async(3)
    receipt, row = await asyncio.gather(settled(charge_async)(7), insert_row_async(7))
    return {"results": batch.results, "nested": nested, "receipt": receipt, "row": row}


# -- what a child does ----------------------------------------------------------------------------


@workflow
def careless(n: int) -> dict[str, Any]:
    """It catches whatever comes, as many workflows do."""
    told: dict[str, Any] = {}
    for name, part in (
        ("load", lambda: load(n)),
        ("outer", lambda: outer(n)),
        ("row", lambda: insert_row(3, n)),
        ("again", lambda: insert_row(3, n)),
        ("nested", lambda: pays(4)),
        ("map", lambda: convert.map([20, 21], workers=2).results),
    ):
        try:
            told[name] = part()
        except Exception as exc:
            told[name] = f"caught {type(exc).__name__}"
    return told


@step
def pays(n: int) -> str:
    """An effect in a step that is tried again."""
    with body("pays"):
        return insert_row(n, n)


PROGRAMS: dict[str, list[tuple[Any, str, int]]] = {
    "whole": [(pipeline, "one", 4), (second, "two", 8)],
    "small": [(small, "one", 2)],
    "shaky": [(shaky, "one", 2)],
    "careless": [(careless, "one", 2)],
    "async": [(pipeline_async, "one", 3)],
    "climb": [(climb, "one", 2)],
    "saga": [(saga, "one", 1)],
}


def go(
    folder: str,
    program: str,
    *,
    kill_at: int | str | None = None,
    rerun: bool = False,
    plant: str | None = None,
    durability: str = "process",
) -> dict[str, Any]:
    """Bring the program's runs as far as they come in this process.

    :param kill_at: the event at which it is killed; None lets it live.
    :param rerun: a person has looked, and says that what is in doubt may be done again.
    :param plant: a bug to plant, see :mod:`tests.crash.plants`.
    """
    place = Path(folder)
    killer = Killer(kill_at, place / "fired")
    _begin(place, killer, rerun)
    if plant is not None:
        plants.PLANTS[plant]()
    with _runtime(place, killer, durability) as runtime:
        runs = _attend_all(runtime, program)
    return {"runs": runs, "events": killer.events}


def stumble(
    folder: str,
    program: str,
    *,
    at: int,
    message: str = "",
    forever: bool = False,
    durability: str = "process",
) -> dict[str, Any]:
    """Bring the program's runs as far as they come while the journal fails, then heal it and go on
    in the same process.

    :param at: the write (before, inside and after count each) at which the journal fails.
    :param message: of the database's error; without one it is Ctrl-C that comes.
    :param forever: and from then on, until it is healed.
    """
    place = Path(folder)
    broken = Failing(at, message, forever) if message else CtrlC(at)
    _begin(place, None, False)
    told: dict[str, Any] = {}
    with _runtime(place, broken, durability) as runtime:
        for turn in ("first", "then", "person"):
            try:
                told[turn] = {"runs": _attend_all(runtime, program)}
            except (Exception, KeyboardInterrupt) as exc:
                told[turn] = {
                    "error": type(exc).__name__,
                    "exit_code": getattr(exc, "exit_code", 1),
                    "message": str(exc),
                }
            broken.heal()
            WORLD.person_says_rerun = turn == "then"
            if turn == "then" and not in_doubt(told["then"]):
                break
    return {**told, "fired": broken.fired}


def in_doubt(told: dict[str, Any]) -> bool:
    """Whether a run waits for a person."""
    return any(run["kind"] == "in_doubt" for run in told.get("runs", {}).values())


def _begin(place: Path, killer: Killer | None, rerun: bool) -> None:
    global WORLD
    logging.disable(logging.CRITICAL)
    WORLD = World(Ledger(place / "ledger", killer), rerun)


def _runtime(place: Path, seam: Any, durability: str) -> Runtime:
    return Runtime(
        journal=place / "journal.db",
        clock=HurriedClock(seam if isinstance(seam, Killer) else None),
        config=Config(),
        seam=seam,
        durability=durability,
    )


def _attend_all(runtime: Runtime, program: str) -> dict[str, Any]:
    told = {}
    for made, run_id, argument in PROGRAMS[program]:
        run = _attend(runtime, made, run_id, argument)
        told[run_id] = {
            "status": run.status,
            "result": run.result if run.status == "completed" else None,
            "kind": (run.error or {}).get("kind"),
        }
        if run.status != "completed":
            break
    return told


def _attend(runtime: Runtime, made: Any, run_id: str, argument: int) -> Run[Any]:
    import asyncio

    status = {record.run_id: record.status for record in runtime.journal.runs()}.get(run_id)
    if status == "rolling_back":
        gone_on = made.rollback(run_id)
    elif status == "halted":  # a person resumes it; one whose process died is started again
        gone_on = made.resume(run_id)
    else:
        gone_on = made.with_options(run_id=run_id).start(argument)
    run: Run[Any] = asyncio.run(gone_on) if made.is_async else gone_on
    return run
