"""The first line of runs that did not come to their end, and what to do about them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from surefoot import (
    Runtime,
    effect,
    on,
    step,
    workflow,
)
from surefoot.clock import ManualClock
from surefoot.config import Config
from tests.support.journals import DEAD, ELSEWHERE

from .conftest import Tell, told
from .flaky import Times, refused


def test_halted_by_what_goes_over(tell: Tell) -> None:
    @step(resource="crm", recover=[on("connection").retry(attempts=3, base=1)])
    def fetch() -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    @step
    def load() -> int:
        return 1

    @workflow
    def triage() -> None:
        load()
        fetch()

    run = triage.start()
    found = tell(run)
    assert found.summary.sentence == (
        "`fetch` failed 3 times with connection (crm) and halted the run; resume it once the cause is "
        "over."
    )
    assert found.summary.level == "act"
    todo = found.now.to_do
    assert todo.command == f"surefoot resume {run.run_id}"
    assert todo.words == "Mend the cause, then paste this."
    assert todo.effect == (
        "It calls the workflow again with the recorded input, takes 1 saved result as it is, runs "
        "`fetch` again and goes on from there."
    )
    assert found.now.happening == "waiting"


def test_halted_by_what_a_person_must_end(tell: Tell) -> None:
    @step
    def fetch() -> None:
        raise PermissionError(13, "Permission denied")

    @workflow
    def triage() -> None:
        fetch()

    found = tell(triage.start())
    assert found.summary.sentence == (
        "`fetch` failed once with permission and halted the run; a person must act first, then resume "
        "it."
    )
    assert found.now.to_do.action is not None


def test_halted_by_a_deadline_says_so(tell: Tell) -> None:
    @step(deadline=10, recover=[on("connection").retry(attempts=50, base=4, cap=4)])
    def fetch() -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    @workflow
    def triage() -> None:
        fetch()

    assert tell(triage.start()).summary.sentence == (
        "`fetch` failed 3 times with connection and halted the run (the wait of 4 s is longer than the "
        "2 s left of its deadline); resume it once the cause is over."
    )


def test_the_workflows_own_code(tell: Tell) -> None:
    @workflow
    def triage() -> None:
        raise KeyError("price")

    run = triage.start()
    found = tell(run)
    assert found.summary.sentence == (
        "The own code of `triage` failed with bug (KeyError: 'price'), so the run halted; mend the "
        "code, then resume it."
    )
    assert found.now.to_do.words == "Mend the code of `triage`, then paste this."
    [cause] = found.causes
    assert (cause.step, cause.type, cause.message) == ("", "builtins.KeyError", "'price'")
    [why] = found.classified
    assert (why.step, why.kind, why.recoverable) == ("", "bug", False)


def test_the_own_code_after_a_failing_step(tell: Tell) -> None:
    flaky = Times(1, refused)

    @step(recover=[on("connection").retry(attempts=2, base=1)])
    def load() -> None:
        flaky()

    @workflow
    def triage() -> None:
        load()
        raise ValueError("no tickets")

    assert tell(triage.start()).summary.sentence == (
        "The own code of `triage` failed with invalid_value (ValueError: no tickets), so the run "
        "halted; `load` failed once with connection too, recovered by its 2nd attempt after 1 s; "
        "mend the cause, then resume it."
    )


def test_a_map_of_which_too_many_items_failed(tell: Tell) -> None:
    @step
    def answer(n: int) -> int:
        raise ValueError("bad")

    @workflow
    def triage() -> None:
        answer.map(range(50), workers=1)

    assert tell(triage.start()).summary.sentence == (
        "20 items of `answer` failed with invalid_value, more than the map allows (max_failure_ratio), "
        "so the run halted; mend the cause, then resume it."
    )


# -- effects --------------------------------------------------------------------------------------


def test_in_doubt(tell: Tell) -> None:
    @effect(key=lambda order: f"pay:{order}", resource="bank")
    def pay(order: int) -> str:
        raise TimeoutError("no answer")

    @workflow
    def shop() -> str:
        return pay(7)

    run = shop.start()
    found = tell(run)
    assert found.summary.sentence == (
        "Nobody knows whether `pay` (key `pay:7`) happened after timeout (bank), so the run halted "
        "(in_doubt); find out, then tell it."
    )
    data = found.now.data
    assert (data.safe, data.effects_in_doubt) == (False, 1)
    assert data.words[0] == "Not all of it."
    assert [(one.effect, one.key) for one in data.doubts] == [(pay.spec.name, "pay:7")]
    todo = found.now.to_do
    assert todo.command == f"surefoot resolve {run.run_id} '{pay.spec.name}' --done"
    assert todo.words == (
        "Find out whether `pay` happened; if not, say --not-done for --done, or --skip where nobody "
        "can tell, then paste this."
    )
    assert (todo.effect or "").startswith("It records what you found out. Then resume the run: it ")


def test_drift(tell: Tell) -> None:
    what = ["a"]
    broken = Times(1, lambda: KeyError("later"))

    @effect
    def mail(text: str) -> str:
        return text

    @step
    def after() -> None:
        broken()

    @workflow
    def shop() -> None:
        mail(what[0])
        after()

    run = shop.start()
    assert run.status == "halted"
    what[0] = "b"
    run = shop.resume(run.run_id)
    assert run.error is not None and run.error["kind"] == "resume_drift"
    found = tell(run)
    assert found.summary.sentence == (
        "The resume stopped, because `mail` was called with other arguments than the recorded ones "
        "(resume_drift); `after` failed once with bug too and halted the run; a person must say "
        "whether to do it again or to take the recorded result."
    )
    assert found.now.to_do.command == f"surefoot resume {run.run_id} --on-drift reuse"


def undoing(bad: tuple[str, ...] = (), kept: bool = False) -> Any:
    def unreserve(receipt: str) -> None:
        if receipt in bad:
            raise PermissionError(13, "Permission denied")

    @effect(key=lambda item: f"r:{item}", compensate=unreserve)
    def reserve(item: str) -> str:
        return item

    @effect(key=lambda item: f"m:{item}")
    def mail(item: str) -> str:
        return item

    @step
    def check() -> None:
        raise PermissionError(13, "sold out")

    @workflow(rollback="on_halt")
    def shop() -> None:
        for item in "abc":
            reserve(item)
        if kept:
            mail("a")
        check()

    return shop


def test_rolled_back_fully(tell: Tell) -> None:
    run = undoing().start()
    assert run.status == "rolled_back"
    found = tell(run)
    assert found.summary.sentence == (
        "`check` failed once with permission, so the run was rolled back: all 3 effects are undone; "
        "nothing to do."
    )
    assert (
        found.now.to_do.words == "Nothing. To do the work after all, start a run under another id."
    )
    assert (found.now.data.effects_undone, found.now.data.effects_not_undone) == (3, 0)
    assert found.recovery is not None
    assert [one.key for one in found.recovery.undone] == ["r:c", "r:b", "r:a"]


def test_rolled_back_but_for_one(tell: Tell) -> None:
    run = undoing(bad=("b",)).start()
    found = tell(run)
    assert found.summary.sentence == (
        "`check` failed once with permission, so the run was rolled back: 2 of 3 effects are undone, 1 "
        "not; mend what hindered it, then roll it back again."
    )
    assert found.summary.level == "act"
    assert found.now.to_do.command == f"surefoot rollback {run.run_id}"
    assert not found.now.data.safe


def test_rolled_back_with_an_effect_that_cannot_be_undone(tell: Tell) -> None:
    assert tell(undoing(kept=True).start()).summary.sentence == (
        "`check` failed once with permission, so the run was rolled back: all 3 effects are undone; 1 "
        "effect without a compensate is left as done; nothing to do."
    )


# -- stopped from outside -------------------------------------------------------------------------


def test_interrupted(tell: Tell, clock: ManualClock) -> None:
    @step
    def load(n: int) -> int:
        clock.advance(60)
        return n

    @workflow
    def triage() -> None:
        load(1)
        load(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        triage.with_options(run_id="r").start()
    found = tell("r")
    assert found.summary.sentence == (
        "The run of `triage` was stopped from outside after 2 min; 2 results are kept; resume it."
    )
    assert found.now.to_do.command == "surefoot resume r"
    assert found.now.to_do.words == "Paste this."


def test_cancelled(tell: Tell, runtime: Runtime) -> None:
    @step
    def load(n: int) -> int:
        runtime.journal.request_cancel("r")
        return n

    @workflow
    def triage() -> None:
        load(1)
        load(2)

    run = triage.with_options(run_id="r").start()
    assert run.status == "cancelled"
    found = tell(run)
    assert found.summary.sentence.startswith("The run of `triage` was cancelled after ")
    assert found.summary.sentence.endswith(
        "; 1 result is kept; nothing to do, unless it is to go on after all."
    )
    assert (found.now.to_do.needed, found.now.happening) == (False, "no")


def test_running_still(tell: Tell, clock: ManualClock) -> None:
    flaky = Times(1, refused)
    seen = []

    @step(recover=[on("connection").retry(attempts=2, base=30)])
    def fetch() -> None:
        flaky()
        seen.append(tell("r"))

    @workflow
    def triage() -> None:
        clock.advance(5)
        seen.append(tell("r"))
        fetch()

    triage.with_options(run_id="r").start()
    process = f"pid {os.getpid()} on {os.uname().nodename}"
    begun, failing = [one.summary.sentence for one in seen]
    assert begun == (
        f"The run of `triage` is still running ({process}), 5 s after it began; nothing has failed so "
        "far; nothing to do."
    )
    assert failing == (
        f"The run of `triage` is still running ({process}), 35 s after it began; so far `fetch` failed "
        "once with connection and has not ended; nothing to do yet."
    )
    assert seen[1].now.happening == "running"
    assert seen[1].now.to_do.command is None
    assert seen[1].now.to_do.words == f"Wait: {process} is at it."


def held_by(runtime: Runtime, run_id: str, owner: Any, status: str = "running") -> None:
    """The run as a process leaves it that died, or as another host holds it."""
    until = runtime.clock.now() + 60

    def write(tx: Any) -> None:
        tx(
            "UPDATE runs SET status = ?, owner = ?, lease_until = ?, ended_at = NULL WHERE run_id = ?",
            (status, owner.dump(), until, run_id),
        )

    runtime.journal.group.commit(write)


def test_held_by_a_process_of_another_host(tell: Tell, runtime: Runtime) -> None:
    @workflow
    def triage() -> None: ...

    run = triage.start()
    held_by(runtime, run.run_id, ELSEWHERE)
    found = tell(run)
    assert "is still running (pid 7 on elsewhere), as far as this machine can know" in (
        found.summary.sentence
    )
    assert found.now.to_do.words == "Wait until its lease has run out, then paste this."


def test_a_rollback_whose_process_died(tell: Tell, runtime: Runtime) -> None:
    run = undoing(bad=("b",)).start()
    held_by(runtime, run.run_id, DEAD, "rolling_back")
    found = tell(run)
    assert "died while it rolled the run back" in found.summary.sentence
    assert found.summary.sentence.endswith("; finish the rollback.")
    assert found.now.to_do.command == f"surefoot rollback {run.run_id}"


def test_died_again_and_again(tell: Tell, runtime: Runtime) -> None:
    @step
    def load() -> int:
        return 1

    @workflow
    def triage() -> int:
        return load()

    run = triage.start()
    held_by(runtime, run.run_id, DEAD)

    def stuck(tx: Any) -> None:
        tx("UPDATE runs SET takeovers = 5, takeover_mark = 1")
        tx("UPDATE calls SET status = 'completed'")

    runtime.journal.group.commit(stuck)
    run = triage.resume(run.run_id)
    assert run.error is not None and run.error["kind"] == "process_crashed"
    assert tell(run).summary.sentence == (
        "Its process died 6 times in a row without one new result, so the run halted "
        "(process_crashed); see what kills it, then resume it."
    )


DIES = """
import os, signal, sys
from surefoot import effect, on, step, workflow

@step
def load(n: int) -> int:
    return n

tries = []

@step(recover=[on("connection").retry(attempts=3, base=0.01)])
def enrich(n: int) -> int:
    tries.append(n)
    if len(tries) == 1:
        raise ConnectionRefusedError(111, "Connection refused")
    if not os.path.exists("mended"):
        os.kill(os.getpid(), signal.SIGKILL)
    return n

@effect(key=lambda n: f"pay:{n}")
def pay(n: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return n

@workflow
def triage(n: int) -> int:
    load(n)
    return enrich(n)

@workflow
def shop(n: int) -> int:
    return pay(load(n))

if __name__ == "__main__":
    given = globals()[sys.argv[1]]
    if sys.argv[2] == "start":
        given.with_options(run_id="r").start(1)
    else:
        given.resume("r")
"""


def killed(folder: Path, name: str, action: str = "start") -> int:
    """Runs the workflow in a real process that kills itself."""
    (folder / "dies.py").write_text(DIES)
    env = {**os.environ, "SUREFOOT_JOURNAL": "r.db", "SUREFOOT_DURABILITY": "process"}
    command = [sys.executable, "dies.py", name, action]
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, timeout=60, check=False
    )
    return done.returncode


def test_a_process_that_was_killed_in_a_step(tmp_path: Path) -> None:
    assert killed(tmp_path, "triage") == -signal.SIGKILL
    with Runtime(journal=tmp_path / "r.db", config=Config(), create=False) as runtime:
        found = told(runtime, "r")
        assert found.summary.sentence.startswith("The process of the run (pid ")
        assert found.summary.sentence.endswith(
            " died while `enrich` was at work; 1 result is kept; `enrich` failed once with connection "
            "and has not ended; resume it."
        )
        assert (found.now.happening, found.now.to_do.command) == ("waiting", "surefoot resume r")
        assert [mark.kind for mark in found.timeline.marks] == ["began", "died"]  # type: ignore[union-attr]
    (tmp_path / "mended").touch()
    assert killed(tmp_path, "triage", "resume") == 0
    with Runtime(journal=tmp_path / "r.db", config=Config(), create=False) as runtime:
        found = told(runtime, "r")
        assert found.summary.sentence.startswith(
            "`enrich` failed twice with connection, recovered by its 3rd attempt"
        )
        assert "; resumed once after its process died, 1 result reused (" in found.summary.sentence
        assert found.summary.sentence.endswith("; nothing to do.")


def test_a_process_that_was_killed_in_an_effect(tmp_path: Path) -> None:
    assert killed(tmp_path, "shop") == -signal.SIGKILL
    with Runtime(journal=tmp_path / "r.db", config=Config(), create=False) as runtime:
        found = told(runtime, "r")
        assert found.summary.sentence.endswith(
            " died while `pay` was at work; 1 result is kept; 1 effect is in doubt; resume it."
        )
        assert not found.now.data.safe
        assert "settles 1 effect in doubt first" in (found.now.to_do.effect or "")
    assert killed(tmp_path, "shop", "resume") == 0
    with Runtime(journal=tmp_path / "r.db", config=Config(), create=False) as runtime:
        assert told(runtime, "r").summary.sentence == (
            "Nobody knows whether `pay` (key `pay:1`) happened, since its process ended in the middle "
            "of it, so the run halted (in_doubt); find out, then tell it."
        )
