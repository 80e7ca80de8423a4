"""What a person asks next: is it still happening, is the data safe, what should I do."""

from __future__ import annotations

from collections.abc import Sequence

from ..journal.repeats import SeenIn
from ..model import Kind
from .facts import Facts
from .model import Data, Doubt, Now, ToDo
from .moves import Move, after_all, move_of
from .words import code, counted, joined, moment, took

__all__ = ["data_of", "now_of", "to_do_of"]


def now_of(facts: Facts, seen: Sequence[SeenIn]) -> Now:
    """:param seen: the runs that had the same failures, the latest first."""
    happening, words = _happening(facts, seen)
    return Now(happening, words, data_of(facts), to_do_of(facts))


# -- is it still happening ------------------------------------------------------------------------


def _happening(facts: Facts, seen: Sequence[SeenIn]) -> tuple[str, tuple[str, ...]]:
    run = facts.run
    state = "no"
    ended = moment(run.ended_at) if run.ended_at is not None else ""
    if run.status in ("running", "rolling_back") and not facts.died:
        state = "running"
        words = [f"The run is going on since {moment(run.started_at)}."]
    elif facts.died:
        state = "waiting"
        sign = moment(facts.last_sign)
        words = [
            f"Nothing goes on by itself: the run's process is gone; its last sign was at {sign}."
        ]
    elif run.status in ("halted", "interrupted"):
        state = "waiting"
        words = [f"Nothing goes on by itself: the run stands still since {ended}."]
    else:
        verb = {"completed": "completed", "cancelled": "was cancelled"}
        words = [f"No: the run {verb.get(run.status, 'was rolled back')} at {ended}."]
    if facts.groups:
        last = max(one.last for one in facts.groups)
        words.append(f"Its last failure was at {moment(last)}, {took(facts.now - last)} ago.")
    since = facts.last_sign
    later = [one for one in seen if one.run_pk != run.pk and one.last > since]
    if later:
        state = "elsewhere"
        number = sum(one.failures for one in later)
        words.append(
            f"The same failure has come {number:,} more {'time' if number == 1 else 'times'} since, "
            f"in {counted(len(later), 'other run')}; the latest is {code(later[0].run_id)}, at "
            f"{moment(later[0].last)}."
        )
    return state, tuple(words)


# -- is the data safe -----------------------------------------------------------------------------


def data_of(facts: Facts) -> Data:
    """What is kept, what is in doubt, what was undone."""
    count, doubts = facts.doubtful
    opened = [one for one in facts.letters if one.state == "open"]
    without = sum(one.letters - one.kept for one in opened)
    done, undone, bad = facts.claims.get("done", 0), facts.undos.get("done", 0), facts.not_undone
    safe = not count and not bad and not without
    kept = facts.kept
    words = []
    if count:
        named = joined([f"{code(one.effect)} (key {code(one.key)})" for one in doubts[:3]])
        more = f" and {count - 3:,} more" if count > 3 else ""
        words.append(
            f"Nobody knows whether {counted(count, 'effect')} happened: {named}{more}. A resume does "
            "not repeat them before that is known."
        )
    elif facts.run.status in ("running", "rolling_back") and not facts.died:
        words.append("Effects that are under way now are not counted.")
    if done:
        words.append(f"{counted(done, 'effect')} happened, each recorded under its key.")
    if undone or bad:
        words.append(f"{counted(undone, 'effect')} undone" + (f", {bad:,} not." if bad else "."))
    if kept:
        saved = f", {took(facts.kept_seconds)} of work" if facts.kept_seconds >= 0.001 else ""
        words.append(f"{counted(kept, 'result')} saved{saved}.")
    if opened:
        number = sum(one.letters for one in opened)
        held = "with its input" if number == 1 else "with their inputs"
        if without:
            held = f"{without:,} of them without {'its' if without == 1 else 'their'} input"
        words.append(f"{counted(number, 'dead letter')} kept, {held}.")
    if not words:
        words.append("The run has written nothing that could be lost.")
    words.insert(0, "Yes." if safe else "Not all of it.")
    return Data(
        safe=safe,
        words=tuple(words),
        results_kept=kept,
        effects_done=done,
        effects_in_doubt=count,
        doubts=tuple(Doubt(one.effect, one.key, one.at, one.by) for one in doubts),
        effects_undone=undone,
        effects_not_undone=bad,
        letters_open=sum(one.letters for one in opened),
        letters_without_input=without,
    )


# -- what to do -----------------------------------------------------------------------------------


def to_do_of(facts: Facts) -> ToDo:
    """The one command that is recommended, and what it will do."""
    standing = facts.standing
    move = move_of(standing)
    if move is None and facts.doubtful[0]:
        move = _tell_doubt(facts)
    effect = _effect(facts, move)
    if move is None and facts.open_letters:
        move = after_all(standing)
        effect = (
            f"It runs {counted(facts.open_letters, 'item')} again with what was saved, one of each "
            "fingerprint first. A resume of the run then takes the results into its own."
        )
    if move is None:
        words = "Nothing."
        if facts.run.degraded:
            words = "Nothing, if the degraded results will do."
        elif facts.run.status == "rolled_back":
            words = "Nothing. To do the work after all, start a run under another id."
        return ToDo(False, words, None, None, None, None)
    needed = move.command is not None and facts.run.status != "cancelled"
    first = move.first
    kind = _kind(facts)
    if first == "mend the cause" and facts.body_failed:
        first = f"mend the code of {code(facts.run.workflow)}"
    words = _words(move, first)
    action = kind.action if kind is not None and facts.run.status == "halted" else None
    return ToDo(needed, words, move.command, first, effect, action)


def _words(move: Move, first: str | None) -> str:
    if move.command is None:
        return f"Wait: {move.words}."
    return f"{first[0].upper()}{first[1:]}, then paste this." if first else "Paste this."


def _kind(facts: Facts) -> Kind | None:
    return facts.kinds.get(str(facts.halted_as))


def _tell_doubt(facts: Facts) -> Move:
    """An effect in doubt of a run that ended all the same: its failure was caught."""
    from dataclasses import replace

    move = move_of(replace(facts.standing, status="halted", in_doubt=True))
    assert move is not None
    return move


def _effect(facts: Facts, move: Move | None) -> str | None:
    if move is None or move.command is None:
        return None
    run = facts.run
    if run.status in ("rolled_back", "rolling_back"):
        return (
            "It undoes what is not undone yet, the last effect first, each under a key of its own."
        )
    go_on = _resume(facts)
    if " resolve " in move.command:
        if run.status not in ("halted", "interrupted"):
            return "It records what you found out."
        return f"It records what you found out. Then resume the run: {go_on[0].lower()}{go_on[1:]}"
    if run.status == "halted" and facts.halted_as == "resume_drift":
        return f"It takes the recorded result, and goes on. {go_on}"
    return go_on


def _resume(facts: Facts) -> str:
    kept = facts.kept
    count, _ = facts.doubtful
    again = [one.step for one in facts.steps if one.status in ("failed", "running")]
    again = list(dict.fromkeys(one.removesuffix(".map") for one in again))
    parts = ["It calls the workflow again with the recorded input"]
    if kept:
        saved = f" ({took(facts.kept_seconds)} of work)" if facts.kept_seconds >= 0.001 else ""
        takes = f"takes {counted(kept, 'saved result')} as {'it is' if kept == 1 else 'they are'}"
        parts.append(f"{takes}{saved}")
    if count and not facts.in_doubt:
        parts.append(f"settles {counted(count, 'effect')} in doubt first")
    if again:
        named = joined([code(one) for one in again[:3]])
        if len(again) > 3:
            named += f" and {counted(len(again) - 3, 'other step')}"
        parts.append(f"runs {named} again")
    parts.append("goes on from there")
    return f"{joined(parts)}."
