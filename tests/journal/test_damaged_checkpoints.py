"""A checkpoint that was changed on disk: a step runs again, an effect stops and says so."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, effect, step, workflow
from surefoot.config import Config
from surefoot.errors import CheckpointDamaged
from surefoot.events import Drifted
from tests.support.clocks import HurriedClock

RUNS: list[str] = []
BROKEN: list[str] = []


def body(what: str) -> None:
    RUNS.append(what)
    if what in BROKEN:
        raise AssertionError(f"{what} has a bug that is mended later")


@step
def small(n: int) -> dict[str, int]:
    body("small")
    return {"value": n}


@step
def large(n: int) -> str:
    body("large")
    return "x" * 100_000


@effect(key=lambda n: f"pay:{n}")
def pay(n: int) -> str:
    body("pay")
    return f"receipt {n}"


@effect(key=lambda n: f"ship:{n}")
def ship(n: int) -> str:
    body("ship")
    return "label " * 20_000


@step
def last(n: int) -> int:
    body("last")
    return n


@workflow
def plain(n: int) -> int:
    return last(small(n)["value"] + len(large(n)))


@workflow
def paying(n: int) -> str:
    return f"{pay(n)}:{last(n)}"


@workflow
def shipping(n: int) -> str:
    return f"{len(ship(n))}:{last(n)}"


class Place:
    """A journal whose run has halted in its last step."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.db"
        self.blobs = folder / "journal.db.blobs"
        self.events: list[Any] = []

    def run(self, use: Callable[[], Any]) -> Any:
        RUNS.clear()
        self.events.clear()
        runtime = Runtime(
            journal=self.path,
            clock=HurriedClock(),
            config=Config(),
            listeners=[self.events.append],
        )
        with runtime:
            return use()

    def halted(self, made: Any) -> None:
        BROKEN.append("last")
        assert self.run(lambda: made.with_options(run_id="run").start(1)).status == "halted"
        BROKEN.clear()

    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Drifted)]

    def flip(self, table: str, where: str) -> None:
        """Change one bit of a stored result."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            sql = f"SELECT result FROM {table} WHERE {where}"
            [(data,)] = connection.execute(sql).fetchall()
            changed = bytes([*data[:-2], data[-2] ^ 1, data[-1]])
            connection.execute(f"UPDATE {table} SET result = ? WHERE {where}", (changed,))

    def blob(self) -> Path:
        [path] = [path for path in self.blobs.rglob("*") if path.is_file()]
        return path


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield Place(tmp_path)
    BROKEN.clear()


def flip_file(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[1_000] ^= 1
    path.write_bytes(data)


FILES: dict[str, Callable[[Path], None]] = {
    "changed": flip_file,
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
}


def test_a_step_whose_checkpoint_is_damaged_runs_again_and_says_so(place: Place) -> None:
    place.halted(plain)
    place.flip("calls", "step = 'small'")
    run = place.run(lambda: plain.resume("run"))
    assert run.result == 100_001
    assert RUNS == ["small", "last"]
    [told] = [text for text in place.warnings() if "small" in text]
    assert "step small: its checkpoint cannot be read" in told and "runs again" in told
    assert "damaged" in told
    # and the new checkpoint is good
    place.run(lambda: plain.resume("run"))
    assert RUNS == []


@pytest.mark.parametrize("how", FILES)
def test_a_step_whose_checkpoint_file_is_damaged_runs_again(place: Place, how: str) -> None:
    place.halted(plain)
    FILES[how](place.blob())
    run = place.run(lambda: plain.resume("run"))
    assert run.result == 100_001
    assert RUNS == ["large", "last"]
    assert any("step large: its checkpoint cannot be read" in text for text in place.warnings())
    data = place.blob().read_bytes()
    assert hashlib.sha256(data).hexdigest() == place.blob().name, "the damaged file has stayed"


def test_an_effect_whose_checkpoint_is_damaged_is_not_done_again(place: Place) -> None:
    place.halted(paying)
    place.flip("calls", "step = 'pay'")
    for _ in range(2):
        run = place.run(lambda: paying.resume("run"))
        assert run.status == "halted"
        assert isinstance(run.exception, CheckpointDamaged)
        assert "effect pay: its recorded result cannot be read" in str(run.exception)
        assert "surefoot show run" in str(run.exception)
        assert RUNS == []


@pytest.mark.parametrize("how", FILES)
def test_an_effect_whose_checkpoint_file_is_damaged_is_not_done_again(
    place: Place, how: str
) -> None:
    place.halted(shipping)
    FILES[how](place.blob())
    run = place.run(lambda: shipping.resume("run"))
    assert isinstance(run.exception, CheckpointDamaged)
    assert RUNS == []


def test_another_run_does_not_do_again_what_was_done_and_cannot_be_read(place: Place) -> None:
    place.halted(paying)
    place.flip("claims", "effect = 'pay'")
    run = place.run(lambda: paying.with_options(run_id="other").start(1))
    assert run.status == "halted"
    assert isinstance(run.exception, CheckpointDamaged)
    assert RUNS == []


def test_the_damaged_result_of_a_run_is_told(place: Place) -> None:
    place.run(lambda: plain.with_options(run_id="run").start(1))
    place.flip("runs", "run_id = 'run'")
    with pytest.raises(CheckpointDamaged, match=r"journal\.db"):
        place.run(lambda: plain.with_options(run_id="run").start(1)).result
    assert RUNS == []
