"""What happens, as records of the standard `logging`: with run, step and attempt on each."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from surefoot import Runtime, on, step, workflow
from surefoot.context import Frame, entered
from surefoot.events import Event, ItemEnded, Replayed, RunEnded, RunStarted, Where
from surefoot.observe.logs import ContextFilter, log_event


class Broken(Exception):
    pass


@pytest.fixture(autouse=True)
def _all_of_it(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG, logger="surefoot"):
        yield


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_failed_attempt_is_a_warning_with_its_exception_and_place(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []
    reset = ConnectionResetError(104, "Connection reset by peer")

    @step(name="fetch")
    def fetch(n: int) -> int:
        calls.append(n)
        if len(calls) == 1:
            raise reset
        return n

    workflow(name="work")(lambda: fetch(1)).with_options(run_id="r1").start()
    started, failed, ended = caplog.records
    assert told(caplog) == [
        ("INFO", "run r1 of work started"),
        ("WARNING", "fetch attempt 1 failed as connection and will retry in 0.5 s: try 2 of 5"),
        ("INFO", "run r1 of work is completed"),
    ]
    place: Any = failed
    assert (place.run_id, place.step, place.attempt, place.item) == ("r1", "fetch", 1, None)
    assert place.kind == "connection" and place.fingerprint.startswith("v2-") and place.call_id
    assert failed.exc_info is not None and failed.exc_info[1] is reset
    assert started.run_id == ended.run_id == "r1"  # type: ignore[attr-defined]


def test_a_halt_is_an_error_and_an_item_that_is_set_aside_a_warning(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    @step(name="check", recover=[on(Broken).retry(attempts=1)])
    def check(n: int) -> int:
        if n == 1:
            raise ValueError("bad")
        raise Broken("no")

    workflow(name="work")(lambda: check.map([1, 2], workers=1)).with_options(run_id="r1").start()
    found = {message.split(":")[0]: level for level, message in told(caplog)}
    assert found["check[0] attempt 1 failed as invalid_value and was set aside"] == "WARNING"
    assert found["check[1] attempt 1 failed as unknown and halted"] == "ERROR"
    assert found["run r1 of work is halted"] == "ERROR"
    (aside,) = (r for r in caplog.records if "set aside" in r.getMessage())
    assert aside.item == 0 and aside.exc_info is not None  # type: ignore[attr-defined]


def test_a_resume_a_replay_and_a_drift_are_told(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    fail = [True]
    runtime.listen(lambda event: None)  # replays are told only where someone listens

    @step(name="load")
    def load(n: int) -> int:
        return n

    def body() -> None:
        load(1)
        load(2 if fail[0] else 3)
        if fail[0]:
            raise Broken("no")

    work = workflow(name="work")(body).with_options(run_id="r1")
    work.start()
    caplog.clear()
    fail[0] = False
    work.resume("r1")
    assert told(caplog) == [
        ("INFO", "run r1 of work resumed"),
        ("DEBUG", "load reused its result"),
        ("WARNING", "step load: argument n differs from the recorded call; it runs again"),
        ("INFO", "run r1 of work is completed"),
    ]


def test_a_stop_is_no_error_of_the_program(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    @workflow(name="work")
    def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.with_options(run_id="r1").start()
    assert told(caplog)[-1][1] == "run r1 of work is interrupted"


@pytest.mark.parametrize(
    ("decision", "words"),
    [("retry", "will retry in 2 s"), ("fall_back", "will fall back"), ("adapt", "will adapt")],
)
def test_what_comes_next_reads_as_words(
    runtime: Runtime, caplog: pytest.LogCaptureFixture, decision: str, words: str
) -> None:
    from surefoot import classify
    from surefoot.events import AttemptFailed

    exc = Broken("no")
    waits = 2.0 if decision == "retry" else None
    where = Where("r1", "load", "c1", 3)
    log_event(AttemptFailed(where, classify(exc), decision, "why", exc, waits))
    (record,) = caplog.records
    assert record.getMessage() == f"load attempt 3 failed as unknown and {words}: why"


def test_items_are_not_logged_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    log_event(ItemEnded(Where("r", "s", "c", item=1), "completed"))
    assert caplog.records == []
    log_event(Replayed(Where("r", "s", "c", item=1), 0.1))
    log_event(RunStarted("r", "w", resumed=False))
    log_event(RunEnded("r", "w", "completed"))
    assert told(caplog)[0] == ("DEBUG", "s[1] reused its result") and len(caplog.records) == 3


def test_secrets_do_not_reach_the_log(runtime: Runtime) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("surefoot")
    logger.addHandler(handler)
    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"

    @step(attempts=1)
    def ask(n: int) -> int:
        raise Broken(f"was refused: Authorization: Bearer {secret}")

    try:
        workflow(lambda: ask(1)).start()
    finally:
        logger.removeHandler(handler)
    text = stream.getvalue()
    assert "Broken" in text and "was refused" in text and "Traceback" in text
    assert secret not in text


def test_the_filter_puts_the_place_on_a_programs_own_records(runtime: Runtime) -> None:
    seen: list[Any] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    handler = Keep()
    handler.addFilter(ContextFilter())
    logger = logging.getLogger("a.programs.own")
    logger.addHandler(handler)

    @step(name="load")
    def load(n: int) -> int:
        logger.warning("inside")
        return n

    try:
        logger.warning("outside")
        workflow(lambda: load.map([7])).with_options(run_id="r1").start()
        with entered(Frame(step="alone", attempt=2)):
            logger.warning("no run")
    finally:
        logger.removeHandler(handler)
    outside, inside, alone = seen
    assert (outside.run_id, outside.step, outside.item) == (None, None, None)
    assert (inside.run_id, inside.step, inside.attempt, inside.item) == ("r1", "load", 1, 0)
    assert inside.call_id and (alone.run_id, alone.step, alone.attempt) == (None, "alone", 2)


# -- listeners --------------------------------------------------------------------------------


def test_a_listener_that_fails_is_warned_about_once_and_the_run_goes_on(
    make_runtime: Callable[[], Runtime],
) -> None:
    calls: list[Event] = []

    def broken(event: Event) -> None:
        calls.append(event)
        raise RuntimeError("a bug in a hook")

    @step
    def load(n: int) -> int:
        return n

    with make_runtime() as runtime, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runtime.listen(broken)
        run = workflow(lambda: load.map([1, 2, 3]).results).start()
    assert run.result == [1, 2, 3] and len(calls) > 3
    (warning,) = caught
    assert "RuntimeError: a bug in a hook" in str(warning.message)
    assert "broken" in str(warning.message)


def test_listeners_may_be_given_to_a_runtime(tmp_path: Any) -> None:
    heard: list[Event] = []
    with Runtime(journal=tmp_path / "j.db", listeners=[heard.append]):
        workflow(name="work")(lambda: 1).with_options(run_id="r").start()
    assert heard == [RunStarted("r", "work", False), RunEnded("r", "work", "completed")]
