"""``crash_at``: a workflow is started in a child process, which is killed at one place.

The child imports the workflow, and its journal is the test's own; so the test goes on with the run
in its own process, as a supervisor would.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..clock import ManualClock
from ..errors import UsageError
from ..runtime import scrub
from .bench import Bench
from .clocks import SkippingClock
from .fault import name_of
from .firings import Firing, Firings
from .injector import Injector
from .model import FaultSpec
from .places import Seam
from .scripts import Script, fail
from .specs import made
from .targets import python_path, target_of

__all__ = ["CrashAt", "Crashed"]

SECONDS = 60.0
EVENTS = ("before", "inside", "after")


@dataclass(frozen=True)
class Crashed:
    """A run whose process was killed. ``firing`` is the proof; ``output`` is what the process printed."""

    run_id: str
    firing: Firing
    output: str


class CrashAt:
    """The fixture ``crash_at``."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def __call__(
        self,
        workflow: Any,
        /,
        *args: Any,
        step: Any = None,
        seam: Seam = "after",
        script: Script | str | None = None,
        write: int | None = None,
        event: str = "inside",
        run_id: str | None = None,
        timeout: float = SECONDS,
        **named: Any,
    ) -> Crashed:
        """Start the workflow in a process of its own, and have that killed (SIGKILL).

        :param args: the workflow's arguments; ``named`` are those by name.
        :param step: at this step, or at the first that is reached. :param seam: ``before`` its body,
            or ``after`` it and before its record.
        :param script: at which time; None: the first one.
        :param write: instead of a step: at this write of the journal, the first being 1.
        :param event: ``before``, ``inside`` or ``after`` the write's commit.
        :param run_id: None makes one. :param timeout: seconds, for the child.
        :returns: the run: go on with it by ``workflow.resume(crashed.run_id)``.
        :raises UsageError: the workflow cannot be imported by another process, or there is no such
            place.
        :raises AssertionError: ``not_fired``: the place was not reached.
        """
        from ..workflow.inputs import save_input

        spec = _spec(step, seam, script, write, event)
        target = target_of(workflow, "crash_at")
        if isinstance(workflow, str):
            raise UsageError("crash_at: give the workflow itself, not its name")
        where = f"workflow {workflow.name}"
        data, _ = save_input(workflow.__wrapped__, args, named, where)
        run = run_id if run_id is not None else f"crashed-{uuid.uuid4().hex[:12]}"
        firings = Firings(self._bench.folder / f"crash-{uuid.uuid4().hex[:8]}.jsonl")
        job = {
            "target": target,
            "run_id": run,
            "journal": str(self._bench.runtime.path),
            "firings": str(firings.path),
            "fault": asdict(spec),
            "input": base64.b64encode(data).decode("ascii"),
            "clock": self._clock(),
        }
        code, answer, output = _play(job, timeout)
        fired = firings.all()
        if not fired:
            raise AssertionError(_not_fired(spec, code, answer, output))
        if answer is not None or (code is not None and code >= 0):
            raise AssertionError(
                f"crash_at: the fault acted, and yet the process ended with {code}, not by it\n"
                f"{scrub(output)}"
            )
        self._bench.catch_up(self._last(run))
        return Crashed(run, fired[0], output)

    def _clock(self) -> dict[str, Any]:
        """The child's time begins where the test's is."""
        clock = self._bench.clock
        if isinstance(clock, ManualClock):
            return {"virtual": True, "at": clock.now()}
        return {"virtual": False, "at": getattr(clock, "skipped", 0.0)}

    def _last(self, run_id: str) -> float:
        """The last moment that the child's clock is known to have shown, with the wait after it."""
        journal = self._bench.runtime.journal
        known = {one.run_id: one.pk for one in journal.runs()}
        if run_id not in known:
            return 0.0  # it was killed before the run was written down
        return max(
            (one.at + (one.waited or 0.0) for one in journal.failures(known[run_id])), default=0.0
        )


def _spec(
    step: Any, seam: str, script: Script | str | None, write: int | None, event: str
) -> FaultSpec:
    """:raises UsageError: there is no such place."""
    if write is not None:
        if step is not None or script is not None:
            raise UsageError("crash_at: give step= (with seam=, script=) or write= (with event=)")
        if isinstance(write, bool) or not isinstance(write, int) or write < 1:
            raise UsageError(f"crash_at: write={write!r}: give a whole number from 1 on")
        if event not in EVENTS:
            raise UsageError(f"crash_at: event={event!r}: give one of {', '.join(EVENTS)}")
        return FaultSpec("kill", "", "write", script=f"nth:{write}", event=event)
    if seam not in ("before", "after"):
        raise UsageError(f"crash_at: seam={seam!r}: give before or after (or write=N)")
    if isinstance(script, Script) and (script.condition is not None or script.each):
        raise UsageError("crash_at: another process cannot be told a condition; give nth(n)")
    name = step if step is None or isinstance(step, str) else name_of(step)
    words = str(script if script is not None else fail(1))
    return FaultSpec("kill", "", "before" if seam == "before" else "after", name, script=words)


def _play(job: Mapping[str, Any], timeout: float) -> tuple[int | None, Any, str]:
    """:returns: its exit code (None: it took too long), its answer if it left one, what it printed."""
    child = subprocess.Popen(
        [sys.executable, "-m", "surefoot.chaos.crashing"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": python_path()},
    )
    try:
        told, _ = child.communicate(json.dumps(job).encode(), timeout)
        code: int | None = child.returncode
    except subprocess.TimeoutExpired:
        child.kill()
        told, _ = child.communicate()
        code = None
    output = told.decode("utf-8", "replace")
    kept = Path(f"{job['firings']}.answer")
    answer = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else None
    return code, answer, output


def _not_fired(spec: FaultSpec, code: int | None, answer: Any, output: str) -> str:
    place = (
        f"write {spec.script.partition(':')[2]} ({spec.event})"
        if spec.seam == "write"
        else (f"{spec.seam} {spec.step or 'any step'}, {spec.script}")
    )
    lines = [f"not_fired: crash_at never reached {place}; nothing is proved"]
    if answer is not None:
        reached = ", ".join(f"{name} {number}×" for name, number in answer["reached"].items())
        lines.append(f"  the run came to its end without it: {answer['ended']}")
        lines.append(f"  reached: {reached or 'nothing'}")
    elif code is None:
        lines.append("  its process took too long and was stopped; give timeout=")
    else:
        lines.append(f"  its process ended with {code}")
    if output.strip():
        lines.append("  it printed:")
        lines += [f"    {line}" for line in str(scrub(output)).strip().splitlines()[-15:]]
    return "\n".join(lines)


# -- the child ------------------------------------------------------------------------------------


def _child(job: Mapping[str, Any]) -> None:
    from ..runtime import Runtime
    from ..workflow.inputs import load_input
    from ..workflow.target import as_workflow, load

    workflow = as_workflow(load(job["target"]), job["target"])
    told = job["clock"]
    clock: Any = ManualClock(told["at"]) if told["virtual"] else SkippingClock(told["at"])
    fault = made(FaultSpec(**job["fault"]), clock=clock)
    injector = Injector([fault], firings=Firings(Path(job["firings"])))
    where = f"workflow {workflow.name}"
    args, named = load_input(workflow.__wrapped__, base64.b64decode(job["input"]), where)
    with Runtime(job["journal"], clock=clock, durability="process", faults=injector):
        run = workflow.with_options(run_id=job["run_id"]).start(*args, **named)
        if workflow.is_async:
            run = asyncio.run(run)
        error = run.error or {}
        why = f" as {error['kind']}: {error['message']}" if error else ""
    answer = {"ended": f"{run.status}{why}", "reached": dict(injector.reached)}
    Path(f"{job['firings']}.answer").write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    _child(json.loads(sys.stdin.read()))
