"""Which failures to expect of a step: from its stage, the libraries that it uses, its options.

What a library can raise is known from the catalog: the examples of its rules are held against the
rules as a run would do it, at the step's stage.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Literal

from ...catalog import Catalog, Rule
from ...catalog.examples import build_for
from ...catalog.kindtable import with_retry, without_retry
from ...classify import classify
from ...model import Category, Classification
from .calls import modules_of
from .source import SourceFiles, static

__all__ = ["Because", "Expected", "Expecting", "imports_of"]

By = Literal["stage", "library", "raised", "named", "option", "any code", "journal"]

STAGES: Mapping[str, tuple[frozenset[Category], bool]] = {
    "ingestion": (frozenset(("data",)), True),
    "preprocessing": (frozenset(("data",)), False),
    "inference": (frozenset(("model",)), True),
    "postprocessing": (frozenset(("data",)), True),
    "notification": (frozenset(), True),
}
"""What a stage's failures are about, and whether it mostly talks to somebody else (a service, a
store): then the failures of infrastructure are to be expected, else only those of the machine."""

OF_THE_MACHINE = frozenset(
    ("host_out_of_memory", "process_killed", "process_crashed", "resource_exhausted")
)
"""What any program may meet, whatever it does."""

OF_ANY_CODE = ("bug", "unknown")
PASSING = frozenset(("cancelled", "control_flow"))

FILES = frozenset(("posix", "nt", "_io", "io", "pathlib", "shutil", "tempfile", "glob"))
"""Modules whose use means: files."""
FILE_ERRNOS = frozenset(
    "enospc edquot emfile enfile eacces eperm erofs enoent eio enametoolong eexist efbig estale"
    " enotempty".split()
)
THE_FILE_SYSTEM = "the file system"

SPEAKS: Mapping[str, frozenset[str]] = {
    "status": frozenset("httpx httpx2 requests urllib3 urllib aiohttp http".split()),
    "sqlstate": frozenset("psycopg psycopg2 asyncpg sqlalchemy".split()),
    "grpc": frozenset(("grpc",)),
}
"""Libraries whose errors say an HTTP status, an SQLSTATE or a gRPC status and little else: then the
general rules count. Those whose own rules ask for one are found by that."""


ASKS_MODELS = ("inference", None)


@dataclass(frozen=True)
class Because:
    """Why a failure is expected. ``through``: the step's own code uses it, or only its module
    imports it."""

    by: By
    what: str
    through: Literal["used", "imported", ""] = ""
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expected:
    """One kind of failure, as a run would classify it. ``outcomes``: refused, open or both."""

    classification: Classification
    because: tuple[Because, ...]
    outcomes: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[str, bool, bool]:
        one = self.classification
        return one.kind, one.retryable, one.recoverable


@dataclass(frozen=True)
class _Library:
    """A file of rules."""

    name: str
    packages: tuple[str, ...]
    rules: tuple[Rule, ...]

    @property
    def of_many(self) -> bool:
        """Whether its packages have little to do with each other: then only the rules about classes
        of a package count for it."""
        return any(one in sys.stdlib_module_names for one in self.packages)


class Expecting:
    """Answers for one catalog; what was worked out once is kept."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        by_file: dict[str, list[Rule]] = {}
        for rule in catalog.rules:
            by_file.setdefault(rule.file, []).append(rule)
        self._libraries = [
            _Library(rules[0].library, rules[0].packages, tuple(rules))
            for rules in by_file.values()
            if rules[0].packages and not {"builtins", "surefoot"} & set(rules[0].packages)
        ]
        self._general = [rule for rule in catalog.rules if not rule.packages and not rule.classes]
        self._of_files = [
            rule
            for rule in catalog.rules
            if "builtins" in rule.packages
            and any(one.key == ("errno",) and one.exact & FILE_ERRNOS for one in rule.conditions)
        ]
        self._by_id = {rule.id: rule for rule in catalog.rules}
        self._judged: dict[tuple[str, str | None, bool], Classification] = {}

    # -- parts ----------------------------------------------------------------------------------

    def kind(self, kind: str, stage: str | None, after_inference: bool) -> Classification:
        """A failure of which nothing but its kind is known."""
        found = self.catalog.kinds[kind]
        return Classification(
            kind=kind,
            category=self.catalog.category(kind, stage, after_inference),
            recoverable=found.recoverable or found.retryable,
            retryable=found.retryable,
            rule="none",
            fingerprint="",
            ladder=found.ladder,
            type="",
            message="",
            severity=found.severity,
        )

    def of_stage(self, stage: str | None, after_inference: bool) -> list[Expected]:
        """The kinds that belong to a stage, by their categories."""
        if stage is None:
            return []
        found = []
        for kind in self.catalog.kinds:
            if kind not in PASSING and self._belongs(kind, stage):
                because = Because("stage", stage)
                judged = self.kind(kind, stage, after_inference)
                found.append(Expected(judged, (because,), self._outcomes(kind)))
        return found

    def _belongs(self, kind: str, stage: str) -> bool:
        categories, elsewhere = STAGES[stage]
        own = self.catalog.kinds[kind].category
        category = self.catalog.category(kind, stage, False)
        if category == "infrastructure":
            return elsewhere or kind in OF_THE_MACHINE
        # what is the data's fault before a model was asked is the model's after it
        return category in categories or (own in categories and category == "model")

    def _outcomes(self, kind: str) -> frozenset[str]:
        """What the rules for a kind say of an effect; open where none says anything."""
        said = {rule.outcome for rule in self._general + self._of_files if rule.kind == kind}
        return frozenset(said) or frozenset(("open",))

    def of_any_code(self, stage: str | None, after_inference: bool) -> list[Expected]:
        return [
            Expected(
                self.kind(kind, stage, after_inference),
                (Because("any code", "any code"),),
                frozenset(("open",)),
            )
            for kind in OF_ANY_CODE
        ]

    def of_modules(
        self,
        modules: Iterable[str],
        through: Literal["used", "imported"],
        stage: str | None,
        after_inference: bool,
    ) -> list[Expected]:
        """The kinds that the libraries behind these modules can raise."""
        names = _prefixes(modules)
        found: dict[str, list[Rule]] = {}
        speaks: dict[str, set[str]] = {}
        for library, label, hits in self._behind(names):
            rules = [rule for rule in library.rules if not library.of_many or _about(rule, hits)]
            if rules:
                found.setdefault(label, []).extend(rules)
            for what, plain in SPEAKS.items():
                if hits & plain or any(_asks_for(rule, what) for rule in rules):
                    speaks.setdefault(what, set()).add(label)
        if through == "used" and not names.isdisjoint(FILES):
            found.setdefault(THE_FILE_SYSTEM, []).extend(self._of_files)
        for what, labels in speaks.items():
            for label in labels:
                found.setdefault(label, []).extend(
                    rule for rule in self._general if _asks_for_only(rule, what)
                )
        return [
            one
            for label, rules in sorted(found.items())
            for one in self._of_rules(rules, label, through, stage, after_inference)
        ]

    def _behind(self, names: set[str]) -> Iterator[tuple[_Library, str, set[str]]]:
        """The libraries that modules belong to, as people call them, and by which packages."""
        for library in self._libraries:
            hits = names.intersection(library.packages)
            if library.of_many:
                for hit in sorted(hits):
                    yield library, THE_FILE_SYSTEM if hit in FILES else hit, {hit}
            elif hits:
                yield library, library.name, hits

    def libraries(self, modules: Iterable[str]) -> list[str]:
        """The names of the libraries behind these modules that there are rules about."""
        names = _prefixes(modules)
        found = {label for _, label, _ in self._behind(names)}
        if not names.isdisjoint(FILES):
            found.add(THE_FILE_SYSTEM)
        return sorted(found)

    def without_rules(self, modules: Iterable[str]) -> list[str]:
        """Installed packages behind these modules that no rule is about."""
        known = {one.split(".")[0] for library in self._libraries for one in library.packages}
        roots = {name.split(".")[0] for name in modules}
        return sorted(root for root in roots - known if root != "surefoot" and _installed(root))

    def _of_rules(
        self,
        rules: Iterable[Rule],
        label: str,
        through: Literal["used", "imported"],
        stage: str | None,
        after_inference: bool,
    ) -> list[Expected]:
        found: dict[tuple[str, bool, bool], Expected] = {}
        for rule in rules:
            judged = self.judged(rule, stage, after_inference)
            if judged.kind in PASSING or judged.kind in OF_ANY_CODE:
                continue
            if (
                label in SPEAKS["status"]
                and judged.category == "model"
                and stage not in ASKS_MODELS
            ):
                continue  # a plain client's rules know what model services answer
            because = Because("library", label, through, (judged.rule,))
            one = Expected(judged, (because,), frozenset((judged.outcome,)))
            found[one.key] = merged(found[one.key], one) if one.key in found else one
        return list(found.values())

    def judged(self, rule: Rule, stage: str | None, after_inference: bool) -> Classification:
        """What a rule's example is taken for at a stage: another rule may know better there."""
        key = (rule.id, stage, after_inference)
        if key not in self._judged:
            winner = rule
            try:
                found = classify(
                    build_for(rule),
                    catalog=self.catalog,
                    stage=stage,
                    after_inference=after_inference,
                    now=0.0,
                )
                winner = self._by_id[found.rule]
            except Exception:  # no example, or one of a library's own that cannot be made
                winner = rule
            self._judged[key] = self._of_rule(winner, stage, after_inference)
        return self._judged[key]

    def of_exception(
        self,
        exc: BaseException,
        by: Literal["raised", "named"],
        stage: str | None,
        after_inference: bool,
    ) -> Expected:
        """What an exception is that the step's code raises, or that its ``on(…)`` names."""
        judged = classify(
            exc, catalog=self.catalog, stage=stage, after_inference=after_inference, now=0.0
        )
        rules = () if judged.rule == "none" else (judged.rule,)
        because = Because(by, type(exc).__qualname__, "used", rules)
        plain = replace(judged, fingerprint="", message="", evidence=(), type="")
        return Expected(plain, (because,), frozenset((judged.outcome,)))

    def _of_rule(self, rule: Rule, stage: str | None, after_inference: bool) -> Classification:
        plain = self.kind(rule.kind, stage, after_inference)
        retryable = plain.retryable if rule.retryable is None else rule.retryable
        kind = self.catalog.kinds[rule.kind]
        recoverable = kind.recoverable if rule.recoverable is None else rule.recoverable
        return replace(
            plain,
            category=rule.category or plain.category,
            retryable=retryable,
            recoverable=recoverable or retryable,
            rule=rule.id,
            ladder=with_retry(kind.ladder) if retryable else without_retry(kind.ladder),
            outcome=rule.outcome,
        )


def merged(one: Expected, other: Expected) -> Expected:
    """Both reasons for the same kind of failure."""
    because = list(one.because)
    for each in other.because:
        for number, known in enumerate(because):
            if (known.by, known.what, known.through) == (each.by, each.what, each.through):
                rules = dict.fromkeys((*known.rules, *each.rules))
                because[number] = replace(known, rules=tuple(rules))
                break
        else:
            because.append(each)
    return replace(one, because=tuple(because), outcomes=one.outcomes | other.outcomes)


def imports_of(module: ModuleType | None, files: SourceFiles) -> set[str]:
    """The modules that a module imports, or has objects of: nothing is imported to find out."""
    if module is None:
        return set()
    found = {
        name
        for value in list(vars(module).values())
        for name in modules_of(value)
        if name != module.__name__
    }
    file = static(module, "__file__")
    tree = files.module(file) if isinstance(file, str) else None
    left: list[ast.AST] = [tree] if tree is not None else []
    while left:
        node = left.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if not node.level and node.module:
                found.add(node.module)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            left.extend(ast.iter_child_nodes(node))
    return found


def _prefixes(modules: Iterable[str]) -> set[str]:
    """``a.b.c`` → ``a``, ``a.b``, ``a.b.c``."""
    found: set[str] = set()
    for name in modules:
        parts = name.split(".")
        found.update(".".join(parts[: end + 1]) for end in range(len(parts)))
    return found


def _about(rule: Rule, packages: Iterable[str]) -> bool:
    return any(name.startswith(f"{package}.") for package in packages for name in rule.classes)


def _asks_for(rule: Rule, what: str) -> bool:
    return any(condition.key[0] == what for condition in rule.conditions)


def _asks_for_only(rule: Rule, what: str) -> bool:
    """A rule about a status alone: what a body says belongs to those who write such bodies."""
    return len(rule.conditions) == 1 and rule.message is None and _asks_for(rule, what)


def _installed(root: str) -> bool:
    """Whether a loaded package is a library: installed, and not the standard one."""
    file = static(sys.modules.get(root), "__file__") if root in sys.modules else None
    return isinstance(file, str) and "site-packages" in file.replace("\\", "/").split("/")
