"""What Airflow asks a package for that brings something to it."""

from __future__ import annotations

from typing import Any

__all__ = ["get_provider_info"]


def get_provider_info() -> dict[str, Any]:
    """It brings ``@task.recover``."""
    return {
        "package-name": "surefoot",
        "name": "Surefoot",
        "description": "Error handling and recovery for AI workflows.",
        "task-decorators": [
            {"name": "recover", "class-name": "surefoot.adapters.airflow.operator.recover_task"}
        ],
    }
