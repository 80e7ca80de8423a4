"""What a page is made of: headings, paragraphs, tables. Text, Markdown and HTML share it.

Texts mark names as code by backticks; each page sets them in its own way, and escapes what it must.
"""

from __future__ import annotations

from dataclasses import dataclass

from .model import Timeline
from .words import usd

__all__ = [
    "Block",
    "Command",
    "Page",
    "Para",
    "Picture",
    "Pre",
    "Rows",
    "Section",
    "Table",
    "money",
]


@dataclass(frozen=True)
class Para:
    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Rows:
    """Labels and what stands behind them."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Pre:
    """Text as it is, as a traceback."""

    caption: str
    text: str


@dataclass(frozen=True)
class Command:
    line: str


@dataclass(frozen=True)
class Picture:
    timeline: Timeline


Block = Para | Rows | Table | Pre | Command | Picture


@dataclass(frozen=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """``subject`` names the run or the incident; ``level`` is the summary's."""

    subject: str
    sentence: str
    level: str
    about: Rows
    sections: tuple[Section, ...]


def money(amount: float) -> str:
    """An amount, or nothing where nothing was spent."""
    return usd(amount) if amount else ""
