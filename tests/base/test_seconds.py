"""Durations as people write them."""

from __future__ import annotations

import pytest

from surefoot.clock import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1.5h", 5_400), ("2d", 172_800), ("3m", 180), ("1w", 604_800), ("0s", 0)],
)
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5", "5y", "-1s", "nans", "infd", "one d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        seconds_of(text)
