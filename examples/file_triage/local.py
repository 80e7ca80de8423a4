"""The demo's workflow in plain Python, for comparison with on_prefect.py and on_airflow.py."""

from __future__ import annotations

import json
import sys

from examples.file_triage.pipeline import Job, Source, triage

if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    sources = [Source(**one) for one in given.pop("sources")]
    print(triage(Job(sources=sources, **given)))
