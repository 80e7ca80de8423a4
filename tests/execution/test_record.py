"""What the journal keeps of a failed attempt, for a person who was not there."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, effect, halve, on, step, workflow
from surefoot.clock import ManualClock
from surefoot.config import Config
from surefoot.context import frame
from surefoot.errors import ConfigError, JournalError, RunLocked
from surefoot.journal.writes import ProcessWrite, failure
from tests.support.journals import ELSEWHERE, begun, failed_attempt, give_to, open_journal

SECRET = "sk-proj-abcdefghijklmnopqrstuv"


def hid(text: str) -> str:
    """A text in which every placeholder is the same."""
    return re.sub(r"\[[a-z][a-z ]*(?: [0-9a-f]{4,12})?\]", "[hidden]", text)


def rows(runtime: Runtime, run_id: str = "r") -> list[Any]:
    journal = runtime.journal
    return journal.failures(journal.run(run_id).pk)


def details(runtime: Runtime, run_id: str = "r") -> list[dict[str, Any]]:
    return [json.loads(row.detail) for row in rows(runtime, run_id)]


def run_of(body: Callable[..., Any], *args: Any) -> Any:
    return workflow(name="work")(body).with_options(run_id="r").start(*args)


def detail_of_failing(runtime: Runtime, fail: Callable[[], Any], **options: Any) -> dict[str, Any]:
    """The record of a step that fails so."""

    @step(name="fails", attempts=1, **options)
    def fails() -> None:
        fail()

    run_of(lambda: fails())
    return details(runtime)[-1]


# -- frames, causes, notes ------------------------------------------------------------------------


def helper() -> None:
    raise ConnectionError("refused")


def test_the_users_frames_are_marked_and_surefoots_are_left_out(runtime: Runtime) -> None:
    detail = detail_of_failing(runtime, lambda: json.loads("{"))
    own = [(one["function"].rpartition(".")[2], one["own"]) for one in detail["frames"]]
    assert own == [
        ("fails", True),
        ("<lambda>", True),
        ("loads", False),
        ("decode", False),
        ("raw_decode", False),
    ]
    first = detail["frames"][0]
    assert first["file"] == __file__ and first["code"] == "fail()"
    assert first["module"] == __name__ and first["line"] > 0
    assert not any("driving" in one["file"] for one in detail["frames"])


def test_the_stack_tells_the_same_as_text(runtime: Runtime) -> None:
    detail_of_failing(runtime, helper)
    stack = rows(runtime)[0].stack
    assert stack.startswith("Traceback (most recent call last):\n  File ")
    assert stack.endswith(
        'in helper\n    raise ConnectionError("refused")\nConnectionError: refused\n'
    )


def test_a_line_with_a_secret_in_it_is_scrubbed(runtime: Runtime) -> None:
    def fail() -> None:
        api_key = "hunter2hunter2"; raise ValueError(len(api_key))  # noqa: E702  # fmt: skip

    detail_of_failing(runtime, fail)
    row = rows(runtime)[0]
    assert "hunter2" not in row.detail + row.stack
    assert 'api_key = "[hidden]"' in hid(row.stack)


def test_of_a_long_recursion_its_start_and_its_end_are_kept(runtime: Runtime) -> None:
    def down(n: int) -> None:
        if n == 0:
            helper()
        down(n - 1)

    frames = detail_of_failing(runtime, lambda: down(200))["frames"]
    names = [one["function"].rpartition(".")[2] for one in frames]
    assert len(frames) <= 40
    assert names[:3] == ["fails", "<lambda>", "down"] and names[-2:] == ["down", "helper"]
    assert "frames left out]" in rows(runtime)[0].stack


def test_causes_are_told_with_their_frames_and_how_they_stand_there(runtime: Runtime) -> None:
    class Orig(Exception):
        pass

    def fail() -> None:
        try:
            try:
                helper()
            except ConnectionError as exc:
                raise LookupError("no row") from exc
        except LookupError:
            error = ValueError("in the handler")
            error.orig = Orig("the driver's")  # type: ignore[attr-defined]
            raise error  # noqa: B904

    causes = detail_of_failing(runtime, fail)["causes"]
    assert [(one["how"], one["type"].rpartition(".")[2], one["message"]) for one in causes] == [
        ("cause", "Orig", "the driver's"),
        ("context", "LookupError", "no row"),
        ("cause", "ConnectionError", "refused"),
    ]
    assert causes[2]["frames"][-1]["function"] == "helper"
    stack = rows(runtime)[0].stack
    assert stack.index("ConnectionError: refused") < stack.index("LookupError: no row")
    assert "The above exception was the direct cause of the following exception:" in stack
    assert "During handling of the above exception, another exception occurred:" in stack


def test_a_hidden_context_is_left_out(runtime: Runtime) -> None:
    def fail() -> None:
        try:
            helper()
        except ConnectionError:
            raise ValueError("only this") from None

    assert detail_of_failing(runtime, fail)["causes"] == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")
def test_the_members_of_a_group_are_told(runtime: Runtime) -> None:
    def fail() -> None:
        raise ExceptionGroup("both", [OSError("one"), ExceptionGroup("in", [KeyError("two")])])  # noqa: F821

    causes = detail_of_failing(runtime, fail)["causes"]
    assert [(one["how"], one["type"], one["message"]) for one in causes] == [
        ("member", "OSError", "one"),
        ("member", "ExceptionGroup", "in (1 sub-exception)"),
        ("member", "KeyError", "'two'"),
    ]
    assert "Member 2 of this group:" in rows(runtime)[0].stack


def test_a_circle_and_a_long_chain_of_causes_come_to_an_end(runtime: Runtime) -> None:
    def circle() -> None:
        one, other = ValueError("one"), KeyError("other")
        one.__cause__, other.__cause__ = other, one
        raise one

    assert [one["type"] for one in detail_of_failing(runtime, circle)["causes"]] == ["KeyError"]


def test_of_a_long_chain_of_causes_the_nearest_are_told(runtime: Runtime) -> None:
    def fail() -> None:
        error = ValueError("0")
        last: BaseException = error
        for n in range(1, 500):
            last.__cause__ = ValueError(str(n))
            last = last.__cause__
        raise error

    causes = detail_of_failing(runtime, fail)["causes"]
    assert [one["message"] for one in causes][:3] == ["1", "2", "3"] and len(causes) <= 12


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes came with Python 3.11")
def test_the_notes_of_others_are_kept_and_ours_are_not(runtime: Runtime) -> None:
    error = ValueError("x")
    error.add_note(f"asked with api_key={SECRET}")
    error.add_note("surefoot: step before failed")
    error.__notes__.append(3)  # type: ignore[arg-type]

    def fail() -> None:
        raise error

    [note] = detail_of_failing(runtime, fail)["notes"]
    assert hid(note) == "asked with api_key=[hidden]"


# -- inputs ---------------------------------------------------------------------------------------


def test_inputs_are_told_by_type_preview_size_and_digest(runtime: Runtime) -> None:
    @step(name="ask", attempts=1)
    def ask(prompt: str, rows: list[int], top: int = 5, client: object = None) -> None:
        raise ValueError("x")

    run_of(lambda: ask("hello " * 100, list(range(50)), client=threading.Lock()))
    found = details(runtime)[0]["inputs"]
    assert list(found) == ["prompt", "rows", "top", "client"]
    assert found["prompt"]["type"] == "str" and found["prompt"]["size"] == 600
    assert len(found["prompt"]["preview"]) == 200 and found["prompt"]["preview"].endswith("…")
    assert found["rows"]["preview"] == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …]"
    assert found["rows"]["size"] == 50
    assert found["top"] == {"type": "int", "preview": "5", "size": None, "digest": None}
    assert found["client"]["preview"] == "<_thread.lock>"
    calls = runtime.journal.store.read("SELECT parts FROM calls")
    parts = json.loads(calls[0][0])
    assert {name: one["digest"] for name, one in found.items() if one["digest"]} == parts


def test_what_is_hidden_has_neither_preview_nor_digest(runtime: Runtime) -> None:
    @step(name="ask", attempts=1)
    def ask(password: str, headers: dict[str, str], phone: str) -> None:
        raise ValueError("x")

    run_of(lambda: ask("hunter2", {"authorization": "Bearer abc", "accept": "*/*"}, SECRET))
    found = details(runtime)[0]["inputs"]
    assert found["password"] == {
        "type": "str",
        "preview": "[secret]",
        "size": None,
        "digest": None,
    }
    assert found["headers"]["preview"] == "{'authorization': [secret], 'accept': '*/*'}"
    assert found["headers"]["digest"] is None and found["headers"]["size"] == 2
    assert hid(found["phone"]["preview"]) == "'[hidden]'" and found["phone"]["digest"] is None


def test_which_names_are_secrets_is_for_the_scrubber_to_say(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scrub(value: dict[str, str]) -> dict[str, str]:
        return {name: "[x]" if name == "kennung" else one for name, one in value.items()}

    monkeypatch.setattr(runtime, "scrub", scrub)

    @step(name="ask", attempts=1)
    def ask(kennung: list[str], rest: dict[str, Any]) -> None:
        raise ValueError("x")

    run_of(lambda: ask(["hunter22"], {"kennung": ["hunter22"], "id": 7}))
    found = details(runtime)[0]["inputs"]
    assert found["kennung"]["preview"] == "[secret]"
    assert found["rest"]["preview"] == "{'kennung': [secret], 'id': 7}"


def test_a_scrubber_that_cannot_tell_names_apart_hides_what_stands_under_them(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scrub(value: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(runtime, "scrub", scrub)

    @step(name="ask", attempts=1)
    def ask(prompt: str) -> None:
        raise ValueError("x")

    run_of(lambda: ask("hunter22"))
    assert details(runtime)[0]["inputs"]["prompt"]["preview"] == "[secret]"


def test_the_original_arguments_are_told_beside_what_was_adapted(runtime: Runtime) -> None:
    @step(name="fit", recover=[on("gpu_out_of_memory").adapt(size=halve())])
    def fit(size: int) -> int:
        if size > 8:
            raise MemoryError("CUDA out of memory")
        return size

    @step(name="work", recover=[on(ValueError).adapt(size=halve())])
    def work(size: int) -> int:
        if size > 8:
            raise ValueError("too large")
        return size

    run_of(lambda: work(32))
    assert [one["inputs"]["size"]["preview"] for one in details(runtime)] == ["32", "32"]
    assert [json.loads(row.changes) for row in rows(runtime)] == [
        {"size": {"was": "32", "now": "16"}},
        {"size": {"was": "16", "now": "8"}},
    ]


# -- where it stood -------------------------------------------------------------------------------


def test_the_last_attempts_log_records_are_kept_scrubbed(runtime: Runtime) -> None:
    @step(name="ask", recover=[on("connection").retry(attempts=2)])
    def ask() -> None:
        here = frame()
        assert here is not None
        here.crumbs = deque(maxlen=30)
        for n in range(40):
            here.crumbs.append((5.0 + n, "INFO", "client", f"try {here.attempt} token=abcdefgh{n}"))
        helper()

    run_of(lambda: ask())
    first, second = details(runtime)
    assert len(first["breadcrumbs"]) == 30
    last = first["breadcrumbs"][-1]
    assert (last["at"], last["level"], last["logger"]) == (44.0, "INFO", "client")
    assert hid(last["message"]) == "try 1 token=[hidden]"
    assert hid(second["breadcrumbs"][0]["message"]) == "try 2 token=[hidden]"


def test_an_attempt_without_log_records_does_not_have_those_of_the_one_before(
    runtime: Runtime,
) -> None:
    @step(name="ask", recover=[on("connection").retry(attempts=2)])
    def ask() -> None:
        here = frame()
        assert here is not None
        if here.attempt == 1:
            here.crumbs = deque([(1.0, "INFO", "a", "first")])
        helper()

    run_of(lambda: ask())
    assert [len(one["breadcrumbs"]) for one in details(runtime)] == [1, 0]


def test_thread_task_and_code_are_told(runtime: Runtime) -> None:
    @step(name="ask", attempts=1)
    async def ask() -> None:
        helper()

    async def body() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name("the third of them")
        await ask()

    asyncio.run(run_of(body))
    detail = details(runtime)[0]
    assert detail["task"] == "the third of them"
    assert detail["thread"] == threading.current_thread().name
    source = runtime.journal.store.read("SELECT source FROM calls")[0][0]
    assert detail["code"] == source and source.startswith("ast:")


def test_the_resource_is_told_as_the_failure_left_it(journal_path: Path) -> None:
    options = {"api": {"circuit_failures": 2, "circuit_seconds": 30.0, "concurrency": 8}}
    clock = ManualClock()
    with Runtime(
        journal=journal_path, clock=clock, durability="process", config=Config(resources=options)
    ) as runtime:

        @step(name="ask", resource="api", recover=[on("connection").retry(attempts=2)])
        def ask() -> None:
            helper()

        run_of(lambda: ask())
        first, second = (one["resource"] for one in details(runtime))
    assert first == {
        "name": "api",
        "circuit": "closed",
        "open_seconds": 0.0,
        "gate_seconds": 0.0,
        "running": 0,
        "limit": 4,
        "per_second": None,
        "retries_left": 99,
    }
    assert second["circuit"] == "open" and second["open_seconds"] == 30.0


# -- locals ---------------------------------------------------------------------------------------


def locals_config(value: Any) -> Config:
    return Config(incidents={"locals": value}, source="surefoot.toml")


def test_locals_are_kept_only_if_asked_for(runtime: Runtime, journal_path: Path) -> None:
    def fail() -> None:
        answer = 42
        token = "abcdefgh"
        text = f"password=hunter22 {answer} {len(token)}"
        raise ValueError(text and "x")

    assert "locals" not in detail_of_failing(runtime, fail)
    assert "42" not in json.dumps(details(runtime))
    with Runtime(
        journal=journal_path.with_name("other.db"),
        durability="process",
        config=locals_config(True),
    ) as other:
        detail = detail_of_failing(other, fail)
    index = str(len(detail["frames"]) - 1)
    assert detail["locals"][index] == {
        "answer": {"type": "int", "preview": "42"},
        "token": {"type": "str", "preview": "[secret]"},
        "text": {"type": "str", "preview": detail["locals"][index]["text"]["preview"]},
    }
    assert hid(detail["locals"][index]["text"]["preview"]) == "'password=[hidden] 42 8'"
    own = {str(n) for n, one in enumerate(detail["frames"]) if one["own"]}
    assert set(detail["locals"]) <= own


def test_a_wrong_switch_for_locals_is_told_before_anything_runs(journal_path: Path) -> None:
    ran: list[int] = []
    with Runtime(journal=journal_path, config=locals_config("yes")):
        with pytest.raises(ConfigError, match=r"surefoot.toml: \[incidents\]:? locals = 'yes'"):
            run_of(lambda: ran.append(1))
    assert ran == []


# -- failures that are no step's attempt, and others that are odd ------------------------------------


def test_an_effect_that_may_not_begin_has_a_record(runtime: Runtime) -> None:
    @effect(name="pay", key=lambda order, cents: order, match=("cents",))
    def pay(order: str, cents: int) -> str:
        return "paid"

    def body() -> None:
        pay("o1", 5)
        pay("o1", 6)

    run = run_of(body)
    assert run.status == "halted"
    [row] = rows(runtime)
    assert row.rule == "surefoot.key_conflict"
    assert json.loads(row.detail)["inputs"]["cents"]["preview"] == "6"


def test_a_result_that_cannot_be_saved_has_a_record(runtime: Runtime) -> None:
    @step(name="opens")
    def opens() -> Any:
        return threading.Lock()

    run_of(lambda: opens())
    [row] = rows(runtime)
    assert "return something that can be saved" in row.message.lower()
    assert json.loads(row.detail)["frames"] == [] and "UnsavableError" in row.stack


def test_the_workflows_own_failure_keeps_stack_and_record_with_the_run(runtime: Runtime) -> None:
    def body(price: int, api_key: str, note: str = "n") -> None:
        raise KeyError(f"price token=abcdefgh{price}")

    run = run_of(body, 7, "hunter22")
    error = run.error
    assert error is not None and error["calls"] == []
    assert hid(error["stack"]).endswith("KeyError: 'price token=[hidden]'\n")
    detail = error["detail"]
    assert detail["frames"][-1]["code"].startswith("raise KeyError(")
    assert {name: one["preview"] for name, one in detail["inputs"].items()} == {
        "price": "7",
        "api_key": "[secret]",
        "note": "'n'",
    }
    assert detail["process"]["pid"] == os.getpid() and detail["code"].startswith("ast:")
    assert "hunter22" not in json.dumps(error)
    assert "stack" not in run.document()["error"]


def test_a_run_that_a_steps_failure_ended_points_to_the_step_alone(runtime: Runtime) -> None:
    @step(name="fails", attempts=1)
    def fails() -> None:
        helper()

    error = run_of(lambda: fails()).error
    assert len(error["calls"]) == 1 and "stack" not in error and "detail" not in error


def test_drift_is_a_failure_of_the_workflow_with_a_record(runtime: Runtime) -> None:
    state = {"n": 1, "fail": True}

    @effect(name="send")
    def send(n: int) -> int:
        return n

    def body() -> None:
        send(state["n"])
        if state["fail"]:
            raise ValueError("stop")

    work = workflow(name="work")(body)
    work.with_options(run_id="r").start()
    state["n"] = 2
    run = work.resume("r")
    assert run.error["kind"] == "resume_drift"
    assert any(one["code"] == 'send(state["n"])' for one in run.error["detail"]["frames"])


def test_an_isolated_steps_frames_are_those_of_its_child(tmp_path: Path) -> None:
    (tmp_path / "apart.py").write_text(
        "from surefoot import Runtime, step, workflow\n"
        "def inner(n):\n"
        "    raise ValueError(f'bad {n}')\n"
        "@step(isolation='process', attempts=1)\n"
        "def apart(n):\n"
        "    return inner(n)\n"
        "@workflow\n"
        "def work():\n"
        "    apart(3)\n"
        "if __name__ == '__main__':\n"
        "    with Runtime(journal='j.db', durability='process') as runtime:\n"
        "        work.with_options(run_id='r').start()\n"
        "        print(runtime.journal.failures(1)[0].detail)\n"
    )
    done = subprocess.run(
        [sys.executable, "apart.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    frames = json.loads(done.stdout)["frames"]
    assert [(one["function"], one["code"], one["own"]) for one in frames[-2:]] == [
        ("apart", "return inner(n)", True),
        ("inner", "raise ValueError(f'bad {n}')", True),
    ]


# -- the process ----------------------------------------------------------------------------------


def processes(runtime: Runtime) -> list[Any]:
    return runtime.journal.store.read("SELECT pk, name, at, detail FROM processes ORDER BY pk")


def test_a_process_tells_who_it_is_once_with_its_first_failure(
    make_runtime: Callable[[], Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["work.py", "--api-key", "hunter2", "--token=hunter2", "in"])

    @step(name="fails", recover=[on("connection").retry(attempts=2)])
    def fails() -> None:
        helper()

    for run_id in ("a", "b"):
        with make_runtime() as runtime:
            assert len(processes(runtime)) == (0 if run_id == "a" else 1)
            workflow(lambda: fails(), name="work").with_options(run_id=run_id).start()
            found = processes(runtime)
            assert [row.process_pk for row in rows(runtime, run_id)] == [found[0][0]] * 2
    [(_, name, at, text)] = found
    told = json.loads(text)
    assert at == 1_700_000_000.0 and str(os.getpid()) in name
    assert told["pid"] == os.getpid()
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert told["implementation"] == sys.implementation.name
    assert told["packages"]["pytest"] == pytest.__version__
    assert "json" not in told["packages"]
    hidden = ["work.py", "--api-key", "[hidden]", "--token=[hidden]", "in"]
    assert [hid(one) for one in told["argv"]] == hidden
    assert told["cwd"] == os.getcwd()
    assert set(told) == {
        *("host", "pid", "python", "implementation", "platform", "surefoot", "packages"),
        *("git", "cwd", "argv"),
    }


def test_without_a_failure_nobody_tells_who_it_is(runtime: Runtime) -> None:
    run_of(lambda: 1)
    assert processes(runtime) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_after_a_fork_it_is_another_process(tmp_path: Path) -> None:
    (tmp_path / "forks.py").write_text(
        "import os\n"
        "from surefoot import Runtime, step, workflow\n"
        "@step(attempts=1)\n"
        "def fails():\n"
        "    raise ValueError('x')\n"
        "@workflow\n"
        "def work():\n"
        "    fails()\n"
        "def go(run_id):\n"
        "    work.with_options(run_id=run_id).start()\n"
        "go('parent')\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    go('child')\n"
        "    os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
        "with Runtime() as runtime:\n"
        "    rows = runtime.journal.store.read(\n"
        "        'SELECT r.run_id, p.detail FROM failures f JOIN runs r ON r.pk = f.run_pk '\n"
        "        'JOIN processes p ON p.pk = f.process_pk ORDER BY f.pk')\n"
        "    import json\n"
        "    told = {name: json.loads(detail)['pid'] for name, detail in rows}\n"
        "    assert told == {'parent': os.getpid(), 'child': pid}, told\n"
    )
    env = {**os.environ, "SUREFOOT_JOURNAL": "j.db", "SUREFOOT_DURABILITY": "process"}
    subprocess.run([sys.executable, "forks.py"], cwd=tmp_path, env=env, check=True)


def test_a_process_is_not_kept_without_its_failure(journal_path: Path, clock: ManualClock) -> None:
    """They are one write: where the failure is not committed, neither is the process."""
    fail = {"now": False}

    def seam(at: str) -> None:
        if at == "inside" and fail["now"]:
            raise OSError(28, "No space left on device")

    with Runtime(
        journal=journal_path, clock=clock, durability="process", config=Config(), seam=seam
    ) as runtime:

        @step(name="fails", attempts=1)
        def fails() -> None:
            fail["now"] = True
            helper()

        with pytest.raises((OSError, JournalError)):
            run_of(lambda: fails())
        fail["now"] = False
        assert processes(runtime) == []
        assert runtime.journal.store.read("SELECT count(*) FROM failures") == [(0,)]


def test_a_process_that_lost_its_run_tells_nothing(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    lease = begun(journal)
    who = ProcessWrite("this one", "{}")
    journal.group.commit(failure(lease, failed_attempt(attempt=1), who))
    give_to(journal, lease, ELSEWHERE, until=1e12)
    journal.group.commit(lambda tx: tx("UPDATE runs SET fence = fence + 1"))
    with pytest.raises(RunLocked):
        journal.group.commit(failure(lease, failed_attempt(attempt=2), who._replace(name="other")))
    assert journal.store.read("SELECT name FROM processes") == [("this one",)]
    assert [row.process_pk for row in journal.failures(lease.run_pk)] == [1]
    assert [one.name for one in journal.processes(lease.run_pk)] == ["this one"]
    journal.close()
