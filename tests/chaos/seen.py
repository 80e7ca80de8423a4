"""What a cell may have left behind, in few words: for tests of the verdict and of what tells it."""

from __future__ import annotations

from typing import Any

from surefoot.chaos.arena import Control
from surefoot.chaos.campaign import Matrix
from surefoot.chaos.firings import Firing
from surefoot.chaos.model import Cell, CellResult, FaultSpec, Outcome, Times
from surefoot.chaos.nursery import Ended
from surefoot.testing import Entry

CONTROL = Control(
    result=7,
    deeds={"pay": ("7",), "mail": ("a", "b")},
    reached={"before score": 2, "before pay": 1},
    writes=30,
    attempts=5,
    seconds=0.1,
)
TIMEOUT = FaultSpec("kind", "timeout", step="score")
KILL = FaultSpec("kill", "", "after", "pay")


def cell(*faults: FaultSpec, allowed: tuple[Outcome, ...] = ("recovered",)) -> Cell:
    name = "+".join(f"{one.step}/{one.seam}/{one.words}" for one in faults)
    return Cell(name, faults, faults[0].step if faults else None, None, allowed, "the test says so")


def answer(status: str = "completed", result: Any = 7, **more: Any) -> dict[str, Any]:
    """What a process that lived told."""
    return {
        "status": status,
        "result": result if status == "completed" else None,
        "kind": None,
        "message": None,
        "degraded": False,
        "degraded_steps": [],
        "letters": [],
        "failures": [],
        "noticed": [],
        "attempts": 5,
        "undone": [],
        "reached": {},
        "writes": 30,
        "began": 100.0,
        "ended": 101.0,
        "skipped": 0.0,
        "real_time": False,
        **more,
    }


def lived(pid: int = 1, status: str = "completed", **more: Any) -> Ended:
    return Ended(answer(status, **more), exit_code=0, pid=pid, seen=101.0)


def died(pid: int = 1, seen: float = 100.5) -> Ended:
    return Ended(None, signal=9, pid=pid, seen=seen)


def fired(fault: FaultSpec, pid: int = 1, at: float = 100.2) -> Firing:
    return Firing(fault.words, fault.seam, at, pid, 1, step=fault.step)


def did(effect: str, *deeds: str, applied: bool = True) -> list[Entry]:
    return [Entry(effect, deed, None, applied, 1, 100.0) for deed in deeds]


def all_did() -> list[Entry]:
    """What the control did."""
    return [*did("pay", "7"), *did("mail", "a", "b")]


def result(
    outcome: Outcome,
    *,
    allowed: bool = True,
    fault: FaultSpec = TIMEOUT,
    detail: str = "seen",
    **more: Any,
) -> CellResult:
    return CellResult(
        cell=cell(fault),
        outcome=outcome,
        allowed=allowed,
        detail=detail,
        fired=0 if outcome == "not_fired" else 1,
        attempts=2,
        times=Times(0.01, None, 0.04, 0.05, 3.0),
        **more,
    )


def matrix(*results: CellResult, **more: Any) -> Matrix:
    return Matrix("shop:shop", CONTROL, list(results), effects=("pay", "mail", "log"), **more)
