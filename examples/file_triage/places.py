"""Where the demo's files come from: three real folders, and one with everything that goes wrong."""

from __future__ import annotations

import os
import struct
import sysconfig
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .loopback import ROOT
from .pipeline import SKIPPED_FOLDERS, Source, picked

DOCUMENTATION = ("/usr/share/doc", "/usr/share/man", "/usr/share/info", "/Library/Documentation")
PLANTED = "planted"
"""Name of the source with the planted files."""


@dataclass(frozen=True)
class Planted:
    """One file that was put there on purpose, and what has to become of it."""

    path: str
    what: str
    expect: str
    """``belies``: a row that flags it; ``row``: any row; ``aside``: no row, set aside;
    ``not_walked``: not even looked at."""


def plant(folder: Path) -> list[Planted]:
    """Make a folder of files that are trouble. They are real: nothing here is simulated."""
    folder.mkdir(parents=True)
    planted: list[Planted] = []

    def add(name: str, what: str, expect: str, content: bytes | None = None) -> Path:
        path = folder / name
        if content is not None:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        planted.append(Planted(str(path), what, expect))
        return path

    add("empty.log", "an empty file", "aside", b"")
    add("dangling.conf", "a link to nowhere", "aside").symlink_to(folder / "never-there")
    add("circle.conf", "a link to itself", "aside").symlink_to(folder / "circle.conf")
    locked = add("locked.ini", "no permission to read", "aside", b"[owner]\nname = somebody\n" * 9)
    locked.chmod(0)
    if os.access(locked, os.R_OK):  # root, and some file systems, read it all the same
        planted[-1] = Planted(str(locked), "no permission, but we are root", "row")
    add("holiday.txt", "a PNG picture named .txt", "belies", _picture())
    page = b"<!doctype html>\n<html><head><title>Invoice</title></head><body>\n%s</body></html>\n"
    add(
        "invoice.pdf", "an HTML page named .pdf", "belies", page % (b"<p>Please log in.</p>\n" * 40)
    )
    script = "import sys\n\n\ndef main() -> None:\n    print(sys.argv)\n\n\nmain()\n" * 8
    add("portrait.jpg", "a Python script named .jpg", "belies", script.encode())
    add("backup.zip/readme.md", "a folder named .zip", "row", b"# Backup\n\nNothing in here.\n" * 8)
    if hasattr(os, "mkfifo"):
        os.mkfifo(add("pipe.csv", "a named pipe", "not_walked"))
        add("to-the-pipe.csv", "a link to a pipe", "aside").symlink_to(folder / "pipe.csv")
    odd_name = os.fsdecode(os.fsencode(folder) + b"/caf\xe9.txt")
    try:
        Path(odd_name).write_bytes(b"A cup of coffee, and the bill, please.\n" * 20)
    except (OSError, UnicodeError):  # this file system takes Unicode names only
        pass
    else:
        planted.append(Planted(odd_name, "a name that is not UTF-8", "row"))
    gone = add("zz-vanishing.log", "vanishes after the walk", "aside", b"here today\n" * 30)
    assert planted[-1].path == str(gone)
    return planted


def _picture(side: int = 64) -> bytes:
    """A PNG: a square with a gradient."""

    def part(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    rows = b"".join(
        b"\0" + bytes((x * 4 + y * shade) % 256 for x in range(side) for shade in (1, 2, 3))
        for y in range(side)
    )
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (part(b"IHDR", head), part(b"IDAT", zlib.compress(rows)), part(b"IEND", b""))
    )


def choose_sources(files: int, roots: Sequence[Path] = ()) -> list[Source]:
    """Sources that come to about ``files`` files together.

    Without ``roots`` they are this repository, Python's standard library and the machine's
    documentation. Each gives the same number of files, as far as it has them.

    :raises ValueError: for a root that is no folder, or without any file.
    """
    if roots:
        folders: list[tuple[str, Path]] = []
        for root in roots:
            path = root.expanduser().resolve()
            if not path.is_dir():
                raise ValueError(f"--root {root}: there is no such folder")
            folders.append((path.name or str(path), path))
    else:
        folders = [("repository", ROOT), ("standard library", Path(sysconfig.get_path("stdlib")))]
        documentation = [Path(folder) for folder in DOCUMENTATION if os.path.isdir(folder)]
        folders += [(f"documentation {folder}", folder) for folder in documentation[:2]]
    counts = [len(list_files(str(folder))) for _, folder in folders]
    takes, left = [0] * len(folders), files
    # the smallest first: what it does not have, the others give
    for done, index in enumerate(sorted(range(len(folders)), key=counts.__getitem__)):
        takes[index] = min(counts[index], left // (len(folders) - done))
        left -= takes[index]
    sources = []
    names: Counter[str] = Counter()
    for (name, folder), count, take in zip(folders, counts, takes, strict=True):
        names[name] += 1
        if take:
            unique = name if names[name] == 1 else f"{name} ({names[name]})"
            sources.append(Source(unique, str(folder), take / count))
    if not sources:
        raise ValueError(f"no files in {', '.join(str(folder) for _, folder in folders)}")
    return sources


def list_files(folder: str) -> list[str]:
    """All files and links to files below a folder. Not the pipeline's own walk: this one checks it."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        for name in names:
            path = os.path.join(parent, name)
            if os.path.islink(path) or os.path.isfile(path):
                found.append(path)
    return found


def expected_files(sources: Sequence[Source]) -> list[str]:
    """What the walk has to find: taken from the disk before the run begins."""
    return [
        path
        for source in sources
        for path in list_files(source.folder)
        if picked(path, source.share)
    ]
