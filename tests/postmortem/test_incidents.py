"""The postmortem of an incident: the same failure in whatever runs."""

from __future__ import annotations

from typing import Any

import pytest

from surefoot import Runtime, on, step, workflow
from surefoot.clock import ManualClock
from surefoot.errors import UnknownRun, UsageError
from surefoot.postmortem.as_html import to_html
from surefoot.postmortem.as_json import to_json
from surefoot.postmortem.as_markdown import to_markdown
from surefoot.postmortem.as_text import to_text

from . import rows
from .conftest import Tell
from .flaky import Times, refused
from .pages import Page


def failing(run_id: str, number: float) -> Any:
    """A run whose step fails so often."""
    flaky = Times(number, refused)

    @step(name="fetch", resource="crm", recover=[on("connection").retry(attempts=3, base=1)])
    def fetch() -> None:
        flaky()

    @workflow(name="shop")
    def shop() -> None:
        fetch()

    return shop.with_options(run_id=run_id)


def seen(runtime: Runtime, number: int = 7, **changed: Any) -> str:
    """The incident of the failures that the journal has."""
    store = runtime.journal.store
    [(fingerprint, failures, first, last)] = store.read(
        "SELECT max(fingerprint), count(*), min(at), max(at) FROM failures WHERE step = 'fetch'"
    )
    known = {"failures": failures, "first_at": first, "last_at": last, **changed}
    return rows.incident(runtime, number, fingerprint=fingerprint, **known)


def test_runs_that_recovered_leave_nothing_to_do(
    tell: Tell, runtime: Runtime, clock: ManualClock
) -> None:
    failing("a", 1).start()
    clock.advance(7200)
    failing("b", 2).start()
    seen(runtime, state="resolved", resolved_by="recovery")
    clock.advance(600)
    found = tell("7")
    assert found.summary.sentence == (
        "`fetch` has failed 3 times with connection (crm) in 2 runs since 2023-11-14 22:13:20 UTC, the "
        "last time 10 min 2 s ago; 2 recovered; resolved by recovery; nothing to do."
    )
    assert found.summary.level == "fine"
    assert found.about.what == "incident"
    assert found.about.run_id == "b"
    assert found.now.to_do.words == "Nothing."
    assert found.now.happening_words[0] == "No: no run waits because of it."
    assert (found.touched.failures, found.touched.runs_total) == (3, 2)
    assert [(one.run_id, one.words) for one in found.touched.runs] == [
        ("b", "recovered"),
        ("a", "recovered"),
    ]
    [why] = found.classified
    assert why.failures == 3


def test_a_run_that_halted_is_to_be_seen_to(
    tell: Tell, runtime: Runtime, clock: ManualClock
) -> None:
    failing("a", 9).start()
    clock.advance(60)
    failing("b", 1).start()
    seen(runtime, state="acknowledged", owner="ada")
    found = tell("7")
    assert found.summary.sentence == (
        "`fetch` has failed 4 times with connection (crm) in 2 runs since 2023-11-14 22:13:20 UTC, the "
        "last time 1 s ago; 1 recovered and 1 halted; acknowledged, owned by ada; see to `a`."
    )
    assert (found.now.happening, found.now.to_do.command) == ("waiting", "surefoot resume a")
    assert found.now.happening_words[0] == "1 run stands still because of it: `a`."
    assert found.about.run_id == "b"  # the timeline is of the latest


def test_one_failure_in_one_run(tell: Tell, runtime: Runtime, clock: ManualClock) -> None:
    failing("a", 1).start()
    seen(runtime)
    clock.advance(59)
    assert tell("7").summary.sentence == (
        "`fetch` has failed once with connection (crm) in 1 run, 1 min ago; it recovered; open; "
        "nothing to do."
    )


def test_regressions_are_told(tell: Tell, runtime: Runtime) -> None:
    failing("a", 1).start()
    seen(runtime, regressions=1, quiet=9 * 86_400.0)
    assert "; it came back once (after 9 days without one); open; " in tell("7").summary.sentence
    seen(runtime, regressions=3, quiet=2 * 86_400.0, state="muted", muted_until=1_800_000_000.0)
    sentence = tell("7").summary.sentence
    assert "it came back 3 times (the latest time after 2 days without one)" in sentence
    assert "; muted until 2027-01-15 08:00:00 UTC; " in sentence


def test_letters_of_an_incident_are_replayed_by_its_fingerprint(
    tell: Tell, runtime: Runtime
) -> None:
    @step(name="fetch")
    def fetch(n: int) -> int:
        if n == 1:
            raise ValueError("bad")
        return n

    @workflow(name="shop")
    def shop() -> None:
        fetch.map(range(4))

    shop.start()
    fingerprint = seen(runtime, kind="invalid_value")
    found = tell("7")
    assert found.summary.sentence.endswith("; open; 1 dead letter waits to be replayed.")
    assert found.now.to_do.command == (
        f"surefoot dead-letters replay --all --fingerprint {fingerprint}"
    )


def test_an_incident_of_a_workflows_own_code(tell: Tell, runtime: Runtime) -> None:
    @workflow(name="shop")
    def shop() -> None:
        raise KeyError("price")

    run = shop.start()
    assert run.error is not None
    rows.incident(
        runtime, 3, fingerprint=run.error["fingerprint"], step="", kind="bug", message="'price'"
    )
    found = tell("3")
    assert found.summary.sentence == (
        "A workflow's own code has failed once with bug in 1 run, 0.00 ms ago; it halted; open; see to "
        f"`{run.run_id}`."
    )
    assert [one.step for one in found.causes] == [""]
    assert found.now.to_do.command == f"surefoot resume {run.run_id}"


def test_an_incident_whose_runs_are_gone(tell: Tell, runtime: Runtime) -> None:
    rows.incident(runtime, 3, failures=12)
    found = tell("3")
    assert "`fetch` has failed 12 times with connection" in found.summary.sentence
    for write in (to_text, to_markdown, to_html):
        assert "no run of it" in write(found)
    assert to_json(found)["timeline"] is None


def test_it_is_named_by_number_fingerprint_or_the_beginning_of_one(
    tell: Tell, runtime: Runtime
) -> None:
    failing("a", 1).start()
    fingerprint = seen(runtime)
    for name in ("7", "#7", fingerprint, fingerprint[:8]):
        found = tell(name)
        assert found.about.incident is not None and found.about.incident.number == 7
    for name in (fingerprint[:7], "8", "%%%%%%%%", "v1-ffffffff"):
        with pytest.raises(UnknownRun, match="no run .*, and no incident"):
            tell(name)


def test_what_fits_two_incidents_names_both(tell: Tell, runtime: Runtime) -> None:
    rows.incident(runtime, 1, fingerprint="v1-aaaaaaaa1")
    rows.incident(runtime, 2, fingerprint="v1-aaaaaaaa2")
    with pytest.raises(UsageError, match="fits 2 incidents: 1 .*, 2 .*name one by its number"):
        tell("v1-aaaaaaaa")
    rows.incident(runtime, 3, fingerprint="v1-aaaaaaaa")
    assert tell("v1-aaaaaaaa").about.incident.number == 3  # type: ignore[union-attr]


def test_a_runs_own_id_comes_before_an_incidents_number(tell: Tell, runtime: Runtime) -> None:
    failing("7", 1).start()
    seen(runtime, 7)
    assert tell("7").about.what == "run"
    assert tell("#7").about.what == "incident"


def test_merged_incidents_are_told_in_one(tell: Tell, runtime: Runtime) -> None:
    failing("a", 1).start()
    other = seen(runtime, 8)
    rows.incident(runtime, 7, fingerprint="v1-0000000000000001", failures=5)
    rows.commit(runtime, ("UPDATE incidents SET merged_into = 7 WHERE pk = 8", ()))
    found = tell("7")
    assert found.about.incident is not None and found.about.incident.merged == (other,)
    assert [one.run_id for one in found.touched.runs] == ["a"]
    # the run's own page tells the notes of what it was merged into
    rows.event(runtime, 7, "note", "ada", "the crm is moving")
    assert [one.note for one in tell("a").notes] == ["the crm is moving"]


def test_similar_incidents_and_notes_are_told(
    tell: Tell, runtime: Runtime, clock: ManualClock
) -> None:
    failing("a", 1).start()
    seen(runtime)
    rows.incident(runtime, 8, fingerprint="v1-8", step="load", message="the same kind")
    rows.incident(runtime, 9, fingerprint="v1-9", kind="timeout", message="the same step")
    rows.incident(runtime, 10, fingerprint="v1-10", kind="timeout", step="load")
    rows.event(runtime, 7, "opened", None)
    clock.advance(5)
    rows.event(runtime, 7, "note", "ada", "asked the <b>crm</b> team")
    for name in ("a", "7"):
        found = tell(name)
        assert [one.number for one in found.changes.similar] == [8, 9]
        assert [(one.author, one.event) for one in found.notes] == [
            (None, "opened"),
            ("ada", "note"),
        ]
        page = Page(to_html(found))
        assert "asked the <b>crm</b> team" in page.text("td") and "b" not in page.tags
        assert "Surefoot" in page.text("td") and "the same kind" in page.text("td")


def test_an_incident_has_all_sections_in_all_formats(tell: Tell, runtime: Runtime) -> None:
    failing("a", 9).start()
    seen(runtime, owner="ada")
    found = tell("7")
    text = to_text(found)
    assert "Of its latest run, `a`." in text and "owner       ada" in text
    assert Page(to_html(found)).count("svg") == 1
    assert "# Postmortem: incident 7" in to_markdown(found)
    assert to_json(found)["about"]["incident"]["owner"] == "ada"
