"""Dead letters: one item set aside with all that is needed to replay it, and its replays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ..store.base import Op, Store, Tx
from .incidents import settle
from .leases import Lease
from .writes import FENCE, NewCall, checked, fenced

__all__ = [
    "LETTER_STATES",
    "LetterRecord",
    "ReplayRecord",
    "begin_replay",
    "dead_letter",
    "discard",
    "end_replay",
    "letters",
    "mend",
    "newly_replayed",
    "reopen",
    "replays",
    "settle_letter",
    "taken_up",
]

LETTER_STATES = ("open", "replayed", "discarded", "reopened")


class LetterRecord(NamedTuple):
    """A dead letter with the run it is of. ``input`` is raw: :mod:`surefoot.execution.kept`.

    ``input_note`` says why there is none, or ``batch:N`` for the items of a batch.
    """

    pk: int
    run_pk: int
    call_id: str
    step: str
    item: int | None
    item_id: str | None
    input: bytes | None
    input_note: str | None
    kind: str
    fingerprint: str
    reason: str
    state: str
    created_at: float
    settled_at: float | None
    note: str | None
    run_id: str
    workflow: str
    target: str | None
    run_status: str
    replays: int


class ReplayRecord(NamedTuple):
    """One replay of a letter: ``completed``, ``failed``, or ``interrupted``, where its process died
    in it. ``message`` is scrubbed."""

    pk: int
    letter_pk: int
    at: float
    input: bytes | None
    edited: int
    outcome: str
    kind: str | None
    message: str | None


COLUMNS = (
    "l.pk, l.run_pk, l.call_id, l.step, l.item, l.item_id, l.input, l.input_note, l.kind, "
    "l.fingerprint, l.reason, l.state, l.created_at, l.settled_at, l.note, r.run_id, r.workflow, "
    "r.target, r.status, (SELECT count(*) FROM replays p WHERE p.letter_pk = l.pk)"
)


def letters(
    store: Store,
    *,
    pks: Iterable[int] = (),
    call: tuple[str, str] | None = None,
    run_id: str | None = None,
    step: str | None = None,
    kind: str | None = None,
    fingerprint: str | None = None,
    state: str | None = None,
    workflow: str | None = None,
    before: float | None = None,
    after: float | None = None,
    with_input: bool = True,
) -> list[LetterRecord]:
    """Dead letters of all runs, the oldest first.

    :param call: (run id, call id). :param before, after: when they were set aside.
    :param with_input: False: their inputs, which may be large, are not read.
    """
    where: list[str] = []
    given: list[Any] = []
    for column, value in (
        ("r.run_id", call[0] if call else run_id),
        ("l.call_id", call[1] if call else None),
        ("l.step", step),
        ("l.kind", kind),
        ("l.fingerprint", fingerprint),
        ("l.state", state),
        ("r.workflow", workflow),
    ):
        if value is not None:
            where.append(f"{column} = ?")
            given.append(value)
    if before is not None:
        where.append("l.created_at <= ?")
        given.append(before)
    if after is not None:
        where.append("l.created_at >= ?")
        given.append(after)
    wanted = list(pks)
    if wanted:
        where.append(f"l.pk IN ({', '.join('?' * len(wanted))})")
        given.extend(wanted)
    columns = COLUMNS if with_input else COLUMNS.replace("l.input, ", "NULL, ")
    condition = f"WHERE {' AND '.join(where)} " if where else ""
    rows = store.read(
        f"SELECT {columns} FROM dead_letters l JOIN runs r ON r.pk = l.run_pk {condition}"
        "ORDER BY l.pk",
        given,
    )
    return [LetterRecord(*row) for row in rows]


def replays(store: Store, letter_pk: int) -> list[ReplayRecord]:
    """The history of a letter, oldest first."""
    rows = store.read(
        "SELECT pk, letter_pk, at, input, edited, outcome, kind, message FROM replays "
        "WHERE letter_pk = ? ORDER BY pk",
        (letter_pk,),
    )
    return [ReplayRecord(*row) for row in rows]


def newly_replayed(store: Store, run_pk: int, ended_at: float) -> int:
    """Letters of an ended run that were replayed since: its result does not hold them yet."""
    rows = store.read(
        "SELECT count(*) FROM dead_letters WHERE run_pk = ? AND state = 'replayed' "
        "AND note IS NULL AND settled_at >= ? AND step NOT LIKE '%.undo'",
        (run_pk, ended_at),
    )
    return int(rows[0][0])


def dead_letter(
    lease: Lease,
    call: NewCall,
    kept: bytes | None,
    lost: str | None,
    kind: str,
    fingerprint: str,
    reason: str,
    now: float,
) -> Op:
    """Set an item aside.

    :param kept: its arguments, see :mod:`surefoot.execution.kept`; None where they cannot be saved,
        as ``lost`` says.
    """

    def write(tx: Tx) -> None:
        checked(
            lease,
            tx,
            "INSERT INTO dead_letters (run_pk, call_id, step, item, item_id, input, input_note, "
            "kind, fingerprint, reason, state, created_at) "
            f"SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ? WHERE {FENCE} "
            "ON CONFLICT (run_pk, call_id) DO UPDATE SET state = 'open', kind = excluded.kind, "
            "fingerprint = excluded.fingerprint, reason = excluded.reason, "
            "created_at = excluded.created_at, input = excluded.input, "
            "input_note = excluded.input_note, settled_at = NULL, note = NULL",
            (
                lease.run_pk,
                call.call_id,
                call.step,
                call.item,
                call.item_id,
                kept,
                lost,
                kind,
                fingerprint,
                reason,
                now,
            ),
        )

    return write


def reopen(lease: Lease, call_ids: tuple[str, ...], now: float) -> Op:
    """A map that halted opens its letters again: a resume runs those items."""

    def write(tx: Tx) -> None:
        for call_id in call_ids:
            tx(
                "UPDATE dead_letters SET state = 'reopened', settled_at = ? "
                f"WHERE run_pk = ? AND call_id = ? AND {FENCE}",
                (now, lease.run_pk, call_id, lease.run_pk, lease.fence),
            )

    return write


def begin_replay(lease: Lease, letter_pk: int, kept: bytes | None, edited: bool, now: float) -> Op:
    """A letter is tried again; answers the replay's pk."""

    def write(tx: Tx) -> int:
        values = (letter_pk, now, kept, int(edited), lease.run_pk, lease.fence)
        cursor = tx(
            "INSERT INTO replays (letter_pk, at, input, edited, outcome) "
            f"SELECT ?, ?, ?, ?, 'begun' WHERE {FENCE}",
            values,
        )
        if cursor.rowcount < 1:
            raise fenced(lease)
        made = tx("SELECT max(pk) FROM replays WHERE letter_pk = ?", (letter_pk,)).fetchone()
        return int(made[0])

    return write


def end_replay(
    lease: Lease,
    letter_pk: int,
    replay_pk: int,
    outcome: str,
    now: float,
    kind: str | None = None,
    message: str | None = None,
) -> Op:
    """What came of it. After a success the letter is settled; after a failure its call is set aside
    as before."""

    def write(tx: Tx) -> None:
        checked(
            lease,
            tx,
            f"UPDATE replays SET outcome = ?, kind = ?, message = ? WHERE pk = ? AND {FENCE}",
            (outcome, kind, message, replay_pk),
        )
        if outcome == "completed":
            tx(
                "UPDATE dead_letters SET state = 'replayed', settled_at = ?, note = NULL "
                "WHERE pk = ?",
                (now, letter_pk),
            )
        else:
            mend(tx, lease.run_pk)

    return write


def mend(tx: Tx, run_pk: int) -> None:
    """A replay that failed, or whose process died, leaves its call as it was: set aside. Whoever
    calls this holds the run, so that no replay of it is going on."""
    tx(
        "UPDATE calls SET status = 'skipped', exception = NULL, ended_run = 0, note = "
        "(SELECT l.kind || ': ' || l.reason FROM dead_letters l "
        "WHERE l.run_pk = calls.run_pk AND l.call_id = calls.call_id) "
        "WHERE run_pk = ? AND status IN ('running', 'failed') AND call_id IN "
        "(SELECT call_id FROM dead_letters WHERE run_pk = ? AND state = 'open')",
        (run_pk, run_pk),
    )
    tx(
        "UPDATE replays SET outcome = 'interrupted' WHERE outcome = 'begun' AND letter_pk IN "
        "(SELECT pk FROM dead_letters WHERE run_pk = ?)",
        (run_pk,),
    )


def taken_up(tx: Tx, run_pk: int) -> None:
    """What was replayed is part of the run's result now."""
    tx(
        "UPDATE dead_letters SET note = 'in the result' "
        "WHERE run_pk = ? AND state = 'replayed' AND note IS NULL",
        (run_pk,),
    )


def settle_letter(
    tx: Tx, run_pk: int, call_id: str, state: str, note: str | None, now: float
) -> None:
    """An open letter is settled in another way than by its replay.

    :param note: None: its result is there, for a resume to take up.
    """
    tx(
        "UPDATE dead_letters SET state = ?, note = ?, settled_at = ? "
        "WHERE run_pk = ? AND call_id = ? AND state = 'open'",
        (state, note, now, run_pk, call_id),
    )


def discard(letter_pk: int, reason: str, now: float) -> Op:
    """Give an open letter up, with the reason. Answers whether it was open."""

    def write(tx: Tx) -> bool:
        cursor = tx(
            "UPDATE dead_letters SET state = 'discarded', note = ?, settled_at = ? "
            "WHERE pk = ? AND state = 'open'",
            (reason, now, letter_pk),
        )
        if not cursor.rowcount:
            return False
        of = tx("SELECT run_pk FROM dead_letters WHERE pk = ?", (letter_pk,)).fetchone()
        settle(tx, of[0], now)
        return True

    return write
