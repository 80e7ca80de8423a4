"""A postmortem as Markdown (GitHub's): for a ticket, a wiki, a repository."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .blocks import Block, Command, Para, Picture, Pre, Rows, Table
from .layout import page_of
from .model import Postmortem
from .words import plain

__all__ = ["to_markdown"]

CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&@:$]|(?<=www)\.)")
"""What Markdown or HTML might read as more than a character; ``@`` would call people, ``:`` and
``www.`` make an address of what follows."""


def to_markdown(one: Postmortem) -> str:
    """The whole of it; below the title its first line says all."""
    page = page_of(one)
    parts = [f"# Postmortem: {_text(page.subject)}", f"**{_text(page.sentence)}**"]
    parts.append(_table(("", ""), page.about.rows))
    for section in page.sections:
        parts.append(f"## {_text(section.title)}")
        for block in section.blocks:
            parts += _block(block)
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Para):
        yield _text(block.text)
    elif isinstance(block, Command):
        yield _fenced(block.line, "sh")
    elif isinstance(block, Rows):
        yield _table(("", ""), block.rows)
    elif isinstance(block, Pre):
        yield f"{_text(block.caption)}:"
        yield _fenced(block.text, "text")
    elif isinstance(block, Table):
        yield f"{_text(block.caption)}:"
        yield _table(block.headings, block.rows)
    elif isinstance(block, Picture):
        return  # the table below it says the same


def _text(text: str) -> str:
    """Escaped, but for names between backticks, which stay code."""
    flat = " ".join(plain(text).split())
    parts = CODE.split(flat)
    return "".join(
        # in code only a table's bar must be escaped, and it may be outside of tables, too
        f"`{part}`".replace("|", "\\|") if number % 2 else SPECIAL.sub(_escaped, part)
        for number, part in enumerate(parts)
    )


def _escaped(match: re.Match[str]) -> str:
    one = match.group(1)
    named = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;", ".": "&#46;"}
    if one == ":":
        return "&#58;" if match.string[match.end() : match.end() + 2] == "//" else ":"
    return named.get(one, f"\\{one}")


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [_line(headings), _line(["---"] * len(headings), raw=True)]
    lines += [_line(row) for row in rows]
    return "\n".join(lines)


def _line(cells: Sequence[str], raw: bool = False) -> str:
    return f"| {' | '.join(one if raw else _text(one) for one in cells)} |"


def _fenced(text: str, language: str) -> str:
    """In a fence longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{plain(text)}\n{fence}"
