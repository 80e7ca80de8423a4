"""The process that does the work, and that is killed.

    python -m examples.file_triage.child start  RUN job.json report.json
    python -m examples.file_triage.child resume RUN job.json report.json

What it leaves behind, when it lives to the end, is the run as a JSON document.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .pipeline import Job, Source, triage

LOG_FORMAT = "%(asctime)s %(levelname)s %(process)d %(message)s"


def load_job(path: Path) -> Job:
    fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    fields["sources"] = [Source(**source) for source in fields["sources"]]
    return Job(**fields)


def save_job(job: Job, path: Path) -> None:
    path.write_text(json.dumps(asdict(job), indent=2), encoding="utf-8")


def main() -> int:
    action, run_id, job, report = sys.argv[1:]
    logging.basicConfig(filename=Path(report).with_name("log.txt"), format=LOG_FORMAT)
    logging.captureWarnings(True)
    if action == "start":
        run = triage.with_options(run_id=run_id).start(load_job(Path(job)))
    else:
        run = triage.resume(run_id)
    Path(report).write_text(json.dumps(run.document(), default=str), encoding="utf-8")
    return 0 if run.status == "completed" else 1


if __name__ == "__main__":
    sys.exit(main())
