"""Reading TOML: properly for users' files, quickly for the built-in ones.

``tomllib`` needs a quarter of a millisecond for one rule, which makes 300 ms of a catalog of 1,200.
The built-in files keep to plain lines (``key = value``, ``[table]``, ``[[rule]]``), so
:func:`parse_rules` reads those by itself in a twentieth of the time, hands a value that it does not
know to ``tomllib``, and the whole file where that fails too. tests/catalog/test_toml.py compares
both readings of every built-in file.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

__all__ = ["ParsedRules", "TomlError", "header", "parse", "parse_rules", "parse_tables"]

_tomllib: Any = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
TomlError: type[ValueError] = _tomllib.TOMLDecodeError
_NOT_PLAIN = (ValueError, IndexError, StopIteration)
_CONSTANTS: Mapping[str, bool] = {"true": True, "false": False}


class ParsedRules(NamedTuple):
    """A file of rules. An example is left as TOML text: only tests and people read examples."""

    head: dict[str, Any]
    rules: list[dict[str, Any]]


def parse(text: str) -> dict[str, Any]:
    """TOML to a dict.

    :raises TomlError: naming line and column.

    >>> parse('library = "httpx"')
    {'library': 'httpx'}
    """
    table: dict[str, Any] = _tomllib.loads(text)
    return table


def header(text: str) -> dict[str, Any]:
    """What stands before a file's first ``[[rule]]``, without reading the rules.

    >>> header('packages = ["httpx"]\\n[[rule]]\\nid = "httpx.x"')
    {'packages': ['httpx']}
    """
    head, _, _ = text.partition("\n[[")
    try:
        return _lines(head)
    except _NOT_PLAIN:
        return parse(head)


def parse_rules(text: str) -> ParsedRules:
    """A built-in file of rules.

    >>> parse_rules('library = "x"\\n[[rule]]\\nid = "x.a"\\nstatus = [429, "5xx"]').rules
    [{'id': 'x.a', 'status': [429, '5xx']}]
    """
    first, *chunks = ("\n" + text).split("\n[[rule]]\n")
    try:
        rules = []
        for chunk in chunks:
            body, found, example = chunk.partition("\n[rule.example]\n")
            rule = _lines(body)
            if found:
                rule["example"] = f"[example]\n{example}".replace("\n[rule.example.", "\n[example.")
            rules.append(rule)
        return ParsedRules(_lines(first), rules)
    except _NOT_PLAIN:
        whole = parse(text)
        return ParsedRules(whole, whole.pop("rule", []))


def parse_tables(text: str) -> dict[str, dict[str, Any]]:
    """A built-in file of plain tables, such as ``kinds.toml``.

    >>> parse_tables('[a]\\nx = 1\\n[b]\\nx = 2')
    {'a': {'x': 1}, 'b': {'x': 2}}
    """
    _, *chunks = ("\n" + text).split("\n[")
    try:
        tables = {}
        for chunk in chunks:
            name, _, body = chunk.partition("]\n")
            tables[name] = _lines(body)
        return tables
    except _NOT_PLAIN:
        return parse(text)


def _lines(text: str) -> dict[str, Any]:
    """``key = value`` lines to a dict. One of ``_NOT_PLAIN``: not as plain as hoped."""
    found: dict[str, Any] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if not line or line[0] == "#":
            continue
        key, equals, value = line.partition(" = ")
        if not equals or not key.replace("_", "a").isalpha():
            raise ValueError(line)
        if value[0] == "[" and value[-1] != "]":
            more = ""
            while more != "]":
                more = next(lines)  # StopIteration: it ends in another way
                value += "\n" + more
        found[key] = _value(value)
    return found


_PAIR = re.compile(
    r'\s*(?:"([^"\\]+)"|([\w-]+))\s*=\s*("[^"\\]*"|\[[^\[\]{}\'\\#]*\]|-?[0-9]+|true|false)\s*(?:,|$)'
)


def _inline(text: str) -> dict[str, Any] | None:
    """An inline table of plain keys and values; None: not as plain as hoped.

    >>> _inline('{ code = ["a", "b"], "error.type" = "x" }'), _inline("{ a.b = 1 }")
    ({'code': ['a', 'b'], 'error.type': 'x'}, None)
    """
    if text[-1] != "}":
        return None
    found: dict[str, Any] = {}
    at, end = 1, len(text.rstrip("} "))
    while at < end:
        pair = _PAIR.match(text, at, end)
        if pair is None:
            return None
        quoted, bare, value = pair.groups()
        try:
            found[quoted or bare] = json.loads(value)
        except ValueError:  # a trailing comma
            return None
        at = pair.end()
    return found


def _value(text: str) -> Any:
    first, last = text[0], text[-1]
    if first == last and first in "'\"" and len(text) > 1 and text.find(first, 1) == len(text) - 1:
        if "\\" not in text or first == "'":
            return text[1:-1]
    elif first == "[":
        try:
            return json.loads(text)
        except ValueError:
            pass  # single quotes, a trailing comma, a comment: TOML that is no JSON
    elif first == "{":
        table = _inline(text)
        if table is not None:
            return table
    elif text in _CONSTANTS:
        return _CONSTANTS[text]
    elif text.isdigit():
        return int(text)
    return parse(f"value = {text}")["value"]
