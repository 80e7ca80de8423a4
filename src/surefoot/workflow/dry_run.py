"""``resume --dry-run``: what a resume would do, read off the journal. Nothing runs, nothing is
written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..errors import RunLocked, UsageError
from ..execution.spec import StepSpec
from ..journal import CallRecord, Journal, Owner, RunRecord
from ..journal.doubts import Doubt, doubts
from ..journal.letters import newly_replayed
from ..journal.runs import living_holder
from ..journal.undo import UNDO
from . import lifecycle
from .definition import Definition
from .from_step import calls_from

__all__ = ["AtRisk", "DryRun", "dry_run", "foreseen"]


@dataclass(frozen=True)
class AtRisk:
    """An effect in doubt, or one without a key: ``then`` says what would become of it."""

    step: str
    key: str | None
    call_id: str
    state: str
    then: str


@dataclass(frozen=True)
class DryRun:
    """What a resume would do.

    ``reused``, ``again``, ``replayed`` (failures that the workflow caught, and would catch again) and
    ``aside`` (items that stay set aside) count calls by the names of their steps; ``superseded`` is
    what ``from_step`` would set aside. What the workflow has not come to yet is not foreseen.
    ``time_saved`` is seconds, ``cost_saved`` US dollars. ``only_read``: there is nothing to do.
    """

    run_id: str
    workflow: str
    status: str
    only_read: bool
    reused: dict[str, int] = field(default_factory=dict)
    again: dict[str, int] = field(default_factory=dict)
    replayed: dict[str, int] = field(default_factory=dict)
    aside: dict[str, int] = field(default_factory=dict)
    superseded: dict[str, int] = field(default_factory=dict)
    effects: tuple[AtRisk, ...] = ()
    time_saved: float = 0.0
    cost_saved: float = 0.0
    newly_replayed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__}
        told["effects"] = [vars(one) for one in self.effects]
        return told


def dry_run(definition: Definition, run_id: str, from_step: str | None) -> DryRun:
    """:raises UnknownRun, RunLocked, UsageError: as the resume would."""
    from .finding import specs_of

    runtime, owned = lifecycle.open_runtime(create=False)
    with owned:
        record = runtime.journal.run(run_id)
        if record.workflow != definition.name:
            raise UsageError(
                f"run {run_id} is a run of workflow {record.workflow}, not of {definition.name}"
            )
        return foreseen(runtime.journal, record, specs_of(definition.fn), from_step)


def foreseen(
    journal: Journal,
    record: RunRecord,
    specs: dict[str, StepSpec] | None,
    from_step: str | None,
) -> DryRun:
    """:param specs: the steps of the workflow's code; None where it could not be imported."""
    if record.status in ("rolled_back", "rolling_back"):
        raise UsageError(f"run {record.run_id} is {record.status} and cannot be resumed")
    now = journal.clock.now()
    holder = living_holder(record, Owner.this(), now, journal.held_here)
    if holder is not None:
        raise RunLocked(
            f"run {record.run_id} is held by {holder}; wait for it to end, then: "
            f"surefoot resume {record.run_id}"
        )
    new = 0
    if record.status == "completed":
        new = newly_replayed(journal.store, record.pk, record.ended_at or 0.0)
    only_read = record.status == "completed" and not new and from_step is None
    told = DryRun(record.run_id, record.workflow, record.status, only_read, newly_replayed=new)
    if only_read:
        return told
    chosen = calls_from(journal, record, from_step) if from_step is not None else []
    gone = {one.call_id for one in chosen}
    calls = [
        one
        for one in journal.calls(record.pk)
        if one.status != "superseded" and one.scope != "rollback"
    ]
    left = [one for one in calls if one.call_id not in gone]
    reused, time_saved, cost_saved = _sort(left, told)
    for one in chosen:
        _count(told.superseded, one)
        if one.form != "map":
            _count(told.again, one)
    return DryRun(
        **{
            **{name: getattr(told, name) for name in told.__dataclass_fields__},
            "effects": tuple(_at_risk(journal, record, specs, left, reused, now)),
            "time_saved": round(time_saved, 6),
            "cost_saved": round(cost_saved, 6),
        }
    )


def _count(counts: dict[str, int], call: CallRecord) -> None:
    counts[call.step] = counts.get(call.step, 0) + 1


def _sort(calls: list[CallRecord], told: DryRun) -> tuple[set[str], float, float]:
    """Sort the recorded calls by what would become of them; the reused ones, and what that saves."""
    by_id = {one.call_id: one for one in calls}
    failed_maps = {
        f"{one.scope}/{one.step}" for one in calls if one.form == "map" and one.status == "failed"
    }
    reused: set[str] = set()
    time_saved = cost_saved = 0.0
    for one in calls:
        around = by_id.get(one.scope.partition("/")[0])
        if one.form == "map" or (around is not None and _is_reused(around)):
            continue  # what stands in a reused call is not even looked for
        if _is_reused(one):
            _count(told.reused, one)
            reused.add(one.call_id)
            time_saved += one.duration or 0.0
            cost_saved += one.cost
        elif one.status == "skipped" and not _reopened(one, failed_maps):
            _count(told.aside, one)
        elif one.status == "failed" and not one.ended_run and around is None:
            _count(told.replayed, one)
        else:
            _count(told.again, one)
    return reused, time_saved, cost_saved


def _is_reused(call: CallRecord) -> bool:
    return call.status in ("completed", "skipped") and bool(call.has_checkpoint)


def _reopened(call: CallRecord, failed_maps: set[str]) -> bool:
    return call.scope in failed_maps and not (call.note or "").startswith("in_doubt:")


# -- effects --------------------------------------------------------------------------------------


def _at_risk(
    journal: Journal,
    record: RunRecord,
    specs: dict[str, StepSpec] | None,
    left: list[CallRecord],
    reused: set[str],
    now: float,
) -> list[AtRisk]:
    found = []
    seen = set()
    for doubt in doubts(journal.store, record.pk, now, journal.held_here):
        if doubt.effect.endswith(UNDO) or doubt.status in ("completed", "skipped"):
            continue
        seen.add(doubt.call_id)
        spec = specs.get(doubt.effect) if specs is not None else None
        then = _settled_by(record, doubt, spec)
        found.append(AtRisk(doubt.effect, doubt.key, doubt.call_id, "in_doubt", then))
    for call in left:
        keyless = call.effect_key == f"{record.run_id}:{call.call_id}"
        if keyless and call.call_id in reused and call.call_id not in seen:
            found.append(
                AtRisk(
                    call.step,
                    None,
                    call.call_id,
                    "done",
                    "its result is reused; if it is called with other arguments, the run stops "
                    "(resume_drift), since it has no key=",
                )
            )
    return found


def _settled_by(record: RunRecord, doubt: Doubt, spec: StepSpec | None) -> str:
    """What the resume would do about a doubt."""
    if spec is not None and spec.effect is not None and spec.effect.verify is not None:
        return "its verify is asked whether it happened"
    if doubt.asked:
        return "done again under the same key, which its body had asked for"
    if spec is not None and spec.policy.on_doubt == "rerun":
        return "done again (on_doubt='rerun')"
    halt = (
        f"the run halts (in_doubt); find out, then: surefoot resolve {record.run_id} "
        f"{doubt.effect} --done | --not-done | --skip"
    )
    return halt if spec is not None else f"as its code says; without a verify= {halt}"
