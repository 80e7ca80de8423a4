"""The runtime's scrubber: settings, known values, and marks of the journal's own."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import surefoot
from surefoot import Runtime, step, workflow
from surefoot.config import Config
from surefoot.errors import ConfigError, InputError
from surefoot.scrub.known import HIDDEN_VALUES


@pytest.fixture(autouse=True)
def _nothing_stays_registered() -> Iterator[None]:
    before = dict(HIDDEN_VALUES)
    yield
    HIDDEN_VALUES.clear()
    HIDDEN_VALUES.update(before)


def mark(text: str) -> str:
    return text.split("[")[1].split("]")[0].split()[-1]


@step
def leak(secret: str) -> None:
    raise ValueError(f"password={secret}")


@workflow
def leaking(secret: str) -> None:
    leak(secret)


def test_a_registered_value_is_hidden_in_every_runtime(tmp_path: Path) -> None:
    with Runtime(tmp_path / "j.db") as runtime:
        assert runtime.scrub_text("so correct-horse") == "so correct-horse"
        surefoot.hide("correct-horse")
        assert runtime.scrub_text("so correct-horse").startswith("so [secret ")
    assert surefoot.scrub({"note": "correct-horse"})["note"].startswith("[secret ")
    with pytest.raises(InputError, match=r"hide\(\): a secret needs at least 6 characters"):
        surefoot.hide("short")
    with pytest.raises(InputError, match="a secret is a text, not a int"):
        surefoot.hide(123456)


def test_the_environment_is_known_as_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(config=Config())
    monkeypatch.setenv("SHOP_TOKEN", "shop-value-1")
    assert "shop-value-1" not in runtime.scrub_text("so shop-value-1")
    off = Runtime(config=Config(scrub={"environment": False}))
    assert off.scrub_text("so shop-value-1") == "so shop-value-1"
    monkeypatch.delenv("SHOP_TOKEN")
    assert runtime.scrub_text("so shop-value-1") == "so shop-value-1"


def test_the_scrubber_is_made_once(tmp_path: Path) -> None:
    runtime = Runtime(tmp_path / "j.db", config=Config())
    assert runtime.scrubber is runtime.scrubber


def test_the_marks_of_one_journal_are_the_same_in_every_process(tmp_path: Path) -> None:
    journal = tmp_path / "j.db"
    with Runtime(journal) as runtime:
        with pytest.raises(ValueError):
            leaking("hunter2-x")
        told = mark(runtime.scrub_text("token=hunter2-x"))
    with closing(sqlite3.connect(journal)) as written:
        (message,) = written.execute("SELECT message FROM failures").fetchone()
    assert message.startswith("password=[secret ") and mark(message) == told
    code = (
        "import sys; from surefoot import Runtime\n"
        "print(Runtime(sys.argv[1], create=False).scrub_text('pwd: hunter2-x'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(journal)], check=True, capture_output=True, text=True
    )
    assert mark(done.stdout) == told
    assert mark(Runtime(tmp_path / "other.db").scrub_text("pwd: hunter2-x")) != told


def test_nothing_is_made_just_to_show_something(tmp_path: Path) -> None:
    runtime = Runtime(tmp_path / "j.db")
    first = runtime.scrub_text("password=hunter2")
    assert runtime.scrub({"password": "hunter2"})["password"] == first.partition("=")[2]
    assert list(tmp_path.iterdir()) == []
    with Runtime(tmp_path / "j.db") as writing:
        writing.journal.runs()
        written = writing.scrub_text("password=hunter2")
    assert (tmp_path / "j.db.key").exists()
    assert written != first  # the key of the journal, no longer the process's own


def test_a_journal_without_a_key_gets_none_from_a_reader(tmp_path: Path) -> None:
    with Runtime(tmp_path / "j.db") as runtime:
        runtime.journal.runs()
    assert not (tmp_path / "j.db.key").exists()
    with Runtime(tmp_path / "j.db", create=False) as reader:
        reader.journal.runs()
        reader.scrub_text("password=hunter2")
    assert not (tmp_path / "j.db.key").exists()


def test_a_key_that_cannot_be_written_breaks_nothing(tmp_path: Path) -> None:
    (tmp_path / "j.db.key").mkdir()  # no file can take its place
    with Runtime(tmp_path / "j.db") as runtime:
        runtime.journal.runs()
        assert runtime.scrub_text("password=hunter2").startswith("password=[secret ")


def test_the_settings_are_the_scrubber_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "surefoot.toml").write_text(
        "[scrub]\n"
        'patterns = [{name = "ticket", pattern = "T-[0-9]{4}"}]\n'
        'names = ["kennung"]\nallow = ["ok-.*"]\npersonal = []\n'
    )
    clean = surefoot.scrub("T-1234 kennung=abc password=ok-1 ada@example.org")
    assert clean.startswith("[ticket ") and "kennung=[secret " in clean
    assert clean.endswith("password=ok-1 ada@example.org")


def test_a_mistake_in_the_settings_is_told_before_a_run_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "surefoot.toml").write_text('[scrub]\nallow = ["("]\n')
    place = tmp_path / "surefoot.toml"
    with pytest.raises(ConfigError) as raised:
        leaking("hunter2")
    assert str(raised.value).startswith(f"{place}: [scrub] allow[0] = '(' is no pattern")
    config = Config(scrub={"personal": ["names"]})
    with pytest.raises(ConfigError, match=r"Config\(scrub=…\): \[scrub\] personal"):
        Runtime(config=config).scrubber


def test_with_wrong_settings_secrets_are_hidden_all_the_same(tmp_path: Path) -> None:
    runtime = Runtime(tmp_path / "j.db", config=Config(scrub={"persnal": [], "n": str(tmp_path)}))
    with pytest.warns(RuntimeWarning, match="the settings of scrubbing are left out"):
        assert runtime.scrub_text("password=hunter2").startswith("password=[secret ")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert runtime.scrub_text("password=hunter2").startswith("password=[secret ")


def test_with_settings_that_cannot_be_read_scrub_works_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "surefoot.toml").write_text("what = is this")
    with pytest.warns(RuntimeWarning, match="the settings are left out"):
        assert surefoot.scrub("password=hunter2").startswith("password=[secret ")
