"""Dead letters for code: what the commands ``surefoot dead-letters …`` do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from ..attempts import drive, drive_async
from ..deadletter import Pause, Replay, Replaying, plan, replayable
from ..errors import UsageError
from ..execution.kept import restore
from ..journal.letters import LetterRecord, discard, letters
from ..journal.undo import UNDO, compensations
from ..runtime import Runtime
from . import lifecycle

if TYPE_CHECKING:
    from .workflow import Workflow

__all__ = ["DeadLetter", "Letters", "found_letters", "replay_async", "replay_sync"]


class DeadLetter:
    """One item that was set aside, with all that is needed to replay it.

    ``id`` is what the commands call it. ``state`` is ``open``, ``replayed``, ``discarded`` or
    ``reopened`` (a resume ran it again), as it was when it was read. ``created_at`` is seconds since
    the epoch. ``reason`` is scrubbed; :attr:`input` is raw.
    """

    def __init__(self, workflow: Workflow[..., Any], record: LetterRecord) -> None:
        self._workflow = workflow
        self.record = record
        self.id = record.pk
        self.run_id = record.run_id
        self.call_id = record.call_id
        self.step = record.step
        self.item = record.item
        self.item_id = record.item_id
        self.kind = record.kind
        self.fingerprint = record.fingerprint
        self.reason = record.reason
        self.state = record.state
        self.created_at = record.created_at
        self.note = record.note

    @property
    def input(self) -> dict[str, Any]:
        """The arguments that it was set aside with, by name.

        :raises UsageError: they could not be saved.
        """
        if self.record.input is None:
            raise UsageError(f"its input was not kept: {self.record.input_note}")
        from .finding import specs_of

        step = self.step.removesuffix(UNDO)
        spec = specs_of(self._workflow.__wrapped__).get(step)
        return restore(self.record.input, spec.fn if spec is not None else _nothing)

    def replay(self, **changes: Any) -> Any:
        """Try it again, with these arguments changed; see :meth:`Workflow.replay`.

        :returns: a :class:`Replay`; awaited for an async workflow.
        """
        found: Any = self._workflow.replay([self], changes=changes or None)
        return _first(found) if self._workflow.is_async else found[0]

    def discard(self, reason: str) -> None:
        """Give it up. It stays in the journal, with the reason.

        :raises UsageError: it is not open any more.
        """
        runtime, owned = lifecycle.open_runtime(create=False)
        with owned:
            give_up(runtime, self.record, reason)

    def __repr__(self) -> str:
        return f"<DeadLetter {self.id} of {self.step}: {self.kind}, {self.state}>"


def _nothing(**arguments: Any) -> None: ...


async def _first(found: Any) -> Replay:
    told: list[Replay] = await found
    return told[0]


def found_letters(workflow: Workflow[..., Any], **wanted: Any) -> list[DeadLetter]:
    runtime, owned = lifecycle.open_runtime(create=False)
    with owned:
        found = letters(runtime.journal.store, workflow=workflow.name, **wanted)
    return [DeadLetter(workflow, one) for one in found]


def give_up(runtime: Runtime, letter: LetterRecord, reason: str) -> None:
    """Discard a letter. :raises UsageError: it is not open any more, or there is no reason."""
    if not reason.strip():
        raise UsageError("say why it is given up: a reason is needed")
    journal = runtime.journal
    if not journal.group.commit(discard(letter.pk, reason, runtime.clock.now())):
        now = letters(journal.store, pks=[letter.pk], with_input=False)[0]
        raise UsageError(f"dead letter {letter.pk} is {now.state}; only open ones are discarded")


class Letters:
    """The runs of one workflow, each held while its letters are replayed.

    :param changes: for all of them; or what gives them for one, once its step is known.
    """

    def __init__(self, runtime: Runtime, workflow: Workflow[..., Any], changes: Any = None) -> None:
        from .finding import specs_of

        self.runtime = runtime
        self.workflow = workflow
        self._specs = specs_of(workflow.__wrapped__)
        self._changes = changes
        self._stack = ExitStack()
        self._held: Replaying | None = None

    def hold(self, run_id: str) -> Replaying:
        """:raises RunLocked: a living process holds it."""
        if self._held is None or self._held.state.run_id != run_id:
            self.let_go()
            self._held = self._stack.enter_context(
                Replaying(self.runtime, run_id, self._specs, self.workflow.definition.max_cost)
            )
        return self._held

    def let_go(self) -> None:
        self._held = None
        self._stack.close()

    def changes(self, held: Replaying, letter: LetterRecord) -> Mapping[str, Any] | None:
        if callable(self._changes):
            found: Mapping[str, Any] | None = self._changes(letter, held.spec(letter))
            return found
        given: Mapping[str, Any] | None = self._changes
        return given

    def replay(self, letter: LetterRecord) -> Replay:
        """One letter of a plain workflow."""
        if letter.step.endswith(UNDO):
            replayable(letter)
            self.let_go()
            self._rollback(letter.run_id)
            return self._undone(letter)
        held = self.hold(letter.run_id)
        return held.replay_sync(letter, self.changes(held, letter))

    async def replay_async(self, letter: LetterRecord) -> Replay:
        """One letter of an async workflow."""
        if letter.step.endswith(UNDO):
            replayable(letter)
            self.let_go()
            await self._rollback(letter.run_id)
            return self._undone(letter)
        held = self.hold(letter.run_id)
        return await held.replay_async(letter, self.changes(held, letter))

    def _rollback(self, run_id: str) -> Any:
        roll_back: Any = self.workflow.rollback
        return roll_back(run_id)

    def _undone(self, letter: LetterRecord) -> Replay:
        """What came of an undo that was tried again, with all others of its run."""
        journal = self.runtime.journal
        call_id = letter.call_id.removesuffix(UNDO)
        found = [
            one for one in compensations(journal.store, letter.run_pk) if one.call_id == call_id
        ]
        done = bool(found) and found[-1].state == "done"
        return Replay(
            letter.pk,
            letter.run_id,
            letter.step,
            letter.item,
            "completed" if done else "failed",
            kind=None if done else letter.kind,
            message=None if done or not found else found[-1].detail,
        )


@contextmanager
def _opened(
    workflow: Workflow[..., Any], given: Sequence[LetterRecord], changes: Any
) -> Iterator[Letters]:
    for letter in given:
        replayable(letter)
    runtime, owned = lifecycle.open_runtime(create=False)
    with owned:
        held = Letters(runtime, workflow, changes)
        try:
            yield held
        finally:
            held.let_go()


def in_order(given: Iterable[LetterRecord]) -> list[LetterRecord]:
    """Run by run, so that each is taken once."""
    return sorted(given, key=lambda one: (one.run_pk, one.pk))


def replay_sync(
    workflow: Workflow[..., Any],
    given: Sequence[LetterRecord],
    changes: Mapping[str, Any] | None,
    *,
    canary: bool,
    rate: float | None,
) -> list[Replay]:
    with _opened(workflow, given, changes) as held:

        def handle(what: Pause | LetterRecord) -> Replay | None:
            if isinstance(what, Pause):
                held.runtime.clock.sleep(what.seconds)
                return None
            return held.replay(what)

        return drive(plan(in_order(given), canary=canary, rate=rate), handle)


async def replay_async(
    workflow: Workflow[..., Any],
    given: Sequence[LetterRecord],
    changes: Mapping[str, Any] | None,
    *,
    canary: bool,
    rate: float | None,
) -> list[Replay]:
    with _opened(workflow, given, changes) as held:

        async def handle(what: Pause | LetterRecord) -> Replay | None:
            if isinstance(what, Pause):
                await held.runtime.clock.sleep_async(what.seconds)
                return None
            return await held.replay_async(what)

        return await drive_async(plan(in_order(given), canary=canary, rate=rate), handle)
