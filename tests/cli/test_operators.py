"""What a person orders: rollback, resolve, cancel, resume --from and --dry-run; and what show tells."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Project

SAGA = """
import os
import signal
import time
from pathlib import Path
from surefoot import (
    WorkflowCriticalError, effect, idempotency_key, on, spend, step, workflow
)

def die(where):
    if Path(f"die {where}").exists():
        os.kill(os.getpid(), signal.SIGKILL)

def log(words):
    with open("log", "a") as file:
        file.write(words + "\\n")

def unreserve(receipt, item):
    die(f"before {item}")
    log(f"unreserve {receipt} {item} {idempotency_key()}")
    die(f"in {item}")
    if Path("closed").exists():
        raise ConnectionRefusedError(111, "closed; password=hunter22")

def found(item):
    from surefoot import Happened, NotHappened
    done = f"reserve {item}" in Path("log").read_text()
    return Happened(f"r-{item}") if done else NotHappened()

@effect(key=lambda item: f"r:{item}", compensate=unreserve)
def reserve(item: str) -> str:
    log(f"reserve {item}")
    return f"r-{item}"

@effect(key=lambda order: f"m:{order}")
def mail(order: int) -> int:
    log(f"mail {order}")
    die("mail")
    return order

@workflow
def saga() -> str:
    for item in "abc":
        reserve(item)
    mail(7)
    if Path("halting").exists():
        raise WorkflowCriticalError("no")
    return "done"

@workflow
def other() -> str:
    return reserve("a")

@effect
def loose(n: int) -> int:
    log(f"loose {n}")
    return n

@step
def load(n: int) -> int:
    log(f"load {n}")
    return n

@step(cost=lambda value: 0.25)
def work(n: int) -> int:
    log(f"work {n}")
    return n * (10 if Path("edited").exists() else 1)

@workflow
def chain() -> int:
    one = load(1)
    two = work(one)
    three = mail(two)
    return load(9) + three

@workflow
def loosely() -> int:
    return loose(load(1)) + work(2)

@workflow
def mails() -> list[int]:
    return mail.map([1, 2, 3], workers=1).results

@step
def nap(name: str) -> None:
    Path(name).touch()
    while not Path("enough").exists():
        time.sleep(0.01)

@workflow
def napping() -> int:
    nap("napping")
    return load(1)

@step
def small(n: int, size: int = 8) -> int:
    return n

@step(recover=[
    on("gpu_out_of_memory").adapt(size=lambda value, failure: value // 2).fall_back(small)
])
def big(n: int, size: int = 8) -> int:
    spend(0.5)
    class OutOfMemoryError(RuntimeError):
        __module__ = "torch"
    raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

@workflow
def shrinking() -> int:
    return big(1)
"""


@pytest.fixture
def saga(project: Project) -> Project:
    project.write("saga.py", SAGA)
    return project


def lines(word: str = "") -> list[str]:
    return [one for one in Path("log").read_text().splitlines() if one.startswith(word)]


# -- rollback -------------------------------------------------------------------------------------


def test_a_run_is_rolled_back_and_each_undo_is_told(
    saga: Project, squeezed: Callable[[str], str]
) -> None:
    saga.run("run", "saga.py:saga", "--run-id", "one")
    told = squeezed(saga.run("rollback", "one").stdout)
    assert "run one of saga: rolled_back" in told
    assert "reserve r:c undone" in told and "mail m:7 kept it has no compensate=" in told
    assert [one.split()[2] for one in lines("unreserve")] == ["c", "b", "a"]
    shown = squeezed(saga.run("show", "one").stdout)
    assert "EFFECT KEY IS" in shown and "reserve r:a undone" in shown
    assert [one["state"] for one in saga.json("show", "one")["undone"]].count("done") == 3
    saga.run("rollback", "one")
    assert len(lines("unreserve")) == 3, "nothing is undone twice"
    assert "cannot be resumed" in saga.run("resume", "one", wanted=2).stderr


def test_an_undo_that_fails_ends_with_1_and_is_a_dead_letter(saga: Project) -> None:
    saga.run("run", "saga.py:saga", "--run-id", "one")
    Path("closed").touch()
    document = saga.json("rollback", "one", wanted=1)
    assert document["status"] == "rolled_back"
    assert {one["state"] for one in document["undone"]} == {"failed", "kept"}
    letters = saga.json("dead-letters", "list")
    assert [one["step"] for one in letters] == ["reserve.undo"] * 3
    assert "hunter22" not in saga.run("rollback", "one", wanted=1).stdout
    told = saga.run("show", "one").stdout
    assert "mend the cause, then: surefoot rollback one" in told and "hunter22" not in told
    Path("closed").unlink()
    saga.run("dead-letters", "replay", str(letters[0]["id"]))
    assert saga.json("dead-letters", "list") == []
    assert saga.json("rollback", "one")["status"] == "rolled_back"


def test_what_another_run_did_is_told_and_left_alone(
    saga: Project, squeezed: Callable[[str], str]
) -> None:
    saga.run("run", "saga.py:other", "--run-id", "first")
    saga.run("run", "saga.py:saga", "--run-id", "one")
    told = squeezed(saga.run("rollback", "one").stdout)
    assert "reserve r:a left alone run first did it, not this one" in told
    assert [one.split()[2] for one in lines("unreserve")] == ["c", "b"]


@pytest.mark.parametrize("where", ["before b", "in b", "before a", "in c"])
def test_a_killed_rollback_is_finished_by_recover(saga: Project, where: str) -> None:
    saga.run("run", "saga.py:saga", "--run-id", "one")
    Path(f"die {where}").touch()
    saga.process("rollback", "one").end(-signal.SIGKILL)
    told = saga.json("show", "one")
    assert told["status"] == "rolling_back" and told["holder"]["alive"] is False
    assert "surefoot recover, or: surefoot rollback one" in saga.run("show", "one").stdout
    Path(f"die {where}").unlink()
    # the undo asks for its key, so that a repetition carries it; what was killed before it asked is
    # in doubt, and a person's
    asked = where.startswith("in")
    done = saga.json("recover", wanted=0 if asked else 1)["runs"]
    assert [(one["run_id"], one["status"]) for one in done] == [("one", "rolled_back")]
    item = where[-1]
    keys = {one.split()[2]: one.split()[3] for one in lines("unreserve")}
    counts = [sum(one.split()[2] == name for one in lines("unreserve")) for name in "cba"]
    if asked:
        assert counts == [2 if name == item else 1 for name in "cba"]
        assert done[0]["undone"] == {"done": 3, "kept": 1}
        assert len(set(keys.values())) == 3
        assert saga.json("recover") == {"runs": []}
        return
    assert counts == [0 if name == item else 1 for name in "cba"]
    assert done[0]["undone"] == {"done": 2, "kept": 1, "in_doubt": 1}
    assert "1 in doubt; see: surefoot show one" not in saga.run("recover").stdout
    # looked up: it had not happened, so the rollback does it
    saga.run("resolve", "one", "reserve.undo", "--not-done")
    saga.run("rollback", "one")
    assert sorted(one.split()[2] for one in lines("unreserve")) == ["a", "b", "c"]
    assert saga.json("dead-letters", "list") == []


def test_recover_tells_of_a_rollback_that_it_could_not_finish_well(saga: Project) -> None:
    saga.run("run", "saga.py:saga", "--run-id", "one")
    Path("die before b").touch()
    saga.process("rollback", "one").end(-signal.SIGKILL)
    Path("die before b").unlink()
    told = saga.run("recover", wanted=1).stdout
    assert "run one of saga: rolled_back; " in told and "1 in doubt" in told
    assert "see: surefoot show one" in told


# -- resolve --------------------------------------------------------------------------------------


@pytest.fixture
def doubtful(saga: Project) -> Project:
    """A run `one` whose process died in a mail, and that halts as in doubt."""
    Path("die mail").touch()
    saga.process("run", "saga.py:saga", "--run-id", "one").end(-signal.SIGKILL)
    Path("die mail").unlink()
    halted = saga.run("resume", "one", wanted=1)
    assert "surefoot resolve one mail" in halted.stderr
    assert "surefoot resolve one STEP --done | --not-done | --skip" in halted.stdout
    return saga


@pytest.mark.parametrize("name", ["mail", "m:7"])
def test_what_happened_is_told_with_its_result(doubtful: Project, name: str) -> None:
    done = doubtful.run("resolve", "one", name, "--done", "--value", "7")
    assert "mail with key 'm:7' in run one: it happened" in done.stdout
    assert "go on with: surefoot resume one" in done.stdout
    assert doubtful.json("resume", "one")["result"] == "done"
    assert lines("mail") == ["mail 7"]
    shown = doubtful.json("show", "one")
    assert [one["resolved"] for one in shown["resolved"]] == ["done"]
    assert "A PERSON SAID" in doubtful.run("show", "one").stdout
    assert "nothing in run one is in doubt" in (
        doubtful.run("resolve", "one", "mail", "--done", wanted=2).stderr
    )


def test_a_value_that_the_effect_does_not_return_is_refused(doubtful: Project) -> None:
    told = doubtful.run("resolve", "one", "mail", "--done", "--value", "many", wanted=2).stderr
    assert "returns something else: --value: expected a whole number" in told
    told = doubtful.run("resolve", "one", "mail", "--done", wanted=2).stderr
    assert "give it with --value" in told
    for wrong in (["--value", "7"], [], ["--not-done", "--value", "7"]):
        doubtful.run("resolve", "one", "mail", *wrong, wanted=2)
    assert doubtful.json("dry", wanted=2)["error"]["exit_code"] == 2
    doubtful.run("resume", "one", wanted=1)


def test_what_did_not_happen_is_done(doubtful: Project) -> None:
    call = next(one["id"] for one in doubtful.json("show", "one")["steps"] if one["step"] == "mail")
    document = doubtful.json("resolve", "one", call, "--not-done")
    assert (document["step"], document["resolved"]) == ("mail", "not_done")
    assert doubtful.json("resume", "one")["result"] == "done"
    assert lines("mail") == ["mail 7", "mail 7"]
    assert [one["resolved"] for one in doubtful.json("show", "one")["resolved"]] == ["not_done"]


def test_what_nobody_can_tell_is_left_out(doubtful: Project) -> None:
    doubtful.run("resolve", "one", "mail", "--skip")
    document = doubtful.json("resume", "one")
    assert document["status"] == "completed" and document["degraded"] is True
    (mail,) = (one for one in document["steps"] if one["step"] == "mail")
    assert (mail["status"], mail["degraded"]) == ("completed", "skipped")
    assert lines("mail") == ["mail 7"]
    assert "resolved by a person: skipped" in doubtful.run("show", "one").stdout


def test_an_item_that_nobody_can_tell_of_is_set_aside_for_good(saga: Project) -> None:
    Path("die mail").touch()
    saga.process("run", "saga.py:mails", "--run-id", "one").end(-signal.SIGKILL)
    Path("die mail").unlink()
    saga.run("resume", "one", wanted=1)
    saga.run("resolve", "one", "mail", "--skip")
    assert saga.json("resume", "one")["result"] == [2, 3]
    (letter,) = saga.json("dead-letters", "list")
    assert (letter["item"], letter["kind"]) == (0, "in_doubt")
    saga.run("resolve", "one", "mail", "--done", "--value", "1")
    assert saga.json("dead-letters", "list") == []
    assert saga.json("resume", "one")["result"] == [1, 2, 3]
    assert lines("mail") == ["mail 1", "mail 2", "mail 3"]


def test_what_is_not_in_doubt_is_told_with_what_is(doubtful: Project) -> None:
    told = doubtful.run("resolve", "one", "pay", "--done", wanted=2).stderr
    assert "no 'pay' is in doubt in run one; what is:" in told and "m:7" in told


def test_a_run_that_lives_is_not_resolved(saga: Project) -> None:
    child = saga.process("run", "saga.py:napping", "--run-id", "one").until("napping")
    assert "held by pid" in saga.run("resolve", "one", "mail", "--done", wanted=4).stderr
    Path("enough").touch()
    child.end(0)


def test_an_undo_in_doubt_is_resolved(saga: Project) -> None:
    saga.run("run", "saga.py:saga", "--run-id", "one")
    Path("die before b").touch()
    saga.process("rollback", "one").end(-signal.SIGKILL)
    Path("die before b").unlink()
    saga.run("recover", wanted=1)
    done = saga.run("resolve", "one", "reserve.undo", "--done").stdout
    assert "surefoot rollback one" in done
    assert saga.json("rollback", "one")["status"] == "rolled_back"
    assert [one.split()[2] for one in lines("unreserve")] == ["c", "a"]
    assert saga.json("dead-letters", "list") == []


def test_an_undo_that_is_left_as_it_is(saga: Project) -> None:
    saga.run("run", "saga.py:saga", "--run-id", "one")
    Path("die before b").touch()
    saga.process("rollback", "one").end(-signal.SIGKILL)
    Path("die before b").unlink()
    saga.run("recover", wanted=1)
    saga.run("resolve", "one", "reserve.undo", "--skip")
    told = saga.json("show", "one")["undone"]
    assert {one["detail"] for one in told if one["key"] == "r:b"} == {"left as it is, by a person"}
    assert saga.json("dead-letters", "list") == []


# -- cancel ---------------------------------------------------------------------------------------


def test_a_run_that_lives_is_asked_to_stop_at_its_next_step(saga: Project) -> None:
    child = saga.process("run", "saga.py:napping", "--run-id", "one").until("napping")
    assert "was asked to stop" in saga.run("cancel", "one").stdout
    time.sleep(0.1)  # a commit looks at the flag twenty times a second at most
    Path("enough").touch()
    child.end(1)
    assert saga.json("show", "one")["status"] == "cancelled"
    assert not Path("log").exists(), "its next step never began"
    assert saga.json("cancel", "one") == {"run_id": "one", "asked": False, "cancelled": True}
    assert saga.json("resume", "one")["result"] == 1


def test_a_run_that_stands_still_is_cancelled_at_once(saga: Project) -> None:
    Path("halting").touch()
    saga.run("run", "saga.py:saga", "--run-id", "halted", wanted=1)
    Path("die mail").touch()
    log = Path("log").read_text()
    Path("log").write_text("")
    child = saga.process("run", "saga.py:napping", "--run-id", "dead").until("napping")
    child.signal(signal.SIGKILL).end(-signal.SIGKILL)
    for run_id in ("halted", "dead"):
        assert "is cancelled; go on all the same" in saga.run("cancel", run_id).stdout
        assert saga.json("show", run_id)["status"] == "cancelled"
    assert saga.json("recover") == {"runs": []}
    assert log


def test_what_is_over_cannot_be_cancelled(saga: Project) -> None:
    saga.run("run", "saga.py:saga", "--run-id", "one")
    assert "is completed: there is nothing to cancel" in saga.run("cancel", "one", wanted=2).stderr
    assert "no run 'two'" in saga.run("cancel", "two", wanted=2).stderr


# -- resume --from and --dry-run ------------------------------------------------------------------


def test_a_step_and_what_came_after_it_run_again_and_keyed_effects_do_not(saga: Project) -> None:
    saga.run("run", "saga.py:chain", "--run-id", "one")
    assert lines() == ["load 1", "work 1", "mail 1", "load 9"]
    foreseen = saga.json("resume", "one", "--from", "work", "--dry-run")
    assert foreseen["superseded"] == {"work": 1, "mail": 1, "load": 1}
    assert foreseen["reused"] == {"load": 1} and foreseen["only_read"] is False
    assert len(lines()) == 4

    document = saga.json("resume", "one", "--from", "work")
    assert document["result"] == 10 and document["reused"] == 1
    assert lines() == ["load 1", "work 1", "mail 1", "load 9", "work 1", "load 9"]
    statuses = sorted((one["step"], one["status"]) for one in document["steps"])
    assert statuses.count(("work", "superseded")) == statuses.count(("work", "completed")) == 1
    assert statuses.count(("mail", "completed")) == 1
    assert document["cost"] == 0.5, "what was set aside has cost all the same"
    assert "work (set aside by --from)" in saga.run("show", "one").stdout
    # nothing of this is set aside a second time
    assert saga.json("resume", "one")["result"] == 10
    assert len(lines()) == 6


def test_a_changed_step_gives_its_new_result_downstream(saga: Project) -> None:
    saga.run("run", "saga.py:chain", "--run-id", "one")
    Path("edited").touch()
    assert saga.json("resume", "one", "--from", "work")["result"] == 19
    assert lines("mail") == ["mail 1", "mail 10"], "another key is another mail"


def test_a_call_is_named_by_its_id(saga: Project) -> None:
    saga.run("run", "saga.py:chain", "--run-id", "one")
    last = [one for one in saga.json("show", "one")["steps"] if one["step"] == "load"][-1]
    saga.run("resume", "one", "--from", last["id"])
    assert lines() == ["load 1", "work 1", "mail 1", "load 9", "load 9"]


def test_an_effect_without_a_key_is_never_repeated(saga: Project) -> None:
    saga.run("run", "saga.py:loosely", "--run-id", "one")
    for more in ([], ["--dry-run"]):
        told = saga.run("resume", "one", "--from", "load", *more, wanted=2).stderr
        assert "would do loose again: an effect without a key" in told
    assert saga.json("show", "one")["status"] == "completed"
    saga.run("resume", "one", "--from", "work")
    assert lines() == ["load 1", "loose 1", "work 2", "work 2"]
    told = saga.run("resume", "one", "--from", "wrok", wanted=2).stderr
    assert "has no call of 'wrok'; did you mean 'work'?" in told


def test_a_dry_run_tells_and_writes_nothing(
    doubtful: Project, squeezed: Callable[[str], str]
) -> None:
    from surefoot import Runtime

    def rows() -> list[tuple[object, ...]]:
        with Runtime() as runtime:
            store = runtime.journal.store
            return [
                row
                for table in ("runs", "calls", "claims", "failures")
                for row in store.read(f"SELECT * FROM {table} ORDER BY rowid")
            ]

    before, log = rows(), Path("log").read_text()
    told = squeezed(doubtful.run("resume", "one", "--dry-run").stdout)
    assert "run one of saga is halted; a resume would:" in told
    assert "reuse reserve × 3" in told and "run again mail" in told and "saves" in told
    assert "mail m:7 in_doubt the run halts (in_doubt); find out, then: surefoot resolve" in told
    document = doubtful.json("resume", "one", "--dry-run")
    assert document["reused"] == {"reserve": 3} and document["again"] == {"mail": 1}
    assert document["effects"][0]["state"] == "in_doubt"
    assert rows() == before and Path("log").read_text() == log

    doubtful.run("resolve", "one", "mail", "--not-done")
    doubtful.run("resume", "one")
    assert "only read it: nothing would run" in doubtful.run("resume", "one", "--dry-run").stdout
    doubtful.run("rollback", "one")
    assert "cannot be resumed" in doubtful.run("resume", "one", "--dry-run", wanted=2).stderr


def test_a_dry_run_without_the_code_says_what_the_journal_knows(doubtful: Project) -> None:
    Path("saga.py").unlink()
    done = doubtful.run("resume", "one", "--dry-run")
    assert "what its code says is not known" in done.stderr
    assert "without a verify= the run halts" in done.stdout


# -- show -----------------------------------------------------------------------------------------


def test_show_tells_of_fallbacks_changes_and_costs(
    saga: Project, squeezed: Callable[[str], str]
) -> None:
    saga.run("run", "saga.py:shrinking", "--run-id", "one")
    told = squeezed(saga.run("show", "one").stdout)
    assert "degraded big: through small" in told
    assert "size 8 → 4" in told and "fell back to small" in told
    assert "of it in attempts that failed" in told
    document = saga.json("show", "one")
    assert document["cost"] == document["cost_wasted"] > 0
    assert document["failures"][0]["changes"]["size"] == {"was": "8", "now": "4"}
