"""What a command writes: text for people, JSON for programs; never a broken pipe's traceback."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

from ..postmortem.words import counted, plain, took

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = [
    "ago",
    "complain",
    "counted",
    "plain",
    "render",
    "table",
    "took",
    "when",
    "write",
    "write_bytes",
    "write_json",
]

PIPE_WIDTH = 10_000
"""Columns of a text that no terminal shows: nothing is cut or wrapped for whoever reads it."""

INDENTED = 200_000
"""Characters of JSON up to which a person can still be meant to read it."""


def write(text: str, *, err: bool = False) -> None:
    """Write ``text`` and a line end. If the reader is gone (``| head``), it goes nowhere, quietly."""
    stream: TextIO | None = sys.stderr if err else sys.stdout
    if stream is None:  # closed by whoever started us
        return
    try:
        try:
            stream.write(text + "\n")
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        stream.flush()
    except BrokenPipeError:
        _to_nowhere(stream)


def write_bytes(data: bytes) -> None:
    """Write ``data`` as it is: to standard output, or, as :func:`write`, to nowhere."""
    stream: TextIO | None = sys.stdout
    if stream is None:
        return
    try:
        stream.buffer.write(data)
        stream.flush()
    except BrokenPipeError:
        _to_nowhere(stream)


def _to_nowhere(stream: TextIO) -> None:
    """What is still in the buffer must not fail again when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)


def complain(message: str) -> None:
    """One clear message on standard error."""
    write(f"surefoot: {plain(message)}", err=True)


def write_json(value: Any) -> None:
    """One JSON document on standard output; a large one without indents, which take their time."""
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        value = _finite(value)
        text = json.dumps(value)
    write(text if len(text) > INDENTED else json.dumps(value, indent=2))


def _finite(value: Any) -> Any:
    """NaN and the infinities are no JSON: they are told as texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return value


def render(*parts: RenderableType) -> str:
    """Rich text as a string: in colour and cut to size only where a person is looking."""
    import io

    from rich.console import Console

    person = sys.stdout is not None and sys.stdout.isatty()
    console = Console(
        file=io.StringIO(),
        force_terminal=person and os.environ.get("TERM") != "dumb",
        width=None if person or "COLUMNS" in os.environ else PIPE_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )
    for part in parts:
        console.print(part)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.rstrip("\n").split("\n"))


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]], *, indent: int = 0) -> Table:
    """A table without lines; its last column takes what is left and is wrapped.

    Cells are texts, or rich's own Text.
    """
    from rich.table import Table
    from rich.text import Text

    made = Table(
        box=None,
        show_header=any(headings),
        header_style="dim",
        padding=(0, 2, 0, 0),
        pad_edge=False,
        expand=False,
    )
    if indent:
        made.add_column("", width=indent - 2)
    for number, heading in enumerate(headings):
        last = number == len(headings) - 1
        made.add_column(heading, no_wrap=not last, overflow="fold")
    for row in rows:
        cells = [cell if isinstance(cell, Text) else Text(plain(str(cell))) for cell in row]
        made.add_row(*([Text("")] if indent else []), *cells)
    return made


def when(stamp: str | None) -> str:
    """A recorded time in the reader's time zone."""
    if stamp is None:
        return ""
    return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(stamp: str | None, until: str | None) -> float | None:
    """Seconds between two recorded times."""
    if stamp is None or until is None:
        return None
    return (datetime.fromisoformat(until) - datetime.fromisoformat(stamp)).total_seconds()
