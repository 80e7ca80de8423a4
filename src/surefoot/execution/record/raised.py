"""An exception with all that stands behind it, and the stack as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...classify.chain import context_of, explicit_causes, members
from ...classify.facts import Facts
from ...classify.safely import attribute, fields, text_of
from ..failures import SAID
from .frames import places, told
from .texts import MARGIN, Text, part

__all__ = ["chain", "frames_in", "name_of", "notes", "said", "stack_text"]

CAUSES = 12
"""Exceptions that are told besides the one that was raised."""
EACH = 5
"""Members of one group that are told."""
DEEPEST = 10
MESSAGE = 2_000
"""Characters of a cause's message."""
NOTES, NOTE = 10, 1_000
"""Notes of one exception, and characters of each."""
STACK = 50_000
"""Characters of a stack's text."""
OURS = "surefoot: "

Raw = dict[str, Any]

BETWEEN = {
    "cause": "The above exception was the direct cause of the following exception:",
    "context": "During handling of the above exception, another exception occurred:",
}


def name_of(kind: type) -> str:
    """A class's qualified name, without ``builtins``; of one that lies about it, what type() knows.

    >>> name_of(KeyError), name_of(Facts)
    ('KeyError', 'surefoot.classify.facts.Facts')
    """
    try:
        name = type.__dict__["__qualname__"].__get__(kind)
        module = type.__dict__["__module__"].__get__(kind)
    except Exception:  # a metaclass of the user's, a module that is no text
        return "?"
    if type(name) is not str:
        return "?"
    return name if type(module) is not str or module == "builtins" else f"{module}.{name}"


def said(exc: BaseException, limit: int) -> str:
    """What an exception says, without notes of ours; a text in brackets where it cannot be printed."""
    kept = fields(exc).get(SAID)
    return kept[:limit] if type(kept) is str else text_of(exc, limit)


def chain(exc: BaseException) -> list[Raw]:
    """The exception and those behind it, to be scrubbed: each with how it stands there, and the index
    (``of``) of the one that it stands behind. Cycles, depth and number are bounded."""
    found: list[Raw] = []
    _add(exc, "raised", -1, 0, found, set())
    return found


def _add(
    exc: BaseException, how: str, of: int, depth: int, found: list[Raw], seen: set[int]
) -> None:
    if id(exc) in seen or len(found) > CAUSES or depth > DEEPEST:
        return
    seen.add(id(exc))
    index = len(found)
    found.append(
        {
            "how": how,
            "of": of,
            "type": name_of(type(exc)),
            "message": Text(said(exc, MESSAGE + MARGIN + 1), MESSAGE),
            "frames": part(_frames, exc) or [],
            "notes": part(notes, exc) or [],
        }
    )
    for other, its in part(_behind, exc) or ():
        _add(other, its, index, depth + 1, found, seen)


def _frames(exc: BaseException) -> list[Raw]:
    return told(places(exc))


def _behind(exc: BaseException) -> list[tuple[BaseException, str]]:
    behind = [(one, "cause") for one in explicit_causes(Facts(exc))]
    context = context_of(exc)
    if context is not None:
        behind.append((context, "context"))
    behind += [(one, "member") for one in members(attribute(exc, "exceptions"))[:EACH]]
    return behind


def notes(exc: BaseException) -> list[Text]:
    """The notes that others put on an exception (PEP 678)."""
    kept = attribute(exc, "__notes__")
    if not isinstance(kept, (list, tuple)):
        return []
    texts = [one for one in list(kept)[-100:] if type(one) is str and not one.startswith(OURS)]
    return [Text(one, NOTE) for one in texts[-NOTES:]]


def frames_in(node: Mapping[str, Any], at_most: int = 100) -> list[Raw]:
    """The frames of a scrubbed node as they are kept: without Surefoot's own."""
    kept = [
        {key: one[key] for key in ("file", "line", "module", "function", "code", "own")}
        for one in node["frames"]
        if not one["surefoot"]
    ]
    return kept[-at_most:]


def stack_text(nodes: Sequence[Mapping[str, Any]]) -> str:
    """The scrubbed nodes of :func:`chain` as Python would print them: the oldest cause first, the
    members of a group after it."""
    behind: dict[int, list[int]] = {}
    for index, node in enumerate(nodes):
        behind.setdefault(node["of"], []).append(index)
    parts: list[str] = []
    _print(0, nodes, behind, parts)
    kept = STACK
    for index in range(len(parts) - 1, -1, -1):
        kept -= len(parts[index])
        if kept < 0:  # the raised exception stands near the end
            return "".join(["…\n", *parts[index + 1 :]])
    return "".join(parts)


def _print(
    index: int,
    nodes: Sequence[Mapping[str, Any]],
    behind: Mapping[int, Sequence[int]],
    parts: list[str],
) -> None:
    node = nodes[index]
    others = behind.get(index, ())
    for other in others:
        if nodes[other]["how"] != "member":
            _print(other, nodes, behind, parts)
            parts.append(f"\n{BETWEEN[nodes[other]['how']]}\n\n")
    if node["frames"]:
        parts.append("Traceback (most recent call last):\n")
        parts.extend(map(_printed, node["frames"]))
    text = f": {node['message']}" if node["message"] else ""
    parts.append(f"{node['type']}{text}\n")
    parts.extend(f"{note}\n" for note in node["notes"])
    group = [other for other in others if nodes[other]["how"] == "member"]
    for number, other in enumerate(group, start=1):
        parts.append(f"\nMember {number} of this group:\n\n")
        _print(other, nodes, behind, parts)


def _printed(frame: Mapping[str, Any]) -> str:
    before = f"  [{frame['skipped']:,} frames left out]\n" if frame["skipped"] else ""
    code = f"    {frame['code']}\n" if frame["code"] else ""
    return f'{before}  File "{frame["file"]}", line {frame["line"]}, in {frame["function"]}\n{code}'
