"""What the journal says of one run, read once, for all sections of its postmortem."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..journal import Journal, outcomes
from ..journal import aftermath as read
from ..journal.records import FailureRecord, RunRecord
from ..journal.runs import holder_of
from ..journal.undo import UNDO
from ..model import Kind
from .failing import Failing, by_step
from .moves import Standing

__all__ = ["DOUBTS", "Facts"]

DOUBTS = 10
"""Effects in doubt that are named; more of them are counted."""
LIVE = ("running", "rolling_back")
NOT_THE_BODYS = ("process_crashed", "resume_drift")


@dataclass(frozen=True)
class Facts:
    """A run as its sections see it. Nothing is read before it is asked for.

    :param kinds: the catalog's kinds by id. :param now: seconds since the epoch.
    :param scrub: for what the journal holds raw: inputs.
    :param journal_option: the journal as it was named to the command, for commands to paste.
    """

    journal: Journal
    run: RunRecord
    kinds: Mapping[str, Kind]
    now: float
    scrub: Callable[[Any], Any]
    journal_option: str | None = None

    @cached_property
    def error(self) -> dict[str, Any] | None:
        """What ended it; ``calls`` are the calls behind that."""
        return json.loads(self.run.error) if self.run.error else None

    @property
    def ended_by(self) -> Sequence[str]:
        return tuple((self.error or {}).get("calls", ()))

    @cached_property
    def holder(self) -> dict[str, Any] | None:
        return holder_of(self.run, self.now)

    @property
    def alive(self) -> bool | None:
        """Whether a process is at it; None where this machine cannot know."""
        return False if self.holder is None else self.holder["alive"]

    @property
    def died(self) -> bool:
        """Its process is gone, and its end was never written."""
        return self.run.status in LIVE and self.alive is False

    @cached_property
    def steps(self) -> list[read.StepGroup]:
        return read.step_groups(self.journal.store, self.run)

    @cached_property
    def groups(self) -> list[read.FailureGroup]:
        return read.failure_groups(self.journal.store, self.run.pk)

    @cached_property
    def trouble(self) -> list[read.Trouble]:
        return read.trouble(self.journal.store, self.run.pk, self.ended_by)

    @cached_property
    def failing(self) -> list[Failing]:
        """The failing steps: the one that ended it leads, then the worst."""
        steps = by_step(self.trouble, self.steps, self.resource_of)
        last = self.halting
        return sorted(steps, key=lambda one: last is None or one.step != last.step)

    def rank(self, step: str) -> int:
        """The place of a step among those that failed."""
        names = [one.step for one in self.failing]
        return names.index(step) if step in names else len(names)

    @cached_property
    def fingerprints(self) -> list[str]:
        """Of its failures, the most frequent first; of its body's exception where that is no step's."""
        found = dict.fromkeys(one.fingerprint for one in self.groups)
        if self.error is not None and not self.ended_by and self.error.get("fingerprint"):
            found[str(self.error["fingerprint"])] = None
        return list(found)[:50]

    @cached_property
    def halting(self) -> FailureRecord | None:
        """The failed attempt that ended it."""
        return read.halting_failure(self.journal.store, self.run.pk, self.ended_by)

    @cached_property
    def notes(self) -> dict[str, str]:
        return read.notes_of(self.journal.store, self.run.pk, self.ended_by)

    @cached_property
    def halted_map(self) -> tuple[str, str] | None:
        """The step of the map of which too many items failed, and what it counted."""
        message = str((self.error or {}).get("message"))
        if self.run.status != "halted" or "max_failure_ratio" not in message:
            return None
        for step, note in read.halted_maps(self.journal.store, self.run.pk).items():
            if message.startswith(f"step {step}: "):
                return step, note
        return None

    @property
    def halted_as(self) -> str | None:
        """The kind that it was given up for, which need not be what failed last."""
        if self.error is None:
            return None
        return next(iter(self.notes.values()), None) or self.error.get("kind")

    @property
    def in_doubt(self) -> bool:
        return self.halted_as == "in_doubt" or "in_doubt" in self.notes.values()

    @property
    def body_failed(self) -> bool:
        """Its own code raised: no step, no map, no process that died."""
        return (
            self.error is not None
            and not self.ended_by
            and self.halted_map is None
            and self.error.get("kind") not in NOT_THE_BODYS
        )

    @cached_property
    def claims(self) -> dict[str, int]:
        return outcomes.claims_by_state(self.journal.store, self.run.pk)

    @cached_property
    def doubtful(self) -> tuple[int, list[outcomes.Doubtful]]:
        """How many effects are in doubt, and the first of them; none while a process is at it."""
        if self.run.status in LIVE and self.alive is not False:
            return 0, []
        return outcomes.doubtful(self.journal.store, self.run.pk, DOUBTS)

    @cached_property
    def undos(self) -> dict[str, int]:
        return outcomes.undo_counts(self.journal.store, self.run.pk)

    @property
    def not_undone(self) -> int:
        return self.undos.get("failed", 0) + self.undos.get("in_doubt", 0)

    @cached_property
    def letters(self) -> list[outcomes.LetterGroup]:
        return outcomes.letter_groups(self.journal.store, self.run.pk)

    @property
    def open_letters(self) -> int:
        """Of items; an undo that failed is told as such."""
        return sum(
            one.letters
            for one in self.letters
            if one.state == "open" and not one.step.endswith(UNDO)
        )

    @property
    def kept(self) -> int:
        """Results that a resume would take as they are."""
        return sum(
            one.calls
            for one in self.steps
            if one.status in ("completed", "skipped") and one.form != "map"
        )

    @property
    def kept_seconds(self) -> float:
        return sum(
            one.duration for one in self.steps if one.status == "completed" and one.form != "map"
        )

    @property
    def resource_of(self) -> Mapping[str, str]:
        return {one.step: one.resource for one in self.steps if one.resource}

    @property
    def last_sign(self) -> float:
        """The latest time that anything of it was written."""
        times = [self.run.started_at, *(one.ended for one in self.steps)]
        times += [one.last for one in self.groups]
        return max(self.run.ended_at or 0.0, *times)

    @property
    def seconds(self) -> float:
        """From its beginning to its end, or until now; of one whose process died, to its last sign."""
        if self.run.ended_at is not None:
            return self.run.ended_at - self.run.created_at
        return (self.last_sign if self.died else self.now) - self.run.created_at

    @cached_property
    def standing(self) -> Standing:
        """Where it stands, for the move that is recommended."""
        return Standing(
            self.run.run_id,
            self.run.status,
            self.journal_option,
            self.holder,
            in_doubt=self.in_doubt,
            doubted=[one.effect for one in self.doubtful[1]],
            not_undone=self.not_undone,
            letters=self.open_letters,
            kind=self.halted_as,
        )
