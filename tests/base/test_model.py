"""The vocabulary as data: ladders print, classifications become JSON, the list of kinds is closed."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from surefoot.model import (
    BUILTIN_KINDS,
    CATEGORIES,
    RUN_STATUSES,
    RUNGS,
    STAGES,
    Classification,
    Evidence,
    Rung,
)


@pytest.mark.parametrize(
    ("rung", "text"),
    [
        (Rung("halt"), "halt"),
        (Rung("retry", attempts=2), "retry(attempts=2)"),
        (Rung("retry", within=900), "retry(within=900)"),
        (Rung("retry", 3, 60, 0.5, 30), "retry(attempts=3, within=60, base=0.5, cap=30)"),
    ],
)
def test_a_rung_reads_as_it_is_written(rung: Rung, text: str) -> None:
    assert str(rung) == text


def test_the_words_are_those_of_the_design() -> None:
    assert RUNGS == ("retry", "adapt", "fall_back", "skip", "halt")
    assert STAGES == ("ingestion", "preprocessing", "inference", "postprocessing", "notification")
    assert CATEGORIES == ("data", "model", "infrastructure", "orchestration", "code")
    assert {"running", "completed", "halted", "interrupted", "cancelled"} < set(RUN_STATUSES)
    assert len(BUILTIN_KINDS) == len(set(BUILTIN_KINDS))
    assert all(kind.isidentifier() and kind.islower() for kind in BUILTIN_KINDS)


def classification(**changes: Any) -> Classification:
    given: dict[str, Any] = {
        "kind": "rate_limited",
        "category": "model",
        "recoverable": True,
        "retryable": True,
        "rule": "openai.rate_limit",
        "fingerprint": "v1-0",
        "ladder": (Rung("retry", within=900), Rung("halt")),
        "type": "openai.RateLimitError",
        "message": "the key sk-123 is limited",
        "evidence": (Evidence("status", "429"),),
    }
    return Classification(**{**given, **changes})


def test_a_classification_becomes_json_without_its_raw_message() -> None:
    told = json.loads(json.dumps(classification(retry_after=7.0).as_dict()))
    assert told == {
        "kind": "rate_limited",
        "category": "model",
        "recoverable": True,
        "retryable": True,
        "retry_after": 7.0,
        "outcome": "open",
        "rule": "openai.rate_limit",
        "fingerprint": "v1-0",
        "type": "openai.RateLimitError",
        "retries_spent": 0,
        "severity": "error",
        "ladder": ["retry(within=900)", "halt"],
        "evidence": [{"what": "status", "value": "429"}],
    }


def test_a_classification_is_frozen_and_compares_by_its_contents() -> None:
    one = classification()
    assert one == classification() and one != classification(kind="timeout")
    with pytest.raises(FrozenInstanceError):
        one.kind = "timeout"  # type: ignore[misc]
