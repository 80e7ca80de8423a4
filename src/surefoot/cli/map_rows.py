"""The map of a workflow put into words and rows, for whatever prints it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .out import counted, when

__all__ = ["GroupedRow", "LEGEND", "actions", "aside", "facts", "grouped", "heading", "stage_rows"]

Document = Mapping[str, Any]

LEGEND = (
    "Attempts are counted for each kind; the first try is one of them. A fallback begins anew.",
    "Refused: the effect surely did not happen. Open: it may have happened all the same.",
    "WorkflowCriticalError halts at once. Ctrl-C, SIGTERM and cancellations are no failures.",
    "What reaches the workflow's code may be caught there: told is that a try is there, not its end.",
)
"""What a reader needs to know to read the tables."""

TIERS = ("likely", "stage", "imported")
"""What the step itself gives reason for; what belongs to its stage; what its module could do."""


@dataclass(frozen=True)
class GroupedRow:
    """One line of a step's table: kinds of failures that have the same reason and the same end."""

    kinds: tuple[str, ...]
    categories: tuple[str, ...]
    why: str
    recoverable: str
    words: str
    action: str
    can_halt: bool
    tier: str


def heading(document: Document) -> str:
    """``workflow triage: 8 steps, 2 of them effects, in 5 stages``."""
    steps = document["steps"]
    effects = sum(one["form"] == "effect" for one in steps)
    told = f"workflow {document['workflow']}: {counted(len(steps), 'step')}"
    if effects:
        told += f", {counted(effects, 'effect')} among them"
    return told


def journal_words(document: Document) -> str:
    """What the journal has seen of it."""
    journal = document["journal"]
    if journal is None:
        return "there is none yet: what was seen is not in this map"
    if not journal["runs"]:
        return f"{journal['location']}: it has no run of this workflow"
    return (
        f"{journal['location']}: {counted(journal['runs'], 'run')}, the last at "
        f"{when(journal['last_run'])}"
    )


def stage_rows(document: Document) -> list[tuple[str, list[str]]]:
    """The stages in their order, each with its steps; effects are marked."""
    form = {one["name"]: one["form"] for one in document["steps"]}
    return [
        (
            one["stage"] or "no stage",
            [f"{name} (effect)" if form[name] == "effect" else name for name in one["steps"]],
        )
        for one in document["stages"]
    ]


# -- one step -------------------------------------------------------------------------------------


def facts(step: Document) -> list[tuple[str, str]]:
    """What a step is, as labels and words; what is not set is left out."""
    rows: list[tuple[str, str]] = []

    def add(label: str, words: str | None) -> None:
        if words:
            rows.append((label, words))

    add("does", step["does"])
    for number, one in enumerate(step["uses"]):
        add("used" if number == 0 else "", use_words(one))
    add("resource", step["resource"])
    if step["found"] == "code":
        add("limits", _limits(step))
    if step["checkpoint"] is False:
        add("result", "not kept: a resume runs it again")
    for number, words in enumerate(step["overrides"]):
        add("its own" if number == 0 else "", words)
    if step["effect"] is not None:
        for number, words in enumerate(_effect(step["effect"])):
            add("effect" if number == 0 else "", words)
    add("libraries", _libraries(step["libraries"]))
    seen = step["calls_seen"]
    if seen is not None:
        add("seen", f"{counted(seen['calls'], 'call')}, the last at {when(seen['last'])}")
    if step["found"] == "journal":
        add("found", "in the journal alone: the code does not name it")
    return rows


def use_words(use: Document) -> str:
    """Where and how a step is used."""
    where = f"{use['in']}, line {use['line']}"
    if use["how"] == "map":
        told = f"mapped in {where}"
        options = use["options"]
        if "workers" in options:
            told += f", workers={options['workers']}"
        if options.get("on_failure") == "'halt'":
            told += "; the first item that fails halts the map"
        else:
            told += f"; {aside(options)}"
    elif use["how"] == "fallback":
        told = f"fallback of {use['to']}"
    elif use["how"] == "handed on":
        told = f"handed to {use['to']} in {where}"
    else:
        told = f"called in {where}"
    if use["one_of_several"]:
        told += "; picked out of a collection"
    if use["inside"] is not None:
        told += f"; within {use['inside']}"
        if use["tried_once"]:
            told += ", which owns the retries"
    if use["in_try"]:
        told += "; a try stands around it"
    if use["options_unread"]:
        told += f"; with options that only a run knows ({use['options_unread']})"
    return told


def aside(options: Mapping[str, str]) -> str:
    """What becomes of a map's failed items."""
    from ..workflow.maps import JUDGED_FROM

    ratio = options.get("max_failure_ratio", "0.5")
    unless = "" if "on_failure" not in options else f" (on_failure={options['on_failure']})"
    return f"failed items are set aside{unless}; more than {ratio} of {JUDGED_FROM} or more halt it"


def _limits(step: Document) -> str:
    timeout, deadline = step["timeout"], step["deadline"]
    return ", ".join(
        (
            f"timeout {timeout:g} s" if timeout is not None else "no timeout",
            f"deadline {deadline:g} s" if deadline is not None else "no deadline",
            f"up to {counted(step['attempts'], 'attempt')} where a kind says no less",
        )
    )


def _effect(effect: Document) -> list[str]:
    if effect["key"] is None:
        key = "no key"
    else:
        key = f"key {effect['key']}"
        match = effect["match"]
        key += f", match {', '.join(match) or 'nothing'}" if match is not None else ", match all"
    lines = [key]
    if effect["verify"] is not None:
        settle = effect["settle"]
        lines.append(f"verify {effect['verify']}, settle {settle or 0:g} s")
    else:
        lines.append("no verify")
    lines.append(f"compensate {effect['compensate']}" if effect["compensate"] else "no compensate")
    lines.append(f"in doubt ({effect['on_doubt']}): {effect['in_doubt']}")
    return lines


def _libraries(libraries: Document) -> str:
    told = ", ".join(libraries["used"]) or ""
    if libraries["imported"]:
        others = f"its module imports {', '.join(libraries['imported'])}"
        told = f"{told} ({others})" if told else f"none known; {others}"
    if libraries["without_rules"]:
        told += f"; without rules: {', '.join(libraries['without_rules'])}"
    return told


# -- its failures ---------------------------------------------------------------------------------


def grouped(step: Document, *, all: bool = False) -> list[GroupedRow]:  # noqa: A002
    """The step's table: kinds with the same end together, or each kind alone.

    What only the module's other imports could raise is left out unless ``all``.
    """
    rows = [(tier_of(row), row) for row in step["failures"]]
    groups: dict[Any, list[Document]] = {}
    for number, (tier, row) in enumerate(rows):
        if all:
            groups[tier, number] = [row]
        elif tier != "imported":
            key = (tier, row["words"], row["recoverable"], row["seen"] is not None and number)
            groups.setdefault(key, []).append(row)
    ordered = sorted(groups.items(), key=lambda pair: TIERS.index(pair[0][0]))
    return [_row(tier, members) for (tier, *_), members in ordered]


def tier_of(row: Document) -> str:
    """How much reason there is to expect a failure."""
    if row["seen"] is not None:
        return "likely"
    by = {(one["by"], one["through"]) for one in row["because"]}
    if any(one != "stage" and through != "imported" for one, through in by):
        return "likely"
    return "stage" if ("stage", None) in by else "imported"


def _row(tier: str, members: Sequence[Document]) -> GroupedRow:
    return GroupedRow(
        kinds=_distinct(_name(row) for row in members),
        categories=_distinct(row["category"] for row in members),
        why=why(members, tier),
        recoverable={True: "yes", False: "no", None: ""}[members[0]["recoverable"]],
        words=members[0]["words"],
        action=members[0]["action"] if len(members) == 1 else "",
        can_halt=any(row["can_halt"] for row in members),
        tier=tier,
    )


def _name(row: Document) -> str:
    name: str = row["kind"]
    if row["as"] is not None:
        name += f" as {row['as']}"
    if row["only_by"]:
        more = len(row["only_by"]) - 1
        name += f" (by {row['only_by'][0]}{f' and {more} more' if more else ''})"
    return name


def why(members: Sequence[Document], tier: str) -> str:
    """Why these are expected: the strongest reasons, in few words."""
    words: list[str] = []
    for row in members:
        if row["seen"] is not None:
            words.append(seen_words(row["seen"]))
    reasons = [one for row in members for one in row["because"]]
    if tier == "stage":
        return "its stage"
    if tier == "imported":
        return ", ".join(_distinct(f"{one['what']}, imported" for one in reasons))
    for by, form in (("raised", "raises {}"), ("named", "on({})"), ("option", "{}")):
        words += _distinct(form.format(one["what"]) for one in reasons if one["by"] == by)
    words += _distinct(
        one["what"] for one in reasons if one["by"] == "library" and one["through"] == "used"
    )
    words += _distinct(one["what"] for one in reasons if one["by"] == "any code")
    return "; ".join(_distinct(words))


def seen_words(seen: Document) -> str:
    """How often something was seen, when last, and how the calls that had it ended."""
    from ..catalog.export import ENDED

    told = f"seen {seen['times']:,}×, last {when(seen['last'])}"
    ends = [f"{seen['ended'][how]:,} {word}" for how, word in ENDED.items() if how in seen["ended"]]
    return f"{told}; of {counted(seen['calls'], 'call')} {', '.join(ends)}" if ends else told


def left_out(step: Document) -> str | None:
    """What a table does not list: failures that only the module's other imports could raise."""
    kinds = _distinct(row["kind"] for row in step["failures"] if tier_of(row) == "imported")
    if not kinds:
        return None
    libraries = ", ".join(step["libraries"]["imported"])
    return (
        f"and {counted(len(kinds), 'kind')} more if it should come to use what its module imports "
        f"({libraries}): see --all"
    )


def actions(document: Document) -> list[tuple[str, str, str]]:
    """(kind, what it is, what a person does) for all that may halt, in the order of the map."""
    halting = {
        row["kind"]: None
        for step in document["steps"]
        for row in step["failures"]
        if row["can_halt"] and tier_of(row) != "imported"
    }
    kinds = document["kinds"]
    return [
        (kind, kinds[kind]["title"], kinds[kind]["action"]) for kind in halting if kind in kinds
    ]


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
