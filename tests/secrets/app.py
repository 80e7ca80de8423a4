"""A workflow in which everything carries a secret. The secrets come from a file: no line of this
source holds one, so that a traceback shows none by showing the source."""

from __future__ import annotations

import json
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import surefoot
from surefoot import effect, on, step, workflow

PLANTS: dict[str, dict[str, str]] = json.loads(Path(os.environ["PLANTS"]).read_text())
BROKEN = Path(os.environ["PLANTS"]).with_name("broken")
log = logging.getLogger("app")


def text(name: str) -> str:
    return PLANTS[name]["text"]


class SecretStr:
    """As pydantic's: its value is behind a method, and its repr is no use."""

    def __init__(self, value: str) -> None:
        self._secret_value = value

    def get_secret_value(self) -> str:
        return self._secret_value

    def __repr__(self) -> str:
        return f"SecretStr({self._secret_value})"  # worse than pydantic's


@dataclass
class Job:
    prompt: str
    password: str
    payload: str
    items: list[str]


class ApiError(Exception):
    """As an SDK's: with a request, its headers, and a body."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.api_key = text("exception_attribute")
        self.headers = {"Authorization": f"Bearer {text('header')}"}
        self.status_code = 500


def failing(what: str) -> None:
    token = text("local")
    log.warning("connecting with %s", text("log_argument"))
    log.error(f"and {text('log_message')}", extra={"api_key": text("log_extra")})
    warnings.warn(f"odd: {text('printed_warning')}", UserWarning, stacklevel=2)
    try:
        try:
            raise OSError(text("exception_cause"))
        except OSError as exc:
            raise ConnectionError(text("exception_context")) from exc
    except ConnectionError:
        error = ApiError(
            f"{text('exception_message')} at https://api.example.com/v1?api_key={text('url_query')} "
            f"by {text('person')} paying with {text('card')} from {text('iban')}; "
            f"{os.environ['ACME_API_TOKEN']} and {os.environ['BROKER_URL']} and {text('registered')} "
            f"{what} {token[:0]}"
        )
        if hasattr(error, "add_note"):
            error.add_note(text("exception_note"))
        raise error  # noqa: B904  its context is what is tested


@step(stage="ingestion")
def load(job: Job, client: Any = None) -> list[str]:
    return job.items


@step(stage="preprocessing", attempts=1, recover=[on(ApiError).skip()])
def check(item: str) -> str:
    if "bad" in item:
        failing(f"with {item}")
    return item


@step(
    stage="inference",
    attempts=2,
    recover=[
        on("unexpected_output", "malformed_output").adapt(
            prompt=lambda value, failure: f"{value} {text('adapted')}"
        )
    ],
    expect=lambda answer: answer.endswith("."),
)
def ask(prompt: str, password: str) -> str:
    if text("adapted") in prompt:
        return "done."
    return f"cut off: {text('model_output')}"


def other(prompt: str, password: str) -> str:
    raise RuntimeError(text("fallback"))


@step(stage="inference", attempts=1, recover=[on(Exception).fall_back(other)])
def shaky(prompt: str, password: str) -> str:
    failing("first")
    return prompt


def undo(result: int) -> None:
    raise ValueError(f"cannot undo: {text('undo')}")


@effect(key=lambda n: f"pay:{n}", compensate=undo, attempts=1)
def pay(n: int) -> int:
    return n


@step(stage="notification", attempts=1)
def tell(prompt: str, secret: str) -> str:
    if BROKEN.exists():
        failing("at last")
    return "told"


@workflow
def flow(job: Job) -> str:
    surefoot.hide(text("registered"))
    items = load(job)
    check.map(items, item_id=lambda item: text("item_id") if "bad" in item else item)
    ask(job.prompt, job.password)
    try:
        shaky(job.prompt, job.password)
    except RuntimeError:
        pass
    pay(1)
    return tell(job.prompt, text("input_secret_object"))


@workflow
def undone(job: Job) -> str:
    pay(2)
    failing("in the body")
    return "never"
