"""The map of a workflow as Markdown: for a repository, where a change of it shows in a review."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .map_rows import (
    LEGEND,
    Document,
    actions,
    facts,
    grouped,
    heading,
    journal_words,
    left_out,
    stage_rows,
)

__all__ = ["markdown_of"]


def markdown_of(document: Document, *, all: bool = False) -> str:  # noqa: A002
    """One page. Without a journal it depends on the code and the catalog alone."""
    lines = [f"# What can fail in {_plain(document['workflow'])}", ""]
    lines += [f"{_sentence(heading(document))} (`{document['function']}`)", ""]
    if document["does"]:
        lines += [_plain(document["does"]), ""]
    lines += [f"Journal: {_plain(journal_words(document))}.", ""]
    lines += _table(
        ("stage", "steps"), [(stage, ", ".join(names)) for stage, names in stage_rows(document)]
    )
    if document["points"]:
        lines += ["## To look at", ""]
        lines += [
            f"- **{_plain(one['step'])}**: {_plain(one['text'])}" for one in document["points"]
        ]
        lines.append("")
    for stage in document["stages"]:
        lines += [f"## Stage: {stage['stage'] or 'none'}", ""]
        for step in document["steps"]:
            if step["stage"] == stage["stage"]:
                lines += _step(step, all)
    to_do = actions(document)
    if to_do:
        lines += ["## When it halts", ""]
        lines += _table(("kind", "what it is", "what a person does"), to_do)
    lines += ["## How to read this", ""]
    lines += [f"- {_plain(one)}" for one in (*LEGEND, *document["notes"])]
    return "\n".join(lines)


def _step(step: Document, every: bool) -> list[str]:
    lines = [f"### {_plain(step['name'])}", ""]
    if step["module"]:
        lines += [
            f"{_sentence(step['form'])} in {_plain(step['module'])}, line {step['line']}.",
            "",
        ]
    last = ""
    for label, words in facts(step):
        last = label or last
        lines.append(f"- {last}: {_plain(words)}")
    lines.append("")
    rows = grouped(step, all=every)
    if rows:
        headings = ["failures", "category", "why expected", "recoverable", "what Surefoot does"]
        headings += ["what a person does if it halts"] if every else []
        lines += _table(
            headings,
            [
                (
                    ", ".join(row.kinds),
                    ", ".join(row.categories),
                    row.why,
                    row.recoverable,
                    row.words,
                    *([row.action if row.can_halt else ""] if every else []),
                )
                for row in rows
            ],
        )
    more = None if every else left_out(step)
    return [*lines, f"{_sentence(more)}.", ""] if more else lines


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(headings)} |", f"|{' --- |' * len(headings)}"]
    lines += [f"| {' | '.join(_plain(cell) for cell in row)} |" for row in rows]
    return [*lines, ""]


def _plain(text: str) -> str:
    """Text that Markdown takes as text, in one line.

    >>> _plain("<i> not_found")
    '&lt;i> not_found'
    """
    one_line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    # an underscore within a word is no emphasis, and a diff is easier to read without backslashes
    return re.sub(r"[\\|*`\[\]]|(?<!\w)_|_(?!\w)", r"\\\g<0>", one_line)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
