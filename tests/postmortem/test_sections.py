"""What the later sections tell: the cause, what changed, what else was touched, large runs."""

from __future__ import annotations

import json
import time
from typing import Any

from surefoot import Runtime, on, spend, step, workflow
from surefoot.clock import ManualClock
from surefoot.postmortem.as_html import to_html
from surefoot.postmortem.as_json import to_json
from surefoot.postmortem.as_markdown import to_markdown
from surefoot.postmortem.as_text import to_text

from . import rows
from .conftest import Tell, told
from .flaky import Times, refused


def frame(file: str, line: int, module: str, function: str, code: str, own: bool = False) -> Any:
    return {
        "file": file,
        "line": line,
        "module": module,
        "function": function,
        "code": code,
        "own": own,
    }


DETAIL = {
    "frames": [
        frame("/lib/httpx.py", 9, "httpx", "send", "x()"),
        frame("/app/shop.py", 41, "shop", "fetch", "get(url)", own=True),
        frame("/lib/socket.py", 3, "socket", "connect", "y()"),
    ],
    "causes": [
        {"how": "cause", "type": "builtins.OSError", "message": "no route", "frames": []},
    ],
    "notes": ["asked for page 7"],
    "inputs": {"url": {"type": "str", "preview": "'https://shop.test/7'", "size": 22, "digest": "ab12"}},
    "breadcrumbs": [
        {"at": 1_700_000_000.0, "level": "INFO", "logger": "shop", "message": "page 7 is next"},
    ],
    "resource": {"name": "crm", "circuit": "closed", "gate_seconds": 2.5},
    "thread": "MainThread",
    "task": None,
    "code": "c0ffee",
    "locals": {"page": "7"},
}  # fmt: skip
PROCESS = {
    "host": "worker-3",
    "pid": 17,
    "python": "3.12.1",
    "platform": "Linux",
    "surefoot": "0.1.0",
    "packages": {"httpx": "0.27.0", "pydantic": "2.9.0"},
    "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "branch": "main"},
    "cwd": "/app",
    "argv": ["python", "shop.py"],
}


def failing(name: str = "fetch", number: float = 1) -> Any:
    flaky = Times(number, refused)

    @step(name=name, resource="crm", recover=[on("connection").retry(attempts=3, base=1)])
    def fetch(page: int) -> int:
        spend(0.25)
        flaky()
        return page

    @workflow(name="shop")
    def shop(page: int = 7) -> int:
        return fetch(page)

    return shop


# -- the cause ------------------------------------------------------------------------------------


def test_the_cause_is_told_with_the_own_frames_first(tell: Tell, runtime: Runtime) -> None:
    run = failing().start()
    rows.with_detail(runtime, DETAIL, PROCESS)
    found = tell(run)
    [cause] = found.causes
    assert [(frame.function, frame.own) for frame in cause.frames] == [
        ("fetch", True),
        ("send", False),
        ("connect", False),
    ]
    assert [(link.how, link.type, link.message) for link in cause.causes] == [
        ("cause", "builtins.OSError", "no route")
    ]
    assert cause.resource == "crm: circuit closed, gate seconds 2.5"
    environment = cause.environment
    assert environment is not None
    assert (environment.host, environment.git_branch) == ("worker-3", "main")
    text = to_text(found)
    for words in (
        "fetch     /app/shop.py:41  get(url)",
        "caused by `builtins.OSError`: no route",
        "asked for page 7",
        "worker-3, process 17",
        "Python 3.12.1, Linux, Surefoot 0.1.0",
        "httpx 0.27.0, pydantic 2.9.0",
        "0123456789abcdef0123456789abcdef01234567 on main",
        "url   str   'https://shop.test/7'  22",
        "page  7",
        "page 7 is next",
        "thread MainThread",
    ):
        assert words in text, words
    assert to_json(found)["causes"][0]["environment"]["packages"] == PROCESS["packages"]


def test_an_older_record_is_told_from_its_printed_stack(tell: Tell, runtime: Runtime) -> None:
    run = failing().start()
    rows.commit(runtime, ("UPDATE failures SET detail = NULL, process_pk = NULL", ()))
    found = tell(run)
    [cause] = found.causes
    own = [frame for frame in cause.frames if frame.own]
    assert [frame.function.rpartition(".")[2] for frame in own] == ["fetch", "__call__"]
    assert own[0].file == __file__
    assert cause.environment is not None and cause.environment.host is None
    assert cause.environment.python is not None
    assert cause.inputs == () and cause.breadcrumbs == ()
    assert "Traceback:" in to_text(found)


def test_what_the_recorder_keeps_is_told(tell: Tell) -> None:
    """The real record of a failure, not a made one."""
    [cause] = tell(failing().start()).causes
    assert [one.function for one in cause.frames if one.own][-1].endswith("__call__")
    assert [(one.name, one.preview) for one in cause.inputs] == [("page", "7")]
    assert cause.environment is not None and cause.environment.pid is not None
    assert cause.resource is not None and cause.resource.startswith("crm")
    assert cause.thread == "MainThread"
    assert cause.code is not None


def test_damaged_records_do_no_harm(tell: Tell, runtime: Runtime) -> None:
    run = failing().start()
    for damaged in ("{", "[]", "null", '{"frames": 3, "causes": ["x"], "inputs": [], "locals": 1}'):
        rows.commit(
            runtime,
            ("UPDATE failures SET detail = ?, classification = ?", (damaged, damaged)),
            ("UPDATE runs SET versions = ?, input = ?", (damaged, damaged.encode())),
        )
        assert "`fetch` failed once with connection (crm)" in to_text(tell(run))


def test_a_body_is_told_with_its_stack_where_it_was_kept(tell: Tell, runtime: Runtime) -> None:
    @workflow(name="shop")
    def shop() -> None:
        raise KeyError("price")

    run = shop.start()
    error = json.loads(rows.one(runtime, "SELECT error FROM runs"))
    error.update(stack='Traceback …\n  File "/app/shop.py", line 3, in shop\n', detail=DETAIL)
    rows.commit(runtime, ("UPDATE runs SET error = ?", (json.dumps(error),)))
    [cause] = tell(run).causes
    assert cause.stack.startswith("Traceback …")
    assert cause.frames[0].function == "fetch"


# -- why ------------------------------------------------------------------------------------------


def test_the_rule_the_evidence_and_the_reasons_are_told(tell: Tell) -> None:
    [why] = tell(failing(number=2).start()).classified
    assert (why.step, why.kind, why.failures, why.recoverable) == ("fetch", "connection", 2, True)
    assert why.rule.startswith("builtins.")
    assert ("errno", "econnrefused") in [(one.what, one.value) for one in why.evidence]
    [decided] = why.decided
    assert (decided.decision, decided.failures, decided.waited_seconds) == ("retry", 2, 3.0)
    assert decided.reasons == ("try 2 of 3", "try 3 of 3")


# -- what it touched ------------------------------------------------------------------------------


def test_other_runs_with_the_same_failure_are_told(tell: Tell, clock: ManualClock) -> None:
    first = failing().start()
    clock.advance(60)
    second = failing(number=9).start()
    assert (first.status, second.status) == ("completed", "halted")
    found = tell(first)
    assert [(one.run_id, one.words, one.failures) for one in found.touched.runs] == [
        (second.run_id, "halted", 3),
        (first.run_id, "recovered", 1),
    ]
    assert (found.touched.runs_total, found.touched.failures_elsewhere) == (2, 3)
    assert found.now.happening == "elsewhere"
    assert f"in 1 other run; the latest is `{second.run_id}`" in found.now.happening_words[-1]
    assert tell(second).now.happening == "waiting"


def test_the_cost_of_failed_attempts_is_told(tell: Tell) -> None:
    found = tell(failing(number=2).start())
    assert (found.touched.cost_wasted, found.touched.cost) == (0.5, 0.75)
    assert "cost wasted      $0.5 of $0.75" in to_text(found)


# -- what changed ---------------------------------------------------------------------------------


def test_what_differs_from_the_run_that_worked(
    tell: Tell, runtime: Runtime, clock: ManualClock
) -> None:
    before = failing().with_options(run_id="before").start(7)
    rows.with_detail(runtime, DETAIL, PROCESS)
    clock.advance(3600)
    run = failing(number=9).with_options(run_id="after").start(8)
    assert (before.status, run.status) == ("completed", "halted")
    newer = {**PROCESS, "python": "3.13.0", "packages": {"httpx": "0.28.1", "pydantic": "2.9.0"}}
    rows.with_detail(runtime, DETAIL, newer)
    rows.commit(runtime, ("UPDATE calls SET source = 'other' WHERE run_pk = 2", ()))
    changes = tell(run).changes
    assert changes.run_id == "before"
    told_ = {one.what: (one.before, one.now) for one in changes.changes}
    assert told_.pop("code of step fetch")[1] == "other"
    assert told_ == {
        "Python": ("3.12.1", "3.13.0"),
        "package httpx": ("0.27.0", "0.28.1"),
        "input page": ("7", "8"),
    }
    assert changes.same == ("Surefoot", "host", "git commit")


def test_what_is_the_same_and_what_nobody_recorded(tell: Tell, clock: ManualClock) -> None:
    failing(number=0).start(7)
    clock.advance(1)
    found = tell(failing().start(7))
    assert found.changes.changes == ()
    assert found.changes.same == (
        "the code of 1 step",
        "Python",
        "Surefoot",
        "1 of its 1 argument",
    )
    assert found.changes.unknown == ("git commit", "packages")
    assert "Nothing that is recorded differs from the run" in to_text(found)


def test_inputs_that_differ_are_scrubbed(tell: Tell, clock: ManualClock) -> None:
    @workflow(name="shop")
    def shop(password: str, url: str) -> None: ...

    shop.start("hunter22hunter22", "postgres://ada:secret99@db/x")
    clock.advance(1)
    found = tell(shop.start("correcthorse99", "postgres://ada:battery99@db/y"))
    assert [one.what for one in found.changes.changes] == ["input password", "input url"]
    for page in (to_text(found), to_html(found), to_markdown(found), json.dumps(to_json(found))):
        for secret in ("hunter22", "correcthorse", "secret99", "battery99"):
            assert secret not in page


# -- alerts ---------------------------------------------------------------------------------------


MESSAGES = (
    "pk INTEGER PRIMARY KEY, sink, subject, phase, rule, severity, title, body, state, not_before, why, "
    "created_at, sent_at"
)
SUBJECTS = "subject, sink, rule, state, level, since, told_at, told_pk, held, digests"
COUNTED = "?, 'slack', 'r', 'told', 1, 1, 20.0, 1, 3214, 0"


def test_alerts_are_told_sent_and_held_back(tell: Tell, runtime: Runtime) -> None:
    run = failing().start()
    before = tell(run)
    assert before.alerts == ()
    assert "No alert about it is recorded" in to_text(before)
    fingerprint = before.classified[0].fingerprint
    message = "INSERT INTO alert_messages (sink, subject, title, state, why, {}) VALUES (?, ?, ?, ?, ?, {})"
    new = message.format(
        "created_at, sent_at, phase, rule, severity, body, not_before",
        "?, ?, 'first', 'r', 'error', 'b', 0",
    )
    rows.commit(
        runtime,
        # as migration 0004_alerts.sql has them, where this journal has none yet
        (f"CREATE TABLE IF NOT EXISTS alert_messages ({MESSAGES})", ()),
        (f"CREATE TABLE IF NOT EXISTS alert_subjects ({SUBJECTS})", ()),
        (new, ("slack", fingerprint, "fetch fails", "sent", None, 10.0, 11.0)),
        (new, ("mail", f"run:{run.run_id}", "shop halted", "held", "quiet hours", 12.0, None)),
        (new, ("mail", "run:another", "not this one", "sent", None, 12.0, 12.0)),
        (f"INSERT INTO alert_subjects ({SUBJECTS}) VALUES ({COUNTED})", (fingerprint,)),
    )
    found = tell(run)
    assert [(one.sink, one.outcome, one.text) for one in found.alerts] == [
        ("slack", "sent", "fetch fails"),
        ("mail", "held back: quiet hours", "shop halted"),
        ("slack", "held back", "3214 more since then"),
    ]
    assert "held back: quiet hours" in to_text(found)


# -- large runs -----------------------------------------------------------------------------------


def many(runtime: Runtime, calls: int, failed: int) -> None:
    """A run of so many items, of which some failed three times and were set aside."""
    store = runtime.journal

    @step(name="answer")
    def answer(n: int) -> int:
        if n == 0:
            raise ValueError("bad")
        return n

    @workflow(name="big")
    def big() -> None:
        answer.map(range(2))

    big.with_options(run_id="big").start()

    def write(tx: Any) -> None:
        tx(
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO calls (run_pk, call_id, scope, step, form, ordinal, digest, repeat, item, "
            "status, attempts, started_at, duration, overlapped) SELECT run_pk, 'c' || i, scope, step, "
            "form, i, 'd', 0, i, CASE WHEN i <= ? THEN 'skipped' ELSE 'completed' END, 3, "
            "started_at + i, 0.5, 1 FROM calls, n WHERE step = 'answer' AND item = 0",
            (calls, failed),
        )
        tx(
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO failures (run_pk, call_id, step, item, attempt, at, kind, category, severity, "
            "rule, fingerprint, type, message, stack, classification, decision, reason) SELECT run_pk, "
            "'c' || i, step, i, 1, at + i, kind, category, severity, rule, fingerprint, type, "
            "message || i, stack, classification, decision, reason || i FROM failures, n",
            (failed,),
        )
        tx(
            "INSERT INTO dead_letters (run_pk, call_id, step, item, input, kind, fingerprint, reason, "
            "state, created_at) SELECT run_pk, call_id, step, item, x'7b7d', kind, fingerprint, reason, "
            "'open', at FROM failures WHERE item > 1",
            (),
        )
        tx("UPDATE runs SET ended_at = started_at + ?", (calls,))

    store.group.commit(write)


def test_a_run_of_100_000_calls_and_10_000_failures_stays_readable(
    runtime: Runtime, tell: Tell
) -> None:
    many(runtime, 100_000, 10_000)
    tell("big")  # the files are in the cache of the machine by now
    begun = time.process_time()
    found = tell("big")
    seconds = time.process_time() - begun
    assert found.summary.sentence == (
        "10,000 of 100,001 items of `answer` failed with invalid_value and were set aside as dead "
        "letters; mend and replay them."
    )
    assert found.touched.failures == 10_000
    assert found.timeline is not None
    folded = [lane for lane in found.timeline.lanes if lane.calls > 1]
    assert len(found.timeline.lanes) == 13
    assert [(lane.calls, lane.failures) for lane in folded] == [(99_989, 9_988)]
    for write in (to_text, to_markdown, to_html, lambda one: json.dumps(to_json(one))):
        assert len(write(found).encode()) < 200_000
    assert seconds < 5, f"{seconds:.1f} s of CPU"


def test_many_different_failures_are_cut_too(runtime: Runtime, tell: Tell) -> None:
    many(runtime, 3_000, 2_000)
    sql = (
        "UPDATE failures SET fingerprint = 'v1-' || printf('%016x', pk), step = 'step' || pk % 900, "
        "message = ?, stack = ?"
    )
    rows.commit(runtime, (sql, ("m" * 9_000, "s" * 40_000)))
    found = tell("big")
    assert len(found.classified) == 10 and len(found.causes) == 5
    for write in (to_text, to_markdown, to_html, lambda one: json.dumps(to_json(one))):
        assert len(write(found).encode()) < 200_000
    assert told(runtime, "big").summary.sentence == found.summary.sentence
