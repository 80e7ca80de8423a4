"""What ``surefoot incidents`` tells: a list, one incident, JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .out import counted, plain, render, table, took, when

if TYPE_CHECKING:
    from ..journal.incident_reading import Incident
    from ..store.base import Store

__all__ = ["document", "listing", "muted_words", "none_found", "still_waiting", "telling"]

ENDED = {
    "halted": "halted",
    "died": "in a process that died",
    "interrupted": "interrupted",
    "rolling_back": "being rolled back",
    "set_aside": "set aside",
    "running": "running",
    "completed": "recovered by a retry",
    "degraded": "done by a fallback",
    "resumed": "done by a resume",
    "replayed": "done by a replay",
    "caught": "caught by the workflow",
    "discarded": "given up",
    "cancelled": "cancelled",
    "rolled_back": "rolled back",
    "superseded": "superseded",
}
"""How calls ended, the worst first."""

STATES = {"open": "bold red", "acknowledged": "yellow", "muted": "dim", "resolved": "green"}
SHORT = {"acknowledged": "ack"}
DAYS = 2 * 86_400.0 - 60  # muted for two days a second ago: two days


def lasted(seconds: float) -> str:
    """A time without failures.

    >>> lasted(7500), lasted(9 * 86400 + 5)
    ('2 h 05 min', '9 days')
    """
    return took(seconds) if seconds < DAYS else f"{seconds / 86_400:,.0f} days"


def again(one: Incident) -> str | None:
    """That it came back, for as long as it is not over."""
    if not one.regressions or one.quiet is None:
        return None
    return f"seen again after {lasted(one.quiet)}"


def ended_words(ended: Mapping[str, int]) -> str:
    """
    >>> ended_words({"completed": 14, "halted": 2})
    '2 halted, 14 recovered by a retry'
    """
    return ", ".join(f"{ended[how]:,} {words}" for how, words in ENDED.items() if ended.get(how))


def listing(found: Sequence[Incident], now: float) -> str:
    """A table of them; what does not fit beside the rest stands in its last column."""
    from rich.text import Text

    from .story import cut

    rows = []
    for one in found:
        what = [f"{one.kind} in {one.step or 'the workflow itself'}: {ended_words(one.ended)}"]
        what += [said for said in (again(one), _until(one, now)) if said]
        if one.owner:
            what.append(f"{one.owner} has it")
        rows.append(
            (
                one.number,
                Text(SHORT.get(one.state, one.state), STATES.get(one.state, "")),
                lasted(max(0.0, now - one.last_at)),
                f"{one.failures:,}",
                f"{one.runs:,}",
                cut("; ".join(plain(part) for part in what), 400),
            )
        )
    return render(table(("ID", "IS", "SEEN AGO", "TIMES", "RUNS", "WHAT"), rows))


def _until(one: Incident, now: float) -> str | None:
    if one.state != "muted" or one.muted_until is None:
        return None
    left = one.muted_until - now
    return f"for {lasted(left)} more" if left > 0 else "until its next failure"


def muted_words(one: Incident, now: float) -> str:
    """That it is muted, and until when."""
    until = _until(one, now) or "until you unmute it"
    return f"{one.state} {until.replace(' more', '')}"


def still_waiting(one: Incident, journal: str | None) -> str:
    """What is outstanding of an incident that a person resolved all the same."""
    from .story import command

    if one.waiting:
        runs = [run.run_id for run in one.last_runs if run.status in WAITING_RUNS]
        move = f"; go on with: {command('resume', runs[0], journal)}" if runs else ""
        return f", though {counted(one.waiting, 'call')} of it did not end{move}"
    if one.open_letters:
        return f", though {counted(one.open_letters, 'item')} of it are set aside"
    return ""


WAITING_RUNS = ("halted", "interrupted", "died")


def none_found(store: Store, states: Sequence[str], filtered: bool, now: float) -> str:
    from ..journal.incident_reading import STATES as ALL
    from ..journal.incident_reading import incidents

    what = "" if len(states) == len(ALL) else f"{' or '.join(states)} "
    if filtered:
        return f"there are no {what}incidents like that in {store.location}"
    every = incidents(store, states=ALL, limit=1, now=now)
    if not every:
        return f"the journal {store.location} has no incidents: nothing has failed yet"
    return f"there are no {what}incidents; see all with: surefoot incidents list --state all"


# -- one ------------------------------------------------------------------------------------------


def telling(one: Incident, action: str | None, journal: str | None, now: float) -> str:
    """What it is, what it touched, what to do, its latest runs and its history."""
    from rich.text import Text

    from .story import STYLES, cut

    head = Text(f"incident {one.number}: ").append(one.state, STATES.get(one.state, ""))
    back = again(one)
    if back is not None:
        head.append(f", {back}", "bold" if one.state != "resolved" else "")
    rows = _rows(one, now)
    if action and one.state != "resolved":
        rows.append(("to do", action))
    move = _next(one, journal)
    if move:
        rows.append(("next", move))
    parts: list[Any] = [head, table(("", ""), rows, indent=2)]
    if one.last_runs:
        runs = [
            (
                run.run_id,
                run.workflow,
                Text(run.status, STYLES.get(run.status, "")),
                f"{run.failures:,}",
                _when(run.last_at),
            )
            for run in one.last_runs
        ]
        parts += [Text(), table(("RUN", "WORKFLOW", "STATUS", "FAILURES", "LAST"), runs)]
    history = [
        (
            _when(row.at),
            row.event if row.incident == one.number else f"{row.event} ({row.incident})",
            row.author or "",
            cut(plain(row.note or ""), 1_000),
        )
        for row in one.history[-20:]
    ]
    if history:
        parts += [Text(), table(("WHEN", "EVENT", "BY", "NOTE"), history)]
    return render(*parts)


def _rows(one: Incident, now: float) -> list[tuple[str, Any]]:
    from .story import cut, usd

    where = one.step or "the workflow's own code"
    where += f" ({one.stage})" if one.stage else ""
    where += f", resource {one.resource}" if one.resource else ""
    rows: list[tuple[str, Any]] = [
        ("what", f"{one.kind} in {where}"),
        ("is", f"{one.category}, {one.severity}"),
        ("said", cut(f"{one.type.removeprefix('builtins.')}: {one.message}", 500)),
        ("first seen", _when(one.first_at)),
        ("last seen", f"{_when(one.last_at)}, {counted(one.failures, 'failure')} in all"),
    ]
    touched = counted(one.runs, "run")
    if one.workflows:
        touched += f" of {', '.join(one.workflows)}"
    if one.items:
        touched += f"; {counted(one.items, 'item')}"
    rows.append(("touched", touched))
    if one.ended:
        rows.append(("ended", ended_words(one.ended)))
    if one.cost_wasted:
        rows.append(("wasted", usd(one.cost_wasted)))
    if one.regressions:
        times = counted(one.regressions, "time")
        rows.append(("came back", f"{times} after it was resolved; {again(one)}"))
    if one.owner:
        rows.append(("owner", one.owner))
    if one.state == "muted":
        rows.append(("muted", muted_words(one, now).removeprefix("muted ")))
    if one.state == "resolved" and one.resolved_at is not None:
        rows.append(("resolved", f"{_when(one.resolved_at)} by {one.resolved_by}"))
    if one.merged_into is not None:
        rows.append(("merged into", one.merged_into))
    for number, fingerprint in one.merged:
        rows.append(("merged", f"{number} ({fingerprint})"))
    rows.append(("fingerprint", one.fingerprint))
    return rows


def _next(one: Incident, journal: str | None) -> str | None:
    """The command that goes on with what waits."""
    from .story import command

    if one.merged_into is not None:
        return command("incidents show", str(one.merged_into), journal)
    for status, words in (("halted", "resume"), ("interrupted", "resume"), ("died", "resume")):
        for run in one.last_runs:
            if run.status == status and one.waiting:
                return command(words, run.run_id, journal)
    if one.open_letters:
        return command("dead-letters list --fingerprint", one.fingerprint, journal)
    return None


def _when(seconds: float) -> str:
    from ..workflow.run import stamp

    return when(stamp(seconds))


def document(one: Incident, *, whole: bool = False) -> dict[str, Any]:
    """The incident for programs; ``whole``: with its latest runs and its history. All text in it was
    scrubbed when it was written."""
    from ..workflow.run import stamp

    told: dict[str, Any] = {
        "id": one.number,
        "fingerprint": one.fingerprint,
        "kind": one.kind,
        "category": one.category,
        "severity": one.severity,
        "step": one.step or None,
        "stage": one.stage,
        "resource": one.resource,
        "type": one.type,
        "message": one.message,
        "state": one.state,
        "owner": one.owner,
        "first_seen": stamp(one.first_at),
        "last_seen": stamp(one.last_at),
        "failures": one.failures,
        "runs": one.runs,
        "items": one.items,
        "workflows": list(one.workflows),
        "ended": dict(one.ended),
        "waiting": one.waiting,
        "open_dead_letters": one.open_letters,
        "cost_wasted": one.cost_wasted,
        "tokens_wasted": one.tokens_wasted,
        "opened_at": stamp(one.opened_at),
        "muted_until": stamp(one.muted_until),
        "resolved_at": stamp(one.resolved_at),
        "resolved_by": one.resolved_by,
        "regressions": one.regressions,
        "quiet": one.quiet,
        "seen_again": again(one),
        "merged_into": one.merged_into,
    }
    if whole:
        told["merged"] = [{"id": n, "fingerprint": name} for n, name in one.merged]
        told["last_runs"] = [
            {
                "run_id": run.run_id,
                "workflow": run.workflow,
                "status": run.status,
                "failures": run.failures,
                "last_seen": stamp(run.last_at),
            }
            for run in one.last_runs
        ]
        told["history"] = [
            {
                "at": stamp(row.at),
                "event": row.event,
                "author": row.author,
                "note": row.note,
                "incident": row.incident,
            }
            for row in one.history
        ]
    return told
