"""Do the server's numbers fit the run's? What was asked and answered is counted at the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .documents import Document

__all__ = ["SPOILED", "Told", "problems", "summary"]

SPOILED = (
    "rate_limited",
    "output_truncated",
    "context_length_exceeded",
    "content_filtered",
    "malformed_output",
    "unexpected_output",
    "overloaded",
)
"""What the server does wrong: both sides must have seen each of them equally often."""


@dataclass(frozen=True)
class Told:
    """What the run says of itself: its invoices, and the kind of each failed attempt."""

    invoices: Sequence[Mapping[str, Any]]
    failures: Mapping[str, int]
    set_aside: int
    cost: float


def problems(
    documents: Sequence[Document], served: Sequence[Mapping[str, Any]], told: Told
) -> Iterator[str]:
    """What does not fit, as sentences; nothing where all does."""
    outcomes = Counter(one["outcome"] for one in served)
    for kind in SPOILED:
        seen = told.failures.get(kind, 0)
        if not outcomes[kind]:
            yield f"the server never answered with {kind}: nothing is shown"
        if outcomes[kind] != seen:
            yield f"{kind}: {outcomes[kind]} times at the server, {seen} times in the run"
    if outcomes["died"] != 1 or not told.failures.get("connection"):
        yield f"the server died {outcomes['died']} times, and the run saw no lost connection"
    yield from _answers(documents, served, told)


def _answers(
    documents: Sequence[Document], served: Sequence[Mapping[str, Any]], told: Told
) -> Iterator[str]:
    filtered = {one.number for one in documents if one.trouble.startswith("filtered")}
    wanted = {one.number: one for one in documents if one.number not in filtered}
    answered = Counter(one["document"] for one in served if one["outcome"] == "answered")
    for number in wanted:
        if answered[number] != 1:
            yield f"{number} was answered {answered[number]} times, not once"
    if told.set_aside != len(filtered):
        yield f"{told.set_aside} documents were set aside, not {len(filtered)}"
    found = {one["number"]: one for one in told.invoices}
    if len(told.invoices) != len(wanted) or set(found) != set(wanted):
        yield f"invoices for {', '.join(sorted(found)) or 'none'}: not those that were answered"
    for number, invoice in found.items():
        total = wanted[number].total / 100 if number in wanted else None
        if invoice["total"] != total:
            yield f"{number}: a total of {invoice['total']}, and its document says {total}"
    hard = {one.number for one in documents if one.trouble in ("words", "overloaded")}
    large = {one["document"] for one in served if one["model"] == "large"}
    if large != hard:
        yield f"the large model was asked for {', '.join(sorted(large)) or 'none'}"


def summary(
    documents: Sequence[Document], served: Sequence[Mapping[str, Any]], told: Told
) -> tuple[str, bool]:
    """The last page, and whether all fits."""
    lines = ["", "counted at the server:", ""]
    lines.append(f"{'':<26}{'mini':>6}{'large':>7}{'the run':>10}")
    by = Counter((one["outcome"], one["model"]) for one in served)
    for outcome in ("answered", *SPOILED, "died"):
        ours = len(told.invoices) if outcome == "answered" else told.failures.get(outcome, 0)
        said = "" if outcome == "died" else str(ours)
        lines.append(f"  {outcome:<24}{by[outcome, 'mini']:>6}{by[outcome, 'large']:>7}{said:>10}")
    models = Counter(one["model"] for one in served)
    lines.append(f"  {'requests':<24}{models['mini']:>6}{models['large']:>7}")
    answered = Counter(one["document"] for one in served if one["outcome"] == "answered")
    refused = len(served) - sum(answered.values()) - by["died", "mini"]
    duplicates = sum(answered.values()) - len(answered)
    lost = told.failures.get("connection", 0)
    held = told.failures.get("circuit_open", 0)
    lines += [
        "",
        f"{len(documents)} documents: {len(told.invoices)} invoices, {told.set_aside} set aside.",
        f"{len(served)} requests: {sum(answered.values())} answered, {refused} refused or spoiled,",
        f"  {duplicates} answered twice.",
        f"While the server was down: {lost} attempts met none, {held} were held back by the circuit.",
        f"Cost, failed attempts included: ${told.cost:.6f}.",
    ]
    found = list(problems(documents, served, told))
    lines += [f"WRONG: {one}" for one in found]
    if not found:
        lines.append("It fits: the server and the run tell the same story.")
    return "\n".join(lines), not found
