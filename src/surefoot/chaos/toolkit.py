"""Actions and probes for Chaos Toolkit: experiments on one run of a workflow.

An experiment has a folder. In it are the journal of the one run that it is about, the ledger that
effects are counted by (``SUREFOOT_LEDGER``), and the proof of each fault that acted. Every action
starts one child process on that run, which ends with it; only such a child is killed. Connections to
other machines are refused, and waits are skipped.

Chaos Toolkit itself is not needed to import this module; what is raised here it tells as the failure
of the activity. Its own exit code is no verdict (it is 0 after a failed action, and where the steady
state did not hold): verdicts are those of ``surefoot chaos``, or the ``status`` and ``deviated`` of
its own journal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from ..errors import SurefootError, UsageError
from ..testing.ledger import Ledger, Tally
from .firings import Firings
from .model import FaultSpec
from .nursery import Ended, Nursery

__all__ = [
    "FaultNotFired",
    "crash_run",
    "duplicate_effects",
    "faults_fired",
    "faults_not_fired",
    "inject_fault",
    "lost_effects",
    "resume_run",
    "run_status",
]

SECONDS = 60.0
FIRED = "fired.jsonl"
ASKED = "asked.jsonl"
PROVED = "proved.jsonl"


class FaultNotFired(SurefootError):
    """An action's fault did not act: nothing is proved by what came of it."""

    exit_code = 5


# -- actions --------------------------------------------------------------------------------------


def inject_fault(
    workflow: str,
    folder: str,
    step: str,
    fault: str,
    *,
    what: Literal["kind", "http", "system", "value", "memory"] = "kind",
    seam: str | None = None,
    script: str = "fail:1",
    input: Any = None,  # noqa: A002  as on the command line
    args: Mapping[str, Any] | None = None,
    timeout: float = SECONDS,
) -> dict[str, Any]:
    """Start the run, or go on with it, with one fault in it.

    :param workflow: ``pkg.module:name`` or ``path/to/file.py:name``.
    :param folder: the experiment's. :param step: where the fault acts.
    :param fault: a kind, such as ``rate_limited``; or, by ``what``, as in
        :class:`surefoot.chaos.model.FaultSpec`.
    :param seam: None: that of the ``what``. :param script: ``fail:2``, ``nth:3``, ``always`` …
    :param input: the workflow's argument, or an object of several; used when the run starts.
    :param args: arguments by name. :param timeout: seconds, for the process.
    :returns: ``{"status": …, "result": …, "kind": …, "fired": …}``.
    :raises FaultNotFired: it did not act. :raises SurefootError: the run could not be gone on with.
    """
    natural = {"http": "http", "value": "value"}.get(what, "before")
    spec = FaultSpec(what, fault, seam or natural, step=step, script=script)  # type: ignore[arg-type]
    ended, fired = _with_fault(workflow, folder, spec, input, args, timeout)
    return {**_answer(ended), "fired": fired}


def crash_run(
    workflow: str,
    folder: str,
    *,
    step: str | None = None,
    seam: Literal["before", "after"] = "after",
    write: int | None = None,
    event: Literal["before", "inside", "after"] = "inside",
    script: str = "fail:1",
    input: Any = None,  # noqa: A002
    args: Mapping[str, Any] | None = None,
    timeout: float = SECONDS,
) -> dict[str, Any]:
    """Start the run, or go on with it, in a process that is killed (SIGKILL) at one place.

    :param step: ``before`` or ``after`` (``seam``) the body of this step.
    :param write: instead: ``before``, ``inside`` or ``after`` (``event``) this write of the journal.
    :returns: the firing, as proof. :raises FaultNotFired: the place was not reached.
    :raises UsageError: neither or both places are given.
    """
    if (step is None) == (write is None):
        raise UsageError("crash_run: give step=, or write=")
    if write is not None:
        spec = FaultSpec("kill", "", "write", script=f"nth:{write}", event=event)
    else:
        spec = FaultSpec("kill", "", seam, step=step, script=script)
    ended, _ = _with_fault(workflow, folder, spec, input, args, timeout)
    if not ended.died:
        raise SurefootError(
            f"crash_run: the fault acted, and yet the process went on: {ended.answer}"
        )
    return asdict(Firings(Path(folder) / FIRED).all()[-1])


def resume_run(workflow: str, folder: str, *, timeout: float = SECONDS) -> dict[str, Any]:
    """Go on with the run, without any fault, as a supervisor would; start it, if there is none.

    :returns: ``{"status": …, "result": …, "kind": …}``. :raises SurefootError: it could not be gone on
        with.
    """
    if not (Path(folder) / "journal.db").exists():
        raise UsageError(
            f"{folder} holds no run that could be resumed: start it with inject_fault or crash_run"
        )
    ended, _ = _process(workflow, folder, [], None, None, timeout)
    return _answer(ended)


# -- probes ---------------------------------------------------------------------------------------


def duplicate_effects(folder: str, effect: str | None = None) -> int:
    """How many deeds the outside world saw more than once, by the experiment's ledger."""
    return len(_tally(folder, None, effect).duplicates)


def lost_effects(folder: str, expected: Sequence[Any], effect: str | None = None) -> int:
    """How many of the ``expected`` deeds the outside world never saw; 0 before there is a run.

    :param expected: the deeds that the run must have done when it is over.
    :raises UsageError: nothing is expected: nothing could be lost then.
    """
    if not expected:
        raise UsageError("lost_effects: give expected=[…], the deeds that must have been done")
    if not (Path(folder) / "journal.db").exists():
        return 0
    return len(_tally(folder, expected, effect).lost)


def faults_fired(folder: str) -> int:
    """How often faults acted in this experiment so far."""
    return len(Firings(Path(folder) / FIRED).all())


def faults_not_fired(folder: str) -> int:
    """How many actions were to make something go wrong, and did not: for the steady state, with the
    tolerance 0. Chaos Toolkit itself goes on after an action that failed, and may then find that all
    is well."""
    place = Path(folder)
    return _lines(place / ASKED) - _lines(place / PROVED)


def run_status(folder: str) -> str:
    """``completed``, ``halted`` … as the journal has it; ``none`` before there is a run."""
    from ..runtime import Runtime
    from .child import RUN_ID

    path = Path(folder) / "journal.db"
    if not path.exists():
        return "none"
    runtime = Runtime(path, create=False)
    try:
        known = {one.run_id: one.status for one in runtime.journal.runs()}
    finally:
        runtime.close()
    return str(known.get(RUN_ID, "none"))


# -- inside ---------------------------------------------------------------------------------------


def _with_fault(
    workflow: str,
    folder: str,
    spec: FaultSpec,
    given: Any,
    args: Mapping[str, Any] | None,
    timeout: float,
) -> tuple[Ended, int]:
    """:raises FaultNotFired: it did not act."""
    _note(folder, ASKED, spec)  # first of all: whatever fails from here on, nothing was proved
    ended, fired = _process(workflow, folder, [spec], given, args, timeout)
    if not fired:
        raise FaultNotFired(_not_fired(spec, ended))
    _note(folder, PROVED, spec)
    return ended, fired


def _note(folder: str, name: str, spec: FaultSpec) -> None:
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    with (place / name).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(spec)) + "\n")


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


def _process(
    workflow: str,
    folder: str,
    faults: Sequence[FaultSpec],
    given: Any,
    args: Mapping[str, Any] | None,
    timeout: float,
) -> tuple[Ended, int]:
    """One process of the run. :returns: how it ended, and how often faults acted in it."""
    place = Path(folder).absolute()
    place.mkdir(parents=True, exist_ok=True)
    log = Firings(place / FIRED)
    before = len(log.all())
    job = {
        "target": workflow,
        "folder": str(place),
        "given": {
            "input": json.dumps(given) if given is not None else None,
            "args": {name: json.dumps(value) for name, value in (args or {}).items()},
        },
        "faults": [asdict(one) for one in faults],
    }
    with Nursery(workflow, place / "answers", {}) as nursery:
        ended = nursery.run(job, timeout)
    return ended, len(log.all()) - before


def _answer(ended: Ended) -> dict[str, Any]:
    """:raises SurefootError: the process has none to give."""
    if ended.late:
        raise SurefootError(f"the run was not over after {ended.seconds:.0f} s, and was killed")
    if ended.answer is None:
        how = f"signal {ended.signal}" if ended.signal else f"exit code {ended.exit_code}"
        raise SurefootError(f"the process of the run ended with {how}, and left no answer")
    if "error" in ended.answer:
        raise SurefootError(_last_line(ended.answer["error"]))
    return {name: ended.answer[name] for name in ("status", "result", "kind")}


def _not_fired(spec: FaultSpec, ended: Ended) -> str:
    where = (
        f"write {spec.script.partition(':')[2]}"
        if spec.seam == "write"
        else f"{spec.seam} {spec.step}"
    )
    told = ended.answer or {}
    reached = ", ".join(f"{name} {number}×" for name, number in told.get("reached", {}).items())
    error = _last_line(told["error"]) if "error" in told else ""
    why = error or f"the run is {told.get('status')}; it reached {reached or 'nothing'}"
    return f"not_fired: {spec.words} at {where} did not act, so nothing is proved: {why}"


def _last_line(error: str) -> str:
    from ..runtime import scrub

    return str(scrub(error.strip().splitlines()[-1]))


def _tally(folder: str, expected: Sequence[Any] | None, effect: str | None) -> Tally:
    return Ledger(Path(folder) / "ledger").tally(expected, effect)
