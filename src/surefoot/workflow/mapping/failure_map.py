"""The map of a workflow: its steps by stage, and for each what can fail and what then happens.

It is made of what is known without running anything: the code, the options of the steps, the
catalog; and of what the journal has seen. :func:`failure_map` gives it as plain data; the command
``surefoot map`` prints it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...decide import Doubt
from ...execution.spec import StepSpec
from ...journal.seen import SeenCalls, SeenKind, calls_seen, failures_seen, runs_seen
from ...model import STAGES, Kind
from ...policy import DEFAULT_ATTEMPTS, Policy
from ..run import stamp
from ..workflow import Workflow
from .calls import NOT_SHOWN, Calls, StepUses, Use
from .expected import THE_FILE_SYSTEM, Because, Expected, Expecting, imports_of, merged
from .outcome import Outcome, Place, outcome_of, seconds, words_of
from .source import SourceFiles, functions_of

if TYPE_CHECKING:
    from ...catalog import Catalog
    from ...journal import Journal

__all__ = ["Document", "failure_map"]

Document = dict[str, Any]
Clean = Callable[[str], str]

REMOTE = frozenset(("connection", "timeout", "server_error"))
"""Kinds of which one at least says: this step waits for somebody else."""
NO_STAGE = "no stage"


def failure_map(
    workflow: Workflow[..., Any],
    catalog: Catalog,
    journal: Journal | None = None,
    *,
    clean: Clean = str,
    check: Callable[[Iterable[str], str], None] | None = None,
) -> Document:
    """The map as plain data, for JSON and for what renders it.

    :param journal: adds what was seen; None: nothing was.
    :param clean: takes secrets out of texts that users' values are shown in.
    :param check: refuses kinds that there are not, given those that a step names and where; as a run
        does before it uses the step.
    """
    made = _Map(workflow, catalog, journal, clean)
    if check is not None:
        for one in made.calls.steps:
            check(one.spec.policy.named_kinds(), one.spec.where)
    return made.document()


class _Map:
    def __init__(
        self,
        workflow: Workflow[..., Any],
        catalog: Catalog,
        journal: Journal | None,
        clean: Clean,
    ) -> None:
        self.workflow = workflow
        self.catalog = catalog
        self.journal = journal
        self.clean = clean
        self.calls = Calls(workflow)
        self.expecting = Expecting(catalog)
        self.files: SourceFiles = self.calls.files
        self.points: list[dict[str, str]] = []
        self.after = any(one.spec.stage == "inference" for one in self.calls.steps)
        self.seen: dict[str, list[SeenKind]] = {}
        self.seen_calls: dict[str, SeenCalls] = {}
        if journal is not None:
            for kind in failures_seen(journal.store, workflow.name):
                self.seen.setdefault(kind.step, []).append(kind)
            for call in calls_seen(journal.store, workflow.name):
                self.seen_calls.setdefault(call.step, call)

    def document(self) -> Document:
        steps = [self.step(one) for one in self.calls.steps]
        found = {one.spec.name for one in self.calls.steps}
        only_seen = [
            self.only_seen(one) for name, one in self.seen_calls.items() if name not in found
        ]
        self._same_names()
        every = [*steps, *only_seen]
        used = {row["kind"] for one in every for row in one["failures"]}
        return {
            "workflow": self.workflow.name,
            "function": f"{self.workflow.__wrapped__.__module__}:{self.workflow.__qualname__}",
            "does": _first_line(self.workflow.__wrapped__),
            "nested_workflows": self.calls.workflows[1:],
            "journal": self._journal(),
            "stages": [
                {"stage": stage, "steps": [one["name"] for one in every if one["stage"] == stage]}
                for stage in (*STAGES, None)
                if any(one["stage"] == stage for one in every)
            ],
            "steps": every,
            "points": self.points,
            "kinds": {
                kind.id: {
                    "title": kind.title,
                    "category": kind.category,
                    "severity": kind.severity,
                    "meaning": kind.meaning,
                    "action": kind.action,
                }
                for kind in self.catalog.kinds.values()
                if kind.id in used
            },
            "notes": [*self.calls.notes, NOT_SHOWN],
        }

    def _journal(self) -> Document | None:
        if self.journal is None:
            return None
        runs = runs_seen(self.journal.store, self.workflow.name)
        return {
            "location": self.journal.store.location,
            "runs": runs.number,
            "last_run": stamp(runs.last),
        }

    # -- one step -------------------------------------------------------------------------------

    def step(self, entry: StepUses) -> Document:
        spec = entry.spec
        policy = spec.policy
        imported = imports_of(_module(spec), self.files)
        rows = self.rows(entry, imported)
        self._points_of(entry, rows)
        return {
            "name": spec.name,
            "form": spec.form,
            "stage": spec.stage,
            "found": "code",
            "does": _first_line(spec.fn),
            "module": getattr(spec.fn, "__module__", None),
            "line": _line(spec),
            "async": spec.is_async,
            "resource": spec.resource,
            "timeout": policy.timeout,
            "deadline": policy.deadline,
            "attempts": policy.attempts or DEFAULT_ATTEMPTS,
            "checkpoint": spec.checkpoint,
            "overrides": [self.clean(words_of(one)) for one in policy.recover],
            "effect": self.effect(entry),
            "uses": [self.use(one) for one in entry.uses],
            "libraries": {
                "used": self.expecting.libraries(entry.modules),
                "imported": [
                    one
                    for one in self.expecting.libraries(imported)
                    if one != THE_FILE_SYSTEM and one not in self.expecting.libraries(entry.modules)
                ],
                "without_rules": self.expecting.without_rules(entry.modules),
            },
            "calls_seen": self._calls_seen(spec.name),
            "failures": rows,
        }

    def _calls_seen(self, name: str) -> Document | None:
        seen = self.seen_calls.get(name)
        return {"calls": seen.calls, "last": stamp(seen.last)} if seen is not None else None

    def use(self, one: Use) -> Document:
        return {
            "how": one.how,
            "in": one.function,
            "line": one.line,
            "inside": one.inside,
            "tried_once": one.once,
            "in_try": one.guarded,
            "one_of_several": one.picked,
            "options_unread": one.unread or None,
            "options": dict(one.options),
            "to": one.to,
        }

    def effect(self, entry: StepUses) -> Document | None:
        spec = entry.spec
        if spec.effect is None:
            return None
        effect = spec.effect
        return {
            "key": self._function(effect.key),
            "match": list(effect.match) if effect.match is not None else None,
            "verify": self._function(effect.verify),
            "settle": effect.settle if effect.settle is not None else spec.policy.timeout,
            "on_doubt": spec.policy.on_doubt,
            "compensate": self._function(effect.compensate),
            "asks_for_key": entry.asks_for_key,
            "in_doubt": _doubt_words(entry),
        }

    def _function(self, value: Any) -> str | None:
        """A function's name; of a lambda, its code."""
        if value is None:
            return None
        for fn, _ in functions_of(value):
            node = self.files.function(fn) if fn.__name__ == "<lambda>" else None
            if node is not None and isinstance(node, ast.Lambda):
                return self.clean(ast.unparse(node.body))
        return str(getattr(value, "__qualname__", None) or type(value).__qualname__)

    # -- its failures ---------------------------------------------------------------------------

    def expected(self, entry: StepUses, imported: set[str]) -> list[Expected]:
        """Every kind of failure to expect, each with all the reasons."""
        spec, stage = entry.spec, entry.spec.stage
        after = self.after and stage == "postprocessing"
        ask = self.expecting
        found: dict[tuple[str, bool, bool], Expected] = {}
        every = [
            *ask.of_modules(entry.modules, "used", stage, after),
            *(
                ask.of_exception(made, "raised", stage, after)
                for cls in entry.raises
                if (made := _made(cls)) is not None
            ),
            *ask.of_stage(stage, after),
            *self._by_options(spec, stage, after),
            *ask.of_any_code(stage, after),
            *ask.of_modules(imported, "imported", stage, after),
        ]
        for one in every:
            found[one.key] = merged(found[one.key], one) if one.key in found else one
        known = {one.classification.kind for one in found.values()}
        for seen in self.seen.get(spec.name, ()):
            if seen.kind not in known and seen.kind in self.catalog.kinds:
                plain = replace(ask.kind(seen.kind, stage, after), category=seen.category)  # type: ignore[arg-type]
                one = Expected(plain, (), frozenset(("open",)))
                found[one.key] = one
        return list(found.values())

    def _by_options(self, spec: StepSpec, stage: str | None, after: bool) -> list[Expected]:
        """Failures that Surefoot itself makes of a step's options."""
        found = []

        def add(kind: str, why: str, outcome: str = "open") -> None:
            because = Because("option", why)
            judged = self.expecting.kind(kind, stage, after)
            found.append(Expected(judged, (because,), frozenset((outcome,))))

        if spec.policy.timeout is not None:
            add("timeout", f"timeout={spec.policy.timeout:g}")
        if spec.policy.deadline is not None:
            add("deadline_exceeded", f"deadline={spec.policy.deadline:g}")
        if spec.effect is not None:
            add("in_doubt", "an effect whose process dies in it")
            if spec.effect.key is None:
                add("resume_drift", "an effect without a key", "refused")
            else:
                add("run_locked", "another run may hold its key", "refused")
        return found

    def rows(self, entry: StepUses, imported: set[str]) -> list[Document]:
        spec = entry.spec
        left = {one.kind: one for one in self.seen.get(spec.name, ())}
        rows = []
        for one in self.expected(entry, imported):
            kind = one.classification.kind
            seen = left.get(kind)
            if seen is not None and seen.category in (one.classification.category, ""):
                left.pop(kind)
            else:
                seen = None
            rows.append(self.row(entry, one, seen, None))
        for kind, seen in left.items():  # of another category than expected: the same kind
            for row in rows:
                if row["kind"] == kind and row["seen"] is None:
                    row["seen"] = _seen(seen)
                    break
        rows += self.by_class(entry, rows)
        return sorted(rows, key=_weight)

    def by_class(self, entry: StepUses, rows: Sequence[Document]) -> list[Document]:
        """Where an ``on(…)`` names a class, exceptions of it take that way."""
        spec = entry.spec
        classes = dict.fromkeys(
            what
            for on in spec.policy.recover
            for what in on.what
            if isinstance(what, type) and what not in (Exception, BaseException)
        )
        found = []
        for cls in classes:
            made = _made(cls)
            if made is None:
                continue
            after = self.after and spec.stage == "postprocessing"
            one = self.expecting.of_exception(made, "named", spec.stage, after)
            row = self.row(entry, one, None, made)
            same = [
                other["words"] == row["words"]
                for other in rows
                if other["kind"] == row["kind"] and other["retryable"] == row["retryable"]
            ]
            if not any(same):
                found.append(row)
        return found

    def row(
        self,
        entry: StepUses,
        one: Expected,
        seen: SeenKind | None,
        exc: BaseException | None,
    ) -> Document:
        judged = one.classification
        outcomes = self._outcomes(entry, one, exc)
        words = list(dict.fromkeys(outcome.words for _, outcome in outcomes))
        if len(words) > 1:
            by_words: dict[str, list[str]] = {}
            for label, outcome in outcomes:
                by_words.setdefault(outcome.words, []).append(label)
            words = [f"{' and '.join(labels)}: {told}" for told, labels in by_words.items()]
        kind = self.catalog.kinds[judged.kind]
        return {
            "kind": judged.kind,
            "as": type(exc).__qualname__ if exc is not None else None,
            "title": kind.title,
            "category": judged.category,
            "severity": judged.severity,
            "recoverable": judged.recoverable,
            "retryable": judged.retryable,
            "only_by": _only_by(one, kind),
            "because": [
                {
                    "by": each.by,
                    "what": each.what,
                    "through": each.through or None,
                    "rules": list(each.rules),
                }
                for each in one.because
            ],
            "seen": _seen(seen) if seen is not None else None,
            "effect_outcomes": sorted(one.outcomes) if entry.spec.effect is not None else None,
            "outcomes": [
                {
                    "where": label,
                    "ladder": [self.clean(rung) for rung in outcome.ladder],
                    "words": self.clean(outcome.words),
                    "ends": outcome.ends,
                }
                for label, outcome in outcomes
            ],
            "words": self.clean("; ".join(words)),
            "can_halt": any(outcome.ends in ("halt", "raised") for _, outcome in outcomes),
            "action": kind.action,
        }

    def _outcomes(
        self, entry: StepUses, one: Expected, exc: BaseException | None
    ) -> list[tuple[str, Outcome]]:
        """What will happen in each place where the step is used."""
        found: dict[tuple[Any, ...], tuple[str, Outcome]] = {}
        for use in entry.uses or (Use("call", "", 0),):
            place = Place(use.how == "map", use.inside, use.guarded)
            policy = replace(
                entry.spec.policy,
                once=use.once,
                in_map=use.how == "map",
                quarantine=use.quarantines,
            )
            outcome = self._outcome(entry, one, policy, place, exc)
            label = "in a map" if use.how == "map" else "called alone"
            if use.inside is not None:
                label += f" in {use.inside}"
            found.setdefault((label, outcome), (label, outcome))
        return list(found.values())

    def _outcome(
        self,
        entry: StepUses,
        one: Expected,
        policy: Policy,
        place: Place,
        exc: BaseException | None,
    ) -> Outcome:
        kind = one.classification.kind
        option = all(each.by == "option" for each in one.because) and bool(one.because)
        if option and kind in ("deadline_exceeded", "in_doubt", "run_locked", "resume_drift"):
            return self._by_itself(entry, one, policy, place)

        def asked(doubt: Doubt) -> Outcome:
            return outcome_of(one.classification, policy, place, exc=exc, doubt=doubt)

        refused = asked("none")
        if entry.spec.effect is None or one.outcomes == {"refused"}:
            return refused
        opened = asked(_doubt(entry))
        if entry.spec.effect.verify is not None:
            # where it cannot tell is told once, with the effect's own facts
            name = self._function(entry.spec.effect.verify)
            asks = f"asks {name}; if it did not happen: {refused.words}"
            opened = Outcome(("verify", *refused.ladder), asks, refused.ends)
        if one.outcomes == {"open"} or refused == opened:
            return opened
        if entry.spec.effect.verify is not None:
            words = f"if open, {opened.words}"
        else:
            words = f"if refused: {refused.words}; if open: {opened.words}"
        ends = "halt" if "halt" in (refused.ends, opened.ends) else refused.ends
        return Outcome(refused.ladder, words, ends)

    def _by_itself(self, entry: StepUses, one: Expected, policy: Policy, place: Place) -> Outcome:
        """What Surefoot raises itself ends the call: no rung is tried after it."""
        kind = one.classification.kind
        bare = Policy(effect=policy.effect)
        halt = outcome_of(replace(one.classification, ladder=(), retryable=False), bare, place)
        if kind == "in_doubt":
            return replace(halt, words=f"on the next call: {_doubt_words(entry)}")
        if kind == "run_locked":
            limit = min(600.0, policy.deadline or 600.0)
            return replace(halt, words=f"waits up to {seconds(limit)} for it, then {halt.words}")
        if kind == "resume_drift":
            return replace(
                halt, words=f"on a resume with other arguments: {halt.words}, unless --on-drift"
            )
        return halt

    # -- steps that only the journal knows --------------------------------------------------------

    def only_seen(self, one: SeenCalls) -> Document:
        """A step of past runs that the code does not name: reached dynamically, renamed, or gone."""
        rows: list[Document] = []
        for seen in self.seen.get(one.step, ()):
            kind = self.catalog.kinds.get(seen.kind)
            rows.append(
                {
                    "kind": seen.kind,
                    "as": None,
                    "title": kind.title if kind is not None else "",
                    "category": seen.category,
                    "severity": kind.severity if kind is not None else "error",
                    "recoverable": kind.recoverable if kind is not None else None,
                    "retryable": kind.retryable if kind is not None else None,
                    "only_by": [],
                    "because": [],
                    "seen": _seen(seen),
                    "effect_outcomes": None,
                    "outcomes": [],
                    "words": "not known: its options are not at hand",
                    "can_halt": bool(seen.halted),
                    "action": kind.action if kind is not None else "",
                }
            )
        self.points.append(
            {
                "step": one.step,
                "text": "past runs called it and the code does not name it: it is reached "
                "dynamically, or it was renamed or taken out",
            }
        )
        return {
            "name": one.step,
            "form": one.form,
            "stage": one.stage if one.stage in STAGES else None,
            "found": "journal",
            "does": None,
            "module": None,
            "line": None,
            "async": None,
            "resource": one.resource,
            "timeout": None,
            "deadline": None,
            "attempts": None,
            "checkpoint": None,
            "overrides": [],
            "effect": None,
            "uses": [],
            "libraries": {"used": [], "imported": [], "without_rules": []},
            "calls_seen": {"calls": one.calls, "last": stamp(one.last)},
            "failures": rows,
        }

    # -- what a review should look at -----------------------------------------------------------

    def _points_of(self, entry: StepUses, rows: Sequence[Document]) -> None:
        spec = entry.spec

        def add(text: str) -> None:
            self.points.append({"step": spec.name, "text": text})

        effect = spec.effect
        if effect is not None and effect.key is None:
            add("an effect without key=: a second run does it again")
        if effect is not None and _doubt(entry) == "open" and effect.verify is None:
            add(
                "where it may have happened, nothing can tell: it halts as in_doubt. Give it verify=, "
                "or have its body pass on idempotency_key()"
            )
        waits = spec.resource is not None or any(
            row["kind"] in REMOTE
            and any(one["by"] == "library" and one["through"] == "used" for one in row["because"])
            for row in rows
        )
        if waits and spec.policy.timeout is None and spec.policy.deadline is None:
            add("it waits for somebody else, and neither timeout= nor deadline= bounds it")
        if spec.stage is None:
            add("it has no stage=: what belongs to its stage is not in its table")
        unknown = next((row for row in rows if row["kind"] == "unknown" and row["seen"]), None)
        if unknown is not None:
            add(
                f"{unknown['seen']['times']} of its failures were not recognised: write a rule "
                "(docs/rules.md)"
            )
        for name in self.expecting.without_rules(entry.modules):
            add(f"it uses {name}, and the catalog has no rules about it")
        for use in entry.uses:
            if use.unread:
                add(
                    f"with_options(…) in {use.function}, line {use.line}, changes what only a run "
                    f"knows ({use.unread}): shown is what the code says"
                )

    def _same_names(self) -> None:
        by_name: dict[str, list[StepSpec]] = {}
        for one in self.calls.steps:
            by_name.setdefault(one.spec.name, []).append(one.spec)
        for name, specs in by_name.items():
            if len({id(spec.fn) for spec in specs}) > 1:
                self.points.append(
                    {"step": name, "text": "two steps have this name: a run refuses that"}
                )


def _doubt(entry: StepUses) -> Doubt:
    """What is known of an open failure where no ``verify`` says more."""
    if entry.asks_for_key:
        return "key"
    return "rerun" if entry.spec.policy.on_doubt == "rerun" else "open"


def _doubt_words(entry: StepUses) -> str:
    """What is done where nobody knows whether an effect happened."""
    effect, policy = entry.spec.effect, entry.spec.policy
    assert effect is not None
    otherwise = "done again" if policy.on_doubt == "rerun" else "halts as in_doubt"
    if effect.verify is not None:
        name = getattr(effect.verify, "__qualname__", "verify")
        settle = effect.settle if effect.settle is not None else (policy.timeout or 0.0)
        wait = f", once {seconds(settle)} have passed since the intent" if settle else ""
        return (
            f"{name} is asked{wait}: its result counts, or it is done again; where it cannot tell: "
            f"{otherwise}"
        )
    if entry.asks_for_key:
        return f"done again under the same key, if its body had asked for it; else {otherwise}"
    return otherwise


def _only_by(one: Expected, kind: Kind) -> list[str]:
    """The rules that make this failure other than its kind is: retried or not, recoverable or not."""
    judged = one.classification
    usual = (kind.retryable, kind.recoverable or kind.retryable)
    if (judged.retryable, judged.recoverable) == usual:
        return []
    return sorted({rule for each in one.because for rule in each.rules})


def _seen(one: SeenKind) -> Mapping[str, Any]:
    return {
        "times": one.times,
        "runs": one.runs,
        "last": stamp(one.last),
        "halted": one.halted,
        "calls": sum(one.ended.values()),
        "ended": dict(one.ended),
    }


def _weight(row: Document) -> tuple[Any, ...]:
    """What was seen comes first, then what halts, then what is set aside, then what passes."""
    seen = row["seen"]
    return (
        -(seen["times"] if seen is not None else 0),
        not row["can_halt"],
        not any(one["by"] in ("library", "raised", "named", "option") for one in row["because"]),
        row["category"],
        row["kind"],
    )


def _made(cls: type[BaseException]) -> BaseException | None:
    """An exception of a class, without running its ``__init__``."""
    try:
        made = cls.__new__(cls)
    except Exception:  # a class whose __new__ wants arguments
        return None
    return made if isinstance(made, BaseException) else None


def _module(spec: StepSpec) -> Any:
    return sys.modules.get(str(getattr(spec.fn, "__module__", "")))


def _line(spec: StepSpec) -> int | None:
    return next((fn.__code__.co_firstlineno for fn, _ in functions_of(spec.fn)), None)


def _first_line(fn: Any) -> str | None:
    """What a function says that it does."""
    text = getattr(fn, "__doc__", None)
    return text.strip().split("\n", 1)[0].strip() or None if isinstance(text, str) else None
