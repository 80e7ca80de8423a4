"""Everything that goes into a workflow carries a secret, and none comes out of it.

A real process runs the workflow; then every command that prints, every log, every alert and every page is
asked for, and all bytes that were written outside of the checkpoint store are searched.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .plants import Plant, plants

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SEED = int(os.environ.get("SECRETS_SEED") or random.SystemRandom().randrange(10**6))

pytestmark = pytest.mark.timeout(300)

RAW = {
    "runs": {"input", "result"},
    "calls": {"result", "exception", "item_id", "effect_key"},
    "claims": {"arguments", "result", "effect_key"},
    "dead_letters": {"input", "item_id"},
    "replays": {"input"},
    "failures": {"changes_kept"},
    "compensations": {"effect_key"},
}
"""The checkpoint store: what a resume needs as it was. All of it is readable by its owner alone."""

SETTINGS = """
durability = "process"

[incidents]
locals = true

[alerts]
linger = 10.0

[alerts.sinks.web]
url = "json://127.0.0.1:{port}/hook"
"""

MAIN = """
import logging, os, sys, warnings
import surefoot
surefoot.logs.install(json=True, stream=open("ecs.jsonl", "a"))
plain = logging.StreamHandler(open("plain.log", "a"))
form = "%(asctime)s %(name)s %(message)s %(api_key)s"
plain.setFormatter(logging.Formatter(form, defaults={"api_key": "-"}))
logging.getLogger().addHandler(plain)
logging.captureWarnings(True)
sys.path.insert(0, os.environ["APP"])
import app
job = app.Job(app.text("input_text"), app.text("input_password"), app.text("input_json"),
              ["good", f"bad {app.text('item')}"])
for made in (app.flow, app.undone):
    run = made.with_options(run_id=made.name).start(job)
    print(run, run.error, run.failures)
    try:
        made.with_options(run_id=f"{made.name}-2")(job)
    except Exception as exc:
        print([note for note in getattr(exc, "__notes__", ()) if note.startswith("surefoot")])
"""


class Hook:
    """A receiver of alerts on loopback; it keeps all that it is sent."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802
                got.append(self.rfile.read(int(self.headers["Content-Length"])))
                got.append(str(self.headers).encode())
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class World:
    """A project, the commands in it, and all that they wrote."""

    def __init__(self, folder: Path, planted: dict[str, Plant], port: int) -> None:
        self.folder = folder
        self.planted = planted
        self.wrote: dict[str, bytes] = {}
        told = {name: {"text": one.text, "core": one.core} for name, one in planted.items()}
        self.secrets = folder.parent / "plants.json"
        self.secrets.write_text(json.dumps(told))
        (folder.parent / "broken").touch()
        (folder / "surefoot.toml").write_text(SETTINGS.format(port=port))
        self.environment = {
            **os.environ,
            "APP": str(HERE),
            "PLANTS": str(self.secrets),
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "ACME_API_TOKEN": planted["environment"].core,
            "BROKER_URL": planted["environment_dsn"].text,
            "COLUMNS": "400",
        }

    def python(self, name: str, *arguments: str, stdin: str = "") -> bytes:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin.encode(),
            capture_output=True,
        )
        self.wrote[f"{name} (stdout)"] = done.stdout
        self.wrote[f"{name} (stderr)"] = done.stderr
        assert b"Traceback" not in done.stderr or b"app.py" in done.stderr, done.stderr.decode()
        return done.stdout

    def surefoot(self, *arguments: str, stdin: str = "") -> bytes:
        words = " ".join(one if len(one) < 40 else one[:20] + "…" for one in arguments)
        return self.python(words, "-m", "surefoot", *arguments, stdin=stdin)

    def files(self) -> dict[str, bytes]:
        """All files of the project but the database, which is read by columns."""
        found = {}
        for path in self.folder.rglob("*"):
            if path.is_file() and ".surefoot" not in path.parts and path.suffix != ".toml":
                found[str(path.relative_to(self.folder))] = path.read_bytes()
        return found

    def columns(self) -> dict[str, bytes]:
        """What the journal holds beside the checkpoint store."""
        found = {}
        with closing(sqlite3.connect(self.folder / ".surefoot" / "journal.db")) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                names = [one[1] for one in connection.execute(f"PRAGMA table_info({table})")]
                for name in names:
                    if name in RAW.get(table, ()):
                        continue
                    rows = connection.execute(f"SELECT {name} FROM {table}").fetchall()
                    found[f"journal: {table}.{name}"] = repr(rows).encode()
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    hook = Hook()
    folder = tmp_path_factory.mktemp("secrets") / "project"
    folder.mkdir()
    made = World(folder, plants(SEED), hook.port)
    _act(made)
    made.wrote["alerts"] = b"\n".join(hook.got)
    made.wrote.update(made.files())
    made.wrote.update(made.columns())
    yield made
    hook.close()


def _act(world: World) -> None:
    """Run, fail, and look at it in every way that there is."""
    planted = world.planted
    world.python("program", "-c", MAIN)
    job = {
        "prompt": planted["input_text"].text,
        "password": planted["input_password"].text,
        "payload": planted["input_json"].text,
        "items": ["good", f"bad {planted['item'].text}"],
    }
    app = str(HERE / "app.py")
    text = json.dumps({**job, "note": planted["argument_on_command_line"].text})
    world.surefoot("run", f"{app}:flow", "--input", text)  # an unknown field: its message is shown
    world.surefoot("run", f"{app}:flow", "--input", json.dumps(job), "--run-id", "shown")
    world.surefoot("run", f"{app}:flow", "--input", json.dumps(job), "--run-id", "json", "--json")
    world.surefoot("run", f"{app}:flow", "--input", json.dumps(job)[:-1])
    world.surefoot("resume", "shown")
    world.surefoot("resume", "shown", "--dry-run", "--json")
    for run in ("flow", "undone", "shown"):
        world.surefoot("show", run)
        world.surefoot("show", run, "--failures")
        world.surefoot("show", run, "--json")
        for form in ("text", "md", "html", "json"):
            world.surefoot("postmortem", run, "--format", form)
            world.surefoot("postmortem", run, "--format", form, "-o", f"{run}.{form}")
    world.surefoot("rollback", "shown")
    world.surefoot("show", "shown", "--json")
    world.surefoot("runs")
    world.surefoot("runs", "--json")
    letters = json.loads(world.surefoot("dead-letters", "list", "--json"))
    world.surefoot("dead-letters", "list")
    for letter in letters:
        world.surefoot("dead-letters", "show", str(letter["id"]))
        world.surefoot("dead-letters", "show", str(letter["id"]), "--json")
    world.surefoot("dead-letters", "replay", "1")
    found = json.loads(world.surefoot("incidents", "list", "--json"))
    world.surefoot("incidents", "list")
    for incident in found:
        number = str(incident["id"])
        world.surefoot("incidents", "show", number)
        world.surefoot("incidents", "show", number, "--json")
        world.surefoot("postmortem", number)
        world.surefoot("postmortem", number, "--format", "html")
    world.surefoot("incidents", "note", "1", f"sent Authorization: Bearer {planted['header'].text}")
    world.surefoot("incidents", "show", "1")
    world.surefoot("alerts", "flush")
    world.surefoot("alerts", "list")
    world.surefoot("alerts", "list", "--json")
    world.surefoot("alerts", "rules")
    for form in ("md", "json", "csv", "html"):
        world.surefoot("catalog", "export", "--format", form, "--journal")
    trace = f"Traceback (most recent call last):\nValueError: {planted['exception_message'].text}"
    world.surefoot("catalog", "explain", "-", stdin=trace)
    world.surefoot("map", f"{app}:flow", "--format", "json")
    world.surefoot("doctor")
    everything = "\n".join(one.text for name, one in planted.items() if name not in NOT_IN_PROSE)
    world.surefoot("scrub", stdin=everything)
    world.surefoot("scrub", "--explain", stdin=everything)


NOT_IN_PROSE = frozenset(
    # a bare word that nothing tells from any other: found where its name, its type or the registry is
    "input_password input_secret_object exception_attribute url_query header registered log_extra "
    "item_id person".split()
)


def test_the_workflow_really_failed_in_every_way(world: World) -> None:
    """Else there would be nothing to find."""
    told = json.loads(world.wrote["show flow --json (stdout)"])
    kinds = {one["step"] for one in told["failures"]}
    assert kinds == {"check", "ask", "shaky", "tell"}, f"seed {SEED}"
    assert told["status"] == "halted"
    assert world.wrote["alerts"], "no alert was sent"
    assert b"connecting with" in world.wrote["plain.log"]
    assert b"connecting with" in world.wrote["ecs.jsonl"]
    assert world.wrote["flow.html"] and world.wrote["flow.md"]
    assert "journal: failures.detail" in world.wrote


def test_every_plant_was_within_reach(world: World) -> None:
    """Each of them is in the checkpoint store or in the process that failed: the program had it."""
    detail = world.wrote["journal: failures.detail"].decode()
    for word in ("breadcrumbs", "locals", "inputs", "causes", "notes"):
        assert word in detail
    assert "connecting with" in detail


@pytest.mark.parametrize("name", sorted(plants(0)))
def test_no_secret_is_in_anything_that_was_written(world: World, name: str) -> None:
    core = world.planted[name].core
    pieces = {core.encode(), json.dumps(core)[1:-1].encode()}
    if len(core) >= 20:
        pieces |= {core[:12].encode(), core[-12:].encode()}
    leaks = [
        f"{where}: …{_around(data, piece)}…"
        for where, data in world.wrote.items()
        for piece in pieces
        if piece in data
    ]
    assert not leaks, f"{name} leaks (seed {SEED}) at:\n" + "\n".join(leaks[:20])


def _around(data: bytes, piece: bytes) -> str:
    at = data.index(piece)
    return data[max(0, at - 60) : at + len(piece) + 20].decode("utf-8", "replace")


def test_what_helps_is_still_there(world: World) -> None:
    """A scrubber that drops everything would pass the tests above."""
    shown = world.wrote["show flow --json (stdout)"].decode()
    assert "the server said no to" in shown and "api.example.com" in shown
    assert "ApiError" in shown
    page = world.wrote["flow.html"].decode()
    assert "ApiError" in page and "failing" in page
