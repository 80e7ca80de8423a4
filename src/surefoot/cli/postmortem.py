"""``surefoot postmortem``: one run or one incident, told for the person on call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import RunName, command_options, examples
from .out import write, write_json

if TYPE_CHECKING:
    from ..postmortem.model import Postmortem

__all__ = ["postmortem"]

FORMATS = ("text", "md", "html", "json")
ENDINGS = {".md": "md", ".markdown": "md", ".html": "html", ".htm": "html", ".json": "json"}


@click.command(
    epilog=examples(
        "surefoot postmortem 20261122-234501-1a2b3c",
        "surefoot postmortem 2026-11-22 -o postmortem.html",
        "surefoot postmortem v1-acf36598 --format md",
        "surefoot postmortem 7 --json | jq .now.to_do.command",
    )
)
@click.argument("name", metavar="RUN|INCIDENT", type=RunName())
@click.option(
    "--format", "form", type=click.Choice(FORMATS),
    help="How it is written.  [default: by the ending of FILE, else text]",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write it there instead of to standard output.",
)  # fmt: skip
@command_options
def postmortem(
    name: str, form: str | None, output: Path | None, journal: str | None, as_json: bool
) -> int:
    """Tell what happened to RUN, or to all runs of INCIDENT, and what to do about it.

    RUN is a run's id. INCIDENT is an incident's number, its fingerprint, or the first 8 or more
    characters of it. The first line says all. It is read from the journal alone: nothing of yours is
    imported or run, and secrets are left out.
    """
    from ..errors import UsageError
    from ..postmortem.building import postmortem_of
    from ..runtime import Runtime

    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} are two things: give one of them")
    if form is None:
        form = "json" if as_json else "text"
        if output is not None and not as_json:
            form = ENDINGS.get(output.suffix.lower(), "text")
    with Runtime(journal, create=False) as runtime:
        made = postmortem_of(
            runtime.journal,
            name,
            kinds=runtime.catalog.kinds,
            scrub=runtime.scrub,
            scrub_text=runtime.scrub_text,
            journal_option=journal,
        )
    if output is None:
        _print(made, form)
        return 0
    _save(made, form, output)
    if not as_json:
        write(f"wrote {output}")
    return 0


def _print(made: Postmortem, form: str) -> None:
    if form == "json":
        from ..postmortem.as_json import to_json

        write_json(to_json(made))
    else:
        write(_written(made, form).rstrip("\n"))


def _written(made: Postmortem, form: str) -> str:
    if form == "html":
        from ..postmortem.as_html import to_html

        return to_html(made)
    if form == "md":
        from ..postmortem.as_markdown import to_markdown

        return to_markdown(made)
    if form == "json":
        import json

        from ..postmortem.as_json import to_json

        return json.dumps(to_json(made), indent=2) + "\n"
    from ..postmortem.as_text import to_text

    return to_text(made)


def _save(made: Postmortem, form: str, output: Path) -> None:
    from ..errors import UsageError

    try:
        output.write_text(_written(made, form), encoding="utf-8")
    except OSError as exc:
        raise UsageError(
            f"cannot write {output}: {exc.strerror or exc}; name another file with -o"
        ) from exc
