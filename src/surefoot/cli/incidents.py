"""``surefoot incidents``: failures alike are listed and shown, and people say what they do about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from .app import Group
from .options import command_options, examples, seconds_given
from .out import write, write_json

if TYPE_CHECKING:
    from ..journal.incident_reading import Incident
    from ..runtime import Runtime
    from ..store.base import Op

__all__ = ["incidents"]


class _ListByDefault(Group):
    """Without a command it lists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_ListByDefault,
    epilog=examples(
        "surefoot incidents",
        "surefoot incidents show 3",
        "surefoot incidents ack 3 --owner ada --note 'the provider knows'",
        "surefoot incidents mute 3 --for 2d",
        "surefoot incidents resolve 3 --note 'the prompt is cut now'",
    ),
)
def incidents() -> None:
    """Failures alike, from the first one to its recovery. Without a command: list.

    ID is a number of the list, a fingerprint, or at least 8 characters of one.
    """


@incidents.command(
    "list",
    epilog=examples(
        "surefoot incidents list",
        "surefoot incidents list --state all --since 24h",
        "surefoot incidents list --kind rate_limited --workflow triage --json",
    ),
)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(["open", "acknowledged", "muted", "resolved", "all"]),
    help="Only these; may be repeated.  [default: all but resolved]",
)
@click.option("--kind", metavar="KIND", help="Only failures of this kind.")
@click.option(
    "--category", metavar="C", help="Only data, model, infrastructure, orchestration, code."
)
@click.option("--step", metavar="NAME", help="Only failures of this step.")
@click.option("--workflow", metavar="NAME", help="Only those that this workflow had.")
@click.option("--run", "run_id", metavar="RUN", help="Only those that this run had.")
@click.option("--since", metavar="AGE", help="Seen since: 90s, 15m, 24h, 3d, 1w ago.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The first N."
)
@command_options
def list_(
    states: tuple[str, ...],
    kind: str | None,
    category: str | None,
    step: str | None,
    workflow: str | None,
    run_id: str | None,
    since: str | None,
    limit: int,
    journal: str | None,
    as_json: bool,
) -> int:
    """List incidents, the most urgent first.

    First what halted runs that are still halted, then what set items aside, then what recovers by
    itself; muted ones after these, resolved ones last.
    """
    from ..journal.incident_reading import STATES
    from ..journal.incident_reading import incidents as read
    from ..runtime import Runtime
    from .incident_telling import document, listing, none_found

    age = seconds_given(since, "--since")
    wanted = STATES if "all" in states else states or STATES[:-1]
    with Runtime(journal, create=False) as runtime:
        found, now = runtime.journal, runtime.clock.now()
        told = read(
            found.store,
            states=wanted,
            kind=kind,
            category=category,
            step=step,
            workflow=workflow,
            run_pk=found.run(run_id).pk if run_id is not None else None,
            since=now - age if age is not None else None,
            limit=limit + 1,
            now=now,
        )
        more, told = len(told) > limit, told[:limit]
        if as_json:
            write_json([document(one) for one in told])
            return 0
        if not told:
            filtered = any((kind, category, step, workflow, run_id, since))
            write(none_found(found.store, wanted, filtered, now))
            return 0
    write(listing(told, now))
    if more:
        write(f"there are more; show them with --limit {limit * 10}")
    return 0


ID = click.argument("name", metavar="ID")


@incidents.command(
    epilog=examples("surefoot incidents show 3", "surefoot incidents show v2-5f2a71 --json")
)
@ID
@command_options
def show(name: str, journal: str | None, as_json: bool) -> int:
    """Show one incident: what it touched, how that ended, its latest runs, its history."""
    from ..journal.incident_reading import find_incident
    from ..runtime import Runtime
    from .incident_telling import document, telling

    with Runtime(journal, create=False) as runtime:
        now = runtime.clock.now()
        one = find_incident(runtime.journal.store, name, now)
        if as_json:
            write_json(document(one, whole=True))
            return 0
        kind = runtime.catalog_at_failure.kinds.get(one.kind)
    write(telling(one, kind.action if kind is not None else None, journal, now))
    return 0


# -- orders ---------------------------------------------------------------------------------------

BY = click.option("--by", metavar="NAME", help="Who you are.  [default: your login]")
NOTE = click.option("--note", metavar="TEXT", help="What others should know.")

MOST_CHARACTERS = 10_000


def _order(
    name: str,
    by: str | None,
    journal: str | None,
    as_json: bool,
    order: Callable[[Runtime, Incident, str, float], Op],
    said: Callable[[Incident, float], str],
) -> int:
    """Find the incident, write the order, tell how it stands then."""
    from ..journal.incident_reading import find_incident
    from ..runtime import Runtime
    from .incident_telling import document

    with Runtime(journal, create=False) as runtime:
        now = runtime.clock.now()
        store = runtime.journal.store
        one = find_incident(store, name, now)
        runtime.journal.group.commit(order(runtime, one, _author(runtime, by), now))
        one = find_incident(store, str(one.merged_into or one.number), now)
        # of a merge the one that is left is told
        one = find_incident(store, str(one.merged_into or one.number), now)
    if as_json:
        write_json(document(one, whole=True))
    else:
        write(said(one, now))
    return 0


def _author(runtime: Runtime, by: str | None) -> str:
    """:raises UsageError: nobody is named, and the system does not know who this is."""
    from ..errors import UsageError

    if by is None:
        import getpass

        try:
            by = getpass.getuser()
        except Exception as exc:  # a container without a user of that number
            raise UsageError("the system does not know who you are; say it with --by NAME") from exc
    return _text(runtime, by, "--by")


def _text(runtime: Runtime, text: str, what: str) -> str:
    """What a person wrote, as it is kept.

    :raises UsageError: there is nothing in it, or too much.
    """
    from ..errors import UsageError

    text = text.strip()
    if not text or len(text) > MOST_CHARACTERS:
        raise UsageError(f"{what}: give 1 to {MOST_CHARACTERS:,} characters")
    return runtime.scrub_text(text)


def _note(runtime: Runtime, note: str | None) -> str | None:
    return None if note is None else _text(runtime, note, "--note")


@incidents.command(
    epilog=examples(
        "surefoot incidents ack 3", "surefoot incidents ack 3 --owner ada --note 'on it' --json"
    )
)
@ID
@click.option("--owner", metavar="NAME", help="Who looks after it from now on.")
@NOTE
@BY
@command_options
def ack(
    name: str,
    owner: str | None,
    note: str | None,
    by: str | None,
    journal: str | None,
    as_json: bool,
) -> int:
    """Acknowledge ID: someone has seen it and is at it. It stays so until it is resolved."""

    def order(runtime: Runtime, one: Incident, author: str, now: float) -> Op:
        from ..journal.incident_orders import acknowledge

        named = None if owner is None else _text(runtime, owner, "--owner")
        return acknowledge(one.number, author, now, named, _note(runtime, note))

    def said(one: Incident, now: float) -> str:
        return f"incident {one.number} is acknowledged" + (
            f"; {one.owner} has it" if one.owner else ""
        )

    return _order(name, by, journal, as_json, order, said)


@incidents.command(
    epilog=examples(
        "surefoot incidents mute 3 --for 2d --note 'the provider mends it on Monday'",
        "surefoot incidents mute 3 --json",
    )
)
@ID
@click.option("--for", "age", metavar="AGE", help="90s, 15m, 2h, 3d, 1w.  [default: until unmute]")
@NOTE
@BY
@command_options
def mute(
    name: str, age: str | None, note: str | None, by: str | None, journal: str | None, as_json: bool
) -> int:
    """Mute ID: nobody is alerted. After its time it is open again with its next failure."""
    seconds = seconds_given(age, "--for")

    def order(runtime: Runtime, one: Incident, author: str, now: float) -> Op:
        from ..journal.incident_orders import mute as muted

        until = None if seconds is None else now + seconds
        return muted(one.number, author, now, until, _note(runtime, note))

    def said(one: Incident, now: float) -> str:
        from .incident_telling import muted_words

        return f"incident {one.number} is {muted_words(one, now)}"

    return _order(name, by, journal, as_json, order, said)


@incidents.command(
    epilog=examples("surefoot incidents unmute 3", "surefoot incidents unmute 3 --json")
)
@ID
@BY
@command_options
def unmute(name: str, by: str | None, journal: str | None, as_json: bool) -> int:
    """Unmute ID: it is open again, or resolved if all that it touched has recovered."""

    def order(runtime: Runtime, one: Incident, author: str, now: float) -> Op:
        from ..journal.incident_orders import unmute as unmuted

        return unmuted(one.number, author, now)

    def said(one: Incident, now: float) -> str:
        why = ": all that it touched has recovered" if one.state == "resolved" else ""
        return f"incident {one.number} is {one.state}{why}"

    return _order(name, by, journal, as_json, order, said)


@incidents.command(
    epilog=examples(
        "surefoot incidents resolve 3 --note 'the prompt is cut now'",
        "surefoot incidents resolve 3 --json",
    )
)
@ID
@NOTE
@BY
@command_options
def resolve(name: str, note: str | None, by: str | None, journal: str | None, as_json: bool) -> int:
    """Resolve ID: you say that it is over. If it fails again, that is a regression."""

    def order(runtime: Runtime, one: Incident, author: str, now: float) -> Op:
        from ..journal.incident_orders import resolve as resolved

        return resolved(one.number, author, now, _note(runtime, note))

    def said(one: Incident, now: float) -> str:
        from .incident_telling import still_waiting

        return f"incident {one.number} is resolved{still_waiting(one, journal)}"

    return _order(name, by, journal, as_json, order, said)


@incidents.command(
    epilog=examples(
        "surefoot incidents note 3 'began with the new model'",
        "surefoot incidents note 3 'ticket 8812' --by ada --json",
    )
)
@ID
@click.argument("text", metavar="TEXT")
@BY
@command_options
def note(name: str, text: str, by: str | None, journal: str | None, as_json: bool) -> int:
    """Add TEXT to the history of ID. Secrets in it are left out."""

    def order(runtime: Runtime, one: Incident, author: str, now: float) -> Op:
        from ..journal.incident_orders import add_note

        return add_note(one.number, author, now, _text(runtime, text, "TEXT"))

    return _order(
        name, by, journal, as_json, order, lambda one, now: f"incident {one.number}: noted"
    )


@incidents.command(
    epilog=examples("surefoot incidents assign 3 ada", "surefoot incidents assign 3 ada --json")
)
@ID
@click.argument("owner", metavar="NAME")
@BY
@command_options
def assign(name: str, owner: str, by: str | None, journal: str | None, as_json: bool) -> int:
    """Have NAME look after ID."""

    def order(runtime: Runtime, one: Incident, author: str, now: float) -> Op:
        from ..journal.incident_orders import assign as assigned

        return assigned(one.number, author, now, _text(runtime, owner, "NAME"))

    return _order(
        name,
        by,
        journal,
        as_json,
        order,
        lambda one, now: f"incident {one.number}: {one.owner} has it",
    )


@incidents.command(
    epilog=examples("surefoot incidents merge 4 3", "surefoot incidents merge 4 3 --json")
)
@ID
@click.argument("into", metavar="INTO")
@BY
@command_options
def merge(name: str, into: str, by: str | None, journal: str | None, as_json: bool) -> int:
    """Merge ID into INTO: from now on INTO stands for the failures of both. It cannot be undone."""

    def order(runtime: Runtime, one: Incident, author: str, now: float) -> Op:
        from ..journal.incident_orders import merge as merged
        from ..journal.incident_reading import find_incident

        other = find_incident(runtime.journal.store, into, now)
        return merged(one.number, other.number, author, now)

    def said(one: Incident, now: float) -> str:
        numbers = ", ".join(str(number) for number, _ in one.merged)
        return f"incident {one.number} stands for {numbers} too: {one.failures:,} failures in all"

    return _order(name, by, journal, as_json, order, said)
