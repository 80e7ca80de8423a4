"""The fields of the Elastic Common Schema that Surefoot writes, as Elastic publishes them.

Written by hand from the field reference, set by set:
https://www.elastic.co/docs/reference/ecs/ecs-field-reference (ecs-base, ecs-ecs, ecs-error, ecs-event,
ecs-host, ecs-log, ecs-process, ecs-service, ecs-tracing, ecs-user, ecs-http for the test of a program's
own fields). `python tools/check_ecs.py` holds it to the definitions that npm's @elastic/ecs ships; the
last time against 9.4.0, without a difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Field:
    """`type` as in Elasticsearch's mappings; `array` where ECS wants a list; the values allowed."""

    type: str
    array: bool = False
    allowed: frozenset[str] = frozenset()


FIELDS = {
    "@timestamp": Field("date"),
    "message": Field("match_only_text"),
    "labels": Field("object"),
    "ecs.version": Field("keyword"),
    "error.message": Field("match_only_text"),
    "error.stack_trace": Field("wildcard"),
    "error.type": Field("keyword"),
    "event.action": Field("keyword"),
    "event.category": Field(
        "keyword",
        array=True,
        allowed=frozenset(
            "api authentication configuration database driver email file host iam "
            "intrusion_detection library malware network package process registry session threat "
            "vulnerability web".split()
        ),
    ),
    "event.kind": Field(
        "keyword",
        allowed=frozenset(
            "alert asset enrichment event metric state pipeline_error signal".split()
        ),
    ),
    "event.outcome": Field("keyword", allowed=frozenset(("failure", "success", "unknown"))),
    "event.type": Field(
        "keyword",
        array=True,
        allowed=frozenset(
            "access admin allowed change connection creation deletion denied device end error group "
            "indicator info installation protocol start user".split()
        ),
    ),
    "host.name": Field("keyword"),
    "http.request.method": Field("keyword"),
    "log.level": Field("keyword"),
    "log.logger": Field("keyword"),
    "log.origin.file.line": Field("long"),
    "log.origin.file.name": Field("keyword"),
    "log.origin.function": Field("keyword"),
    "process.name": Field("keyword"),
    "process.pid": Field("long"),
    "process.thread.id": Field("long"),
    "process.thread.name": Field("keyword"),
    "service.name": Field("keyword"),
    "service.version": Field("keyword"),
    "span.id": Field("keyword"),
    "trace.id": Field("keyword"),
    "transaction.id": Field("keyword"),
    "user.name": Field("keyword"),
}

TYPES_OF_PROCESS = frozenset(("access", "change", "end", "info", "start"))
"""What `event.type` may be where `event.category` is process (ecs-allowed-values-event-category)."""

OF_SUREFOOT = {
    "run_id": str,
    "workflow": str,
    "step": str,
    "call_id": str,
    "attempt": int,
    "item": int,
    "stage": str,
    "kind": str,
    "fingerprint": str,
}
"""The custom fields, under `surefoot.`; ECS has none of that name."""

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def leaves(doc: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of each field; a name may be dotted or nested in a line."""
    for name, value in doc.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def problems(doc: Mapping[str, Any]) -> list[str]:
    """What in a line is not as ECS has it."""
    found = [
        f"{name} is missing"
        for name in ("@timestamp", "ecs.version", "log.level", "message")
        if name not in dict(leaves(doc))
    ]
    for name, value in leaves(doc):
        root, _, rest = name.partition(".")
        if root == "labels":
            if not isinstance(value, str) or "." in rest:
                found.append(f"{name}: a label is a text, and not nested")
        elif root == "surefoot":
            if type(value) is not OF_SUREFOOT.get(rest):
                found.append(f"{name} = {value!r} is none of ours")
        elif name not in FIELDS:
            found.append(f"{name} is no field of ECS")
        else:
            found += _wrong(name, FIELDS[name], value)
    event = doc.get("event", {})
    if "process" in event.get("category", ()) and not TYPES_OF_PROCESS.issuperset(
        event.get("type", ())
    ):
        found.append(f"event.type {event.get('type')} is not expected of a process")
    return found


def _wrong(name: str, field: Field, value: Any) -> Iterator[str]:
    if field.array != isinstance(value, list):
        yield f"{name}: {'a list is wanted' if field.array else 'no list is wanted'}"
        return
    for one in value if field.array else [value]:
        if field.type == "long":
            if type(one) is not int or not -(2**63) <= one < 2**63:
                yield f"{name} = {one!r} is no long"
        elif field.type == "date":
            if not (isinstance(one, str) and DATE.fullmatch(one)):
                yield f"{name} = {one!r} is no date"
        elif not isinstance(one, str):
            yield f"{name} = {one!r} is no text"
        elif field.allowed and one not in field.allowed:
            yield f"{name} = {one!r} is not allowed"
