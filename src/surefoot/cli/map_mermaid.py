"""The map of a workflow as a Mermaid flowchart: stages, steps, effects, what calls what."""

from __future__ import annotations

from .map_rows import Document, tier_of
from .out import counted

__all__ = ["mermaid_of"]


def mermaid_of(document: Document) -> str:
    """A flowchart. Arrows follow the code: the steps in the order in which the workflow names them;
    dotted ones lead to steps within a step, and to fallbacks."""
    steps = document["steps"]
    ids = {one["name"]: f"s{number}" for number, one in enumerate(steps)}
    lines = [
        "%% Arrows follow the order in which the code names the steps, not the data.",
        "flowchart TD",
        f'  start(["{_text(document["workflow"])}"])',
    ]
    for number, stage in enumerate(document["stages"]):
        lines.append(f'  subgraph g{number}["{_text(stage["stage"] or "no stage")}"]')
        lines += [
            f"    {ids[one['name']]}{_shape(one)}"
            for one in steps
            if one["stage"] == stage["stage"]
        ]
        lines.append("  end")
    before = "start"
    for one in steps:
        if any(use["inside"] is None for use in one["uses"]):
            lines.append(f"  {before} --> {ids[one['name']]}")
            before = ids[one["name"]]
    arrows = {
        f"  {ids[use['inside']]} -. {'falls back' if use['how'] == 'fallback' else 'calls'} .-> "
        f"{ids[one['name']]}": None
        for one in steps
        for use in one["uses"]
        if use["inside"] in ids
    }
    lines += arrows
    effects = [ids[one["name"]] for one in steps if one["form"] == "effect"]
    seen = [ids[one["name"]] for one in steps if one["found"] == "journal"]
    if effects:
        lines += ["  classDef effect stroke-width:3px", f"  class {','.join(effects)} effect"]
    if seen:
        lines += ["  classDef seen stroke-dasharray:5 5", f"  class {','.join(seen)} seen"]
    return "\n".join(lines)


def _shape(step: Document) -> str:
    """An effect has six corners; what is mapped has a double frame."""
    words = [step["name"]]
    if step["form"] == "effect":
        words.append("effect")
    mapped = any(use["how"] == "map" for use in step["uses"])
    if mapped:
        words.append("mapped")
    likely = [row for row in step["failures"] if tier_of(row) == "likely"]
    halting = sum(row["can_halt"] for row in likely)
    words.append(f"{halting} of {counted(len(likely), 'likely failure')} may halt it")
    label = "<br/>".join(_text(one) for one in words)
    if step["form"] == "effect":
        return f'{{{{"{label}"}}}}'
    return f'[["{label}"]]' if mapped else f'["{label}"]'


def _text(text: str) -> str:
    """Text that Mermaid takes as text, whatever is in it.

    >>> _text('a "b" <c> #1')
    'a #34;b#34; #60;c#62; #35;1'
    """
    return "".join(one if one.isalnum() or one in " _-.,:/()'" else f"#{ord(one)};" for one in text)
