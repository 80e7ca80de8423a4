"""``surefoot prune``."""

from __future__ import annotations

import click

from .options import command_options, examples, seconds_given
from .out import counted, write, write_json

__all__ = ["prune"]


@click.command(
    epilog=examples(
        "surefoot prune --older-than 30d --keep-failed",
        "surefoot prune --older-than 90d --dry-run",
        "surefoot prune --older-than 30d --json | jq '.runs | length'",
    )
)
@click.option(
    "--older-than", required=True, metavar="AGE", help="Runs that ended longer ago: 12h, 30d, 8w."
)
@click.option("--keep-failed", is_flag=True, help="Halted runs stay: they can still be resumed.")
@click.option("--dry-run", is_flag=True, help="Only tell which runs would go.")
@command_options
def prune(
    older_than: str, keep_failed: bool, dry_run: bool, journal: str | None, as_json: bool
) -> int:
    """Remove old runs and the checkpoints that only they needed.

    Runs that are not over stay, and so do runs with an open dead letter or an effect in doubt. Keys
    of effects stay done, and incidents keep their counts.
    """
    from ..journal.pruning import prune as remove
    from ..runtime import Runtime

    age = seconds_given(older_than, "--older-than")
    assert age is not None
    with Runtime(journal, create=False) as runtime:
        told = remove(runtime.journal, age, keep_failed=keep_failed, dry_run=dry_run)
    if as_json:
        write_json({"dry_run": dry_run, "runs": list(told.run_ids), "checkpoints": told.blobs})
        return 0
    if dry_run:
        for run_id in told.run_ids:
            write(run_id)
        write(f"{counted(len(told.run_ids), 'run')} would be removed")
    else:
        write(
            f"removed {counted(len(told.run_ids), 'run')} and "
            f"{counted(told.blobs, 'checkpoint file')}"
        )
    return 0
