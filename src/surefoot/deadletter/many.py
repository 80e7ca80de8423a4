"""Many letters, one after another: a canary first, and no faster than the others can bear."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from ..journal.letters import LetterRecord
from .replaying import Replay

__all__ = ["Pause", "Plan", "plan"]


@dataclass(frozen=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


Plan = Generator["LetterRecord | Pause", "Replay | None", list[Replay]]


def plan(
    letters: Sequence[LetterRecord], *, canary: bool = True, rate: float | None = None
) -> Plan:
    """Yields letters to replay, and pauses between them; is sent what came of each.

    The letters of one fingerprint failed alike: the first of them is tried first, and if it fails
    again, the others of its fingerprint are not tried.

    :param rate: letters a second, at most.
    :returns: what came of each, those not tried too.
    """
    told: list[Replay] = []
    failed: dict[str, int] = {}
    sung: set[str] = set()
    waiting = False
    for letter in letters:
        if letter.fingerprint in failed:
            first = failed[letter.fingerprint]
            told.append(
                Replay(
                    letter.pk,
                    letter.run_id,
                    letter.step,
                    letter.item,
                    "not_tried",
                    message=f"letter {first}, which failed alike, failed again",
                )
            )
            continue
        if waiting and rate is not None:
            yield Pause(1.0 / rate)
        waiting = True
        found = yield letter
        assert found is not None
        told.append(found)
        if canary and letter.fingerprint not in sung and found.outcome == "failed":
            failed[letter.fingerprint] = letter.pk
        if found.outcome != "not_tried":
            sung.add(letter.fingerprint)
    return told
