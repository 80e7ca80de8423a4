"""A postmortem as one HTML page: no script, nothing from elsewhere, light and dark, printable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from .blocks import Block, Command, Para, Picture, Pre, Rows, Table
from .layout import page_of
from .model import Postmortem
from .picture import svg_of
from .words import plain

__all__ = ["to_html"]

CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Whatever came in by a mistake of ours, a browser loads and runs nothing of it."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --dim: #5c5c5c; --page: #fff; --line: #d5d5d5;
  --soft: #f4f4f2; --ok: #1a7f37; --bad: #b3261e; --warn: #9a6700; --wait: #8a8a8a; --run: #0b63b0;
  --many: #6b7a8f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e3; --dim: #a5a29d; --page: #191a1b;
  --line: #3a3b3d; --soft: #242628; --ok: #4cc26b; --bad: #ff7b72; --warn: #e3b341; --wait: #8f959c;
  --run: #6cb6ff; --many: #8fa1b8; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 68rem; margin: 2rem auto; padding: 0 1.25rem; overflow-wrap: break-word; }
h1 { font-size: 1.35rem; line-height: 1.4; margin: .2rem 0 1rem; border-left: .4rem solid var(--ok);
  padding-left: .8rem; } h1.look { border-color: var(--warn); } h1.act { border-color: var(--bad); }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
p { margin: .4rem 0; } .quiet, caption, dt { color: var(--dim); }
header p { color: var(--dim); margin: 0; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .9em; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: .3rem; padding: .6rem .8rem;
  overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; margin: .4rem 0; }
pre.command { border-left: .3rem solid var(--run); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0; }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
caption { text-align: left; padding-bottom: .2rem; }
th { text-align: left; font-weight: 600; border-bottom: 1px solid var(--ink); }
th, td { padding: .2rem .8rem .2rem 0; vertical-align: top; } td { border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; min-width: 4rem; }
figure { margin: .5rem 0; } svg.timeline { width: 100%; height: auto; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg text.small { font-size: 11px;
  fill: var(--dim); } svg .axis { stroke: var(--line); } svg .gap { fill: var(--soft); }
svg .hatch { stroke: var(--wait); stroke-width: 3; } svg .ok { fill: var(--ok); }
svg .failed { fill: var(--bad); } svg .degraded, svg .skipped { fill: var(--warn); }
svg .wait { fill: url(#hatch); stroke: var(--wait); stroke-width: .5; } svg .running { fill: var(--run); }
svg .many { fill: var(--many); } svg .undone { fill: var(--run); }
svg .mark line { stroke: var(--ink); stroke-dasharray: 3 3; } svg .died line { stroke: var(--bad); }
@page { size: A4; margin: 14mm; }
@media print { :root { color-scheme: light; --ink: #000; --dim: #444; --page: #fff; --line: #bbb;
  --soft: #fff; --ok: #1a7f37; --bad: #b3261e; --warn: #9a6700; --wait: #777; --run: #0b63b0; }
  body { font-size: 10px; margin: 0; max-width: none; padding: 0; } h2 { break-after: avoid; }
  tr, dl, figure, svg { break-inside: avoid; } thead { display: table-header-group; }
  .wide, pre { overflow: visible; }
  svg rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""


def to_html(one: Postmortem) -> str:
    """The whole page; its heading says all."""
    page = page_of(one)
    subject = _plain(page.subject)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>Postmortem: {subject}</title>",
        f"<style>{STYLE}</style></head><body>",
        f"<header><p>Postmortem of {subject}</p>",
        f'<h1 class="{page.level}">{_text(page.sentence)}</h1></header>',
        "<main>",
        _rows(page.about),
    ]
    for number, section in enumerate(page.sections, 1):
        parts.append(f'<section aria-labelledby="s{number}">')
        parts.append(f'<h2 id="s{number}">{_text(section.title)}</h2>')
        for block in section.blocks:
            parts += _block(block)
        parts.append("</section>")
    parts.append("</main></body></html>")
    return "\n".join(parts) + "\n"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Para):
        quiet = ' class="quiet"' if block.quiet else ""
        yield f"<p{quiet}>{_text(block.text)}</p>"
    elif isinstance(block, Command):
        yield f'<pre class="command"><code>{_plain(block.line)}</code></pre>'
    elif isinstance(block, Rows):
        yield _rows(block)
    elif isinstance(block, Pre):
        yield f'<p class="quiet">{_text(block.caption)}</p><pre>{_plain(block.text)}</pre>'
    elif isinstance(block, Table):
        yield _table(block)
    elif isinstance(block, Picture):
        yield f"<figure>{svg_of(block.timeline)}</figure>"


def _rows(block: Rows) -> str:
    told = "".join(f"<dt>{_text(label)}</dt><dd>{_text(text)}</dd>" for label, text in block.rows)
    return f"<dl>{told}</dl>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_text(one)}</th>' for one in table.headings)
    body = "".join(
        f"<tr>{''.join(f'<td>{_text(one)}</td>' for one in row)}</tr>" for row in table.rows
    )
    return (
        f'<div class="wide"><table><caption>{_text(table.caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _text(text: str) -> str:
    """Escaped; names between backticks become code."""
    parts = CODE.split(plain(text))
    return "".join(
        f"<code>{escape(part, quote=True)}</code>" if number % 2 else escape(part, quote=True)
        for number, part in enumerate(parts)
    )


def _plain(text: str) -> str:
    return escape(plain(text), quote=True)
