"""``surefoot catalog export``: the catalog as a page for a team's documentation."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import click

from .options import examples
from .out import write, write_json

if TYPE_CHECKING:
    from ..catalog.export import Seen

__all__ = ["export"]

FORMATS = ("md", "json", "csv", "html")


@click.command(
    epilog=examples(
        "surefoot catalog export > docs/failures.md",
        "surefoot catalog export --format html --journal .surefoot/journal.db > failures.html",
        "surefoot catalog export --format csv > failures.csv",
    )
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="md",
    show_default=True,
    help="Markdown, JSON, a table (one line a kind), or one page that needs no other file.",
)
@click.option(
    "--journal",
    metavar="URL",
    help="Tell, too, what this journal has seen of each kind: sqlite:///relative.db or a path.  "
    "[default: none, so that the page changes with the catalog alone]",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def export(form: str, journal: str | None, as_json: bool) -> int:
    """Write the catalog as documentation, to standard output.

    Each kind with what it means, why it happens, what Surefoot does, what a person should do, and its
    rules by library, your own among them; with a journal, how often it was seen, when last, and how it
    ended.
    """
    from ..catalog.export import csv_text, document, html_page, markdown
    from ..runtime import Runtime

    with Runtime(journal, create=False) as runtime:
        told = document(runtime.catalog, _seen(runtime) if journal is not None else None)
    if as_json or form == "json":
        write_json(told)
    else:
        texts: dict[str, Any] = {"md": markdown, "csv": csv_text, "html": html_page}
        write(texts[form](told).removesuffix("\n"))
    return 0


def _seen(runtime: Any) -> dict[str, Seen]:
    from ..catalog.export import Seen

    return {
        kind: Seen(one.failures, one.runs, _day(one.last), one.ended)
        for kind, one in runtime.journal.kinds_seen().items()
    }


def _day(at: float) -> str:
    """In UTC: a page is read elsewhere than it is made."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
