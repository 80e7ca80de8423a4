"""Claims: a run's hold on an idempotency key, and what is known when it breaks off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot.clock import ManualClock
from surefoot.errors import InDoubt, RunLocked
from surefoot.journal import Claimed, Journal, Lease
from surefoot.journal.claims import asked, claim, finish_claim
from surefoot.journal.runs import Ending
from tests.support.journals import DEAD, ELSEWHERE, begun, give_to, intent, open_journal


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def journal(tmp_path: Path, clock: ManualClock) -> Iterator[Journal]:
    one = open_journal(tmp_path, clock)
    yield one
    one.close()


def claimed(journal: Journal, lease: Lease, **options: Any) -> Claimed:
    now = journal.clock.now()
    answer: Claimed = journal.group.commit(claim(lease, intent(at=now), now, **options))
    return answer


def finished(journal: Journal, lease: Lease, state: str, **options: Any) -> None:
    journal.group.commit(finish_claim(lease, "pay", "key", state, **options))


def row(journal: Journal) -> dict[str, Any]:
    names = ("state", "run_pk", "fence", "asked", "generation", "result", "evidence")
    [values] = journal.store.read(f"SELECT {', '.join(names)} FROM claims")
    return dict(zip(names, values))


def test_a_free_key_is_fresh_and_a_done_one_gives_its_result(journal: Journal) -> None:
    one, other = begun(journal, "one"), begun(journal, "other")
    assert claimed(journal, one).state == "fresh"
    finished(journal, one, "done", format="json", result=b"7", digest="d")
    answer = claimed(journal, other)
    assert (answer.state, answer.run_id, answer.format, answer.result, answer.digest) == (
        "done",
        "one",
        "json",
        b"7",
        "d",
    )


def test_a_key_that_a_living_run_holds_is_busy_and_says_whose(journal: Journal) -> None:
    one, other = begun(journal, "one"), begun(journal, "other")
    claimed(journal, one)
    answer = claimed(journal, other)
    assert (answer.state, answer.run_id) == ("busy", "one")
    assert answer.owner.startswith("pid ")
    assert row(journal)["run_pk"] == one.run_pk


def test_a_run_that_claims_again_holds_on(journal: Journal) -> None:
    one = begun(journal)
    assert [claimed(journal, one).state for _ in range(2)] == ["fresh", "fresh"]


def test_a_refusal_releases_the_key(journal: Journal) -> None:
    one, other = begun(journal, "one"), begun(journal, "other")
    claimed(journal, one)
    finished(journal, one, "refused")
    assert claimed(journal, other).state == "fresh"
    assert row(journal)["run_pk"] == other.run_pk


@pytest.mark.parametrize("how", ["dead", "taken over", "interrupted", "expired"])
def test_a_key_whose_holder_is_gone_is_in_doubt_for_every_run(
    journal: Journal, clock: ManualClock, how: str
) -> None:
    one, other = begun(journal, "one"), begun(journal, "other")
    claimed(journal, one)
    journal.group.commit(asked(one, "pay", "key"))
    began = clock.now()
    if how == "dead":
        give_to(journal, one, DEAD)
    elif how == "interrupted":
        journal.end_run(one, Ending("interrupted"))
    elif how == "expired":
        give_to(journal, one, ELSEWHERE, until=clock.now() + 5)
        assert claimed(journal, other).state == "busy"
        clock.advance(6)
    else:
        give_to(journal, one, DEAD)
        journal.let_go(one)
        _, again = journal.take("one")
        assert again is not None
        one = again
    for lease in (other, one) if how == "taken over" else (other, begun(journal, "third")):
        answer = claimed(journal, lease)
        assert (answer.state, answer.at, answer.asked, answer.run_id) == (
            "doubt",
            began,
            True,
            "one",
        )
    assert row(journal)["state"] == "in_doubt"


def test_a_settled_doubt_may_be_claimed_and_is_held_like_any_other(
    journal: Journal, clock: ManualClock
) -> None:
    one, other, third = (begun(journal, name) for name in ("one", "other", "third"))
    claimed(journal, one)
    journal.group.commit(asked(one, "pay", "key"))
    give_to(journal, one, DEAD)
    doubt = claimed(journal, other)
    clock.advance(1)
    assert claimed(journal, other, settled=doubt.token).state == "fresh"
    assert row(journal)["asked"] == 0, "the new attempt has not asked for the key yet"
    assert claimed(journal, third, settled=doubt.token).state == "busy"


def test_a_settled_doubt_does_not_settle_the_next_one(journal: Journal, clock: ManualClock) -> None:
    one, other, third = (begun(journal, name) for name in ("one", "other", "third"))
    claimed(journal, one)
    give_to(journal, one, DEAD)
    first = claimed(journal, other)
    assert claimed(journal, third).token == first.token
    clock.advance(1)
    # while `other` looked, `third` settled the same doubt, acted, and died
    assert claimed(journal, third, settled=first.token).state == "fresh"
    give_to(journal, third, DEAD)
    answer = claimed(journal, other, settled=first.token)
    assert answer.state == "doubt"
    assert answer.token != first.token
    assert claimed(journal, other, settled=answer.token).state == "fresh"


@pytest.mark.parametrize("state", ["done", "refused", "in_doubt", "held"])
def test_a_run_whose_claim_was_taken_by_another_cannot_change_it(
    journal: Journal, clock: ManualClock, state: str
) -> None:
    """On another host a process slept past its lease; nobody took its run, but its key."""
    one, other = begun(journal, "one"), begun(journal, "other")
    claimed(journal, one)
    give_to(journal, one, ELSEWHERE, until=clock.now() + 5)
    clock.advance(6)
    doubt = claimed(journal, other)
    assert claimed(journal, other, settled=doubt.token).state == "fresh"
    before = row(journal)
    with pytest.raises(InDoubt, match="pay with key 'key'"):
        finished(journal, one, state, format="json", result=b"7", digest="d")
    with pytest.raises(InDoubt):
        journal.group.commit(asked(one, "pay", "key"))
    now = row(journal)
    evidence = now.pop("evidence")
    before.pop("evidence")
    assert now == before
    assert (json.loads(evidence)["run"] == "one") if state == "done" else evidence is None
    assert claimed(journal, begun(journal, "third")).state == "busy"


def test_a_lenient_release_leaves_alone_what_is_not_its_own(journal: Journal) -> None:
    one, other = begun(journal, "one"), begun(journal, "other")
    finished(journal, other, "refused", lenient=True)  # there is none yet
    claimed(journal, one)
    before = row(journal)
    finished(journal, other, "refused", lenient=True)
    assert row(journal) == before
    finished(journal, one, "refused", lenient=True)
    assert row(journal)["state"] == "refused"


def test_the_next_attempt_has_not_asked_for_the_key(journal: Journal) -> None:
    one = begun(journal)
    claimed(journal, one)
    journal.group.commit(asked(one, "pay", "key"))
    assert row(journal)["asked"] == 1
    finished(journal, one, "held", reset_asked=True)
    assert row(journal)["asked"] == 0


def test_an_undone_key_begins_a_new_generation(journal: Journal) -> None:
    one, other = begun(journal, "one"), begun(journal, "other")
    claimed(journal, one)
    finished(journal, one, "done", format="json", result=b"7", digest="d")
    journal.group.commit(lambda tx: tx("UPDATE claims SET state = 'undone'"))
    assert claimed(journal, other).state == "fresh"
    assert row(journal)["generation"] == 2


def test_a_run_that_was_taken_over_hears_so_and_not_that_it_is_in_doubt(journal: Journal) -> None:
    one = begun(journal)
    claimed(journal, one)
    give_to(journal, one, DEAD)
    journal.let_go(one)
    journal.take("run")
    for use in (asked(one, "pay", "key"), finish_claim(one, "pay", "key", "done")):
        with pytest.raises(RunLocked):
            journal.group.commit(use)
    assert row(journal)["state"] == "held"
