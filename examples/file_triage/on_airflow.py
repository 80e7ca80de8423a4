"""The demo's workflow as a DAG of Airflow: put this file's folder where Airflow finds its DAGs.

The job comes as the DAG run's param ``job``: sources, table, model_url, hook_url.
"""

from __future__ import annotations

import os
from typing import Any

from examples.file_triage.pipeline import triage
from surefoot.adapters.airflow import dag

JOB: dict[str, Any] = {
    "sources": [{"name": "here", "folder": os.getcwd()}],
    "table": os.path.abspath("findings.db"),
    "model_url": "http://127.0.0.1:8000",
    "hook_url": "http://127.0.0.1:8001",
}

triage_dag = dag(triage, schedule=None, params={"job": JOB})
