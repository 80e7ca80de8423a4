"""A process that is killed in the middle of a replay: real children, really killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot import Runtime
from surefoot.config import Config
from surefoot.journal.letters import letters, replays

PROGRAM = """
import os, signal, sys
from pathlib import Path
from surefoot import NotHappened, effect, on, step, workflow

def die(where):
    if Path(f"die {where}").exists():
        os.kill(os.getpid(), signal.SIGKILL)

@step(name="shout")
def shout(text: str) -> str:
    die("step")
    if text == "b" and not Path("mended").exists():
        raise ValueError("no")
    with open("log", "a") as file:
        file.write(f"shout {text}\\n")
    return text.upper()

def was_sent(to: str):
    return NotHappened()

@effect(name="send", key=lambda to: f"m:{to}", verify=was_sent,
        recover=[on("connection").skip()])
def send(to: str) -> str:
    if to == "b" and not Path("mended").exists():
        raise ConnectionRefusedError(111, "refused")
    die("effect")
    with open("log", "a") as file:
        file.write(f"send {to}\\n")
    return f"sent {to}"

@workflow
def every() -> list[str]:
    return [*shout.map(["a", "b"], workers=1).results, *send.map(["a", "b"], workers=1).results]

if __name__ == "__main__":
    if sys.argv[1] == "start":
        print(every.with_options(run_id="one").start().result)
    elif sys.argv[1] == "resume":
        print(every.resume("one").result)
    else:
        wanted = every.dead_letters(step=sys.argv[2])
        print([one.outcome for one in every.replay(wanted)])
"""


def run(folder: Path, *args: str, killed: bool = False) -> str:
    done = subprocess.run(
        [sys.executable, "program.py", *args],
        cwd=folder,
        env={**os.environ, "SUREFOOT_JOURNAL": str(folder / "j.db")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == (-signal.SIGKILL if killed else 0), done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("where", "name"), [("step", "shout"), ("effect", "send")])
def test_a_killed_replay_leaves_the_letter_open_and_the_run_as_it_was(
    tmp_path: Path, where: str, name: str
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    assert run(tmp_path, "start") == "['A', 'sent a']"
    (tmp_path / "mended").touch()
    (tmp_path / f"die {where}").touch()
    run(tmp_path, "replay", name, killed=True)

    with Runtime(journal=tmp_path / "j.db", config=Config()) as runtime:
        assert runtime.journal.run("one").status == "completed"
        (letter,) = letters(runtime.journal.store, step=name)
        assert letter.state == "open"
    # nothing was replayed: a resume reads the record, and the killed replay is no part of it
    assert run(tmp_path, "resume") == "['A', 'sent a']"

    (tmp_path / f"die {where}").unlink()
    assert run(tmp_path, "replay", name) == "['completed']"
    with Runtime(journal=tmp_path / "j.db", config=Config()) as runtime:
        outcomes = [one.outcome for one in replays(runtime.journal.store, letter.pk)]
        assert outcomes == ["interrupted", "completed"]
    log = (tmp_path / "log").read_text().splitlines()
    assert log.count("send b") + log.count("shout b") == 1
    result = run(tmp_path, "resume")
    assert result == ("['A', 'B', 'sent a']" if where == "step" else "['A', 'sent a', 'sent b']")
    assert (tmp_path / "log").read_text().splitlines() == log, "a resume did nothing again"
