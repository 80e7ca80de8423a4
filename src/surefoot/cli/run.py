"""``surefoot run`` and ``surefoot resume``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from .options import RunId, command_options, examples
from .out import complain, write, write_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..runtime import Runtime
    from ..workflow.workflow import Workflow
    from .running import Ended

__all__ = ["resume", "run"]


@click.command(
    epilog=examples(
        "surefoot run pipeline.py:triage --input '\"tickets.jsonl\"'",
        "surefoot run shop.flows:triage --arg path=tickets.jsonl --arg limit=20",
        "surefoot run shop.flows:triage --run-id 2026-11-22 --json < /dev/null",
    )
)
@click.argument("target")
@click.option(
    "--input",
    "input_",
    metavar="JSON",
    help="The argument of a workflow that takes one; an object of its arguments where it takes "
    "several. - reads it from standard input.",
)
@click.option(
    "--arg", "args", multiple=True, metavar="NAME=VALUE", help="One argument: JSON or a text."
)
@click.option("--run-id", metavar="ID", help="The run's id.  [default: one that sorts by time]")
@click.option(
    "--durability",
    type=click.Choice(["power", "process"]),
    help="What a commit survives: a power cut, or only a killed process (faster).",
)
@command_options
def run(
    target: str,
    input_: str | None,
    args: tuple[str, ...],
    run_id: str | None,
    durability: str | None,
    journal: str | None,
    as_json: bool,
) -> int:
    """Run the workflow TARGET: pkg.module:name, or path/to/file.py:name.

    Ends with 0 if it completed and with 1 if it halted. A run of an id that exists goes on where it
    was interrupted; one that ended is only read.
    """
    from ..errors import UsageError
    from ..workflow.inputs import from_json
    from ..workflow.target import as_workflow, load
    from .running import execute
    from .telling import loaded

    named = {}
    for one in args:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise UsageError(f"--arg {one!r} must be name=value, as --arg limit=20")
        named[name] = value
    text = sys.stdin.read() if input_ == "-" else input_

    def start(runtime: Runtime) -> tuple[Workflow[Any, Any], Callable[[], Any]]:
        workflow = loaded(lambda: as_workflow(load(target), target), target)
        given = from_json(workflow.__wrapped__, text, named, f"workflow {workflow.name}")
        begin: Any = workflow.with_options(run_id=run_id).start
        return workflow, lambda: begin(**given)

    ended = execute(start, journal=journal, durability=durability, create=True, as_json=as_json)
    return tell(ended, journal, as_json)


@click.command(
    epilog=examples(
        "surefoot resume 20261122-234501-1a2b3c",
        "surefoot resume 2026-11-22 --on-drift rerun",
        "surefoot resume 2026-11-22 --from answer --dry-run",
        "surefoot resume 2026-11-22 --workflow moved/pipeline.py:triage --json",
    )
)
@RunId
@click.option(
    "--from",
    "from_step",
    metavar="STEP",
    help="Set this step's calls (or the call of this id), and those begun after the first of them "
    "ended, aside: they run again.",
)
@click.option(
    "--dry-run", is_flag=True, help="Only tell what would be reused, what would run again."
)
@click.option(
    "--on-drift",
    type=click.Choice(["rerun", "reuse"]),
    help="What to do about an effect without a key that is called with other arguments than the "
    "recorded ones.  [default: stop the run]",
)
@click.option(
    "--workflow",
    "target",
    metavar="TARGET",
    help="Where the workflow is now: pkg.module:name or path/to/file.py:name.  "
    "[default: where the run found it]",
)
@command_options
def resume(
    run_id: str,
    from_step: str | None,
    dry_run: bool,
    on_drift: str | None,
    target: str | None,
    journal: str | None,
    as_json: bool,
) -> int:
    """Go on with RUN: what completed is reused, the rest runs.

    A run that was found in its own place is resumed in the folder that it was started in. A completed
    one is only read, unless dead letters of it were replayed since: its result is then made anew.
    """
    import contextlib

    from .finding import workflow_of
    from .running import execute

    if dry_run:
        from .dry_run import tell_dry_run

        return tell_dry_run(run_id, from_step, target, journal, as_json)
    with contextlib.ExitStack() as stack:

        def start(runtime: Runtime) -> tuple[Workflow[Any, Any], Callable[[], Any]]:
            record = runtime.journal.run(run_id)
            workflow = workflow_of(record.target, run_id, target, stack)
            drift: Any = on_drift or "stop"
            return workflow, lambda: workflow.resume(run_id, on_drift=drift, from_step=from_step)

        ended = execute(start, journal=journal, create=False, as_json=as_json)
    return tell(ended, journal, as_json)


def tell(ended: Ended, journal: str | None, as_json: bool) -> int:
    """Print how it ended; gives the exit code."""
    from .plain import scrubbed, untagged
    from .story import command, ending
    from .telling import traceback_of

    raw = ended.run.document()
    raw["input"] = untagged(raw["input"])
    document = {**scrubbed(raw), "result": raw["result"]}  # what was asked for is given as it is
    document["holder"] = None
    halted = ended.exception is not None and isinstance(ended.exception, Exception)
    if halted and ended.exception is not None:
        write(traceback_of(ended.exception), err=True)
    if as_json:
        write_json(document)
    else:
        action = _action(document) if halted else None
        write(ending(document, journal=journal, read_only=not ended.ran, action=action))
    if ended.stopped is not None and document["status"] != "completed":
        message = f"stopped {ended.stopped}; run {document['run_id']} is {document['status']}"
        if as_json:
            message += f". Go on with: {command('resume', document['run_id'], journal)}"
        complain(message)
    return ended.exit_code


def _action(document: dict[str, Any]) -> str | None:
    """What the catalog says to the person on call."""
    from ..errors import SurefootError
    from ..runtime import Runtime
    from .story import halting_failure

    known = halting_failure(document) or document["error"] or {}
    try:
        return Runtime().catalog.kinds[str(known.get("kind"))].action or None
    except (SurefootError, KeyError):
        return None
