"""The command line: ``surefoot …``. Commands load what they need only when they run."""

from __future__ import annotations

import click

from . import (
    alerts,
    catalog,
    chaos,
    completion,
    doctor,
    fault_proxy,
    incidents,
    letters,
    map,
    operators,
    postmortem,
    prune,
    recover,
    run,
    runs,
    scrub,
)
from .app import App
from .options import examples

__all__ = ["main"]

COMMANDS = (
    run.run,
    run.resume,
    recover.recover,
    runs.runs,
    runs.show,
    letters.dead_letters,
    incidents.incidents,
    operators.rollback,
    operators.resolve,
    operators.cancel,
    prune.prune,
    alerts.alerts,
    postmortem.postmortem,
    catalog.catalog,
    map.map_,
    chaos.chaos,
    fault_proxy.fault_proxy,
    scrub.scrub,
    doctor.doctor,
    completion.completion,
)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from .. import __version__

        click.echo(f"surefoot {__version__}")
        ctx.exit()


@click.group(
    cls=App,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "surefoot run pipeline.py:triage --input '\"tickets.jsonl\"'",
        "surefoot runs                     what ran, the newest first",
        "surefoot show RUN                 what failed in it, and what was done about it",
        "surefoot resume RUN               go on where it stopped",
        "surefoot recover                  go on with every run whose process died",
    ),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version,
    help="Show the version and exit.",
)  # fmt: skip
def main() -> None:
    """Error handling and recovery for AI workflows.

    Run a workflow, see what failed and what was done about it, resume it where it stopped.

    Ends with 0: done; 1: the run halted; 2: wrong usage; 3: the journal cannot be used; 4: another
    process holds the run; 130 and 143: stopped by Ctrl-C and SIGTERM.
    """


for _command in COMMANDS:
    main.add_command(_command)
