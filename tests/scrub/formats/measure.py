"""How much of the secrets a function finds, and how much it takes that is none.

``python -m tests.scrub.formats.measure [--seed N] [--per-format N] [--misses]
[--function module:name]`` prints the figures; by default of ``surefoot.scrub:scrub_text``.
"""

from __future__ import annotations

import argparse
import importlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.scrub.formats.generator import Case, cases, group_of, harmless, survives


@dataclass
class Report:
    """The counts, and each case that went wrong."""

    total: Counter[str] = field(default_factory=Counter)  # by group
    found: Counter[str] = field(default_factory=Counter)
    harmless: int = 0
    misses: list[tuple[Case, str, str]] = field(default_factory=list)  # case, output, what stayed
    changed: list[tuple[str, str, str]] = field(default_factory=list)  # id, text, output

    @property
    def found_percent(self) -> float:
        """Secrets of which nothing stayed, of 100."""
        return 100 * self.found.total() / self.total.total()

    @property
    def false_percent(self) -> float:
        """Harmless texts that were changed, of 100."""
        return 100 * len(self.changed) / self.harmless

    def of_group(self, group: str) -> float:
        """`found_percent` of one group."""
        return 100 * self.found[group] / self.total[group]


def measure(clean: Callable[[str], str], *, seed: int = 0, per_format: int = 6) -> Report:
    """What *clean* does with the cases and the harmless texts of *seed*."""
    report, groups = Report(), group_of()
    for case in cases(seed, per_format):
        group = groups[case.format]
        report.total[group] += 1
        out = clean(case.text)
        left = survives(out, case.secret)
        if left is None:
            report.found[group] += 1
        else:
            report.misses.append((case, out, left))
    for name, text in harmless(seed):
        report.harmless += 1
        if (out := clean(text)) != text:
            report.changed.append((name, text, out))
    return report


def main(argv: list[str] | None = None) -> None:
    """Print the figures; with --misses each case that went wrong too."""
    parser = argparse.ArgumentParser(description="Measure a scrubber on the unseen test set.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--per-format", type=int, default=6)
    parser.add_argument("--misses", action="store_true", help="list what went wrong")
    parser.add_argument("--function", default="surefoot.scrub:scrub_text", help="module:name")
    args = parser.parse_args(argv)
    module, _, name = args.function.partition(":")
    clean: Callable[[str], str] = getattr(importlib.import_module(module), name)
    report = measure(clean, seed=args.seed, per_format=args.per_format)
    for group in report.total:
        found, total = report.found[group], report.total[group]
        print(f"{group:<10} {report.of_group(group):6.2f} %  {found} of {total}")
    print(f"{'found':<10} {report.found_percent:6.2f} %  of {report.total.total()}")
    print(
        f"{'false':<10} {report.false_percent:6.2f} %  {len(report.changed)} of {report.harmless}"
    )
    if args.misses:
        missed = Counter(case.format for case, _, _ in report.misses)
        print("\nmissed:", ", ".join(f"{name} {count}" for name, count in missed.most_common()))
        for case, out, left in report.misses:
            print(f"\n[{case.format}] {left!r} stays\n  in   {case.text!r}\n  out  {out!r}")
        for name, text, out in report.changed:
            print(f"\n[harmless {name}]\n  in   {text!r}\n  out  {out!r}")


if __name__ == "__main__":
    main()
