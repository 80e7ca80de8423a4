"""A body knows in its child where it stands, and its parent hears what it says."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from surefoot import Runtime, workflow
from surefoot.errors import InDoubt, UsageError
from surefoot.observe.logs import ContextFilter

from . import bodies


def test_current_tells_run_step_attempt_and_the_failure_before(runtime: Runtime) -> None:
    @workflow
    def flow() -> dict[str, object]:
        return bodies.where()

    run = flow.start()
    told = run.result
    assert isinstance(told, dict)
    assert told["pid"] != os.getpid()
    assert told["run"] == run.run_id
    assert (told["step"], told["attempt"]) == ("where", 2)
    assert told["failure"] == ["ConnectionError", "connection"]
    assert told["now"] == runtime.journal.run(run.run_id).created_at


def test_items_of_a_map_know_which_they_are(runtime: Runtime) -> None:
    @workflow
    def flow() -> list[tuple[int | None, str]]:
        return bodies.item_of.map(["a", "b"], workers=2).results

    assert flow() == [(0, "a"), (1, "b")]


def test_that_a_key_was_asked_for_is_written_before_the_body_goes_on(
    runtime: Runtime, journal_path: Path
) -> None:
    @workflow
    def flow() -> str:
        return bodies.pay(7, str(journal_path))

    # killed after it had asked: that it did is why it may be tried again
    assert flow() == "pay:7 asked=1 attempt=2"


def test_an_effect_that_died_without_asking_is_in_doubt(runtime: Runtime) -> None:
    @workflow
    def flow() -> str:
        return bodies.ship(1)

    run = flow.start()
    assert run.status == "halted"
    [failure] = run.document()["failures"]
    assert (failure["kind"], failure["decision"]) == ("process_killed", "halt")
    again = flow.resume(run.run_id)
    assert isinstance(again.exception, InDoubt)


def test_what_a_killed_attempt_had_spent_is_counted(runtime: Runtime) -> None:
    @workflow
    def flow() -> int:
        return bodies.costly()

    run = flow.start()
    assert run.document()["cost"] == pytest.approx(0.5)
    [failure] = run.document()["failures"]
    assert failure["cost"] == 0.25


def test_log_records_reach_the_parents_handlers(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    @workflow
    def flow() -> None:
        bodies.log_and_print()

    caplog.handler.addFilter(ContextFilter())
    with caplog.at_level(logging.INFO):
        run = flow.start()
    first, second = (record for record in caplog.records if record.name == "bodies")
    assert first.getMessage() == "3 rows are odd"
    assert first.funcName == "log_and_print"
    assert (first.run_id, first.step, first.attempt) == (run.run_id, "log_and_print", 1)  # type: ignore[attr-defined]
    assert second.exc_text is not None
    assert "ZeroDivisionError" in second.exc_text


def test_what_is_printed_goes_where_the_parent_prints(
    runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies.log_and_print()
    told = capsys.readouterr()
    assert told.out == "printed\n"
    assert "to the error output\n" in told.err


def test_what_a_library_writes_to_standard_output_goes_to_the_error_output(
    runtime: Runtime, capfd: pytest.CaptureFixture[str]
) -> None:
    bodies.log_and_print()
    told = capfd.readouterr()
    assert told.out == "printed\n"
    assert "written by a library of C" in told.err


def test_standard_input_is_empty(runtime: Runtime) -> None:
    with pytest.raises(EOFError):
        bodies.read_input()


def test_a_warm_child_stands_in_the_folder_and_environment_of_now(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = bodies.pid()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SET_MEANWHILE", "yes")
    assert bodies.surroundings() == (str(tmp_path), "yes")
    assert runtime.workers.pids == [child]


def test_a_plain_step_within_an_isolated_one_is_plain_code(runtime: Runtime) -> None:
    assert bodies.calls("step") == 2


@pytest.mark.parametrize("what", ["effect", "workflow"])
def test_what_needs_the_journal_is_refused_within_an_isolated_step(
    runtime: Runtime, what: str
) -> None:
    with pytest.raises(UsageError, match="whose process has no journal; call it from the workflow"):
        bodies.calls(what)
