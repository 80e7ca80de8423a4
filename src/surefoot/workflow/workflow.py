"""``@workflow``: a function that calls steps, and can be run, killed and resumed."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ..codec import Codec
from ..context import Frame, crumbs_of, entered, frame
from ..errors import DefinitionError, UnsavableError, UsageError
from ..execution.apart import refuse_in_child
from ..execution.state import OnDrift, RunState, Scope
from . import lifecycle
from .callbacks import Callbacks, tell, tell_async
from .definition import Definition, Rollback
from .inputs import load_input, save_input
from .run import Run
from .target import describe

__all__ = ["Workflow", "workflow"]

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..deadletter import Replay
    from .dry_run import DryRun
    from .letters import DeadLetter

P = ParamSpec("P")
P2 = ParamSpec("P2")
O = TypeVar("O")  # noqa: E741  the object of a method
R = TypeVar("R", covariant=True)
T = TypeVar("T")


class Workflow(Generic[P, R]):
    """A workflow: call it like the function it was made from, or :meth:`start` it for a Run.

    ``__wrapped__`` is that function, bare.
    """

    __wrapped__: Callable[..., Any]
    __name__: str
    __qualname__: str

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        name: str | None = None,
        run_id: str | None = None,
        prefix: tuple[Any, ...] = (),
        max_cost: float | None = None,
        rollback: Rollback | None = None,
        on_halt: Callable[[Run[Any]], Any] | None = None,
        on_recovered: Callable[[Run[Any]], Any] | None = None,
    ) -> None:
        if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
            raise DefinitionError(
                f"workflow {getattr(fn, '__qualname__', fn)} is a generator function; return a list"
            )
        if not callable(fn) or isinstance(fn, type):
            raise DefinitionError(f"@workflow is put on a function, not on {fn!r}")
        self._fn = fn
        self._run_id = run_id
        self._prefix = prefix
        self._given_name = name
        self.name = name or fn.__qualname__
        self.is_async = inspect.iscoroutinefunction(fn)
        where = f"workflow {self.name}"
        if rollback not in (None, "on_halt"):
            raise DefinitionError(f"{where}: rollback={rollback!r}: give 'on_halt', or nothing")
        number = isinstance(max_cost, (int, float)) and not isinstance(max_cost, bool)
        if max_cost is not None and not (number and max_cost > 0):
            raise DefinitionError(f"{where}: max_cost={max_cost!r} must be US dollars above 0")
        callbacks = Callbacks(on_halt, on_recovered)
        callbacks.check(where, is_async=self.is_async)
        codec = Codec.of(fn, where=where)
        self.definition = Definition(fn, self.name, codec, max_cost, rollback, callbacks)
        functools.update_wrapper(self, fn)

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(
        self: Workflow[Concatenate[O, P2], T], instance: O, owner: Any = None
    ) -> Workflow[P2, T]: ...
    @overload
    def __get__(self, instance: object, owner: Any = None) -> Self: ...  # a static method
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return self._copy(prefix=(instance,))

    def _copy(self, **changed: Any) -> Any:
        given = {
            "name": self._given_name,
            "run_id": self._run_id,
            "prefix": self._prefix,
            "max_cost": self.definition.max_cost,
            "rollback": self.definition.rollback,
            **self.definition.callbacks._asdict(),
        }
        return type(self)(self._fn, **{**given, **changed})

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        here = frame()
        if here is not None and (here.run is not None or here.disabled):
            result: R = self._inside(here, (*self._prefix, *args), kwargs)
            return result
        if self.is_async:
            return self._call_async(args, kwargs)  # type: ignore[return-value]
        session = self._session(args, kwargs)
        found: R
        if isinstance(session, Run):
            found = _result_of(session)
            return found
        try:
            found = self._drive(session, raising=True)
            return found
        finally:
            session.close()

    async def _call_async(self, args: Any, kwargs: Any) -> Any:
        session = self._session(args, kwargs)
        if isinstance(session, Run):
            return _result_of(session)
        try:
            return await self._drive_async(session, raising=True)
        finally:
            session.close()

    # -- start and resume ---------------------------------------------------------------------

    @overload
    def start(  # type: ignore[overload-overlap]
        self: Workflow[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, Run[T]]: ...
    @overload
    def start(self: Workflow[P, T], *args: P.args, **kwargs: P.kwargs) -> Run[T]: ...
    def start(self, *args: Any, **kwargs: Any) -> Any:
        """Run it and give a :class:`Run`, whatever came of it; awaited for an async workflow.

        Where ``with_options(run_id=…)`` names a run that exists: with other input an error; one that
        ended is only read; one that was interrupted, or whose process died, is resumed.

        :raises InputError: the input cannot be saved, or differs from the recorded one.
        :raises RunLocked: the run is held by a living process.
        :raises JournalError: the journal cannot be used.
        """
        if self.is_async:
            return self._finish_async(lambda: self._session(args, kwargs))
        return self._finish(self._session(args, kwargs))

    @overload
    def resume(  # type: ignore[overload-overlap]
        self: Workflow[P, Coroutine[Any, Any, T]],
        run_id: str,
        *,
        on_drift: OnDrift = "stop",
        from_step: str | None = None,
    ) -> Coroutine[Any, Any, Run[T]]: ...
    @overload
    def resume(
        self: Workflow[P, T],
        run_id: str,
        *,
        on_drift: OnDrift = "stop",
        from_step: str | None = None,
    ) -> Run[T]: ...
    def resume(
        self, run_id: str, *, on_drift: OnDrift = "stop", from_step: str | None = None
    ) -> Any:
        """Go on with a run: what completed is reused, the rest runs. A completed run is only read,
        unless dead letters of it were replayed since: then its result is made anew with them.

        :param from_step: a step's name, or a call's id: that call, and those begun after its first
            call ended, are set aside and run again.
        :param on_drift: what to do about an effect without a key that is called with other arguments
            than the recorded ones: ``"stop"``, ``"rerun"`` or ``"reuse"``.
        :raises UnknownRun: there is none of this id. :raises RunLocked: a living process holds it.
        :raises UsageError: going on ``from_step`` would repeat an effect without a key.
        """

        def opened() -> lifecycle.Session | Run[Any]:
            return lifecycle.resume_session(
                self.definition, run_id, load_input, on_drift=on_drift, from_step=from_step
            )

        return self._finish_async(opened) if self.is_async else self._finish(opened())

    def dry_run(self, run_id: str, *, from_step: str | None = None) -> DryRun:
        """What :meth:`resume` would do: which calls it would reuse, which run again, what becomes of
        the effects in doubt. Nothing runs, and nothing is written.

        :raises UnknownRun: there is none of this id. :raises RunLocked: a living process holds it.
        """
        from .dry_run import dry_run

        return dry_run(self.definition, run_id, from_step)

    # -- dead letters -------------------------------------------------------------------------

    def dead_letters(
        self,
        *,
        run_id: str | None = None,
        step: str | None = None,
        kind: str | None = None,
        fingerprint: str | None = None,
        state: str | None = "open",
    ) -> list[DeadLetter]:
        """The dead letters of this workflow's runs, the oldest first.

        :param state: ``open``, ``replayed``, ``discarded`` or ``reopened``; None: all of them.
        """
        from .letters import found_letters

        return found_letters(
            self, run_id=run_id, step=step, kind=kind, fingerprint=fingerprint, state=state
        )

    @overload
    def replay(  # type: ignore[overload-overlap]
        self: Workflow[P, Coroutine[Any, Any, T]],
        letters: Iterable[DeadLetter],
        *,
        changes: Mapping[str, Any] | None = None,
        canary: bool = True,
        rate: float | None = None,
    ) -> Coroutine[Any, Any, list[Replay]]: ...
    @overload
    def replay(
        self: Workflow[P, T],
        letters: Iterable[DeadLetter],
        *,
        changes: Mapping[str, Any] | None = None,
        canary: bool = True,
        rate: float | None = None,
    ) -> list[Replay]: ...
    def replay(
        self,
        letters: Iterable[DeadLetter],
        *,
        changes: Mapping[str, Any] | None = None,
        canary: bool = True,
        rate: float | None = None,
    ) -> Any:
        """Try dead letters again, each in its run; awaited for an async workflow. A success takes its
        place there; a ``resume`` of the run then makes its result with it.

        :param changes: arguments, by name, that differ from the saved ones.
        :param canary: of the letters of one fingerprint the first one goes first; if it fails again,
            the others are not tried.
        :param rate: letters a second, at most.
        :raises UsageError: one of them cannot be replayed. :raises RunLocked: its run is held.
        """
        from .letters import replay_async, replay_sync

        given = [one.record for one in letters]
        use = replay_async if self.is_async else replay_sync
        return use(self, given, changes, canary=canary, rate=rate)

    def with_options(self, *, run_id: str | None = None) -> Workflow[P, R]:
        """The same workflow, for a run of this id.

        >>> @workflow
        ... def nothing() -> int:
        ...     return 1
        >>> nothing.with_options(run_id="today")
        <workflow nothing>
        """
        changed: Workflow[P, R] = self._copy(run_id=run_id)
        return changed

    def __repr__(self) -> str:
        return f"<workflow {self.name}>"

    # -- inside -------------------------------------------------------------------------------

    def _session(self, args: Any, kwargs: Any) -> lifecycle.Session | Run[Any]:
        here = frame()
        if here is not None and here.disabled:
            raise UsageError(
                f"workflow {self.name}: start() makes a run, and Surefoot is disabled here; call "
                "the workflow like a function"
            )
        refuse_in_child(here, f"workflow {self.name}")
        return lifecycle.open_session(
            self.definition,
            describe(self._fn),
            self._run_id,
            (*self._prefix, *args),
            kwargs,
            save_input,
            load_input,
        )

    def _drive(self, session: lifecycle.Session, *, raising: bool) -> Any:
        while session.ended is None:
            try:
                with entered(session.frame()):
                    value = self._fn(*session.args, **session.kwargs)
            except BaseException as exc:
                if session.ended_with(exc):
                    continue
                if session.rolling_back:
                    self._roll_back(session)
                tell(session)
                if raising:
                    raise
                return None
            try:
                session.completed(value)
            except UnsavableError:  # the run is halted by now, and its Run says so
                tell(session)
                if raising:
                    raise
                return None
            tell(session)
            return value
        tell(session)
        return _stuck(session, raising)

    async def _drive_async(self, session: lifecycle.Session, *, raising: bool) -> Any:
        while session.ended is None:
            try:
                with entered(session.frame()):
                    value = await self._fn(*session.args, **session.kwargs)
            except BaseException as exc:
                if session.ended_with(exc):
                    continue
                if session.rolling_back:
                    await self._roll_back_async(session)
                await tell_async(session)
                if raising:
                    raise
                return None
            try:
                session.completed(value)
            except UnsavableError:
                await tell_async(session)
                if raising:
                    raise
                return None
            await tell_async(session)
            return value
        await tell_async(session)
        return _stuck(session, raising)

    # -- rollback -----------------------------------------------------------------------------

    @overload
    def rollback(  # type: ignore[overload-overlap]
        self: Workflow[P, Coroutine[Any, Any, T]], run_id: str
    ) -> Coroutine[Any, Any, Run[T]]: ...
    @overload
    def rollback(self: Workflow[P, T], run_id: str) -> Run[T]: ...
    def rollback(self, run_id: str) -> Any:
        """Undo the effects of a run that have a ``compensate``, the last one first; awaited for an
        async workflow. One that fails is set aside as a dead letter, and the others go on.

        :returns: the run, ``rolled_back``; its ``undone`` tells what became of each effect.
        :raises UnknownRun: there is none of this id. :raises RunLocked: a living process holds it.
        """
        session = lifecycle.rollback_session(self.definition, run_id, load_input)
        if self.is_async:
            return self._finish_rollback_async(session)
        try:
            self._roll_back(session)
            return _told(session)
        finally:
            session.close()

    async def _finish_rollback_async(self, session: lifecycle.Session) -> Run[Any]:
        try:
            await self._roll_back_async(session)
            return _told(session)
        finally:
            session.close()

    def _roll_back(self, session: lifecycle.Session) -> None:
        from ..compensation import rollback_sync

        try:
            run = session.for_rollback()
            rollback_sync(run, run.specs)
            session.rolled_back()
        except BaseException as exc:
            session.rollback_failed(exc)
            raise

    async def _roll_back_async(self, session: lifecycle.Session) -> None:
        from ..compensation import rollback_async

        try:
            run = session.for_rollback()
            await rollback_async(run, run.specs)
            session.rolled_back()
        except BaseException as exc:
            session.rollback_failed(exc)
            raise

    def _finish(self, session: lifecycle.Session | Run[Any]) -> Run[Any]:
        if isinstance(session, Run):
            return session
        try:
            self._drive(session, raising=False)
            return _told(session)
        finally:
            session.close()

    async def _finish_async(self, opened: Callable[[], lifecycle.Session | Run[Any]]) -> Run[Any]:
        session = opened()
        if isinstance(session, Run):
            return session
        try:
            await self._drive_async(session, raising=False)
            return _told(session)
        finally:
            session.close()

    def _inside(self, here: Frame, args: Any, kwargs: Any) -> Any:
        """A workflow called within a run is a part of that run, in a scope of its own."""
        if here.run is None:
            return self._fn(*args, **kwargs)
        run: RunState = here.run
        outer: Scope = here.scope
        with run.lock:
            number = outer.ordinals.get(self.name, 0)
            outer.ordinals[self.name] = number + 1
        mark = f"{outer.id}\0{self.name}\0{number}".encode("utf-8", "surrogatepass")
        inner = Frame(
            runtime=here.runtime,
            run=run,
            scope=Scope(f"{self.name}:{blake2b(mark, digest_size=6).hexdigest()}"),
            step=here.step,
            call_id=here.call_id,
            attempt=here.attempt,
            item=here.item,
            item_id=here.item_id,
            failure=here.failure,
            once=here.once,
            fence=here.fence,
            stage=here.stage,
        )
        if here.step is not None:
            inner.crumbs = crumbs_of(here)  # what it logs belongs to the attempt around it
        if self.is_async:
            return self._inside_async(inner, args, kwargs)
        with entered(inner):
            return self._fn(*args, **kwargs)

    async def _inside_async(self, inner: Frame, args: Any, kwargs: Any) -> Any:
        with entered(inner):
            return await self._fn(*args, **kwargs)


class StaticWorkflow(Workflow[P, R]):
    """A workflow on a static method: the same on the class and on its objects."""

    def __get__(self, instance: Any, owner: Any = None) -> Self:
        return self


def _told(session: lifecycle.Session) -> Run[Any]:
    if session.must_be_raised():
        assert session.exception is not None
        raise session.exception
    return session.run()


def _stuck(session: lifecycle.Session, raising: bool) -> None:
    """A run that was over before its body was called."""
    if raising and session.exception is not None:
        raise session.exception


def _result_of(run: Run[Any]) -> Any:
    """A call on a run that exists: its result, or an error that says what it is."""
    return run.result


@overload
def workflow(fn: staticmethod[P, T], /) -> StaticWorkflow[P, T]: ...
@overload
def workflow(fn: Callable[P, T], /) -> Workflow[P, T]: ...
@overload
def workflow(
    *,
    name: str | None = None,
    max_cost: float | None = None,
    rollback: Rollback | None = None,
    on_halt: Callable[[Run[Any]], Any] | None = None,
    on_recovered: Callable[[Run[Any]], Any] | None = None,
) -> Callable[[Callable[P, T]], Workflow[P, T]]: ...
def workflow(
    fn: Any = None,
    /,
    *,
    name: str | None = None,
    max_cost: float | None = None,
    rollback: Rollback | None = None,
    on_halt: Callable[[Run[Any]], Any] | None = None,
    on_recovered: Callable[[Run[Any]], Any] | None = None,
) -> Any:
    """Make a function a workflow: each call of it is a run in the journal.

    :param name: what the journal calls it; by default its ``__qualname__``.
    :param max_cost: US dollars that one run may cost, all attempts of all steps and resumes together;
        before the next attempt it halts as ``budget_exceeded``.
    :param rollback: ``"on_halt"`` undoes the effects of a run that halts; see docs/effects.md.
    :param on_halt: is called with the :class:`Run` once it has halted, and was rolled back if it is to
        be. What it raises is warned about and changes nothing. An async workflow awaits an async one.
    :param on_recovered: is called with the Run that completed after it had stopped: halted, was
        interrupted, or lost its process.
    :raises DefinitionError: at once, for anything that cannot work.

    >>> @workflow
    ... def triage(path: str) -> int: ...
    >>> triage
    <workflow triage>
    """
    options: dict[str, Any] = {
        "name": name,
        "max_cost": max_cost,
        "rollback": rollback,
        "on_halt": on_halt,
        "on_recovered": on_recovered,
    }
    if fn is None:
        return lambda given: workflow_of(given, options)
    return workflow_of(fn, options)


def workflow_of(fn: Any, options: dict[str, Any]) -> Workflow[Any, Any]:
    if isinstance(fn, staticmethod):
        return StaticWorkflow(fn.__func__, **options)
    return Workflow(fn, **options)
