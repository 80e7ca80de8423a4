"""The tree of exceptions: as it is drawn, with the exit codes that the command line promises."""

from __future__ import annotations

import re

import pytest

import surefoot.errors as errors
from surefoot.errors import (
    RunCancelled,
    RunInterrupted,
    StepTimeout,
    SurefootError,
    WorkflowCriticalError,
    WorkflowRetryError,
)

CLASSES = {name: getattr(errors, name) for name in errors.__all__}


def drawn() -> dict[str, str | None]:
    """{class: parent} as the module's docstring draws the tree."""
    assert errors.__doc__ is not None
    found: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        match = re.match(r"    ([ │├└─]*)([A-Z]\w+)", line)
        if match is None:
            continue
        depth, name = len(match[1]), match[2]
        while above and above[-1][0] >= depth:
            above.pop()
        found[name] = above[-1][1] if above else None
        above.append((depth, name))
    return found


def test_every_exported_class_stands_in_the_drawing_and_no_other() -> None:
    assert set(drawn()) == set(CLASSES)


@pytest.mark.parametrize(("name", "parent"), sorted(drawn().items()))
def test_the_tree_is_as_it_is_drawn(name: str, parent: str | None) -> None:
    if parent is None:
        assert CLASSES[name].__bases__[0] in (Exception, BaseException)
    else:
        assert CLASSES[name].__bases__[0] is CLASSES[parent]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("SurefootError", 1),
        ("UsageError", 2),
        ("DefinitionError", 2),
        ("ConfigError", 2),
        ("InputError", 2),
        ("UnknownRun", 2),
        ("UnknownStep", 2),
        ("JournalError", 3),
        ("JournalTooNew", 3),
        ("NotAJournal", 3),
        ("RunLocked", 4),
        ("ResumeDrift", 1),
        ("InDoubt", 1),
        ("UnsavableError", 1),
    ],
)
def test_an_error_knows_its_exit_code(name: str, code: int) -> None:
    assert CLASSES[name]("text").exit_code == code


@pytest.mark.parametrize("cls", [RunCancelled, RunInterrupted])
def test_a_users_broad_except_lets_a_stop_pass(cls: type[BaseException]) -> None:
    assert not issubclass(cls, Exception)


def test_a_users_code_says_which_of_the_two_it_is() -> None:
    again = WorkflowRetryError("the export is not ready", retry_after=30)
    assert (str(again), again.retry_after) == ("the export is not ready", 30)
    assert WorkflowRetryError().retry_after is None
    assert isinstance(WorkflowCriticalError("stop"), SurefootError)


def test_a_step_timeout_is_a_timeout_and_tells_whether_its_body_still_runs() -> None:
    alive = [True]
    late = StepTimeout("too slow", timeout=5.0, running=lambda: alive[0])
    assert isinstance(late, TimeoutError) and late.timeout == 5.0
    assert late.running()
    alive[0] = False
    assert not late.running()
    assert not StepTimeout().running()
