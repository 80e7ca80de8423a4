"""A project in a folder of its own, and the command line in this process or in another."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from surefoot.cli import main

PIPELINE = '''
"""A pipeline whose failures are asked for by its input."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from surefoot import effect, on, step, workflow

@dataclass
class Report:
    n: int
    path: Path

@step(stage="ingestion")
def load(path: Path) -> list[str]:
    return path.read_text().split()

class Broken(Exception):
    pass

@step(stage="inference", recover=[on("connection").retry(attempts=3, base=0.001)])
def answer(text: str) -> str:
    if text == "limited" and not os.path.exists("mended"):
        open("mended", "w").close()
        raise ConnectionError("refused")
    if text == "bad":
        raise ValueError("no answer; password=hunter22")
    return text.upper()

@effect(key=lambda text: f"reply:{text}")
def reply(text: str) -> str:
    return f"sent {text}"

@workflow
def triage(path: Path) -> Report:
    answers = answer.map(load(path))
    for text in answers.results:
        reply(text)
    return Report(len(answers.results), path)

@step
def check(name: str) -> str:
    if not os.path.exists(name):
        raise Broken(f"{name} is missing; token=abcdef123456")
    return name

@workflow
def gate(name: str = "go") -> str:
    return reply("first") + check(name)

@workflow
def body(n: int) -> int:
    raise KeyError("price")

@workflow
def several(a: int, b: str = "b", c: float = 1.5) -> list[object]:
    print("the workflow's own words")
    return [a, b, c]

@workflow
def nothing() -> None:
    pass

@workflow
async def later(n: int) -> int:
    return n + 1

@workflow
def leaving(code: int) -> None:
    raise SystemExit(code)

not_a_workflow = 3
'''


@dataclass(frozen=True)
class Project:
    """A folder with ``pipeline.py`` in it."""

    path: Path

    def run(self, *args: str, wanted: int = 0, stdin: str | None = None) -> Result:
        """``surefoot …`` in this process."""
        result = CliRunner().invoke(main, list(args), input=stdin, prog_name="surefoot")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == wanted, f"{result.exit_code}\n{result.stdout}\n{result.stderr}"
        return result

    def json(self, *args: str, wanted: int = 0, stdin: str | None = None) -> Any:
        """What ``surefoot … --json`` writes, read."""
        return json.loads(self.run(*args, "--json", wanted=wanted, stdin=stdin).stdout)

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def latest(self) -> str:
        run_id: str = self.json("runs", "--limit", "1")[0]["run_id"]
        return run_id

    def process(self, *args: str, env: dict[str, str] | None = None, **options: Any) -> Process:
        """``surefoot …`` in a process of its own, which reacts to Ctrl-C."""
        child = subprocess.Popen(
            [sys.executable, "-m", "surefoot", *args],
            cwd=self.path,
            env={**os.environ, "SUREFOOT_DURABILITY": "process", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            **options,
        )
        return Process(child, self.path)


@dataclass(frozen=True)
class Process:
    child: subprocess.Popen[str]
    folder: Path

    def until(self, mark: str) -> Process:
        """Wait until the workflow has made the file ``mark``."""
        end = time.monotonic() + 30
        while not (self.folder / mark).exists():
            assert self.child.poll() is None, self.child.communicate()
            assert time.monotonic() < end, f"{mark} never came"
            time.sleep(0.01)
        return self

    def signal(self, number: int) -> Process:
        self.child.send_signal(number)
        return self

    def end(self, wanted: int) -> tuple[str, str]:
        """Its output and its errors, once it ended with ``wanted``."""
        out, err = self.child.communicate(timeout=60)
        assert self.child.returncode == wanted, f"{self.child.returncode}\n{out}\n{err}"
        return out or "", err or ""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project with the pipeline, which is the current folder too; what it imports is forgotten."""
    made = Project(tmp_path)
    made.write("pyproject.toml", "[project]\nname = 'shop'\n")
    made.write("pipeline.py", PIPELINE)
    made.write("tickets.txt", "one two limited bad")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUREFOOT_DURABILITY", "process")
    monkeypatch.setenv("COLUMNS", "160")
    modules, paths = set(sys.modules), list(sys.path)
    yield made
    sys.path[:] = paths
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and file.startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def squeezed() -> Callable[[str], str]:
    """A text whose runs of blanks are one: what a table says, not how wide it is."""
    return lambda text: re.sub(r"[ \t]+", " ", text)
