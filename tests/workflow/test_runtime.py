"""What a run needs, put together once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, classify, scrub, step, workflow
from surefoot.clock import ManualClock, SystemClock
from surefoot.config import Config
from surefoot.errors import ConfigError, JournalError, SurefootError


def test_making_one_costs_nothing_and_writes_nothing(tmp_path: Path) -> None:
    runtime = Runtime(journal=tmp_path / "deep" / "j.db")
    assert isinstance(runtime.clock, SystemClock) and runtime.path == tmp_path / "deep" / "j.db"
    runtime.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [{"durability": "forever"}, {"lease": -1.0}, {"lease": 0.0}, {"lease": float("nan")}],
)
def test_a_bad_setting_is_told(tmp_path: Path, options: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        Runtime(journal=tmp_path / "j.db", **options)
    assert str(next(iter(options.values()))) in str(caught.value)


def test_the_settings_are_the_configured_ones_unless_given(tmp_path: Path) -> None:
    config = Config(journal=str(tmp_path / "c.db"), durability="process", lease=7.0)
    runtime = Runtime(config=config)
    assert (runtime.path, runtime.durability, runtime.lease) == (tmp_path / "c.db", "process", 7.0)
    given = Runtime(tmp_path / "g.db", durability="power", lease=9.0, config=config)
    assert (given.path, given.durability, given.lease) == (tmp_path / "g.db", "power", 9.0)


def test_a_journal_may_be_given_as_a_url(tmp_path: Path) -> None:
    with Runtime(journal=f"sqlite:///{tmp_path}/j.db") as runtime:
        assert runtime.journal.runs() == []
    assert (tmp_path / "j.db").exists()
    with (
        pytest.raises(ConfigError, match="write sqlite"),
        Runtime(journal="mysql://h/d") as other,
    ):
        _ = other.journal


def test_within_another_one_the_inner_one_counts(tmp_path: Path) -> None:
    @workflow
    def work() -> int:
        return 1

    with Runtime(journal=tmp_path / "a.db") as outer:
        with Runtime(journal=tmp_path / "b.db") as inner:
            work()
            assert len(inner.journal.runs()) == 1
        work()
        assert len(outer.journal.runs()) == 1


def test_one_runtime_may_be_entered_twice_and_used_again(tmp_path: Path) -> None:
    @workflow
    def work() -> int:
        return 1

    runtime = Runtime(journal=tmp_path / "j.db")
    with runtime:
        with runtime:
            work()
        work()
    with runtime:
        assert len(runtime.journal.runs()) == 2


def test_a_pickle_key_is_made_once(tmp_path: Path) -> None:
    with Runtime(journal=tmp_path / "j.db") as runtime:
        key = runtime.pickle_key()
        assert len(key) == 32 and runtime.pickle_key() == key
    with Runtime(journal=tmp_path / "j.db") as later:
        assert later.pickle_key() == key


def test_a_pickle_key_that_was_cut_off_is_never_used(tmp_path: Path) -> None:
    """A process died between making the file and writing it, or is just doing so."""
    (tmp_path / "j.db.key").touch()
    with Runtime(journal=tmp_path / "j.db") as runtime:
        try:
            assert len(runtime.pickle_key()) == 32
        except SurefootError as exc:
            assert "j.db.key" in str(exc)


def test_a_pickle_key_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with Runtime(journal=tmp_path / "none" / "j.db") as runtime, pytest.raises(JournalError):
        runtime.pickle_key()


def test_classify_and_scrub_work_without_anything_around() -> None:
    assert classify(ConnectionRefusedError(111, "Connection refused")).kind == "connection"
    assert classify(ValueError("bad"), stage="ingestion").category == "data"
    assert scrub({"password": "hunter2-hunter2"}) != {"password": "hunter2-hunter2"}


def test_secrets_of_the_environment_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", "correct-horse-battery")
    monkeypatch.setenv("SHORT_SECRET", "abc")
    assert "correct-horse-battery" not in str(scrub("it was correct-horse-battery, abc"))
    assert "abc" in str(scrub("it was correct-horse-battery, abc"))


def test_a_run_within_a_forked_child_goes_on_with_connections_of_its_own(tmp_path: Path) -> None:
    calls: list[int] = []

    @step
    def note(n: int) -> int:
        calls.append(n)
        return n

    @workflow
    def work(n: int) -> int:
        return note(n)

    runtime = Runtime(journal=tmp_path / "j.db", clock=ManualClock(), config=Config())
    with runtime:
        assert work.with_options(run_id="before").start(1).result == 1
        child = os.fork()
        if child == 0:
            code = 1
            try:
                run = work.with_options(run_id="child").start(2)
                code = 0 if run.result == 2 else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert work.with_options(run_id="after").start(3).result == 3
        runs = {run.run_id: run.status for run in runtime.journal.runs()}
        assert runs == {"before": "completed", "child": "completed", "after": "completed"}


BROKEN_RULES = """
[[rule]]
id = "acme.busy"
kind = "overloaded"
class = "acme.errors.BusyError"
mesage = "busy"

[[rule]]
id = "acme.seats"
kind = "quota_exhausted"
message = "no licence seats left"
"""


def test_a_broken_rule_is_warned_about_and_the_others_go_on_working(tmp_path: Path) -> None:
    rules = tmp_path / "broken.toml"
    rules.write_text(BROKEN_RULES)
    with Runtime(journal=tmp_path / "j.db", config=Config(rules=(rules,))):
        with pytest.warns(RuntimeWarning, match="broken.toml"):
            assert classify(OSError(28, "No space left on device")).kind == "disk_full"
        assert classify(RuntimeError("there are no licence seats left")).kind == "quota_exhausted"


def test_a_run_with_a_broken_rule_does_not_begin(tmp_path: Path) -> None:
    rules = tmp_path / "broken.toml"
    rules.write_text(BROKEN_RULES)

    @workflow
    def work() -> int:
        raise AssertionError("it began")

    with Runtime(journal=tmp_path / "j.db", config=Config(rules=(rules,))):
        with pytest.raises(ConfigError, match="mesage"):
            work.start()
