"""Many writers and one fsync: nobody's write is lost, and nobody pays for another's."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot.clock import SystemClock
from surefoot.errors import JournalError, RunLocked
from surefoot.execution.driving import commit_async
from surefoot.journal import Journal
from surefoot.journal.group_commit import BATCH, KEEPER
from surefoot.journal.writes import end, failure
from surefoot.store.base import Refused
from tests.support.failing import MESSAGES, Failing
from tests.support.journals import begun, ended, failed_attempt, new_call, open_journal

ROOT = Path(__file__).resolve().parents[2]


class Seam:
    """Counts transactions, and does what it is told at one of them."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.act: Callable[[str], None] = lambda event: None

    def __call__(self, event: str) -> None:
        self.events.append(event)
        self.act(event)

    @property
    def transactions(self) -> int:
        return self.events.count("after")

    def once(self, event: str, act: Callable[[], None]) -> None:
        """Do ``act`` at the next such event, and then never again."""

        def at(now: str) -> None:
            if now == event:
                self.act = lambda event: None
                act()

        self.act = at


@pytest.fixture
def seam() -> Seam:
    return Seam()


@pytest.fixture
def journal(tmp_path: Path, seam: Seam) -> Iterator[Journal]:
    one = open_journal(tmp_path, SystemClock(), seam=seam)
    one.group.commit(lambda tx: tx("CREATE TABLE notes (what PRIMARY KEY)"))
    yield one
    seam.act = lambda event: None
    one.close()


def note(what: Any) -> Callable[[Any], Any]:
    return lambda tx: tx("INSERT INTO notes VALUES (?)", (what,)).rowcount


def notes(journal: Journal) -> list[Any]:
    return [what for (what,) in journal.store.read("SELECT what FROM notes ORDER BY rowid")]


def spread(works: list[Callable[[], None]]) -> list[BaseException | None]:
    """Do each in a thread of its own; what each raised."""
    raised: list[BaseException | None] = [None] * len(works)

    def work(number: int) -> None:
        try:
            works[number]()
        except BaseException as exc:
            raised[number] = exc

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a writer hangs"
    return raised


def hold_until_queued(journal: Journal, seam: Seam, count: int) -> None:
    """Keep the next transaction open until so many writes wait behind it."""

    def hold() -> None:
        end = time.monotonic() + 20
        while journal.group.waiting < count and time.monotonic() < end:
            time.sleep(0.0005)
        assert journal.group.waiting == count

    seam.once("inside", hold)


# -- one transaction ------------------------------------------------------------------------------


def test_writes_that_wait_together_share_one_transaction(journal: Journal, seam: Seam) -> None:
    before = seam.transactions
    hold_until_queued(journal, seam, 19)
    raised = spread([lambda n=n: journal.group.commit(note(n)) for n in range(20)])  # type: ignore[misc]
    assert raised == [None] * 20
    assert sorted(notes(journal)) == list(range(20))
    assert seam.transactions - before == 2  # the first one's, and all the others'


def test_a_refused_write_does_not_touch_the_others(journal: Journal, seam: Seam) -> None:
    def refuse(tx: Any) -> None:
        raise Refused(RunLocked("not yours"))

    hold_until_queued(journal, seam, 10)
    works = [lambda n=n: journal.group.commit(note(n)) for n in range(10)]  # type: ignore[misc]
    raised = spread([*works, lambda: journal.group.commit(refuse)])
    assert [type(one) for one in raised if one is not None] == [RunLocked]
    assert raised[-1] is not None
    assert sorted(notes(journal)) == list(range(10))


@pytest.mark.parametrize("event", ["before", "inside", "after"])
@pytest.mark.parametrize("message", MESSAGES)
def test_all_who_waited_hear_that_the_database_failed(
    tmp_path: Path, event: str, message: str
) -> None:
    failing = Failing(("before", "inside", "after").index(event) + 1, message)
    inner = Seam()
    journal = open_journal(tmp_path, SystemClock(), seam=inner)
    journal.group.commit(lambda tx: tx("CREATE TABLE notes (what PRIMARY KEY)"))
    tickets = [journal.group.lazily(note(n)) for n in range(3)]
    inner.act = failing
    with pytest.raises(JournalError, match=r"journal\.db") as caught:
        journal.group.commit(note(3))
    assert caught.value.exit_code == 3
    for ticket in tickets:
        with pytest.raises(JournalError):
            ticket.value()
    # before a COMMIT nothing is written, after it everything; never a part
    assert notes(journal) == ([0, 1, 2, 3] if event == "after" else [])
    journal.group.commit(note("later"))
    assert notes(journal)[-1] == "later"
    journal.close()


def test_a_write_with_a_bug_is_told_to_whoever_asked_and_nothing_of_it_stays(
    journal: Journal,
) -> None:
    def half(tx: Any) -> None:
        note("half")(tx)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        journal.group.commit(half)
    assert notes(journal) == []
    journal.group.commit(note("whole"))
    assert notes(journal) == ["whole"]


def test_a_long_queue_is_written_in_batches(journal: Journal, seam: Seam) -> None:
    before = seam.transactions
    for n in range(BATCH + 1):
        journal.group.lazily(note(n))
    journal.group.flush()
    assert notes(journal) == list(range(BATCH + 1))
    assert seam.transactions - before == 2


# -- lazy writes ----------------------------------------------------------------------------------


def test_a_lazy_write_goes_with_the_next_commit_and_in_order(journal: Journal, seam: Seam) -> None:
    before = seam.transactions
    tickets = [journal.group.lazily(note(n)) for n in (1, 2)]
    assert notes(journal) == [] and not tickets[0].done
    journal.group.commit(note(3))
    assert notes(journal) == [1, 2, 3]
    assert [ticket.value() for ticket in tickets] == [1, 1]
    assert seam.transactions - before == 1


def test_a_start_is_carried_by_the_next_commit_unless_its_end_came_first(
    journal: Journal,
) -> None:
    lease = begun(journal)
    for name in ("carried", "ended"):
        journal.start(name, (lease, new_call(name), 0, False), mapped=False)
    journal.started("ended")
    journal.group.commit(note(1))
    calls = journal.calls(lease.run_pk)
    assert [(call.call_id, call.status) for call in calls] == [("carried", "running")]


def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, SystemClock())
    journal.group.commit(lambda tx: tx("CREATE TABLE notes (what)"))
    journal.group.lazily(note("last words"))
    journal.close()
    again = open_journal(tmp_path, SystemClock())
    assert notes(again) == ["last words"]
    again.close()


def test_the_keeper_writes_for_those_who_do_not_wait_and_ends_with_the_journal(
    tmp_path: Path,
) -> None:
    journal = open_journal(tmp_path, SystemClock())
    journal.group.commit(lambda tx: tx("CREATE TABLE notes (what)"))
    written: list[str] = []
    done = threading.Event()

    def told(ticket: Any) -> None:
        written.append(threading.current_thread().name)
        if len(written) == 50:
            done.set()

    for n in range(50):
        journal.group.soon(note(n), told)
    assert done.wait(20)
    assert set(written) == {KEEPER}
    assert notes(journal) == list(range(50))
    journal.close()
    here = journal.store.location
    assert not [one for one in threading.enumerate() if getattr(one, "location", None) == here]


def test_many_threads_and_the_keeper_lose_nothing(journal: Journal, seam: Seam) -> None:
    before = seam.transactions

    def work(number: int) -> None:
        for n in range(25):
            op = note(f"{number}:{n}")
            (journal.group.commit, journal.group.soon, journal.group.lazily)[n % 3](op)

    assert spread([lambda n=n: work(n) for n in range(6)]) == [None] * 6  # type: ignore[misc]
    journal.group.flush()
    assert len(notes(journal)) == 150
    assert seam.transactions - before < 150


# -- Ctrl-C ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["before", "inside", "after"])
def test_ctrl_c_while_writing_loses_nothing_and_writes_nothing_twice(
    journal: Journal, seam: Seam, event: str
) -> None:
    lease = begun(journal)

    def interrupt() -> None:
        raise KeyboardInterrupt

    other = journal.group.lazily(failure(lease, failed_attempt("other")))
    seam.once(event, interrupt)
    with pytest.raises(KeyboardInterrupt):
        journal.group.commit(failure(lease, failed_attempt("mine")))
    assert other.done
    rows = journal.failures(lease.run_pk)
    assert [row.call_id for row in rows] == ["other", "mine"]
    journal.group.commit(end(lease, new_call(), ended()))
    assert [call.status for call in journal.calls(lease.run_pk)] == ["completed"]


def test_two_ctrl_c_in_one_commit_are_obeyed(journal: Journal, seam: Seam) -> None:
    def interrupt(event: str) -> None:
        if event == "inside":
            raise KeyboardInterrupt

    ticket = journal.group.lazily(note(1))
    seam.act = interrupt
    with pytest.raises(KeyboardInterrupt):
        journal.group.commit(note(2))
    seam.act = lambda event: None
    with pytest.raises(KeyboardInterrupt):
        ticket.value()
    assert notes(journal) == []
    journal.group.commit(note(3))
    assert notes(journal) == [3]


def test_ctrl_c_in_the_leader_does_not_fail_those_it_wrote_for(
    journal: Journal, seam: Seam
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    tickets: list[Any] = []

    def lead() -> None:
        tickets.extend(journal.group.lazily(note(n)) for n in range(5))
        seam.once("inside", interrupt)
        journal.group.commit(note("leader"))

    raised = spread([lead])
    assert isinstance(raised[0], KeyboardInterrupt)
    assert [ticket.value() for ticket in tickets] == [1] * 5
    assert notes(journal) == [0, 1, 2, 3, 4, "leader"]


# -- tasks ----------------------------------------------------------------------------------------


class SomeRun:
    """What ``commit_async`` needs of a run."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.broken: BaseException | None = None

    def stopped_by(self, exc: BaseException) -> None:
        self.broken = exc

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


def test_many_tasks_share_transactions_and_the_loop_goes_on(journal: Journal, seam: Seam) -> None:
    before = seam.transactions
    hold_until_queued(journal, seam, 39)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async def main() -> list[Any]:
        ticking = asyncio.ensure_future(tick())
        first = asyncio.ensure_future(commit_async(SomeRun(journal), note(0)))  # type: ignore[arg-type]
        while not seam.events[-1] == "inside":
            await asyncio.sleep(0)
        others = [commit_async(SomeRun(journal), note(n)) for n in range(1, 40)]  # type: ignore[arg-type]
        answers = await asyncio.gather(first, *others)
        ticking.cancel()
        return answers

    assert asyncio.run(main()) == [1] * 40
    assert sorted(notes(journal)) == list(range(40))
    assert seam.transactions - before == 2
    assert ticks > 1


def test_a_cancelled_task_is_cancelled_once_its_write_is_done(journal: Journal, seam: Seam) -> None:
    async def main() -> None:
        hold = threading.Event()
        seam.once("inside", lambda: hold.wait(20) and None)
        task = asyncio.ensure_future(commit_async(SomeRun(journal), note("body is done")))  # type: ignore[arg-type]
        while seam.events[-1] != "inside":
            await asyncio.sleep(0.001)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.001)
        assert not task.done()
        hold.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert notes(journal) == ["body is done"]


def test_a_cancelled_task_still_tells_its_run_that_the_journal_failed(
    journal: Journal, seam: Seam
) -> None:
    run = SomeRun(journal)

    async def main() -> None:
        hold = threading.Event()

        def fail() -> None:
            hold.wait(20)
            raise sqlite3.OperationalError("disk I/O error")

        seam.once("inside", fail)
        task = asyncio.ensure_future(commit_async(run, note(1)))  # type: ignore[arg-type]
        while seam.events[-1] != "inside":
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.sleep(0.001)
        hold.set()
        with pytest.raises((JournalError, asyncio.CancelledError)):
            await task

    asyncio.run(main())
    assert isinstance(run.broken, JournalError)
    assert notes(journal) == []


def test_a_task_hears_that_its_write_was_refused(journal: Journal) -> None:
    def refuse(tx: Any) -> None:
        raise Refused(RunLocked("not yours"))

    async def main() -> None:
        with pytest.raises(RunLocked, match="not yours"):
            await commit_async(SomeRun(journal), refuse)  # type: ignore[arg-type]

    asyncio.run(main())


# -- forks ----------------------------------------------------------------------------------------

FORK = """
import os, sys, threading, warnings
from pathlib import Path
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of a fork beside threads
from surefoot.clock import SystemClock
from tests.support.journals import begun, ended, new_call, open_journal
from surefoot.journal.writes import end

inside, go_on = threading.Event(), threading.Event()
def seam(event):
    if event == "inside" and threading.current_thread().name == "writer":
        inside.set()
        go_on.wait(20)

journal = open_journal(Path(sys.argv[1]), SystemClock(), seam=seam)
mine = begun(journal, "parent")
journal.store.read("SELECT 1")
write = lambda name: journal.group.commit(end(mine, new_call(name), ended()))
writer = threading.Thread(target=write, args=("before the fork",), name="writer")
writer.start()
inside.wait(20)
journal.group.lazily(end(mine, new_call("queued"), ended()))  # the parent writes it, once
threading.Timer(0.3, go_on.set).start()
pid = os.fork()  # while another thread is in a transaction and holds all locks
if pid == 0:
    theirs = None
    try:
        journal.runs()
        threading.Timer(8, os._exit, [9]).start()  # a child that hangs is told from one that ends
        theirs = begun(journal, "child")
        journal.group.commit(end(theirs, new_call("in the child"), ended()))
        journal.close()
    finally:
        os._exit(0 if theirs is not None else 8)
go_on.set()
writer.join()
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
write("after the fork")
print(code, *sorted(row[0] for row in journal.store.read("SELECT call_id FROM calls")), sep="|")
journal.close()
"""


CLOSE = """
import os, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore", DeprecationWarning)
from surefoot.clock import SystemClock
from tests.support.journals import begun, ended, new_call, open_journal
from surefoot.journal.writes import end

place = Path(sys.argv[1])
journal = open_journal(place, SystemClock())
journal.runs()
said, closed = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    code = 1
    try:
        lease = begun(journal, "child")
        journal.group.commit(end(lease, new_call("first"), ended()))
        os.write(said[1], b"x")
        os.read(closed[0], 1)
        journal.group.commit(end(lease, new_call("second"), ended()))
        code = 0
    finally:
        os._exit(code)
os.read(said[0], 1)
journal.close()  # the parent's last connection: SQLite would like to tidy up now
os.write(closed[1], b"x")
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
journal = open_journal(place, SystemClock())
print(code, *sorted(row[0] for row in journal.store.read("SELECT call_id FROM calls")), sep="|")
journal.close()
"""


def script(text: str, folder: Path) -> str:
    """Run a script in a process of its own; what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", text, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_a_forked_child_commits_is_not_lost_when_its_parent_closes(tmp_path: Path) -> None:
    assert script(CLOSE, tmp_path) == "0|first|second"


def test_after_a_fork_child_and_parent_write_on_each_with_locks_of_its_own(tmp_path: Path) -> None:
    assert script(FORK, tmp_path) == "0|after the fork|before the fork|in the child|queued"


OPENING = """
import os, sys, threading, warnings
from pathlib import Path
warnings.simplefilter("ignore", DeprecationWarning)
from surefoot.store.sqlite import SqliteStore

place, begun, connected, opened = Path(sys.argv[1]), threading.Event(), threading.Event(), []
connect = SqliteStore._connect

def slowly(self):
    if threading.current_thread().name == "opens":
        begun.set()
        threading.Event().wait(0.5)  # the other thread is at its fork by now
    found = connect(self)
    connected.set()
    return found

SqliteStore._connect = slowly

def open_one():
    opened.append(SqliteStore(place / "other.db"))

thread = threading.Thread(target=open_one, name="opens")
thread.start()
begun.wait()
pid = os.fork()
if pid == 0:
    SqliteStore(place / "j.db").close()
    os._exit(7)
waited = connected.is_set()
thread.join()
opened[0].transact([lambda tx: tx("SELECT 1")])
opened[0].close()
print(waited, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_fork_waits_for_a_journal_that_another_thread_is_opening(tmp_path: Path) -> None:
    assert script(OPENING, tmp_path) == "True 7"
