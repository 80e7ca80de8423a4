"""Many cells, so many at a time, within a time; and what a matrix makes of them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.chaos.arena import Arena
from surefoot.chaos.campaign import Campaign, Matrix
from surefoot.chaos.model import Cell, CellResult, FaultSpec
from surefoot.chaos.nursery import Closed
from surefoot.chaos.plan import kill_at, kill_id
from tests.chaos.seen import CONTROL, TIMEOUT, matrix, result

Make = Callable[..., Arena]


def kind(step: str, value: str = "connection") -> Cell:
    fault = FaultSpec("kind", value, step=step, rule=None)
    return Cell(f"{step}/before/{value}", (fault,), step)


def kill(step: str, seam: str = "before") -> Cell:
    fault = FaultSpec("kill", "", seam, step)  # type: ignore[arg-type]
    return Cell(f"{step}/{seam}/killed", (fault,), step)


def write(number: int) -> Cell:
    return Cell(kill_id(kill_at(number)), (kill_at(number),), None, None, ("recovered", "halted"))


def test_results_stand_in_the_order_of_the_cells_however_many_are_played_at_a_time(
    arena: Make,
) -> None:
    place = arena()
    control = place.control()
    told: list[tuple[int, int]] = []
    cells = [kill("load"), kind("answer"), kill("weigh"), kind("total")]
    found = Matrix("shop", control)
    Campaign(place, control, jobs=3, progress=lambda one, done, of: told.append((done, of))).play(
        cells, found
    )
    assert [one.cell for one in found.results] == cells
    assert [one.outcome for one in found.results] == ["recovered"] * 4
    assert sorted(told) == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert found.exit_code == 0


def test_cells_that_the_time_limit_leaves_out_are_counted_and_nothing_is_proved_by_them(
    arena: Make,
) -> None:
    place = arena()
    control = place.control()
    found = Matrix("shop", control)
    Campaign(place, control, jobs=1, time_limit=1e-6).play([kill("load"), kill("pay")], found)
    assert (found.results, found.not_played, found.exit_code) == ([], 2, 5)


def test_a_second_fault_follows_only_where_it_can_act(arena: Make) -> None:
    place = arena()
    control = place.control()
    found = Matrix("shop", control)
    campaign = Campaign(place, control)
    singles = [kill("total", "after"), kind("load"), kind("pay"), kind("total")]
    campaign.play(singles, found)
    campaign.play_pairs(singles, found, sample=None, seed=0)
    pairs = [one for one in found.results if len(one.cell.faults) == 2]
    # the second process finds what load did, and runs total and pay again
    assert [one.cell.id for one in pairs] == [
        f"total/after/killed+{name}"
        for name in ("total/after/killed", "pay/before/connection", "total/before/connection")
    ]
    assert {one.outcome for one in pairs} == {"recovered"}
    assert all(one.fired == 2 for one in pairs)


def test_the_second_kill_moves_on_until_the_run_is_over_and_that_is_no_failure(
    arena: Make,
) -> None:
    place = arena()
    control = place.control()
    found = Matrix("shop", control)
    campaign = Campaign(place, control)
    last = control.writes - 10
    campaign.play([write(last)], found)
    campaign.walk_pairs(write, found, sample=None, seed=0)
    single, *pairs = found.results
    assert single.outcome == "recovered"
    assert [one.cell.faults[1] for one in pairs] == [kill_at(n + 1) for n in range(len(pairs))]
    assert len(pairs) >= 9
    assert not found.not_fired and found.exit_code == 0


def test_a_kill_beyond_the_end_of_the_run_is_left_out_and_told(arena: Make) -> None:
    place = arena()
    control = place.control()
    longer = replace(control, writes=control.writes + 9)  # as if the control's last one were rare
    found = Matrix("shop", longer)
    Campaign(place, longer).play([write(longer.writes)], found)
    assert (found.results, found.beyond) == ([], 1)
    far = replace(control, writes=control.writes * 2)
    found = Matrix("shop", far)
    Campaign(place, far).play([write(control.writes + 9)], found)
    assert [one.outcome for one in found.results] == ["not_fired"]


def test_what_is_wrong_with_one_cell_ends_all_of_them(arena: Make, tmp_path: Path) -> None:
    place = arena()
    control = place.control()

    def fall(one: CellResult, done: int, of: int) -> None:
        raise RuntimeError("the one who looks on fell over")

    campaign = Campaign(place, control, jobs=2, progress=fall)
    with pytest.raises(RuntimeError, match="fell over"):
        campaign.play(
            [kill("load"), kill("pay"), kill("mail"), kill("total")], Matrix("x", control)
        )
    with pytest.raises(Closed):
        place.play(kill("load"), control)


def test_an_arena_that_is_stopped_ends_its_processes_and_whoever_waits_for_one(
    arena: Make, tmp_path: Path
) -> None:
    script = tmp_path / "slow.py"
    script.write_text(
        "import os, time\nfrom pathlib import Path\nfrom surefoot import step, workflow\n"
        "@step\ndef wait(n: int) -> int:\n"
        f"    Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n    return n\n"
        "@workflow\ndef slow(n: int) -> int:\n    return wait(n)\n"
    )
    place = arena(f"{script}:slow", "1")
    ended: list[BaseException] = []

    def play() -> None:
        try:
            place.play(kind("wait"), CONTROL)
        except Closed as exc:
            ended.append(exc)

    thread = threading.Thread(target=play)
    thread.start()
    until = time.monotonic() + 30
    while not (tmp_path / "pid").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    pid = int((tmp_path / "pid").read_text())
    place.stop()
    thread.join(timeout=30)
    assert len(ended) == 1
    while _lives(pid):
        assert time.monotonic() < until
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# -- the matrix -----------------------------------------------------------------------------------


def test_the_exit_code_is_1_for_a_violation_and_5_where_something_is_not_proved() -> None:
    good, bad = result("recovered"), result("duplicate", allowed=False)
    silent = result("not_fired", allowed=False)
    assert matrix(good).exit_code == 0
    assert matrix(good, bad, silent).exit_code == 1
    assert matrix(good, silent).exit_code == 5
    assert matrix(good, not_played=1).exit_code == 5
    assert matrix().exit_code == 5


def test_effects_that_no_ledger_heard_of_are_not_measured() -> None:
    assert matrix(result("recovered", fault=TIMEOUT)).not_measured == ("log",)
