"""Templates of messages: :class:`string.Template` with a closed list of fields."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from string import Template

__all__ = ["FIELDS", "check_template", "fill"]

FIELDS: Mapping[str, str] = {
    "phase": "first, digest or resolved",
    "event": "what happened, as in a rule's `on`",
    "what": "that in words: one line",
    "next": "the command that is the next move",
    "workflow": "the workflow's name",
    "step": "the step's name",
    "stage": "where it stands",
    "run": "the run's id",
    "kind": "what the failure is",
    "category": "its category",
    "severity": "info, warning, error or critical",
    "type": "the exception's class",
    "message": "the exception's message, scrubbed",
    "reason": "why it was decided so",
    "resource": "the resource whose circuit opened",
    "fingerprint": "what the failures have in common",
    "incident": "the incident's number",
    "count": "how many failures there were in all",
    "runs": "in how many runs",
    "held": "how many alerts were held back since the last message",
    "since": "when it began",
    "action": "what the catalog says is to be done",
    "host": "the machine that tells",
    "journal": "the journal's file",
}


def check_template(text: str) -> None:
    """:raises ValueError: it has an unknown field, or a lone ``$``.

    >>> check_template("$step failed with $knd")
    Traceback (most recent call last):
    ValueError: has an unknown field $knd; did you mean $kind?
    """
    for match in Template.pattern.finditer(text):
        name = match["named"] or match["braced"]
        if match["invalid"] is not None:
            raise ValueError("has a lone $; write $$ for the sign, or $field for a field")
        if name is not None and name not in FIELDS:
            near = difflib.get_close_matches(name, list(FIELDS), n=1)
            hint = f"did you mean ${near[0]}?" if near else f"known are {', '.join(sorted(FIELDS))}"
            raise ValueError(f"has an unknown field ${name}; {hint}")


def fill(text: str, fields: Mapping[str, str]) -> str:
    """The template with its fields; those that nothing is known of are empty.

    >>> fill("$step: $kind", {"step": "load"})
    'load: '
    """
    return Template(text).substitute({name: fields.get(name, "") for name in FIELDS})
