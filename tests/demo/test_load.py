"""The load figure with few items: what is done is counted at the server. Timings decide nothing."""

from __future__ import annotations

import doctest

from bench import limited_server, load


def test_all_items_are_done_once_however_many_begin_at_once() -> None:
    ours = load.run("surefoot", load.with_surefoot, 60, 40.0)
    assert ours.done == ours.items == 60
    assert (
        0 < ours.refused == ours.requests - 60
    )  # the limit was met, and nothing was asked in vain
    # by construction, not by luck: no more are refused than are on their way at the first refusal
    assert ours.refused <= 14


def test_the_same_work_with_tenacity_is_done_as_well() -> None:
    theirs = load.run("tenacity", load.with_tenacity, 20, 10.0)
    assert theirs.done == theirs.items == 20 and theirs.refused > 0


def test_the_figures_say_whether_their_aim_is_met() -> None:
    ours = load.Outcome("surefoot", 200, 207, 7, 200, 10.8, 9.0)
    theirs = load.Outcome("tenacity", 200, 527, 327, 200, 22.9, 9.0)
    assert [row.met for row in load.rows(ours, theirs)] == [True, True]
    late = load.Outcome("surefoot", 200, 220, 20, 200, 12.0, 9.0)
    assert [row.met for row in load.rows(late, theirs)] == [False, False]
    few = load.Outcome("surefoot", 200, 199, 0, 199, 9.0, 9.0)
    assert [row.met for row in load.rows(few, theirs)] == [False, False]


def test_what_the_modules_say_of_themselves_is_so() -> None:
    for module in (limited_server, load):
        failed, tried = doctest.testmod(module)
        assert tried > 0 and failed == 0
