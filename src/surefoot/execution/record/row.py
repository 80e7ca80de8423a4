"""A failed attempt as the journal keeps it.

Imported with the first failure: a run without one needs nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ...attempts import Note
from ...codec import encode
from ...decide import FallBack, Retry
from ...errors import SurefootError
from ...journal.writes import FailureWrite, failure
from ...store.base import Op
from ..call import Call
from ..failures import decision_name
from . import as_json, detail_of, raw_record, stack_of
from .place import resource_state
from .preview import Shown
from .texts import DROPPED, Own, Text, cleaned, part

__all__ = ["failure_row", "failure_write"]

MESSAGE = 9_000
"""Characters of a message that are kept; a classification has read 10,000."""


def failure_write(call: Call, note: Note) -> Op:
    """The write of a failed attempt, and of this process where it is its first one."""
    run = call.run
    row = failure_row(call, note, run.clock.now())
    return failure(run.lease, row, part(run.this_process, call.spec.fn))


def failure_row(call: Call, note: Note, at: float) -> FailureWrite:
    """All that is kept of a failed attempt, scrubbed. What of it cannot be had is left out."""
    failed, decision = note.failure, note.decision
    classification = failed.classification
    told = part(_told, call, note, at) or _UNTOLD
    kept = dict(classification.as_dict())
    kept["evidence"] = told["evidence"]
    record = told["record"]
    detail = part(detail_of, record) if record is not None else None
    return FailureWrite(
        call_id=call.call_id,
        step=call.spec.name,
        stage=call.spec.stage,
        item=call.item,
        attempt=failed.attempt,
        at=at,
        kind=classification.kind,
        category=classification.category,
        severity=classification.severity,
        rule=classification.rule,
        fingerprint=classification.fingerprint,
        type=classification.type,
        message=told["message"],
        stack=stack_of(record, classification.type),
        classification=json.dumps(kept),
        decision=decision_name(decision),
        reason=told["reason"],
        waited=decision.after if isinstance(decision, Retry) else None,
        changes=json.dumps(told["changes"]) if told["changes"] else None,
        fallback=note.fallback.name if note.fallback is not None else None,
        changes_kept=_kept(note),
        fallback_to=decision.to.name if isinstance(decision, FallBack) else None,
        cost=call.cost,
        tokens=call.tokens,
        detail=as_json(detail) if detail is not None else None,
    )


_UNTOLD: Mapping[str, Any] = MappingProxyType(
    {"message": DROPPED, "reason": DROPPED, "evidence": [], "changes": None, "record": None}
)


def _told(call: Call, note: Note, at: float) -> dict[str, Any]:
    """What of it is text, scrubbed all at once."""
    services, classification = call.run.services, note.failure.classification
    told: dict[str, Any] = cleaned(
        {
            "message": Text(classification.message, MESSAGE),
            "reason": Text(note.decision.reason, MESSAGE),
            "evidence": [
                {"what": Own(one.what), "value": Text(one.value, MESSAGE)}
                for one in classification.evidence
            ],
            "changes": part(_changes, call, note),
            "record": part(_record, call, note, at),
        },
        services.scrub_text,
    )
    return told


def _record(call: Call, note: Note, at: float) -> dict[str, Any]:
    services, spec = call.run.services, call.spec
    return raw_record(
        note.failure.exception,
        arguments=part(_arguments, call),
        digests=part(_digests, call),
        crumbs=call.crumbs,
        resource=part(_resource, call, at) if spec.resource else None,
        code=part(getattr, spec, "source"),
        keep_locals=services.keep_locals,
        is_secret=call.run.is_secret,
    )


def _arguments(call: Call) -> dict[str, Any]:
    """As they stand in the signature; what ``**kwargs`` took, last."""
    given = call.arguments()
    names = [name for name in call.spec.digester.names if name in given]
    return {name: given[name] for name in (*names, *given)}


def _digests(call: Call) -> dict[str, str]:
    return dict(call.digest.parts)


def _resource(call: Call, at: float) -> dict[str, Any]:
    assert call.spec.resource is not None
    return resource_state(call.run.services.resource(call.spec.resource), at)


def _changes(call: Call, note: Note) -> dict[str, Any] | None:
    """What an adaptation changed, as people read it."""
    is_secret = call.run.is_secret
    return {
        name: {"was": Shown(was, name, is_secret), "now": Shown(now, name, is_secret)}
        for name, (was, now) in note.changed.items()
    }


def _kept(note: Note) -> bytes | None:
    """The adapted arguments, raw, for a resume after a crash; None where there are none, or where
    they cannot be saved: the resume then adapts anew."""
    split = [name for name in note.changed if name not in note.changes]
    if not note.changes and not split:
        return None
    try:
        kept = {"changes": dict(note.changes), "split": split[0] if split else None}
        return encode(kept, where="adapted arguments").data
    except SurefootError:
        return None
