"""``surefoot scrub``: a file or standard input without its secrets, or what they are and why."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from .options import command_options, examples
from .out import counted, plain, write, write_bytes, write_json

if TYPE_CHECKING:
    from ..scrub import Finding, Scrubber

__all__ = ["scrub"]

Read = Callable[[int], bytes]

_MARKS = ((b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"),
          (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # fmt: skip
"""What texts begin with that hold more than a byte for each letter."""


@click.command(
    epilog=examples(
        "surefoot scrub app.log > clean.log",
        "kubectl logs api-0 | surefoot scrub",
        "surefoot scrub app.log --explain    what is hidden, where and why",
        "surefoot scrub app.log --json       the same for programs",
    )
)
@click.argument(
    "file",
    metavar="[FILE]",
    default="-",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
)
@click.option("--explain", is_flag=True, help="Say what would be hidden, where and why; no text.")
@command_options
def scrub(file: str, explain: bool, journal: str | None, as_json: bool) -> int:
    """Write FILE, or standard input, without its secrets.

    What is hidden is what Surefoot hides in all that it shows: see docs/scrubbing.md. The rest comes out
    byte for byte, whatever it is. Digits behind a kind, [github token 3f9a1c], are the same for the same
    secret in all that belongs to one journal.
    """
    from ..runtime import Runtime

    with Runtime(journal, create=False) as runtime:
        scrubber = runtime.scrubber
        if file == "-":
            return _scrub(scrubber, sys.stdin.buffer, "-", explain, as_json)
        with open(file, "rb") as stream:
            return _scrub(scrubber, stream, file, explain, as_json)


def _scrub(scrubber: Scrubber, stream: BinaryIO, file: str, explain: bool, as_json: bool) -> int:
    from ..scrub.stream import pieces

    read, written = _reading(stream)
    if not (explain or as_json):
        for data, found in pieces(scrubber, read):
            write_bytes(written(scrubber.replaced(data, found)))
        return 0
    told: list[dict[str, Any]] = []
    count = 0
    for one in _findings(scrubber, read):
        count += 1
        if as_json:
            told.append(
                {
                    "line": one.line,
                    "column": one.column,
                    "rule": one.rule,
                    "kind": one.kind,
                    "name": one.name or None,
                    "shown": one.shown,
                    "why": one.why,
                }
            )
        else:
            name = f" {one.name}" if one.name else ""
            write(
                plain(f"{file}:{one.line}:{one.column}:{name} {one.shown} ({one.rule}): {one.why}")
            )
    if as_json:
        write_json({"file": file, "count": count, "findings": told})
    else:
        write(counted(count, "finding"))
    return 0


def _findings(scrubber: Scrubber, read: Read) -> Iterator[Finding]:
    from ..scrub.scrubber import moved
    from ..scrub.stream import pieces

    line = column = 1
    for data, found in pieces(scrubber, read):
        yield from scrubber.findings(data, found, line=line, column=column)
        line, column = moved(data.decode("utf-8", "replace"), line, column)


class _Encoder:
    """Writes UTF-8 in another encoding, piece by piece: what it begins with comes once."""

    def __init__(self, encoding: str) -> None:
        self._encoder = codecs.getincrementalencoder(encoding)()

    def __call__(self, data: bytes) -> bytes:
        return self._encoder.encode(data.decode("utf-8", "replace"))


def _reading(stream: BinaryIO) -> tuple[Read, Callable[[bytes], bytes]]:
    """How it is read, and how it is written again. Texts of two or four bytes a letter, which say so,
    are read as UTF-8, and whole: they are what Windows' tools write, and not long."""
    start = stream.read(4)
    for sign, encoding in _MARKS:
        if start.startswith(sign):
            text = (start + stream.read()).decode(encoding, "replace")
            return io.BytesIO(text.encode("utf-8", "replace")).read, _Encoder(encoding)
    first = [start]
    # what is there already, so that a stream that goes on is shown as it comes
    more: Read = getattr(stream, "read1", stream.read)

    def read(size: int) -> bytes:
        return first.pop() or more(size) if first else more(size)

    return read, bytes
