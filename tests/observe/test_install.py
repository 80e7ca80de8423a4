"""`surefoot.logs.install()`: every record of the program says where it was made, and carries no secret."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import logging.config
import logging.handlers
import queue
import subprocess
import sys
import textwrap
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import surefoot
from surefoot import Runtime, carry, on, step, workflow
from surefoot.observe.cleaning import Cleaner
from surefoot.observe.hooks import hook, unhook
from tests.support.marks import unmarked

SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


class Keep(logging.Handler):
    """Keeps what a handler is given, and prints it as a handler without care for `exc_text` does."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []
        self.printed = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.printed += self.format(record) + "\n"
        if record.exc_info and record.exc_info[1] is not None:
            self.printed += "".join(traceback.format_exception(*record.exc_info))
            frames = traceback.walk_tb(record.exc_info[2])
            self.printed += repr([frame.f_locals for frame, _ in frames])
        self.printed += repr({k: v for k, v in vars(record).items() if k != "exc_info"})


@pytest.fixture
def installed() -> Iterator[None]:
    surefoot.logs.install()
    yield
    surefoot.logs.uninstall()


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.getLogger("a.program")
    made.setLevel(logging.DEBUG)
    yield made
    made.handlers.clear()
    made.setLevel(logging.NOTSET)
    made.propagate = True


@pytest.fixture
def kept(logger: logging.Logger) -> Keep:
    handler = Keep()
    logger.addHandler(handler)
    return handler


def child(code: str) -> subprocess.CompletedProcess[str]:
    """A program of its own, whose logging is not pytest's."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def place_of(record: Any) -> tuple[Any, ...]:
    return (record.run_id, record.workflow, record.step, record.attempt, record.item, record.stage)


# -- where a record was made ----------------------------------------------------------------------


def test_a_record_in_a_step_says_where_and_one_outside_says_none(
    runtime: Runtime, installed: None, logger: logging.Logger, kept: Keep
) -> None:
    @step(name="load", stage="ingestion")
    def load(n: int) -> int:
        logger.info("inside")
        return n

    def body() -> None:
        logger.info("in the body")
        load.map([7, 8], workers=1)

    logger.info("outside")
    workflow(name="work")(body).with_options(run_id="r1").start()
    outside, in_body, first, second = kept.records
    assert place_of(outside) == (None,) * 6
    assert place_of(in_body) == ("r1", "work", None, None, None, None)
    assert place_of(first) == ("r1", "work", "load", 1, 0, "ingestion")
    assert place_of(second)[4] == 1 and first.call_id != second.call_id
    assert (first.kind, first.fingerprint) == (None, None)


def test_after_a_failure_a_record_names_its_kind_and_fingerprint(
    runtime: Runtime, installed: None, logger: logging.Logger, kept: Keep
) -> None:
    calls: list[int] = []

    @step(name="fetch")
    def fetch() -> None:
        logger.info("fetching")
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionResetError(104, "Connection reset by peer")

    run = workflow(lambda: fetch()).start()
    first, second = kept.records
    assert (first.kind, first.attempt, second.attempt) == (None, 1, 2)
    assert second.kind == "connection"
    assert second.fingerprint == run.failures[0].fingerprint


def test_records_of_threads_and_tasks_say_where_each_was_made(
    runtime: Runtime, installed: None, logger: logging.Logger, kept: Keep
) -> None:
    @step(name="mapped")
    def mapped(n: int) -> int:
        logger.info("%d", n)
        return n

    @step(name="own_thread")
    def own_thread() -> None:
        thread = threading.Thread(target=carry(lambda: logger.info("carried")))
        thread.start()
        thread.join()

    @step(name="task")
    async def task(n: int) -> int:
        await asyncio.sleep(0.01 * (3 - n))
        logger.info("%d", n)
        return n

    def sync_body() -> None:
        mapped.map(range(8), workers=4)
        own_thread()

    async def async_body() -> None:
        await asyncio.gather(*(task(n) for n in range(3)))

    workflow(name="sync")(sync_body).start()
    assert {(r.step, r.item) for r in kept.records[:-1]} == {("mapped", n) for n in range(8)}
    assert all(r.getMessage() == str(r.item) for r in kept.records[:-1])
    assert kept.records[-1].step == "own_thread"
    kept.records.clear()
    asyncio.run(workflow(name="async")(async_body).start())
    assert [(r.getMessage(), r.step) for r in kept.records] == [(f"{n}", "task") for n in (2, 1, 0)]
    assert len({r.call_id for r in kept.records}) == 3


def test_a_queue_takes_the_place_along_to_the_listeners_thread(
    runtime: Runtime, installed: None, logger: logging.Logger
) -> None:
    records: queue.Queue[Any] = queue.Queue()
    end = Keep()
    logger.addHandler(logging.handlers.QueueHandler(records))
    listener = logging.handlers.QueueListener(records, end)
    listener.start()

    @step(name="load")
    def load(n: int) -> int:
        logger.info("with token=%s", "abc123def456")
        return n

    workflow(lambda: load(1)).with_options(run_id="r1").start()
    listener.stop()
    (record,) = end.records
    assert (record.run_id, record.step, record.attempt) == ("r1", "load", 1)
    assert unmarked(record.getMessage()) == "with token=[secret]" and "abc123" not in end.printed


def test_a_name_that_the_program_gives_itself_stays_its_own(
    runtime: Runtime, installed: None, logger: logging.Logger, kept: Keep
) -> None:
    """`extra={"step": …}` is common in training loops; a record factory that set it would make
    `Logger.makeRecord` raise."""

    @step(name="train")
    def train() -> None:
        logger.info("loss", extra={"step": 1200, "stage": "warm-up"})

    workflow(lambda: train()).with_options(run_id="r1").start()
    (record,) = kept.records
    assert (record.run_id, record.step, record.stage) == ("r1", 1200, "warm-up")


def test_a_record_of_an_isolated_step_says_where_it_was_made(
    runtime: Runtime, installed: None
) -> None:
    from tests.isolation import bodies

    kept = Keep()
    logging.getLogger("bodies").addHandler(kept)
    try:
        run = workflow(name="work")(lambda: bodies.log_and_print()).start()
    finally:
        logging.getLogger("bodies").removeHandler(kept)
    assert {(r.run_id, r.workflow, r.step) for r in kept.records} == {
        (run.run_id, "work", "log_and_print")
    }


def test_surefoots_own_records_say_what_happened(
    runtime: Runtime, installed: None, caplog: pytest.LogCaptureFixture
) -> None:
    @step(name="check", stage="preprocessing", recover=[on(ValueError).skip()])
    def check(n: int) -> int:
        raise ValueError("bad")

    with caplog.at_level(logging.INFO, logger="surefoot"):
        workflow(name="work")(lambda: len(check.map([1]))).with_options(run_id="r1").start()
    told: list[Any] = [r for r in caplog.records if r.name == "surefoot"]
    assert [(r.action, r.outcome) for r in told] == [
        ("run_started", None),
        ("set_aside", "failure"),
        ("run_ended", "success"),
    ]
    assert place_of(told[1]) == ("r1", "work", "check", 1, 0, "preprocessing")
    assert all(r.workflow == "work" for r in told) and told[1].kind == "invalid_value"


# -- secrets --------------------------------------------------------------------------------------


def with_notes(exc: BaseException) -> BaseException:
    exc.__notes__ = [f"noted {SECRET}"]  # type: ignore[attr-defined]
    return exc


def chained() -> BaseException:
    try:
        try:
            raise KeyError(f"cause {SECRET}")
        except KeyError as cause:
            local = f"local {SECRET}"
            raise with_notes(RuntimeError(f"was {SECRET} {local}")) from cause
    except RuntimeError as exc:
        return exc


@pytest.mark.parametrize(
    ("write", "shown"),
    [
        (lambda log: log.info(f"in the text {SECRET}"), "in the text [openai key"),
        (lambda log: log.info("as %s", SECRET), "as [openai key"),
        (lambda log: log.info("password=%s", "hunter2-and-more"), "password=[secret"),
        (lambda log: log.info("%(a)s", {"a": SECRET, "b": SECRET}), "[openai key"),
        (lambda log: log.info("cut %.5s", SECRET), "cut "),
        (lambda log: log.info("%s", {"password": SECRET}), "password"),
        (lambda log: log.info(RuntimeError(SECRET)), "[openai key"),
        (lambda log: log.info("misfit %d", SECRET), "misfit %d (its arguments do not fit)"),
        (lambda log: log.error("failed", exc_info=chained()), "RuntimeError: was [openai key"),
        (lambda log: log.info("x", extra={"body": {"deep": [SECRET]}}), "[openai key"),
        (lambda log: log.info("x", extra={"password": "hunter2"}), "[secret"),
        (lambda log: log.info("x", extra={"item": SECRET}), "[openai key"),
        (lambda log: log.info("x", extra={"stage": {"token": SECRET}}), "'token': '[secret"),
    ],
)
def test_a_secret_is_in_nothing_that_a_handler_gets(
    installed: None,
    logger: logging.Logger,
    kept: Keep,
    write: Callable[[logging.Logger], None],
    shown: str,
) -> None:
    write(logger)
    assert shown in kept.printed
    for secret in (SECRET, "hunter2"):
        assert secret not in kept.printed


def test_an_exception_keeps_its_type_its_stack_and_its_causes(
    installed: None, logger: logging.Logger
) -> None:
    stream = io.StringIO()
    logger.addHandler(logging.StreamHandler(stream))
    kept = Keep()
    logger.addHandler(kept)
    try:
        raise chained()
    except RuntimeError:
        logger.exception("it failed")
    text = stream.getvalue()
    assert text.startswith("it failed\nTraceback (most recent call last):\n")
    assert (
        "KeyError: 'cause [openai key" in text and "direct cause" in text and "in chained" in text
    )
    kind, value, frames = kept.records[0].exc_info
    assert (kind.__name__, kind.__module__) == ("RuntimeError", "builtins")
    assert str(value).startswith("was [openai key") and frames is None


def test_a_terminals_pretty_traceback_shows_neither_secrets_nor_variables(
    installed: None, logger: logging.Logger
) -> None:
    from rich.console import Console
    from rich.logging import RichHandler

    stream = io.StringIO()
    console = Console(file=stream, width=200)
    logger.addHandler(
        RichHandler(console=console, rich_tracebacks=True, tracebacks_show_locals=True)
    )
    logger.error("it failed", exc_info=chained())
    text = stream.getvalue()
    assert "RuntimeError: was [openai key" in text and "it failed" in text
    assert SECRET not in text and "local " not in unmarked(text).replace(
        "[openai key] local [openai key", ""
    )


def test_the_stack_of_a_call_is_cleaned_too(
    installed: None, logger: logging.Logger, kept: Keep
) -> None:
    record = logger.makeRecord("a.program", logging.INFO, "f.py", 1, "x", (), None)
    record.stack_info = f'File "f.py", line 1\n  ask("{SECRET}")'
    logger.handle(record)
    assert "[openai key" in kept.printed and SECRET not in kept.printed


def test_what_says_nothing_secret_keeps_its_template_and_its_arguments(
    installed: None, logger: logging.Logger, kept: Keep
) -> None:
    """uvicorn's access log unpacks the arguments, others group by the template."""
    logger.info('%s - "%s %s" %d', "1.2.3.4:5", "GET", "/items?page=2", 200)
    logger.info('%s - "%s %s" %d', "1.2.3.4:5", "GET", f"/items?api_key={SECRET}", 200)
    plain, hidden = kept.records
    assert plain.args == ("1.2.3.4:5", "GET", "/items?page=2", 200)
    assert hidden.msg == plain.msg and len(hidden.args) == 4
    assert hidden.args[3] == 200 and SECRET not in hidden.args[2]


def test_what_a_filter_adds_is_cleaned_before_the_handler_writes(
    installed: None, logger: logging.Logger
) -> None:
    class Adds(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            record.headers = {"authorization": SECRET}
            return True

    first, second = Keep(), Keep()
    second.addFilter(Adds())
    logger.addHandler(first)
    logger.addHandler(second)
    logger.info("asked")
    assert second.records[0].headers["authorization"].startswith("[")
    assert SECRET not in second.printed


def test_handlers_that_come_later_and_loggers_that_do_not_propagate_are_cleaned(
    installed: None, logger: logging.Logger
) -> None:
    third_party = logging.getLogger("third.party")
    third_party.propagate = False
    late = Keep()
    third_party.addHandler(late)
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"late": {"class": f"{__name__}.Keep"}},
            "loggers": {"configured": {"handlers": ["late"], "level": "INFO"}},
        }
    )
    configured = logging.getLogger("configured")
    configured_handler: Any = configured.handlers[0]
    try:
        third_party.warning("refused %s", SECRET)
        configured.warning("refused %s", SECRET)
        late.handle(logging.makeLogRecord({"msg": f"made by hand {SECRET}"}))
    finally:
        third_party.removeHandler(late)
        third_party.propagate = True
        configured.handlers.clear()
    assert "refused [openai key" in late.printed and "made by hand [openai key" in late.printed
    assert "refused [openai key" in configured_handler.printed
    assert SECRET not in late.printed + configured_handler.printed


@pytest.fixture
def broken() -> Iterator[None]:
    """Scrubbing that fails on everything."""

    def fails(_: Any) -> Any:
        raise RuntimeError("a bug in the scrubber")

    hooks = hook(Cleaner(fails, fails))
    yield
    unhook(hooks)


def test_where_scrubbing_fails_the_field_is_dropped_and_the_record_is_written(
    broken: None, logger: logging.Logger, kept: Keep
) -> None:
    logger.error("a %s", "b", exc_info=chained(), extra={"body": SECRET})
    assert len(kept.records) == 1
    assert kept.records[0].getMessage() == kept.records[0].body == "[scrub failed: dropped]"
    assert kept.records[0].exc_text == "[scrub failed: dropped]"
    assert SECRET not in kept.printed


def test_an_argument_that_logs_while_it_is_printed_does_not_go_round_for_ever(
    installed: None, logger: logging.Logger, kept: Keep
) -> None:
    class Talks:
        def __str__(self) -> str:
            logger.info("printing %s", SECRET)
            return SECRET

    logger.info("it is %s", Talks())
    assert "it is [openai key" in kept.printed and "printing [openai key" in kept.printed
    assert SECRET not in kept.printed


# -- installing -----------------------------------------------------------------------------------


def test_a_plain_format_looks_as_before_and_may_name_the_new_fields(
    runtime: Runtime, installed: None, logger: logging.Logger
) -> None:
    plain, wide = io.StringIO(), io.StringIO()
    for stream, pattern in ((plain, None), (wide, "%(run_id)s %(step)s: %(message)s")):
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter(pattern))
        logger.addHandler(handler)

    @step(name="load")
    def load() -> None:
        logger.info("3 rows")

    logger.info("before")
    workflow(lambda: load()).with_options(run_id="r1").start()
    assert plain.getvalue() == "before\n3 rows\n"
    assert wide.getvalue() == "None None: before\nr1 load: 3 rows\n"


def test_installing_twice_is_installing_once_and_uninstalling_restores() -> None:
    done = child(
        """
        import logging, surefoot
        from surefoot import step, workflow
        from surefoot.testing import disabled

        def own(*args, **kwargs):
            return logging.LogRecord(*args, **kwargs)

        logging.setLogRecordFactory(own)
        names = [(logging.Logger, "handle"), (logging.Handler, "handle"), (logging.Handler, "filter"),
                 (logging.Handler, "handleError")]
        look = lambda: [owner.__dict__.get(name) for owner, name in names]
        before = look()
        surefoot.logs.uninstall()  # without effect
        surefoot.logs.install()
        once = look()
        surefoot.logs.install()
        assert look() == once != before
        surefoot.logs.uninstall()
        assert look() == before and logging.getLogRecordFactory() is own
        surefoot.logs.uninstall()
        assert look() == before
        """
    )
    assert done.returncode == 0, done.stderr


def test_what_someone_else_wrapped_meanwhile_is_left_to_them() -> None:
    done = child(
        f"""
        import io, logging, surefoot
        stream = io.StringIO()
        logging.basicConfig(stream=stream, level="INFO")
        surefoot.logs.install()
        ours = logging.Handler.filter
        theirs = lambda self, record: ours(self, record)
        logging.Handler.filter = theirs
        surefoot.logs.uninstall()
        assert logging.Handler.filter is theirs
        logging.info("raw {SECRET}")
        surefoot.logs.install()
        logging.info("clean {SECRET}")
        assert "raw {SECRET}" in stream.getvalue() and "clean [openai key" in stream.getvalue()
        """
    )
    assert done.returncode == 0, done.stderr


def test_a_program_that_never_set_logging_up_writes_clean_lines_too() -> None:
    done = child(
        f"import logging, surefoot; surefoot.logs.install(); logging.getLogger('x').warning('{SECRET}')"
    )
    assert done.returncode == 0
    assert done.stderr.startswith("[openai key") and SECRET not in done.stderr


def test_an_unknown_level_is_told() -> None:
    with pytest.raises(surefoot.SurefootError, match=r"level='LOUD': give DEBUG, INFO"):
        surefoot.logs.install(json=True, level="LOUD")


# -- sinks that fail ------------------------------------------------------------------------------


class Raises(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise OSError(28, f"No space left on device for {SECRET}")


def test_a_handler_that_raises_is_told_about_once_and_the_run_goes_on(
    runtime: Runtime, installed: None, logger: logging.Logger
) -> None:
    after = Keep()
    logger.addHandler(Raises())
    logger.addHandler(after)

    @step
    def load(n: int) -> int:
        logger.info("row %d", n)
        return n

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = workflow(lambda: load.map([1, 2, 3]).results).start()
    assert run.result == [1, 2, 3] and run.failures == () and len(after.records) == 3
    (warning,) = caught
    assert "the log handler Raises failed and loses records; the run goes on: OSError" in str(
        warning.message
    )
    assert SECRET not in str(warning.message)
    assert surefoot.logs.lost() == {"Raises": 3}


def test_outside_of_runs_a_handler_that_raises_is_the_programs_own_affair(
    installed: None, logger: logging.Logger
) -> None:
    logger.addHandler(Raises())
    with pytest.raises(OSError):
        logger.info("x")
    assert surefoot.logs.lost() == {}


def test_a_full_disk_under_a_plain_log_is_told_about_once_and_breaks_no_run(
    runtime: Runtime, installed: None, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    full = open("/dev/full", "w")  # noqa: SIM115
    logger.addHandler(logging.StreamHandler(full))
    logger.propagate = False

    @step
    def load(n: int) -> int:
        logger.info("row %d", n)
        return n

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run = workflow(lambda: load.map([1, 2, 3]).results).start()
    finally:
        logger.handlers.clear()
        with contextlib.suppress(OSError):
            full.close()
    assert run.result == [1, 2, 3] and run.failures == ()
    assert surefoot.logs.lost() == {"StreamHandler": 3}
    (warning,) = caught
    assert "StreamHandler failed and loses records; the run goes on: OSError: [Errno 28]" in str(
        warning.message
    )
    assert "Logging error" not in capsys.readouterr().err


def test_where_warnings_are_errors_a_failing_sink_breaks_no_run_either(
    runtime: Runtime, installed: None, logger: logging.Logger
) -> None:
    logger.addHandler(Raises())

    @step
    def load() -> int:
        logger.info("row")
        return 1

    assert workflow(lambda: load()).start().result == 1
    assert surefoot.logs.lost() == {"Raises": 1}
