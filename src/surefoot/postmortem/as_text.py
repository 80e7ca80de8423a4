"""A postmortem as plain text, for a terminal, a mail or a ticket."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from .blocks import Block, Command, Para, Picture, Pre, Rows, Table
from .layout import page_of
from .model import Postmortem
from .words import plain

__all__ = ["to_text"]

WIDTH = 100
WIDEST = 60
"""Columns that a table's cell may take; a longer one is cut, but for the last, which is wrapped."""


def to_text(one: Postmortem) -> str:
    """The whole of it; its first line says all."""
    page = page_of(one)
    lines = [plain(page.sentence), "", *_rows(page.about.rows)]
    for section in page.sections:
        lines += ["", section.title.upper(), ""]
        first = True
        for block in section.blocks:
            told = list(_block(block))
            if told and not first:
                lines.append("")
            lines += told
            first = first and not told
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Para):
        yield from _wrapped(block.text, "  ")
    elif isinstance(block, Command):
        yield f"    {plain(block.line)}"
    elif isinstance(block, Rows):
        yield from _rows(block.rows)
    elif isinstance(block, Pre):
        yield f"  {block.caption}:"
        yield from (f"    {line}" for line in plain(block.text).split("\n"))
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Picture):
        return  # the table below it says the same


def _wrapped(text: str, indent: str, first: str | None = None) -> list[str]:
    flat = " ".join(plain(text).split())
    found = textwrap.wrap(
        flat,
        WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return found or ([first] if first else [])


def _rows(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    wide = max((len(label) for label, _ in rows), default=0)
    for label, text in rows:
        yield from _wrapped(text, " " * (wide + 4), f"  {label.ljust(wide)}  ")


def _table(table: Table) -> Iterator[str]:
    yield f"  {table.caption}:"
    cells = [[_cell(one) for one in row] for row in table.rows]
    heads = [one.upper() for one in table.headings]
    widths = [
        max([len(heads[n]), *(min(len(row[n]), WIDEST) for row in cells)])
        for n in range(len(heads))
    ]
    if any(heads):
        yield "  " + "  ".join(head.ljust(wide) for head, wide in zip(heads, widths)).rstrip()
    start = sum(widths[:-1]) + 2 * len(widths[:-1]) + 2
    for row in cells:
        parts = [_fit(one, wide).ljust(wide) for one, wide in zip(row[:-1], widths)]
        told = "  " + "".join(f"{part}  " for part in parts)
        room = max(30, WIDTH + 20 - start)
        lines = textwrap.wrap(row[-1], room, break_on_hyphens=False) or [""]
        yield told + lines[0]
        for line in lines[1:]:
            yield " " * start + line


def _cell(text: str) -> str:
    return " ".join(plain(text).split())


def _fit(text: str, wide: int) -> str:
    return text if len(text) <= wide else text[: wide - 1] + "…"
