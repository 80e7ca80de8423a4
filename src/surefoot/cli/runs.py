"""``surefoot runs`` and ``surefoot show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..model import RUN_STATUSES
from .options import RunId, command_options, examples
from .out import ago, counted, render, table, took, when, write, write_json

if TYPE_CHECKING:
    from ..journal import Journal, RunRecord

__all__ = ["runs", "show"]


@click.command(
    epilog=examples(
        "surefoot runs",
        "surefoot runs --status halted --status interrupted",
        "surefoot runs --workflow triage --limit 5 --json",
    )
)
@click.option(
    "--status", multiple=True, type=click.Choice(RUN_STATUSES), help="Only these; may be repeated."
)
@click.option("--workflow", metavar="NAME", help="Only runs of this workflow.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The newest N."
)
@command_options
def runs(
    status: tuple[str, ...], workflow: str | None, limit: int, journal: str | None, as_json: bool
) -> int:
    """List the runs of the journal, the newest first."""
    from ..runtime import Runtime

    with Runtime(journal, create=False) as runtime:
        found = runtime.journal
        records = found.runs(status=status, workflow=workflow, limit=limit + 1)
        more, records = len(records) > limit, records[:limit]
        told = [_row(record, found.clock.now()) for record in records]
        if as_json:
            write_json(told)
        elif not told:
            _tell_of_none(found, status, workflow)
        else:
            write(render(_table(told)))
            if more:
                write(f"there are more; show them with --limit {limit * 10}")
    return 0


def _row(record: RunRecord, now: float) -> dict[str, Any]:
    from ..workflow.run import short_error, stamp
    from .plain import holder_of

    return {
        "run_id": record.run_id,
        "workflow": record.workflow,
        "status": record.status,
        "created_at": stamp(record.created_at),
        "started_at": stamp(record.started_at),
        "ended_at": stamp(record.ended_at),
        "resumes": record.resumes,
        "reused": record.reused,
        "time_saved": round(record.time_saved, 6),
        "degraded": bool(record.degraded),
        "error": short_error(record.error),
        "holder": holder_of(record, now),
    }


def _table(told: list[dict[str, Any]]) -> Any:
    from rich.text import Text

    from .story import STYLES, cut

    rows = []
    for one in told:
        status, note = one["status"], ""
        holder = one["holder"]
        if holder is not None and holder["alive"] is False:
            status, note = "running", f"its process ({holder['process']}) died: surefoot recover"
        elif holder is not None:
            note = holder["process"]
        elif one["error"]:
            note = f"{one['error'].get('kind')}: {cut(str(one['error'].get('message')), 100)}"
        elif one["degraded"]:
            note = "degraded"
        if one["resumes"]:
            resumed = counted(one["resumes"], "resume")
            note = f"{note}; {resumed}" if note else resumed
        rows.append(
            (
                one["run_id"],
                one["workflow"],
                Text(status, STYLES.get(status, "")),
                when(one["created_at"]),
                took(ago(one["started_at"], one["ended_at"])),
                note,
            )
        )
    return table(("RUN", "WORKFLOW", "STATUS", "BEGAN", "TOOK", ""), rows)


def _tell_of_none(journal: Journal, status: tuple[str, ...], workflow: str | None) -> None:
    every = journal.runs()
    if not every:
        write(f"the journal {journal.store.location} has no runs yet")
        return
    names = sorted({record.workflow for record in every})
    what = " ".join(status) + " run" if status else "run"
    of = f" of {workflow}" if workflow is not None else ""
    write(f"there is no {what}{of}; the journal has runs of: {', '.join(names)}")


@click.command(
    epilog=examples(
        "surefoot show 20261122-234501-1a2b3c",
        "surefoot show 2026-11-22 --json",
        "surefoot show 2026-11-22 --json | jq '.failures[] | {step, kind, decision}'",
        "surefoot show 2026-11-22 --json --failures | jq '.failures[0].detail.inputs'",
    )
)
@click.option(
    "--failures", is_flag=True, help="With --json: the whole record of each failure, too."
)
@RunId
@command_options
def show(run_id: str, failures: bool, journal: str | None, as_json: bool) -> int:
    """Show RUN: its input, its steps, what failed and what was done about it.

    For people the items of a map are counted; --json lists each of them. Secrets are left out.
    """
    from ..runtime import Runtime
    from .plain import document_of

    if failures and not as_json:
        raise UsageError(
            "--failures adds to what --json prints; write: "
            f"surefoot show {run_id} --json --failures"
        )
    with Runtime(journal, create=False) as runtime:
        found = runtime.journal
        record = found.run(run_id)
        document = document_of(found, record, items=as_json, failures=failures)
        if as_json:
            write_json(document)
            return 0
        from .showing import telling

        kinds = runtime.catalog.kinds if document["status"] == "halted" else {}
        letters = found.dead_letters(record.pk)
        write(telling(document, letters, kinds, journal))
    return 0
