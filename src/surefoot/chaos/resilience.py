"""The marker ``resilience``: which cells a test stands for, planned from the workflow's map alone."""

from __future__ import annotations

import difflib
import json
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .arena import Arena, Control
from .expect import Expect, expectations, permitted
from .fault import name_of, rules_of
from .model import Cell, FaultSpec
from .plan import id_of, needs_person_after_crash, planned, writes_of
from .targets import target_of

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..config import Config

__all__ = ["CRASH_SWEEP", "Marked", "marked"]

CRASH_SWEEP = "crash_sweep"
SECONDS = 60.0


@dataclass(frozen=True)
class Marked:
    """What a marker asks for. ``key`` is the same for markers whose runs without faults are the same."""

    target: str
    given: Mapping[str, Any]
    setup: Callable[..., Any] | None
    expects: tuple[Expect, ...]
    faults: Any
    steps: tuple[str, ...]
    seed: int
    sample: int | None
    timeout: float
    document: Mapping[str, Any]
    catalog: Catalog

    @property
    def key(self) -> tuple[Any, ...]:
        given = json.dumps(self.given, sort_keys=True)
        return (self.target, given, self.setup, self.seed, self.timeout)

    @property
    def is_sweep(self) -> bool:
        """Whether it is one test of all the writes."""
        return bool(self.faults == CRASH_SWEEP)

    def cells(self) -> list[Cell]:
        """One for each test.

        :raises UsageError: there is no such fault or step, or nothing is left to be tested.
        """
        found = list(self._chosen())
        if not found:
            raise UsageError(
                "no cell is left: nothing would be tested; ask for other faults or steps"
            )
        return self._sampled(found)

    def sweep(self, control: Control) -> list[Cell]:
        """A kill at every write that the run without faults made."""
        return self._sampled(writes_of(control, self.document, expects=self.expects))

    def command(self, cell: Cell) -> str:
        """The command line that plays this cell alone, and keeps what it left; empty where it cannot
        be said on a command line."""
        import shlex

        if self.setup is not None or len(cell.faults) != 1:
            return ""
        words = ["surefoot", "chaos", self.target]
        if self.given["input"] is not None:
            words += ["--input", self.given["input"]]
        for name, text in self.given["args"].items():
            words += ["--arg", f"{name}={text}"]
        fault = cell.faults[0]
        if fault.seam == "write" and fault.what == "kill":
            return shlex.join([*words, "--crash-sweep"])
        if cell.step is not None:
            words += ["--only", f"step={cell.step}"]
        kind = "exit" if fault.what == "exit" else fault.words
        return shlex.join([*words, "--only", f"kind={kind}"])

    def _sampled(self, cells: list[Cell]) -> list[Cell]:
        if self.sample is None or self.sample >= len(cells):
            return cells
        chosen = set(random.Random(self.seed).sample(range(len(cells)), self.sample))
        return [one for number, one in enumerate(cells) if number in chosen]

    # -- which faults ---------------------------------------------------------------------------

    @property
    def _steps(self) -> dict[str, Mapping[str, Any]]:
        return {one["name"]: one for one in self.document["steps"] if one["found"] == "code"}

    def _chosen(self) -> Iterator[Cell]:
        standard = self._standard()
        if isinstance(self.faults, str):
            yield from standard
            return
        for wanted in self.faults:
            if isinstance(wanted, FaultSpec):
                yield from self._placed(wanted)
                continue
            fitting = [one for one in standard if wanted in _words(one.faults[0])]
            yield from fitting or self._unexpected(wanted)

    def _standard(self) -> list[Cell]:
        """The cells of ``surefoot chaos``, as far as they are known before anything has run."""
        plan = planned(self.document, self.catalog, _assumed(self._steps), expects=self.expects)
        return [one for one in plan.cells if not self.steps or one.step in self.steps]

    def _placed(self, fault: FaultSpec) -> Iterator[Cell]:
        if fault.step is None and fault.seam != "write":
            for name in self.steps or self._steps:
                yield self._cell(replace(fault, step=name))
            return
        if fault.step is not None:
            _known(fault.step, self._steps, "FaultSpec(step=…)")
        yield self._cell(fault)

    def _unexpected(self, kind: str) -> Iterator[Cell]:
        """A kind that the map does not expect: at the steps that are named."""
        if kind not in self.catalog.kinds:
            near = difflib.get_close_matches(kind, list(self.catalog.kinds), n=1)
            hint = f"did you mean {near[0]!r}?" if near else "see: surefoot catalog list"
            raise UsageError(f"faults={kind!r}: there is no such fault here; {hint}")
        if not self.steps:
            raise UsageError(
                f"faults={kind!r}: by the map of the workflow no step fails so; name those that are to: "
                "steps=[…]"
            )
        rule = next(rules_of(kind, None, None, self.catalog), None)
        if rule is None:
            raise UsageError(f"faults={kind!r}: the catalog has no example of it to raise")
        for name in self.steps:
            yield self._cell(FaultSpec("kind", kind, step=name, rule=rule.id))

    def _cell(self, fault: FaultSpec) -> Cell:
        kind = self.catalog.kinds.get(fault.value) if fault.what == "kind" else None
        if fault.what == "kind" and kind is None:
            raise UsageError(f"{fault}: there is no such kind; see: surefoot catalog list")
        # after an effect's body nothing can be refused any more: it is judged like a lost answer
        recoverable = kind.recoverable if kind is not None and fault.seam == "before" else None
        concerned = [self._steps[fault.step]] if fault.step in self._steps else self._steps.values()
        allowed = permitted(
            fault.step,
            fault,
            self.expects,
            recoverable=recoverable,
            needs_person=any(needs_person_after_crash(one) for one in concerned),
        )
        name = id_of(fault) if fault.step is not None else f"{fault.seam}/{fault.words}"
        if fault.script != "fail:1" or fault.event is not None or fault.item is not None:
            more = [fault.script, fault.event, fault.item]
            name += "/" + "/".join(str(one) for one in more if one is not None)
        return Cell(name, (fault,), fault.step, recoverable, allowed.allow, allowed.because)


def _words(fault: FaultSpec) -> set[str]:
    return {fault.value, fault.words, fault.what, fault.words.partition(" ")[0]}


def _assumed(steps: Iterable[str]) -> Control:
    """What a run without faults would tell of a workflow that calls each of its steps: pytest plans
    its tests before anything runs. A step that is not called is told by its cells: ``not_fired``."""
    reached = {f"before {name}": 1 for name in steps}
    return Control(result=None, deeds={}, reached=reached, writes=3, attempts=0, seconds=0.0)


# -- reading a marker -----------------------------------------------------------------------------


def marked(options: Mapping[str, Any], where: str) -> Marked:
    """What ``@pytest.mark.resilience(…)`` says.

    :param options: the marker's keyword arguments. :param where: the test, for messages.
    :raises UsageError: one of them is wrong. :raises ConfigError: the settings are.
    """
    from ..runtime import Runtime, scrub
    from ..workflow.mapping.failure_map import failure_map
    from ..workflow.target import as_workflow, load

    _check(options)
    target = target_of(options["workflow"], where)
    workflow = options["workflow"]
    if isinstance(workflow, str):
        workflow = as_workflow(load(target), target)
    runtime = Runtime(create=False)
    document = failure_map(workflow, runtime.catalog, None, clean=scrub)
    known = [one["name"] for one in document["steps"] if one["found"] == "code"]
    steps = tuple(
        _known(one if isinstance(one, str) else name_of(one), known, "steps")
        for one in options.get("steps", ())
    )
    return Marked(
        target=target,
        given=_given(options),
        setup=options.get("setup"),
        expects=(*options.get("expect", ()), *_configured(runtime.config)),
        faults=_faults(options.get("faults", "standard")),
        steps=steps,
        seed=options.get("seed", 0),
        sample=options.get("sample"),
        timeout=float(options.get("timeout", SECONDS)),
        document=document,
        catalog=runtime.catalog,
    )


KNOWN = "workflow input args faults steps expect setup seed sample timeout".split()


def _check(options: Mapping[str, Any]) -> None:
    for name in options:
        if name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(KNOWN)}"
            raise UsageError(f"the marker resilience has no option {name!r}; {hint}")
    if "workflow" not in options:
        raise UsageError("the marker resilience needs workflow=: a workflow, or its name")
    if not all(isinstance(one, Expect) for one in options.get("expect", ())):
        raise UsageError("expect= is a list of surefoot.chaos.expect.Expect")
    setup = options.get("setup")
    if setup is not None and not callable(setup):
        raise UsageError("setup= is a context manager that takes a folder: see docs/testing.md")
    sample = options.get("sample")
    if sample is not None and (
        isinstance(sample, bool) or not isinstance(sample, int) or sample < 1
    ):
        raise UsageError(f"sample={sample!r}: give a whole number from 1 on")


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """:raises UsageError: what is given is not data that JSON can hold."""
    try:
        text = json.dumps(options["input"]) if "input" in options else None
        return {
            "input": text,
            "args": {k: json.dumps(v) for k, v in options.get("args", {}).items()},
        }
    except (TypeError, ValueError) as exc:
        raise UsageError(
            f"input= and args= are told to other processes as JSON: {exc}; give data that JSON can hold "
            "(a path as a text), it is converted to the annotated types"
        ) from exc


def _faults(given: Any) -> Any:
    if given in ("standard", CRASH_SWEEP):
        return given
    if isinstance(given, str):
        near = difflib.get_close_matches(given, ("standard", CRASH_SWEEP), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"or a list: faults=[{given!r}]"
        raise UsageError(f"faults={given!r}: give 'standard' or 'crash_sweep'; {hint}")
    if isinstance(given, Sequence) and all(isinstance(one, (str, FaultSpec)) for one in given):
        return tuple(given)
    raise UsageError("faults= is 'standard', 'crash_sweep', or a list of kinds and FaultSpecs")


def _known(name: str, steps: Collection[str], what: str) -> str:
    """:raises UsageError: the workflow has no such step."""
    if name in steps:
        return name
    for one in steps:
        if one.rpartition("<locals>.")[2] == name:
            return one
    near = difflib.get_close_matches(name, list(steps), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(steps)}"
    raise UsageError(f"{what}: the workflow has no step {name!r}; {hint}")


def _configured(config: Config) -> tuple[Expect, ...]:
    return expectations(config.chaos.get("expect", []), str(config.source))


def arena_of(asked: Marked, folder: Any, environment: Mapping[str, str]) -> Arena:
    """Where its cells are played."""
    return Arena(
        asked.target,
        folder,
        asked.given,
        setup=asked.setup,
        timeout=asked.timeout,
        seed=asked.seed,
        environment=environment,
    )
