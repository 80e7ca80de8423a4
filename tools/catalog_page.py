"""Writes docs/catalog.md from the catalog itself."""

from __future__ import annotations

from pathlib import Path

from surefoot.catalog import load


def page() -> str:
    catalog = load()
    lines = ["# The catalog", "", "Written by `tools/catalog_page.py`.", ""]
    for kind in catalog.kinds.values():
        ladder = " → ".join(str(rung) for rung in kind.ladder)
        yes = {True: "yes", False: "no"}
        lines += [
            f"## `{kind.id}`: {kind.title}",
            "",
            f"Category {kind.category}; recoverable: {yes[kind.recoverable]}; "
            f"retryable: {yes[kind.retryable]}; ladder: {ladder}.",
            "",
            f"{kind.meaning} {kind.action}",
            "",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    Path(__file__).resolve().parent.parent.joinpath("docs", "catalog.md").write_text(page())
