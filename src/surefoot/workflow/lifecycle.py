"""A run from its first call of the body to its end, for now or for good."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timezone
from typing import Any

from ..codec import Codec
from ..context import Frame, entered, frame
from ..errors import (
    InputError,
    JournalError,
    ProcessCrashed,
    RunCancelled,
    RunLocked,
    UnsavableError,
    UsageError,
)
from ..events import RunEnded, RunStarted
from ..execution.apart import refuse_in_child
from ..execution.failures import calls_that_ended, halted_as, judged, text_of
from ..execution.spec import StepSpec
from ..execution.state import OnDrift, Recorded, RunState
from ..journal import Journal, Lease, NewRun, RunRecord
from ..journal.journal import Stored
from ..journal.letters import newly_replayed
from ..journal.runs import MAX_TAKEOVERS, Ending
from ..journal.superseding import supersede
from ..journal.undo import begin_rollback
from ..journal.writes import forget
from ..model import Classification
from ..runtime import Runtime
from .definition import Definition
from .from_step import calls_from
from .run import Run, read_run

__all__ = ["Session", "effect_outside", "effect_outside_async", "new_run_id", "open_session"]

MESSAGE = 10_000
"""Characters of what ended a run."""
PASSING = ("cancelled", "control_flow")
NOT_ROLLED_BACK = frozenset(("in_doubt", "resume_drift"))
"""Kinds of halts that never start a rollback: a person must look first."""


def new_run_id(now: float) -> str:
    """An id that sorts by time: ``20261122-234501-1a2b3c``."""
    import secrets

    when = datetime.fromtimestamp(now, timezone.utc)
    return f"{when:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def versions() -> str:
    """What ran it, for the postmortem."""
    from .. import __version__

    python = ".".join(str(part) for part in sys.version_info[:3])
    return json.dumps({"surefoot": __version__, "python": python, "platform": sys.platform})


def at_home(runtime: Runtime) -> tuple[int | None, str | None]:
    """What a new run keeps of the orchestrator around: the run it is a part of, and its origin."""
    host = runtime.host
    return (None, None) if host is None else (host.parent, host.origin.dump())


class Session:
    """One process's hold on one run: calls the body, and writes how that ended."""

    def __init__(
        self,
        runtime: Runtime,
        owned: AbstractContextManager[Any],
        definition: Definition,
        lease: Lease,
        record: RunRecord,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        resumed: bool,
        finished: bool = False,
        on_drift: OnDrift = "stop",
    ) -> None:
        """:param finished: it had completed, and is gone through once more."""
        self.runtime = runtime
        self._owned = owned
        self.definition = definition
        self.name = definition.name
        self.codec = definition.codec
        self.record = record
        self.args = args
        self.kwargs = kwargs
        self.value: Any = None
        self.exception: BaseException | None = None
        self.rolling_back = False
        self.error: dict[str, Any] | None = None
        self.ended: str | None = None
        """The status that was written at the end; None while it runs, or where it was not written."""
        self.recovers = resumed and not finished
        """Whether it goes on with a run that had stopped before it was done."""
        self.halted = False
        self._on_drift: OnDrift = on_drift
        self._lease = lease
        self._resumed = resumed
        journal = runtime.journal
        recorded = Recorded(journal.calls(lease.run_pk)) if resumed else None
        self.state = self._fresh(recorded)
        from ..observe.crumbs import keep_crumbs  # with it comes logging

        keep_crumbs()
        runtime.emit(RunStarted(self.state.run_id, self.name, resumed))

    def _fresh(self, recorded: Recorded | None) -> RunState:
        state = RunState(
            self.runtime,
            self._lease,
            self.name,
            self.record.created_at,
            recorded,
            self._on_drift,
        )
        state.max_cost = self.definition.max_cost
        if recorded is not None:
            state.cost = self.runtime.journal.cost(self._lease.run_pk)
        return state

    def frame(self) -> Frame:
        return Frame(runtime=self.runtime, run=self.state, scope=self.state.root)

    # -- ends ---------------------------------------------------------------------------------

    def completed(self, value: Any) -> None:
        """The body returned.

        :raises UnsavableError: its result cannot be kept; the run is halted.
        """
        state = self.state
        if state.broken is not None:
            self.ended_with(state.broken)
            raise state.broken
        try:
            encoded = self.codec.encode(value)
            stored = self.runtime.journal.keep(encoded.format, encoded.data)
        except UnsavableError as exc:
            error = UnsavableError(
                f"{exc}. All steps of run {state.run_id} are done and kept; mend what the workflow "
                f"returns, then: surefoot resume {state.run_id}"
            )
            self.ended_with(error)
            raise error from exc
        self.value = value
        self._end(
            Ending(
                "completed",
                format=stored.format,
                result=stored.inline,
                result_digest=stored.digest,
                degraded=state.degraded,
                reused=state.reused,
                time_saved=state.time_saved,
                cost_saved=state.cost_saved,
                with_letters=self._resumed,
            ),
            stored=stored,
        )

    def ended_with(self, exc: BaseException) -> bool:
        """An exception left the body.

        :returns: whether the body is to be called again at once, since what left it was only the
            replay of an old failure, which is forgotten now.
        """
        state, journal = self.state, self.runtime.journal
        self.exception = exc
        if (
            state.broken is not None
            or state.lease.lost
            or isinstance(exc, (JournalError, RunLocked))
        ):
            if self._cannot_write(exc):
                return False
        if isinstance(exc, RunCancelled):
            self._stop("cancelled", exc)
            return False
        if not isinstance(exc, Exception):
            self._stop("interrupted", exc)
            return False
        classification = judged(exc) or self.runtime.classify(exc, None, state.after_inference)
        if classification.kind in PASSING:
            self._stop("interrupted", exc)
            return False
        ended = calls_that_ended(exc)
        again = tuple(one for one in ended if one in state.replayed_failures)
        if again:
            journal.group.commit(forget(state.lease, again))
            # the body starts over, and so does the count of what it reuses
            self.state = self._fresh(Recorded(journal.calls(state.lease.run_pk)))
            self.exception = None
            return True
        error = self._error(exc, classification, ended)
        kinds = (classification.kind, halted_as(exc))
        if self.definition.rollback is not None and not NOT_ROLLED_BACK.intersection(kinds):
            # from here on it is rolled back, by whatever process goes on with it
            try:
                journal.group.commit(
                    begin_rollback(state.lease, json.dumps(error), self.runtime.clock.now())
                )
            except (JournalError, RunLocked) as failed:
                self.rollback_failed(failed)
                raise
            self.error, self.rolling_back, self.halted = error, True, True
            return False
        self._stop("halted", exc, error, ended)
        return False

    def _message(self, exc: BaseException) -> str:
        from ..execution.record import clean_text

        return clean_text(_text(exc), MESSAGE, self.runtime.scrub_text)

    def _record(self, exc: BaseException, type_name: str) -> dict[str, Any]:
        """What is kept of a failure of the workflow's own code, scrubbed: no step has kept it."""
        from ..execution.record import body_record

        return body_record(
            exc,
            type_name,
            self.definition.fn,
            self.args,
            self.kwargs,
            self.runtime.scrub_text,
            self.state.is_secret,
            self.runtime.keep_locals,
        )

    # -- rollback -----------------------------------------------------------------------------

    def specs(self) -> dict[str, StepSpec]:
        """The steps that the workflow's code names, and those that this process has seen."""
        from .finding import specs_of

        return {**specs_of(self.definition.fn), **self.state.specs}

    def for_rollback(self) -> RunState:
        """The run as a rollback works on it: nothing that was recorded stands in its way."""
        specs = self.specs()
        calls = self.runtime.journal.calls(self._lease.run_pk)
        # an undo that failed before is tried again; its failure is not replayed
        again = [one for one in calls if one.scope != "rollback" or one.status != "failed"]
        self.state = self._fresh(Recorded(again))
        self.state.specs.update(specs)
        self.state.max_cost = None  # undoing is never too expensive
        return self.state

    def rolled_back(self) -> None:
        """All undos are settled, one way or another."""
        error = json.dumps(self.error) if self.error is not None else self.record.error
        ending = Ending("rolled_back", degraded=self.state.degraded, error=error)
        self._end(ending, self.exception)

    def rollback_failed(self, exc: BaseException) -> None:
        """It could not go on: the run stays ``rolling_back``, for whoever goes on with it."""
        self.exception = exc
        self.runtime.journal.let_go(self._lease)

    def _cannot_write(self, exc: BaseException) -> bool:
        """Whether nothing more can be written of this run by this process."""
        state = self.state
        if isinstance(exc, RunLocked) and not state.lease.lost and state.broken is None:
            return False  # another run's key: this run halts like after any other failure
        journal = self.runtime.journal
        if state.lease.lost:
            journal.let_go(state.lease)
            return True
        try:
            # a fault that is over by now: then the run is free for whoever resumes it
            journal.end_run(state.lease, Ending("interrupted"))
        except (JournalError, RunLocked):
            return True
        return True

    def _stop(
        self,
        status: str,
        exc: BaseException,
        error: dict[str, Any] | None = None,
        ended: tuple[str, ...] = (),
    ) -> None:
        state = self.state
        ending = Ending(
            status,
            degraded=state.degraded,
            error=json.dumps(error) if error is not None else None,
            reused=state.reused,
            time_saved=state.time_saved,
            cost_saved=state.cost_saved,
            forget=ended,
        )
        try:
            self._end(ending, exc)
        except JournalError as failed:
            # the exception of the body matters more; the run's lease tells the rest
            from ..execution.failures import note_for_people

            note_for_people(exc, f"surefoot: the end of run {state.run_id} is not kept: {failed}")
        except RunLocked:
            state.lease.lost = True

    def _end(
        self, ending: Ending, exc: BaseException | None = None, stored: Stored | None = None
    ) -> None:
        self.runtime.journal.end_run(self.state.lease, ending, stored)
        self.ended = ending.status
        self.runtime.emit(RunEnded(self.state.run_id, self.name, ending.status, exc))

    def stuck(self) -> None:
        """Its process died again and again before anything new was saved: a person must look."""
        run_id = self.state.run_id
        exc = ProcessCrashed(
            f"run {run_id} was taken over {self.record.takeovers - 1} times in a row without one new "
            "checkpoint: something in it kills its process. Look at the last step that began with: "
            f"surefoot show {run_id}; then resume it"
        )
        self.exception = exc
        self._stop("halted", exc, self._error(exc, self.runtime.classify(exc), ()))

    def _error(
        self, exc: BaseException, classification: Classification, ended: tuple[str, ...]
    ) -> dict[str, Any]:
        """What is kept of what ended a run."""
        error = {
            "type": classification.type,
            "message": self._message(exc),
            "kind": classification.kind,
            "category": classification.category,
            "severity": classification.severity,
            "recoverable": classification.recoverable,
            "fingerprint": classification.fingerprint,
            "rule": classification.rule,
            "calls": list(ended),
        }
        if not ended:
            error.update(self._record(exc, classification.type))
        return error

    # -- results ------------------------------------------------------------------------------

    def run(self) -> Run[Any]:
        """What ``start`` and ``resume`` give back."""
        found = read_run(
            self.runtime.journal,
            self.state.run_id,
            self.codec,
            value=self.value,
            exception=self.exception,
        )
        return found

    def close(self) -> None:
        self._owned.__exit__(None, None, None)

    def must_be_raised(self) -> bool:
        """Whether what ended it is more than the halt of a run."""
        exc = self.exception
        if exc is None:
            return False
        if isinstance(exc, RunCancelled):  # someone wanted it: the Run says so
            return False
        return not isinstance(exc, Exception) or isinstance(exc, JournalError) or self._lease.lost


def _text(exc: BaseException) -> str:
    try:
        return text_of(exc)
    except BaseException:  # one that tries to end the program while it is asked what it says
        return "(its message cannot be read)"


def open_runtime(create: bool = True) -> tuple[Runtime, AbstractContextManager[Any]]:
    """The runtime around, which stays open; or one of its own, closed with the session."""
    here = frame()
    refuse_in_child(here, "a workflow")
    if here is not None and here.runtime is not None:
        return here.runtime, nullcontext()
    runtime = Runtime(create=create)
    runtime.__enter__()
    return runtime, runtime


def open_session(
    definition: Definition,
    target: str | None,
    run_id: str | None,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    save: Callable[..., tuple[bytes, str]],
    load: Callable[..., tuple[tuple[Any, ...], dict[str, Any]]],
) -> Session | Run[Any]:
    """Begin a run. Where its id exists: the record, if nothing is to be done; else a resume.

    :raises InputError: the input cannot be saved, or the id was started with another one.
    :raises RunLocked: the id is running in a living process.
    """
    fn, name, codec = definition.fn, definition.name, definition.codec
    where = f"workflow {name}"
    data, digest = save(fn, args, kwargs, where)
    if run_id is not None and (not run_id or len(run_id) > 200 or not run_id.isprintable()):
        raise UsageError(f"{run_id!r} is no run id: give 1 to 200 printable characters")
    runtime, owned = open_runtime()
    try:
        runtime.check_settings()
        journal = runtime.journal
        chosen = run_id or new_run_id(runtime.clock.now())
        new = NewRun(chosen, name, target, data, digest, versions(), *at_home(runtime))
        record, lease = journal.create_run(new)
        if lease is not None:
            return Session(runtime, owned, definition, lease, record, args, kwargs, resumed=False)
        if record.workflow != name:
            raise InputError(
                f"run {chosen} is a run of workflow {record.workflow}, not of {name}; "
                "give this one another id"
            )
        if record.input_digest != digest:
            raise InputError(
                f"run {chosen} was started with other input; resume it as it is with: "
                f"surefoot resume {chosen} (or workflow.resume({chosen!r})), or give this one "
                "another id"
            )
        if record.status in ("completed", "halted", "cancelled", "rolled_back", "rolling_back"):
            return _read_and_close(journal, owned, chosen, codec)
    except BaseException:
        owned.__exit__(None, None, None)
        raise
    return resume_session(definition, chosen, load, runtime=runtime, owned=owned, on_drift="stop")


def rollback_session(
    definition: Definition,
    run_id: str,
    load: Callable[..., tuple[tuple[Any, ...], dict[str, Any]]],
) -> Session:
    """Take a run in order to undo its effects.

    :raises UnknownRun: there is none. :raises RunLocked: a living process holds it.
    """
    runtime, owned = open_runtime(create=False)
    try:
        journal = runtime.journal
        record = journal.run(run_id)
        if record.workflow != definition.name:
            raise UsageError(
                f"run {run_id} is a run of workflow {record.workflow}, not of {definition.name}; "
                f"roll it back with: surefoot rollback {run_id}"
            )
        if record.status in ("running", "rolling_back"):
            runtime.tell_of_the_dead()
        _, lease = journal.take(run_id, to_roll_back=True)
        assert lease is not None
        taken = journal.run(run_id)
        return Session(runtime, owned, definition, lease, taken, (), {}, resumed=True)
    except BaseException:
        owned.__exit__(None, None, None)
        raise


def _read_and_close(
    journal: Journal, owned: AbstractContextManager[Any], run_id: str, codec: Codec
) -> Run[Any]:
    try:
        return read_run(journal, run_id, codec)
    finally:
        owned.__exit__(None, None, None)


def resume_session(
    definition: Definition,
    run_id: str,
    load: Callable[..., tuple[tuple[Any, ...], dict[str, Any]]],
    *,
    runtime: Runtime | None = None,
    owned: AbstractContextManager[Any] | None = None,
    on_drift: OnDrift = "stop",
    from_step: str | None = None,
) -> Session | Run[Any]:
    """Take a run over and go on with it. A completed one is only read, unless dead letters of it
    were replayed since, or it is to go on ``from_step``.

    :raises UnknownRun: there is none. :raises RunLocked: a living process holds it.
    :raises UsageError: it cannot go on from there.
    """
    fn, name, codec = definition.fn, definition.name, definition.codec
    if on_drift not in ("stop", "rerun", "reuse"):
        raise UsageError(f"on_drift={on_drift!r}: give 'stop', 'rerun' or 'reuse'")
    if runtime is None or owned is None:
        runtime, owned = open_runtime(create=False)
    try:
        runtime.check_settings()
        journal = runtime.journal
        record = journal.run(run_id)
        if record.workflow != name:
            raise UsageError(
                f"run {run_id} is a run of workflow {record.workflow}, not of {name}; resume it "
                f"with: surefoot resume {run_id}"
            )
        if record.status in ("rolled_back", "rolling_back"):
            raise UsageError(_not_resumed(record))
        again = record.status == "completed" and goes_through_again(journal, record, from_step)
        if record.status == "completed" and not again:
            return _read_and_close(journal, owned, run_id, codec)
        if from_step is not None:
            calls_from(journal, record, from_step)  # what it refuses, it refuses before it is taken
        args, kwargs = load(fn, record.input, f"workflow {name}")
        if record.status == "running":
            runtime.tell_of_the_dead()
        _, lease = journal.take(run_id, again=again)
        if lease is None:  # another process finished it since we looked
            return _read_and_close(journal, owned, run_id, codec)
        taken = journal.run(run_id)
        stuck = taken.takeovers > MAX_TAKEOVERS
        if from_step is not None and not stuck:
            chosen = calls_from(journal, taken, from_step)
            journal.group.commit(supersede(lease, chosen, runtime.clock.now()))
        session = Session(
            runtime,
            owned,
            definition,
            lease,
            taken,
            args,
            kwargs,
            resumed=True,
            finished=record.status == "completed",
            on_drift=on_drift,
        )
        if stuck:
            session.stuck()
        return session
    except BaseException:
        owned.__exit__(None, None, None)
        raise


def _not_resumed(record: RunRecord) -> str:
    """Why a run that is undone, or was, does not go on, and what to do instead."""
    run_id = record.run_id
    if record.status == "rolling_back":
        return (
            f"run {run_id} is rolling_back and cannot be resumed; finish its rollback with: "
            f"surefoot rollback {run_id} (or workflow.rollback({run_id!r}))"
        )
    return f"run {run_id} is rolled_back and cannot be resumed; start another one, under another id"


def goes_through_again(journal: Journal, record: RunRecord, from_step: str | None) -> bool:
    """Whether a completed run has anything to go through its body once more for."""
    if from_step is not None:
        return True
    return newly_replayed(journal.store, record.pk, record.ended_at or 0.0) > 0


# -- an effect outside of a run -------------------------------------------------------------------


def _effect_session(spec: StepSpec, runtime: Runtime) -> Session:
    """A run of one effect: it gives the claim its lease and its fence."""
    assert spec.effect is not None
    if spec.effect.key is None:
        raise UsageError(
            f"{spec.where} is called outside of a run and has no key=, so nobody could tell a "
            "repetition; give it key=, or call it in a @workflow, or call its __wrapped__"
        )
    here = frame()
    if here is not None and here.runtime is not None:
        owned: AbstractContextManager[Any] = nullcontext()
    else:
        runtime.__enter__()
        owned = runtime
    journal = runtime.journal
    run_id = new_run_id(runtime.clock.now())
    record, lease = journal.create_run(
        NewRun(run_id, f"effect {spec.name}", None, b"{}", "", versions(), *at_home(runtime))
    )
    assert lease is not None
    definition = Definition(spec.fn, f"effect {spec.name}", Codec())
    return Session(runtime, owned, definition, lease, record, (), {}, resumed=False)


def effect_outside(
    spec: StepSpec, runtime: Runtime, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    from .using import use_sync

    session = _effect_session(spec, runtime)
    try:
        with entered(session.frame()):
            value = use_sync(spec, args, kwargs)
    except BaseException as exc:
        session.ended_with(exc)
        raise
    else:
        session.completed(None)
        return value
    finally:
        session.close()


async def effect_outside_async(
    spec: StepSpec, runtime: Runtime, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    from .using import use_async

    session = _effect_session(spec, runtime)
    try:
        with entered(session.frame()):
            value = await use_async(spec, args, kwargs)
    except BaseException as exc:
        session.ended_with(exc)
        raise
    else:
        session.completed(None)
        return value
    finally:
        session.close()
