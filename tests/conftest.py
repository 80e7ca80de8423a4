"""What every test has: a clean environment and a Hypothesis that neither hurries nor wavers in CI."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# For tests/plugin; pytest wants it in the topmost conftest.py.
pytest_plugins = ["pytester"]

# Deadlines measure the machine, not the code; in CI the same examples every time.
settings.register_profile(
    "dev", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50
)
settings.register_profile(
    "ci",
    parent=settings.get_profile("dev"),
    derandomize=True,
    database=None,
    print_blob=True,
)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SUREFOOT_* of the developer's own shell changes no test."""
    for name in list(os.environ):
        if name.startswith("SUREFOOT_") and name not in ("CRASH_SWEEP", "CRASH_SEED"):
            monkeypatch.delenv(name)
