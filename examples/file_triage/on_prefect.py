"""The demo's workflow, unchanged, as a Prefect flow: see docs/prefect.md.

prefect server start
python examples/file_triage/on_prefect.py '{"sources": [{"name": "docs", "folder": "docs"}], …}'
"""

from __future__ import annotations

import json
import sys

from examples.file_triage.pipeline import Job, Source, triage
from surefoot.adapters.prefect import flow

triage_flow = flow(triage)

if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    sources = [Source(**one) for one in given.pop("sources")]
    print(triage_flow(Job(sources=sources, **given)))
