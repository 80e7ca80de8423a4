"""``surefoot dead-letters``: what was set aside is listed, shown, replayed and discarded."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from .app import Group
from .options import command_options, examples, seconds_given
from .out import counted, plain, render, table, took, when, write, write_json

if TYPE_CHECKING:
    from ..deadletter import Replay
    from ..journal.letters import LetterRecord
    from ..runtime import Runtime

__all__ = ["dead_letters"]

F = Callable[..., Any]


@click.group(
    "dead-letters",
    cls=Group,
    epilog=examples(
        "surefoot dead-letters list",
        "surefoot dead-letters replay 17 --set ticket.text='Where is my order?'",
        "surefoot dead-letters replay --fingerprint v2-acf36598eb36ab0f --rate 5",
    ),
)
def dead_letters() -> None:
    """Items that were set aside: list, show, replay, discard."""


def _filters(fn: F) -> F:
    for option in (
        click.option("--run", "run_id", metavar="RUN", help="Only letters of this run."),
        click.option("--step", metavar="NAME", help="Only letters of this step."),
        click.option("--kind", metavar="KIND", help="Only failures of this kind."),
        click.option(
            "--fingerprint", metavar="F", help="Only failures of this fingerprint: those alike."
        ),
    ):
        fn = option(fn)
    return fn


# -- list and show --------------------------------------------------------------------------------


@dead_letters.command(
    "list",
    epilog=examples(
        "surefoot dead-letters list",
        "surefoot dead-letters list --kind content_filtered --older-than 2h",
        "surefoot dead-letters list --run 2026-11-22 --state all --json",
    ),
)
@_filters
@click.option(
    "--state",
    type=click.Choice(["open", "replayed", "discarded", "reopened", "all"]),
    default="open",
    show_default=True,
    help="What became of them.",
)
@click.option("--older-than", metavar="AGE", help="Set aside before: 90s, 15m, 2h, 3d, 1w ago.")
@click.option("--newer-than", metavar="AGE", help="Set aside since then.")
@command_options
def list_(
    run_id: str | None,
    step: str | None,
    kind: str | None,
    fingerprint: str | None,
    state: str,
    older_than: str | None,
    newer_than: str | None,
    journal: str | None,
    as_json: bool,
) -> int:
    """List dead letters, the oldest first."""
    from ..journal.letters import letters
    from ..runtime import Runtime

    older = seconds_given(older_than, "--older-than")
    newer = seconds_given(newer_than, "--newer-than")
    with Runtime(journal, create=False) as runtime:
        now = runtime.clock.now()
        found = letters(
            runtime.journal.store,
            run_id=run_id,
            step=step,
            kind=kind,
            fingerprint=fingerprint,
            state=None if state == "all" else state,
            before=now - older if older is not None else None,
            after=now - newer if newer is not None else None,
            with_input=False,
        )
        if as_json:
            write_json([_told(one) for one in found])
        elif not found:
            what = "" if state == "all" else f"{state} "
            write(f"there are no {what}dead letters like that in {runtime.journal.store.location}")
        else:
            write(render(_table(found, now)))
    return 0


def _told(one: LetterRecord) -> dict[str, Any]:
    from ..runtime import scrub
    from ..workflow.run import stamp

    return {
        "id": one.pk,
        "run_id": one.run_id,
        "call": one.call_id,
        "workflow": one.workflow,
        "step": one.step,
        "item": one.item,
        "item_id": scrub(one.item_id),
        "kind": one.kind,
        "fingerprint": one.fingerprint,
        "reason": scrub(one.reason),
        "state": one.state,
        "created_at": stamp(one.created_at),
        "settled_at": stamp(one.settled_at),
        "note": scrub(one.note),
        "replays": one.replays,
    }


def _table(found: Sequence[LetterRecord], now: float) -> Any:
    from ..runtime import scrub
    from .story import cut

    rows = [
        (
            one.pk,
            one.run_id,
            _where(one),
            one.kind,
            one.state,
            took(max(0.0, now - one.created_at)),
            one.replays or "",
            cut(plain(scrub(one.note or one.reason)), 200),
        )
        for one in found
    ]
    return table(("ID", "RUN", "STEP", "AS", "IS", "AGE", "REPLAYS", "BECAUSE"), rows)


def _where(one: LetterRecord | Replay) -> str:
    return one.step if one.item is None else f"{one.step}[{one.item}]"


@dead_letters.command(
    epilog=examples(
        "surefoot dead-letters show 17",
        "surefoot dead-letters show 2026-11-22:0a1b2c3d4e5f60718293 --json",
    )
)
@click.argument("letter", metavar="ID")
@command_options
def show(letter: str, journal: str | None, as_json: bool) -> int:
    """Show one dead letter: its input, its failures, its replays. Secrets are left out.

    ID is a number of the list, or RUN:CALL.
    """
    from ..journal.letters import replays
    from ..runtime import Runtime, scrub
    from ..workflow.run import stamp

    with Runtime(journal, create=False) as runtime:
        one = _one(runtime, letter)
        failures = runtime.journal.failures(one.run_pk, one.call_id)
        told = {
            **_told(one),
            "input": scrub(_shown(one.input)),
            "input_note": one.input_note,
            "failures": [
                {
                    "attempt": row.attempt,
                    "at": stamp(row.at),
                    "kind": row.kind,
                    "decision": row.decision,
                    "type": row.type,
                    "message": row.message,
                }
                for row in failures
            ],
            "history": [
                {
                    "at": stamp(row.at),
                    "outcome": row.outcome,
                    "edited": bool(row.edited),
                    "input": scrub(_shown(row.input)),
                    "kind": row.kind,
                    "message": row.message,
                }
                for row in replays(runtime.journal.store, one.pk)
            ],
        }
    if as_json:
        write_json(told)
    else:
        write(_letter(told, journal))
    return 0


def _shown(data: bytes | None) -> Any:
    from ..deadletter import shown_input

    return shown_input(data) if data is not None else None


def _letter(told: dict[str, Any], journal: str | None) -> str:
    import json

    from rich.text import Text

    from .story import DONE, command, cut

    where = told["step"] if told["item"] is None else f"{told['step']}, item {told['item']}"
    rows: list[tuple[str, Any]] = [("run", told["run_id"]), ("step", where)]
    if told["item_id"]:
        rows.append(("item id", told["item_id"]))
    rows += [
        ("as", told["kind"]),
        ("because", told["reason"]),
        ("set aside", when(told["created_at"])),
        ("fingerprint", told["fingerprint"]),
    ]
    if told["settled_at"]:
        rows.append((told["state"], when(told["settled_at"])))
    if told["note"]:
        rows.append(("note", told["note"]))
    if told["input"] is not None:
        rows.append(("input", json.dumps(told["input"], indent=2, ensure_ascii=False)))
        if (told["input_note"] or "").startswith("batch:"):
            rows.append(("", f"a batch of {told['input_note'].removeprefix('batch:')} items"))
    else:
        rows.append(("input", f"not kept: {told['input_note']}"))
    if told["state"] == "open":
        rows.append(("next", command("dead-letters replay", str(told["id"]), journal)))
    head = Text(f"dead letter {told['id']}: ").append(told["state"], "yellow")
    parts: list[Any] = [head, table(("", ""), rows, indent=2)]
    if told["failures"]:
        failed = [
            (
                one["attempt"],
                one["kind"],
                DONE.get(one["decision"], one["decision"]),
                cut(f"{one['type'].removeprefix('builtins.')}: {one['message']}", 200),
            )
            for one in told["failures"][-10:]
        ]
        parts += [Text(), table(("TRY", "AS", "DONE", "SAID"), failed)]
    if told["history"]:
        again = [
            (
                when(one["at"]),
                one["outcome"],
                "edited" if one["edited"] else "",
                one["kind"] or "",
                cut(one["message"] or "", 200),
            )
            for one in told["history"]
        ]
        parts += [Text(), table(("REPLAYED", "", "", "AS", "SAID"), again)]
    return render(*parts)


def _one(runtime: Runtime, given: str) -> LetterRecord:
    """:raises UsageError: there is no such letter."""
    from ..errors import UsageError
    from ..journal.letters import letters

    store = runtime.journal.store
    if given.isdecimal():
        found = letters(store, pks=[int(given)])
    else:
        run_id, colon, call_id = given.rpartition(":")
        if not colon:
            raise UsageError(
                f"{given!r} is no dead letter; give its number in the list, or RUN:CALL"
            )
        found = letters(store, call=(run_id, call_id))
    if not found:
        raise UsageError(
            f"there is no dead letter {given!r} in {store.location}; see: surefoot dead-letters list"
        )
    return found[0]


# -- replay ---------------------------------------------------------------------------------------


@dead_letters.command(
    epilog=examples(
        "surefoot dead-letters replay 17 18",
        "surefoot dead-letters replay 17 --edit",
        "surefoot dead-letters replay 17 --set ticket.text='Where is my order?'",
        "surefoot dead-letters replay --fingerprint v2-acf36598eb36ab0f --rate 5",
        "surefoot dead-letters replay --all --step answer --json",
    )
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_filters
@click.option("--all", "every", is_flag=True, help="All open letters that the other options leave.")
@click.option("--edit", is_flag=True, help="Edit the input in $EDITOR first; one letter only.")
@click.option(
    "--set", "sets", multiple=True, metavar="FIELD=VALUE",
    help="Change a field of the input; dotted paths go into it: ticket.text=Hello, items.0=x.",
)  # fmt: skip
@click.option(
    "--no-canary", is_flag=True,
    help="Try all, even if the first one of a fingerprint fails again.",
)  # fmt: skip
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), metavar="N",
    help="At most N letters a second.",
)  # fmt: skip
@click.option(
    "--workflow", "target", metavar="TARGET",
    help="Where the workflow is now: pkg.module:name or path/to/file.py:name.  "
    "[default: where the run found it]",
)  # fmt: skip
@command_options
def replay(
    ids: tuple[str, ...],
    run_id: str | None,
    step: str | None,
    kind: str | None,
    fingerprint: str | None,
    every: bool,
    edit: bool,
    sets: tuple[str, ...],
    no_canary: bool,
    rate: float | None,
    target: str | None,
    journal: str | None,
    as_json: bool,
) -> int:
    """Try dead letters again, each in its run: a success takes its place there.

    Of the letters of one fingerprint the first one is tried first; if it fails again, the others are
    not tried. The run keeps its status; a resume makes its result with what was replayed. Ends with 0
    if all succeeded.
    """
    from ..errors import UsageError
    from ..runtime import Runtime
    from .running import program_output
    from .telling import logging_for_people

    if not ids and not (every or fingerprint):
        raise UsageError(
            "which letters? Name their numbers, --fingerprint F, or --all (with --step, --kind, --run)"
        )
    if ids and (every or any((fingerprint, run_id, step, kind))):
        raise UsageError("name letters by their numbers, or choose them by options, not both")
    with contextlib.ExitStack() as stack:
        # absolute: the workflow may stand in another folder
        runtime = stack.enter_context(Runtime(Runtime(journal).path, create=False))
        chosen = _chosen(runtime, ids, run_id=run_id, step=step, kind=kind, fingerprint=fingerprint)
        if edit and len(chosen) != 1:
            raise UsageError(
                f"--edit is for one letter, and these are {len(chosen)}; for several use --set"
            )
        stack.enter_context(program_output(as_json))
        stack.enter_context(logging_for_people(runtime))
        driver = _Driver(runtime, target, _changes(runtime, sets, edit), as_json)
        stack.callback(driver.close)
        told = driver.run(chosen, canary=not no_canary, rate=rate)
    if as_json:
        write_json({"replays": [_replayed(one) for one in told]})
    else:
        _tell_of_runs(told, driver.statuses, journal)
    if driver.refused is not None and all(one.outcome == "not_tried" for one in told):
        return driver.refused
    return 0 if all(one.outcome == "completed" for one in told) else 1


def _chosen(runtime: Runtime, ids: Sequence[str], **wanted: Any) -> list[LetterRecord]:
    from ..deadletter import replayable
    from ..errors import UsageError
    from ..journal.letters import letters
    from ..workflow.letters import in_order

    if ids:
        found = list({one.pk: one for one in (_one(runtime, given) for given in ids)}.values())
        for one in found:
            replayable(one)
    else:
        found = letters(runtime.journal.store, state="open", **wanted)
        found = [one for one in found if one.run_status not in ("rolling_back", "rolled_back")]
    if not found:
        raise UsageError(
            "there are no open dead letters like that; see: surefoot dead-letters list"
        )
    return in_order(found)


def _changes(runtime: Runtime, sets: tuple[str, ...], edit: bool) -> Any:
    """What gives the changed arguments of a letter, once its step is known."""
    if not sets and not edit:
        return None

    def changes(letter: LetterRecord, spec: Any) -> dict[str, Any]:
        from ..deadletter import edited
        from .editor import in_editor

        return edited(
            letter.input,
            spec,
            sets=sets,
            edit=in_editor if edit else None,
            scrubber=runtime.scrubber,
        )

    return changes


class _Driver:
    """Replays letters of any runs, one after another, and tells of each."""

    def __init__(self, runtime: Runtime, target: str | None, changes: Any, as_json: bool) -> None:
        self._runtime = runtime
        self._target = target
        self._changes = changes
        self._as_json = as_json
        self._run_id: str | None = None
        self._letters: Any = None
        self._place = contextlib.ExitStack()
        self._blocked: dict[str, str] = {}
        self.refused: int | None = None
        self.statuses: dict[str, str] = {}

    def run(
        self, chosen: Sequence[LetterRecord], *, canary: bool, rate: float | None
    ) -> list[Replay]:
        from ..attempts import drive
        from ..deadletter import Pause, plan

        several = len({one.run_id for one in chosen}) > 1

        def handle(what: Pause | LetterRecord) -> Replay | None:
            if isinstance(what, Pause):
                self._runtime.clock.sleep(what.seconds)
                return None
            reply = self._one(what, several)
            self._tell(reply)
            return reply

        told = drive(plan(chosen, canary=canary, rate=rate), handle)
        for one in told:
            if one.outcome == "not_tried" and one.run_id not in self._blocked:
                self._tell(one)
        self.close()
        for one in told:
            self.statuses[one.run_id] = self._runtime.journal.run(one.run_id).status
        return told

    def _one(self, letter: LetterRecord, several: bool) -> Replay:
        import asyncio

        from ..deadletter import Replay
        from ..errors import RunLocked, SurefootError, UsageError

        try:
            if letter.run_id in self._blocked:
                raise UsageError(self._blocked[letter.run_id])
            found = self._hold(letter)
            if found.workflow.is_async:
                answer: Replay = asyncio.run(found.replay_async(letter))
                return answer
            answer = found.replay(letter)
            return answer
        except (RunLocked, UsageError) as exc:
            if not several:
                raise
            # one run that cannot be had does not keep the others waiting
            assert isinstance(exc, SurefootError)
            self._blocked.setdefault(letter.run_id, str(exc))
            self.refused = self.refused or exc.exit_code
            return Replay(
                letter.pk, letter.run_id, letter.step, letter.item, "not_tried", message=str(exc)
            )

    def _hold(self, letter: LetterRecord) -> Any:
        from ..workflow.letters import Letters
        from .finding import workflow_of

        if self._run_id != letter.run_id:
            self.close()
            workflow = workflow_of(letter.target, letter.run_id, self._target, self._place)
            self._letters = Letters(self._runtime, workflow, self._changes)
            self._run_id = letter.run_id
        return self._letters

    def close(self) -> None:
        if self._letters is not None:
            self._letters.let_go()
        self._letters, self._run_id = None, None
        self._place.close()

    def _tell(self, one: Replay) -> None:
        if self._as_json:
            return
        said = f" as {one.kind}" if one.outcome == "failed" and one.kind else ""
        why = f": {plain(one.message)}" if one.message else ""
        outcome = one.outcome.replace("_", " ")
        write(f"letter {one.letter}, {_where(one)} of run {one.run_id}: {outcome}{said}{why}")


def _replayed(one: Replay) -> dict[str, Any]:
    return {
        "letter": one.letter,
        "run_id": one.run_id,
        "step": one.step,
        "item": one.item,
        "outcome": one.outcome,
        "kind": one.kind,
        "message": one.message,
    }


def _tell_of_runs(told: Sequence[Replay], statuses: dict[str, str], journal: str | None) -> None:
    from .story import command

    done = [one for one in told if one.outcome == "completed"]
    if len(told) > 1:
        write(f"{len(done):,} of {counted(len(told), 'letter')} replayed")
    for run_id in dict.fromkeys(one.run_id for one in done):
        status = statuses.get(run_id)
        if status in ("completed", "halted", "interrupted", "cancelled"):
            write(
                f"run {run_id} is {status}; take it up with: {command('resume', run_id, journal)}"
            )


# -- discard --------------------------------------------------------------------------------------


@dead_letters.command(
    epilog=examples(
        "surefoot dead-letters discard 17 --reason 'the customer has left'",
        "surefoot dead-letters discard 17 18 19 --reason 'a test' --json",
    )
)
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--reason", required=True, metavar="TEXT", help="Why it is given up.")
@command_options
def discard(ids: tuple[str, ...], reason: str, journal: str | None, as_json: bool) -> int:
    """Give dead letters up. They stay in the journal, with the reason."""
    from ..runtime import Runtime
    from ..workflow.letters import give_up

    with Runtime(journal, create=False) as runtime:
        found = [_one(runtime, given) for given in ids]
        for one in found:
            give_up(runtime, one, reason)
            if not as_json:
                write(f"letter {one.pk}, {_where(one)} of run {one.run_id}: discarded")
        if as_json:
            write_json({"discarded": [one.pk for one in found]})
    return 0
