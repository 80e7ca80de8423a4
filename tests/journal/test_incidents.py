"""An incident is all failures of one fingerprint: it opens, settles by itself, and comes back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, effect, step, workflow
from surefoot.config import Config
from surefoot.errors import ConfigError, RunLocked, UsageError
from surefoot.journal import Journal, incidents, writes
from surefoot.journal.incident_orders import acknowledge, merge, mute, resolve, unmute
from surefoot.journal.incident_reading import find_incident
from surefoot.journal.incident_reading import incidents as read
from surefoot.journal.runs import Ending
from surefoot.policy.incidents import IncidentOptions, incident_options
from tests.support.incidents import ALL, DAY, HOUR, Shop
from tests.support.journals import begun, ended, failed_attempt, new_call, open_journal


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "j.db")


# -- opening and settling -------------------------------------------------------------------------


def test_an_incident_says_what_failed_where_and_when(shop: Shop) -> None:
    began = shop.clock.now()
    assert shop.run(strict=ValueError) == "halted"
    one = shop.one()
    assert (one.number, one.kind, one.category) == (1, "invalid_value", "data")
    assert one.step.endswith("strict") and one.type == "builtins.ValueError"
    assert (one.message, one.state, one.failures, one.runs) == ("strict failed", "open", 1, 1)
    assert one.first_at == one.last_at == one.opened_at == began
    assert (one.ended, one.waiting, one.workflows) == ({"halted": 1}, 1, (shop.flow.name,))
    assert shop.events() == ["opened"]


def test_what_recovers_by_itself_is_settled_when_the_run_completes(shop: Shop) -> None:
    shop.failures = 1
    assert shop.run() == "completed"
    one = shop.one()
    assert (one.state, one.resolved_by, one.ended) == ("resolved", "recovery", {"completed": 1})
    assert one.resolved_at is not None and one.resolved_at >= one.last_at
    assert shop.events() == ["opened", "resolved"]


def test_what_halted_a_run_is_open_until_its_resume_completes(shop: Shop) -> None:
    shop.failures = 1
    shop.run(strict=ValueError)
    states = {name.partition(" ")[0]: one.state for name, one in shop.incidents().items()}
    assert states == {"connection": "resolved", "invalid_value": "open"}, (
        "the call that was tried again is done, whatever became of its run"
    )
    shop.clock.advance(60)
    assert shop.resume(strict=ValueError) == "halted"
    found = {name.partition(" ")[0]: one for name, one in shop.incidents().items()}
    assert (found["invalid_value"].failures, found["invalid_value"].state) == (2, "open")
    shop.clock.advance(60)
    assert shop.resume() == "completed"
    found = {name.partition(" ")[0]: one for name, one in shop.incidents().items()}
    assert found["invalid_value"].state == "resolved"
    assert found["invalid_value"].ended == {"resumed": 1}


def test_another_runs_end_settles_nothing_that_a_halted_run_waits_for(shop: Shop) -> None:
    shop.run("one", strict=ValueError)
    shop.run("two", strict=ValueError)
    shop.clock.advance(1)
    shop.resume("one")
    assert (shop.one().state, shop.one().ended) == ("open", {"halted": 1, "resumed": 1})
    shop.resume("two")
    assert shop.one().state == "resolved"


def test_an_open_dead_letter_keeps_it_open_and_discarding_it_settles_it(shop: Shop) -> None:
    assert shop.run(items=("a", "bad", "worse"), bad=ValueError, worse=ValueError) == "completed"
    one = shop.one()
    assert (one.state, one.ended, one.items, one.open_letters) == ("open", {"set_aside": 2}, 2, 2)
    with shop.runtime():
        first, second = shop.flow.dead_letters()
        first.discard("not wanted")
        assert shop.one().state == "open"
        second.discard("not wanted either")
    assert (shop.one().state, shop.one().ended) == ("resolved", {"discarded": 2})


def test_a_replay_settles_it_and_a_replay_that_fails_does_not(shop: Shop) -> None:
    shop.run(items=("a", "bad"), bad=ValueError)
    with shop.runtime():
        [letter] = shop.flow.dead_letters()
        assert letter.replay().outcome == "failed"
        assert (shop.one().state, shop.one().failures) == ("open", 2)
        shop.bad = {}
        shop.clock.advance(5)
        assert letter.replay().outcome == "completed"
    assert (shop.one().state, shop.one().ended) == ("resolved", {"replayed": 1})


def test_a_cancelled_run_waits_for_nothing(shop: Shop) -> None:
    shop.run(strict=ValueError)
    with shop.runtime() as runtime:
        assert runtime.journal.cancel("run") == "now"
    assert (shop.one().state, shop.one().ended) == ("resolved", {"cancelled": 1})


def test_a_failure_that_the_workflow_caught_is_over_with_its_run(tmp_path: Path) -> None:
    @step(attempts=1)
    def bad() -> None:
        raise ValueError("no")

    @workflow
    def flow() -> None:
        try:
            bad()
        except ValueError:
            pass

    with Runtime(tmp_path / "j.db", durability="process", config=Config()) as runtime:
        assert flow.start().status == "completed"
        [one] = read(runtime.journal.store, states=ALL, now=runtime.clock.now())
    assert (one.state, one.ended) == ("resolved", {"caught": 1})


def test_a_rollback_settles_what_it_undid(tmp_path: Path) -> None:
    @effect(compensate=lambda result: None)
    def pay() -> int:
        return 1

    @step(attempts=1)
    def bad() -> None:
        raise ValueError("no")

    @workflow(rollback="on_halt")
    def flow() -> None:
        pay()
        bad()

    @workflow(rollback="on_halt", name="own")
    def own() -> None:
        pay()
        raise LookupError("the body")

    with Runtime(tmp_path / "j.db", durability="process", config=Config()) as runtime:
        assert flow.start().status == "rolled_back"
        assert own.start().status == "rolled_back"
        found = read(runtime.journal.store, states=ALL, now=runtime.clock.now())
    assert [(one.state, one.failures, one.ended) for one in found] == [
        ("resolved", 1, {"rolled_back": 1})
    ] * 2


def test_a_doubt_that_a_person_resolved_as_skipped_stays_with_its_incident(tmp_path: Path) -> None:
    from surefoot.workflow.resolving import resolve_doubt

    @effect(name="send", key=lambda name: name, on_doubt="halt")
    def send(name: str) -> str:
        raise RuntimeError("the line went dead")

    @workflow
    def flow() -> None:
        send.map(["a"])

    with Runtime(tmp_path / "j.db", durability="process", config=Config()) as runtime:
        assert flow.with_options(run_id="run").start().status == "halted"
        resolve_doubt(runtime, "run", "send", "skipped")
        assert flow.resume("run").status == "completed"
        found = read(runtime.journal.store, states=ALL, now=runtime.clock.now())
        assert [one.state for one in found if one.open_letters] == ["open"]
        flow.dead_letters()[0].discard("nobody knows")
        found = read(runtime.journal.store, states=ALL, now=runtime.clock.now())
    assert {one.state for one in found} == {"resolved"}


# -- a workflow's own code ------------------------------------------------------------------------


def test_a_body_that_fails_without_a_step_is_an_incident_of_its_own(shop: Shop) -> None:
    assert shop.run(body=LookupError) == "halted"
    shop.clock.advance(60)
    assert shop.resume(body=LookupError) == "halted"
    one = shop.one()
    assert (one.step, one.kind, one.failures, one.runs) == ("", "unknown", 2, 1)
    assert (one.state, one.ended, one.message) == ("open", {"halted": 1}, "body failed")
    assert [(run.run_id, run.failures) for run in one.last_runs] == [("run", 2)]
    assert shop.resume() == "completed"
    one = shop.one()
    assert (one.state, one.ended, one.failures) == ("resolved", {"resumed": 1}, 2)


def test_a_body_that_ends_with_a_steps_failure_counts_once(shop: Shop) -> None:
    shop.run(strict=ValueError)
    with shop.runtime() as runtime:
        assert runtime.journal.store.read("SELECT count(*) FROM body_failures") == [(0,)]
    assert shop.one().failures == 1


# -- coming back ----------------------------------------------------------------------------------


def test_a_failure_of_a_resolved_incident_opens_it_and_after_a_day_it_is_a_regression(
    shop: Shop,
) -> None:
    for _, wait in enumerate((0, HOUR, DAY - 2, 9 * DAY)):
        shop.clock.advance(wait)
        shop.failures = 1
        shop.run(f"run-{shop.clock.now()}")
    one = shop.one()
    assert (one.regressions, one.failures, one.state) == (1, 4, "resolved")
    assert one.quiet is not None and 9 * DAY <= one.quiet < 9 * DAY + HOUR
    assert shop.events() == [*["opened", "resolved"] * 3, "regressed", "resolved"]


@pytest.mark.parametrize(("after", "regressions"), [("10s", 1), (10, 1), ("2h", 0), (0, 1)])
def test_how_long_it_must_have_been_quiet_is_a_setting(
    tmp_path: Path, after: float | str, regressions: int
) -> None:
    shop = Shop(tmp_path / "j.db", after)
    for run_id in ("one", "two"):
        shop.failures = 1
        shop.run(run_id)
        shop.clock.advance(60)
    assert shop.one().regressions == regressions


def test_what_a_person_resolved_regresses_with_its_next_failure(shop: Shop) -> None:
    shop.failures = 1
    shop.run("one")
    shop.order(resolve(1, "ada", shop.clock.now(), "it was the cable"))
    assert (shop.one().state, shop.one().resolved_by) == ("resolved", "ada")
    shop.failures = 1
    shop.run("two")
    assert (shop.one().regressions, shop.one().state) == (1, "resolved")
    assert shop.events() == ["opened", "resolved", "resolved", "regressed", "resolved"]


def test_an_acknowledged_one_stays_so_until_it_is_resolved(shop: Shop) -> None:
    shop.run("one", strict=ValueError)
    shop.order(acknowledge(1, "ada", shop.clock.now(), "ben", None))
    shop.run("two", strict=ValueError)
    assert (shop.one().state, shop.one().owner, shop.one().failures) == ("acknowledged", "ben", 2)
    shop.resume("one")
    shop.resume("two")
    assert shop.one().state == "resolved"
    with pytest.raises(UsageError, match="nothing to acknowledge.*surefoot incidents note 1"):
        shop.order(acknowledge(1, "ada", shop.clock.now(), None, None))
    shop.run("three", strict=ValueError)
    assert (shop.one().state, shop.one().owner) == ("open", "ben")


def test_a_muted_one_stays_so_until_its_time_is_over_and_it_fails_again(shop: Shop) -> None:
    shop.failures = 1
    shop.run("one")
    shop.order(mute(1, "ada", shop.clock.now(), shop.clock.now() + 2 * DAY, None))
    shop.failures = 1
    shop.run("two")
    assert (shop.one().state, shop.one().failures) == ("muted", 2), "recovery does not unmute it"
    shop.clock.advance(2 * DAY)
    assert shop.one().state == "muted"
    shop.run("three", strict=KeyError)  # settles nothing of it
    shop.run("four", items=())
    assert shop.whole(1).state == "muted"
    shop.failures = 1
    shop.run("five")
    assert shop.events()[2:] == ["muted", "opened", "resolved"]
    assert shop.whole(1).regressions == 0


def test_a_mute_without_end_ends_with_a_persons_word(shop: Shop) -> None:
    shop.run(strict=ValueError)
    shop.order(mute(1, "ada", shop.clock.now(), None, None))
    shop.clock.advance(400 * DAY)
    shop.resume(strict=ValueError)
    assert shop.one().state == "muted"
    shop.order(unmute(1, "ada", shop.clock.now()))
    assert shop.one().state == "open"
    with pytest.raises(UsageError, match="not muted"):
        shop.order(unmute(1, "ada", shop.clock.now()))
    shop.order(mute(1, "ada", shop.clock.now(), None, None))
    shop.resume()
    assert shop.one().state == "muted"
    shop.order(unmute(1, "ada", shop.clock.now()))
    assert shop.one().state == "resolved", "all of it has recovered meanwhile"


# -- merging --------------------------------------------------------------------------------------


def test_a_merged_incident_is_told_with_the_other_one(shop: Shop) -> None:
    shop.run("one", strict=ValueError)
    shop.run("two", strict=KeyError)
    shop.clock.advance(60)
    shop.order(merge(2, 1, "ada", shop.clock.now()))
    one = shop.one()
    assert (one.number, one.failures, one.runs, one.waiting) == (1, 2, 2, 2)
    assert [number for number, _ in one.merged] == [2]
    assert {row.incident for row in one.history} == {1, 2}
    shop.resume("one")
    assert shop.one().state == "open", "the other's run still waits"
    shop.run("three", strict=KeyError)
    assert (shop.one().failures, shop.whole(2).failures) == (3, 2)
    shop.resume("two")
    shop.resume("three")
    assert shop.one().state == "resolved"
    shop.clock.advance(3 * DAY)
    shop.run("four", strict=KeyError)
    assert (shop.one().state, shop.one().regressions) == ("open", 1)
    assert shop.whole(2).state == "resolved", "what was merged has no state of its own"


def test_what_waits_is_open_after_a_merge_into_a_resolved_one(shop: Shop) -> None:
    shop.failures = 1
    shop.run("one")
    shop.run("two", strict=ValueError)
    shop.order(merge(2, 1, "ada", shop.clock.now()))
    assert (shop.one().state, shop.one().resolved_by) == ("open", None)
    shop.resume("two")
    assert shop.one().state == "resolved"


def test_merges_make_no_chains_and_no_cycles(shop: Shop) -> None:
    for number, error in enumerate((ValueError, KeyError, LookupError, TypeError)):
        shop.run(f"run-{number}", strict=error)
    now = shop.clock.now()
    shop.order(merge(2, 1, "ada", now))
    with pytest.raises(UsageError, match="itself; name two"):
        shop.order(merge(3, 3, "ada", now))
    with pytest.raises(UsageError, match="was merged into 1, which stands for both"):
        shop.order(merge(2, 3, "ada", now))
    with pytest.raises(UsageError, match="merge into that one: surefoot incidents merge 3 1"):
        shop.order(merge(3, 2, "ada", now))
    with pytest.raises(UsageError, match="incident 2 was merged into 1 already"):
        shop.order(merge(1, 2, "ada", now))
    with pytest.raises(UsageError, match="there is no incident 99"):
        shop.order(merge(1, 99, "ada", now))
    with pytest.raises(UsageError, match="was merged into 1"):
        shop.order(mute(2, "ada", now, None, None))
    shop.order(merge(1, 4, "ada", now))
    assert shop.whole(4).failures == 3
    assert [number for number, _ in shop.whole(4).merged] == [1, 2]
    assert sorted(one.number for one in shop.incidents().values()) == [3, 4]


# -- the journal ----------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = open_journal(tmp_path)
    yield made
    made.close()


def rows(journal: Journal) -> list[tuple[Any, ...]]:
    return journal.store.read("SELECT fingerprint, state, failures FROM incidents")


def test_who_lost_the_run_writes_neither_a_failure_nor_an_incident(journal: Journal) -> None:
    lease = begun(journal)
    lease.fence -= 1
    with pytest.raises(RunLocked):
        journal.group.commit(writes.failure(lease, failed_attempt()))
    assert rows(journal) == []


def test_a_failure_and_its_incident_are_written_both_or_neither(tmp_path: Path) -> None:
    class Planted(Exception):
        pass

    planted = False

    def seam(where: str) -> None:
        if planted and where == "inside":
            raise Planted

    journal = open_journal(tmp_path, seam=seam)
    lease = begun(journal)
    journal.group.commit(writes.failure(lease, failed_attempt()))
    planted = True
    with pytest.raises(Planted):
        journal.group.commit(writes.failure(lease, failed_attempt(attempt=2)))
    planted = False
    assert rows(journal) == [("x", "open", 1)]
    assert journal.store.read("SELECT count(*) FROM failures") == [(1,)]
    journal.close()


def test_the_end_of_a_run_without_failures_looks_into_two_indexes(journal: Journal) -> None:
    lease = begun(journal)
    asked: list[str] = []

    def tx(sql: str, parameters: Any = ()) -> Any:
        asked.append(sql)
        return journal.store._writer.execute(sql, parameters)  # type: ignore[attr-defined]

    incidents.settle(tx, lease.run_pk, 1.0)
    assert asked == [incidents.HAD_FAILURES], "nothing more is asked"
    plan = journal.store.read(f"EXPLAIN QUERY PLAN {incidents.HAD_FAILURES}", (1, 1))
    looks = [row[3] for row in plan if "failures" in row[3]]
    assert len(looks) == 2
    assert all(look.startswith("SEARCH") and "INDEX" in look for look in looks), looks


@pytest.mark.parametrize("name", ["CALLS", "BODIES", "LETTERS", "UNSETTLED", "FIND"])
def test_no_question_about_an_incident_reads_a_whole_table(journal: Journal, name: str) -> None:
    sql = getattr(incidents, name)
    sql = sql % "?, ?" if "%s" in sql else sql
    plan = journal.store.read(f"EXPLAIN QUERY PLAN {sql}", ("x",) * sql.count("?"))
    told = [row[3] for row in plan]
    assert any(one.startswith("SEARCH") for one in told)
    assert not [one for one in told if one.startswith("SCAN")], told


def test_a_step_that_died_with_its_process_is_told_as_that(journal: Journal) -> None:
    from tests.support.journals import DEAD, give_to

    lease = begun(journal)
    journal.group.commit(writes.begin(lease, new_call(), 1, False))
    journal.group.commit(writes.failure(lease, failed_attempt()))
    now = journal.clock.now()
    assert find_incident(journal.store, "1", now).ended == {"running": 1}
    give_to(journal, lease, DEAD)
    one = find_incident(journal.store, "1", now)
    assert (one.ended, one.waiting, one.last_runs[0].status) == ({"died": 1}, 1, "died")
    assert one.state == "open"


def test_costs_resources_and_fallbacks_are_told(journal: Journal) -> None:
    lease = begun(journal)
    call = new_call(resource="openai", item=3)
    for attempt in (1, 2):
        row = replace(failed_attempt(attempt=attempt), cost=0.25, tokens=10)
        journal.group.commit(writes.failure(lease, row))
    journal.group.commit(writes.end(lease, call, ended()._replace(degraded="small")))
    journal.end_run(lease, Ending("completed"))
    [one] = read(journal.store, states=ALL, now=1.0)
    assert (one.cost_wasted, one.tokens_wasted, one.resource) == (0.5, 20, "openai")
    assert (one.ended, one.state) == ({"degraded": 1}, "resolved")


def test_the_most_urgent_ones_come_first(shop: Shop) -> None:
    shop.failures = 1
    shop.run("recovers")
    shop.run("aside", items=("bad",), bad=ValueError)
    shop.run("halted", strict=TypeError)
    shop.run("muted", body=LookupError)
    shop.clock.advance(60)
    muted = next(one for one in shop.incidents().values() if one.step == "")
    shop.order(mute(muted.number, "ada", shop.clock.now(), None, None))
    told = [(one.state, max(one.ended)) for one in shop.incidents().values()]
    assert told == [
        ("open", "halted"),
        ("open", "set_aside"),
        ("muted", "halted"),
        ("resolved", "completed"),
    ]
    with shop.runtime() as runtime:

        def kinds(**wanted: Any) -> list[str]:
            found = read(runtime.journal.store, now=shop.clock.now(), **{"states": ALL, **wanted})
            return [one.kind for one in found]

        assert kinds(limit=2) == ["bug", "invalid_value"]
        assert kinds(kind="connection") == ["connection"]
        assert kinds(category="data") == ["invalid_value"]
        assert kinds(step="item") == ["invalid_value"]
        assert kinds(states=("muted",)) == ["unknown"]
        assert kinds(workflow="other") == []
        assert len(kinds(workflow=shop.flow.name)) == 4
        run = runtime.journal.run("muted")
        assert kinds(run_pk=run.pk) == ["unknown"]
        assert kinds(since=shop.clock.now()) == []


def test_a_name_is_a_number_a_fingerprint_or_the_beginning_of_one(journal: Journal) -> None:
    lease = begun(journal)
    for name in ("v2-aaaabbbb0001", "v2-aaaabbbb0002", "v2-ccccdddd"):
        journal.group.commit(writes.failure(lease, replace(failed_attempt(), fingerprint=name)))

    def named(name: str) -> int:
        return find_incident(journal.store, name, 1.0).number

    assert (named("3"), named("v2-ccccd"), named("v2-aaaabbbb0002")) == (3, 3, 2)
    for wrong, said in (
        ("v2-aaaabbbb", "fits 2 incidents: 1 .*, 2 .*name one by its number"),
        ("v2-aaaa", "near it are 1 .*surefoot incidents list --state all"),
        ("v2-ccccdddf", "near it are 3"),
        ("99", r"no incident '99' in .*journal.db; list them"),
        ("xy", "at least 8 characters"),
        ("9" * 40, "there is no incident"),
    ):
        with pytest.raises(UsageError, match=said):
            named(wrong)


# -- settings -------------------------------------------------------------------------------------


def test_the_table_of_settings() -> None:
    assert incident_options({}) == IncidentOptions(DAY, False)
    given = {"regression_after": "1.5h", "locals": True}
    assert incident_options(given) == IncidentOptions(5_400.0, True)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"regresion_after": 1}, "did you mean 'regression_after'"),
        ({"zzz": 1}, "known are regression_after, locals"),
        ({"regression_after": "soon"}, "a number of seconds, or as '90s'"),
        ({"regression_after": -1}, "a number of seconds"),
        ({"regression_after": True}, "a number of seconds"),
        ({"regression_after": float("inf")}, "a number of seconds"),
        ({"locals": "yes"}, "must be true or false"),
        ([], "must be a table"),
    ],
)
def test_a_mistake_in_the_settings_names_its_place(table: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        incident_options(table, "/srv/surefoot.toml")
    assert str(caught.value).startswith("/srv/surefoot.toml: [incidents]")
    config = Config(incidents=table, source="/srv/surefoot.toml")
    with pytest.raises(ConfigError, match=said):
        Runtime(tmp_path / "j.db", config=config).journal


# -- many at once ---------------------------------------------------------------------------------

EIGHT = """
import sys, time
from pathlib import Path
from surefoot import Runtime, step, workflow

@step(attempts=1)
def bad():
    raise ConnectionRefusedError(111, "refused")

@workflow
def flow() -> None:
    bad()

Path(f"ready-{sys.argv[1]}").touch()
while len(list(Path().glob("ready-*"))) < 8:
    time.sleep(0.005)
with Runtime("j.db", durability="process"):
    for number in range(10):
        assert flow.with_options(run_id=f"{sys.argv[1]}-{number}").start().status == "halted"
"""


def test_eight_processes_that_fail_alike_at_once_make_one_incident(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(EIGHT)
    children = [
        subprocess.Popen(
            [sys.executable, "flow.py", str(number)],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        for number in range(8)
    ]
    for child in children:
        _, err = child.communicate(timeout=120)
        assert child.returncode == 0, err
    with Runtime(tmp_path / "j.db", create=False) as runtime:
        [one] = read(runtime.journal.store, states=ALL, now=runtime.clock.now())
        history = find_incident(runtime.journal.store, "1", runtime.clock.now()).history
    assert (one.failures, one.runs, one.waiting, one.state) == (80, 80, 80, "open")
    assert [row.event for row in history] == ["opened"]
