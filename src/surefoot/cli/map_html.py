"""The map of a workflow as one HTML page that needs nothing else, to be read, sent and printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from .map_rows import (
    LEGEND,
    Document,
    GroupedRow,
    actions,
    facts,
    grouped,
    heading,
    journal_words,
    left_out,
    stage_rows,
)

__all__ = ["html_of"]

STYLE = """
:root { color-scheme: light; }
body { font: 14px/1.45 system-ui, sans-serif; color: #1c1c1c; background: #fff;
       max-width: 76rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem;
     border-bottom: 2px solid #1c1c1c; } h3 { font-size: 1.05rem; margin: 1.6rem 0 .3rem; }
p { margin: .3rem 0; } .dim, small { color: #5c5c5c; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th { text-align: left; font-weight: 600; border-bottom: 1px solid #1c1c1c; }
th, td { padding: .25rem .6rem .25rem 0; vertical-align: top; }
td { border-bottom: 1px solid #ddd; } td.kinds { width: 30%; overflow-wrap: anywhere; }
tr.stage td, tr.imported td { color: #5c5c5c; }
td.no { font-weight: 600; color: #a1260d; } tr.likely.halts td.done { font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .3rem 0; }
dt { color: #5c5c5c; } dd { margin: 0; overflow-wrap: anywhere; }
.effect { border: 1px solid #1c1c1c; border-radius: .6rem; padding: 0 .45rem; font-size: .8rem;
          font-weight: normal; }
ol.stages { display: flex; flex-wrap: wrap; gap: .5rem; list-style: none; padding: 0; }
ol.stages li { border: 1px solid #bbb; border-radius: .3rem; padding: .3rem .6rem; }
ol.stages b { display: block; font-size: .8rem; color: #5c5c5c; font-weight: normal; }
.signed { margin-top: 3rem; display: flex; gap: 3rem; }
.signed span { border-top: 1px solid #1c1c1c; padding-top: .2rem; width: 16rem; }
@page { size: A4 landscape; margin: 12mm; }
@media print { body { font-size: 10px; margin: 0; max-width: none; padding: 0; }
  h2, h3 { break-after: avoid; } tr, dl { break-inside: avoid; } thead { display: table-header-group; } }
"""


def html_of(document: Document, *, all: bool = False) -> str:  # noqa: A002
    """The whole page."""
    name = escape(document["workflow"])
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>What can fail in {name}</title><style>{STYLE}</style></head><body>",
        f"<h1>What can fail in {name}</h1>",
        f"<p>{_text(heading(document))} <small>({_text(document['function'])})</small></p>",
    ]
    if document["does"]:
        parts.append(f"<p>{_text(document['does'])}</p>")
    parts.append(f'<p class="dim">Journal: {_text(journal_words(document))}</p>')
    boxes = [
        f"<li><b>{_text(stage)}</b>{'<br>'.join(map(_text, names))}</li>"
        for stage, names in stage_rows(document)
    ]
    parts.append(f'<ol class="stages">{"".join(boxes)}</ol>')
    if document["points"]:
        points = [
            f"<li><b>{_text(one['step'])}</b>: {_text(one['text'])}</li>"
            for one in document["points"]
        ]
        parts.append(f"<h2>To look at</h2><ul>{''.join(points)}</ul>")
    for stage in document["stages"]:
        parts.append(f"<h2>{_text(stage['stage'] or 'no stage')}</h2>")
        parts += [
            part
            for step in document["steps"]
            if step["stage"] == stage["stage"]
            for part in _step(step, all)
        ]
    to_do = actions(document)
    if to_do:
        parts.append("<h2>When it halts</h2>")
        parts.append(_table(("kind", "what it is", "what a person does"), to_do))
    reading = "".join(f"<li>{_text(one)}</li>" for one in (*LEGEND, *document["notes"]))
    parts.append(f'<h2>How to read this</h2><ul class="dim">{reading}</ul>')
    parts.append('<div class="signed"><span>reviewed by</span><span>on</span></div>')
    parts.append("</body></html>")
    return "\n".join(parts)


def _step(step: Document, every: bool) -> list[str]:
    effect = ' <span class="effect">effect</span>' if step["form"] == "effect" else ""
    where = f"{step['module']}, line {step['line']}" if step["module"] else ""
    told = "".join(
        f"<dt>{_text(label)}</dt><dd>{_text(words)}</dd>" for label, words in facts(step)
    )
    parts = [
        f"<h3>{_text(step['name'])}{effect} <small>{_text(where)}</small></h3>",
        f"<dl>{told}</dl>",
    ]
    rows = grouped(step, all=every)
    if rows:
        headings = ["failures", "category", "why expected", "recoverable", "what Surefoot does"]
        headings += ["what a person does if it halts"] if every else []
        head = "".join(f"<th>{one}</th>" for one in headings)
        body = "".join(_row(row, every) for row in rows)
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    more = None if every else left_out(step)
    return [*parts, f'<p class="dim">{_text(more)}</p>'] if more else parts


def _row(row: GroupedRow, every: bool) -> str:
    halts = " halts" if row.can_halt else ""
    cells = [
        f'<td class="kinds">{_text(", ".join(row.kinds))}</td>',
        f"<td>{_text(', '.join(row.categories))}</td>",
        f"<td>{_text(row.why)}</td>",
        f'<td class="{row.recoverable}">{row.recoverable}</td>',
        f'<td class="done">{_text(row.words)}</td>',
    ]
    if every:
        cells.append(f"<td>{_text(row.action) if row.can_halt else ''}</td>")
    return f'<tr class="{row.tier}{halts}">{"".join(cells)}</tr>'


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(one)}</th>" for one in headings)
    body = "".join(f"<tr>{''.join(f'<td>{_text(one)}</td>' for one in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(text: str) -> str:
    return escape(text, quote=True)
