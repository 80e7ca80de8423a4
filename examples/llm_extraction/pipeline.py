"""The workflow: each document becomes an :class:`Invoice`, whatever the server does.

This is the file to read. What each failure is, and what is done about it, comes from Surefoot's
catalog; ``recover=`` says where this pipeline knows better.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, cast

import openai
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from surefoot import grow, last_error, on, spend, step, truncate, workflow

USD_PER_TOKEN = {"mini": 0.15e-6, "large": 2.5e-6}
TASK = (
    "Read the invoice and answer with JSON: number, vendor, currency, total, items (what, price)."
)


class Item(BaseModel):
    what: str
    price: float


class Invoice(BaseModel):
    """What ``returns=`` holds the model's answer against."""

    number: str
    vendor: str
    currency: Literal["EUR", "GBP", "CHF", "USD"]
    total: float
    items: list[Item]


@lru_cache(maxsize=1)
def client() -> openai.OpenAI:
    """One for all threads. Its own retries are off: they would multiply with the step's, and sleep
    where nobody sees it. Address and key come from OPENAI_BASE_URL and OPENAI_API_KEY."""
    return openai.OpenAI(max_retries=0, timeout=10.0)


def adds_up(invoice: Invoice) -> str | None:
    """What no schema can say. The text goes back to the model."""
    total = sum(item.price for item in invoice.items)
    if abs(total - invoice.total) < 0.005:
        return None
    return f"the items come to {total:.2f}, and the total says {invoice.total:.2f}"


@step(
    stage="inference",
    resource="openai",
    returns=Invoice,
    expect=adds_up,
    recover=[
        # asked again the same way it would be cut again: more room, up to a limit
        on("output_truncated").adapt(limit=grow(2, maximum=640)),
        # the end of an invoice is small print
        on("context_length_exceeded").adapt(text=truncate(0.5)),
        # the model is told what was wrong with its answer; then a larger one is asked
        on("malformed_output", "unexpected_output")
        .retry(attempts=1)
        .adapt(feedback=last_error, rounds=2)
        .fall_back(model="large"),
        on("overloaded").retry(attempts=2, base=0.1).fall_back(model="large"),
        on("connection").retry(attempts=12, within=60, base=0.3, cap=1.0),
        on("content_filtered").skip(),
    ],
)
def extract(
    text: str, *, model: str = "mini", limit: int = 80, feedback: str | None = None
) -> Invoice:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": TASK},
        {"role": "user", "content": text},
    ]
    if feedback is not None:
        said = f"Your last answer cannot be used: {feedback}. Answer again, with JSON alone."
        messages.append({"role": "user", "content": said})
    completion = client().chat.completions.create(
        model=model, messages=messages, max_tokens=limit, temperature=0
    )
    if completion.usage is not None:
        tokens = completion.usage.total_tokens
        spend(tokens * USD_PER_TOKEN[model], tokens=tokens)
    choice = completion.choices[0]
    # what the SDK's own parse() raises for these two
    if choice.finish_reason == "length":
        raise openai.LengthFinishReasonError(completion=completion)
    if choice.finish_reason == "content_filter":
        raise openai.ContentFilterFinishReasonError()
    # a text; returns= makes an Invoice of it, or a failure of the model
    return cast(Invoice, choice.message.content)


@workflow
def extract_all(texts: list[str]) -> list[Invoice]:
    batch = extract.map(texts, workers=4)
    return batch.results
