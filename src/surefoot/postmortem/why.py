"""Why failures were taken for what they were, why that was decided, and where they came from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..fingerprint.failure import OwnFrames
from ..journal import aftermath as read
from ..journal import outcomes
from ..journal.records import FailureRecord
from ..store.base import Store
from .facts import Facts
from .model import (
    Breadcrumb,
    Cause,
    Classified,
    Decided,
    Environment,
    Evidence,
    Frame,
    Input,
    Link,
)
from .moves import DONE

__all__ = ["body_cause", "cause_of", "causes_of", "classified_of", "environment_of"]

CLASSIFIED = 10
"""Different failures that are explained; the others are counted elsewhere."""
CAUSES = 5
REASONS = 4
STACK = 6_000
"""Characters of a traceback: its end, where the exception is; of all but the first, SHORT."""
SHORT = 1_200
MESSAGE = 2_000
PREVIEW = 400
FRAMES = 40
PACKAGES = 60
IN_STACK = re.compile(
    r'^ {2,8}File "([^"\n]{1,500})", line (\d+)(?:, in ([^\n]{1,200}))?\n(?: {4,12}([^\n]*))?'
)


# -- 4: why so ------------------------------------------------------------------------------------


def classified_of(facts: Facts) -> tuple[Classified, ...]:
    """One entry for each step and fingerprint: the worst step's first, then the most frequent."""
    store, run_pk = facts.journal.store, facts.run.pk
    grouped: dict[tuple[str, str], list[read.FailureGroup]] = {}
    for one in facts.groups:
        grouped.setdefault((one.step, one.fingerprint), []).append(one)
    ordered = sorted(
        grouped.values(),
        key=lambda some: (facts.rank(some[0].step), -sum(one.failures for one in some)),
    )
    chosen = ordered[:CLASSIFIED]
    records = read.latest_failures(store, [some[0].last_pk for some in chosen])
    found = []
    for some in chosen:
        decided = tuple(
            Decided(
                one.decision,
                DONE.get(one.decision, one.decision),
                one.failures,
                one.waited,
                tuple(
                    read.reasons_of(store, run_pk, one.step, one.fingerprint, one.decision, REASONS)
                ),
            )
            for one in some
        )
        record = records[some[0].last_pk]
        total = sum(one.failures for one in some)
        found.append(_classified(facts, record, total, max(one.calls for one in some), decided))
    if facts.error is not None and not facts.ended_by:
        found.append(_of_error(facts, facts.error))
    return tuple(found)


def _classified(
    facts: Facts, one: FailureRecord, failures: int, calls: int, decided: tuple[Decided, ...]
) -> Classified:
    told = _json(one.classification)
    kind = facts.kinds.get(one.kind)
    return Classified(
        step=one.step,
        stage=one.stage,
        fingerprint=one.fingerprint,
        kind=one.kind,
        category=one.category,
        title=kind.title if kind is not None else None,
        meaning=kind.meaning if kind is not None else None,
        recoverable=told.get("recoverable"),
        retryable=told.get("retryable"),
        outcome=told.get("outcome"),
        retry_after_seconds=told.get("retry_after"),
        rule=one.rule,
        evidence=tuple(
            Evidence(str(each.get("what")), str(each.get("value"))[:PREVIEW])
            for each in _list(told.get("evidence"))
        ),
        ladder=tuple(str(rung) for rung in told.get("ladder") or ()),
        failures=failures,
        calls=calls,
        decided=decided,
    )


def _of_error(facts: Facts, error: Mapping[str, Any]) -> Classified:
    """What left the workflow's own code."""
    kind = facts.kinds.get(str(error.get("kind")))
    return Classified(
        step="",
        stage=None,
        fingerprint=str(error.get("fingerprint") or ""),
        kind=str(error.get("kind")),
        category=str(error.get("category")),
        title=kind.title if kind is not None else None,
        meaning=kind.meaning if kind is not None else None,
        recoverable=error.get("recoverable"),
        retryable=None,
        outcome=None,
        retry_after_seconds=None,
        rule=str(error.get("rule") or ""),
        evidence=(),
        ladder=(),
        failures=1,
        calls=0,
        decided=(
            Decided("halt", DONE["halt"], 1, 0.0, ("nothing retries a workflow's own code",)),
        ),
    )


# -- 5: the cause ---------------------------------------------------------------------------------


def causes_of(facts: Facts) -> tuple[Cause, ...]:
    """The latest failure of each step and fingerprint: what ended the run first, then as
    :func:`classified_of` orders them. Only the first has its whole traceback."""
    store = facts.journal.store
    last: dict[tuple[str, str], tuple[int, int, int]] = {}
    for one in facts.groups:
        _, pk, number = last.get((one.step, one.fingerprint), (0, 0, 0))
        total = number + one.failures
        last[one.step, one.fingerprint] = (facts.rank(one.step), max(pk, one.last_pk), total)
    ended = facts.halting.pk if facts.halting is not None else 0
    ordered = sorted(last.values(), key=lambda each: (each[1] != ended, each[0], -each[2]))
    chosen = [pk for _, pk, _ in ordered[:CAUSES]]
    if ended and ended not in chosen:
        chosen = [ended, *chosen[: CAUSES - 1]]
    records = read.latest_failures(store, chosen)
    fallback = facts.run.versions
    found = [cause_of(store, records[pk], fallback) for pk in chosen]
    if facts.error is not None and not facts.ended_by:
        found.insert(0, body_cause(facts))
    return tuple(
        one if number == 0 else replace(one, stack=_tail(one.stack, SHORT))
        for number, one in enumerate(found)
    )


def cause_of(store: Store, one: FailureRecord, versions: str | None) -> Cause:
    """:param versions: what the run recorded of its Python, for failures without a process."""
    environment = environment_of(outcomes.process_detail(store, one.process_pk), versions)
    return _cause(
        _json(one.detail),
        one.stack,
        environment,
        step=one.step,
        kind=one.kind,
        fingerprint=one.fingerprint,
        type=one.type,
        message=one.message[:MESSAGE],
        at=one.at,
        attempt=one.attempt,
        item=one.item,
    )


def body_cause(facts: Facts) -> Cause:
    """What left the workflow's own code, from the run's error."""
    error = facts.error or {}
    detail = error.get("detail")
    process = outcomes.process_of_run(facts.journal.store, facts.run.pk)
    message = str(error.get("message") or "").partition("\nsurefoot: ")[0]
    return _cause(
        detail if isinstance(detail, dict) else {},
        str(error.get("stack") or ""),
        environment_of(process, facts.run.versions),
        step="",
        kind=str(error.get("kind")),
        fingerprint=str(error.get("fingerprint") or ""),
        type=str(error.get("type")),
        message=message[:MESSAGE],
        at=facts.run.ended_at or facts.run.started_at,
        attempt=None,
        item=None,
    )


def _cause(
    detail: Mapping[str, Any], stack: str, environment: Environment | None, **known: Any
) -> Cause:
    frames = _frames(detail.get("frames")) or _from_stack(stack)
    inputs = detail.get("inputs")
    inputs = inputs if isinstance(inputs, dict) else {}
    kept = detail.get("locals")
    return Cause(
        frames=_own_first(frames),
        causes=tuple(
            Link(
                str(one.get("how")),
                str(one.get("type")),
                str(one.get("message") or "")[:MESSAGE],
                _own_first(_frames(one.get("frames"))),
            )
            for one in _list(detail.get("causes"))[:10]
        ),
        stack=_tail(stack, STACK),
        notes=tuple(str(one)[:MESSAGE] for one in (detail.get("notes") or ())[:10]),
        inputs=tuple(
            Input(
                str(name),
                str(one.get("type") or ""),
                str(one.get("preview") or "")[:PREVIEW],
                one.get("size"),
                one.get("digest"),
            )
            for name, one in list(inputs.items())[:30]
            if isinstance(one, dict)
        ),
        breadcrumbs=tuple(
            Breadcrumb(
                one.get("at"),
                str(one.get("level") or ""),
                str(one.get("logger") or ""),
                str(one.get("message") or "")[:MESSAGE],
            )
            for one in _list(detail.get("breadcrumbs"))[-30:]
        ),
        resource=_resource(detail.get("resource")),
        thread=detail.get("thread"),
        task=detail.get("task"),
        code=detail.get("code"),
        locals=tuple((str(k), _short(v)) for k, v in list(kept.items())[:50])
        if isinstance(kept, dict)
        else (),
        environment=environment,
        **known,
    )


def _frames(told: Any) -> tuple[Frame, ...]:
    return tuple(
        Frame(
            str(one.get("file") or ""),
            one.get("line") if isinstance(one.get("line"), int) else None,
            one.get("module"),
            str(one.get("function") or ""),
            str(one.get("code") or "")[:200],
            bool(one.get("own")),
        )
        for one in _list(told)[-FRAMES:]
    )


def _from_stack(stack: str) -> tuple[Frame, ...]:
    """The frames of a printed traceback, where nothing better was recorded: of the exception raised,
    which stands last."""
    last = stack.rpartition("Traceback (most recent call last):")[2]
    own = OwnFrames()
    found = []
    lines = last.split("\n")
    for number, line in enumerate(lines):
        if not line.startswith('  File "'):
            continue
        match = IN_STACK.match("\n".join(lines[number : number + 2]))
        if match is not None:
            file, where, function, code = match.groups()
            found.append(
                Frame(file, int(where), None, function or "", code or "", own.is_own(file))
            )
    return tuple(found[-FRAMES:])


def _own_first(frames: Iterable[Frame]) -> tuple[Frame, ...]:
    """The user's own frames, then the others; each in the order of the calls."""
    return tuple(sorted(frames, key=lambda one: not one.own))


def _resource(told: Any) -> str | None:
    if not isinstance(told, dict):
        return None
    name = str(told.get("name") or "")
    parts = [
        f"{key.replace('_', ' ')} {value}" for key, value in told.items() if key != "name" and value
    ]
    return f"{name}: {', '.join(parts)}" if parts else name


def environment_of(detail: str | None, versions: str | None) -> Environment | None:
    """What is known of the process; of an older record, what the run noted."""
    told = {**_json(versions), **_json(detail)}
    if not told:
        return None
    git = told.get("git")
    git = git if isinstance(git, dict) else {}
    packages = told.get("packages")
    packages = packages if isinstance(packages, dict) else {}
    argv = told.get("argv")
    return Environment(
        host=told.get("host"),
        pid=told.get("pid"),
        python=told.get("python"),
        platform=told.get("platform"),
        surefoot=told.get("surefoot"),
        packages=tuple((str(k), str(v)) for k, v in sorted(packages.items())[:PACKAGES]),
        git_commit=git.get("commit"),
        git_branch=git.get("branch"),
        cwd=told.get("cwd"),
        argv=" ".join(str(one) for one in argv)[:PREVIEW] if isinstance(argv, list) else argv,
    )


def _tail(text: str, most: int) -> str:
    """Its last lines: there stands the exception."""
    if len(text) <= most:
        return text
    end = text[-most:]
    return f"…\n{end.partition(chr(10))[2]}" if "\n" in end else f"…{end}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text[:PREVIEW]


def _json(text: str | None) -> dict[str, Any]:
    """A JSON object of the journal; nothing where it is damaged or missing."""
    try:
        told = json.loads(text) if text else {}
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _list(value: Any) -> list[Any]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
