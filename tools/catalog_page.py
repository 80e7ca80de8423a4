"""Writes docs/catalog.md from the catalog itself.

    python tools/catalog_page.py            # writes the page anew
    python tools/catalog_page.py --check    # ends with 1 where the page is not the catalog's

`make check` does the latter, through tools/check_docs.py.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from surefoot.catalog import load
from surefoot.model import CATEGORIES, STAGES, Kind

PAGE = Path(__file__).resolve().parent.parent / "docs" / "catalog.md"

OPENING = """\
# The catalog

<!-- Written by tools/catalog_page.py: change kinds.toml, not this page. -->

What a failure is, is one **kind** of a closed list, plus what you
[register](rules.md#kinds-of-your-own). Each kind says whether the program can go on by itself
(*recoverable*) or a person must act first, whether the same call, made again, may succeed
(*retryable*), and which **rungs** are tried in which order: its **ladder**. [Rules](rules.md) say how
an exception is recognised.

- `retry(within=900, base=1, cap=60)`: no try starts later than 900 s after the first such failure; the
  first wait is at most 1 s, the longest 60 s. Without numbers the step's hold: 5 attempts, waits of at
  most 0.5 s at first and 30 s at most.
- `adapt` and `fall_back` mean: where
  [the step says how](steps.md#recoveron-where-the-step-knows-better).
- `skip` sets the item of a map aside. A kind without it halts the map: a person must act for all items
  alike.
- A step overrides each rung by `recover=[on(…)]`.

`surefoot catalog list` shows the same, with your own kinds; `surefoot catalog explain KIND` one of
them, and `surefoot catalog explain` what an exception would be taken for.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([OPENING, *_overview(), *_libraries(), *_kinds()]).rstrip() + "\n"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _ladder(kind: Kind) -> str:
    return " → ".join(str(rung) for rung in kind.ladder)


def _overview() -> Iterator[str]:
    kinds = load().kinds.values()
    yield f"## The {len(kinds)} kinds"
    yield ""
    yield "| kind | category | recoverable | retryable | ladder |"
    yield "| --- | --- | --- | --- | --- |"
    for kind in kinds:
        yield (
            f"| [`{kind.id}`](#{kind.id}) | {kind.category} | {_yes(kind.recoverable)} | "
            f"{_yes(kind.retryable)} | {_ladder(kind)} |"
        )
    yield ""


def _libraries() -> Iterator[str]:
    rules = load().rules
    counts = Counter(rule.library for rule in rules)
    yield f"## The {len(rules)} rules"
    yield ""
    yield "| library | rules |"
    yield "| --- | --- |"
    for library in sorted(counts, key=str.lower):
        yield f"| {library} | {counts[library]} |"
    yield ""


def _kinds() -> Iterator[str]:
    kinds = load().kinds.values()
    for category in CATEGORIES:
        yield f"## Category {category}"
        yield ""
        for kind in kinds:
            if kind.category == category:
                yield from _kind(kind)


def _kind(kind: Kind) -> Iterator[str]:
    yield f"### `{kind.id}`"
    yield ""
    yield f"**{kind.title}.** {kind.meaning}"
    yield ""
    yield f"*What a person should do:* {kind.action}"
    yield ""
    elsewhere = _elsewhere(kind)
    if elsewhere:
        yield f"*Category:* {kind.category}, but {elsewhere}."
        yield ""


def _elsewhere(kind: Kind) -> str:
    """Where a stage gives the kind another category than its own."""
    catalog = load()
    told: dict[str, list[str]] = {}
    for stage in STAGES:
        category = catalog.category(kind.id, stage, False)
        if category != kind.category:
            told.setdefault(category, []).append(f"`{stage}`")
    parts = [f"{category} at {', '.join(stages)}" for category, stages in told.items()]
    after = catalog.category(kind.id, None, True)
    if after != kind.category:
        parts.append(f"{after} where no stage is given and a model was asked before")
    return "; ".join(parts)


def stale() -> bool:
    """Whether docs/catalog.md is not what the catalog says today."""
    return not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page()


def main(arguments: list[str]) -> int:
    if "--check" not in arguments:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if stale():
        print("docs/catalog.md is not the catalog's: python tools/catalog_page.py writes it")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
