"""Several processes meet at one run: who gets it, and what the others may still write."""

from __future__ import annotations

import base64
import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from surefoot.journal import Owner
from tests.support.ledger import Ledger
from tests.support.nursery import Ended, Nursery

PLAY = "tests.crash.scenes:play"


class Stage:
    """A folder with a journal, on which children play."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        self.nursery = nursery
        self.folder = folder
        self.ledger = Ledger(folder / "ledger")

    def start(self, name: str, how: str, **options: Any) -> int:
        return self.nursery.start(PLAY, folder=str(self.folder), name=name, how=how, **options)

    def play(self, name: str, how: str, **options: Any) -> Any:
        return self.nursery.wait(self.start(name, how, **options)).unwrap()

    def killed(self, name: str, how: str, **options: Any) -> None:
        ended: Ended = self.nursery.wait(self.start(name, how, **options))
        assert ended.signal == signal.SIGKILL, ended

    def say(self, word: str) -> None:
        (self.folder / word).touch()

    def hear(self, word: str) -> None:
        end = time.monotonic() + 30
        while not (self.folder / word).exists():
            assert time.monotonic() < end, f"nobody said {word!r}"
            time.sleep(0.001)

    def bodies(self, what: str) -> int:
        lines = self.ledger.lines()
        return sum(line["word"] == "begin" and line["what"] == what for line in lines)

    def sql(self, statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "journal.db", isolation_level=None)) as one:
            return one.execute(statement, values).fetchall()

    def dump(self) -> dict[str, list[Any]]:
        """All rows of all tables."""
        names = [name for (name,) in self.sql("SELECT name FROM sqlite_master WHERE type='table'")]
        return {name: self.sql(f"SELECT * FROM {name} ORDER BY rowid") for name in names}

    def owner(self) -> Owner:
        return Owner.parse(self.sql("SELECT owner FROM runs WHERE run_id = 'run'")[0][0])

    def rewrite_owner(self, *, lease_until: float | None = None, **changed: Any) -> None:
        """Have the run held by a process that is somewhere else, or somebody else."""
        fields = {**json.loads(self.owner().dump()), **changed}
        text = json.dumps(fields, separators=(",", ":"))
        self.sql("UPDATE runs SET owner = ? WHERE run_id = 'run'", text)
        if lease_until is not None:
            self.sql("UPDATE runs SET lease_until = ? WHERE run_id = 'run'", lease_until)

    @contextmanager
    def asleep(self, pid: int) -> Iterator[None]:
        """A process that is stopped for a while."""
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def stage(nursery: Nursery, tmp_path: Path) -> Stage:
    return Stage(nursery, tmp_path)


# -- double resume --------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["halted", "crashed"])
def test_of_two_that_resume_one_run_at_the_same_moment_exactly_one_gets_it(
    stage: Stage, before: str
) -> None:
    order = "fail" if before == "halted" else "die"
    if before == "halted":
        assert stage.play("three", "start", orders={"last": order})["status"] == "halted"
    else:
        stage.killed("three", "start", orders={"last": order})
    children = [
        stage.start("three", "resume", barrier="go", orders={"last": "refused"}) for _ in range(2)
    ]
    for pid in children:
        stage.hear(f"ready {pid}")
    stage.say("go")
    told = [stage.nursery.wait(pid).unwrap() for pid in children]

    won = [one for one in told if one.get("status") == "completed"]
    lost = [one for one in told if one.get("error") == "RunLocked"]
    assert len(won) == len(lost) == 1, told
    assert won[0]["result"] == 112
    assert lost[0]["exit_code"] == 4
    assert "surefoot resume run" in lost[0]["message"]
    assert stage.bodies("first") == stage.bodies("middle") == 1
    assert stage.bodies("last") == 2  # the one that failed or died, and the winner's


def test_many_that_resume_at_once_run_each_body_once(stage: Stage) -> None:
    stage.killed("three", "start", orders={"first": "die"})
    children = [stage.start("three", "resume", barrier="go") for _ in range(5)]
    for pid in children:
        stage.hear(f"ready {pid}")
    stage.say("go")
    told = [stage.nursery.wait(pid).unwrap() for pid in children]
    assert any(one.get("status") == "completed" for one in told)
    for one in told:  # one that came when all was done has read the result
        assert one.get("result") == 112 or one["error"] == "RunLocked"
    assert [stage.bodies(name) for name in ("first", "middle", "last")] == [2, 1, 1]


def test_two_that_start_one_id_at_the_same_moment_run_it_once(stage: Stage) -> None:
    children = [
        stage.start("three", "start", barrier="go", orders={"last": "refused"}) for _ in range(2)
    ]
    for pid in children:
        stage.hear(f"ready {pid}")
    stage.say("go")
    told = [stage.nursery.wait(pid).unwrap() for pid in children]
    assert sorted(one.get("status") or one["error"] for one in told) == ["RunLocked", "completed"]
    assert [stage.bodies(name) for name in ("first", "middle", "last")] == [1, 1, 1]


# -- death and life of the holder -----------------------------------------------------------------


def test_a_holders_death_frees_its_run_at_once(stage: Stage) -> None:
    pid = stage.start("three", "start", orders={"middle": "never"}, lease=3_600)
    stage.hear("middle begins")
    os.kill(pid, signal.SIGKILL)
    # it is not waited for: a dead child that nobody has reaped yet holds nothing either
    assert stage.play("three", "resume")["result"] == 112
    assert stage.nursery.wait(pid).signal == signal.SIGKILL
    assert stage.bodies("first") == 1


def test_a_living_holder_keeps_its_run_however_slow_it_is(stage: Stage) -> None:
    pid = stage.start("three", "start", orders={"middle": "go on"}, lease=0.05)
    stage.hear("middle begins")
    with stage.asleep(pid):
        stage.sql("UPDATE runs SET lease_until = 1")
        told = stage.play("three", "resume")
        assert told["error"] == "RunLocked"
        assert f"pid {pid}" in told["message"]
    stage.say("go on")
    assert stage.nursery.wait(pid).unwrap()["result"] == 112


def test_a_reused_pid_fools_nobody(stage: Stage) -> None:
    stage.killed("three", "start", orders={"middle": "die"})
    alive = Owner.this()
    assert alive.alive() is True
    # the pid is that of a living process now: of this one, which began at another time
    stage.rewrite_owner(pid=alive.pid, start=str(int(alive.start) - 1))
    assert stage.play("three", "resume")["result"] == 112


def test_a_holder_on_another_host_keeps_its_run_until_its_lease_runs_out(stage: Stage) -> None:
    stage.killed("three", "start", orders={"middle": "die"})
    stage.rewrite_owner(host="another boot", lease_until=time.time() + 60)
    assert stage.play("three", "resume")["error"] == "RunLocked"
    stage.rewrite_owner(lease_until=time.time() - 1)
    assert stage.play("three", "resume")["result"] == 112


# -- zombies --------------------------------------------------------------------------------------


def test_a_zombie_that_wakes_after_a_takeover_writes_nothing(stage: Stage) -> None:
    zombie = stage.start("three", "start", orders={"middle": "go on"}, lease=0.15)
    stage.hear("middle begins")
    with stage.asleep(zombie):
        stage.rewrite_owner(host="another boot", lease_until=time.time() - 1)
        assert stage.play("three", "resume")["result"] == 112
        after = stage.dump()
    stage.say("go on")
    time.sleep(0.2)  # it is awake for a few heartbeats of its own
    told = stage.nursery.wait(zombie).unwrap()
    assert told["error"] == "RunLocked"
    assert told["exit_code"] == 4
    assert "taken over" in told["message"]
    assert stage.dump() == after
    assert stage.bodies("middle") == 2
    assert stage.bodies("last") == 1, "the zombie went on"


def test_a_zombie_that_wakes_while_the_other_runs_neither_writes_nor_beats(stage: Stage) -> None:
    zombie = stage.start("three", "start", orders={"middle": "go on"}, lease=0.15)
    stage.hear("middle begins")
    with stage.asleep(zombie):
        stage.rewrite_owner(host="another boot", lease_until=time.time() - 1)
        other = stage.start("three", "resume", orders={"last": "finish"}, lease=3_600)
        stage.hear("last begins")
        owner, until = stage.sql("SELECT owner, lease_until FROM runs")[0]
        before = stage.dump()
    stage.say("go on")
    assert stage.nursery.wait(zombie).unwrap()["error"] == "RunLocked"
    assert stage.dump() == before
    assert stage.sql("SELECT owner, lease_until FROM runs") == [(owner, until)]
    stage.say("finish")
    assert stage.nursery.wait(other).unwrap()["result"] == 112


@pytest.mark.parametrize("beats", [False, True])
def test_a_zombies_effect_is_kept_as_evidence_for_its_doubt(stage: Stage, beats: bool) -> None:
    """Also if a heartbeat tells the zombie that its run was taken over before its body is done."""
    lease = 0.06 if beats else 60
    zombie = stage.start("with_bare", "start", orders={"bare": "go on"}, lease=lease)
    stage.hear("bare begins")
    with stage.asleep(zombie):
        stage.rewrite_owner(host="another boot", lease_until=time.time() - 1)
        told = stage.play("with_bare", "resume")
        assert (told["status"], told["kind"]) == ("halted", "in_doubt")
    if beats:
        time.sleep(0.3)
    stage.say("go on")
    assert stage.nursery.wait(zombie).unwrap()["error"] == "RunLocked"
    state, evidence = stage.sql("SELECT state, evidence FROM claims")[0]
    assert state == "in_doubt"
    assert evidence is not None, "what the zombie knows of its effect is lost"
    raw = base64.b64encode(b'"done 2"').decode()
    assert "done 2" in evidence or raw in evidence, f"the result itself is lost: {evidence}"
    assert len(stage.ledger.acts("bare")) == 1


# -- crash loops ----------------------------------------------------------------------------------


def test_a_run_that_kills_its_process_again_and_again_waits_for_a_person(stage: Stage) -> None:
    stage.killed("three", "start", orders={"middle": "die"})
    for _ in range(5):
        stage.killed("three", "resume", orders={"middle": "die"})
    told = stage.play("three", "resume", orders={"middle": "die"})
    assert (told["status"], told["kind"]) == ("halted", "process_crashed")
    assert "surefoot show run" in told["message"]
    assert stage.bodies("middle") == 6
    # a person has mended it
    assert stage.play("three", "resume")["result"] == 112


def test_a_new_checkpoint_makes_the_count_of_takeovers_begin_anew(stage: Stage) -> None:
    stage.killed("three", "start", orders={"middle": "die"})
    for _ in range(4):
        stage.killed("three", "resume", orders={"middle": "die"})
    for _ in range(5):
        stage.killed("three", "resume", orders={"last": "die"})
    assert stage.play("three", "resume")["result"] == 112


# -- claims of several runs -----------------------------------------------------------------------


def test_another_run_waits_for_the_key_and_gets_the_result(stage: Stage) -> None:
    one = stage.start("with_asking", "start", run_id="run", orders={"asking": "go on"})
    stage.hear("asking begins")
    other = stage.start("with_asking", "start", run_id="other")
    time.sleep(0.1)
    assert len(stage.ledger.acts()) == 1
    stage.say("go on")
    assert [stage.nursery.wait(pid).unwrap()["result"] for pid in (one, other)] == ["done 1"] * 2
    assert len(stage.ledger.acts()) == 1
    assert stage.bodies("asking") == 1


@pytest.mark.parametrize("name", ["with_asking", "with_looking"])
def test_another_run_settles_the_doubt_that_a_dead_one_left(stage: Stage, name: str) -> None:
    stage.killed(name, "start", orders={name[5:]: "die"})
    found = stage.play(name, "start", run_id="other")["result"]
    assert found == ("found 1" if name == "with_looking" else "done 1")
    assert stage.play(name, "resume")["result"] == found
    acts = stage.ledger.acts()
    assert [act["applied"] for act in acts].count(True) == 1
    assert len(acts) == (1 if name == "with_looking" else 2)


def test_an_effect_that_nobody_can_ask_about_stays_in_doubt(stage: Stage) -> None:
    stage.killed("with_bare", "start", orders={"bare": "die"})
    for _ in range(3):
        told = stage.play("with_bare", "resume")
        assert (told["status"], told["kind"]) == ("halted", "in_doubt")
        assert "verify=" in told["message"] and "idempotency_key()" in told["message"]
    assert len(stage.ledger.acts("bare")) == 1
    assert stage.bodies("first") == 1


def test_a_doubt_that_was_settled_does_not_settle_the_next_one(stage: Stage) -> None:
    """While one run looks, another acts and dies: what the first one saw is old by then."""
    stage.killed("with_looking", "start", orders={"before the act": "die"})
    one = stage.start("with_looking", "resume", orders={"looked": "go on"})
    stage.hear("looked begins")  # it has seen that nothing happened, and has not said so yet
    stage.killed("with_looking", "start", run_id="other", orders={"looking": "die"})
    stage.say("go on")
    assert stage.nursery.wait(one).unwrap()["result"] == "found 1"
    assert len(stage.ledger.acts("looking")) == 1
