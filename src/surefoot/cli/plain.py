"""What the journal holds, as plain JSON: without the user's classes, and without secrets."""

from __future__ import annotations

import json
from typing import Any

from ..errors import SurefootError
from ..journal import Journal, RunRecord
from ..journal.runs import holder_of

__all__ = ["document_of", "holder_of", "scrubbed", "untagged", "with_holder", "with_records"]


def untagged(value: Any) -> Any:
    """A checkpoint's JSON without the tags that say what its parts are.

    >>> untagged({"path": {"$": "path", "v": "a.txt"}, "at": {"$": "tuple", "v": [1, 2]}})
    {'path': 'a.txt', 'at': [1, 2]}
    """
    if isinstance(value, list):
        return [untagged(part) for part in value]
    if not isinstance(value, dict):
        return value
    tag = value.get("$")
    if tag is None:
        return {key: untagged(part) for key, part in value.items()}
    if "v" not in value:
        return value.get("n", f"<{tag}>")
    inner = value["v"]
    if tag in ("dict", "OrderedDict", "defaultdict", "Counter") and isinstance(inner, list):
        return {str(untagged(key)): untagged(part) for key, part in inner}
    return untagged(inner)


def result_of(journal: Journal, record: RunRecord) -> Any:
    """A completed run's result without importing anything of the user's."""
    if record.status != "completed" or record.format is None or record.result_digest is None:
        return None
    try:
        data = journal.fetch(record.result, record.result_digest)
    except SurefootError as exc:
        return f"<{exc}>"
    if record.format != "json":
        return f"<{record.format}, {len(data):,} bytes>"
    return untagged(json.loads(data.decode("utf-8", "surrogatepass")))


def with_holder(document: dict[str, Any], record: RunRecord, now: float) -> dict[str, Any]:
    """A run's document with who holds it, and its input without tags."""
    told = dict(document)
    told["input"] = untagged(told["input"])
    told["holder"] = holder_of(record, now)
    return told


def document_of(
    journal: Journal, record: RunRecord, *, items: bool = True, failures: bool = False
) -> dict[str, Any]:
    """The document of a run as ``show`` gives it: nothing of the user's is imported; scrubbed.

    :param items: False: the words of single items of maps are dropped, as nobody will read them.
    :param failures: with the whole record of each failure.
    """
    from ..workflow.run import document

    told = with_holder(document(journal, record), record, journal.clock.now())
    told["result"] = result_of(journal, record)
    if failures:
        told = with_records(told, journal, record)
    return scrubbed(told, items=items)


def with_records(document: dict[str, Any], journal: Journal, record: RunRecord) -> dict[str, Any]:
    """A run's document with all that was kept of each failure: its stack, its ``detail`` and the
    process that saw it; None where an older Surefoot has kept none."""
    processes = {one.pk: json.loads(one.detail) for one in journal.processes(record.pk)}
    told = dict(document)
    told["error"] = json.loads(record.error) if record.error else None
    told["failures"] = [
        {
            **one,
            "stack": row.stack,
            "detail": json.loads(row.detail) if row.detail else None,
            "process": processes.get(row.process_pk or 0),
        }
        for one, row in zip(document["failures"], journal.failures(record.pk))
    ]
    return told


WORDS = ("item_id", "key", "note")
"""What a user's own words are in the entry of a step."""


def scrubbed(document: dict[str, Any], *, items: bool = True) -> dict[str, Any]:
    """The document without secrets. Failures and errors were scrubbed when they were written."""
    from ..runtime import scrub

    told = dict(document)
    if not items:
        told["steps"] = [
            {**step, **dict.fromkeys(WORDS)} if step["item"] is not None else step
            for step in document["steps"]
        ]
    found = {step[name] for step in told["steps"] for name in WORDS if step[name]}
    raw = sorted(word for word in found if not _is_number(word))
    clean = scrub({"input": document["input"], "result": document["result"], "words": raw})
    told["input"], told["result"] = clean["input"], clean["result"]
    words = dict(zip(raw, clean["words"]))
    for name in ("undone", "resolved"):
        told[name] = [{**one, "key": scrub(one["key"])} for one in document[name]]
    told["steps"] = [
        {**step, **{name: words.get(step[name], step[name]) for name in WORDS if step[name]}}
        for step in told["steps"]
    ]
    return told


def _is_number(word: str) -> bool:
    """An index or a row's number, which a long map has thousands of, is no secret."""
    return len(word) <= 10 and word.isdecimal()
