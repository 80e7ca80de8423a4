"""Where an attempt stood when it failed: thread, task, resource, and what was logged before."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterable
from typing import Any

from ...resources import Resource
from .texts import Own, Text

__all__ = ["breadcrumbs", "resource_state", "task_name", "thread_name"]

CRUMBS = 30
MESSAGE = 500
"""Characters of a log record's message."""


def thread_name() -> str:
    """The name of the calling thread."""
    return threading.current_thread().name


def task_name() -> str | None:
    """The name of the running task; None outside of an event loop."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return None
    task = asyncio.current_task()
    return str(task.get_name()) if task is not None else None


def breadcrumbs(crumbs: Iterable[tuple[float, str, str, str]] | None) -> list[dict[str, Any]]:
    """The attempt's last log records, the oldest first; ``at`` is seconds since the epoch."""
    return [
        {
            "at": float(at) if math.isfinite(at) else None,
            "level": str(level),
            "logger": str(logger),
            "message": Text(message, MESSAGE),
        }
        for at, level, logger, message in list(crumbs or ())[-CRUMBS:]
    ]


def resource_state(resource: Resource, now: float) -> dict[str, Any]:
    """How the resource of a step stands, after what this failure did to it; times are seconds."""
    look = resource.look(now)
    return {
        "name": resource.name,
        "circuit": Own(look.circuit),
        "open_seconds": round(look.open_seconds, 3),
        "gate_seconds": round(look.gate_seconds, 3),
        "running": look.running,
        "limit": look.limit,
        "per_second": round(look.per_second, 3) if look.per_second is not None else None,
        "retries_left": look.retries_left,
    }
