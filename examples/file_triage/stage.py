"""The demo's course: servers up, run, SIGKILL, resume, SIGKILL, resume, and the count."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from . import report, summary
from .check import Check, Evidence, Kill, check_all, count_rows
from .child import save_job
from .faults import FAULTS, FEWEST_REQUESTS, make_plan, plan_to_text
from .loopback import ROOT, Service, path_of_children, service
from .pipeline import Job, Source
from .places import PLANTED, Planted, choose_sources, expected_files, plant

FILES = 900
FEWEST_FILES = 500
"""What the demo promises when nobody asks for fewer."""
WORKERS = 4
CHUNKS = 4
PATIENCE = 300.0
"""Seconds after which a process that does not get on is given up."""
MODULE = "examples.file_triage"


Until = Callable[[int, int, int], bool]
"""Told how many answers and rows there are and how many requests hang, says whether that is enough."""


class Bars:
    """What a person sees meanwhile: answers and rows, counted at the server and in the table."""

    def __init__(self, console: Console, total: int) -> None:
        self.progress = Progress(
            TextColumn("         {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._answers = self.progress.add_task("files answered", total=total)
        self._rows = self.progress.add_task("rows written", total=total)

    def show(self, answered: int, rows: int) -> None:
        self.progress.update(self._answers, completed=answered)
        self.progress.update(self._rows, completed=rows)


@dataclass
class Stage:
    """One run of the demo: where its files are, and what has happened so far."""

    console: Console
    work: Path
    run_id: str
    sources: Sequence[Source]
    planted: Sequence[Planted]
    expected: Sequence[str]
    started: float
    workers: int = WORKERS
    kills: list[Kill] = field(default_factory=list)
    exit_code: int = -1
    bars: Bars | None = None
    child: subprocess.Popen[bytes] | None = None

    @property
    def journal(self) -> str:
        return f"sqlite:///{self.work / 'journal.db'}"

    @property
    def table(self) -> Path:
        return self.work / "findings.db"

    @property
    def report(self) -> Path:
        return self.work / "report.json"

    def say(self, mark: str, text: str) -> None:
        self.console.print(f"[dim]{time.time() - self.started:5.1f} s[/]  {mark} {text}")

    def spawn(self, action: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"{MODULE}.child", action, self.run_id]
        self.child = subprocess.Popen(
            [*command, str(self.work / "job.json"), str(self.report)],
            cwd=ROOT,
            env=os.environ
            | {
                "SUREFOOT_JOURNAL": self.journal,
                "SUREFOOT_RULES": str(Path(__file__).with_name("rules.toml")),
                "PYTHONPATH": path_of_children_with_source(),
            },
        )
        return self.child

    def end(self) -> None:
        """Leave no process behind, whatever happened."""
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def count_rows(self) -> int:
        return count_rows(self.table)

    def watch(self, child: subprocess.Popen[bytes], model: Service, until: Until) -> None:
        """Look on from outside until the child has ended or ``until(answered, rows, hanging)``."""
        patience = time.monotonic() + PATIENCE
        while child.poll() is None and time.monotonic() < patience:
            stats = model.get("/v1/stats")
            rows = self.count_rows()
            if self.bars is not None:
                self.bars.show(stats["answered"], rows)
            if until(stats["answered"], rows, stats["hanging"]):
                return
            time.sleep(0.02)

    def kill_when(
        self, child: subprocess.Popen[bytes], model: Service, until: Until, where: str
    ) -> bool:
        """SIGKILL the child as soon as ``until`` says so; whether that was before its own end."""
        self.watch(child, model, until)
        child.kill()  # does nothing to a process that has ended; its exit code tells
        child.wait()
        answered = model.get("/v1/stats")["answered"]
        kill = Kill(time.time(), child.returncode, where, answered, self.count_rows())
        if child.returncode != -signal.SIGKILL:
            self.exit_code = child.returncode
            self.say("[red]✗[/]", f"ended by itself before the kill: exit code {self.exit_code}")
            return False
        self.kills.append(kill)
        self.say(
            "[red]✗[/]",
            f"[bold]SIGKILL[/] {where}: {kill.answered} of {len(self.expected)} files answered, "
            f"{kill.rows} rows written",
        )
        return True


def wait_for_a_commit(table: Path, patience: float = 0.5) -> None:
    """Return the moment a row is in the table, or after ``patience`` seconds: its writer has not yet
    told the journal of it. A kill there is the one that writes rows twice, if anything does."""
    until = time.monotonic() + patience
    with closing(sqlite3.connect(f"file:{table}?mode=ro", uri=True)) as db:
        version = db.execute("PRAGMA data_version").fetchone()
        while time.monotonic() < until:
            if db.execute("PRAGMA data_version").fetchone() != version:
                return


def path_of_children_with_source() -> str:
    """The example runs from a checkout, too, where Surefoot is not installed."""
    return os.pathsep.join([path_of_children(), str(ROOT / "src")])


def play(stage: Stage, model: Service, hook: Service) -> None:
    """Start the run, kill it twice, bring it to its end."""
    total = len(stage.expected)
    chunk = -(-total // CHUNKS)
    job = Job(
        list(stage.sources), str(stage.table), model.url, f"{hook.url}/hook", chunk, stage.workers
    )
    save_job(job, stage.work / "job.json")

    stage.say("▸", f"run [bold]{stage.run_id}[/] starts: {total} files, {stage.workers} workers")
    half, hung = int(total * 0.45), 0.0

    def half_answered(answered: int, rows: int, hanging: int) -> bool:
        nonlocal hung
        if hanging:  # a hang that the kill cuts short is not recognised by anybody
            hung = time.monotonic()
        return answered >= half and time.monotonic() > hung + 0.2

    child = stage.spawn("start")
    if not stage.kill_when(child, model, half_answered, "while it asks the model"):
        return
    for one in stage.planted:
        if "vanishes" in one.what:
            Path(one.path).unlink(missing_ok=True)

    stage.say("▸", "resumed: what was answered is not asked again")
    most = int(total * 0.6)

    def most_written(answered: int, rows: int, hanging: int) -> bool:
        if rows >= most:
            wait_for_a_commit(stage.table)
        return rows >= most

    child = stage.spawn("resume")
    if not stage.kill_when(child, model, most_written, "while it writes rows"):
        return

    stage.say("▸", "resumed: the row that was being written is looked up before it is written")
    child = stage.spawn("resume")
    stage.watch(child, model, lambda answered, rows, hanging: False)
    child.kill()  # out of patience, if it is still there
    stage.exit_code = child.wait()
    done = stage.exit_code == 0
    stage.say(*(("[green]✓[/]", "completed") if done else ("[red]✗[/]", "did not complete")))


def judge(
    stage: Stage, faults: Sequence[str], fewest: int
) -> tuple[report.Story | None, list[Check]]:
    story: report.Story | None
    try:
        story = report.load(stage.report)
    except ValueError as exc:
        stage.console.print(
            f"[red]{escape(str(exc))}[/]; the last words are in {stage.work}/log.txt"
        )
        story = None
    evidence = Evidence(
        sources=stage.sources,
        expected=stage.expected,
        planted=stage.planted,
        started=stage.started,
        table=stage.table,
        served=stage.work / "served.jsonl",
        deliveries=stage.work / "deliveries.db",
        run_id=stage.run_id,
        workers=stage.workers,
        faults=faults,
        kills=stage.kills,
        exit_code=stage.exit_code,
        failures=story.failures if story else (),
        fewest=fewest,
    )
    return story, check_all(evidence)


def make_work_folder(base: Path | None, run_id: str, keep: bool) -> Path:
    """A folder for this demo; earlier ones go, unless they are to be kept."""
    parent = base or ROOT / ".demo"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        if not keep:
            for earlier in parent.glob("demo-*"):
                shutil.rmtree(earlier, ignore_errors=True)
        work = parent / run_id
        work.mkdir()
    except OSError:  # a checkout that cannot be written
        work = Path(tempfile.mkdtemp(prefix=f"{run_id}-"))
    return work.resolve()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="make demo",
        description="Triage real files with a real model; break it, kill it, resume it, count.",
    )
    parser.add_argument(
        "--root", type=Path, action="append", default=[], help="your own folder; may be repeated"
    )
    parser.add_argument("--files", type=int, help=f"about how many files (default {FILES})")
    parser.add_argument("--seed", type=int, default=1, help="other faults at other places")
    parser.add_argument("--keep", action="store_true", help="keep the folders of earlier demos")
    parser.add_argument("--work", type=Path, help="where to put the folder (default .demo)")
    parser.add_argument(
        "--leave-out",
        choices=FAULTS,
        action="append",
        default=[],
        help="do not fire this fault: then the demo has to fail, and does",
    )
    given = parser.parse_args(arguments)
    console = Console(highlight=False)
    begun = time.monotonic()

    try:
        sources = choose_sources(given.files or FILES, given.root)
    except ValueError as exc:
        parser.error(str(exc))
    run_id = f"demo-{datetime.now():%Y%m%d-%H%M%S}"
    work = make_work_folder(given.work, run_id, given.keep)
    planted = plant(work / PLANTED)
    sources.append(Source(PLANTED, str(work / PLANTED)))
    started = time.time()  # before the listing: what comes or goes from now on is nobody's fault
    expected = expected_files(sources)
    try:
        # the planted files that cannot be read are never asked about
        plan = make_plan(given.seed, len(expected) - len(planted), frozenset(given.leave_out))
    except ValueError:
        shutil.rmtree(work)
        parser.error(
            f"only {len(expected)} files; the demo needs at least {FEWEST_REQUESTS + len(planted)}"
        )

    console.rule("[bold]What is each file really?")
    for source in sources:
        share = "" if source.share == 1 else f" [dim](a share of {source.share:.0%})[/]"
        console.print(f"  {escape(source.name)}: {escape(source.folder)}{share}")
    stage = Stage(console, work, run_id, sources, planted, expected, started)
    try:
        with ExitStack() as stack:
            stack.callback(stage.end)
            record, deliveries = str(work / "served.jsonl"), str(work / "deliveries.db")
            model = stack.enter_context(
                service(f"{MODULE}.model_server", "--record", record, "--plan", plan_to_text(plan))
            )
            hook = stack.enter_context(
                service(f"{MODULE}.receiver", "--database", deliveries, "--lose", "1")
            )
            stage.say(
                "▸", f"model on {model.url}, {len(plan)} faults planned; webhook on {hook.url}"
            )
            stage.bars = Bars(console, len(expected))
            stack.enter_context(stage.bars.progress)
            play(stage, model, hook)
    except RuntimeError as exc:  # a server did not start
        console.print(f"[red]{escape(str(exc))}[/]")
        return 2

    fewest = 0 if given.root or given.files else FEWEST_FILES
    story, checks = judge(stage, FAULTS, fewest)
    if story is not None and story.ended:
        console.print(f"[red]The run is {story.status}: {escape(story.ended)}[/]")
    command = os.path.relpath(Path(sys.executable).with_name("surefoot"))
    hints = [
        f"export SUREFOOT_JOURNAL={stage.journal}",
        f"{command} show {run_id}",
        f"{command} resume {run_id}    # it has completed: nothing runs again, its result comes back",
        f"the rows are in {os.path.relpath(stage.table)}, the log in {os.path.relpath(work / 'log.txt')}",
    ]
    summary.show(console, story, checks, stage.kills, stage.table, time.monotonic() - begun, hints)
    return 0 if story is not None and all(check.ok for check in checks) else 1
