"""``surefoot rollback``, ``resolve`` and ``cancel``: what a person orders about a run."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from .options import RunId, command_options, examples
from .out import complain, counted, render, table, write, write_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..runtime import Runtime
    from ..workflow.workflow import Workflow

__all__ = ["cancel", "resolve", "rollback"]

WORKFLOW = click.option(
    "--workflow",
    "target",
    metavar="TARGET",
    help="Where the workflow is now: pkg.module:name or path/to/file.py:name.  "
    "[default: where the run found it]",
)


# -- rollback -------------------------------------------------------------------------------------


@click.command(
    epilog=examples(
        "surefoot rollback 20261122-234501-1a2b3c",
        "surefoot rollback 2026-11-22 --workflow moved/shop.py:checkout --json",
    )
)
@RunId
@WORKFLOW
@command_options
def rollback(run_id: str, target: str | None, journal: str | None, as_json: bool) -> int:
    """Undo the effects of RUN that have a compensate, the last one first.

    An undo that fails becomes a dead letter, and the others go on. A rollback that was killed is
    finished by this command, or by recover. Ends with 0 if all is undone, with 1 if something could
    not be undone or is in doubt.
    """
    from .finding import workflow_of
    from .running import execute
    from .story import command, undone_rows

    with contextlib.ExitStack() as stack:

        def start(runtime: Runtime) -> tuple[Workflow[Any, Any], Callable[[], Any]]:
            record = runtime.journal.run(run_id)
            workflow = workflow_of(record.target, run_id, target, stack)
            return workflow, lambda: workflow.rollback(run_id)

        ended = execute(start, journal=journal, create=False, as_json=as_json)
    document = _clean(ended.run.document())
    bad = [one for one in document["undone"] if one["state"] in ("failed", "in_doubt")]
    if as_json:
        write_json(document)
    else:
        write(f"run {run_id} of {document['workflow']}: {document['status']}")
        rows = undone_rows(document)
        write(render(table(("EFFECT", "KEY", "IS", ""), rows)) if rows else "it had no effects")
        if bad:
            write(
                f"{counted(len(bad), 'effect')} could not be undone; see: "
                f"{command('dead-letters list --run', run_id, journal)}"
            )
    if ended.stopped is not None and document["status"] != "rolled_back":
        complain(
            f"stopped {ended.stopped}; run {run_id} is {document['status']}. Go on with: "
            f"{command('rollback', run_id, journal)}"
        )
        return ended.exit_code
    return 1 if bad or document["status"] != "rolled_back" else 0


def _clean(document: dict[str, Any]) -> dict[str, Any]:
    from .plain import scrubbed, untagged

    document["input"] = untagged(document["input"])
    document["holder"] = None
    return scrubbed(document)


# -- resolve --------------------------------------------------------------------------------------


@click.command(
    epilog=examples(
        "surefoot resolve 2026-11-22 pay --done --value '\"receipt 7\"'",
        "surefoot resolve 2026-11-22 pay:7 --not-done",
        "surefoot resolve 2026-11-22 pay.undo --done",
    )
)
@RunId
@click.argument("step", metavar="STEP")
@click.option("--done", "how", flag_value="done", help="It happened.")
@click.option("--not-done", "how", flag_value="not_done", help="It surely did not happen.")
@click.option(
    "--skip", "how", flag_value="skipped", help="Nobody can tell: go on without its result."
)
@click.option("--value", metavar="JSON", help="With --done: its result, as JSON or a text.")
@WORKFLOW
@command_options
def resolve(
    run_id: str,
    step: str,
    how: str | None,
    value: str | None,
    target: str | None,
    journal: str | None,
    as_json: bool,
) -> int:
    """Tell RUN whether an effect in doubt happened: you looked, and know.

    STEP is the effect's name, its key, or the id of its call; of an undo: its effect's name and
    ".undo". --done: the result counts as the effect's. --not-done: the next resume does it. --skip:
    the resume goes on without it, and its result is None; an item of a map is set aside.
    """
    from ..errors import UsageError
    from ..runtime import Runtime
    from ..workflow.resolving import read_value, resolve_doubt
    from .story import command

    if how is None:
        raise UsageError("say what you found out: --done, --not-done or --skip")
    if value is not None and how != "done":
        raise UsageError("--value is what the effect returned: it goes with --done")
    with contextlib.ExitStack() as stack:
        # absolute: the workflow may stand in another folder
        runtime = stack.enter_context(Runtime(Runtime(journal).path, create=False))
        record = runtime.journal.run(run_id)
        given: Any = how
        doubt = resolve_doubt(
            runtime,
            run_id,
            step,
            given,
            value=read_value(value),
            spec_of=_spec_finder(record, target, stack),
        )
        rolled = record.status in ("rolled_back", "rolling_back")
        status = record.status
    move = command("rollback" if rolled else "resume", run_id, journal)
    if as_json:
        write_json(
            {
                "run_id": run_id,
                "step": doubt.effect,
                "key": doubt.key,
                "call": doubt.call_id,
                "resolved": how,
                "status": status,
            }
        )
        return 0
    words = {"done": "it happened", "not_done": "it did not happen", "skipped": "skipped"}[how]
    write(f"{doubt.effect} with key {doubt.key!r} in run {run_id}: {words}")
    if rolled:
        write(f"undo the rest with: {move}")
    elif status != "completed":
        write(f"go on with: {move}")
    return 0


def _spec_finder(record: Any, target: str | None, stack: contextlib.ExitStack) -> Any:
    """Finds an effect's spec in the workflow's code."""

    def find(name: str) -> Any:
        from ..errors import UnknownStep
        from ..workflow.finding import specs_of
        from .finding import workflow_of

        workflow = workflow_of(record.target, record.run_id, target, stack)
        found = specs_of(workflow.__wrapped__).get(name)
        if found is None:
            raise UnknownStep(
                f"workflow {record.workflow} names no effect {name!r}, so nobody knows what it "
                "returns; name where it is now: --workflow pkg.module:name"
            )
        return found

    return find


# -- cancel ---------------------------------------------------------------------------------------


@click.command(epilog=examples("surefoot cancel 2026-11-22", "surefoot cancel 2026-11-22 --json"))
@RunId
@command_options
def cancel(run_id: str, journal: str | None, as_json: bool) -> int:
    """Cancel RUN: one that lives stops at its next step, any other is cancelled at once.

    What completed is kept; a resume goes on with it all the same.
    """
    from ..errors import UsageError
    from ..runtime import Runtime
    from .story import command

    with Runtime(journal, create=False) as runtime:
        answer = runtime.journal.cancel(run_id)
    if answer not in ("asked", "now", "cancelled"):
        more = (
            f"; finish that: {command('rollback', run_id, journal)}"
            if answer == "rolling_back"
            else ""
        )
        raise UsageError(f"run {run_id} is {answer}: there is nothing to cancel{more}")
    if as_json:
        write_json({"run_id": run_id, "asked": answer == "asked", "cancelled": answer != "asked"})
    elif answer == "asked":
        write(f"run {run_id} was asked to stop; it ends as cancelled at its next step")
    else:
        write(
            f"run {run_id} is cancelled; go on all the same with: {command('resume', run_id, journal)}"
        )
    return 0
