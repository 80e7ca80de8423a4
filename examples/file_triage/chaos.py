"""The demo's workflow under `surefoot chaos`: the sweep that `make chaos-demo` makes.

The model server and the receiver of webhooks stand on loopback, outside of the processes that are
killed. What happened is read from them and from the table of findings, not from the journal.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from surefoot.chaos.expect import Expect
from surefoot.chaos.model import Outcome
from surefoot.testing import Entry

from .loopback import ROOT, service
from .pipeline import Job, Source
from .places import plant
from .receiver import Receiver

FILES = ("README.md", "pyproject.toml", "examples/file_triage/faults.py")
PLANTED = ("empty.log", "holiday.txt", "invoice.pdf")
"""An empty file, which is set aside, and two whose names belie what they are."""

DATA = (
    "auth_expired conflict corrupt_file duplicate empty_data encoding_error host_out_of_memory "
    "invalid_value missing_value not_found numerical_error parse_error payload_too_large schema_mismatch"
)
HALTS: tuple[Outcome, ...] = ("recovered", "halted")
HERE = "EXPECT in examples/file_triage/chaos.py"
EXPECT = (
    # Without a table or a list of files there is nothing to go on with.
    *(Expect(HALTS, one, kind, HERE) for one in ("open_table", "walk") for kind in DATA.split()),
    # Nobody logs in anywhere here: a credential that has run out is a person's business.
    Expect(HALTS, None, "auth_expired", HERE),
    # A denied permission belongs to one file: read() says so.
    Expect(("recovered", "dead_lettered"), "read", "permission", HERE),
    # What nobody knows is not tried again where a row could be written twice.
    Expect(HALTS, "file_row", "unknown", HERE),
)


@contextmanager
def setup() -> Iterator[Callable[[Path], AbstractContextManager[dict[str, Any]]]]:
    """For the whole chaos run: files, and the model, which takes a second to load."""
    with tempfile.TemporaryDirectory(prefix="surefoot-triage-") as place:
        files = Path(place).resolve() / "files"
        _gather(files)
        record = str(Path(place) / "served.jsonl")
        with service("examples.file_triage.model_server", "--record", record) as model:

            @contextmanager
            def cell(folder: Path) -> Iterator[dict[str, Any]]:
                with _receiver(folder / "deliveries.db") as hook_url:
                    job = Job(
                        sources=[Source("files", str(files))],
                        table=str(folder / "findings.db"),
                        model_url=model.url,
                        hook_url=hook_url,
                        chunk=3,
                        workers=2,
                    )
                    yield {
                        "input": asdict(job),
                        "effects": lambda: [*_rows(folder), *_deliveries(folder)],
                        "expect": EXPECT,
                    }

            yield cell


def _gather(files: Path) -> None:
    """A few real files, and a few that are trouble."""
    files.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, files)
    trouble = files.with_name("planted")
    plant(trouble)
    for name in PLANTED:
        shutil.move(trouble / name, files)
    shutil.rmtree(trouble)


@contextmanager
def _receiver(books: Path) -> Iterator[str]:
    """A receiver of webhooks for one cell, in this process: it is never killed."""
    server = Receiver(books, frozenset())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.books.close()


def _rows(folder: Path) -> list[Entry]:
    """The rows of the table: each one was applied."""
    if not (folder / "findings.db").exists():
        return []
    with closing(sqlite3.connect(folder / "findings.db")) as table:
        made = table.execute("SELECT 1 FROM sqlite_master WHERE name = 'findings'").fetchone()
        query = "SELECT path, key, writer, at FROM findings"
        rows = table.execute(query).fetchall() if made else []
    return [
        Entry("file_row", Path(path).name, key, applied=True, pid=writer, at=at)
        for path, key, writer, at in rows
    ]


def _deliveries(folder: Path) -> list[Entry]:
    """What the receiver applied, and what it got once more and did not apply."""
    with closing(sqlite3.connect(folder / "deliveries.db")) as books:
        applied = books.execute("SELECT key, at FROM applied").fetchall()
        received = books.execute("SELECT key, at FROM received").fetchall()
    again = received[len(applied) :]
    return [
        *(Entry("notify", key, key, applied=True, pid=0, at=at) for key, at in applied),
        *(Entry("notify", key, key, applied=False, pid=0, at=at) for key, at in again),
    ]
