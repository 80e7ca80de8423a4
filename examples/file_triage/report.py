"""What the journal tells of a run, put in the order of a story.

It reads one document, the one that ``surefoot show RUN --json`` prints, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Group:
    """Failures of one step and kind that ended alike."""

    step: str
    kind: str
    category: str
    what: str
    """The exception, in a few words."""
    done: str
    count: int


@dataclass(frozen=True)
class Story:
    run_id: str
    status: str
    result: Mapping[str, Any]
    groups: Sequence[Group]
    failures: Sequence[dict[str, Any]]
    reused: int
    time_saved: float
    """Seconds: the recorded durations of the calls that a resume did not make again."""
    completed: int
    ended: str
    """What ended a run that did not complete, else nothing."""


def load(path: Path) -> Story:
    """The story of a run from its document.

    :raises ValueError: if the file is missing or is no such document.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ValueError(f"the run left no report: {exc}") from exc
    return tell(document)


def tell(document: Mapping[str, Any]) -> Story:
    failures: list[dict[str, Any]] = list(document.get("failures") or ())
    return Story(
        run_id=document["run_id"],
        status=document["status"],
        result=document.get("result") or {},
        groups=group(failures),
        failures=failures,
        reused=int(document.get("reused") or 0),
        time_saved=float(document.get("time_saved") or 0.0),
        ended=": ".join(str(document["error"].get(key)) for key in ("type", "message"))
        if document.get("error")
        else "",
        completed=sum(step["status"] == "completed" for step in document.get("steps") or ()),
    )


def group(failures: Sequence[Mapping[str, Any]]) -> list[Group]:
    """Alike failures together, in the order of the pipeline, the most frequent first."""
    together: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    order: dict[str, int] = {}
    for failure in failures:
        order.setdefault(failure["step"], stage_number(failure))
        together[failure["step"], failure["kind"], rung(failure)].append(failure)
    groups = [
        Group(
            step=step,
            kind=kind,
            category=str(alike[0].get("category", "")),
            what=in_few_words(str(alike[0].get("message") or "")),
            done=what_was_done(name, alike),
            count=len(alike),
        )
        for (step, kind, name), alike in together.items()
    ]
    return sorted(groups, key=lambda one: (order[one.step], -one.count))


def stage_number(failure: Mapping[str, Any]) -> int:
    stages = ("ingestion", "preprocessing", "inference", "postprocessing", "notification")
    stage = failure.get("stage")
    return stages.index(stage) if stage in stages else len(stages)


def rung(failure: Mapping[str, Any]) -> str:
    """The name of the decision: retry, adapt, fall_back, skip or halt."""
    decision = failure.get("decision") or "halt"
    if isinstance(decision, Mapping):
        decision = decision.get("rung") or decision.get("name") or decision.get("type") or "halt"
    return str(decision).lower().replace("fallback", "fall_back")


def what_was_done(name: str, alike: Sequence[Mapping[str, Any]]) -> str:
    if name == "retry":
        waits = sorted(float(one.get("waited") or 0.0) for one in alike)
        first, last = f"{waits[0]:.1f}", f"{waits[-1]:.1f}"
        spread = first if first == last else f"{first}–{last}"
        asked = any("server asked" in str(one.get("reason")) for one in alike)
        return f"retried after {spread} s" + (", as the server asked" if asked else "")
    return {
        "skip": "set aside, the others went on",
        "adapt": "asked again with other arguments",
        "fall_back": "went to the fallback",
        "halt": "stopped here",
    }.get(name, name)


def in_few_words(message: str, limit: int = 46) -> str:
    """The first line of a message without what everyone knows; a long path keeps its end."""
    first = message.strip().splitlines()[0] if message.strip() else ""
    first = re.sub(r"^\[Errno \d+\] | for url '.*", "", first)
    words = [_shorter(word) for word in first.split(" ")]
    text = " ".join(words)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _shorter(word: str) -> str:
    if word.count("/") < 3 or "://" in word:
        return word
    quote = word[-1] if word[-1] in "'\"" else ""
    return f"{quote}…/{word.rstrip(quote).rsplit('/', 1)[1]}{quote}"
