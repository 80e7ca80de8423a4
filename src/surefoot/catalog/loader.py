"""Reading the built-in files and the users' own into a :class:`~surefoot.catalog.index.Catalog`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from surefoot.catalog import toml
from surefoot.catalog.index import Catalog, LazyFile
from surefoot.catalog.kindtable import KindEntry, make_kind
from surefoot.catalog.patterns import EngineName, check_pattern
from surefoot.catalog.problems import CatalogProblem, Fault, nearest
from surefoot.catalog.rule import OF_PACKAGE, OF_USER, Rule, make_rule
from surefoot.errors import ConfigError

__all__ = ["BUILTIN_RULES", "load"]

_HERE = Path(__file__).parent
BUILTIN_RULES = _HERE / "rules"
"""The folder of the built-in rules, one file for each library."""

_FILE_KEYS = frozenset(("library", "packages", "source", "rule", "kind"))
OnProblem = Callable[[CatalogProblem], None]


def load(
    extra: Sequence[Path] = (),
    extra_rules: Mapping[str, Any] | None = None,
    *,
    brought: Sequence[Path] = (),
    on_problem: OnProblem | None = None,
    on_brought: OnProblem | None = None,
    engine: EngineName | None = None,
) -> Catalog:
    """The catalog: the built-in kinds and rules, those that packages bring, and a team's own.

    :param extra: TOML files with ``[[rule]]`` and ``[kind.<id>]`` tables; see docs/rules.md.
    :param extra_rules: the same as a table that was read already, as ``{"rule": [...],
        "kind": {...}}``.
    :param brought: files like ``extra`` that come with installed packages. Their rules stand between
        the team's and the built-in ones; they may register kinds and change none.
    :param on_problem: called for each thing that is wrong in them; what is right is used all the
        same. Without it the first reading with a problem raises.
    :param on_brought: the same for what packages bring, which never raises.
    :param engine: which engine searches messages; None is google-re2 where it is installed.
    :raises ConfigError: naming file, line and what was expected, for everything that is wrong.

    >>> load().kind("timeout").category
    'infrastructure'
    """
    kinds = {
        id: make_kind(id, table)
        for id, table in toml.parse_tables(_read(_HERE / "kinds.toml")).items()
    }
    always: list[Rule] = []
    files: dict[str, tuple[tuple[str, ...], LazyFile]] = {}
    for path in sorted(BUILTIN_RULES.glob("*.toml")):
        text = _read(path)
        packages = tuple(toml.header(text).get("packages", ()))
        reader = partial(_builtin_file, path.name, text)
        if not packages or "builtins" in packages:
            always.extend(reader())
        else:
            files[path.name] = (packages, reader)

    theirs, own = _Own(kinds, OF_PACKAGE, frozenset(kinds)), _Own(kinds)
    for each in brought:
        theirs.read_file(each)
    for each in extra:
        own.read_file(each)
    if extra_rules is not None:
        own.read_table(extra_rules, "the configuration", None)
    theirs.read_rules()
    own.read_rules()
    if on_brought is not None:
        for problem in theirs.problems:
            on_brought(problem)
    if on_problem is not None:
        for problem in own.problems:
            on_problem(problem)
    elif own.problems:
        raise ConfigError("\n".join(map(str, own.problems)))
    return Catalog(kinds, [*own.rules, *theirs.rules, *always], files, own.problems, engine)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _builtin_file(name: str, text: str) -> Iterable[Rule]:
    head, tables = toml.parse_rules(text)
    packages = tuple(head.get("packages", ()))
    library, source = head["library"], head.get("source", "")
    for table in tables:
        yield make_rule(table, library=library, packages=packages, file=name, source=source)


@dataclass
class _Own:
    """Collects the rules and kinds of users, or of packages, and what is wrong with them.

    All kinds are read before the first rule: a rule may speak of a kind that another file registers.
    ``fixed`` are kinds that must not be changed.
    """

    kinds: dict[str, KindEntry]
    standing: int = OF_USER
    fixed: frozenset[str] = frozenset()
    rules: list[Rule] = field(default_factory=list)
    problems: list[CatalogProblem] = field(default_factory=list)
    unread: list[tuple[Mapping[str, Any], str, str | None]] = field(default_factory=list)

    def read_file(self, path: Path) -> None:
        text = ""
        try:
            text = _read(path)
            table = toml.parse(text)
        except OSError as exc:
            reason = exc.strerror or str(exc)
            self._wrong(str(path), None, f"this file of rules cannot be read: {reason}")
        except UnicodeDecodeError as exc:
            self._wrong(str(path), None, f"expected a TOML file in UTF-8: {exc.reason}")
        except toml.TomlError as exc:
            found = re.search(r"line (\d+)", str(exc))
            line = int(found[1]) if found else text.count("\n") + 1
            self._wrong(str(path), line, f"expected TOML: {exc}")
        else:
            self.read_table(table, str(path), text)

    def read_table(self, table: Mapping[str, Any], file: str, text: str | None) -> None:
        """The kinds of a file; its rules wait for :meth:`read_rules`."""
        self.unread.append((table, file, text))
        for key in table:
            if key not in _FILE_KEYS:
                line = _line_of_key(text, 0, key)
                self._wrong(file, line, f"unknown key {key!r}{nearest(key, _FILE_KEYS)}")
        kinds = table.get("kind", {})
        for id, entry in kinds.items() if isinstance(kinds, Mapping) else ():
            start = _line_of(text, rf"\[\s*kind\s*\.\s*[\"']?{re.escape(id)}[\"']?\s*\]")
            try:
                if id in self.fixed:
                    raise Fault(None, f"kind {id!r}: a package may not change a built-in kind")
                self.kinds[id] = make_kind(id, entry, self.kinds.get(id))
            except Fault as fault:
                self._wrong(file, _line_of_key(text, start, fault.key), fault.expected)
        if not isinstance(kinds, Mapping):
            self._wrong(file, None, f"kind: expected tables [kind.<id>], found {kinds!r}")

    def read_rules(self) -> None:
        """The rules of all files that were read."""
        for table, file, text in self.unread:
            self._read_rules(table, file, text)

    def _read_rules(self, table: Mapping[str, Any], file: str, text: str | None) -> None:
        rules = table.get("rule", [])
        if not isinstance(rules, list):
            self._wrong(file, None, f"rule: expected tables [[rule]], found {rules!r}")
            return
        library, packages = table.get("library", "own"), table.get("packages", [])
        if isinstance(packages, str):
            packages = [packages]
        if not isinstance(packages, list) or not all(isinstance(each, str) for each in packages):
            line = _line_of_key(text, 0, "packages")
            self._wrong(file, line, f"packages: expected a list of texts, found {packages!r}")
            packages = []
        for number, entry in enumerate(rules):
            start = _line_of(text, r"\[\[\s*rule\s*\]\]", number)
            try:
                self._add_rule(entry, str(library), tuple(packages), file, start or None)
            except Fault as fault:
                self._wrong(file, _line_of_key(text, start, fault.key), fault.expected)

    def _add_rule(
        self, entry: Any, library: str, packages: tuple[str, ...], file: str, line: int | None
    ) -> None:
        if not isinstance(entry, Mapping):
            raise Fault(None, f"rule: expected a table, found {entry!r}")
        rule = make_rule(
            entry,
            library=library,
            packages=packages,
            file=file,
            user=self.standing == OF_USER,
            standing=self.standing,
            line=line,
        )
        if rule.kind not in self.kinds:
            near = nearest(rule.kind, self.kinds)
            raise Fault(
                "kind",
                f"kind: there is no kind {rule.kind!r}{near}; a table [kind.{rule.kind}] "
                "registers it",
            )
        if rule.message is not None and (wrong := check_pattern(rule.message)) is not None:
            raise Fault("message", f"message: expected a pattern in RE2 syntax: {wrong}")
        if any(each.id == rule.id for each in self.rules):
            raise Fault("id", f"id: two rules are called {rule.id!r}")
        self.rules.append(rule)

    def _wrong(self, file: str, line: int | None, message: str) -> None:
        self.problems.append(CatalogProblem(file, line, message))


def _line_of(text: str | None, pattern: str, number: int = 0) -> int:
    """The line, from 1, of the ``number``-th line that begins with ``pattern``; 0: not found."""
    if text is None:
        return 0
    found = list(re.finditer(rf"(?m)^\s*{pattern}", text))
    return text.count("\n", 0, found[number].end()) + 1 if number < len(found) else 0


def _line_of_key(text: str | None, start: int, key: str | None) -> int | None:
    """The line of ``key`` in the table whose heading stands in line ``start``."""
    if text is None:
        return None
    if key is not None:
        lines = text.split("\n")
        for number in range(start, len(lines)):
            line = lines[number].strip()
            if re.match(rf"(?:\[rule\.)?[\"']?{re.escape(key)}[\"']?\s*[=.\]]", line):
                return number + 1
            if line.startswith("[") and not line.startswith("[rule."):
                break
    return start or None
