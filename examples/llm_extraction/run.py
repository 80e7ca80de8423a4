"""Extracts fourteen invoices from documents while the server does everything wrong, and dies.

python examples/llm_extraction/run.py [--work DIR]
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # as a file or as a module: what is imported is this repository's
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from examples.file_triage.loopback import read_records, service
from examples.llm_extraction.check import Told, summary
from examples.llm_extraction.documents import DOCUMENTS
from surefoot import Run, Runtime
from surefoot.config import Config

MODULE = "examples.llm_extraction.server"
DIE_AT = 12
"""The server dies with this request in its hands."""
DOWN = 0.8
"""Seconds that nobody listens, besides what a Python takes to start."""
RESOURCES = {"openai": {"circuit_failures": 4, "circuit_seconds": 1}}
"""After four lost connections in a row nobody asks for a second; then one tries."""


@contextmanager
def server_that_dies(record: Path) -> Iterator[str]:
    """Its address. Once it has died, another one is started in its place."""
    ending = threading.Event()

    def again(port: str) -> None:
        time.sleep(DOWN)
        with service(MODULE, "--record", str(record), "--port", port):
            print(f"--- the server is back, after {DOWN} s and its start", flush=True)
            ending.wait()

    with service(MODULE, "--record", str(record), "--die-at", str(DIE_AT)) as first:

        def watch() -> None:
            while first.process.poll() is None:
                if ending.wait(0.02):
                    return
            print(f"--- the server has died ({first.process.returncode})", flush=True)
            again(first.url.rpartition(":")[2])

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield first.url
        finally:
            ending.set()
            watcher.join()


def extract(work: Path) -> tuple[Run[Any], Path]:
    """The run, and the server's record."""
    record = work / "served.jsonl"
    with server_that_dies(record) as url:
        os.environ["OPENAI_BASE_URL"] = f"{url}/v1"
        os.environ["OPENAI_API_KEY"] = "sk-loopback-needs-none"
        from examples.llm_extraction.pipeline import extract_all

        with Runtime(journal=work / "journal.db", config=Config(resources=RESOURCES)):
            run: Run[Any] = extract_all.start([one.text for one in DOCUMENTS])
            run.document()  # read while its journal is at hand
    return run, record


class OneLine(logging.Formatter):
    """What Surefoot decides about each failure, as it happens; the tracebacks are in the journal."""

    def format(self, record: logging.LogRecord) -> str:
        return record.getMessage()


def told_by(run: Run[Any]) -> Told:
    document = run.document()
    items = [one for one in document["steps"] if one["form"] == "step"]
    return Told(
        invoices=document["result"] or [],
        failures=Counter(one.kind for one in run.failures),
        set_aside=sum(one["dead_letter"] is not None for one in items),
        cost=run.cost,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="structured data from documents")
    parser.add_argument("--work", type=Path, help="a folder to keep; else one that is removed")
    given = parser.parse_args()
    show = logging.StreamHandler(sys.stdout)
    show.setFormatter(OneLine())
    logging.getLogger("surefoot").addHandler(show)
    with tempfile.TemporaryDirectory(prefix="surefoot-llm-") as name:
        work = (given.work or Path(name)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        run, record = extract(work)
        page, fits = summary(DOCUMENTS, read_records(record), told_by(run))
    print(page)
    if run.status != "completed":
        print(f"WRONG: the run is {run.status}: {run.error}")
    return 0 if fits and run.status == "completed" else 1


if __name__ == "__main__":
    sys.exit(main())
