"""One home of Airflow for a session: a fresh metadata database, loopback only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

# importing Airflow makes a home where there is none: never the user's own
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-of-tests-")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which Airflow runs here."""
    home = tmp_path_factory.mktemp("airflow")
    folder = home / "dags"
    folder.mkdir()
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "SUREFOOT"))
    } | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "SCARF_ANALYTICS": "false",
        "DO_NOT_TRACK": "true",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }
    shutil.copy(Path(__file__).with_name("dags.py"), folder / "played.py")
    # Airflow 3 plays only what is serialized
    for command in ("db migrate", "dags reserialize"):
        subprocess.run(
            [sys.executable, "-m", "airflow", *command.split()],
            env=env | {"SCRATCH": str(home)},
            check=True,
            capture_output=True,
            timeout=110,
        )
    return env | {"PLAYED": str(folder / "played.py")}


@dataclass
class Receiver:
    """Answers ``after`` refusals; what it saw is what counts."""

    refusals: int
    url: str = ""
    at: list[float] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """The first request is refused: 429, Retry-After: 2."""
    told = Receiver(refusals=1)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.at.append(time.monotonic())
            if len(told.at) <= told.refusals:
                self.send_response(429)
                self.send_header("Retry-After", "2")
                self.end_headers()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"world")

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()
