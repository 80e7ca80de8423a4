"""LLM extraction: the whole script with its kill, the server's answers, and the check of the numbers."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from examples.file_triage.loopback import ROOT, read_records, service
from examples.llm_extraction.check import Told, problems, summary
from examples.llm_extraction.documents import DOCUMENTS, Document
from examples.llm_extraction.server import read_invoice

SERVER = "examples.llm_extraction.server"


def asked(url: str, text: str, **changed: Any) -> Any:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="sk-none", max_retries=0, timeout=10.0)
    messages = [{"role": "system", "content": "task"}, {"role": "user", "content": text}]
    with client:
        return client.chat.completions.create(
            **{"model": "mini", "messages": messages, "max_tokens": 320, **changed}
        )


def of(trouble: str) -> Document:
    return next(one for one in DOCUMENTS if one.trouble == trouble)


def good_story() -> tuple[list[dict[str, Any]], Told]:
    """Records and a run that fit."""
    spoiled = {
        "cut": "output_truncated",
        "filtered_prompt": "content_filtered",
        "filtered_answer": "content_filtered",
        "malformed": "malformed_output",
        "words": "unexpected_output",
        "overloaded": "overloaded",
    }
    served: list[dict[str, Any]] = []
    for one in DOCUMENTS:
        if one.trouble:
            served.append(
                {"document": one.number, "model": "mini", "outcome": spoiled[one.trouble]}
            )
        if not one.trouble.startswith("filtered"):
            model = "large" if one.trouble in ("words", "overloaded") else "mini"
            served.append({"document": one.number, "model": model, "outcome": "answered"})
    for outcome in ("rate_limited", "context_length_exceeded", "died"):
        served.append({"document": "R-1001", "model": "mini", "outcome": outcome})
    kinds = Counter(one["outcome"] for one in served)
    failures = {k: n for k, n in kinds.items() if k not in ("answered", "died")}
    invoices = [
        {"number": one.number, "total": one.total / 100}
        for one in DOCUMENTS
        if not one.trouble.startswith("filtered")
    ]
    return served, Told(invoices, {**failures, "connection": 1}, 2, 0.001)


def test_the_server_and_the_run_tell_the_same_story(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "examples/llm_extraction/run.py", "--work", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the server has died (-9)" in done.stdout and "It fits" in done.stdout
    served = read_records(tmp_path / "served.jsonl")
    answered = Counter(one["document"] for one in served if one["outcome"] == "answered")
    assert set(answered.values()) == {1} and len(answered) == len(DOCUMENTS) - 2
    assert [one["number"] for one in served] == list(range(1, len(served) + 1))


def test_a_story_that_fits_has_no_problems() -> None:
    served, told = good_story()
    assert list(problems(DOCUMENTS, served, told)) == []
    page, fits = summary(DOCUMENTS, served, told)
    assert fits and "12 invoices, 2 set aside" in page


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda served, told: (served[:-1], told), "died 0 times"),
        (lambda served, told: (served[1:], told), "R-1001 was answered 0 times"),
        (lambda served, told: ([*served, served[0]], told), "R-1001 was answered 2 times"),
        (lambda served, told: (served, replace(told, set_aside=3)), "3 documents were set aside"),
        (lambda served, told: (served, replace(told, invoices=told.invoices[1:])), "invoices for"),
        (
            lambda served, told: (
                served,
                replace(told, failures={**told.failures, "rate_limited": 2}),
            ),
            "rate_limited: 1 times at the server, 2 times in the run",
        ),
        (
            lambda served, told: (
                [one for one in served if one["outcome"] != "overloaded"],
                told,
            ),
            "never answered with overloaded",
        ),
        (
            lambda served, told: ([{**one, "model": "mini"} for one in served], told),
            "the large model was asked for none",
        ),
        (
            lambda served, told: (
                served,
                replace(told, invoices=[{**told.invoices[0], "total": 1.0}, *told.invoices[1:]]),
            ),
            "R-1001: a total of 1.0",
        ),
    ],
)
def test_the_check_finds_what_does_not_fit(change: Any, part: str) -> None:
    served, told = change(*good_story())
    assert any(part in one for one in problems(DOCUMENTS, served, told))
    page, fits = summary(DOCUMENTS, served, told)
    assert not fits and "WRONG" in page


def test_the_model_reads_what_the_document_says() -> None:
    for one in DOCUMENTS:
        read = read_invoice(one.text)
        assert (read["number"], read["vendor"]) == (one.number, one.vendor)
        assert read["total"] == one.total / 100 and len(read["items"]) == len(one.items)


def test_the_server_answers_as_the_real_sdk_expects(tmp_path: Path) -> None:
    record = tmp_path / "served.jsonl"
    long = next(one for one in DOCUMENTS if one.attachment)
    many = max(DOCUMENTS, key=lambda one: len(one.items))
    with service(SERVER, "--record", str(record)) as server:
        first = asked(server.url, DOCUMENTS[0].text)
        assert first.choices[0].finish_reason == "stop"
        assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens
        assert asked(server.url, many.text, max_tokens=80).choices[0].finish_reason == "length"
        for _ in range(2):
            with pytest.raises(openai.RateLimitError) as limited:
                asked(server.url, DOCUMENTS[0].text)
            assert limited.value.response.headers["retry-after"] == "1"
        with pytest.raises(openai.BadRequestError) as too_long:
            asked(server.url, long.text)
        assert too_long.value.code == "context_length_exceeded"
        with pytest.raises(openai.BadRequestError) as filtered:
            asked(server.url, of("filtered_prompt").text)
        assert filtered.value.code == "content_filter"
        answer = asked(server.url, of("filtered_answer").text)
        assert answer.choices[0].finish_reason == "content_filter"
        with pytest.raises(openai.InternalServerError):
            asked(server.url, of("overloaded").text)
        large = asked(server.url, of("overloaded").text, model="large")
        assert (large.model, large.choices[0].finish_reason) == ("large", "stop")
    outcomes = [one["outcome"] for one in read_records(record)]
    assert outcomes[:4] == ["answered", "output_truncated", "rate_limited", "rate_limited"]
    assert len(outcomes) == 9
