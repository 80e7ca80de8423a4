"""The record of a failure: what a person needs who was not there.

It is put together as raw data by small modules, each for one thing, and scrubbed as a whole by
:mod:`surefoot.execution.record.texts`. Whatever part cannot be made is left out; nothing that happens
in here ends a run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...fingerprint.source import source_digest
from ...scrub import is_secret_name
from .frames import is_surefoots, places
from .inputs import inputs_of, locals_of
from .place import breadcrumbs, task_name, thread_name
from .preview import IsSecret
from .process import described
from .raised import chain, frames_in, stack_text
from .texts import Own, Text, cleaned, part

__all__ = ["as_json", "body_record", "clean_text", "detail_of", "raw_record", "stack_of"]

CAUSE_FRAMES = 10
"""Frames of each cause that are kept, the innermost ones."""

Raw = dict[str, Any]


def raw_record(
    exc: BaseException,
    *,
    arguments: Mapping[str, Any] | None = None,
    digests: Mapping[str, str] | None = None,
    crumbs: Iterable[tuple[float, str, str, str]] | None = None,
    resource: Raw | None = None,
    code: str | None = None,
    keep_locals: bool = False,
    is_secret: IsSecret = is_secret_name,
) -> Raw:
    """All that is kept of a failure, to be :func:`cleaned`.

    :param arguments: of the call, by name. :param digests: of those that have one.
    :param is_secret: whether what stands under a name is a secret.
    :param crumbs: the attempt's last log records: (created, level, logger, message).
    """
    raw: Raw = {
        "chain": part(chain, exc),
        "inputs": None,
        "breadcrumbs": part(breadcrumbs, crumbs),
        "resource": resource,
        "thread": part(thread_name),
        "task": part(task_name),
        "code": Own(code) if code else None,
    }
    if arguments is not None:
        raw["inputs"] = part(inputs_of, arguments, digests or {}, is_secret)
    if keep_locals:
        raw["locals"] = part(_locals, exc, is_secret)
    return raw


def _locals(exc: BaseException, is_secret: IsSecret) -> Raw:
    kept = [one for one in places(exc) if not is_surefoots(one.frame.f_code.co_filename)]
    return dict(locals_of(kept, is_secret))


def detail_of(clean: Mapping[str, Any]) -> Raw:
    """The record as the journal keeps it, from a cleaned :func:`raw_record`."""
    nodes = clean["chain"] or []
    told: Raw = {
        "frames": part(frames_in, nodes[0]) if nodes else [],
        "causes": [
            {
                "how": node["how"],
                "type": node["type"],
                "message": node["message"],
                "frames": part(frames_in, node, CAUSE_FRAMES) or [],
            }
            for node in nodes[1:]
        ],
        "notes": nodes[0]["notes"] if nodes else [],
        "inputs": clean["inputs"] or {},
        "breadcrumbs": clean["breadcrumbs"] or [],
        "resource": clean["resource"],
        "thread": clean["thread"],
        "task": clean["task"],
        "code": clean["code"],
    }
    if "locals" in clean:
        told["locals"] = clean["locals"] or {}
    return told


def stack_of(clean: Mapping[str, Any] | None, type_name: str) -> str:
    """The stack as text, from a cleaned :func:`raw_record`; an exception that cannot be printed gives
    its type."""
    nodes = clean["chain"] if clean is not None else None
    text = part(stack_text, nodes) if nodes else None
    return text or f"{type_name} (it cannot be printed)"


def clean_text(text: str, limit: int, scrub: Callable[[str], str]) -> str:
    """A text scrubbed and cut to ``limit`` characters, in this order."""
    return str(cleaned(Text(text, limit), scrub))


def body_record(
    exc: BaseException,
    type_name: str,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    scrub: Callable[[str], str],
    is_secret: IsSecret = is_secret_name,
    keep_locals: bool = False,
) -> Raw:
    """``stack`` and ``detail`` of a failure of a workflow's own code, scrubbed. With ``detail`` goes
    the ``process``, which no row of a failed attempt tells."""
    raw = raw_record(
        exc,
        arguments=part(_bound, fn, args, kwargs),
        code=part(source_digest, fn),
        keep_locals=keep_locals,
        is_secret=is_secret,
    )
    clean = part(cleaned, raw, scrub)
    detail = part(detail_of, clean) if clean is not None else None
    if detail is not None:
        detail["process"] = part(described, fn, scrub)
    if as_json(detail) is None:
        detail = None
    return {"stack": stack_of(clean, type_name), "detail": detail}


def _bound(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Raw:
    import inspect

    bound = inspect.signature(fn).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def as_json(detail: Raw | None) -> str | None:
    """The record as JSON; None where it cannot be written."""
    text: str | None = part(json.dumps, detail)
    return text
