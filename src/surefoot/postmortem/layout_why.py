"""Two sections of a page: why it was classified and decided so, and the cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .blocks import Block, Para, Pre, Rows, Table
from .model import Cause, Classified
from .words import code, counted, cut, iso, joined, moment, short, took

__all__ = ["causes", "why"]


# -- why ------------------------------------------------------------------------------------------


def why(every: Sequence[Classified]) -> Iterator[Block]:
    if not every:
        yield Para("No attempt failed.")
        return
    for one in every:
        where = code(one.step) if one.step else "The workflow's own code"
        number = "" if not one.calls else f", {counted(one.failures, 'failed attempt')}"
        title = f" ({one.title})" if one.title else ""
        yield Para(f"{where}: {code(one.kind)}{title}, {one.category}{number}.")
        rows = [("rule", one.rule)]
        if one.evidence:
            rows.append(
                ("evidence", "; ".join(f"{each.what}: {each.value}" for each in one.evidence))
            )
        if one.meaning:
            rows.append(("means", one.meaning))
        rows.append(("so it is", _so(one)))
        if one.retry_after_seconds is not None:
            rows.append(("asked for", f"a wait of {took(one.retry_after_seconds)}"))
        if one.ladder:
            rows.append(("catalog's ladder", " → ".join(one.ladder)))
        for each in one.decided:
            waited = f", {took(each.waited_seconds)} of waits in all" if each.waited_seconds else ""
            because = f": {' | '.join(each.reasons)}" if each.reasons else ""
            times = f" ({each.failures:,} ×{waited})" if each.failures > 1 or waited else ""
            rows.append(("decided", f"{each.words}{times}{because}"))
        rows.append(("fingerprint", code(one.fingerprint)))
        yield Rows(tuple(rows))


def _so(one: Classified) -> str:
    parts = []
    if one.recoverable is not None:
        parts.append("recoverable" if one.recoverable else "a person must act first")
    if one.retryable is not None:
        parts.append("the same call may succeed" if one.retryable else "the same call fails again")
    if one.outcome == "refused":
        parts.append("surely nothing was done")
    return joined(parts) or "known"


# -- the cause ------------------------------------------------------------------------------------


def causes(every: Sequence[Cause]) -> Iterator[Block]:
    if not every:
        yield Para("There is no exception to tell of.")
        return
    for one in every:
        yield from _cause(one)


def _cause(one: Cause) -> Iterator[Block]:
    where = code(one.step) if one.step else "The workflow's own code"
    if one.item is not None:
        where += f", item {one.item}"
    if one.attempt is not None:
        where += f", attempt {one.attempt}"
    type_ = one.type.removeprefix("builtins.")
    yield Para(f"{where}, at {moment(one.at)}: {code(type_)}: {cut(one.message, 500)}")
    own = [frame for frame in one.frames if frame.own]
    if own:
        lines = tuple(
            (short(frame.function), f"{frame.file}:{frame.line or '?'}", frame.code)
            for frame in own[-12:]
        )
        yield Table("Your own code, the failing line last", ("function", "where", "line"), lines)
    elif one.frames:
        last = one.frames[-1]
        yield Para(f"None of your own code is on the stack; it failed in {last.file}:{last.line}.")
    for link in one.causes:
        how = {"cause": "caused by", "context": "while handling", "member": "one of its members"}
        at = next((frame for frame in reversed(link.frames) if frame.own), None)
        place = f" ({at.file}:{at.line or '?'})" if at is not None else ""
        yield Para(
            f"{how.get(link.how, link.how)} {code(link.type)}: {cut(link.message, 300)}{place}"
        )
    rows = [("note", note) for note in one.notes]
    if one.resource:
        rows.append(("resource", one.resource))
    if one.thread:
        rows.append(("in", f"thread {one.thread}" + (f", task {one.task}" if one.task else "")))
    rows += _environment(one)
    if one.code:
        rows.append(("code digest", one.code))
    if rows:
        yield Rows(tuple(rows))
    if one.inputs:
        told = tuple(
            (each.name, each.type, each.preview, "" if each.size is None else f"{each.size:,}")
            for each in one.inputs
        )
        yield Table("Its inputs", ("name", "type", "value", "size"), told)
    if one.locals:
        yield Table("Local variables", ("name", "value"), one.locals)
    if one.breadcrumbs:
        crumbs = tuple(
            ((iso(each.at) or "")[11:23], each.level, each.logger, cut(each.message, 300))
            for each in one.breadcrumbs
        )
        yield Table("Logged before it failed (UTC)", ("at", "level", "logger", "message"), crumbs)
    if one.stack:
        yield Pre("Traceback", one.stack.rstrip("\n"))


def _environment(one: Cause) -> Iterator[tuple[str, str]]:
    env = one.environment
    if env is None:
        return
    if env.host:
        yield "host", f"{env.host}, process {env.pid}" if env.pid is not None else env.host
    versions = [f"Python {env.python}" if env.python else "", env.platform or ""]
    versions.append(f"Surefoot {env.surefoot}" if env.surefoot else "")
    if any(versions):
        yield "ran on", ", ".join(part for part in versions if part)
    if env.packages:
        yield "packages", ", ".join(f"{name} {version}" for name, version in env.packages)
    if env.git_commit:
        branch = f" on {env.git_branch}" if env.git_branch else ""
        yield "git commit", f"{env.git_commit}{branch}"
    if env.cwd:
        yield "folder", env.cwd
    if env.argv:
        yield "command", env.argv
