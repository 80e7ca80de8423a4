"""An exception's text, as logs and terminals have it, back to what rules look at.

Gives examples in the shape of :func:`surefoot.catalog.examples.build`.
"""

from __future__ import annotations

import ast
import builtins
import errno
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from ..catalog import Rule
from ..catalog.examples import build
from ..errors import UsageError

__all__ = ["named", "parse", "with_bases"]

RELATIONS = {
    "The above exception was the direct cause of the following exception:": "cause",
    "During handling of the above exception, another exception occurred:": "context",
}
RAISED = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_<]\w*>?)*)(?:: (.*))?$", re.DOTALL)
FRAME = re.compile(r'\s+File ".*", line \d+')
MARGIN = re.compile(r"\s*[|+] ?")
FIRST_MEMBER = re.compile(r"(\s*)\+-\+-{4,} 1 -{4,}$")
GROUPS = ("ExceptionGroup", "BaseExceptionGroup")
"""Built-in from Python 3.11 on; a log may come from a newer one than reads it."""
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
INDENTED = re.compile(r"^[ \t]+Traceback \(most recent call last\):", re.MULTILINE)
LOGGED = re.compile(
    r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d|(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b *[:|\]]"
)
"""How the next record of a log begins: what came before it is the whole message."""
TRACEBACK = "Traceback (most recent call last)"
TYPE_KEYS = (
    *("exc_type", "exception_type", "error_type", "exception.type", "error.type"),
    *("exceptionType", "errorType", "type"),
)
MESSAGE_KEYS = (
    *("exc_value", "exception_message", "error_message", "exception.message", "error.message"),
    *("message", "msg", "value", "exceptionMessage", "errorMessage", "text"),
)
LIKE_A_CLASS = re.compile(r"(?:[A-Za-z_]\w*\.)+[A-Z]\w*|[A-Z]\w*(?:Error|Exception)")
RECORDS_DEEP = 6
STATUSES = tuple(
    map(
        re.compile,
        (
            r"^Error code: (\d{3})\b",  # openai, anthropic
            r"^(?:Client|Server) error '(\d{3}) ",  # httpx
            r"^(\d{3}) (?:Client|Server) Error: ",  # requests
            r"^(\d{3}) [A-Z_]+\. ",  # google-genai
        ),
    )
)


def parse(text: str) -> dict[str, Any]:
    """The exception that a traceback, its last line, or a logged line of JSON tells of.

    >>> parse("httpx.ConnectError: [Errno 111] Connection refused")["type"]
    'httpx.ConnectError'
    >>> parse("rate limit reached")
    {'type': 'builtins.Exception', 'message': 'rate limit reached'}
    >>> parse('{"level": "error", "exc_type": "KeyError", "exc_value": "price"}')
    {'type': 'builtins.KeyError', 'message': 'price'}
    """
    return _logged(text) or _told(text)


def _told(text: str) -> dict[str, Any]:
    text = ANSI.sub("", text)  # Python 3.13 prints in colours
    if INDENTED.search(text):
        text = textwrap.dedent(text)
    example: dict[str, Any] | None = None
    for relation, lines in _chunks(text):
        one = _exception(lines)
        if one is None:
            continue
        if example is not None:
            one[relation] = example
        example = one
    if example is None:
        example = {"type": "builtins.Exception", "message": text.strip()}
    return example


def _logged(text: str) -> dict[str, Any] | None:
    """The exception of a record that was logged as JSON; of several the last one that has one."""
    whole = text.strip()
    for line in (whole, *reversed(whole.splitlines())):
        if line.startswith("{"):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            found = _of_record(record)
            if found is not None:
                return found
    return None


def _of_record(record: dict[str, Any]) -> dict[str, Any] | None:
    """A traceback somewhere in a record; else a class and a message, side by side."""
    tables = list(_tables(record, RECORDS_DEEP))
    for one in tables:
        for value in one.values():
            if isinstance(value, str) and TRACEBACK in value:
                return _told(value)
    for one in tables:
        name = _first_text(one, TYPE_KEYS)
        message = _first_text(one, MESSAGE_KEYS) or ""
        if name is not None and (_is_builtin(name) or LIKE_A_CLASS.fullmatch(name)):
            return _enriched({"type": _module_of(name), "message": message})
    return None


def _tables(value: Any, deep: int) -> Iterator[dict[str, Any]]:
    """All objects in a record, the outer ones first."""
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value
    for one in inner if deep else ():
        if isinstance(one, (dict, list)):
            yield from _tables(one, deep - 1)


def _first_text(table: dict[str, Any], names: Iterable[str]) -> str | None:
    return next((table[name] for name in names if isinstance(table.get(name), str)), None)


def _chunks(text: str) -> Iterable[tuple[str, list[str]]]:
    """The tracebacks of a chain, the first one raised first."""
    relation, lines = "context", list[str]()
    for line in text.splitlines():
        bare = MARGIN.sub("", line, count=1) if line.startswith("  |") else line
        if bare.strip() in RELATIONS and not _inside_group(line):
            yield relation, lines
            relation, lines = RELATIONS[bare.strip()], []
        else:
            lines.append(line)
    yield relation, lines


def _inside_group(line: str) -> bool:
    return line.startswith("    |")


def _exception(lines: list[str]) -> dict[str, Any] | None:
    """One exception without its chain; a group with its members."""
    for number, line in enumerate(lines):
        first = FIRST_MEMBER.match(line)
        if first:
            group = _exception([MARGIN.sub("", one, count=1) for one in lines[:number]])
            members = _members(lines[number + 1 :], len(first[1]) + 2)
            if group is not None and members:
                return {**group, "members": members}
    return _plain(lines)


def _members(lines: list[str], indent: int) -> list[dict[str, Any]]:
    border = re.compile(rf"\s{{{indent}}}\+-{{4,}}")
    parts: list[list[str]] = [[]]
    for line in lines:
        if border.match(line):
            parts.append([])
        else:
            parts[-1].append(line[indent + 2 :] if line[indent : indent + 1] == "|" else line)
    found = (_exception(part) for part in parts)
    return [one for one in found if one is not None]


def _plain(lines: list[str]) -> dict[str, Any] | None:
    frames = [number for number, line in enumerate(lines) if FRAME.match(line)]
    if frames:
        start = next(
            (n for n in range(frames[-1] + 1, len(lines)) if lines[n][:1].strip()), len(lines)
        )
        candidates = range(start, min(start + 1, len(lines)))
    else:
        candidates = range(len(lines) - 1, -1, -1)
    for number in candidates:
        match = RAISED.match(lines[number])
        if match is None or not (frames or _is_class(match[1], match[2])):
            continue
        rest = []
        for line in lines[number + 1 :]:
            if LOGGED.match(line):
                break
            if not line.startswith("surefoot: "):
                rest.append(line)
        message = "\n".join([match[2] or "", *rest]).strip()
        return _enriched({"type": _module_of(match[1]), "message": message})
    return None


def _is_class(name: str, message: str | None) -> bool:
    """Whether a line that stands alone names a class: `Note: …` in a text does not."""
    return _is_builtin(name) or ("." in name and message is not None)


def _is_builtin(name: str) -> bool:
    known = getattr(builtins, name, None)
    return name in GROUPS or (isinstance(known, type) and issubclass(known, BaseException))


def _module_of(name: str) -> str:
    return f"builtins.{name}" if _is_builtin(name) else name


def _enriched(example: dict[str, Any]) -> dict[str, Any]:
    """What a client keeps in attributes stands in its message as well."""
    name, message = example["type"], example["message"]
    number = re.match(r"\[Errno (\d+)\] (.*)", message, re.DOTALL)
    if number and int(number[1]) in errno.errorcode and name.startswith("builtins."):
        return {**example, "errno": errno.errorcode[int(number[1])], "message": number[2]}
    for pattern in STATUSES:
        status = pattern.search(message)
        if status:
            example["status"] = int(status[1])
    body = re.match(r"Error code: \d{3} - (\{.*\})", message, re.DOTALL)
    if body:
        _add_body(example, body[1])
    aws = re.match(r"An error occurred \((\w+)\) when calling .*?: (.*)", message, re.DOTALL)
    if aws:
        example["body"] = {"Error": {"Code": aws[1], "Message": aws[2]}}
    inner = re.match(r"\((\w+(?:\.\w+)+)\) (.*)", message, re.DOTALL)
    if inner and name.startswith("sqlalchemy."):
        example["orig"] = {"type": inner[1], "message": inner[2].partition("\n[SQL: ")[0]}
    code = re.search(
        r"returned non-zero exit status (\d+)|died with <Signals\.\w+: (\d+)>", message
    )
    if code:
        example["exit_code"] = int(code[1]) if code[1] else -int(code[2])
    return example


def _add_body(example: dict[str, Any], text: str) -> None:
    try:
        body = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return  # cut, or a repr of something else
    example["body"] = body


def _as_openai(example: dict[str, Any]) -> dict[str, Any]:
    """openai's exceptions hold what stands under "error", and some of it as attributes."""
    body = example["body"]
    inner = body.get("error")
    body = inner if isinstance(inner, dict) else body
    attrs = {name: body[name] for name in ("code", "type", "param") if name in body}
    return {**example, "body": body, "attrs": {**attrs, **example.get("attrs", {})}}


def named(name: str, rules: Iterable[Rule]) -> str:
    """The qualified name of an exception class that was given with or without its module.

    :raises UsageError: no rule knows a class of this name.
    """
    if not all(part.isidentifier() or part == "<locals>" for part in name.split(".")):
        raise UsageError(f"{name!r} is no class: expected one such as openai.RateLimitError")
    if "." in name:
        return name
    if _is_builtin(name):
        return f"builtins.{name}"
    found = sorted(
        {each for rule in rules for each in rule.classes if each.rpartition(".")[2] == name},
        key=lambda each: (each.count("."), each),
    )
    if not found:
        raise UsageError(
            f"{name!r} is no built-in exception, and no rule names it; give it with its module, "
            "as --type openai.RateLimitError"
        )
    if len({each.partition(".")[0] for each in found}) > 1:
        raise UsageError(f"{name!r} may be {' or '.join(found)}; give it with its module")
    return found[0]


def with_bases(example: dict[str, Any], rules: Iterable[Rule]) -> dict[str, Any]:
    """The example with its class's base classes, where a rule's own example tells them; through
    its causes and members too."""
    every = list(rules)
    told = dict(example)
    if told["type"].startswith("openai.") and isinstance(told.get("body"), dict):
        told = _as_openai(told)
    if "bases" not in told and not told["type"].startswith("builtins."):
        bases = _bases_of(told["type"], every)
        if bases:
            told["bases"] = bases
    for key in ("cause", "context", "orig"):
        if key in told:
            told[key] = with_bases(told[key], every)
    if told["type"].removeprefix("builtins.") in GROUPS and "members" not in told:
        told["type"] = told["type"].replace("builtins.", "exceptiongroup.")  # no real one is empty
    if "members" in told:
        told = _as_group(told, [with_bases(one, every) for one in told["members"]])
    return told


def _as_group(example: dict[str, Any], members: list[dict[str, Any]]) -> dict[str, Any]:
    """A real group where Python has them; else one that looks like it."""
    told = {**example, "message": re.sub(r" \(\d+ sub-exceptions?\)$", "", example["message"])}
    module, _, name = told["type"].rpartition(".")
    if module != "builtins" or name not in GROUPS:
        return {**told, "members": members}
    if sys.version_info < (3, 11):
        return {**told, "type": f"exceptiongroup.{name}", "members": members}
    del told["members"]
    return {**told, "args": [told["message"], [build(one) for one in members]]}


def _bases_of(name: str, rules: list[Rule]) -> list[str]:
    package = name.partition(".")[0]
    for rule in rules:
        if package not in rule.packages and name not in rule.classes:
            continue
        example = rule.example or {}
        if example.get("type", next(iter(rule.classes), None)) == name and "bases" in example:
            return list(example["bases"])
    return []
