"""The marker ``resilience``: one test of each cell, which fails where the workflow does not recover."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from .conftest import Play
from .test_fixtures import ALL

MARK = (
    ALL
    + """
import pytest
from surefoot.chaos.expect import Expect
from surefoot.chaos.model import FaultSpec
from shop import shop, pay
"""
)


def test_each_cell_is_a_test_with_its_own_name(play: Play) -> None:
    result = play(
        MARK
        + """
@pytest.mark.resilience(workflow=shop, input=3, steps=[pay, "load"], faults=["killed", "os._exit"])
def test_shop():
    pass

@pytest.mark.resilience(workflow="shop:shop", args={"n": 3}, steps=["pay"], faults=["killed"])
def test_by_name(resilience):
    assert resilience.outcome == "recovered" and resilience.cell.step == "pay"
    assert resilience.fired == 1 and resilience.processes == 2
    [paid] = resilience.effects
    assert (paid.step, paid.applied, paid.duplicate, paid.lost) == ("pay", 1, (), ())
"""
    )
    result.assert_outcomes(passed=8)
    for name in (
        "load/before/killed",
        "load/after/killed",
        "load/before/os._exit*",
        "pay/before/killed",
        "pay/after/killed",
        "pay/before/os._exit*",
    ):
        result.stdout.fnmatch_lines([f"PASSED test_it.py::test_shop[[]{name}]"])


def test_nothing_runs_when_tests_are_collected(play: Play) -> None:
    result = play(
        MARK
        + """
@step
def never() -> int:
    raise SystemExit("it was run")

@workflow
def nothing() -> int:
    return never()

@pytest.mark.resilience(workflow=nothing)
def test_it():
    pass
""",
        "--collect-only",
        "-q",
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines(["test_it.py::test_it[[]never/after/killed]"])


def test_standard_is_what_the_map_says_can_happen_and_a_seed_chooses_a_sample(play: Play) -> None:
    def collected(options: str) -> list[str]:
        result = play(
            f"{MARK}\n@pytest.mark.resilience(workflow=shop, input=3{options})\ndef test_it(): pass\n",
            "--collect-only",
            "-q",
        )
        return [line for line in result.outlines if line.startswith("test_it.py::")]

    every = collected("")
    assert len(every) > 30 and "test_it.py::test_it[pay/after/connection]" in every
    sample = collected(", seed=7, sample=6")
    assert len(sample) == 6 and set(sample) < set(every)
    assert collected(", seed=7, sample=6") == sample != collected(", seed=8, sample=6")


def test_a_kind_that_a_step_recovers_from_is_a_test_that_passes(play: Play) -> None:
    result = play(
        MARK
        + """
@pytest.mark.resilience(workflow=shop, input=3, steps=["load", "score"], faults=["timeout", "connection"])
def test_it(resilience):
    assert resilience.outcome == "recovered" and resilience.attempts == 6
"""
    )
    result.assert_outcomes(passed=4)


def test_a_planted_bug_turns_its_cell_red_and_says_how_to_go_on(play: Play) -> None:
    result = play(
        MARK
        + """
@effect(key=lambda n: f"mail:{n}", on_doubt="rerun")
def mail(n: int) -> int:
    Ledger.here().receive(n)  # the bug: the receiver is told no key
    return n

@workflow
def careless(n: int) -> int:
    return mail(n)

@pytest.mark.resilience(workflow=careless, input=3, faults=["killed"])
def test_careless():
    raise AssertionError("not reached where the cell failed")
"""
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*mail/after/killed: duplicate, which is not allowed*",
            "*done twice: mail: 3*",
            "*expected  recovered (*",
            "*seen      duplicate: 1 firing, 2 processes*",
            "*effects   mail: 2 received, 2 applied of 1*",
            "*what happened:*",
            "*mail, attempt *: completed*",
            "*again     python -m pytest 'test_it.py::test_careless[[]mail/after/killed]'*",
            "*surefoot chaos *careless --input 3 --only step=mail --only kind=killed*",
            "*look      surefoot show chaos --journal */journal.db*",
        ]
    )


def test_a_fault_at_a_step_that_is_not_called_proves_nothing(play: Play) -> None:
    result = play(
        MARK
        + """
@step
def rare() -> int:
    return 1

@workflow
def seldom(n: int) -> int:
    return rare() if n > 5 else 0

@pytest.mark.resilience(workflow=seldom, input=3, faults=["killed"])
def test_it():
    pass
"""
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["*rare/before/killed: not_fired*", "*give an input that reaches it*"]
    )


def test_what_a_team_expects_counts(play: Play) -> None:
    result = play(
        MARK
        + """
@step
def strict() -> int:
    return 1

@workflow
def firm() -> int:
    return strict()

KIND = FaultSpec("kind", "auth")

@pytest.mark.resilience(workflow=firm, faults=["auth"], steps=[strict])
def test_halts(resilience):
    assert resilience.outcome == "halted"

@pytest.mark.resilience(workflow=firm, faults=[KIND], expect=[Expect(("recovered",), kind="auth")])
def test_must_recover():
    pass

@pytest.mark.xfail(strict=True)
@pytest.mark.resilience(workflow=firm, faults=[KIND], expect=[Expect(("recovered",), kind="auth")])
def test_known():
    pass
"""
    )
    result.assert_outcomes(passed=1, failed=1, xfailed=1)
    result.stdout.fnmatch_lines(["*strict/before/auth: halted, which is not allowed*"])


def test_a_setup_prepares_each_cell_and_cells_can_be_given_as_data(play: Play) -> None:
    result = play(
        MARK
        + """
from contextlib import contextmanager
from pathlib import Path

@step(stage="ingestion")
def read(path: Path) -> str:
    return path.read_text()

@workflow
def reading(path: Path) -> str:
    return read(path)

@contextmanager
def prepared(folder):
    (folder / "in.txt").write_text("hello")
    yield {"input": str(folder / "in.txt")}

@pytest.mark.resilience(
    workflow=reading, setup=prepared, faults=[FaultSpec("kill", "", "write", script="nth:2", event="inside"),
    FaultSpec("kind", "timeout", script="fail:2")])
def test_it(resilience):
    assert resilience.outcome == "recovered"
"""
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_it[[]read/before/timeout/fail:2]*"])


def test_a_crash_sweep_is_one_test_that_lists_every_violation(play: Play) -> None:
    result = play(
        MARK
        + """
@pytest.mark.resilience(workflow=shop, input=1, faults="crash_sweep")
def test_sound(resilience):
    assert resilience is None

@effect(key=lambda n: f"mail:{n}", on_doubt="rerun")
def mail(n: int) -> int:
    Ledger.here().receive(n)
    return n

@workflow
def careless(n: int) -> int:
    return mail(n)

@pytest.mark.resilience(workflow=careless, input=3, faults="crash_sweep")
def test_careless():
    pass
"""
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*careless: * of * kills did not end as they must:*",
            "*write/*: duplicate*",
            "*again *crash_sweep*",
        ]
    )


def test_a_failing_run_without_faults_is_told_once_for_all(play: Play) -> None:
    result = play(
        MARK
        + """
@step
def broken() -> int:
    raise ValueError("it never worked")

@workflow
def breaking() -> int:
    return broken()

@pytest.mark.resilience(workflow=breaking, faults=["killed"])
def test_it():
    pass

@pytest.mark.resilience(workflow=shop, input="three", faults=["killed"], steps=["pay"])
def test_wrong_input():
    pass
"""
    )
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            "*ControlFailed: the control run*did not complete*it never worked*",
            "*expected a whole number, got 'three'*",
        ]
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("workflow=shop, fault=['killed']", "*no option 'fault'; did you mean 'faults'?*"),
        ("input=3", "*needs workflow=*"),
        ("workflow=len", "*not a workflow*"),
        ("workflow=shop, steps=['pya']", "*no step 'pya'; did you mean 'pay'?*"),
        ("workflow=shop, faults=['kiled']", "*no such fault here*"),
        ("workflow=shop, faults=['recursion_limit']", "*no step fails so; name those*"),
        ("workflow=shop, faults='crash'", "*'standard' or 'crash_sweep'*"),
        ("workflow=shop, faults=[]", "*no cell is left*"),
        ("workflow=shop, input=object()", "*as JSON*"),
        ("workflow=shop, sample=0", "*sample=0*"),
        ("'shop:shop'", "*its options have names*"),
    ],
)
def test_a_mistake_in_a_marker_is_told_when_tests_are_collected(
    play: Play, options: str, words: str
) -> None:
    result = play(f"{MARK}\n@pytest.mark.resilience({options})\ndef test_it():\n    pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*pytest.mark.resilience of test_it: {words}"])


def test_a_class_or_a_module_may_be_marked(play: Play) -> None:
    result = play(
        MARK
        + """
import unittest
SHOP = pytest.mark.resilience(workflow=shop, input=2, faults=["os._exit"], steps=["pay"])

@SHOP
class TestShop:
    def test_it(self):
        pass

    def helper(self):
        raise AssertionError("no test")

@SHOP
class TestOld(unittest.TestCase):
    def test_it(self):
        pass
"""
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*not_fired: @pytest.mark.resilience played nothing here*"])


def test_more_workflows_than_are_held_at_a_time_are_played_all_the_same(play: Play) -> None:
    tests = "".join(
        f"""
@pytest.mark.resilience(workflow=shop, input={given}, steps=["pay"], faults=["exit"])
def test_{number}(resilience, surefoot_sessions):
    assert resilience.outcome == "recovered"
    assert len(surefoot_sessions._open) == {held}
    assert len(surefoot_sessions._controls) == {controls}
"""
        for number, (given, held, controls) in enumerate(
            [(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4), (5, 4, 5), (1, 4, 5), (1, 4, 5)]
        )
    )
    play(MARK + tests).assert_outcomes(passed=7)


def test_the_command_that_is_told_plays_the_cell(
    play: Play, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from surefoot.chaos.plan import Only, planned
    from surefoot.chaos.resilience import _assumed, marked

    play("")  # writes shop.py
    monkeypatch.chdir(project)
    asked = marked({"workflow": "shop.py:shop", "input": 3}, "here")
    for cell in asked.cells():
        words = shlex.split(asked.command(cell))
        assert words[:5] == ["surefoot", "chaos", "shop.py:shop", "--input", "3"]
        only = Only.parse(words[6::2])
        found = planned(asked.document, asked.catalog, _assumed(asked._steps), only=only)
        assert cell.id in [one.id for one in found.cells], cell.id
