"""structlog by itself, and through the standard library."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

import surefoot
from surefoot import Runtime, step, workflow
from tests.log_libs.ecs_fields import problems
from tests.support.marks import unmarked

SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture(autouse=True)
def _structlog_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    surefoot.logs.uninstall()
    logging.getLogger("app").handlers.clear()
    logging.getLogger("app").setLevel(logging.NOTSET)


def fails() -> None:
    local = f"local {SECRET}"
    raise ValueError(f"was {SECRET} {len(local)}")


def test_the_processor_says_where_and_cleans_the_event(runtime: Runtime) -> None:
    stream = io.StringIO()
    structlog.configure(
        processors=[
            structlog.processors.StackInfoRenderer(),
            surefoot.logs.structlog_processor,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    log: Any = structlog.get_logger()

    @step(name="load", stage="ingestion")
    def load() -> None:
        log.info(f"asked {SECRET}", headers={"authorization": "hunter2"}, rows=3, step_size=7)
        try:
            fails()
        except ValueError:
            log.exception("it failed")
        log.info("own", step=1200)

    log.info("outside", password="hunter2")
    workflow(name="work")(lambda: load()).with_options(run_id="r1").start()
    assert SECRET not in stream.getvalue() and "hunter2" not in stream.getvalue()
    outside, asked, failed, own = map(json.loads, unmarked(stream.getvalue()).splitlines())
    assert outside == {"event": "outside", "password": "[secret]"}
    assert asked.pop("call_id") and asked.pop("event").startswith("asked [openai key")
    assert asked == {
        "headers": {"authorization": "[secret]"},
        "rows": 3,
        "step_size": 7,
        "run_id": "r1",
        "workflow": "work",
        "step": "load",
        "attempt": 1,
        "stage": "ingestion",
    }
    assert "exc_info" not in failed and "ValueError: was [openai key" in failed["exception"]
    assert (own["step"], own["run_id"]) == (1200, "r1")


def test_tracebacks_as_data_lose_their_locals() -> None:
    stream = io.StringIO()
    structlog.configure(
        processors=[
            structlog.processors.dict_tracebacks,  # shows locals, as it comes
            surefoot.logs.structlog_processor,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    try:
        fails()
    except ValueError:
        structlog.get_logger().exception("it failed")
    (doc,) = map(json.loads, stream.getvalue().splitlines())
    (error,) = doc["exception"]
    assert error["exc_type"] == "ValueError" and error["frames"][-1]["name"] == "fails"
    assert '"locals"' not in stream.getvalue() and SECRET not in stream.getvalue()


@pytest.mark.parametrize("renderer", ["json", "console", "key_value"])
def test_events_that_go_through_the_standard_library_are_cleaned_there(
    runtime: Runtime, renderer: str
) -> None:
    """structlog's own recipe: nothing of Surefoot in its configuration."""
    last: Any = {
        "json": structlog.processors.JSONRenderer(),
        "console": structlog.dev.ConsoleRenderer(colors=False),
        "key_value": structlog.processors.KeyValueRenderer(),
    }[renderer]
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                last,
            ]
        )
    )
    logging.getLogger("app").addHandler(handler)
    logging.getLogger("app").setLevel("INFO")
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    surefoot.logs.install()
    log = structlog.get_logger("app")

    @step(name="load")
    def load() -> None:
        log.info(f"asked {SECRET}", password="hunter2", rows=3)
        try:
            fails()
        except ValueError:
            log.exception("it failed")
            logging.getLogger("app").exception("foreign %s", SECRET)

    workflow(lambda: load()).start()
    text = stream.getvalue()
    assert "asked [openai key" in text and "foreign [openai key" in text and "rows" in text
    assert text.count("was [openai key") >= 2 and "Traceback" in text
    assert SECRET not in text and "hunter2" not in text


def test_events_become_ecs_lines() -> None:
    stream = io.StringIO()
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    surefoot.logs.install(json=True, stream=stream, logger="app")
    log = structlog.get_logger("app")
    log.info("asked", rows=3, user={"name": "ada"})
    try:
        fails()
    except ValueError:
        log.exception("it failed")
    asked, failed = map(json.loads, stream.getvalue().splitlines())
    assert problems(asked) == problems(failed) == []
    assert (asked["message"], asked["labels"]) == ("asked", {"rows": "3", "level": "info"})
    assert asked["user"] == {"name": "ada"}
    assert "ValueError: was [openai key" in failed["error"]["stack_trace"]
    assert SECRET not in stream.getvalue()
