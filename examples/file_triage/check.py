"""Did it hold? Judged by the disk, the result table, the model server's record and the receiver.

Nothing here believes the journal. Only the question whether each fault was *recognised* for what it
was compares the two: what the server did against what the journal calls it.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .faults import FAULTS, TITLES
from .loopback import read_records
from .pipeline import BLOCK, Source, shown
from .places import Planted
from .receiver import read_books

RECOGNISED_AS: dict[str, frozenset[str]] = {
    "rate_limit": frozenset({"rate_limited"}),
    "overload": frozenset({"overloaded", "server_error"}),
    "hang": frozenset({"timeout"}),
    "truncate": frozenset({"output_truncated", "malformed_output"}),
    "reset": frozenset({"connection"}),
}
"""What a fault has to be called by the step `identify`."""

EARLY = 0.02
"""Seconds by which a retry may come early: clocks of two processes, rounded."""


@dataclass(frozen=True)
class Kill:
    """One SIGKILL: when (Unix time), how the process ended, how much was there by then."""

    at: float
    exit_code: int
    where: str
    answered: int
    rows: int


@dataclass(frozen=True)
class Evidence:
    sources: Sequence[Source]
    expected: Sequence[str]
    """The files on the disk before the run began."""
    planted: Sequence[Planted]
    started: float
    table: Path
    served: Path
    deliveries: Path
    run_id: str
    workers: int
    faults: Sequence[str] = FAULTS
    kills: Sequence[Kill] = ()
    exit_code: int = 0
    failures: Sequence[dict[str, Any]] = ()
    """The journal's failures, for the one comparison with the server's record."""
    fewest: int = 0
    lost_answers: bool = True


@dataclass(frozen=True)
class Check:
    name: str
    ok: bool
    detail: str
    source: str
    """Where this was read."""
    examples: Sequence[str] = field(default=())


@dataclass(frozen=True)
class Row:
    key: str
    path: str
    digest: str
    verdict: str
    writer: int


def read_rows(table: Path) -> list[Row]:
    """All rows of the result table, or none if there is no such file yet."""
    if not table.exists():
        return []
    with closing(sqlite3.connect(f"file:{table}?mode=ro", uri=True, timeout=10)) as db:
        found = db.execute("SELECT key, path, digest, verdict, writer FROM findings").fetchall()
    return [Row(*row) for row in found]


def count_rows(table: Path) -> int:
    """How many rows there are by now; 0 as long as there is no table."""
    try:
        with closing(sqlite3.connect(f"file:{table}?mode=ro", uri=True, timeout=10)) as db:
            return int(db.execute("SELECT count(*) FROM findings").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def check_all(evidence: Evidence) -> list[Check]:
    """Every check, in the order in which a person wants to read them."""
    rows = read_rows(evidence.table)
    record = read_records(evidence.served)
    return [
        *check_rows(evidence, rows),
        check_planted(evidence, rows),
        check_receiver(evidence),
        check_kills(evidence),
        check_asked_again(evidence, record),
        check_faults_fired(evidence, record),
        check_recognised(evidence, record),
        check_waits(evidence, record),
        Check(
            "the run came to its end",
            evidence.exit_code == 0,
            "completed" if evidence.exit_code == 0 else f"exit code {evidence.exit_code}",
            "process",
        ),
    ]


# ---- rows against files ------------------------------------------------------------------------


def window_digest(path: str) -> str | None:
    """The digest of what the model should have seen, or None where there is nothing to read."""
    try:
        if not os.path.isfile(path):  # follows links; a pipe or a circle is none
            return None
        with open(path, "rb") as file:
            head = file.read(2 * BLOCK)
            if os.fstat(file.fileno()).st_size > 2 * BLOCK:
                file.seek(-BLOCK, os.SEEK_END)
                head = head[:BLOCK] + file.read(BLOCK)
    except OSError:
        return None
    return hashlib.sha256(head).hexdigest() if head else None


def _touched_since(path: str, moment: float) -> bool:
    try:
        # the kernel stamps files with a coarse clock, up to 10 ms behind
        return os.stat(path).st_ctime >= moment - 0.05
    except OSError:
        return True


def check_rows(evidence: Evidence, rows: Sequence[Row]) -> Iterable[Check]:
    of_path: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_path[row.path].append(row)
    missing, wrong, set_aside = [], [], 0
    for path in evidence.expected:
        name = shown(path)
        digest = window_digest(path)
        if digest is None:
            set_aside += name not in of_path
        elif name not in of_path:
            # somebody may work in that folder while the demo reads it
            if not _touched_since(path, evidence.started):
                missing.append(name)
        elif of_path[name][0].digest != digest and not _touched_since(path, evidence.started):
            wrong.append(name)
    known = {shown(path) for path in evidence.expected}
    foreign = [
        path for path in of_path if path not in known and not _touched_since(path, evidence.started)
    ]
    twice = [path for path, found in of_path.items() if len(found) > 1]
    count = len(evidence.expected)
    few = f" (too few, {evidence.fewest} are wanted)" if count < evidence.fewest else ""
    yield Check(
        "every file has its row",
        not missing and not foreign and count >= evidence.fewest and bool(rows),
        f"{count} files{few}, {len(rows)} rows, {set_aside} without content to file; "
        f"{len(missing)} missing, {len(foreign)} foreign",
        "disk, result table",
        (missing + foreign)[:3],
    )
    yield Check(
        "no row twice",
        not twice and bool(rows),
        f"{len(rows)} rows, {len({row.key for row in rows})} keys, "
        f"written by {len({row.writer for row in rows})} processes",
        "result table",
        twice[:3],
    )
    yield Check(
        "rows say what is on the disk",
        not wrong and bool(rows),
        f"{len(wrong)} of {len(rows)} digests differ",
        "disk, result table",
        wrong[:3],
    )


def check_planted(evidence: Evidence, rows: Sequence[Row]) -> Check:
    verdicts = {row.path: row.verdict for row in rows}
    wrong = []
    for one in evidence.planted:
        found = verdicts.get(shown(one.path))
        right = {
            "belies": found == "belies",
            "row": found is not None,
            "aside": found is None,
            "not_walked": found is None,
        }[one.expect]
        if not right:
            wrong.append(f"{Path(shown(one.path)).name} ({one.what}): {found or 'no row'}")
    flagged = sum(one.expect == "belies" for one in evidence.planted)
    aside = sum(one.expect in ("aside", "not_walked") for one in evidence.planted)
    return Check(
        "planted files were seen through",
        not wrong and bool(evidence.planted),
        f"{flagged} that belie their names flagged, {aside} without content filed nowhere",
        "disk, result table",
        wrong[:3],
    )


# ---- the receiver ------------------------------------------------------------------------------


def check_receiver(evidence: Evidence) -> Check:
    books = read_books(evidence.deliveries)
    expected = {f"triage:{evidence.run_id}:{source.name}" for source in evidence.sources}
    wrong = [
        f"{key}: applied {books['keys'].get(key, {}).get('applied', 0)} times"
        for key in sorted(expected | set(books["keys"]))
        if key not in expected or books["keys"].get(key, {}).get("applied") != 1
    ]
    again = books["received"] - books["applied"]
    return Check(
        "each notification applied once",
        not wrong,
        f"{len(expected)} due, {books['received']} deliveries, {books['applied']} applied, "
        f"{again} known by its key and not applied again",
        "receiver",
        wrong[:3],
    )


# ---- kills -------------------------------------------------------------------------------------


def check_kills(evidence: Evidence) -> Check:
    count = len(evidence.expected)
    vain = [
        f"{kill.where}: exit code {kill.exit_code}, {kill.rows} rows"
        for kill in evidence.kills
        if kill.exit_code != -signal.SIGKILL or kill.rows >= count or not kill.answered
    ]
    where = ", ".join(
        f"{kill.where} ({kill.answered} answers, {kill.rows} rows)" for kill in evidence.kills
    )
    return Check(
        "killed in the middle",
        bool(evidence.kills) and not vain,
        where or "never killed",
        "process",
        vain,
    )


def check_asked_again(evidence: Evidence, record: Sequence[dict[str, Any]]) -> Check:
    """What was answered before a kill and recorded is not asked again; what was on its way may be."""
    answers = Counter(line["item"] for line in record if line["fault"] is None)
    again = sum(count - 1 for count in answers.values())
    in_flight = evidence.workers * len(evidence.kills)
    return Check(
        "nothing done was done again",
        again <= in_flight and bool(answers),
        f"{len(answers)} files answered, {again} asked again "
        f"(up to {in_flight} were on their way when the process died)",
        "model server",
    )


# ---- faults ------------------------------------------------------------------------------------


def check_faults_fired(evidence: Evidence, record: Sequence[dict[str, Any]]) -> Check:
    fired = Counter(line["fault"] for line in record if line["fault"] is not None)
    wanted = list(evidence.faults)
    if evidence.lost_answers:
        wanted.append("lost_answer")
        fired.update(read_books(evidence.deliveries)["fired"])
    silent = [f"{TITLES[fault]} did not fire" for fault in wanted if not fired[fault]]
    return Check(
        "every fault fired",
        not silent and bool(wanted),
        ", ".join(f"{fault} {fired[fault]}×" for fault in wanted),
        "model server, receiver",
        silent,
    )


def check_recognised(evidence: Evidence, record: Sequence[dict[str, Any]]) -> Check:
    """Each fault is in the journal under its right name, and not more often than it fired."""
    fired = Counter(line["fault"] for line in record if line["fault"] is not None)
    called = Counter(
        failure["kind"] for failure in evidence.failures if failure["step"] == "identify"
    )
    unknown = set(called) - frozenset().union(*RECOGNISED_AS.values())
    wrong = [f"{called[kind]} failures of identify were called {kind}" for kind in sorted(unknown)]
    told = []
    for fault in evidence.faults:
        count = sum(called[kind] for kind in RECOGNISED_AS[fault])
        told.append(f"{fault} {count}/{fired[fault]}")
        if fired[fault] and not 0 < count <= fired[fault]:
            wrong.append(f"{TITLES[fault]}: fired {fired[fault]}×, recognised {count}×")
    if evidence.lost_answers:
        count = sum(
            failure["step"] == "notify" and failure["kind"] == "connection"
            for failure in evidence.failures
        )
        told.append(f"lost_answer {count}")
        if not count:
            wrong.append("the lost answer was not recognised as a lost connection")
    return Check(
        "and was recognised",
        not wrong,
        ", ".join(told),
        "server's record against the journal",
        wrong[:3],
    )


def check_waits(evidence: Evidence, record: Sequence[dict[str, Any]]) -> Check:
    """Whoever was told to wait did wait. Who was killed meanwhile was told nothing."""
    until: dict[str, tuple[float, float]] = {}
    asked, early = 0, []
    for line in record:
        told, deadline = until.pop(line["item"], (0.0, 0.0))
        heard = not any(told <= kill.at <= line["at"] for kill in evidence.kills)
        if heard and line["at"] < deadline - EARLY:
            early.append(f"{line['item']} came {deadline - line['at']:.2f} s early")
        if line["fault"] == "rate_limit":
            asked += 1
            until[line["item"]] = (line["at"], line["at"] + line["wait"])
    return Check(
        "every Retry-After was kept",
        not early and (asked > 0 or "rate_limit" not in evidence.faults),
        f"{asked} asked for, {len(early)} retries came early",
        "model server",
        early[:3],
    )
