"""A step that goes wrong as a script says, and what a ladder does about it, told a second time.

:class:`Scene` is the step in a workflow, sync or async, by itself or as the first item of a map.
:func:`told` says what has to come of it: a few lines that know no retries, histories or policies.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from surefoot import Runtime, halve, on, split, step, workflow
from surefoot.catalog.examples import build
from surefoot.policy import On
from surefoot.workflow.run import Run

RUNGS = (
    *("retry", "halve", "split", "function", "value", "model", "skip", "skip_default", "halt"),
)
"""Each way in which a rung answers a failure."""
GOING_ON = ("retry", "halve", "split", "function", "model")
"""Those after which the step is tried again."""
ENDING = tuple(rung for rung in RUNGS if rung not in GOING_ON)
DECISIONS = {
    **dict.fromkeys(("halve", "split"), "adapt"),
    **dict.fromkeys(("function", "value", "model"), "fall_back"),
    "retry": "retry",
    "skip": "skip",
    "skip_default": "skip",
    "halt": "halt",
}

Seen = tuple[str, str, int, int]
"""One try of a function: (function, model, size, how many numbers)."""


class Dies(BaseException):
    """The process dies here, as far as the run can tell."""


class Hangs:
    """In a script: this attempt does not come back."""


def out_of_memory() -> BaseException:
    """Not retried by the catalog; kind ``gpu_out_of_memory``."""
    return build(
        {
            "type": "torch.OutOfMemoryError",
            "bases": ["builtins.RuntimeError"],
            "message": "CUDA out of memory. Tried to allocate 2.00 GiB",
        }
    )


def no_such_model() -> BaseException:
    """Not retried by the catalog; kind ``model_not_found``."""
    return build(
        {
            "type": "openai.NotFoundError",
            "bases": ["openai.APIStatusError", "openai.APIError", "openai.OpenAIError"],
            "message": "The model `big` does not exist",
            "status": 404,
            "attrs": {"code": "model_not_found"},
        }
    )


def hung_up() -> BaseException:
    """Kind ``connection``: retried by the catalog, and the resource's fault."""
    return ConnectionResetError(104, "hung up")


# -- the step -------------------------------------------------------------------------------------


class Scene:
    """A step, what goes wrong in it, and what was seen.

    :param script: what each try does, in their order: an exception to raise, something to call, a
        :class:`Hangs`, or None; afterwards all goes well.
    :param rungs: (kind, rung): what the step does about a failure of this kind.
    """

    def __init__(
        self,
        rungs: Sequence[tuple[str, str]],
        script: Sequence[Any] = (),
        *,
        world: str = "sync",
        mapped: bool = False,
        **options: Any,
    ) -> None:
        self.script = list(script)
        self.seen: list[Seen] = []
        self.world = world
        self.mapped = mapped
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None
        self.released = threading.Event()
        self._others = [self._function(f"other{nth}") for nth in (1, 2)]
        extra = tuple(options.pop("recover", ()))
        rounds = options.pop("rounds", 5)
        recover = [
            self.with_rung(on(kind), rung, nth, rounds)
            for nth, (kind, rung) in enumerate(rungs, start=1)
        ]
        options.setdefault("stage", "inference")
        self.step = step(name="work", recover=[*recover, *extra], **options)(self._function("work"))
        self.workflow: Any = workflow(name="scene")(self._body())

    def with_rung(self, one: On, rung: str, nth: int = 1, rounds: int = 5) -> On:
        """``one`` with this rung, and without the catalog's retries."""
        if rung == "retry":
            return one.retry(attempts=2)
        if one.retry_rung is None:
            one = one.retry(attempts=1)
        return {
            "halve": lambda: one.adapt(rounds=rounds, size=halve()),
            "split": lambda: one.adapt(rounds=rounds, numbers=split()),
            "function": lambda: one.fall_back(self._others[nth - 1]),
            "value": lambda: one.fall_back(value=[f"value{nth}"]),
            "model": lambda: one.fall_back(model=f"small{nth}"),
            "skip": lambda: one.skip(),
            "skip_default": lambda: one.skip(default=["default"]),
            "halt": lambda: one.halt(),
        }[rung]()

    def _act(self, who: str, item: str, size: int, numbers: tuple[int, ...], model: str) -> Any:
        self.seen.append((who, model, size, len(numbers)) if item == "a" else (item, model, 16, 4))
        event = self.script.pop(0) if item == "a" and self.script else None
        if isinstance(event, BaseException):
            raise event
        if isinstance(event, Hangs):
            return event
        if event is not None:
            event()
        return [f"{who} {model} {size} {number}" for number in numbers]

    def _function(self, who: str) -> Any:
        if self.world == "sync":

            def work(
                item: str,
                size: int = 16,
                numbers: tuple[int, ...] = (1, 2, 3, 4),
                model: str = "big",
            ) -> list[str]:
                got = self._act(who, item, size, numbers, model)
                if isinstance(got, Hangs):
                    self.released.wait(30)
                return list(got)

            made: Any = work
        else:

            async def work_async(
                item: str,
                size: int = 16,
                numbers: tuple[int, ...] = (1, 2, 3, 4),
                model: str = "big",
            ) -> list[str]:
                await asyncio.sleep(0)
                got = self._act(who, item, size, numbers, model)
                if isinstance(got, Hangs):
                    await asyncio.sleep(30)
                return list(got)

            made = work_async
        made.__qualname__ = made.__name__ = who
        return made

    def _body(self) -> Any:
        if self.world == "sync":

            def body() -> Any:
                self.before()
                if self.mapped:
                    got: Any = self.step.map(["a", "b"], workers=1).results
                else:
                    got = self.step("a")
                self.after()
                return got

            return body

        async def body_async() -> Any:
            self.before()
            if self.mapped:
                got = (await self.step.map(["a", "b"], workers=1)).results
            else:
                got = await self.step("a")
            self.after()
            return got

        return body_async

    # -- what is done with it ---------------------------------------------------------------------

    def start(self, run_id: str = "one") -> Run[Any]:
        flow = self.workflow.with_options(run_id=run_id)
        if self.world == "sync":
            run: Run[Any] = flow.start()
            return run
        return asyncio.run(flow.start())

    def resume(self, run_id: str = "one") -> Run[Any]:
        if self.world == "sync":
            run: Run[Any] = self.workflow.resume(run_id)
            return run
        return asyncio.run(self.workflow.resume(run_id))


def died(runtime: Runtime, run_id: str = "one") -> None:
    """Let the run look like one whose process died: it says it runs, and nobody holds it."""

    def write(tx: Any) -> None:
        tx(
            "UPDATE runs SET status = 'running', owner = NULL, ended_at = NULL WHERE run_id = ?",
            (run_id,),
        )
        tx("UPDATE calls SET status = 'running' WHERE status != 'completed'", ())

    runtime.journal.group.commit(write)


# -- what has to come of it -----------------------------------------------------------------------


@dataclass
class Told:
    """What came of a scene."""

    status: str = "completed"
    result: Any = None
    seen: list[Seen] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    """As the journal has them."""
    waits: list[float] = field(default_factory=list)
    degraded: str | None = None
    """As the journal has it of the call."""
    letters: int = 0


class _Ends(Exception):
    def __init__(self, how: str) -> None:
        self.how = how


def told(rungs: Sequence[str], *, mapped: bool = False) -> Told:
    """What has to come of a scene in which the tries fail one after the other, each of them with
    another kind, for which the step has that rung; when none is left, all goes well."""
    want = Told()
    left = list(enumerate(rungs, start=1))

    def go(who: str, model: str, size: int, numbers: list[int]) -> list[str]:
        want.seen.append((who, model, size, len(numbers)))
        if not left:
            return [f"{who} {model} {size} {number}" for number in numbers]
        nth, rung = left.pop(0)
        ends = rung == "halt" or (rung == "skip" and not mapped)  # nothing to set aside
        want.decisions.append("halt" if ends else DECISIONS[rung])
        if ends:
            raise _Ends("halt")
        if rung == "retry":
            want.waits.append(0.5)
            return go(who, model, size, numbers)
        if rung == "halve":
            return go(who, model, size // 2, numbers)
        if rung == "split":
            middle = (len(numbers) + 1) // 2
            return [
                *go(who, model, size, numbers[:middle]),
                *go(who, model, size, numbers[middle:]),
            ]
        if rung == "function":
            want.degraded = f"other{nth}"
            return go(want.degraded, "big", size, numbers)
        if rung == "model":
            want.degraded = f"model='small{nth}'"
            return go("work", f"small{nth}", size, numbers)
        if rung == "value":
            want.degraded = f"value=['value{nth}']"
            return [f"value{nth}"]
        raise _Ends(rung)

    results: list[Any] = []
    try:
        results.append(go("work", "big", 16, [1, 2, 3, 4]))
    except _Ends as end:
        want.degraded = None
        if end.how == "halt":
            want.status = "halted"
            return want
        if end.how == "skip_default":
            want.degraded = "skipped"
            results.append(["default"])
        else:
            want.letters = 1
    if mapped:
        want.seen.append(("b", "big", 16, 4))
        results.append([f"work big 16 {number}" for number in (1, 2, 3, 4)])
    want.result = results if mapped else results[0]
    return want


def came_of(scene: Scene, run: Run[Any], runtime: Runtime, waits: Sequence[float]) -> Told:
    """What did come of it, read off the journal and off what the step saw."""
    pk = runtime.journal.run(run.run_id).pk
    [call] = [
        one
        for one in runtime.journal.calls(pk)
        if one.step == "work" and one.item in (None, 0) and one.form == "step"
    ]
    return Told(
        run.status,
        run.result if run.status == "completed" else None,
        scene.seen,
        [one.decision for one in run.failures if one.step == "work"],
        list(waits),
        call.degraded,
        len(runtime.journal.dead_letters(pk)),
    )
