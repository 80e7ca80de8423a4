"""The same fixtures and the same two counts as tests/rules has, in the environment of all libraries."""

from __future__ import annotations

from tests.rules.conftest import (
    catalog,
    judge,
    pytest_configure,
    pytest_terminal_summary,
    verdicts,
)

__all__ = ["catalog", "judge", "pytest_configure", "pytest_terminal_summary", "verdicts"]
