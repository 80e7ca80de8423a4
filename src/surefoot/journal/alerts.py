"""The outbox of alerts: messages are written together with how far the journal was read.

Nothing here needs a lease. Of two evaluations at once the second one finds another version in the
reader's row and writes nothing, so whoever dies leaves nothing to take over. How messages are claimed
and sent is in :mod:`.alert_sending`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..store.base import Op, Store, Tx
from .records import columns

__all__ = [
    "MessageRecord",
    "NewMessage",
    "Reader",
    "SinkRecord",
    "SubjectRecord",
    "begin_alerts",
    "due",
    "messages",
    "reader",
    "sinks",
    "subjects",
    "write_alerts",
]


@dataclass(frozen=True)
class Reader:
    """How far the journal was told of: the last primary keys that were read."""

    version: int
    since: float
    failures: int
    letters: int
    events: int


@dataclass(frozen=True)
class SubjectRecord:
    """What one sink knows of one subject. Times are seconds since the epoch."""

    subject: str
    sink: str
    rule: str
    state: str
    level: int
    since: float
    told_at: float
    told_pk: int
    held: int
    digests: int
    over_at: float | None
    mark: str | None


@dataclass(frozen=True)
class NewMessage:
    """A message to send. All text in it is scrubbed already."""

    sink: str
    subject: str
    phase: str
    rule: str
    severity: str
    title: str
    body: str


@dataclass(frozen=True)
class MessageRecord:
    pk: int
    sink: str
    subject: str
    phase: str
    rule: str
    severity: str
    title: str
    body: str
    state: str
    not_before: float
    attempts: int
    perhaps: int
    why: str | None
    owner: str | None
    holder: str | None
    created_at: float
    sent_at: float | None
    merged_into: int | None


@dataclass(frozen=True)
class SinkRecord:
    sink: str
    tokens: float
    at: float
    sent: int
    failures: int


# -- reading --------------------------------------------------------------------------------------


def reader(store: Store) -> Reader | None:
    """None where nobody set up alerts for this journal yet."""
    rows = store.read(f"SELECT {columns(Reader)} FROM alert_reader")
    return Reader(*rows[0]) if rows else None


def subjects(store: Store, names: Iterable[str] = ()) -> list[SubjectRecord]:
    """Those that are not over, those with something held back, and those of these names."""
    found = {
        (row[0], row[1]): SubjectRecord(*row)
        for row in store.read(
            f"SELECT {columns(SubjectRecord)} FROM alert_subjects WHERE state <> 'over' OR held > 0"
        )
    }
    for name in set(names):
        for row in store.read(
            f"SELECT {columns(SubjectRecord)} FROM alert_subjects WHERE subject = ?", (name,)
        ):
            found[row[0], row[1]] = SubjectRecord(*row)
    return list(found.values())


def messages(
    store: Store, *, states: Sequence[str] = (), sink: str | None = None, limit: int | None = None
) -> list[MessageRecord]:
    """Messages, the newest first."""
    where = ["1 = 1"]
    given: list[str] = []
    if states:
        where.append(f"state IN ({', '.join('?' * len(states))})")
        given.extend(states)
    if sink is not None:
        where.append("sink = ?")
        given.append(sink)
    bound = "" if limit is None else f" LIMIT {limit:d}"
    rows = store.read(
        f"SELECT {columns(MessageRecord)} FROM alert_messages WHERE {' AND '.join(where)} "
        f"ORDER BY pk DESC{bound}",
        given,
    )
    return [MessageRecord(*row) for row in rows]


def due(store: Store) -> dict[str, float]:
    """When the next message of each sink is due; 0 where one is being sent, perhaps by a dead one."""
    rows = store.read(
        "SELECT sink, min(CASE state WHEN 'sending' THEN 0 ELSE not_before END) FROM alert_messages "
        "WHERE state IN ('pending', 'held', 'sending') GROUP BY sink"
    )
    return {sink: float(at) for sink, at in rows}


def sinks(store: Store) -> list[SinkRecord]:
    """The sinks that something was sent to, or was to be."""
    return [
        SinkRecord(*row) for row in store.read(f"SELECT {columns(SinkRecord)} FROM alert_sinks")
    ]


# -- evaluating -----------------------------------------------------------------------------------


def begin_alerts(now: float) -> Op:
    """From now on what happens is news. Does nothing where alerts have begun. Answers False: nothing
    was evaluated by that."""

    def write(tx: Tx) -> bool:
        tx(
            "INSERT INTO alert_reader (pk, version, since, failures, letters, events) "
            "SELECT 1, 1, ?, (SELECT coalesce(max(pk), 0) FROM failures), "
            "(SELECT coalesce(max(pk), 0) FROM dead_letters), "
            "(SELECT coalesce(max(pk), 0) FROM incident_events) "
            "WHERE NOT EXISTS (SELECT 1 FROM alert_reader)",
            (now,),
        )
        return False

    return write


def write_alerts(
    before: Reader,
    after: Reader,
    runs: Iterable[tuple[int, int, str]],
    known: Iterable[SubjectRecord],
    new: Iterable[NewMessage],
    now: float,
) -> Op:
    """The result of one evaluation, with how far it read. Answers whether it counts: another
    process may have been quicker.

    :param runs: (run, fence, ``halted`` or ``stale``) that were read.
    """

    def write(tx: Tx) -> bool:
        moved = tx(
            "UPDATE alert_reader SET version = version + 1, failures = ?, letters = ?, events = ? "
            "WHERE version = ?",
            (after.failures, after.letters, after.events, before.version),
        )
        if moved.rowcount != 1:
            return False
        for run in runs:
            tx("INSERT INTO alert_runs VALUES (?, ?, ?) ON CONFLICT DO NOTHING", run)
        changed = ", ".join(
            f"{name} = excluded.{name}" for name in SubjectRecord.__dataclass_fields__
        )
        marks = ", ".join("?" * len(SubjectRecord.__dataclass_fields__))
        for one in known:
            tx(
                f"INSERT INTO alert_subjects ({columns(SubjectRecord)}) VALUES ({marks}) "
                f"ON CONFLICT (subject, sink) DO UPDATE SET {changed}",
                tuple(getattr(one, name) for name in SubjectRecord.__dataclass_fields__),
            )
        for message in new:
            tx(
                "INSERT INTO alert_messages (sink, subject, phase, rule, severity, title, body, state, "
                "not_before, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?)",
                (*(getattr(message, name) for name in NewMessage.__dataclass_fields__), now, now),
            )
        return True

    return write
