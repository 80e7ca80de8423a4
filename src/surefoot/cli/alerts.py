"""``surefoot alerts``: who was told of what, what waits, and what could not be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .app import Group
from .options import command_options, examples, json_option
from .out import counted, plain, render, table, took, write, write_json

if TYPE_CHECKING:
    import threading

    from ..journal.alerts import MessageRecord, SinkRecord, SubjectRecord
    from ..observe.alerts.options import AlertOptions, SinkOptions
    from ..observe.alerts.teller import Teller
    from ..runtime import Runtime

__all__ = ["alerts"]

STATES = ("pending", "held", "sending", "sent", "failed", "merged")
FLUSH_SECONDS = 300.0
"""How long a flush waits for its sinks at most; each has its own, shorter limit."""


@click.group(
    cls=Group,
    epilog=examples(
        "surefoot alerts test              does each sink take a message?",
        "surefoot alerts list              what was sent, what waits and why, what failed",
        "surefoot alerts flush             look at the journal, and send all that is due now",
    ),
)
def alerts() -> None:
    """Who is told of failures: list, test, flush, retry, rules."""


def _options(runtime: Runtime) -> AlertOptions:
    """The settings.

    :raises ConfigError: there is a mistake in them. :raises UsageError: there is no sink.
    """
    from ..errors import UsageError

    options = runtime.alert_options()
    if not options.sinks:
        raise UsageError(
            "no sink is configured; write into surefoot.toml:  [alerts.sinks.team]  "
            'url = "${TEAM_ALERTS_URL}"  (an Apprise URL: slack://…, mailto://…, json://…)'
        )
    return options


def _sink(options: AlertOptions, name: str) -> SinkOptions:
    import difflib

    from ..errors import UsageError

    if name in options.sinks:
        return options.sinks[name]
    near = difflib.get_close_matches(name, list(options.sinks), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(options.sinks)}"
    raise UsageError(f"there is no sink {name!r}; {hint}")


# -- list -----------------------------------------------------------------------------------------


@alerts.command(
    "list",
    epilog=examples(
        "surefoot alerts list",
        "surefoot alerts list --state failed --sink team",
        "surefoot alerts list --limit 500 --json",
    ),
)
@click.option("--state", type=click.Choice(STATES), help="Only messages in this state.")
@click.option("--sink", metavar="SINK", help="Only messages to this sink.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many."
)
@command_options
def list_(
    state: str | None, sink: str | None, limit: int, journal: str | None, as_json: bool
) -> int:
    """List messages, the newest first; and what is held back by fingerprint until its digest."""
    from ..journal.alerts import messages, sinks, subjects
    from ..runtime import Runtime

    with Runtime(journal, create=False) as runtime:
        store, now = runtime.journal.store, runtime.clock.now()
        states = (state,) if state is not None else ()
        found = messages(store, states=states, sink=sink, limit=limit)
        known = [one for one in sinks(store) if sink in (None, one.sink)]
        back = [one for one in subjects(store) if one.held and sink in (None, one.sink)]
        if as_json:
            write_json(
                {
                    "messages": [_told(runtime, one) for one in found],
                    "sinks": [{"sink": s.sink, **_tally(s)} for s in known],
                    "held_back": [_held(one) for one in back],
                }
            )
        elif not found and not back:
            what = "" if state is None else f"{state} "
            write(f"there are no {what}alerts in {store.location}")
        else:
            _show(runtime, found, known, back, now)
    return 0


def _told(runtime: Runtime, one: MessageRecord) -> dict[str, Any]:
    from ..workflow.run import stamp

    return {
        "id": one.pk,
        "sink": one.sink,
        "state": one.state,
        "phase": one.phase,
        "rule": one.rule or None,
        "subject": one.subject,
        "severity": one.severity,
        "title": runtime.scrub_text(one.title),
        "body": runtime.scrub_text(one.body),
        "why": runtime.scrub_text(one.why) if one.why else None,
        "attempts": one.attempts,
        "perhaps_told_before": bool(one.perhaps),
        "created_at": stamp(one.created_at),
        "next_try_at": stamp(one.not_before) if one.state in ("pending", "held") else None,
        "sent_at": stamp(one.sent_at),
        "merged_into": one.merged_into,
    }


def _tally(one: SinkRecord) -> dict[str, int]:
    return {"sent": one.sent, "failed_attempts": one.failures}


def _held(one: SubjectRecord) -> dict[str, Any]:
    from ..workflow.run import stamp

    return {
        "subject": one.subject,
        "sink": one.sink,
        "rule": one.rule,
        "held": one.held,
        "since": stamp(one.told_at),
    }


def _show(
    runtime: Runtime,
    found: list[MessageRecord],
    known: list[SinkRecord],
    back: list[SubjectRecord],
    now: float,
) -> None:
    rows = [
        (
            one.pk,
            one.sink,
            one.state,
            one.phase,
            took(max(0.0, now - one.created_at)),
            _next_try(one, now),
            plain(runtime.scrub_text(f"{one.title} ({one.why})" if one.why else one.title)),
        )
        for one in found
    ]
    if rows:
        write(render(table(("ID", "SINK", "IS", "PHASE", "AGE", "NEXT TRY", "SAYS"), rows)))
    for subject in back:
        write(
            f"{subject.sink}: {counted(subject.held, 'more alert')} of {subject.subject} held back "
            "until its digest"
        )
    for sink in known:
        failed = f", {counted(sink.failures, 'attempt')} failed" if sink.failures else ""
        write(f"{sink.sink}: {counted(sink.sent, 'message')} sent{failed}")
    if any(one.state == "failed" for one in found):
        write("send those that failed again with: surefoot alerts retry")


def _next_try(one: MessageRecord, now: float) -> str:
    if one.state not in ("pending", "held"):
        return ""
    return f"in {took(one.not_before - now)}" if one.not_before > now else "now"


# -- test -----------------------------------------------------------------------------------------


@alerts.command(
    epilog=examples(
        "surefoot alerts test", "surefoot alerts test team", "surefoot alerts test --json"
    )
)
@click.argument("sink", metavar="[SINK]", required=False)
@json_option
def test(sink: str | None, as_json: bool) -> int:
    """Send a test message now, to SINK or to all, and say what became of it.

    Neither rates nor quiet hours hold it back, and no journal is needed. Ends with 1 if a sink did
    not take it.
    """
    from ..runtime import Runtime

    runtime = Runtime()
    options = _options(runtime)
    chosen = [_sink(options, sink)] if sink is not None else list(options.sinks.values())
    told = _tested(runtime, chosen)
    if as_json:
        write_json([{"sink": name, "arrived": why is None, "why": why} for name, why in told])
    else:
        for name, why in told:
            write(f"{name}: {'it took the message' if why is None else f'FAILED: {plain(why)}'}")
    return 0 if all(why is None for _, why in told) else 1


def _tested(runtime: Runtime, chosen: list[SinkOptions]) -> list[tuple[str, str | None]]:
    """What each sink says; all of them are asked at once."""
    import threading

    from ..observe.alerts.sending import Courier, Delivery

    clock, ended = runtime.clock, threading.Event()
    deliveries = []
    for sink in chosen:
        delivery = Delivery(sink, _message(sink.name, clock.now()))
        courier = Courier(sink.name, runtime.scrub_text, ended.set)
        courier.start()
        courier.give(delivery)
        courier.give(None)
        deliveries.append(delivery)
    began = clock.monotonic()
    told = []
    for delivery in deliveries:
        while not delivery.ended and clock.monotonic() - began < delivery.sink.timeout:
            ended.wait(0.1)
            ended.clear()
        late = f"no answer within {delivery.sink.timeout:g} s"
        told.append((delivery.sink.name, delivery.why if delivery.ended else late))
    return told


def _message(sink: str, now: float) -> MessageRecord:
    from ..journal.alerts import MessageRecord
    from ..journal.leases import Owner

    title = f"Surefoot can reach you here: a test of the sink {sink}"
    body = (
        f"Somebody called `surefoot alerts test` on `{Owner.this().name}`.\n\n"
        "- next: `nothing to do`"
    )
    return MessageRecord(
        pk=0,
        sink=sink,
        subject="test",
        phase="test",
        rule="",
        severity="info",
        title=title,
        body=body,
        state="sending",
        not_before=now,
        attempts=1,
        perhaps=0,
        why=None,
        owner=None,
        holder=None,
        created_at=now,
        sent_at=None,
        merged_into=None,
    )


# -- flush and retry ------------------------------------------------------------------------------


@alerts.command(epilog=examples("surefoot alerts flush", "surefoot alerts flush --json"))
@command_options
def flush(journal: str | None, as_json: bool) -> int:
    """Look at the journal and send all that is due now; what failed before is tried once more.

    Rates and quiet hours hold. Ends with 1 if something could not be sent.
    """
    from ..runtime import Runtime

    with Runtime(journal, create=False) as runtime:
        _options(runtime)
        return _flushed(runtime, as_json)


@alerts.command(
    epilog=examples(
        "surefoot alerts retry", "surefoot alerts retry 17 18", "surefoot alerts retry --sink team"
    )
)
@click.argument("ids", metavar="[ID]...", nargs=-1, type=int)
@click.option("--sink", metavar="SINK", help="Only messages to this sink.")
@command_options
def retry(ids: tuple[int, ...], sink: str | None, journal: str | None, as_json: bool) -> int:
    """Send messages that were given up again: those of these IDs, or all.

    Ends with 1 if something could not be sent.
    """
    from ..errors import UsageError
    from ..journal.alert_sending import retry_failed
    from ..journal.alerts import messages
    from ..runtime import Runtime

    with Runtime(journal, create=False) as runtime:
        options = _options(runtime)
        if sink is not None:
            _sink(options, sink)
        failed = {one.pk for one in messages(runtime.journal.store, states=("failed",))}
        wrong = [one for one in ids if one not in failed]
        if wrong:
            raise UsageError(
                f"alert {wrong[0]} is not among those that failed; see: surefoot alerts list "
                "--state failed"
            )
        runtime.journal.group.commit(retry_failed(runtime.clock.now(), ids, sink))
        return _flushed(runtime, as_json)


def _flushed(runtime: Runtime, as_json: bool) -> int:
    """Evaluate, send, and tell; gives the exit code."""
    import threading

    from ..journal.alerts import messages
    from ..observe.alerts.teller import Teller

    alerting = runtime.alerting
    assert alerting is not None  # a sink is configured
    ended = threading.Event()
    teller = Teller(alerting.setting, ended.set)
    try:
        before = {one.pk: one.attempts for one in messages(runtime.journal.store)}
        _evaluated(teller, ended)
    finally:
        teller.close()
    found = messages(runtime.journal.store)
    sent = [one for one in found if one.state == "sent" and one.attempts > before.get(one.pk, 0)]
    # only those that were tried: what an hour or a rate holds back is no failure
    tried = [one for one in found if one.attempts > before.get(one.pk, 0)]
    bad = [one for one in tried if one.state in ("pending", "failed", "sending")]
    waiting = [one for one in found if one.state in ("held", "pending") and one not in bad]
    if as_json:
        write_json(
            {
                "sent": [_told(runtime, one) for one in sent],
                "not_sent": [_told(runtime, one) for one in bad],
                "waiting": len(waiting),
            }
        )
        return 1 if bad else 0
    write(f"{counted(len(sent), 'alert')} sent")
    for one in bad:
        write(f"not sent to {one.sink}: {plain(runtime.scrub_text(one.why or one.title))}")
    if waiting:
        write(f"{counted(len(waiting), 'alert')} held back; see: surefoot alerts list")
    return 1 if bad else 0


def _evaluated(teller: Teller, ended: threading.Event) -> None:
    from ..observe.alerts.teller import post

    teller.evaluate()
    post(teller, ended, impatient=True, seconds=FLUSH_SECONDS)


# -- rules ----------------------------------------------------------------------------------------


@alerts.command(epilog=examples("surefoot alerts rules", "surefoot alerts rules --json"))
@json_option
def rules(as_json: bool) -> int:
    """Show the sinks and the rules: what is told, under which conditions, and to whom."""
    from ..observe.alerts.options import EVENTS
    from ..runtime import Runtime

    options = _options(Runtime())
    if as_json:
        write_json(
            {
                "sinks": [_sink_told(one) for one in options.sinks.values()],
                "rules": [
                    {
                        "name": rule.name,
                        "on": list(rule.on),
                        **_conditions(rule),
                        "sinks": list(rule.sinks),
                        "digest": rule.digest,
                    }
                    for rule in options.rules
                ],
            }
        )
        return 0
    sinks = [
        (
            one.name,
            *(str(value or "") for value in (one.rate and one.rate.text, one.quiet)),
            _ready(one),
        )
        for one in options.sinks.values()
    ]
    write(render(table(("SINK", "RATE", "QUIET", ""), sinks)))
    rows = [
        (
            rule.name,
            ", ".join(rule.on),
            "; ".join(f"{key}: {_listed(value)}" for key, value in _conditions(rule).items()),
            took(rule.digest),
            ", ".join(rule.sinks),
        )
        for rule in options.rules
    ]
    write("")
    write(render(table(("RULE", "TELLS OF", "WHERE", "DIGEST", "SINKS"), rows)))
    unused = [name for name in options.sinks if not options.reaching(name)]
    for name in unused:
        write(f"no rule reaches the sink {name}")
    told = {event for rule in options.rules for event in rule.on}
    for event in EVENTS:
        if event not in told:
            write(f"nobody is told of {event}: {EVENTS[event]}")
    return 0


def _listed(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _ready(sink: SinkOptions) -> str:
    """What is wrong with it, as far as this can be told without sending."""
    from ..observe.alerts.options import UrlMissing

    try:
        sink.address()
    except UrlMissing as exc:
        return str(exc)
    return ""


def _sink_told(one: SinkOptions) -> dict[str, Any]:
    return {
        "name": one.name,
        "rate": one.rate.text if one.rate is not None else None,
        "quiet": str(one.quiet) if one.quiet is not None else None,
        "quiet_except": list(one.quiet.but) if one.quiet is not None else [],
        "timeout": one.timeout,
        "max_attempts": one.max_attempts,
        "problem": _ready(one) or None,
    }


def _conditions(rule: Any) -> dict[str, Any]:
    names = ("kind", "category", "stage", "workflow", "step")
    found: dict[str, Any] = {
        name: list(getattr(rule, name)) for name in names if getattr(rule, name)
    }
    if rule.severity is not None:
        found["severity"] = rule.severity
    if rule.dead_letters_over:
        found["dead_letters_over"] = rule.dead_letters_over
    if rule.after > 1:
        found["after"] = rule.after
    return found
