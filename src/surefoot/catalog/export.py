"""The catalog as documentation: Markdown, HTML, CSV, or a document for JSON.

Each kind with what it means, why it happens, what is done about it, what a person should do, its rules
by library, and what a journal has seen of it. Pure: what a journal says is passed in.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from surefoot.catalog.index import Catalog
from surefoot.catalog.rule import Rule
from surefoot.model import STAGES, Kind, Rung

__all__ = ["Seen", "csv_text", "document", "html_page", "markdown", "recognised"]

ENDED = {
    "completed": "came through",
    "degraded": "came through by a fallback",
    "skipped": "set aside",
    "failed": "failed",
    "running": "not ended",
    "superseded": "superseded",
}
"""How a call that failed on its way may have ended, and the word for it."""

OPENING = """\
# The catalog of failures

What a failure is, is one **kind** of a list. Each kind says whether the program can go on by itself
(*recoverable*) or a person must act first, whether the same call, made again, may succeed
(*retryable*), and which **rungs** are tried in which order: its **ladder**. Rules say how an exception
is recognised.
"""


@dataclass(frozen=True)
class Seen:
    """What a journal has seen of one kind.

    ``last`` is a time for people. ``ended`` counts the calls that had such a failure by how they
    ended: the keys of :data:`ENDED`.
    """

    times: int
    runs: int
    last: str
    ended: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """
        >>> str(Seen(3, 1, "2026-11-24 10:00 UTC", {"completed": 1, "skipped": 1}))
        'Seen 3 times in 1 run, last 2026-11-24 10:00 UTC. Of 2 calls: 1 came through, 1 set aside.'
        """
        times = "once" if self.times == 1 else f"{self.times:,} times"
        said = f"Seen {times} in {_counted(self.runs, 'run')}, last {self.last}."
        ends = [f"{self.ended[key]:,} {word}" for key, word in ENDED.items() if self.ended.get(key)]
        if ends:
            said += f" Of {_counted(sum(self.ended.values()), 'call')}: {', '.join(ends)}."
        return said


def document(catalog: Catalog, seen: Mapping[str, Seen] | None = None) -> dict[str, Any]:
    """All that there is to tell, as plain data.

    :param seen: by kind; None: there is no journal at hand.

    >>> from surefoot.catalog import load
    >>> told = document(load())
    >>> told["kinds"][0]["id"], told["kinds"][0]["seen"]
    ('rate_limited', None)
    """
    rules: dict[str, dict[str, list[Rule]]] = {}
    for rule in catalog.rules:
        rules.setdefault(rule.kind, {}).setdefault(rule.library, []).append(rule)
    return {
        "kinds": [_kind(catalog, kind, rules.get(kind.id, {}), seen) for kind in _kinds(catalog)],
        "libraries": dict(
            sorted(
                Counter(rule.library for rule in catalog.rules).items(),
                key=lambda item: item[0].lower(),
            )
        ),
        "seen": seen is not None,
        "no_longer_known": {
            id: _seen(one) for id, one in (seen or {}).items() if id not in catalog.kinds
        },
    }


def _kinds(catalog: Catalog) -> Iterator[Kind]:
    """Category by category, in the order of the catalog; users' kinds stand among their likes."""
    kinds = catalog.kinds.values()
    for category in dict.fromkeys(kind.category for kind in kinds):
        yield from (kind for kind in kinds if kind.category == category)


def _kind(
    catalog: Catalog,
    kind: Kind,
    rules: Mapping[str, Sequence[Rule]],
    seen: Mapping[str, Seen] | None,
) -> dict[str, Any]:
    return {
        "id": kind.id,
        "title": kind.title,
        "category": kind.category,
        "elsewhere": _elsewhere(catalog, kind),
        "recoverable": kind.recoverable,
        "retryable": kind.retryable,
        "severity": kind.severity,
        "ladder": [str(rung) for rung in kind.ladder],
        "meaning": kind.meaning,
        "causes": catalog.causes(kind.id),
        "does": "; then ".join(_in_words(rung) for rung in kind.ladder),
        "action": kind.action,
        "rules": {
            library: [_rule(rule) for rule in rules[library]]
            for library in sorted(rules, key=str.lower)
        },
        "seen": _seen(seen[kind.id]) if seen is not None and kind.id in seen else None,
    }


def _seen(seen: Seen) -> dict[str, Any]:
    return {
        "times": seen.times,
        "runs": seen.runs,
        "last": seen.last,
        "ended": dict(seen.ended),
        "text": str(seen),
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "recognised_by": recognised(rule),
        "outcome": rule.outcome,
        "source": rule.source,
        "file": rule.file,
    }


def recognised(rule: Rule) -> str:
    """What a rule looks at, in words.

    >>> from surefoot.catalog import load
    >>> recognised(load().rule("builtins.disk_full"))
    'builtins.OSError, errno edquot or enospc'
    """
    words = []
    if rule.classes:
        words.append(" or ".join(rule.classes))
    for condition in rule.conditions:
        values = sorted(condition.exact) + [f"{prefix}*" for prefix in condition.prefixes]
        words.append(f"{condition.label} {' or '.join(values)}")
    if rule.stages:
        words.append(f"stage {' or '.join(sorted(rule.stages))}")
    if rule.message is not None:
        words.append(f"message /{rule.message}/")
    if rule.truncated is not None:
        words.append("cut off at its end" if rule.truncated else "not cut off")
    return ", ".join(words)


def _in_words(rung: Rung) -> str:
    if rung.name == "retry":
        words = ["tries again"]
        if rung.attempts is not None:
            words.append(f"{rung.attempts} attempts in all")
        if rung.within is not None:
            words.append(f"until {rung.within:g} s after the first such failure")
        if rung.base is not None:
            words.append(f"the first wait at most {rung.base:g} s")
        if rung.cap is not None:
            words.append(f"the longest {rung.cap:g} s")
        return ", ".join(words)
    return _RUNGS[rung.name]


_RUNGS = {
    "adapt": "changes the arguments, where the step says how",
    "fall_back": "falls back, where the step says to what",
    "skip": "sets the item of a map aside",
    "halt": "halts the run",
}


def _elsewhere(catalog: Catalog, kind: Kind) -> str:
    """Where a stage gives the kind another category than its own."""
    told: dict[str, list[str]] = {}
    for stage in STAGES:
        category = catalog.category(kind.id, stage, False)
        if category != kind.category:
            told.setdefault(category, []).append(stage)
    parts = [f"{category} at {', '.join(stages)}" for category, stages in told.items()]
    after = catalog.category(kind.id, None, True)
    if after != kind.category:
        parts.append(f"{after} where no stage is given and a model was asked before")
    return "; ".join(parts)


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


# -- Markdown -------------------------------------------------------------------------------------


def markdown(told: Mapping[str, Any], opening: str = OPENING) -> str:
    """A page of Markdown.

    :param told: of :func:`document`.
    :param opening: what stands before the tables.
    """
    return "\n".join([opening, *_md_overview(told), *_md_kinds(told)]).rstrip() + "\n"


def _md_overview(told: Mapping[str, Any]) -> Iterator[str]:
    kinds = told["kinds"]
    seen = told["seen"]
    yield f"## The {len(kinds)} kinds"
    yield ""
    yield f"| kind | category | recoverable | retryable | ladder |{' seen |' if seen else ''}"
    yield f"| --- | --- | --- | --- | --- |{' --- |' if seen else ''}"
    for kind in kinds:
        row = (
            f"| [`{kind['id']}`](#{kind['id']}) | {kind['category']} | "
            f"{_yes(kind['recoverable'])} | {_yes(kind['retryable'])} | "
            f"{' → '.join(kind['ladder'])} |"
        )
        yield f"{row} {_times(kind)} |" if seen else row
    yield ""
    yield f"## The {sum(told['libraries'].values())} rules"
    yield ""
    yield "| library | rules |"
    yield "| --- | --- |"
    for library, count in told["libraries"].items():
        yield f"| {_md(library)} | {count} |"
    yield ""


def _times(kind: Mapping[str, Any]) -> str:
    return f"{kind['seen']['times']:,}" if kind["seen"] is not None else "never"


def _md_kinds(told: Mapping[str, Any]) -> Iterator[str]:
    category = None
    for kind in told["kinds"]:
        if kind["category"] != category:
            category = kind["category"]
            yield f"## Category {category}"
            yield ""
        yield from _md_kind(kind, told["seen"])
    if told["no_longer_known"]:
        yield "## Seen, and no longer in the catalog"
        yield ""
        for id, seen in told["no_longer_known"].items():
            yield f"- `{_code(id)}`: {seen['text']}"
        yield ""


def _md_kind(kind: Mapping[str, Any], with_journal: bool) -> Iterator[str]:
    yield f"### `{kind['id']}`"
    yield ""
    yield f"**{_md(kind['title'])}.** {_md(kind['meaning'])}".rstrip()
    yield ""
    if kind["causes"]:
        yield f"*Why it happens:* {_md(kind['causes'])}"
        yield ""
    yield f"*What Surefoot does:* {kind['does']}."
    yield ""
    if kind["action"]:
        yield f"*What a person should do:* {_md(kind['action'])}"
        yield ""
    if kind["elsewhere"]:
        yield f"*Category:* {kind['category']}, but {kind['elsewhere']}."
        yield ""
    if with_journal:
        seen = kind["seen"]
        yield f"*Seen:* {seen['text'] if seen is not None else 'Never, in this journal.'}"
        yield ""
    if kind["rules"]:
        yield "*Its rules, by library:*"
        yield ""
        for library, rules in kind["rules"].items():
            ids = ", ".join(f"`{_code(one['id'])}`" for one in rules)
            yield f"- {_md(library)}: {ids}"
        yield ""


def _md(text: str) -> str:
    """A text of a user's file must not turn into tables and tags."""
    return " ".join(text.split()).replace("<", "&lt;").replace("|", "\\|")


def _code(text: str) -> str:
    return _md(text).replace("`", "'")


# -- CSV ------------------------------------------------------------------------------------------


def csv_text(told: Mapping[str, Any]) -> str:
    """One line for each kind.

    :param told: of :func:`document`.
    """
    columns = [
        *("id", "title", "category", "recoverable", "retryable", "severity", "ladder"),
        *("meaning", "causes", "does", "action", "rules"),
    ]
    seen_columns = ["seen", "runs", "last_seen", *ENDED] if told["seen"] else []
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns + seen_columns)
    for kind in told["kinds"]:
        row = {
            **kind,
            "recoverable": _yes(kind["recoverable"]),
            "retryable": _yes(kind["retryable"]),
            "ladder": " → ".join(kind["ladder"]),
            "rules": "; ".join(
                f"{library}: {', '.join(one['id'] for one in rules)}"
                for library, rules in kind["rules"].items()
            ),
        }
        cells = [row[name] for name in columns]
        if told["seen"]:
            seen = kind["seen"] or {"times": 0, "runs": 0, "last": "", "ended": {}}
            cells += [seen["times"], seen["runs"], seen["last"]]
            cells += [seen["ended"].get(name, 0) for name in ENDED]
        writer.writerow(cells)
    return file.getvalue()


# -- HTML -----------------------------------------------------------------------------------------

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
code { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0;
  border-bottom: 1px solid var(--line); }
section { border-top: 1px solid var(--line); padding-top: .5rem; margin-top: 1.5rem; }
dt { font-weight: 600; margin-top: .5rem; }
dd { margin: 0; }
summary { cursor: pointer; font-weight: 600; margin-top: .5rem; }
.critical, .error { background: #c332; } .warning { background: #ca02; } .info { background: #08c2; }
.mark { border-radius: .25rem; padding: 0 .4rem; font-size: .85rem; }
@media print { details > * { display: block; } }
"""


def html_page(told: Mapping[str, Any], title: str = "The catalog of failures") -> str:
    """One page that needs nothing but itself: no script, no font, no address.

    :param told: of :func:`document`.
    """
    return (
        "\n".join(
            [
                "<!DOCTYPE html>",
                '<html lang="en">',
                '<head><meta charset="utf-8">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                f"<title>{escape(title)}</title>",
                f"<style>{_STYLE}</style></head>",
                f"<body><h1>{escape(title)}</h1>",
                *_html_overview(told),
                *(part for kind in told["kinds"] for part in _html_kind(kind, told["seen"])),
                *_html_rest(told),
                "</body></html>",
            ]
        )
        + "\n"
    )


def _html_overview(told: Mapping[str, Any]) -> Iterator[str]:
    seen = told["seen"]
    rules = sum(told["libraries"].values())
    yield (
        f"<p>{len(told['kinds'])} kinds of failures, recognised by {rules:,} rules about "
        f"{len(told['libraries'])} libraries.</p>"
    )
    heads = ["kind", "what it is", "category", "recoverable", "retryable"]
    yield f"<table><thead>{_row([*heads, *(['seen'] if seen else [])], 'th')}</thead><tbody>"
    for kind in told["kinds"]:
        id = escape(kind["id"])
        cells = [
            f'<a href="#{id}"><code>{id}</code></a>',
            escape(kind["title"]),
            escape(kind["category"]),
            _yes(kind["recoverable"]),
            _yes(kind["retryable"]),
        ]
        yield _row([*cells, *([_times(kind)] if seen else [])])
    yield "</tbody></table>"


def _row(cells: Sequence[str], tag: str = "td") -> str:
    return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>"


def _html_kind(kind: Mapping[str, Any], with_journal: bool) -> Iterator[str]:
    id = escape(kind["id"])
    yield f'<section id="{id}"><h2><code>{id}</code>: {escape(kind["title"])}</h2>'
    category = escape(kind["category"])
    if kind["elsewhere"]:
        category += f", but {escape(kind['elsewhere'])}"
    yield (
        f'<p><span class="mark {escape(kind["severity"])}">{escape(kind["severity"])}</span> '
        f"category: {category}; recoverable: {_yes(kind['recoverable'])}; "
        f"retryable: {_yes(kind['retryable'])}</p><dl>"
    )
    ladder = (
        f"<code>{escape(' → '.join(kind['ladder']))}</code><br>Surefoot {escape(kind['does'])}."
    )
    told = [
        ("What it means", escape(kind["meaning"])),
        ("Why it happens", escape(kind["causes"])),
        ("What Surefoot does", ladder),
        ("What a person should do", escape(kind["action"])),
    ]
    if with_journal:
        seen = kind["seen"]
        told.append(("Seen", escape(seen["text"]) if seen else "Never, in this journal."))
    for term, text in told:
        if text:
            yield f"<dt>{term}</dt><dd>{text}</dd>"
    yield "</dl>"
    for library, rules in kind["rules"].items():
        yield f"<details><summary>{escape(library)} ({len(rules)})</summary>"
        yield f"<table><thead>{_row(['rule', 'recognised by', 'source'], 'th')}</thead><tbody>"
        for one in rules:
            names = [f"<code>{escape(one[name])}</code>" for name in ("id", "recognised_by")]
            yield _row([*names, escape(one["source"])])
        yield "</tbody></table></details>"
    yield "</section>"


def _html_rest(told: Mapping[str, Any]) -> Iterator[str]:
    if told["no_longer_known"]:
        yield "<section><h2>Seen, and no longer in the catalog</h2><ul>"
        for id, seen in told["no_longer_known"].items():
            yield f"<li><code>{escape(id)}</code>: {escape(seen['text'])}</li>"
        yield "</ul></section>"
