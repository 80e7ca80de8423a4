"""Real validation errors of pydantic, and answers of a model that cannot be parsed, at each stage."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tests.rules.conftest import Judge
from tests.rules.servers import Answer, serving


class Item(BaseModel):
    name: str
    count: Annotated[int, Field(gt=0)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    name: str


def _invalid(text: str, model: type[BaseModel] = Item) -> ValidationError:
    with pytest.raises(ValidationError) as raised:
        model.model_validate_json(text)
    return raised.value


@pytest.mark.parametrize("stage", ["ingestion", "preprocessing", None])
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"name": "x"}', "missing_value"),
        ('{"name": "x", "count": 0}', "invalid_value"),
        ('{"name": 3, "count": 1}', "schema_mismatch"),
        ('{"name": "x", "count": "many"}', "schema_mismatch"),
        ("[]", "schema_mismatch"),
        ("not json", "parse_error"),
        ('{"name": "x', "parse_error"),
    ],
)
def test_before_a_model_was_asked_it_is_our_data(
    text: str, kind: str, stage: str | None, judge: Judge
) -> None:
    judge(_invalid(text), kind, retryable=False, stage=stage, category="data")


@pytest.mark.parametrize("stage", ["inference", "postprocessing"])
@pytest.mark.parametrize(
    ("text", "kind", "retryable"),
    [
        ('{"name": "x"}', "malformed_output", True),
        ('{"name": "x", "count": 0}', "malformed_output", True),
        ('{"name": 3, "count": 1}', "malformed_output", True),
        ("Sure! Here is your JSON:", "malformed_output", True),
        ('{"name": "x", "count": 1} Anything else?', "malformed_output", True),
        ("", "malformed_output", True),
        ('{"name": "x', "output_truncated", False),
        ('{"name": "x", "count": ', "output_truncated", False),
    ],
)
def test_after_it_the_answer_of_the_model_is_at_fault(
    text: str, kind: str, retryable: bool, stage: str, judge: Judge
) -> None:
    judge(_invalid(text), kind, retryable=retryable, stage=stage, category="model")


def test_hidden_input_changes_nothing(judge: Judge) -> None:
    judge(_invalid("{}", Strict), "missing_value", retryable=False, stage="ingestion")
    exc = _invalid('{"name": "x", "other": 1}', Strict)
    judge(exc, "schema_mismatch", retryable=False, stage="ingestion")
    exc = _invalid('{"name": "x', Strict)
    judge(exc, "output_truncated", retryable=False, stage="inference")


def test_input_that_quotes_an_error_of_pydantic_deceives_nobody(judge: Judge) -> None:
    quoted = "\n  Field required [type=missing, "
    exc = _invalid(json.dumps({"name": [quoted], "count": 1}))
    assert quoted.strip() in str(exc)
    judge(exc, "malformed_output", retryable=True, stage="inference")
    judge(exc, "schema_mismatch", retryable=False, stage="ingestion")


def test_settings_are_no_data(judge: Judge) -> None:
    class AppSettings(BaseModel):
        key: str

    for stage in (None, "ingestion", "inference"):
        exc = _invalid("{}", AppSettings)
        judge(exc, "misconfiguration", retryable=False, stage=stage)


def test_pydantics_version_1_is_known_too(judge: Judge) -> None:
    from pydantic import v1

    class Old(v1.BaseModel):
        count: int

    for value, kind in (({}, "missing_value"), ({"count": "many"}, "schema_mismatch")):
        with pytest.raises(v1.ValidationError) as raised:
            Old.parse_obj(value)
        judge(raised.value, kind, retryable=False, stage="ingestion")
        judge(raised.value, "malformed_output", retryable=True, stage="inference")


def test_wrong_use_of_pydantic_is_a_bug(judge: Judge) -> None:
    import pydantic
    import pydantic_core

    with pytest.raises(pydantic_core.PydanticSerializationError) as raised:
        pydantic_core.to_json(object())
    judge(raised.value, "bug", retryable=False)
    with pytest.raises(pydantic.PydanticUserError) as user:

        class Broken(BaseModel):
            x = 3

    judge(user.value, "bug", retryable=False, outcome="refused")


def _completion(content: str | None, finish_reason: str) -> bytes:
    answer: dict[str, Any] = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": content, "refusal": None},
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 9, "total_tokens": 10},
    }
    return json.dumps(answer).encode()


@pytest.mark.parametrize(
    ("content", "finish_reason", "kind", "retryable"),
    [
        ('{"name": "x', "length", "output_truncated", False),
        (None, "content_filter", "content_filtered", False),
        ("Sure!", "stop", "malformed_output", True),
        ('{"name": 3}', "stop", "malformed_output", True),
    ],
)
def test_an_answer_that_openai_cannot_parse_is_judged_right(
    content: str | None, finish_reason: str, kind: str, retryable: bool, judge: Judge
) -> None:
    import openai

    with serving() as (url, answer):
        headers = {"Content-Type": "application/json"}
        answer(Answer(200, _completion(content, finish_reason), headers))
        with openai.OpenAI(api_key="x", base_url=url, max_retries=0) as client:
            with pytest.raises(Exception) as raised:
                client.chat.completions.parse(
                    model="m",
                    messages=[{"role": "user", "content": "x"}],
                    response_format=Item,
                )
    judge(raised.value, kind, retryable=retryable, stage="inference", category="model")


@pytest.mark.parametrize("library", ["openai", "anthropic"])
def test_an_envelope_that_fits_no_schema_is_the_servers(library: str, judge: Judge) -> None:
    import importlib

    module = importlib.import_module(library)
    make = module.OpenAI if library == "openai" else module.Anthropic
    with serving() as (url, answer):
        with make(
            api_key="x", base_url=url, max_retries=0, _strict_response_validation=True
        ) as client:
            answer(Answer(200, b'{"data": 3}', {"Content-Type": "application/json"}))
            with pytest.raises(module.APIResponseValidationError) as raised:
                client.models.list()
            judge(raised.value, "malformed_output", retryable=True)
            answer(Answer(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}))
            with pytest.raises(module.APIResponseValidationError) as page:
                client.models.list()
            judge(page.value, "misconfiguration", retryable=False)
