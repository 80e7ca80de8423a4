"""Who sends what when: one at a time, within rate and quiet hours, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from surefoot.clock import ManualClock
from surefoot.journal import Owner
from surefoot.journal import alert_sending as outbox
from surefoot.journal.alert_sending import Claim, Waiting
from surefoot.journal.alerts import NewMessage, Reader, reader, write_alerts
from surefoot.observe.alerts.quiet import parse_quiet
from tests.alerts.conftest import Desk
from tests.alerts.receivers import Hooks
from tests.support.journals import DEAD, ELSEWHERE

Make = Callable[..., Desk]


def put(desk: Desk, *severities: str, subject: str | None = None, sink: str = "ops") -> None:
    """Messages that are to be sent, named after their order."""
    number = len(desk.messages())
    new = [
        NewMessage(sink, subject or f"s{number + n}", "first", "r", severity, f"m{number + n}", "b")
        for n, severity in enumerate(severities or ("error",))
    ]
    before = reader(desk.plain.journal.store)
    assert before is not None
    after = Reader(before.version, before.since, before.failures, before.letters, before.events)
    op = write_alerts(before, after, (), (), new, desk.clock.now())
    assert desk.plain.journal.group.commit(op) is True


def claim(desk: Desk, owner: Owner | None = None, **more: Any) -> Claim | Waiting:
    more.setdefault("lives", lambda holder: False)
    found = desk.plain.journal.group.commit(
        outbox.claim("ops", desk.clock.now(), owner or Owner.this(), "me", **more)
    )
    assert isinstance(found, (Claim, Waiting))
    return found


def claimed(desk: Desk, **more: Any) -> str:
    found = claim(desk, **more)
    assert isinstance(found, Claim), found
    return found.message.title


# -- one at a time --------------------------------------------------------------------------------


def test_of_one_sink_one_message_is_under_way_at_a_time(desk: Make) -> None:
    made = desk()
    put(made, "error", "error")
    assert claimed(made) == "m0"
    assert claim(made, lives=lambda holder: holder == "me") == Waiting(None)
    assert claim(made, owner=DEAD) == Waiting(None)  # another process: the first one lives
    made.plain.journal.group.commit(outbox.sent(made.messages()[0], made.clock.now()))
    assert claimed(made) == "m1"


def test_what_a_dead_process_was_sending_is_sent_again_and_says_so(desk: Make) -> None:
    made = desk()
    put(made)
    assert claimed(made, owner=DEAD) == "m0"
    found = claim(made)
    assert isinstance(found, Claim)
    assert (found.message.perhaps, found.message.attempts) == (1, 2)


def test_a_sender_on_another_host_counts_as_dead_only_after_a_while(
    desk: Make, clock: ManualClock
) -> None:
    made = desk()
    put(made)
    assert claimed(made, owner=ELSEWHERE, lease=80.0) == "m0"
    assert claim(made) == Waiting(None)
    clock.advance(81.0)
    assert claimed(made) == "m0"


def test_a_later_message_of_a_subject_does_not_overtake_an_earlier_one(
    desk: Make, clock: ManualClock
) -> None:
    made = desk()
    put(made, "error", "error", subject="s")
    put(made, "error", subject="other")
    first = claim(made)
    assert isinstance(first, Claim)
    made.plain.journal.group.commit(outbox.try_again(first.message, "no", clock.now() + 60))
    assert claimed(made) == "m2"  # not m1
    made.plain.journal.group.commit(outbox.sent(made.messages()[2], clock.now()))
    assert claim(made) == Waiting(clock.now() + 60)
    clock.advance(60.0)
    assert claimed(made) == "m0"


# -- rates ----------------------------------------------------------------------------------------


def arrivals(desk: Desk, hooks: Hooks) -> list[str]:
    """What arrives now."""
    before = len(hooks.got)
    desk.send()
    return hooks.titles()[before:]


def test_what_a_rate_holds_back_goes_out_as_one_message(
    desk: Make, hooks: Hooks, clock: ManualClock
) -> None:
    made = desk(sinks={"ops": {"url": hooks.url(), "rate": "2/h"}})
    put(made, *["error"] * 7)
    assert arrivals(made, hooks) == ["m0", "m1"]
    held = made.messages("held")
    assert [one.title for one in held] == ["m2", "m3", "m4", "m5", "m6"]
    assert {one.why for one in held} == {"its rate is 2/h"}
    clock.advance(29 * 60)
    assert arrivals(made, hooks) == []
    clock.advance(60)
    [title] = arrivals(made, hooks)
    assert title.startswith("5 more alerts held back (its rate is 2/h)")
    assert all(f"- m{n}" in hooks.bodies()[-1] for n in range(2, 7))
    assert {one.state for one in made.messages()} == {"sent", "merged"}
    [message] = [one for one in made.messages() if one.phase == "merged"]
    assert {one.merged_into for one in made.messages("merged")} == {message.pk}


def test_one_message_that_a_rate_held_back_goes_out_as_it_is(
    desk: Make, hooks: Hooks, clock: ManualClock
) -> None:
    made = desk(sinks={"ops": {"url": hooks.url(), "rate": "1/m"}})
    put(made, "error", "error")
    assert arrivals(made, hooks) == ["m0"]
    clock.advance(60)
    assert arrivals(made, hooks) == ["m1"]


def test_a_rate_lets_through_what_fits_however_long_it_goes_on(
    desk: Make, hooks: Hooks, clock: ManualClock
) -> None:
    made = desk(sinks={"ops": {"url": hooks.url(), "rate": "3/h"}})
    for _ in range(60):
        put(made)
        made.send()
        clock.advance(60)
    assert 5 <= len(hooks.got) <= 6  # three at once, and three an hour
    clock.advance(3_600)
    made.send()
    told = sum(int(title.split()[0]) if "more alerts" in title else 1 for title in hooks.titles())
    assert told == 60


def test_an_attempt_that_fails_uses_up_no_more_of_the_rate(
    desk: Make, hooks: Hooks, clock: ManualClock
) -> None:
    made = desk(sinks={"ops": {"url": hooks.url(), "rate": "1/d"}})
    hooks.answers = [500, 500]
    put(made)
    for _ in range(3):
        made.send(impatient=True)
    assert [one.state for one in made.messages()] == ["sent"]
    assert len(hooks.got) == 3


# -- quiet hours ----------------------------------------------------------------------------------


def berlin(text: str) -> float:
    from zoneinfo import ZoneInfo

    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


def test_quiet_hours_hold_back_all_but_what_is_critical(desk: Make, hooks: Hooks) -> None:
    clock = ManualClock(berlin("2026-11-22T21:59:00"))
    sink = {"url": hooks.url(), "quiet": "22:00-07:00", "timezone": "Europe/Berlin"}
    made = desk(sinks={"ops": sink}, clock=clock)
    put(made)
    assert arrivals(made, hooks) == ["m0"]
    clock.advance(120)
    put(made, "error", "critical", "warning")
    assert arrivals(made, hooks) == ["m2"]
    assert {one.why for one in made.messages("held")} == {"quiet hours 22:00-07:00 Europe/Berlin"}
    clock.advance(berlin("2026-11-23T06:59:59") - clock.now())
    put(made)
    assert arrivals(made, hooks) == []
    clock.advance(1)
    [title] = arrivals(made, hooks)
    assert title.startswith("3 more alerts held back (quiet hours 22:00-07:00 Europe/Berlin)")
    assert all(f"- {name}" in hooks.bodies()[-1] for name in ("m1", "m3", "m4"))


def test_what_goes_through_quiet_hours_can_be_chosen(desk: Make, hooks: Hooks) -> None:
    clock = ManualClock(berlin("2026-11-22T23:00:00"))
    sink = {
        "url": hooks.url(),
        "quiet": "22:00-07:00",
        "timezone": "Europe/Berlin",
        "quiet_except": ["error", "critical"],
    }
    made = desk(sinks={"ops": sink}, clock=clock)
    put(made, "error", "warning")
    assert arrivals(made, hooks) == ["m0"]


@pytest.mark.parametrize(
    ("hours", "at", "until"),
    [
        ("22:00-07:00", "2026-11-22T22:00:00", "2026-11-23T07:00:00"),
        ("22:00-07:00", "2026-11-23T06:59:59", "2026-11-23T07:00:00"),
        ("22:00-07:00", "2026-11-23T07:00:00", None),
        ("22:00-07:00", "2026-11-22T21:59:59", None),
        ("12:30-13:15", "2026-11-22T12:30:00", "2026-11-22T13:15:00"),
        ("12:30-13:15", "2026-11-22T13:15:00", None),
        # the night in which the clocks go back is an hour longer, by the clock on the wall it is not
        ("22:00-07:00", "2026-10-24T23:00:00", "2026-10-25T07:00:00"),
        ("22:00-07:00", "2026-03-28T23:00:00", "2026-03-29T07:00:00"),
    ],
)
def test_quiet_hours_follow_the_clock_on_the_wall(hours: str, at: str, until: str | None) -> None:
    found = parse_quiet(hours, "Europe/Berlin").until(berlin(at))
    assert found == (berlin(until) if until is not None else None)


def test_quiet_hours_without_a_zone_are_this_machines(desk: Make) -> None:
    noon = datetime(2026, 11, 22, 12, 0).timestamp()
    quiet = parse_quiet("11:00-13:00")
    assert quiet.until(noon) == datetime(2026, 11, 22, 13, 0).timestamp()
    assert str(quiet) == "11:00-13:00"


def test_a_message_in_the_place_of_many_names_some_and_counts_the_rest(
    desk: Make, hooks: Hooks, clock: ManualClock
) -> None:
    made = desk(sinks={"ops": {"url": hooks.url(), "rate": "1/h"}})
    put(made, *["error"] * 60, "critical")
    made.send()
    clock.advance(3_600)
    [title] = arrivals(made, hooks)
    assert title.startswith("60 more alerts held back")
    assert "- m40\n" in hooks.bodies()[-1] and "- and 20 more" in hooks.bodies()[-1]
    [message] = [one for one in made.messages() if one.phase == "merged"]
    assert message.severity == "critical"
