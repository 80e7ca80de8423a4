"""``surefoot catalog lint``: what is wrong with a team's own rules, before a failure meets them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import examples, json_option
from .out import counted, plain, write, write_json

if TYPE_CHECKING:
    from ..catalog import CatalogProblem

__all__ = ["lint"]


@click.command(
    epilog=examples(
        "surefoot catalog lint",
        "surefoot catalog lint rules/acme.toml",
        "surefoot catalog lint --no-warnings --json",
    )
)
@click.argument(
    "files", metavar="[FILE]...", nargs=-1, type=click.Path(exists=True, dir_okay=False)
)
@click.option("--no-warnings", is_flag=True, help="Leave out what is no mistake: missing examples.")
@json_option
def lint(files: tuple[str, ...], no_warnings: bool, as_json: bool) -> int:
    """Look for mistakes in rules of your own: those in FILEs, else those that the settings name.

    Found are what cannot be read, duplicates, rules that never decide, examples that turn out
    otherwise, patterns that match too much, classes without a module, missing examples. Ends with 1 if
    there is anything, with 0 if not.
    """
    from ..config import load_config

    config = load_config()
    chosen = [Path(name) for name in files]
    known = {path.resolve() for path in config.rules}
    extra = [*config.rules, *(path for path in chosen if path.resolve() not in known)]
    wanted = {path.resolve() for path in chosen}
    findings, rules = _looked_at(extra, dict(config.catalog), wanted)
    if no_warnings:
        findings = [one for one in findings if one.level != "warning"]
    if as_json:
        write_json(
            {"ok": not findings, "rules": rules, "findings": [_finding(one) for one in findings]}
        )
    else:
        for one in findings:
            mark = "warning: " if one.level == "warning" else ""
            place = one.file if one.line is None else f"{one.file}:{one.line}"
            write(plain(f"{place}: {mark}{one.message}"))
        write(_summary(findings, rules, bool(chosen or config.rules or config.catalog)))
    return 1 if findings else 0


def _looked_at(
    extra: list[Path], table: dict[str, Any], wanted: set[Path]
) -> tuple[list[CatalogProblem], int]:
    """What is wrong in the files that are wanted (none: in all), and how many rules they have.

    All of them are read, for a rule may speak of a kind that another file registers.
    """
    from ..catalog import load
    from ..classify.review import review
    from ..clock import SystemClock
    from ..config import brought_rules

    found: list[CatalogProblem] = []
    catalog = load(
        extra=extra,
        extra_rules=table or None,
        brought=brought_rules().files,
        on_problem=found.append,
    )
    rules = [rule for rule in catalog.rules if rule.user]
    found += review(catalog, rules, now=SystemClock().now())
    if wanted:
        found = [one for one in found if Path(one.file).resolve() in wanted]
        rules = [rule for rule in rules if Path(rule.file).resolve() in wanted]
    return sorted(found, key=lambda one: (one.file, one.line or 0)), len(rules)


def _finding(one: CatalogProblem) -> dict[str, Any]:
    return {"level": one.level, "file": one.file, "line": one.line, "message": one.message}


def _summary(findings: list[CatalogProblem], rules: int, any_given: bool) -> str:
    if not any_given:
        return (
            "there are no rules of your own: name their files with `rules` in surefoot.toml, or "
            "here, as: surefoot catalog lint rules.toml"
        )
    counts = Counter(one.level for one in findings)
    words = [counted(counts[level], level) for level in ("problem", "warning") if counts[level]]
    return f"{counted(rules, 'rule')}: {', '.join(words) or 'clean'}"
