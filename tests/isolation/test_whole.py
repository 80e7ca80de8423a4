"""What a child returns or raises comes back whole."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, workflow
from surefoot.errors import UnsavableError

from . import bodies


def test_an_exception_of_an_odd_class_keeps_what_it_had(runtime: Runtime) -> None:
    with pytest.raises(bodies.OddlyMade) as caught:
        bodies.fail_oddly()
    exc = caught.value
    assert type(exc) is bodies.OddlyMade
    said = [str(text).partition("\nsurefoot: ")[0] for text in (exc, *exc.args)]
    assert said == ["code 7", "code 7"]  # on Python 3.10 our note is in the message
    assert exc.code == 7
    assert exc.response.headers == {"retry-after": "3"}  # no plain data: it came pickled
    assert type(exc.__cause__) is KeyError
    assert exc.__cause__.args == ("price",)
    assert exc.__context__ is not None
    if sys.version_info >= (3, 11):
        assert "looked for the price" in exc.__notes__


def test_its_traceback_reads_as_if_it_had_been_raised_here(runtime: Runtime) -> None:
    with pytest.raises(bodies.OddlyMade) as caught:
        bodies.fail_oddly()
    text = "".join(traceback.format_exception(caught.value))
    assert f'File "{bodies.__file__}"' in text
    assert "in fail_oddly\n    raise error from exc\n" in text
    assert '["price"]' in text  # of its cause
    assert "worker.py" not in text


def test_a_failure_has_the_same_fingerprint_as_without_isolation(
    runtime: Runtime, tmp_path: Path
) -> None:
    found: list[tuple[str, str, str]] = []
    for step in (bodies.open_file, bodies.open_file.with_options(isolation=None)):

        @workflow(name="one")
        def one(step: Any = step) -> None:
            step(str(tmp_path / "none"))

        run = one.with_options(run_id=f"run-{len(found)}").start()
        [failure] = run.document()["failures"]
        found.append((failure["kind"], failure["type"], failure["fingerprint"]))
        assert isinstance(run.exception, FileNotFoundError)
        assert run.exception.filename == str(tmp_path / "none")
    assert found[0] == found[1]


def test_an_exception_that_hangs_when_pickled_is_not_lost(runtime: Runtime) -> None:
    with pytest.raises(bodies.HangsWhenPickled, match="the real error"):
        bodies.fail_with_a_trap()
    assert runtime.workers.pids == []  # its child still pickled, and was ended


def test_an_exception_of_a_local_class_is_caught_as_its_base(runtime: Runtime) -> None:
    with pytest.raises(ValueError, match="from within"):
        bodies.fail_locally()


def test_sys_exit_passes_as_it_does_without_isolation(runtime: Runtime) -> None:
    with pytest.raises(SystemExit) as caught:
        bodies.leave_by_sys_exit()
    assert caught.value.code == 7


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups are of Python 3.11")
def test_a_group_comes_whole(runtime: Runtime) -> None:
    with pytest.raises(Exception, match="two") as caught:
        bodies.fail_as_group()
    first, second = caught.value.exceptions  # type: ignore[attr-defined]
    assert (type(first), str(first)) == (ValueError, "1")
    assert (type(second), second.response.headers) == (bodies.OddlyMade, {"a": "b"})


def test_a_large_value_goes_there_and_comes_back(runtime: Runtime) -> None:
    large = bytes(range(256)) * 20_000
    assert bodies.give("bytes") == large
    assert bodies.double(large) == large * 2


def test_a_result_that_cannot_be_sent_back_says_so(runtime: Runtime) -> None:
    with pytest.raises(UnsavableError, match="Unpicklable, cannot be sent back.*return plain data"):
        bodies.give("bad")


def test_a_result_that_cannot_be_made_again_says_so(runtime: Runtime) -> None:
    with pytest.raises(UnsavableError, match="could not be made again here"):
        bodies.give("unmade")


def test_an_argument_that_cannot_be_sent_is_named(runtime: Runtime) -> None:
    with pytest.raises(
        UnsavableError, match="argument client, a Unpicklable.*leave isolation= out"
    ):
        bodies.with_client(client=bodies.Unpicklable())
    assert runtime.workers.pids == []  # nothing was started for it
