"""Messages of alerts on their way: claimed by who sends them, held back, sent, tried again, given up.

A message belongs to who changed it to ``sending`` first, and of one sink only one at a time is under
way. So whoever dies leaves nothing to take over but that message, which is sent again and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..store.base import Op, Tx
from .alerts import MessageRecord
from .leases import Owner
from .records import columns

__all__ = [
    "Claim",
    "Hold",
    "Rate",
    "Waiting",
    "claim",
    "give_up",
    "retry_failed",
    "sent",
    "try_again",
]

MOST_TITLES = 40
"""Titles that stand in a message which was put together from those held back."""


class Hold(NamedTuple):
    """A sink's quiet hours, now: until when, and the severities that go through all the same."""

    until: float
    why: str
    but: tuple[str, ...]


class Rate(NamedTuple):
    """A token bucket: how many fit in, how many come in a second, and how a person wrote it."""

    most: float
    per_second: float
    text: str


class Claim(NamedTuple):
    """A message to send now."""

    message: MessageRecord


class Waiting(NamedTuple):
    """Nothing to send now; ``until`` is when to look again, None if nothing waits."""

    until: float | None


READY = (
    f"SELECT {columns(MessageRecord)} FROM alert_messages m WHERE sink = ? "
    "AND state IN ('pending', 'held') AND not_before <= ? AND NOT EXISTS ("
    "SELECT 1 FROM alert_messages e WHERE e.state IN ('pending', 'held', 'sending') "
    "AND e.sink = m.sink AND e.subject = m.subject AND e.pk < m.pk AND e.not_before > ?) ORDER BY pk"
)
"""A later message of a subject never overtakes an earlier one that waits."""


def claim(
    sink: str,
    now: float,
    owner: Owner,
    holder: str,
    *,
    lives: Callable[[str], bool],
    lease: float = 120.0,
    hold: Hold | None = None,
    rate: Rate | None = None,
    impatient: bool = False,
) -> Op:
    """Take the next message of a sink, mark it ``sending``, and answer a :class:`Claim`; or
    :class:`Waiting`.

    One that a dead process was sending is ready again, and says so. What quiet hours or the rate hold
    back waits; if more than one did, they go out as one message.

    :param holder: who sends, within this process. :param lives: whether such a one still does.
    :param lease: seconds after which a sender that nobody can look at (of another host) counts as dead.
    :param impatient: what failed before is tried now, however long it was to wait.
    """

    def write(tx: Tx) -> Claim | Waiting:
        if _under_way(tx, sink, owner, lives, now):
            return Waiting(None)
        if impatient:
            tx(
                "UPDATE alert_messages SET not_before = ? WHERE sink = ? AND state = 'pending' "
                "AND not_before > ?",
                (now, sink, now),
            )
        ready = [MessageRecord(*row) for row in tx(READY, (sink, now, now)).fetchall()]
        if hold is not None:
            ready = _held_back(
                tx, ready, hold.until, hold.why, [m for m in ready if m.severity in hold.but]
            )
        if rate is not None and any(m.attempts == 0 for m in ready):
            tokens = _tokens(tx, sink, rate, now)
            if tokens < 1:
                until = now + (1 - tokens) / rate.per_second
                why = f"its rate is {rate.text}"
                ready = _held_back(tx, ready, until, why, [m for m in ready if m.attempts > 0])
        if not ready:
            return Waiting(_next(tx, sink, now))
        held = [m for m in ready if m.state == "held"]
        chosen = _merged(tx, sink, held, now) if len(held) > 1 else ready[0]
        if chosen.attempts == 0 and rate is not None:
            tx("UPDATE alert_sinks SET tokens = tokens - 1 WHERE sink = ?", (sink,))
        tx(
            "UPDATE alert_messages SET state = 'sending', owner = ?, holder = ?, not_before = ?, "
            "attempts = attempts + 1 WHERE pk = ?",
            (owner.dump(), holder, now + lease, chosen.pk),
        )
        return Claim(_one(tx, chosen.pk))

    return write


def _one(tx: Tx, pk: int) -> MessageRecord:
    row = tx(f"SELECT {columns(MessageRecord)} FROM alert_messages WHERE pk = ?", (pk,)).fetchone()
    return MessageRecord(*row)


def _under_way(tx: Tx, sink: str, owner: Owner, lives: Callable[[str], bool], now: float) -> bool:
    """Whether someone who lives is sending to this sink; what a dead one left is ready again."""
    busy = False
    for pk, dumped, holder, lease in tx(
        "SELECT pk, owner, holder, not_before FROM alert_messages WHERE state = 'sending' "
        "AND sink = ?",
        (sink,),
    ).fetchall():
        other = Owner.parse(dumped)
        alive = lives(holder) if other == owner else other.alive()
        if alive or (alive is None and lease > now):
            busy = True
            continue
        tx(
            "UPDATE alert_messages SET state = 'pending', perhaps = 1, owner = NULL, holder = NULL, "
            "not_before = ?, why = 'the process that sent it died' WHERE pk = ?",
            (now, pk),
        )
    return busy


def _held_back(
    tx: Tx, ready: list[MessageRecord], until: float, why: str, through: list[MessageRecord]
) -> list[MessageRecord]:
    for one in ready:
        if one not in through:
            tx(
                "UPDATE alert_messages SET state = 'held', why = ?, not_before = ? WHERE pk = ?",
                (why, until, one.pk),
            )
    return through


def _tokens(tx: Tx, sink: str, rate: Rate, now: float) -> float:
    """Fill the bucket up to now."""
    row = tx("SELECT tokens, at FROM alert_sinks WHERE sink = ?", (sink,)).fetchone()
    tokens = rate.most
    if row is not None and row[1] > 0:
        tokens = min(rate.most, row[0] + max(0.0, now - row[1]) * rate.per_second)
        if tokens > 1 - 1e-6:  # sums of fractions: a millionth of a message does not wait for ever
            tokens = max(tokens, 1.0)
    tx(
        "INSERT INTO alert_sinks (sink, tokens, at) VALUES (?, ?, ?) "
        "ON CONFLICT (sink) DO UPDATE SET tokens = excluded.tokens, at = excluded.at",
        (sink, tokens, now),
    )
    return float(tokens)


def _next(tx: Tx, sink: str, now: float) -> float | None:
    found = tx(
        "SELECT min(not_before) FROM alert_messages WHERE sink = ? AND state IN ('pending', 'held') "
        "AND not_before > ?",
        (sink, now),
    ).fetchone()[0]
    return None if found is None else float(found)


def _merged(tx: Tx, sink: str, held: list[MessageRecord], now: float) -> MessageRecord:
    """One message in the place of those that were held back."""
    why = held[-1].why or "held back"
    worst = max(held, key=lambda m: ("info", "warning", "error", "critical").index(m.severity))
    lines = [f"{len(held):,} alerts were held back ({why}):", ""]
    lines += [f"- {m.title}" for m in held[:MOST_TITLES]]
    if len(held) > MOST_TITLES:
        lines.append(f"- and {len(held) - MOST_TITLES:,} more")
    lines += ["", f"All of them in full: `surefoot alerts list --state merged --sink {sink}`"]
    title = f"{len(held):,} more alerts held back ({why}); see: surefoot alerts list --state merged"
    tx(
        "INSERT INTO alert_messages (sink, subject, phase, rule, severity, title, body, state, "
        "not_before, created_at) VALUES (?, ?, 'merged', '', ?, ?, ?, 'pending', ?, ?)",
        (sink, f"merged:{held[0].pk}", worst.severity, title, "\n".join(lines), now, now),
    )
    made = tx("SELECT max(pk) FROM alert_messages WHERE sink = ?", (sink,)).fetchone()[0]
    for one in held:
        tx(
            "UPDATE alert_messages SET state = 'merged', merged_into = ? WHERE pk = ?",
            (made, one.pk),
        )
    return _one(tx, int(made))


def _count(tx: Tx, sink: str, sent: int, failures: int) -> None:
    tx(
        "INSERT INTO alert_sinks (sink, tokens, at, sent, failures) VALUES (?, 0, 0, ?, ?) "
        "ON CONFLICT (sink) DO UPDATE SET sent = alert_sinks.sent + excluded.sent, "
        "failures = alert_sinks.failures + excluded.failures",
        (sink, sent, failures),
    )


def sent(message: MessageRecord, now: float) -> Op:
    """It arrived, as far as the sink says."""

    def write(tx: Tx) -> None:
        tx(
            "UPDATE alert_messages SET state = 'sent', sent_at = ?, why = NULL, owner = NULL, "
            "holder = NULL WHERE pk = ?",
            (now, message.pk),
        )
        _count(tx, message.sink, 1, 0)

    return write


def try_again(message: MessageRecord, why: str, at: float) -> Op:
    """An attempt failed; the next one is not before ``at``. ``why`` is scrubbed."""

    def write(tx: Tx) -> None:
        tx(
            "UPDATE alert_messages SET state = 'pending', not_before = ?, why = ?, owner = NULL, "
            "holder = NULL, attempts = ? WHERE pk = ?",
            (at, why, message.attempts, message.pk),
        )
        _count(tx, message.sink, 0, 1)

    return write


def give_up(message: MessageRecord, why: str) -> Op:
    """The last attempt failed, too: it waits for a person."""

    def write(tx: Tx) -> None:
        tx(
            "UPDATE alert_messages SET state = 'failed', why = ?, owner = NULL, holder = NULL, "
            "attempts = ? WHERE pk = ?",
            (why, message.attempts, message.pk),
        )
        _count(tx, message.sink, 0, 1)

    return write


def retry_failed(now: float, pks: Sequence[int] = (), sink: str | None = None) -> Op:
    """Messages that were given up are to be sent again, with all their attempts; answers how many.

    :param pks: only these. :param sink: only this one's.
    """

    def write(tx: Tx) -> int:
        where = ["state = 'failed'"]
        given: list[float | int | str] = [now]
        if pks:
            where.append(f"pk IN ({', '.join('?' * len(pks))})")
            given.extend(pks)
        if sink is not None:
            where.append("sink = ?")
            given.append(sink)
        changed = tx(
            "UPDATE alert_messages SET state = 'pending', attempts = 0, not_before = ? "
            f"WHERE {' AND '.join(where)}",
            given,
        )
        return int(changed.rowcount)

    return write
