"""One rule of the catalog: how an exception is recognised, and as which kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from surefoot.catalog.problems import Fault, nearest
from surefoot.catalog.toml import parse
from surefoot.model import CATEGORIES, STAGES, Category, Outcome

__all__ = [
    "AFTER_INFERENCE",
    "OF_CATALOG",
    "OF_PACKAGE",
    "OF_USER",
    "RULE_KEYS",
    "Condition",
    "FactKey",
    "Rule",
    "make_rule",
]

AFTER_INFERENCE = "after_inference"
"""Stands beside the stages in a rule's ``stage``: a model was asked before, in this same run."""

OF_USER, OF_PACKAGE, OF_CATALOG = 2, 1, 0
"""Whose rule it is: the user's own go before those that packages bring, and those before ours."""

FactKey = tuple[str, ...]
"""What is read off an exception: ``("status",)``, ``("attr", "error", "type")`` …"""

# Conditions on one value, in the order in which they decide where a rule is looked for.
_STATUS_CLASSES = frozenset(("4xx", "5xx"))
_VALUED = ("status", "errno", "sqlstate", "grpc", "exit_code")
RULE_KEYS = frozenset(
    (
        *(
            "id",
            "kind",
            "class",
            "category",
            "outcome",
            "retryable",
            "recoverable",
            "wrapper",
            "exact",
        ),
        *_VALUED,
        *("stage", "attr", "body", "message", "truncated", "source", "example", "note"),
    )
)


@dataclass(frozen=True)
class Condition:
    """``key`` must have one of the values ``exact``, or one that begins with one of ``prefixes``.

    Values are compared as text in lower case. ``label`` stands in evidence: ``attr error.type``.
    """

    key: FactKey
    label: str
    exact: frozenset[str]
    prefixes: tuple[str, ...] = ()

    def find(self, values: tuple[str, ...]) -> str | None:
        """The first of ``values`` that fits."""
        for value in values:
            if value in self.exact or (self.prefixes and value.startswith(self.prefixes)):
                return value
        return None


@dataclass(frozen=True)
class Rule:
    """How an exception is recognised; see docs/rules.md for what each field means.

    ``example_source`` is the example as it was read: a table, or TOML text that is parsed when
    someone asks for :attr:`example`. ``standing`` is whose rule it is, see :data:`OF_USER`; ``line``
    is where it begins in its file, None where that is not known.
    """

    id: str
    kind: str
    library: str
    packages: tuple[str, ...]
    file: str
    classes: tuple[str, ...] = ()
    category: Category | None = None
    outcome: Outcome = "open"
    retryable: bool | None = None
    recoverable: bool | None = None
    wrapper: bool = False
    exact: bool = False
    conditions: tuple[Condition, ...] = ()
    stages: frozenset[str] = frozenset()
    message: str | None = None
    truncated: bool | None = None
    source: str = ""
    user: bool = False
    example_source: Mapping[str, Any] | str | None = None
    standing: int = OF_CATALOG
    line: int | None = None

    @property
    def example(self) -> Mapping[str, Any] | None:
        """The example as a table, or None."""
        raw = self.example_source
        if isinstance(raw, str):
            table: Mapping[str, Any] = parse(raw)["example"]
            return table
        return raw

    @property
    def scoped(self) -> bool:
        """Whether its conditions count only for exceptions of its packages."""
        return bool(self.packages) and "builtins" not in self.packages

    @property
    def is_broad(self) -> bool:
        """Whether it wants any of a class of values (``5xx``, ``08*``); an exact one comes first."""
        return any(
            condition.prefixes or not condition.exact.isdisjoint(_STATUS_CLASSES)
            for condition in self.conditions
        )

    @property
    def weight(self) -> int:
        """How many conditions it has; more win over fewer."""
        return (
            bool(self.classes)
            + len(self.conditions)
            + bool(self.stages)
            + (self.message is not None)
            + (self.truncated is not None)
            + self.exact
        )


def make_rule(
    table: Mapping[str, Any],
    *,
    library: str,
    packages: tuple[str, ...],
    file: str,
    source: str = "",
    user: bool = False,
    standing: int | None = None,
    line: int | None = None,
) -> Rule:
    """A rule from a table of TOML.

    :param standing: whose it is; None is the user's if ``user``, else the catalog's.
    :raises Fault: naming the key that is wrong and what was expected.
    """
    for key in table:
        if key not in RULE_KEYS:
            raise Fault(key, f"unknown key {key!r}{nearest(key, RULE_KEYS)}")
    conditions = [
        *_paths(table, "attr"),
        *_paths(table, "body"),
        *(_condition(key, _list(table, key)) for key in _VALUED if key in table),
    ]
    rule = Rule(
        id=_text(table, "id"),
        kind=_text(table, "kind"),
        library=library,
        packages=packages,
        file=file,
        classes=tuple(_strings(table, "class")),
        category=_choice(table, "category", CATEGORIES),
        outcome=_choice(table, "outcome", ("open", "refused")) or "open",
        retryable=_flag(table, "retryable"),
        recoverable=_flag(table, "recoverable"),
        wrapper=_flag(table, "wrapper") or False,
        exact=_flag(table, "exact") or False,
        conditions=tuple(conditions),
        stages=frozenset(_stages(table)),
        message=_text(table, "message") if "message" in table else None,
        truncated=_flag(table, "truncated"),
        source=_text(table, "source") if "source" in table else source,
        user=user,
        example_source=_example(table),
        standing=(OF_USER if user else OF_CATALOG) if standing is None else standing,
        line=line,
    )
    if rule.exact and not rule.classes:
        raise Fault("exact", "exact: it goes with class: only that class itself, no derived one")
    if not rule.classes and rule.message is None and not rule.conditions:
        raise Fault(
            None,
            f"rule {rule.id!r} would match everything: give it a class, a message, or one of "
            f"{', '.join(_VALUED)}, attr, body",
        )
    return rule


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise Fault(key if key in table else None, f"{key}: expected a text, found {value!r}")
    return value


def _flag(table: Mapping[str, Any], key: str) -> bool | None:
    value = table.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise Fault(key, f"{key}: expected true or false, found {value!r}")


def _choice(table: Mapping[str, Any], key: str, choices: tuple[Any, ...]) -> Any:
    value = table.get(key)
    if value is None or value in choices:
        return value
    raise Fault(key, f"{key}: expected one of {', '.join(choices)}, found {value!r}")


def _list(table: Mapping[str, Any], key: str) -> list[Any]:
    value = table.get(key, [])
    values = value if isinstance(value, list) else [value]
    for each in values:
        if not isinstance(each, (str, int, float)):
            raise Fault(key, f"{key}: expected a text, a number or a list of them, found {each!r}")
    if key in table and not values:
        raise Fault(key, f"{key}: an empty list never matches")
    return values


def _strings(table: Mapping[str, Any], key: str) -> list[str]:
    values = _list(table, key)
    for each in values:
        if not isinstance(each, str):
            raise Fault(key, f"{key}: expected a text or a list of texts, found {each!r}")
    return values


def _stages(table: Mapping[str, Any]) -> list[str]:
    known = (*STAGES, AFTER_INFERENCE)
    for each in (stages := _strings(table, "stage")):
        if each not in known:
            raise Fault(
                "stage",
                f"stage: expected some of {', '.join(known)}, found {each!r}{nearest(each, known)}",
            )
    return stages


def _paths(table: Mapping[str, Any], key: str) -> list[Condition]:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise Fault(key, f'{key}: expected a table such as {{ "code" = "x" }}, found {value!r}')
    return [_condition(key, _list(value, path), path) for path in value]


def _condition(name: str, values: list[Any], path: str = "") -> Condition:
    texts = [_as_text(value) for value in values]
    if name == "status":
        for text in texts:
            if text not in _STATUS_CLASSES and not (text.isdigit() and 100 <= int(text) <= 999):
                raise Fault(name, f'status: expected numbers such as 429, "4xx" or "5xx", {text!r}')
    elif name == "errno":
        for value in values:
            if not isinstance(value, str) or not value.isupper() or value[0] != "E":
                raise Fault(
                    name, f"errno: expected names of the errno module, such as ENOSPC, {value!r}"
                )
    return Condition(
        (name, *(path.split(".") if path else ())),
        f"{name} {path}" if path else name,
        frozenset(text for text in texts if not text.endswith("*")),
        tuple(text[:-1] for text in texts if text.endswith("*")),
    )


def _as_text(value: Any) -> str:
    return str(value).lower()


def _example(table: Mapping[str, Any]) -> Mapping[str, Any] | str | None:
    example = table.get("example")
    if example is None or isinstance(example, (str, Mapping)):
        return example
    raise Fault("example", f"example: expected a table, found {example!r}")
