"""Three steps that are too large at first, and each way to make them smaller.

| where the batches are made | what halves them | what runs again |
| --- | --- | --- |
| by Surefoot: ``embed.map(texts, batch=32)`` | the map itself | only the batch that did not fit |
| inside of the step: ``score(texts, batch_size=32)`` | ``halve()`` | the whole step |
| nowhere: ``vowels(texts)`` | ``split()`` | only the half that did not fit |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from surefoot import halve, on, split, step, workflow

from .device import Device

__all__ = ["DEVICE", "Results", "process"]

DEVICE = Device(memory=16.0, weights=4.0, per_word=8.0)
"""There is one, and it does one thing at a time."""


@dataclass(frozen=True)
class Results:
    """``embedded`` by index: a text that fits in no batch has none."""

    embedded: dict[int, int]
    scores: list[int]
    vowels: dict[str, int]


@step(stage="inference", resource="gpu")
def embed(texts: list[str]) -> list[int]:
    """One result for each text: then the map may make the batches, and halve them."""
    return DEVICE.run("embed", texts)


@step(
    stage="inference",
    resource="gpu",
    recover=[on("gpu_out_of_memory").adapt(batch_size=halve(minimum=1), rounds=8)],
)
def score(texts: list[str], *, batch_size: int = 64) -> list[int]:
    """Makes its batches itself, as many libraries do (``pipeline(..., batch_size=64)``)."""
    scores: list[int] = []
    for start in range(0, len(texts), batch_size):
        scores += DEVICE.run("score", texts[start : start + batch_size])
    return scores


def summed(parts: Sequence[dict[str, int]]) -> dict[str, int]:
    whole: Counter[str] = Counter()
    for part in parts:
        whole.update(part)
    return dict(whole)


@step(
    stage="inference",
    resource="gpu",
    recover=[on("gpu_out_of_memory").adapt(texts=split(summed))],
)
def vowels(texts: list[str]) -> dict[str, int]:
    """One result for all: ``split(summed)`` says how the halves' results are put together."""
    return {"texts": len(texts), "vowels": sum(DEVICE.run("vowels", texts))}


@workflow
def process(texts: list[str]) -> Results:
    batch = embed.map(texts, batch=32, workers=1)
    # what fits in no batch is set aside above; the others go on
    fitting = [text for text, _ in batch.pairs()]
    return Results(dict(batch.indexed()), score(fitting), vowels(fitting))
