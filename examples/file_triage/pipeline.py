"""What is each file really, and does its name say so? A workflow that may fail anywhere.

    walk → read → prepare → identify (a model behind HTTP) → judge → file_row → notify

It is written as if nothing ever failed. What each failure is, and what is done about it, is
Surefoot's work; the few places where this pipeline knows better than the catalog say so in
`recover=`. Run it with the demo (`make demo`), or on a folder of your own:

    make demo ARGS="--root ~/Downloads"
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import stat
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx

from surefoot import (
    Happened,
    NotHappened,
    current,
    effect,
    idempotency_key,
    on,
    step,
    workflow,
)

BLOCK = 4096
"""Bytes from either end of a file that the model wants to see."""

SKIPPED_FOLDERS = frozenset(
    ".git .hg .venv .venvs .tox .nox .demo .surefoot .cache .mypy_cache .ruff_cache .pytest_cache "
    ".hypothesis .import_linter_cache __pycache__ node_modules site-packages".split()
)

SAYS = {
    extension: nature
    for nature, extensions in {
        "text": "txt md rst log csv tsv json toml yaml yml ini cfg conf xml html htm css js ts py "
        "pyi c h cpp hpp rs go java sh pl rb sql tex po diff patch",
        "image": "png jpg jpeg gif bmp webp ico tif tiff",
        "audio": "mp3 wav flac ogg aiff au",
        "video": "mp4 mkv avi mov webm",
        "archive": "zip gz tgz bz2 xz 7z tar whl",
        "document": "pdf doc docx xls xlsx ppt pptx odt ods",
        "executable": "exe dll so pyc",
    }.items()
    for extension in extensions.split()
}
"""What a file's extension says about it: text, or which nature of binary file."""


@dataclass(frozen=True)
class Source:
    """A folder to triage. ``share`` of its files, picked by their names, is taken."""

    name: str
    folder: str
    share: float = 1.0


@dataclass(frozen=True)
class Job:
    sources: list[Source]
    table: str
    """Path of the SQLite file that takes the findings."""
    model_url: str
    hook_url: str
    chunk: int = 250
    workers: int = 4


@dataclass(frozen=True)
class Sample:
    path: str
    size: int
    window: bytes
    """The whole file if it is small, else its first and its last block."""


@dataclass(frozen=True)
class Claim:
    """What is known of a file before anybody looked inside."""

    path: str
    item: str
    size: int
    digest: str
    says: str | None


@dataclass(frozen=True)
class Question:
    claim: Claim
    payload: bytes


@dataclass(frozen=True)
class Finding:
    claim: Claim
    label: str
    group: str
    description: str
    score: float
    verdict: str
    """``agrees``, ``belies`` (the content is something else) or ``unclear``."""


@dataclass(frozen=True)
class Note:
    run: str
    source: str
    files: int
    set_aside: int
    belies: list[str]


@dataclass(frozen=True)
class Report:
    files: int
    filed: int
    set_aside: int
    belies: int
    kinds: dict[str, int]


class EmptyFile(ValueError):
    """There is nothing in it to identify. rules.toml says which kind of failure that is."""


class NotAFile(ValueError):
    """A pipe, a socket or a device: reading it could wait for ever."""


# ---- ingestion ---------------------------------------------------------------------------------


@step(stage="ingestion")
def walk(source: Source) -> list[str]:
    """The files to look at, in order. Links are taken too, wherever they lead."""
    return [path for path in _files(source.folder) if picked(path, source.share)]


def _files(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as exc:
        logging.getLogger(__name__).warning("left out a folder: %s", exc)
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in SKIPPED_FOLDERS:
                yield from _files(entry.path)
        elif entry.is_file(follow_symlinks=False) or (
            entry.is_symlink() and not os.path.isdir(entry.path)
        ):
            yield entry.path


def picked(path: str, share: float) -> bool:
    """Whether a file belongs to the share. It depends on the file's own name alone, so that a file
    that comes or goes changes nothing for the others."""
    return int(item_of(path), 16) < share * 16**16


def item_of(path: str) -> str:
    """A short name for a path that fits into a header."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


@step(
    stage="ingestion",
    # For most pipelines a denied permission is a person's business. Here it belongs to one file.
    recover=[on("permission").skip()],
)
def read(path: str) -> Sample:
    # NONBLOCK: opening a pipe, or a link to one, must not wait for somebody to write into it
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise NotAFile(f"{shown(path)} is no regular file")
        window = file.read(2 * BLOCK)
        if about.st_size > 2 * BLOCK:
            file.seek(-BLOCK, os.SEEK_END)
            window = window[:BLOCK] + file.read(BLOCK)
    if not window:
        raise EmptyFile(f"{shown(path)} is empty")
    return Sample(path, about.st_size, window)


# ---- preprocessing -----------------------------------------------------------------------------


@step(stage="preprocessing", checkpoint=False)  # quicker to do again than to save
def prepare(sample: Sample) -> Question:
    extension = os.path.splitext(sample.path)[1].lower().lstrip(".")
    claim = Claim(
        path=sample.path,
        item=item_of(sample.path),
        size=sample.size,
        digest=hashlib.sha256(sample.window).hexdigest(),
        says=SAYS.get(extension),
    )
    return Question(claim, sample.window)


# ---- inference ---------------------------------------------------------------------------------


@step(
    stage="inference",
    resource="model",
    deadline=90,
    recover=[
        on("rate_limited", "overloaded", "server_error").retry(attempts=8, within=60, cap=4),
        # This model has no output limit that could be raised: an answer cut short is worth asking
        # for again.
        on("output_truncated", "malformed_output").retry(attempts=4),
    ],
)
def identify(question: Question, *, client: httpx.Client, url: str) -> dict[str, Any]:
    response = client.post(
        f"{url}/v1/identify",
        content=question.payload,
        headers={"Content-Type": "application/octet-stream", "X-Item": question.claim.item},
    )
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer


# ---- postprocessing ----------------------------------------------------------------------------


@step(stage="postprocessing")
def judge(claim: Claim, answer: dict[str, Any]) -> Finding:
    """Check the model's answer and hold it against the file's name."""
    label, group, score = answer["label"], answer["group"], answer["score"]
    if not (isinstance(label, str) and isinstance(group, str) and isinstance(score, float)):
        raise TypeError(f"the model's answer has fields of other types: {answer}")
    if not 0 <= score <= 1:
        raise ValueError(f"the model's score {score} is not between 0 and 1")
    nature = "text" if answer["is_text"] else group
    if claim.says is None or score < 0.7 or group in ("unknown", "inode"):
        verdict = "unclear"
    elif nature == claim.says:
        verdict = "agrees"
    elif "text" in (nature, claim.says) or nature in SAYS.values():
        verdict = "belies"
    else:  # two sorts of binary file that are hard to tell apart by an extension
        verdict = "unclear"
    return Finding(claim, label, group, str(answer["description"]), score, verdict)


@step(stage="postprocessing")
def open_table(table: str) -> None:
    with closing(_connect(table)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        # No UNIQUE on purpose: a row that is written twice must show, not be covered up.
        db.executescript(
            """
            CREATE TABLE IF NOT EXISTS findings (
                key TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, digest TEXT NOT NULL,
                says TEXT, label TEXT NOT NULL, "group" TEXT NOT NULL, description TEXT NOT NULL,
                score REAL NOT NULL, verdict TEXT NOT NULL, writer INTEGER NOT NULL, at REAL NOT NULL
            );
            CREATE INDEX IF NOT EXISTS findings_key ON findings (key);
            """
        )


def _connect(table: str) -> sqlite3.Connection:
    return sqlite3.connect(table, timeout=30, isolation_level=None)


def row_key(table: str, finding: Finding) -> str:
    """One row for a file with this content in this table, whichever run writes it."""
    return f"{table}#{finding.claim.item}#{finding.claim.digest[:16]}"


def row_exists(table: str, finding: Finding) -> Happened[int] | NotHappened:
    """Asked after a crash: did the row get there?"""
    with closing(_connect(table)) as db:
        row = db.execute(
            "SELECT rowid FROM findings WHERE key = ?", (idempotency_key(),)
        ).fetchone()
    return NotHappened() if row is None else Happened(row[0])


@effect(
    stage="postprocessing",
    key=row_key,
    match=("finding",),
    verify=row_exists,
    settle=0,  # the transaction of a process that is dead cannot be on its way any more
)
def file_row(table: str, finding: Finding) -> int:
    """Write one row; its number comes back."""
    claim = finding.claim
    row = (
        idempotency_key(),
        shown(claim.path),
        claim.size,
        claim.digest,
        claim.says,
        finding.label,
        finding.group,
        finding.description,
        finding.score,
        finding.verdict,
        os.getpid(),
        time.time(),
    )
    with closing(_connect(table)) as db:
        written = db.execute(f"INSERT INTO findings VALUES ({', '.join('?' * len(row))})", row)
        return int(written.lastrowid or 0)


# ---- notification ------------------------------------------------------------------------------


@effect(stage="notification", resource="webhook", key=lambda hook_url, note: _note_key(note))
def notify(hook_url: str, note: Note) -> bool:
    """Tell the webhook about one source; whether it was news to it comes back."""
    response = httpx.post(
        hook_url,
        json={"source": note.source, "files": note.files, "belies": note.belies},
        headers={"Idempotency-Key": idempotency_key()},
        timeout=5,
    )
    response.raise_for_status()
    return bool(response.json()["applied"])


def _note_key(note: Note) -> str:
    return f"triage:{note.run}:{note.source}"


# ---- the workflow ------------------------------------------------------------------------------


@workflow(name="file_triage")
def triage(job: Job) -> Report:
    open_table(job.table)
    source_of = {path: source.name for source in job.sources for path in walk(source)}
    paths = list(source_of)
    findings: list[Finding] = []
    with httpx.Client(timeout=2.5) as client:
        ask = identify.bind(client=client, url=job.model_url)
        for start in range(0, len(paths), job.chunk):
            samples = read.map(paths[start : start + job.chunk], workers=job.workers, item_id=shown)
            questions = prepare.map(samples.results, item_id=_name_of_sample)
            answers = ask.map(questions.results, workers=job.workers, item_id=_name_of_question)
            judged = judge.starmap((question.claim, answer) for question, answer in answers.pairs())
            rows = file_row.starmap(
                ((job.table, finding) for finding in judged.results), workers=job.workers
            )
            findings += [finding for (_, finding), _ in rows.pairs()]

    files = Counter(source_of.values())
    filed = Counter(source_of[finding.claim.path] for finding in findings)
    for source in job.sources:
        belies = [
            shown(finding.claim.path)
            for finding in findings
            if finding.verdict == "belies" and source_of[finding.claim.path] == source.name
        ]
        missing = files[source.name] - filed[source.name]
        notify(
            job.hook_url,
            Note(current().run_id or "", source.name, filed[source.name], missing, belies),
        )
    return Report(
        files=len(paths),
        filed=len(findings),
        set_aside=len(paths) - len(findings),
        belies=sum(finding.verdict == "belies" for finding in findings),
        kinds=dict(Counter(finding.description for finding in findings).most_common(8)),
    )


def shown(path: str) -> str:
    """A path as text that can be stored and printed: file names need not be valid UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _name_of_sample(sample: Sample) -> str:
    return shown(sample.path)


def _name_of_question(question: Question) -> str:
    return shown(question.claim.path)
