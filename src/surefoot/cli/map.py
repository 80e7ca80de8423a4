"""``surefoot map``: what can fail in a workflow, and what will happen then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import command_options, examples
from .out import write, write_json

if TYPE_CHECKING:
    from ..journal import Journal
    from ..runtime import Runtime

__all__ = ["map_"]


@click.command(
    "map",
    epilog=examples(
        "surefoot map pipeline.py:triage",
        "surefoot map shop.flows:triage --all",
        "surefoot map shop.flows:triage --format html > map.html",
        "surefoot map shop.flows:triage --format mermaid",
        "surefoot map shop.flows:triage --json | jq '.steps[].failures[].kind'",
    ),
)
@click.argument("target")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md", "html", "json", "mermaid"]),
    help="How it is written.  [default: text]",
)
@click.option(
    "--all", "every", is_flag=True, help="Each kind of failure in a row of its own, also rare ones."
)
@command_options
def map_(target: str, form: str | None, every: bool, journal: str | None, as_json: bool) -> int:
    """Show what can fail in the workflow TARGET, step by step, and what will happen then.

    The workflow is imported and its code is read; nothing of it runs. TARGET is pkg.module:name, or
    path/to/file.py:name. With a journal at hand it tells what was seen, too.
    """
    from ..errors import UsageError
    from ..runtime import Runtime, scrub

    if as_json and form not in (None, "json"):
        raise UsageError(f"give --json or --format {form}, not both")
    if as_json:
        form = "json"
    with Runtime(journal, create=False) as runtime:
        document = _document(runtime, target, asked_for=journal is not None, clean=scrub)
    if form == "json":
        write_json(document)
        return 0
    if form == "md":
        from .map_markdown import markdown_of

        write(markdown_of(document, all=every))
    elif form == "html":
        from .map_html import html_of

        write(html_of(document, all=every))
    elif form == "mermaid":
        from .map_mermaid import mermaid_of

        write(mermaid_of(document))
    else:
        from .map_text import text_of

        write(text_of(document, all=every))
    return 0


def _document(runtime: Runtime, target: str, *, asked_for: bool, clean: Any) -> dict[str, Any]:
    from ..workflow.mapping.failure_map import failure_map
    from ..workflow.target import as_workflow, load
    from .running import program_output
    from .telling import loaded

    with program_output(True):  # what a module prints is no part of the map
        workflow = loaded(lambda: as_workflow(load(target), target), target)
    found: dict[str, Any] = failure_map(
        workflow,
        runtime.catalog,
        _journal(runtime, asked_for),
        clean=clean,
        check=runtime.check_kinds,
    )
    return found


def _journal(runtime: Runtime, asked_for: bool) -> Journal | None:
    """The journal; None where nothing has run yet. One that was named must be there."""
    if not asked_for and isinstance(runtime.place, Path) and not runtime.place.exists():
        return None
    return runtime.journal
