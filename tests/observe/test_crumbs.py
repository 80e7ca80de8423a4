"""The log records that lead up to a failure are kept beside its attempt."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from surefoot import Runtime, step, workflow
from surefoot.context import CRUMB_LENGTH, CRUMBS, Frame, entered, frame
from surefoot.observe.crumbs import CrumbFactory, drop_factory, keep_crumbs


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.getLogger("a.program.with.crumbs")
    made.setLevel(logging.DEBUG)
    yield made
    made.setLevel(logging.NOTSET)


def crumbs() -> list[tuple[str, str, str]]:
    """(level, logger, message) of what the attempt around has kept."""
    here = frame()
    assert here is not None
    return [(level, name, message) for _, level, name, message in here.crumbs or ()]


def test_a_run_keeps_the_records_of_each_attempt_apart(
    runtime: Runtime, logger: logging.Logger
) -> None:
    seen: list[list[Any]] = []

    @step(name="outer")
    def outer() -> None:
        logger.info("before %d", 1)
        inner.map([0, 1], workers=2)
        logger.debug("after")
        seen.append(crumbs())
        if len(seen) == 1:
            raise ConnectionResetError(104, "Connection reset by peer")

    @step(name="inner")
    def inner(n: int) -> int:
        logger.warning("item %d", n)
        assert crumbs() == [("WARNING", logger.name, f"item {n}")]
        return n

    run = workflow(lambda: outer()).start()
    assert run.status == "completed"
    name = logger.name
    assert seen == [[("INFO", name, "before 1"), ("DEBUG", name, "after")]] * 2


def test_a_workflow_within_a_step_logs_for_that_step(
    runtime: Runtime, logger: logging.Logger
) -> None:
    seen: list[Any] = []

    @workflow(name="part")
    def part() -> None:
        logger.info("in the part")

    @step(name="outer")
    def outer() -> None:
        part()
        logger.info("in the step")
        seen.extend(message for _, _, message in crumbs())

    assert workflow(name="whole")(lambda: outer()).start().status == "completed"
    assert seen == ["in the part", "in the step"]


def test_what_is_kept_is_bounded(logger: logging.Logger) -> None:
    keep_crumbs()
    with entered(Frame(step="load")):
        for n in range(CRUMBS + 5):
            logger.info("%d %s", n, "x" * 5_000)
        kept = crumbs()
    assert len(kept) == CRUMBS == 30
    assert kept[0][2].startswith("5 ") and kept[-1][2].startswith("34 ")
    assert {len(message) for _, _, message in kept} == {CRUMB_LENGTH}


def test_records_outside_of_steps_and_surefoots_own_are_not_kept(logger: logging.Logger) -> None:
    keep_crumbs()
    with entered(Frame()) as body:
        logger.info("in a workflow's body")
    with entered(Frame(step="load")) as here:
        logging.getLogger("surefoot").error("its own")
        logging.getLogger("surefoot.part").error("its own")
        logging.makeLogRecord({"msg": "a copy", "name": "other"})
    assert body.crumbs is None and not here.crumbs


def test_a_message_that_cannot_be_formatted_breaks_nothing(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bad:
        def __str__(self) -> str:
            raise RuntimeError("a bug in __str__")

    keep_crumbs()
    heard: list[logging.LogRecord] = []
    monkeypatch.setattr(logger, "callHandlers", heard.append)
    with entered(Frame(step="load")) as here:
        logger.info("it is %s", Bad())
        logger.info("%d", "text")
        logger.info("good")
    assert len(heard) == 3
    assert [message for *_, message in here.crumbs] == ["good"]


def test_the_factory_of_a_program_goes_on_working_and_no_record_is_kept_twice(
    logger: logging.Logger,
) -> None:
    before = logging.getLogRecordFactory()

    class Own(logging.LogRecord):
        tenant = "blue"

    try:
        logging.setLogRecordFactory(Own)
        keep_crumbs()
        keep_crumbs()
        ours = logging.getLogRecordFactory()
        assert isinstance(ours, CrumbFactory) and ours.inner is Own
        logging.setLogRecordFactory(lambda *args, **kwargs: ours(*args, **kwargs))
        keep_crumbs()  # around theirs, which is around ours
        made = logger.makeRecord(logger.name, logging.INFO, "f", 1, "x", (), None)
        assert isinstance(made, Own)
        with entered(Frame(step="load")) as here:
            logger.info("once")
            logger.info("once")
        assert [message for *_, message in here.crumbs] == ["once", "once"]
        logging.setLogRecordFactory(ours)
        drop_factory()
        assert logging.getLogRecordFactory() is Own
    finally:
        logging.setLogRecordFactory(before)


def test_the_records_of_an_isolated_step_are_kept_by_its_parent(runtime: Runtime) -> None:
    from tests.isolation import bodies

    frames: list[Frame] = []
    keep_crumbs()
    original = Frame.__init__

    def remember(self: Frame, **kwargs: Any) -> None:
        original(self, **kwargs)
        frames.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Frame, "__init__", remember)
        workflow(lambda: bodies.log_and_print()).start()
    (here,) = (one for one in frames if one.step == "log_and_print")
    assert [message for *_, message in here.crumbs][0] == "3 rows are odd"


def test_a_run_alone_does_not_change_what_a_record_says() -> None:
    code = """
        import json, logging, sys
        from surefoot import Runtime, step, workflow

        class Dump(logging.Handler):
            def emit(self, record):
                print(json.dumps(sorted(vars(record))))

        logger = logging.getLogger("app")
        logger.addHandler(Dump())

        @step
        def load():
            logger.warning("inside")

        logger.warning("outside")
        with Runtime(journal=sys.argv[1] + "/j.db"):
            workflow(lambda: load()).start()
        """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), folder],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    outside, inside = done.stdout.splitlines()
    assert outside == inside
