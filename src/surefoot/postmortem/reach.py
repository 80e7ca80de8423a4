"""What else the failures touched, the proof of recovery, and what changed since it last worked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..codec.untagged import untagged
from ..journal import aftermath as read
from ..journal import outcomes, repeats
from ..journal.doubts import resolved
from ..journal.records import RunRecord
from ..journal.undo import UNDO, compensations
from .facts import Facts
from .failing import RECOVERED
from .model import (
    Change,
    Changes,
    Letters,
    Recovery,
    RunSeen,
    Settled,
    Similar,
    StepDone,
    Touched,
    Undone,
)
from .why import environment_of

__all__ = ["changes_of", "preview", "recovery_of", "run_seen", "similar_to", "touched_of"]

RUNS = 20
STEPS = 40
ROWS = 50
SIMILAR = 8
PREVIEW = 500
LARGEST = 200_000
"""Characters of JSON up to which an input is scrubbed and shown."""


# -- 6 --------------------------------------------------------------------------------------------


def touched_of(facts: Facts, seen: Sequence[repeats.SeenIn]) -> Touched:
    groups = facts.groups
    total = None
    if facts.fingerprints:
        total = repeats.totals(facts.journal.store, facts.fingerprints)
    failures = sum(one.failures for one in groups)
    return Touched(
        failures=failures,
        calls=sum(one.calls for one in facts.trouble),
        items=sum(one.calls for one in facts.trouble if one.is_item),
        steps=tuple(dict.fromkeys(one.step for one in groups))[:STEPS],
        resources=tuple(sorted({facts.resource_of.get(one.step, "") for one in groups} - {""})),
        cost_wasted=sum(one.cost for one in groups),
        tokens_wasted=sum(one.tokens for one in groups),
        cost=facts.journal.cost(facts.run.pk),
        runs_total=max(total.runs if total is not None else 0, len(seen)),
        failures_elsewhere=max(0, (total.failures if total is not None else 0) - failures),
        runs=tuple(run_seen(one) for one in seen[:RUNS]),
    )


def run_seen(one: repeats.SeenIn) -> RunSeen:
    """How a run with such failures ended."""
    words = one.status.replace("_", " ")
    if one.status == "completed":
        words = "recovered"
        if one.degraded:
            words += ", degraded"
        if one.letters:
            words += f", {one.letters:,} set aside"
        if one.resumes:
            words += ", after a resume" if one.resumes == 1 else f", after {one.resumes:,} resumes"
    return RunSeen(
        one.run_id, one.workflow, one.status, words, one.failures, one.items, one.first, one.last
    )


# -- 7 --------------------------------------------------------------------------------------------


def recovery_of(facts: Facts) -> Recovery:
    """Reused and re-run, undone and settled."""
    store, run = facts.journal.store, facts.run
    healed = [one for one in facts.trouble if one.how in RECOVERED]
    slowest = [one.slowest for one in healed if one.slowest is not None]
    undone = compensations(store, run.pk) if sum(facts.undos.values()) <= 1_000 else []
    return Recovery(
        recovered=sum(one.calls for one in healed),
        seconds=max(slowest) if slowest else None,
        resumes=run.resumes,
        reused=run.reused,
        saved_seconds=run.time_saved,
        cost_saved=run.cost_saved,
        verified=sum(one.calls for one in facts.trouble if one.how == "verified"),
        steps=_steps(facts),
        undone=tuple(
            Undone(one.step, one.effect_key, one.state, one.at, one.detail) for one in undone[:ROWS]
        ),
        settled=tuple(
            Settled(one.effect, one.key, one.how, one.at) for one in resolved(store, run.pk)[:ROWS]
        ),
        letters=tuple(
            Letters(one.step, one.kind, one.state, one.letters, one.kept)
            for one in facts.letters[:ROWS]
        ),
    )


def _steps(facts: Facts) -> tuple[StepDone, ...]:
    grouped: dict[tuple[str, str], list[read.StepGroup]] = {}
    for one in facts.steps:
        if one.form != "map" and not one.step.endswith((UNDO, ".verify")):
            grouped.setdefault((one.step, one.form), []).append(one)
    found = []
    for (step, form), some in list(grouped.items())[:STEPS]:
        by_status = {one.status: one.calls for one in some}
        reused = sum(one.reused for one in some)
        ended = by_status.get("completed", 0) + by_status.get("skipped", 0)
        found.append(
            StepDone(
                step=step,
                form=form,
                calls=sum(one.calls for one in some if one.status != "superseded"),
                completed=by_status.get("completed", 0),
                failed=by_status.get("failed", 0),
                set_aside=by_status.get("skipped", 0),
                running=by_status.get("running", 0),
                superseded=by_status.get("superseded", 0),
                degraded=sum(one.degraded for one in some),
                again=sum(one.again for one in some),
                reused=reused,
                run_now=ended - reused if facts.run.resumes else 0,
                seconds=sum(one.duration for one in some),
                cost=sum(one.cost for one in some),
            )
        )
    return tuple(found)


# -- 8 --------------------------------------------------------------------------------------------


def changes_of(facts: Facts) -> Changes:
    """What differs from the latest run of the workflow that completed before this one."""
    store, run = facts.journal.store, facts.run
    similar = similar_to(
        facts,
        list(dict.fromkeys(one.kind for one in facts.groups)),
        list(dict.fromkeys(one.step for one in facts.groups)),
        facts.fingerprints,
    )
    before = outcomes.latest_completed(store, run)
    if before is None:
        return Changes(None, None, (), (), (), similar)
    changes: list[Change] = []
    same: list[str] = []
    unknown: list[str] = []
    _code(outcomes.sources(store, before.pk), outcomes.sources(store, run.pk), changes, same)
    _environment(facts, before, changes, same, unknown)
    _inputs(facts, before.input, changes, same)
    return Changes(
        before.run_id, before.created_at, tuple(changes), tuple(same), tuple(unknown), similar
    )


def similar_to(
    facts: Facts, kinds: Sequence[str], steps: Sequence[str], but: Sequence[str]
) -> tuple[Similar, ...]:
    """Other incidents of the same kind or step."""
    rows = repeats.similar(facts.journal.store, kinds, steps, but, SIMILAR)
    return tuple(
        Similar(
            one.number,
            one.fingerprint,
            one.kind,
            one.step,
            one.state,
            one.failures,
            one.last_at,
            one.message[:200],
        )
        for one in rows
    )


def _code(
    before: Mapping[str, str], now: Mapping[str, str], changes: list[Change], same: list[str]
) -> None:
    equal = 0
    for step in sorted({*before, *now}):
        if before.get(step) == now.get(step):
            equal += 1
        elif step in before and step in now:
            changes.append(Change(f"code of step {step}", before[step][:12], now[step][:12]))
    if equal:
        same.append(f"the code of {equal:,} step{'' if equal == 1 else 's'}")


def _environment(
    facts: Facts, before: RunRecord, changes: list[Change], same: list[str], unknown: list[str]
) -> None:
    store = facts.journal.store
    old = environment_of(outcomes.process_of_run(store, before.pk), before.versions)
    new = environment_of(outcomes.process_of_run(store, facts.run.pk), facts.run.versions)
    if old is None or new is None:
        unknown.append("Python and Surefoot")
        return
    for what, was, is_ in (
        ("Python", old.python, new.python),
        ("Surefoot", old.surefoot, new.surefoot),
        ("host", old.host, new.host),
    ):
        if was is None or is_ is None:
            if what != "host":
                unknown.append(what)
        elif was != is_:
            changes.append(Change(what, was, is_))
        else:
            same.append(what)
    if old.git_commit and new.git_commit:
        if old.git_commit != new.git_commit:
            changes.append(Change("git commit", old.git_commit[:12], new.git_commit[:12]))
        else:
            same.append("git commit")
    else:
        unknown.append("git commit")
    if not old.packages or not new.packages:
        unknown.append("packages")
        return
    was_, is__ = dict(old.packages), dict(new.packages)
    different = [name for name in sorted({*was_, *is__}) if was_.get(name) != is__.get(name)]
    changes += [
        Change(f"package {name}", was_.get(name), is__.get(name)) for name in different[:ROWS]
    ]
    if not different:
        same.append("packages")


def _inputs(facts: Facts, before: bytes, changes: list[Change], same: list[str]) -> None:
    """Argument by argument, told apart by a digest: a value may be large."""
    old, new = _arguments(before), _arguments(facts.run.input)
    equal = 0
    for name in sorted({*old, *new}):
        was, is_ = old.get(name), new.get(name)
        if was is not None and is_ is not None and _digest(was) == _digest(is_):
            equal += 1
            continue
        shown = [_shown(facts, name, told) for told in (was, is_)]
        changes.append(Change(f"input {name}", *shown))
    if equal:
        same.append(f"{equal:,} of its {len(new):,} argument{'' if len(new) == 1 else 's'}")


def _arguments(data: bytes) -> dict[str, Any]:
    try:
        told = json.loads(data)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _shown(facts: Facts, name: str, told: Any) -> str | None:
    """An argument, scrubbed under its name and cut."""
    if not isinstance(told, dict):
        return None
    text = _scrubbed(facts, {name: _plain(told)}, name)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _plain(told: Any) -> Any:
    if not isinstance(told, dict):
        return None
    return untagged(told["json"]) if "json" in told else f"<{told.get('format')}>"


def _scrubbed(facts: Facts, value: dict[str, Any], only: str | None = None) -> str:
    """As JSON, without secrets; what cannot be scrubbed is dropped."""
    size = len(json.dumps(value))
    if size > LARGEST:
        return f"<{size:,} characters of JSON>"
    try:
        clean = facts.scrub(value)
        return json.dumps(clean if only is None else clean[only], ensure_ascii=False)
    except Exception:
        return "[dropped]"


def preview(facts: Facts) -> str:
    """The run's recorded input, scrubbed and cut."""
    told = {name: _plain(one) for name, one in _arguments(facts.run.input).items()}
    text = _scrubbed(facts, told)
    return text if len(text) <= PREVIEW else f"{text[: PREVIEW - 1]}…"
