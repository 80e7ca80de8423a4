"""Real services on loopback get the messages; what is wrong with one harms neither run nor others."""

from __future__ import annotations

import logging
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apprise
import pytest

from surefoot import Runtime, on, step, workflow
from surefoot.clock import ManualClock
from surefoot.config import Config
from surefoot.observe.alerts import beside
from surefoot.observe.alerts.options import SinkOptions
from surefoot.observe.alerts.sending import hidden, secrets_of
from surefoot.observe.alerts.teller import TellerThread
from tests.alerts.conftest import Desk
from tests.alerts.receivers import Hooks, smtp
from tests.support.marks import unmarked

Make = Callable[..., Desk]


@step(name="load", recover=[on("connection").retry(attempts=2, base=0)])
def load() -> None:
    raise ConnectionRefusedError(111, "refused <b>; password=hunter22")


@workflow(name="job")
def job() -> None:
    load()


def halt(desk: Desk, run_id: str = "r1") -> None:
    with desk.plain:
        job.with_options(run_id=run_id).start()


TITLE = "job halted at load as connection - next: surefoot resume r1"


# -- each service gets what it can show -----------------------------------------------------------


def test_a_json_webhook_gets_the_message_once_as_plain_text(desk: Make, hooks: Hooks) -> None:
    made = desk(sinks={"ops": {"url": hooks.url()}})
    halt(made)
    for _ in range(3):
        made.evaluate()
        made.send()
    assert hooks.titles() == [TITLE]
    [body] = hooks.bodies()
    assert (
        "- said: [Errno 111] refused <b>; password=[secret]" in unmarked(body) and "`" not in body
    )
    [(path, posted)] = hooks.got
    assert (path, posted["type"]) == ("/in", "failure")
    [message] = made.messages()
    assert (message.state, message.attempts, message.why) == ("sent", 1, None)


def test_slacks_webhook_gets_markdown(
    desk: Make, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"
    service = type(apprise.Apprise.instantiate(url))
    monkeypatch.setattr(service, "webhook_url", f"http://127.0.0.1:{hooks.port}/services")
    made = desk(sinks={"ops": {"url": url}})
    halt(made)
    made.evaluate()
    made.send()
    [(path, posted)] = hooks.got
    assert path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    told = str(posted)
    assert TITLE in told and "`surefoot resume r1`" in told and "hunter22" not in told


def test_mattermosts_webhook_gets_it_too(desk: Make, hooks: Hooks) -> None:
    made = desk(
        sinks={"ops": {"url": f"mmost://127.0.0.1:{hooks.port}/3ccdd113474722377935511fc8"}}
    )
    halt(made)
    made.evaluate()
    made.send()
    [(path, posted)] = hooks.got
    assert path == "/hooks/3ccdd113474722377935511fc8"
    assert TITLE in posted["text"] and "surefoot show r1" in posted["text"]


def test_an_smtp_server_gets_a_mail(desk: Make) -> None:
    with smtp() as box:
        url = (
            f"mailto://127.0.0.1:{box.port}?from=ops@shop.example&to=ada@shop.example&mode=insecure"
        )
        made = desk(sinks={"ops": {"url": url}})
        halt(made)
        made.evaluate()
        made.send()
        made.send()
    [mail] = box.mails
    assert mail["subject"] == TITLE and "ada@shop.example" in mail["to"]
    html = mail.get_body(preferencelist=("html",))
    assert html is not None
    text = unmarked(html.get_content())
    assert (
        "refused &lt;b&gt;; password=[secret]" in text and "<code>surefoot resume r1</code>" in text
    )


def test_a_service_that_was_asked_for_text_gets_text(desk: Make) -> None:
    with smtp() as box:
        url = f"mailto://127.0.0.1:{box.port}?from=ops@shop.example&to=a@b.example&mode=insecure&format=text"
        made = desk(sinks={"ops": {"url": url}})
        halt(made)
        made.evaluate()
        made.send()
    [mail] = box.mails
    body = mail.get_body(preferencelist=("plain",))
    assert body is not None and "- next: surefoot resume r1" in body.get_content()


def test_the_end_is_told_as_a_success(desk: Make, hooks: Hooks) -> None:
    made = desk(sinks={"ops": {"url": hooks.url()}})
    halt(made)
    made.evaluate()
    made.recovers()
    made.evaluate()
    made.send()
    assert [body["type"] for _, body in hooks.got] == ["failure", "success"]


# -- what can be wrong with a service -------------------------------------------------------------


def test_a_service_that_answers_500_twice_gets_it_at_the_third_time(
    desk: Make, hooks: Hooks, clock: ManualClock
) -> None:
    hooks.answers = [500, 500]
    made = desk(sinks={"ops": {"url": hooks.url()}})
    halt(made)
    made.evaluate()
    waits = []
    for _ in range(3):
        made.send()
        [message] = made.messages()
        waits.append(message.not_before - clock.now())
        if message.state == "pending":
            assert "500" in (message.why or "")
            made.send()  # not before its time
            clock.advance(waits[-1])
    assert waits[:2] == [5.0, 15.0]
    assert (message.state, message.attempts) == ("sent", 3)
    assert len(hooks.got) == 3
    assert made.sql("SELECT sink, sent, failures FROM alert_sinks") == [("ops", 1, 2)]


def test_what_never_arrives_is_given_up_and_can_be_tried_again(
    desk: Make, hooks: Hooks, clock: ManualClock
) -> None:
    from surefoot.journal.alert_sending import retry_failed

    hooks.answers = [500] * 3
    made = desk(sinks={"ops": {"url": hooks.url(), "max_attempts": 3}})
    halt(made)
    made.evaluate()
    for _ in range(6):
        made.send()
        clock.advance(86_400)
    [message] = made.messages()
    assert (message.state, message.attempts, len(hooks.got)) == ("failed", 3, 3)
    assert made.plain.journal.group.commit(retry_failed(clock.now())) == 1
    made.send()
    assert [one.state for one in made.messages()] == ["sent"]


def test_a_service_that_hangs_is_left_after_its_time_and_holds_up_no_other(
    desk: Make, hooks: Hooks, clock: ManualClock
) -> None:
    from tests.alerts.receivers import hooks as another

    hooks.hanging.set()
    with another() as well:
        made = desk(
            sinks={
                "hangs": {"url": hooks.url() + "?rto=60", "timeout": 0.3},
                "well": {"url": well.url()},
            }
        )
        halt(made)
        made.evaluate()
        made.send()
        assert well.titles() == [TITLE]
        [message] = made.messages("pending")
        assert (message.sink, message.why) == ("hangs", "no answer within 0.3 s")
        # while it hangs nothing else is begun there, and that counts as attempts, too
        clock.advance(3_600)
        made.send()
        [message] = made.messages("pending")
        assert (message.attempts, len(hooks.got)) == (2, 1)
        # its late word counts
        hooks.hanging.clear()
        for _ in range(200):
            made.send()
            if not made.messages("pending"):
                break
            threading.Event().wait(0.02)
        assert {one.state for one in made.messages()} == {"sent"}
        assert len(hooks.got) == 1


def test_a_service_that_hangs_for_ever_is_given_up(
    desk: Make, hooks: Hooks, clock: ManualClock
) -> None:
    hooks.hanging.set()
    made = desk(sinks={"ops": {"url": hooks.url() + "?rto=60", "timeout": 0.2, "max_attempts": 3}})
    halt(made)
    made.evaluate()
    for _ in range(4):
        made.send()
        clock.advance(86_400)
    [message] = made.messages()
    assert (message.state, message.attempts, len(hooks.got)) == ("failed", 3, 1)


def test_a_plugin_that_raises_is_a_failed_attempt_and_tells_no_secret(
    desk: Make, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = hooks.url("Zx81mQ55tokenPart")
    service = type(apprise.Apprise.instantiate(url))

    def send(self: Any, *args: Any, **kwargs: Any) -> bool:
        raise SystemExit(f"bad plugin at {url}")

    monkeypatch.setattr(service, "send", send)
    made = desk(sinks={"ops": {"url": url}})
    halt(made)
    made.evaluate()
    made.send()
    [message] = made.messages()
    assert (message.state, message.why) == ("pending", "SystemExit: bad plugin at [secret]")


def test_a_name_that_is_not_resolved_is_a_failed_attempt(desk: Make) -> None:
    made = desk(sinks={"ops": {"url": "json://no-such-host.invalid/in"}})
    halt(made)
    made.evaluate()
    made.send()
    [message] = made.messages()
    assert (message.state, message.attempts) == ("pending", 1)
    assert "Connection error" in (message.why or "")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("${NOT_SET_ANYWHERE}", "the environment variable NOT_SET_ANYWHERE is not set"),
        ("nosuch://service/x", "this is no URL that Apprise knows"),
        ("slack://only", "this is no URL that Apprise knows"),
    ],
)
def test_a_sink_that_cannot_be_used_says_why(desk: Make, url: str, why: str) -> None:
    made = desk(sinks={"ops": {"url": url}})
    halt(made)
    made.evaluate()
    made.send()
    [message] = made.messages()
    assert message.state == "pending" and why in (message.why or "")


def test_without_apprise_the_extra_is_named(desk: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    made = desk()
    halt(made)
    made.evaluate()
    made.send()
    [message] = made.messages()
    assert (
        message.why == "Apprise is not installed; install it with: pip install 'surefoot[alerts]'"
    )


def test_a_sink_that_fails_is_warned_about_once_and_never_alerted_about(
    desk: Make, hooks: Hooks, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    hooks.answers = [500] * 20
    made = desk(sinks={"ops": {"url": hooks.url()}})
    halt(made)
    made.evaluate()
    caplog.clear()
    for _ in range(5):
        made.send(impatient=True)
        assert made.evaluate() == []
    warned = [one.getMessage() for one in caplog.records if "could not be sent" in one.getMessage()]
    assert len(warned) == 1 and warned[0].startswith("an alert could not be sent to ops: ")
    assert len(made.messages()) == 1


# -- secrets --------------------------------------------------------------------------------------


def test_a_sinks_url_is_in_no_log_whatever_its_libraries_say(
    desk: Make, hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("apprise", "urllib3"):
        caplog.set_level(logging.DEBUG, name)
    made = desk(sinks={"ops": {"url": hooks.url("T0kenT0kenT0ken99")}})
    halt(made)
    made.evaluate()
    hooks.answers = [500]
    made.send(impatient=True)
    made.send(impatient=True)
    assert len(hooks.got) == 2
    assert "T0kenT0kenT0ken99" not in caplog.text
    assert not [one for one in caplog.records if one.name.startswith(("apprise", "urllib3"))]
    # what others log is theirs
    logging.getLogger("apprise").warning("of the application itself")
    assert "of the application itself" in caplog.text


def test_a_sinks_url_is_known_to_the_scrubber(tmp_path: Path) -> None:
    url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops"
    with Runtime(
        tmp_path / "j.db", config=Config(alerts={"sinks": {"a": {"url": url}}})
    ) as runtime:
        told = runtime.scrub_text(f"POST {url}; /T1JJ3T3L2/x; TIiajkdnlazkcOXrIdevi7FQ; #ops")
        assert "T1JJ3T3L2" not in told and "TIiajkdnlazk" not in told and "#ops" in told
        assert runtime.scrub({"x": [url]}) != {"x": [url]}


def test_words_of_an_address_that_stand_in_other_texts_stay_readable() -> None:
    sink = SinkOptions("a", "json://hooks.example/notifications/team")
    assert secrets_of(sink) == ["json://hooks.example/notifications/team"]
    # in what the sink itself says of a failure, nothing of the path is shown
    assert hidden("404 for /notifications/team", sink) == "404 for /[secret]/[secret]"


# -- beside a run ---------------------------------------------------------------------------------


def runtime(tmp_path: Path, alerts: dict[str, Any], clock: Any = None) -> Runtime:
    return Runtime(
        tmp_path / "j.db", clock=clock, durability="process", config=Config(alerts=alerts)
    )


def test_a_run_that_halts_is_told_while_its_process_goes_on(tmp_path: Path, hooks: Hooks) -> None:
    with runtime(tmp_path, {"sinks": {"ops": {"url": hooks.url()}}}):
        ended = job.with_options(run_id="r1").start()
        assert ended.status == "halted"
        hooks.wait_for(1)
    assert hooks.titles() == [TITLE]


def test_a_run_ends_while_every_sink_hangs_or_fails(tmp_path: Path, hooks: Hooks) -> None:
    hooks.hanging.set()
    alerts = {
        "sinks": {
            "hangs": {"url": hooks.url() + "?rto=60"},
            "away": {"url": "json://127.0.0.1:9/in"},
            "nobody": {"url": "nosuch://x"},
        },
        "rules": [{"on": ["failure", "halted"]}],
    }

    @step(name="fragile", recover=[on("connection").retry(attempts=2, base=0)])
    def fragile(number: int) -> int:
        if number not in failed:
            failed.add(number)
            if number == 1:
                hooks.wait_for(1)  # a sink hangs by now
            raise ConnectionResetError(104, "reset")
        return number

    failed: set[int] = set()

    @workflow(name="long")
    def long() -> int:
        return sum(fragile(number) for number in range(50))

    with runtime(tmp_path, alerts):
        assert long() == sum(range(50))
        # it ended, and the sink had not answered yet
        assert hooks.hanging.is_set() and len(hooks.got) == 1
    hooks.hanging.clear()


def test_the_first_failure_of_the_first_run_is_news_whenever_the_teller_looks(
    tmp_path: Path, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alerts begin with the run, on disk, and not with the first look of their thread."""
    begun: list[object] = []

    def teller_for(setting: object) -> object:
        with sqlite3.connect(tmp_path / "j.db") as connection:
            begun.extend(connection.execute("SELECT pk FROM alert_reader").fetchall())
        connection.close()
        return real(setting)  # type: ignore[arg-type]

    real = beside.teller_for
    monkeypatch.setattr(beside, "teller_for", teller_for)
    alerts = {"sinks": {"ops": {"url": hooks.url()}}}
    with runtime(tmp_path, alerts):
        job.start()
        hooks.wait_for(1)
    assert begun == [(1,)]


def test_where_no_sink_is_configured_nothing_of_alerts_is_loaded(tmp_path: Path) -> None:
    import subprocess

    code = """
import sys
from surefoot import step, workflow
@step
def bad(): raise ValueError("x")
@workflow
def job(): bad()
job.start()
import threading
assert not [n for n in sys.modules if n.startswith(("apprise", "surefoot.observe.alerts"))]
assert not [t for t in threading.enumerate() if "alerts" in t.name]
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_the_thread_of_alerts_ends_when_nothing_is_left_to_do(tmp_path: Path, hooks: Hooks) -> None:
    with runtime(tmp_path, {"sinks": {"ops": {"url": hooks.url()}}}):
        job.start()
        hooks.wait_for(1)
    mine = [
        one
        for one in threading.enumerate()
        if isinstance(one, TellerThread) and one.location == str(tmp_path / "j.db")
    ]
    for one in mine:
        one.join(30)
        assert not one.is_alive()


# -- ten thousand ---------------------------------------------------------------------------------


def test_ten_thousand_failures_of_one_fingerprint_are_three_messages_a_sink(
    tmp_path: Path, hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "surefoot")  # twenty thousand log records take their time
    clock = ManualClock()
    alerts = {
        "sinks": {"one": {"url": hooks.url("one")}, "two": {"url": hooks.url("two")}},
        "rules": [{"on": ["failure", "recovered"]}],
    }

    @step(name="fragile", recover=[on("connection").retry(attempts=2, base=0)])
    def fragile(number: int) -> int:
        from surefoot import current

        if current().attempt == 1:
            if number == 1:
                hooks.wait_for(2)  # both sinks were told of the first one
            if number == 9_999:
                clock.advance(901.0)
                hooks.wait_for(4)  # and got the digest
            raise ConnectionResetError(104, f"reset of item {number}")
        return number

    @workflow(name="big")
    def big() -> int:
        return sum(fragile.map(range(10_000), workers=1).results)

    with runtime(tmp_path, alerts, clock):
        assert big() == sum(range(10_000))
        hooks.wait_for(6)
    for name in ("one", "two"):
        first, digest, resolved = hooks.titles(name)
        assert first.startswith("fragile of big fails as connection")
        assert "9,998 more of them since" in digest and "9,998 held back" in digest
        assert "10,000 failures in all, in 1 run since" in resolved
        assert resolved.endswith("; recovered after 15 min; nothing to do")


def test_a_journal_that_fails_for_a_while_stops_alerts_only_for_so_long(
    tmp_path: Path, hooks: Hooks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from surefoot.errors import JournalError
    from surefoot.observe.alerts import teller as module

    monkeypatch.setattr(module, "IDLE", 0.05)
    evaluate, failed = module.Teller.evaluate, threading.Event()

    def fails_first(self: module.Teller) -> float | None:
        if not failed.is_set():
            failed.set()
            raise JournalError("locked")
        return evaluate(self)

    monkeypatch.setattr(module.Teller, "evaluate", fails_first)

    @step(name="slow", attempts=1)
    def slow() -> None:
        assert failed.wait(20)
        raise KeyError("price")

    @step(name="after")
    def after() -> None:
        hooks.wait_for(1)

    @workflow(name="two")
    def two() -> None:
        try:
            slow()
        except KeyError:
            after()

    alerts = {"sinks": {"ops": {"url": hooks.url()}}, "rules": [{"on": ["failure"]}]}
    with runtime(tmp_path, alerts):
        two()
    assert hooks.titles()[0].startswith("slow of two fails as bug")
    assert caplog.text.count("alerts wait for the journal: locked") == 1


def test_a_bug_in_alerts_breaks_no_run(
    tmp_path: Path, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    from surefoot.observe.alerts import beside

    def broken(setting: Any) -> TellerThread:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(beside, "teller_for", broken)
    with runtime(tmp_path, {"sinks": {"ops": {"url": hooks.url()}}}):
        with pytest.warns(RuntimeWarning, match="a listener failed and is ignored"):
            assert job.start().status == "halted"


def test_two_runs_at_once_share_one_thread_of_alerts(tmp_path: Path, hooks: Hooks) -> None:
    seen: list[int] = []

    def tellers() -> int:
        return sum(
            isinstance(one, TellerThread) and one.location == str(tmp_path / "j.db")
            for one in threading.enumerate()
        )

    @step(name="look")
    def look() -> None:
        seen.append(tellers())

    @workflow(name="one")
    def one() -> None:
        look()

    alerts = {"sinks": {"ops": {"url": hooks.url()}}}
    for _ in range(3):
        with runtime(tmp_path, alerts):  # each with a runtime of its own
            one()
    assert seen == [1, 1, 1]
