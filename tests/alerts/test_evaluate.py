"""What is told of what happened, to whom, and how often."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from surefoot import current, on, step, workflow
from surefoot.clock import ManualClock
from surefoot.journal.incident_orders import acknowledge, merge, mute, resolve
from surefoot.journal.shared import tell
from tests.alerts.conftest import Desk
from tests.support.journals import DEAD, ELSEWHERE
from tests.support.marks import unmarked

Make = Callable[..., Desk]
MINUTE = 60.0


@step(stage="ingestion", name="load", recover=[on("connection").retry(attempts=2, base=0)])
def load(what: str) -> str:
    if what == "refused":
        raise ConnectionRefusedError(111, "refused; password=hunter22")
    if what == "bug":
        raise KeyError("price")
    return what


@workflow(name="job")
def job(what: str) -> str:
    return load(what)


@step(name="answer", recover=[on("invalid_value").skip()])
def answer(number: int) -> int:
    if number >= 0:
        raise ValueError("no number that we know")
    return number


@workflow(name="batch")
def batch(count: int) -> int:
    return len(answer.map(range(count), workers=1, max_failure_ratio=1.0).results)


def run(desk: Desk, what: Any = "refused", flow: Any = job, run_id: str | None = None) -> Any:
    with desk.plain:
        return flow.with_options(run_id=run_id).start(what)


# -- what is told ---------------------------------------------------------------------------------


def test_a_halt_is_told_once_with_what_where_and_the_next_move(desk: Make) -> None:
    made = desk()
    run(made, run_id="r1")
    [message] = made.evaluate()
    assert message.title == "job halted at load as connection - next: surefoot resume r1"
    assert (message.phase, message.severity, message.sink, message.rule) == (
        "first",
        "error",
        "ops",
        "default",
    )
    assert "`[Errno 111] refused; password=[secret]`" in unmarked(message.body)
    assert "- so far: 2 failures in 1 run" in message.body
    assert "`surefoot show r1`" in message.body and "hunter22" not in message.body
    assert made.evaluate() == []


def test_a_run_without_failures_is_not_worth_a_word(desk: Make) -> None:
    made = desk([{"on": ["halted", "failure", "stale", "recovered"]}])
    run(made, "fine")
    assert made.evaluate() == []


def test_an_attempt_that_is_retried_is_told_only_where_a_rule_asks_for_it(desk: Make) -> None:
    made = desk(
        [{"on": ["failure"], "sinks": ["dev"]}, {"on": ["halted"], "sinks": ["ops"]}],
        sinks={"dev": {"url": "json://127.0.0.1:9/d"}, "ops": {"url": "json://127.0.0.1:9/o"}},
    )
    run(made, run_id="r1")
    told = {one.sink: one.title for one in made.evaluate()}
    assert told == {
        "dev": "load of job fails as connection, 2 times - next: surefoot incidents show 1",
        "ops": "job halted at load as connection - next: surefoot resume r1",
    }


def test_what_happened_before_alerts_were_set_up_is_no_news(desk: Make, clock: ManualClock) -> None:
    made = desk()
    made.sql("DELETE FROM alert_reader")
    run(made)
    clock.advance(1.0)
    assert made.evaluate() == []
    run(made, "bug")
    assert made.phases() == ["first"]


def test_what_is_older_than_max_age_is_no_news_any_more(desk: Make, clock: ManualClock) -> None:
    made = desk([{"on": ["failure", "halted", "dead_letters", "stale"]}], max_age=3_600)
    run(made)
    run(made, 3, batch)
    clock.advance(3_601.0)
    assert made.evaluate() == []


def test_dead_letters_alike_are_one_message(desk: Make) -> None:
    made = desk()
    run(made, 5, batch, run_id="r1")
    [message] = made.evaluate()
    f = made.fingerprint()
    assert message.title == (
        "5 items of answer of batch set aside as invalid_value - next: "
        f"surefoot dead-letters list --fingerprint {f}"
    )
    assert "- set aside: 5 items, open now" in message.body


def test_dead_letters_over_a_number_are_told_once_there_are_more(desk: Make) -> None:
    made = desk([{"on": ["dead_letters"], "dead_letters_over": 5, "workflow": "batch"}])
    run(made, 5, batch)
    assert made.evaluate() == []
    run(made, 1, batch)
    assert made.phases() == ["first"]


def test_a_failure_is_told_from_the_nth_on(desk: Make) -> None:
    made = desk([{"on": ["failure"], "after": 5}])
    run(made)
    run(made)
    assert made.evaluate() == []  # four
    run(made)
    [(phase, title)] = made.said()
    assert phase == "first" and "load of job fails as connection" in title


def test_an_open_circuit_is_told_once_and_its_closing_too(desk: Make, clock: ManualClock) -> None:
    made = desk()
    commit = made.plain.journal.group.commit
    commit(tell("openai", 0.0, clock.now() + 30, clock.now()))
    [message] = made.evaluate()
    assert message.title.startswith("the circuit of resource openai is open")
    assert made.evaluate() == []
    commit(tell("openai", 0.0, clock.now() + 60, clock.now()))  # the trial call failed
    assert made.evaluate() == []
    commit(tell("openai", clock.now(), 0.0, clock.now()))
    [(phase, title)] = made.said()
    assert (phase, title) == (
        "resolved",
        "over: the circuit of openai; its circuit is closed again; nothing to do",
    )


def test_an_incident_that_comes_back_is_told_with_how_long_it_was_quiet(
    desk: Make, clock: ManualClock
) -> None:
    made = desk([{"on": ["regressed"]}])
    run(made)
    made.recovers()
    assert made.evaluate() == []
    clock.advance(9 * 86_400.0)
    run(made)
    [message] = made.evaluate()
    assert message.title == (
        "seen again after 9 days: load of job fails as connection - next: surefoot incidents show 1"
    )


def test_a_new_incident_is_told_where_a_rule_asks_for_it(desk: Make) -> None:
    made = desk([{"on": ["opened"]}])
    run(made)
    [(phase, title)] = made.said()
    assert (phase, title.split(" - ")[0]) == ("first", "new: load of job fails as connection")
    run(made)
    assert made.evaluate() == []  # it is no new one


def begun(desk: Desk, owner: Any, run_id: str = "r1") -> None:
    """A run that goes on nowhere."""
    from surefoot.journal import NewRun, runs

    new = NewRun(run_id, "job", None, b"{}", "digest", "{}")
    desk.plain.journal.group.commit(runs.create(new, owner, desk.clock.now(), 60.0))


def test_a_run_whose_process_died_is_told_of_by_another(desk: Make) -> None:
    made = desk()
    begun(made, DEAD)
    [(_, title)] = made.said()
    assert title == (
        f"run r1 of job goes on nowhere: {DEAD} died, or does not answer any more - next: "
        "surefoot recover"
    )
    assert made.evaluate() == []
    made.sql("UPDATE runs SET status = 'completed', owner = NULL")
    assert made.said() == [("resolved", "over: run r1 of job; it is completed; nothing to do")]


def test_a_run_of_another_host_is_stale_once_its_lease_ran_out(
    desk: Make, clock: ManualClock
) -> None:
    made = desk()
    begun(made, ELSEWHERE)
    assert made.evaluate() == []
    clock.advance(61.0)
    assert made.phases() == ["first"]


def test_a_run_that_its_own_process_holds_is_not_stale(desk: Make) -> None:
    from surefoot.journal import Owner

    made = desk()
    begun(made, Owner.this())
    assert made.evaluate() == []


def test_a_run_that_was_rolled_back_after_its_failure_is_told(desk: Make) -> None:
    made = desk()
    run(made, run_id="r1")
    made.sql("UPDATE runs SET status = 'rolled_back'")
    [(_, title)] = made.said()
    assert title.startswith("job halted at load as connection; its effects were rolled back - ")
    made.sql("UPDATE runs SET fence = fence + 1")
    assert made.evaluate() == []


def test_a_body_that_fails_by_itself_is_told_though_no_step_failed(desk: Make) -> None:
    made = desk()

    @workflow(name="bare")
    def bare() -> None:
        raise KeyError("x")

    with made.plain:
        bare.with_options(run_id="r9").start()
    [(_, title)] = made.said()
    assert title == "bare halted as bug - next: surefoot resume r9"


# -- first, digest, resolved ----------------------------------------------------------------------


def test_what_follows_is_held_back_until_the_digest_which_counts_it(
    desk: Make, clock: ManualClock
) -> None:
    made = desk([{"on": ["failure", "recovered"]}])
    run(made, run_id="r1")
    assert made.phases() == ["first"]
    for _ in range(3):
        run(made)
        assert made.evaluate() == []
    clock.advance(15 * MINUTE - 1)
    assert made.evaluate() == []
    clock.advance(1)
    [message] = made.evaluate()
    assert message.phase == "digest"
    assert "load of job, connection: 6 more of them since " in message.title
    assert ", in 3 runs; 6 held back" in message.title
    run(made)
    made.evaluate()
    clock.advance(30 * MINUTE)
    assert made.evaluate() == []  # the second digest waits four times as long
    clock.advance(30 * MINUTE)
    assert [(p, "2 more of them" in t) for p, t in made.said()] == [("digest", True)]


def test_no_digest_comes_where_nothing_was_held_back(desk: Make, clock: ManualClock) -> None:
    made = desk([{"on": ["failure"]}])
    run(made)
    made.evaluate()
    clock.advance(3_600.0)
    assert made.evaluate() == []


def test_the_end_of_an_incident_is_told_with_how_many_there_were(desk: Make) -> None:
    made = desk([{"on": ["failure", "recovered"]}])
    run(made)
    run(made)
    made.evaluate()
    made.order(resolve, None)
    [(phase, title)] = made.said()
    assert phase == "resolved"
    assert title.startswith("over: load of job, connection: 4 failures in all, in 2 runs since ")
    assert title.endswith("; resolved by ada; nothing to do")
    assert made.evaluate() == []


def test_the_end_is_not_told_where_no_rule_asks_for_it(desk: Make) -> None:
    made = desk([{"on": ["failure"]}])
    run(made)
    made.evaluate()
    made.recovers()
    assert made.evaluate() == []


def test_what_nobody_was_told_of_has_no_end_to_tell(desk: Make) -> None:
    made = desk([{"on": ["failure", "recovered"], "kind": "rate_limited"}])
    run(made)
    made.evaluate()
    made.recovers()
    assert made.evaluate() == []


def test_a_halt_does_not_wait_for_the_digest_of_what_was_only_retried(desk: Make) -> None:
    made = desk([{"on": ["failure", "halted"]}])
    told: list[Any] = []

    @step(name="load2", recover=[on("connection").retry(attempts=3, base=0)])
    def second() -> None:
        if current().attempt == 3:
            told.extend(made.said())
        raise ConnectionRefusedError(111, "refused")

    @workflow(name="two")
    def two() -> None:
        second()

    with made.plain:
        two.with_options(run_id="r1").start()
    assert [phase for phase, _ in told] == ["first"]
    [(phase, title)] = made.said()
    assert phase == "digest" and title.startswith(
        "two halted at load2 as connection: 1 more of them"
    )
    assert title.endswith("next: surefoot resume r1")


def test_what_recovers_by_itself_again_and_again_is_two_messages_and_then_digests(
    desk: Make, clock: ManualClock
) -> None:
    made = desk([{"on": ["failure", "recovered"]}])
    phases: list[str] = []
    for _ in range(20):  # a run every half a minute, each of which fails and recovers
        run(made)
        phases += made.phases()
        made.recovers()
        phases += made.phases()
        clock.advance(30.0)
    assert phases == ["first", "resolved"]
    clock.advance(5 * MINUTE)
    [(phase, title)] = made.said()
    assert phase == "digest" and "38 more of them since" in title and "in 19 runs" in title
    clock.advance(2 * 3_600.0)
    run(made)
    assert made.phases() == ["first"]  # long after, it is news again


def test_a_halt_after_the_end_is_told_at_once_however_soon(desk: Make) -> None:
    made = desk()
    run(made)
    assert made.phases() == ["first"]
    made.recovers()
    assert made.phases() == ["resolved"]
    run(made)
    assert made.phases() == ["first"]


def test_of_a_muted_incident_nothing_is_told(desk: Make, clock: ManualClock) -> None:
    made = desk([{"on": ["failure", "halted", "recovered"]}])
    run(made)
    made.order(mute, None, None)
    assert made.evaluate() == []
    clock.advance(86_400.0)
    assert made.evaluate() == []


def test_of_an_acknowledged_incident_only_the_end_is_told(desk: Make, clock: ManualClock) -> None:
    made = desk([{"on": ["failure", "halted", "recovered"]}])
    run(made)
    assert made.phases() == ["first"]
    run(made)
    made.order(acknowledge, None, None)
    clock.advance(86_400.0)
    assert made.evaluate() == []
    made.order(resolve, None)
    [(phase, title)] = made.said()
    assert phase == "resolved" and "4 failures in all" in title


def test_a_sink_that_never_heard_of_an_acknowledged_incident_hears_nothing(desk: Make) -> None:
    made = desk([{"on": ["failure", "recovered"]}])
    run(made)
    made.order(acknowledge, None, None)
    assert made.evaluate() == []
    made.order(resolve, None)
    assert made.evaluate() == []


def test_a_mute_is_over_at_its_time(desk: Make, clock: ManualClock) -> None:
    made = desk([{"on": ["failure"]}])
    run(made)
    made.order(mute, clock.now() + 3_600, None)
    assert made.evaluate() == []
    run(made)
    clock.advance(3_601.0)
    assert made.evaluate() == []  # of what came while it was muted nothing is told
    run(made)
    assert made.phases() == ["first"]


def test_an_incident_that_was_merged_counts_for_the_one_it_is_in(desk: Make) -> None:
    made = desk([{"on": ["failure", "recovered"]}])
    run(made)
    first = made.fingerprint()
    run(made, "bug")
    made.plain.journal.group.commit(merge(2, 1, "ada", made.clock.now()))
    [message] = made.evaluate()
    assert message.subject == first
    made.plain.journal.group.commit(resolve(1, "ada", made.clock.now(), None))
    [(_, title)] = made.said()
    assert "3 failures in all, in 2 runs" in title


def test_failures_of_the_workflows_own_code_are_counted(desk: Make, clock: ManualClock) -> None:
    made = desk()

    @workflow(name="bare")
    def bare() -> None:
        raise KeyError("x")

    for _ in range(3):
        with made.plain:
            bare.start()
        made.evaluate()
        clock.advance(600)
    [digest] = [one for one in made.messages() if one.phase == "digest"]
    assert "bare, bug: 2 more of them since" in digest.title and "in 2 runs" in digest.title
    made.recovers()
    [(_, title)] = made.said()
    assert "over: bare, bug: 3 failures in all, in 3 runs" in title and "recovered after" in title


# -- filters --------------------------------------------------------------------------------------


FITTING = {
    "kind": "connection",
    "category": ["infrastructure"],
    "stage": "ingestion",
    "workflow": "j*",
    "step": ["x", "loa?"],
    "severity": "error",
}
MISFITS = {
    "kind": "bug",
    "category": "data",
    "stage": "inference",
    "workflow": "other*",
    "step": "loader",
    "severity": "critical",
}


def test_a_rule_tells_only_what_fits_all_of_its_filters(desk: Make) -> None:
    rules: list[dict[str, Any]] = [
        {"on": ["halted"], "sinks": [key], **FITTING, key: other} for key, other in MISFITS.items()
    ]
    rules.append({"on": ["halted"], "sinks": ["all"], **FITTING})
    made = desk(
        rules, sinks={name: {"url": f"json://127.0.0.1:9/{name}"} for name in (*MISFITS, "all")}
    )
    run(made)
    assert [one.sink for one in made.evaluate()] == ["all"]


def test_the_first_rule_that_fits_has_the_word_for_a_sink(desk: Make) -> None:
    made = desk(
        [
            {"name": "data", "on": ["halted"], "kind": "bug", "title": "data: $what"},
            {"name": "all", "on": ["halted"], "title": "all: $what"},
        ]
    )
    run(made)
    run(made, "bug")
    assert [one.title for one in made.evaluate()] == [
        "all: job halted at load as connection",
        "data: job halted at load as bug",
    ]


def test_a_template_names_its_fields_and_is_scrubbed(desk: Make) -> None:
    made = desk(
        [
            {
                "on": ["halted"],
                "title": "$$: $workflow/$step ${kind}",
                "template": "$event $phase $run $message $count in $runs\n$next",
            }
        ]
    )
    run(made, run_id="r 1")
    [message] = made.evaluate()
    assert message.title == "$: job/load connection"
    assert unmarked(message.body) == (
        "halted first r 1 [Errno 111] refused; password=[secret] 2 in 1\nsurefoot resume 'r 1'"
    )


def test_a_message_calls_nobody_in_a_chat(desk: Make) -> None:
    made = desk([{"on": ["halted"]}])

    @workflow(name="loud")
    def loud() -> None:
        raise KeyError("<!channel> @everyone `rm -rf`")

    with made.plain:
        loud.start()
    [message] = made.evaluate()
    assert "<!channel>" not in message.body and "@everyone" not in message.body
    assert "'rm -rf'" in message.body


def test_what_cannot_be_read_in_a_record_does_not_stop_alerts(desk: Make) -> None:
    made = desk()
    run(made, run_id="r1")
    made.sql("UPDATE runs SET error = 'not json'")
    [message] = made.evaluate()
    assert message.subject == "halt:r1" and message.title.startswith("job halted")
    made.sql("UPDATE runs SET status = 'completed', error = ?", json.dumps({}))
    assert [p for p, _ in made.said()] == ["resolved"]


# -- several processes ----------------------------------------------------------------------------


def test_of_two_evaluations_of_the_same_news_only_one_counts(desk: Make) -> None:
    from surefoot.journal import Owner
    from surefoot.observe.alerts.evaluate import Evaluation

    made = desk()
    run(made)
    store, setting = made.plain.journal.store, made.setting

    def op() -> Any:
        speaker = made.teller._speaker
        return Evaluation(store, setting.options, speaker, made.clock.now(), Owner.this()).op()

    one, other = op(), op()
    commit = made.plain.journal.group.commit
    assert (commit(one), commit(other)) == (True, False)
    assert len(made.messages()) == 1


def test_two_tellers_at_once_write_each_message_once(desk: Make) -> None:
    import threading

    made = desk([{"on": ["failure", "halted"]}])
    tellers = [made.another() for _ in range(4)]
    for what in ("refused", "bug", "refused"):
        run(made, what)
        threads = [threading.Thread(target=one.evaluate) for one in tellers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    for one in tellers:
        one.close()
    assert [(one.phase, one.subject) for one in made.messages()] == [
        ("first", one.subject) for one in made.messages()
    ]
    assert len(made.messages()) == len({one.subject for one in made.messages()}) == 2
