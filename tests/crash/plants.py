"""Bugs that a sweep must find. Each is planted in a child process, by taking a piece out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _hasty(waits_for: Callable[[Any], bool], reply: Callable[[], Any]) -> None:
    """Some writes are left to the next commit instead of being waited for."""
    from surefoot.context import frame
    from surefoot.execution import driving

    before = driving.drive

    def drive(loop: Any, handle: Any) -> Any:
        def hasty(command: Any) -> Any:
            if waits_for(command):
                return handle(command)
            here = frame()
            assert here is not None
            here.run.journal.group.lazily(command.op)
            return reply()

        return before(loop, hasty)

    driving.drive = drive


def _intent_not_waited_for() -> None:
    """An effect acts before its intent is written."""
    from surefoot.execution.commands import Commit
    from surefoot.journal import Claimed

    def waits_for(command: Any) -> bool:
        intent = isinstance(command, Commit) and command.op.__qualname__.startswith("_intend.")
        return not intent

    _hasty(waits_for, lambda: Claimed("fresh"))


def _end_not_waited_for() -> None:
    """The workflow goes on before the end of a step is written."""
    from surefoot.execution.commands import Finish

    _hasty(lambda command: not isinstance(command, Finish), lambda: None)


def _doubt_is_ignored() -> None:
    """An effect in doubt is done again without a look."""
    from surefoot.journal import claims

    before = claims.answer_of

    def fresh(row: Any, *rest: Any) -> Any:
        answer = before(row, *rest)
        return claims.Claimed("fresh") if answer.state == "doubt" else answer

    claims.answer_of = fresh


def _map_not_waited_for() -> None:
    """A map returns before the ends of its items are written."""
    from surefoot.journal.group_commit import GroupCommit
    from surefoot.workflow import maps

    commit, end = GroupCommit.commit, maps.end

    def marked(*given: Any) -> Any:
        op = end(*given)

        def end_of_map(tx: Any) -> None:
            op(tx)

        return end_of_map

    def not_for_the_map(self: Any, op: Any) -> Any:
        if op.__name__ == "end_of_map":
            return self.lazily(op)
        return commit(self, op)

    maps.end = marked  # type: ignore[assignment]
    GroupCommit.soon = lambda self, op, callback=None: self.lazily(op)  # type: ignore[method-assign]
    GroupCommit.flush = lambda self: None  # type: ignore[method-assign]
    GroupCommit.commit = not_for_the_map  # type: ignore[method-assign]


def _result_forgotten() -> None:
    """Completed calls are not found again."""
    from surefoot.execution import call

    call._find = lambda one: None  # type: ignore[assignment]


def _failure_not_written() -> None:
    """A failed attempt is not committed before its wait."""
    from surefoot.execution import flow

    flow._noted = lambda call, note: lambda tx: None  # type: ignore[assignment]


def _blunt_killer() -> None:
    """The fault itself does not work: nothing is killed."""
    from tests.support.killer import Killer

    Killer.__call__ = lambda self, event: self.events.append(event)  # type: ignore[method-assign]


PLANTS: dict[str, Callable[[], None]] = {
    "intent not waited for": _intent_not_waited_for,
    "doubt is ignored": _doubt_is_ignored,
    "end not waited for": _end_not_waited_for,
    "map not waited for": _map_not_waited_for,
    "result forgotten": _result_forgotten,
    "failure not written": _failure_not_written,
    "killer is blunt": _blunt_killer,
}
