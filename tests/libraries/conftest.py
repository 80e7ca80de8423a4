"""The same fixtures and the same two counts as tests/rules has, in the environment of all libraries.

Some of these libraries write into the user's folders, fetch prices or report their use as soon as they
are imported. What keeps them from it is set here, before any of them is.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator

import pytest

from tests.rules.conftest import (
    catalog,
    judge,
    pytest_configure,
    pytest_terminal_summary,
    verdicts,
)

__all__ = ["catalog", "judge", "pytest_configure", "pytest_terminal_summary", "verdicts"]

_HOMES = tempfile.mkdtemp(prefix="surefoot-homes-")
atexit.register(shutil.rmtree, _HOMES, ignore_errors=True)

os.environ.update(
    HOME=_HOMES,  # also without anybody's keys for a cloud
    AIRFLOW_HOME=os.path.join(_HOMES, "airflow"),
    PREFECT_HOME=os.path.join(_HOMES, "prefect"),
    HF_HOME=os.path.join(_HOMES, "huggingface"),
    LITELLM_LOCAL_MODEL_COST_MAP="True",
    DO_NOT_TRACK="1",
    ANONYMIZED_TELEMETRY="False",  # chromadb
    HF_HUB_DISABLE_TELEMETRY="1",
    ORT_DISABLE_TELEMETRY="1",
    RAY_USAGE_STATS_ENABLED="0",
)
os.environ.pop("DAGSTER_HOME", None)


@pytest.fixture(autouse=True)
def _no_event_loop_left() -> Iterator[None]:
    """Synchronous calls of litellm make an event loop that nobody closes.

    Whichever test comes after it would be told of that, and fail.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            left = asyncio.get_event_loop_policy().get_event_loop()
        except RuntimeError:  # there is none, and none is made once one was set
            return
    left.close()
    asyncio.set_event_loop(None)
