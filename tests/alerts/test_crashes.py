"""Whoever dies, the next process tells: nothing is lost, and what may be told twice says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot import Runtime
from surefoot.config import Config
from surefoot.journal.alerts import messages
from tests.alerts.receivers import Hooks
from tests.support.nursery import Nursery

SCENES = "tests.alerts.scenes"
TITLE = "job halted at load as connection - next: surefoot resume r1"
PERHAPS = f"{TITLE} (perhaps told before)"


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery"), warm=[SCENES]) as one:
        yield one


class Place:
    """A journal and a receiver; each step is done by a process of its own."""

    def __init__(self, nursery: Nursery, journal: Path, hooks: Hooks) -> None:
        self.nursery = nursery
        self.journal = journal
        self.hooks = hooks
        self.what = {"journal": str(journal), "url": hooks.url()}

    def halt(self) -> None:
        self.nursery.run(f"{SCENES}:halt", **self.what).unwrap()

    def tell(self) -> int:
        writes: int = self.nursery.run(f"{SCENES}:tell", **self.what).unwrap()
        return writes

    def states(self) -> list[str]:
        with Runtime(self.journal, config=Config()) as runtime:
            return [one.state for one in messages(runtime.journal.store)]


@pytest.fixture
def place(nursery: Nursery, tmp_path: Path, hooks: Hooks) -> Place:
    return Place(nursery, tmp_path / "j.db", hooks)


def test_a_process_that_died_before_it_told_is_told_of_by_the_next(place: Place) -> None:
    place.halt()
    place.tell()
    place.tell()
    assert place.hooks.titles() == [TITLE]


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_around_any_write_the_message_arrives_and_a_second_one_says_so(
    nursery: Nursery, tmp_path: Path, hooks: Hooks, when: str
) -> None:
    twice = 0
    for at in range(1, 100):
        place = Place(nursery, tmp_path / f"{at}.db", hooks)
        place.what["url"] = hooks.url(f"kill-{at}")
        place.halt()
        ended = nursery.run(f"{SCENES}:tell", **place.what, at=at, when=when)
        if ended.signal is None:
            assert at > 3  # written, claimed, sent: all of them were killed
            break
        assert ended.signal == signal.SIGKILL
        place.tell()
        place.tell()
        titles = hooks.titles(f"kill-{at}")
        # once; or twice where nobody can know whether the first one arrived
        assert titles in ([TITLE], [TITLE, PERHAPS], [PERHAPS]), (at, titles)
        twice += len(titles) == 2
        assert place.states() == ["sent"]
    else:
        raise AssertionError("it never ran to its end")
    assert twice == (1 if when == "before" else 0)


def test_a_process_killed_while_it_sends_is_followed_by_one_that_sends_again(place: Place) -> None:
    place.halt()
    place.hooks.hanging.set()
    pid = place.nursery.start(f"{SCENES}:tell", **place.what)
    place.hooks.wait_for(1)
    assert place.states() == ["sending"]
    os.kill(pid, signal.SIGKILL)
    assert place.nursery.wait(pid).signal == signal.SIGKILL
    place.hooks.hanging.clear()
    place.tell()
    place.tell()
    assert place.hooks.titles() == [TITLE, PERHAPS]
    assert place.states() == ["sent"]


def test_while_a_living_process_sends_no_other_one_does(place: Place) -> None:
    place.halt()
    place.hooks.hanging.set()
    pid = place.nursery.start(f"{SCENES}:tell", **place.what)
    place.hooks.wait_for(1)
    for _ in range(3):
        place.tell()
    place.hooks.hanging.clear()
    place.nursery.wait(pid).unwrap()
    place.tell()
    assert place.hooks.titles() == [TITLE]


def test_many_processes_at_once_send_each_message_once(place: Place) -> None:
    place.halt()
    children = [place.nursery.start(f"{SCENES}:tell", **place.what) for _ in range(6)]
    for pid in children:
        place.nursery.wait(pid).unwrap()
    assert place.hooks.titles() == [TITLE]


# -- whole programs -------------------------------------------------------------------------------

PROGRAM = """
import os, signal, sys
from surefoot import Runtime, current, step, workflow

@step(attempts=1)
def load():
    raise KeyError("price")

@step
def work():
    if "die" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)

@workflow
def job():
    work()
    load()

@workflow
def other():
    return 1

if __name__ == "__main__":
    if "other" in sys.argv:
        other()
    elif "killed-at-the-end" in sys.argv:
        def end(event):
            if type(event).__name__ == "RunEnded":
                os.kill(os.getpid(), signal.SIGKILL)
        with Runtime(listeners=[end]):
            job.with_options(run_id="r1").start()
    else:
        job.with_options(run_id="r1").start()
"""


class Program:
    """A program in a folder of its own, with a sink in its settings."""

    def __init__(self, folder: Path, hooks: Hooks) -> None:
        self.folder = folder
        (folder / "program.py").write_text(PROGRAM)
        (folder / "surefoot.toml").write_text(
            f'[alerts.sinks.ops]\nurl = "{hooks.url()}"\n', encoding="utf-8"
        )

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._run(sys.executable, "program.py", *words)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._run(sys.executable, "-m", "surefoot", *words)

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )


def test_a_program_that_ends_at_once_has_still_told(tmp_path: Path, hooks: Hooks) -> None:
    program = Program(tmp_path, hooks)
    done = program()
    assert done.returncode == 0, done.stderr
    assert hooks.titles() == ["job halted at load as bug - next: surefoot resume r1"]


def test_a_program_does_not_wait_longer_than_linger_for_a_sink_that_hangs(
    tmp_path: Path, hooks: Hooks
) -> None:
    hooks.hanging.set()
    program = Program(tmp_path, hooks)
    (tmp_path / "surefoot.toml").write_text(
        f'[alerts]\nlinger = 0.2\n[alerts.sinks.ops]\nurl = "{hooks.url()}?rto=300"\n'
        "timeout = 300\n"
    )
    done = program()  # its sink would keep it for five minutes
    assert done.returncode == 0, done.stderr
    hooks.hanging.clear()
    before = len(hooks.got)
    done = program.command("alerts", "flush")
    assert done.returncode == 0, done.stderr
    assert len(hooks.got) == before + 1


@pytest.mark.parametrize("how", ["killed-at-the-end", "die"])
def test_of_a_program_that_was_killed_the_next_one_tells(
    tmp_path: Path, hooks: Hooks, how: str
) -> None:
    program = Program(tmp_path, hooks)
    assert program(how).returncode == -signal.SIGKILL
    if how == "die":
        assert hooks.titles() == []
    assert program("other").returncode == 0
    [title] = hooks.titles()
    if how == "die":
        assert title.startswith("run r1 of job goes on nowhere: pid ")
        assert title.endswith(" - next: surefoot recover")
    else:
        assert title == "job halted at load as bug - next: surefoot resume r1"


def test_a_run_that_is_recovered_has_been_told_of_as_dead(tmp_path: Path, hooks: Hooks) -> None:
    program = Program(tmp_path, hooks)
    assert program("die").returncode == -signal.SIGKILL
    done = program.command("recover")
    assert done.returncode == 1  # it halts, this time
    stale, *rest = sorted(hooks.titles(), key=lambda title: "goes on nowhere" not in title)
    assert stale.startswith("run r1 of job goes on nowhere")
    assert "job halted at load as bug - next: surefoot resume r1" in rest


def test_a_forked_child_tells_by_itself(tmp_path: Path, hooks: Hooks) -> None:
    program = Program(tmp_path, hooks)
    (tmp_path / "program.py").write_text(
        PROGRAM.split("if __name__")[0]
        + """
import warnings
warnings.simplefilter("ignore")  # a fork beside threads, which is what this is about
with Runtime() as runtime:
    other()
    pid = os.fork()
    if pid == 0:
        job.with_options(run_id="r1").start()
        sys.exit(7)
    _, status = os.waitpid(pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status))
"""
    )
    done = program()
    assert done.returncode == 7, done.stderr
    program.command("alerts", "flush")
    assert hooks.titles() == ["job halted at load as bug - next: surefoot resume r1"]
