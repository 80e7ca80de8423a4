"""Maps where something is amiss: a journal that fails, Ctrl-C in the waiting thread, long queues."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, effect, on, step, workflow
from surefoot.config import Config
from surefoot.errors import DefinitionError, JournalError
from surefoot.workflow import maps
from tests.support.failing import Failing


def test_workers_help_to_write_when_the_queue_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "QUEUE", 0)

    @step
    def double(n: int) -> int:
        return 2 * n

    @workflow
    def work() -> list[int]:
        return double.map(range(50), workers=4).results

    with Runtime(journal=tmp_path / "j.db", config=Config()) as runtime:
        run = work.start()
        assert run.result == [2 * n for n in range(50)]
        calls = runtime.journal.calls(runtime.journal.run(run.run_id).pk)
        assert len([one for one in calls if one.status == "completed" and one.form == "step"]) == 50


def test_a_map_whose_ends_cannot_be_written_stops_and_says_so(tmp_path: Path) -> None:
    done: list[int] = []
    seam = Failing(10**9, "disk I/O error", forever=True)

    @step
    def work_on(n: int) -> int:
        if n == 3:
            seam.at = 1  # from now on nothing can be written
        done.append(n)
        return n

    @workflow
    def work() -> int:
        return len(work_on.map(range(5_000), workers=1).results)

    with Runtime(journal=tmp_path / "j.db", config=Config(), seam=seam) as runtime:
        with pytest.raises(JournalError):
            work.with_options(run_id="one").start()
        assert seam.fired and len(done) < 5_000
        seam.heal()
        runtime.close()
    with Runtime(journal=tmp_path / "j.db", config=Config()):
        done.clear()
        assert work.resume("one").result == 5_000
        assert 3 in done  # its end was not kept: it ran again


def test_ctrl_c_while_a_map_runs_begins_no_new_item(tmp_path: Path) -> None:
    begun: list[int] = []
    go_on = threading.Event()

    @step
    def slow(n: int) -> int:
        begun.append(n)
        if n == 1 and not go_on.is_set():
            os.kill(os.getpid(), signal.SIGINT)
            go_on.wait(30)
        return n

    @workflow
    def work() -> list[int]:
        return slow.map(range(20), workers=1).results

    with Runtime(journal=tmp_path / "j.db", config=Config()):
        with pytest.raises(KeyboardInterrupt):
            work.with_options(run_id="one").start()
        assert begun == [0, 1]
        go_on.set()
        assert work.resume("one").result == list(range(20))
        assert begun.count(19) == 1


def test_the_results_of_a_batch_are_held_against_what_the_step_returns(tmp_path: Path) -> None:
    @step(stage="inference", attempts=1, returns=list[int])
    def count(texts: list[str]) -> Any:
        return str([len(text) for text in texts])  # a text of JSON, as a model gives it

    @workflow
    def work() -> list[int]:
        return count.map(["a", "bb", "ccc"], batch=2).results

    with Runtime(journal=tmp_path / "j.db", config=Config()):
        assert work.start().result == [1, 2, 3]


def test_an_item_that_cannot_be_saved_is_set_aside_without_it_and_the_reason_is_told(
    tmp_path: Path,
) -> None:
    class Page:
        def __init__(self, number: int) -> None:
            self.number = number

        def __reduce__(self) -> Any:
            raise TypeError("a page cannot be saved")

    @step(ignore=("page",))
    def read(page: Page) -> int:
        raise ValueError("there is no text in it")

    @workflow
    def work() -> int:
        return len(read.map([Page(1)]).quarantined)

    with Runtime(journal=tmp_path / "j.db", config=Config()) as runtime:
        assert work.with_options(run_id="one").start().result == 1
        [letter] = runtime.journal.dead_letters(runtime.journal.run("one").pk)
        rows = runtime.journal.store.read("SELECT * FROM dead_letters")
        assert letter.kind == "invalid_value" and "Page" in str(rows)


def test_an_effects_item_that_was_refused_is_set_aside_and_its_key_is_free(tmp_path: Path) -> None:
    refuses = [True]

    @effect(
        key=lambda n: f"n:{n}", recover=[on("connection").retry(attempts=1).skip()], name="send"
    )
    def send(n: int) -> int:
        if refuses:
            raise ConnectionRefusedError(111, "Connection refused")
        return n

    @workflow
    def work() -> list[int]:
        return send.map([1], workers=1).results

    with Runtime(journal=tmp_path / "j.db", config=Config()):
        assert work.start().result == []
        refuses.clear()
        assert work.start().result == [1]  # another run, the same key: it acts


def test_a_batch_has_no_starmap() -> None:
    @step
    def add(pairs: list[tuple[int, int]]) -> list[int]:
        return [sum(pair) for pair in pairs]

    with pytest.raises(TypeError, match="batch"):
        add.starmap([(1, 2)], batch=2)  # type: ignore[call-overload]
    with pytest.raises(DefinitionError, match="no starmap"):
        add._map([(1, 2)], True, {}, 1, None, "halt", 0.5, 2)
