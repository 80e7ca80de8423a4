"""The orchestrator that a run belongs to, as its row keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Origin"]


class Origin(NamedTuple):
    """Where a run is at home.

    ``tool`` is ``prefect`` or ``airflow``, ``version`` its version. ``ids`` are what it calls the run:
    ``flow_run_id``; or ``dag_id``, ``run_id``, and of a part ``task_id`` and ``map_index``. ``url`` is
    its own page about it, if it has one.

    >>> kept = Origin("prefect", "3.8.8", {"flow_run_id": "7"}, "http://p/runs/flow-run/7").dump()
    >>> Origin.parse(kept).ids["flow_run_id"]
    '7'
    """

    tool: str
    version: str
    ids: Mapping[str, str]
    url: str | None = None

    def dump(self) -> str:
        return json.dumps({**self._asdict(), "ids": dict(self.ids)}, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Origin:
        """What :meth:`dump` told of; of a text that was damaged, one that nobody knows."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return cls("?", "?", {})
