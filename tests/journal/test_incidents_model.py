"""Whatever happens in whatever order, an incident's row says what its failures say."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from surefoot.clock import ManualClock
from surefoot.errors import UsageError
from surefoot.journal import Journal, Lease, letters, writes
from surefoot.journal.incident_orders import acknowledge, merge, mute, resolve, unmute
from surefoot.journal.runs import Ending
from tests.support.journals import ended, failed_attempt, new_call, new_run, open_journal

FINGERPRINTS = ("a", "b", "c")
OVER = ("completed", "cancelled", "rolled_back")


class World:
    """What happened, told apart from the journal's own tables."""

    def __init__(self, journal: Journal, clock: ManualClock, seed: int) -> None:
        self.journal, self.clock = journal, clock
        self.dice = random.Random(seed)
        self.leases: dict[str, Lease] = {}
        self.runs: dict[str, str] = {}
        self.calls: dict[tuple[str, str], str] = {}
        self.failed: dict[tuple[str, str], list[str]] = {}
        self.letters: dict[tuple[str, str], str] = {}
        self.count = dict.fromkeys(FINGERPRINTS, 0)
        self.root = {name: name for name in FINGERPRINTS}

    def waits_for(self, root: str) -> bool:
        """Whether anything of an incident is outstanding, by the words of the contract."""
        own = {name for name in FINGERPRINTS if self.root[name] == root}
        if any(name in own for name in self.letters.values()):
            return True
        return any(
            own.intersection(names)
            and self.runs[run] not in OVER
            and self.calls[run, call] not in ("completed", "skipped")
            for (run, call), names in self.failed.items()
        )

    def play(self) -> None:
        self.clock.advance(self.dice.choice((1.0, 60.0, 100_000.0)))
        running = [run for run, status in self.runs.items() if status == "running"]
        stopped = [run for run, status in self.runs.items() if status == "halted"]
        what = self.dice.choice(
            ("begin", "fail", "fail", "fail", "complete", "aside", "end", "end", "take", "discard",
             "order", "merge")
        )  # fmt: skip
        if what == "begin" or not self.runs:
            run = f"run-{len(self.runs)}"
            _, lease = self.journal.create_run(new_run(run))
            assert lease is not None
            self.leases[run], self.runs[run] = lease, "running"
        elif what in ("fail", "complete", "aside") and running:
            self._call(what, self.dice.choice(running))
        elif what == "end" and running:
            run = self.dice.choice(running)
            status = self.dice.choice(("completed", "halted", "cancelled", "rolled_back"))
            self.runs[run] = status
            if status == "rolled_back":
                self.letters = {key: name for key, name in self.letters.items() if key[0] != run}
            self.journal.end_run(self.leases.pop(run), Ending(status))
        elif what == "take" and stopped:
            run = self.dice.choice(stopped)
            _, lease = self.journal.take(run)
            assert lease is not None
            self.leases[run], self.runs[run] = lease, "running"
        elif what == "discard" and self.letters:
            key = self.dice.choice(sorted(self.letters))
            [letter] = letters.letters(self.journal.store, call=key)
            self.journal.group.commit(letters.discard(letter.pk, "no", self.clock.now()))
            del self.letters[key]
        elif what in ("order", "merge"):
            self._order(what)

    def _call(self, what: str, run: str) -> None:
        lease, name = self.leases[run], f"call-{self.dice.randrange(3)}"
        status = self.calls.get((run, name))
        if what == "fail" and status in (None, "running"):
            fingerprint = self.dice.choice(FINGERPRINTS)
            row = replace(failed_attempt(name), fingerprint=fingerprint, at=self.clock.now())
            begin = writes.begin(lease, new_call(name), 1, False)
            write = writes.failure(lease, row)
            self.journal.group.commit(lambda tx: (begin(tx), write(tx)))
            self.calls[run, name] = "running"
            self.failed.setdefault((run, name), []).append(fingerprint)
            self.count[fingerprint] += 1
        elif what == "complete" and status == "running":
            self.journal.group.commit(writes.end(lease, new_call(name), ended()))
            self.calls[run, name] = "completed"
        elif what == "aside" and status == "running":
            fingerprint = self.failed[run, name][-1]
            end = writes.end(lease, new_call(name), ended("skipped", None))
            aside = letters.dead_letter(
                lease, new_call(name), None, "x", "k", fingerprint, "r", self.clock.now()
            )
            self.journal.group.commit(lambda tx: (end(tx), aside(tx)))
            self.calls[run, name] = "skipped"
            self.letters[run, name] = fingerprint

    def _order(self, what: str) -> None:
        known = [name for name in FINGERPRINTS if self.count[name]]
        if not known:
            return
        one, other = self.dice.choice(known), self.dice.choice(known)
        now, pks = self.clock.now(), self.rows()
        pk = pks[one]["pk"]
        try:
            if what == "merge":
                self.journal.group.commit(merge(pk, pks[other]["pk"], "ada", now))
                self.root = {
                    name: other if root == one else root for name, root in self.root.items()
                }
                return
            op = self.dice.choice(
                (
                    acknowledge(pk, "ada", now, None, None),
                    mute(pk, "ada", now, now + self.dice.choice((5.0, 200_000.0)), None),
                    unmute(pk, "ada", now),
                    resolve(pk, "ada", now, None),
                )
            )
            self.journal.group.commit(op)
        except UsageError:
            return

    def rows(self) -> dict[str, dict[str, Any]]:
        names = "pk, fingerprint, state, failures, resolved_by, merged_into, regressions"
        rows = self.journal.store.read(f"SELECT {names} FROM incidents")
        return {row[1]: dict(zip(names.split(", "), row)) for row in rows}

    def check(self) -> None:
        found = self.rows()
        assert set(found) == {name for name in FINGERPRINTS if self.count[name]}
        by_pk = {row["pk"]: name for name, row in found.items()}
        for name, row in found.items():
            root = by_pk[row["merged_into"]] if row["merged_into"] else name
            assert root == self.root[name], "no chains"
            if root != name:
                continue
            own = [each for each in FINGERPRINTS if self.root[each] == name]
            assert row["failures"] == sum(self.count[each] for each in own)
            if row["state"] == "resolved" and row["resolved_by"] == "recovery":
                assert not self.waits_for(name), (name, row)
            events = self.journal.store.read(
                "SELECT event FROM incident_events WHERE incident_pk = ?", (row["pk"],)
            )
            assert events.count(("regressed",)) == row["regressions"]

    def finish(self) -> None:
        """Everything is brought to its end: nothing may be left open."""
        for run in sorted(self.runs):
            if self.runs[run] == "halted":
                _, lease = self.journal.take(run)
                assert lease is not None
                self.leases[run] = lease
            if run in self.leases:
                self.journal.end_run(self.leases.pop(run), Ending("completed"))
                self.runs[run] = "completed"
        for key in sorted(self.letters):
            [letter] = letters.letters(self.journal.store, call=key)
            self.journal.group.commit(letters.discard(letter.pk, "no", self.clock.now()))
        self.letters = {}


@pytest.mark.parametrize("seed", range(40))
def test_an_incident_is_what_its_failures_are(tmp_path: Path, seed: int) -> None:
    clock = ManualClock()
    journal = open_journal(tmp_path, clock)
    world = World(journal, clock, seed)
    for _ in range(80):
        world.play()
        world.check()
    world.finish()
    world.check()
    left = {row["state"] for row in world.rows().values()}
    assert left <= {"resolved", "muted"}
    assert all(row["failures"] for row in world.rows().values())
    journal.close()
