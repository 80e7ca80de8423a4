"""Writes docs/catalog.md from the catalog itself.

    python tools/catalog_page.py            # writes the page anew
    python tools/catalog_page.py --check    # ends with 1 where the page is not the catalog's

`make check` does the latter, through tools/check_docs.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

from surefoot.catalog import load
from surefoot.catalog.export import document, markdown

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

`surefoot catalog export` writes the same with your own kinds and rules, and what your journal has seen;
`surefoot catalog explain KIND` shows one of them, and `surefoot catalog explain` what an exception would
be taken for.
"""


def page() -> str:
    """The whole page: what `surefoot catalog export --format md` gives, with links of the docs."""
    return markdown(document(load()), OPENING)


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
