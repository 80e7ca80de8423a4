"""`surefoot.logs.install(json=True)`: lines that the Elastic stack takes as they are."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import os
import queue
import socket
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import surefoot
from surefoot import Runtime, on, step, workflow
from tests.log_libs.ecs_fields import problems
from tests.support.marks import unmarked

SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


class Lines:
    """What was written, read as JSON; each line is held to ECS when it is read."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def __call__(self) -> list[dict[str, Any]]:
        docs = [
            json.loads(line, parse_constant=_no) for line in self.stream.getvalue().splitlines()
        ]
        for doc in docs:
            assert problems(doc) == [], doc
        return docs


def _no(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@pytest.fixture
def lines() -> Iterator[Lines]:
    made = Lines()
    surefoot.logs.install(json=True, stream=made.stream, level="DEBUG", logger="app")
    yield made
    surefoot.logs.uninstall()


@pytest.fixture
def every() -> Iterator[Lines]:
    """Surefoot's own lines too."""
    made = Lines()
    surefoot.logs.install(json=True, stream=made.stream, service_name="triage", service_version="7")
    yield made
    surefoot.logs.uninstall()


def test_a_run_with_failures_is_written_field_by_field_as_ecs_has_it(
    runtime: Runtime, every: Lines
) -> None:
    logger = logging.getLogger("app")
    calls: list[int] = []

    @step(name="fetch", stage="ingestion")
    def fetch() -> None:
        logger.info("fetching from %s", f"https://app:{SECRET}@host/x")
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionResetError(104, f"reset {SECRET}")

    @step(name="check", recover=[on(ValueError).skip()])
    def check(n: int) -> int:
        if n:
            raise ValueError("bad")
        return n

    def body() -> None:
        fetch()
        check.map([0, 1], workers=1)
        check(2)

    workflow(name="work")(body).with_options(run_id="r1").start()
    docs = every()
    assert SECRET not in every.stream.getvalue()
    actions = [(d.get("event", {}).get("action"), d.get("event", {}).get("outcome")) for d in docs]
    assert actions == [
        ("run_started", None),
        (None, None),
        ("attempt_failed", "failure"),
        (None, None),
        ("set_aside", "failure"),
        ("call_halted", "failure"),
        ("run_ended", "failure"),
    ]
    assert {d["event"]["type"][0] for d in docs if "event" in d} == {"start", "info", "end"}
    assert all(d["service"] == {"name": "triage", "version": "7"} for d in docs)
    assert all(d["host"] == {"name": socket.gethostname()} for d in docs)
    assert {d["process"]["pid"] for d in docs} == {os.getpid()}
    first, failed, again = docs[1], docs[2], docs[3]
    assert first["surefoot"].pop("call_id") == again["surefoot"]["call_id"]
    assert first["surefoot"] == {
        "run_id": "r1",
        "workflow": "work",
        "step": "fetch",
        "attempt": 1,
        "stage": "ingestion",
    }
    assert first["log.level"] == "info" and first["log"]["logger"] == "app"
    assert again["surefoot"]["kind"] == failed["surefoot"]["kind"] == "connection"
    assert again["surefoot"]["fingerprint"] == failed["surefoot"]["fingerprint"]
    assert failed["error"]["type"] == "ConnectionResetError"
    assert failed["error"]["message"].startswith("[Errno 104] reset [openai key")
    assert failed["error"]["stack_trace"].startswith("Traceback (most recent call last):")
    assert docs[4]["surefoot"]["item"] == 1


def test_the_check_itself_notices_what_is_wrong() -> None:
    good = {
        "@timestamp": "2026-11-22T10:00:00.123Z",
        "ecs.version": "1.6.0",
        "log.level": "info",
        "message": "x",
    }
    assert problems(good) == []
    assert problems({**good, "log": {"original": "x"}}) == ["log.original is no field of ECS"]
    assert problems({**good, "process": {"pid": "7"}}) == ["process.pid = '7' is no long"]
    assert problems({**good, "event": {"outcome": "ok"}}) == ["event.outcome = 'ok' is not allowed"]
    assert problems({**good, "event": {"category": "process"}})
    assert problems({**good, "event": {"category": ["process"], "type": ["creation"]}})
    assert problems({**good, "labels": {"a": 1}}) and problems({**good, "surefoot": {"step": 1}})
    assert problems({**good, "@timestamp": "today"}) and problems({"message": "x"})


def test_what_a_program_gives_goes_where_ecs_has_room_for_it(lines: Lines) -> None:
    logger = logging.getLogger("app")
    when = datetime(2026, 11, 22, tzinfo=timezone.utc)
    logger.info(
        "asked",
        extra={
            "user": "ada",  # an object in ECS: as a text there it would be refused
            "rows": 3,
            "ratio": float("nan"),
            "when": when,
            "price": Decimal("1.50"),
            "path": Path("/data/x"),
            "tags_": ["a", 1],
            "config": {"lr": 0.1},
            "nothing": None,
            "http.request.method": "GET",
            "step": 1200,
            "password": "hunter2",
        },
    )
    logger.info("nested", extra={"user": {"name": "ada"}, "log": {"logger": "mine"}})
    asked, nested = lines()
    assert unmarked(asked["labels"].pop("password")) == "[secret]"
    assert asked["labels"] == {
        "user": "ada",
        "rows": "3",
        "ratio": "nan",
        "when": "2026-11-22T00:00:00+00:00",
        "price": "1.50",
        "path": "/data/x",
        "tags_": '["a", 1]',
        "config": '{"lr": 0.1}',
        "step": "1200",
    }
    assert asked["http"] == {"request": {"method": "GET"}} and "surefoot" not in asked
    assert nested["user"] == {"name": "ada"}
    assert nested["log"]["logger"] == "app"  # what is there already is not replaced
    assert nested["labels"] == {"log": '{"logger": "mine"}'}


def test_a_line_is_one_line_of_ascii_whatever_is_in_it(lines: Lines) -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("no")

        __repr__ = __str__

    logger = logging.getLogger("app")
    logger.info("two\nlines \udc80 and ünïcode %s", "x")
    logger.info("%s", Hostile())
    logger.info("x", extra={"odd": Hostile(), "cyclic": (cyclic := {})})  # type: ignore[var-annotated]
    cyclic["self"] = cyclic
    logger.info("x", extra={"cyclic": cyclic, "a.": {"b": 1}, "": 2, "..": 3})
    docs = lines()
    assert len(docs) == 4 and lines.stream.getvalue().isascii()
    assert docs[0]["message"].startswith("two\nlines ") and docs[0]["message"].endswith("ünïcode x")
    assert docs[1]["message"] == "%s (its arguments do not fit)"


def test_an_exception_of_a_library_is_named_in_full_and_a_stack_is_kept(lines: Lines) -> None:
    logger = logging.getLogger("app")
    try:
        json.loads("{")
    except ValueError:
        logger.exception("not read")
    logger.info("here", stack_info=True)
    failed, here = lines()
    assert failed["error"]["type"] == "json.decoder.JSONDecodeError"
    assert failed["error"]["message"].startswith("Expecting property name")
    assert "test_ecs.py" in failed["error"]["stack_trace"]
    assert here["error"] == {"stack_trace": here["error"]["stack_trace"]}


def test_the_current_span_of_opentelemetry_is_named(lines: Lines) -> None:
    from opentelemetry import trace

    logger = logging.getLogger("app")
    logger.info("outside of spans")
    context = trace.SpanContext(
        trace_id=0x0AF7651916CD43DD8448EB211C80319C, span_id=0xB7AD6B7169203331, is_remote=False
    )
    with trace.use_span(trace.NonRecordingSpan(context)):
        logger.info("inside")
    logger.info("by OpenTelemetry's own instrumentation", extra={"otelTraceID": "0" * 32})
    outside, inside, own = lines()
    assert "trace" not in outside and "span" not in outside and "trace" not in own
    assert inside["trace"] == {"id": "0af7651916cd43dd8448eb211c80319c"}
    assert inside["span"] == {"id": "b7ad6b7169203331"}


def test_a_transaction_of_elastic_apm_is_named(lines: Lines) -> None:
    ids = {"elasticapm_transaction_id": "ab12", "elasticapm_trace_id": "cd34"}
    logging.getLogger("app").info("x", extra={**ids, "elasticapm_labels": {"a": 1}})
    (doc,) = lines()
    assert doc["transaction"] == {"id": "ab12"} and doc["trace"] == {"id": "cd34"}
    assert "labels" not in doc


def test_a_queue_may_stand_before_the_handler(runtime: Runtime, lines: Lines) -> None:
    logger = logging.getLogger("app")
    (handler,) = logger.handlers
    records: queue.Queue[Any] = queue.Queue()
    logger.handlers[:] = [logging.handlers.QueueHandler(records)]
    listener = logging.handlers.QueueListener(records, handler)
    listener.start()

    @step(name="load")
    def load() -> None:
        logger.info("in the step")

    workflow(lambda: load()).with_options(run_id="r1").start()
    listener.stop()
    logger.handlers[:] = [handler]
    (doc,) = lines()
    assert doc["surefoot"]["run_id"] == "r1" and doc["surefoot"]["step"] == "load"


def test_one_handler_is_there_however_often_it_is_installed_and_none_after() -> None:
    logger = logging.getLogger("app")
    logger.setLevel("ERROR")
    first, second = Lines(), Lines()
    surefoot.logs.install(json=True, stream=first.stream, logger="app")
    surefoot.logs.install(json=True, stream=second.stream, logger="app")
    try:
        logger.info("once")
        logger.debug("not so far down")
        assert first() == [] and [doc["message"] for doc in second()] == ["once"]
    finally:
        surefoot.logs.uninstall()
    assert logger.handlers == [] and logger.level == logging.ERROR
    logger.setLevel("NOTSET")


def test_the_service_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "from-otel")
    monkeypatch.setenv("ELASTIC_APM_SERVICE_VERSION", "1.2")
    lines = Lines()
    surefoot.logs.install(json=True, stream=lines.stream, logger="app")
    try:
        logging.getLogger("app").info("x")
    finally:
        surefoot.logs.uninstall()
    assert lines()[0]["service"] == {"name": "from-otel", "version": "1.2"}


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ecs_logging", None)
    with pytest.raises(surefoot.SurefootError, match=r'pip install "surefoot\[logs\]"'):
        surefoot.logs.install(json=True)
    assert not hasattr(logging.Logger.handle, "__wrapped__")  # nothing was half installed


def test_a_full_disk_is_told_about_once_and_counted(runtime: Runtime) -> None:
    full = open("/dev/full", "w")  # noqa: SIM115
    surefoot.logs.install(json=True, stream=full, logger="app")

    @step
    def load(n: int) -> int:
        logging.getLogger("app").info("row %d", n)
        return n

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run = workflow(lambda: load.map([1, 2, 3]).results).start()
        assert surefoot.logs.lost() == {"EcsHandler": 3}
    finally:
        surefoot.logs.uninstall()
        try:
            full.close()
        except OSError:
            pass
    assert run.result == [1, 2, 3] and run.failures == ()
    assert [str(w.message).partition(":")[2].strip()[:60] for w in caught] == [
        "the log handler EcsHandler failed and loses records; the run"
    ]


def test_a_program_writes_to_standard_error_and_ends_well_with_it_full() -> None:
    code = """
        import logging, surefoot
        from surefoot import step, workflow, Runtime
        import tempfile
        surefoot.logs.install(json=True)

        @step
        def load():
            logging.getLogger("app").info("row")
            return 1

        with tempfile.TemporaryDirectory() as folder, Runtime(journal=folder + "/j.db"):
            print(workflow(name="w")(lambda: load()).start().result)
        """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=full, text=True, timeout=60, check=False
        )
    assert done.stdout == "1\n"
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    docs = [json.loads(line) for line in done.stderr.splitlines()]
    assert [doc["message"] for doc in docs][1] == "row" and len(docs) == 3
    assert [problem for doc in docs for problem in problems(doc)] == []
