"""Tables of ``kinds.toml``, and of users' ``[kind.<id>]``, to kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

from surefoot.catalog.problems import Fault, nearest
from surefoot.catalog.rule import AFTER_INFERENCE
from surefoot.model import CATEGORIES, RUNGS, STAGES, Category, Kind, Ladder, Rung, Severity

__all__ = ["KIND_KEYS", "KindEntry", "careful_ladder", "make_kind", "with_retry", "without_retry"]

KIND_KEYS = frozenset(
    (
        *("category", "recoverable", "retryable", "severity", "ladder"),
        *("title", "meaning", "causes", "action", "categories"),
    )
)
SEVERITIES: tuple[str, ...] = get_args(Severity)
_NUMBERS = frozenset(("attempts", "within", "base", "cap"))


class KindEntry(NamedTuple):
    """A kind, the categories that a stage gives it where it is not its own, and why it happens.

    ``causes`` is for people alone: nothing is decided by it.
    """

    kind: Kind
    categories: Mapping[str, Category]
    causes: str = ""


def make_kind(id: str, table: Mapping[str, Any], base: KindEntry | None = None) -> KindEntry:
    """A kind from a table of TOML; ``base`` is the built-in one that the table changes.

    :raises Fault: naming the key that is wrong and what was expected.
    """
    if not isinstance(table, Mapping):
        raise Fault(None, f"kind {id!r}: expected a table, found {table!r}")
    if not id.replace("_", "a").isalnum() or not id.islower():
        raise Fault(None, f"kind {id!r}: expected small letters, digits and underscores")
    for key in table:
        if key not in KIND_KEYS:
            raise Fault(key, f"unknown key {key!r}{nearest(key, KIND_KEYS)}")
    category = _one_of(table, "category", CATEGORIES)
    if base is None and category is None:
        raise Fault(None, f"kind {id!r}: category is missing: one of {', '.join(CATEGORIES)}")
    recoverable, retryable = _flag(table, "recoverable"), _flag(table, "retryable")
    old = base.kind if base is not None else None
    kind = Kind(
        id=id,
        category=category or (old.category if old else "code"),
        recoverable=_pick(recoverable, old.recoverable if old else None, bool(retryable)),
        retryable=_pick(retryable, old.retryable if old else None, False),
        ladder=old.ladder if old else (),
        severity=_one_of(table, "severity", SEVERITIES) or (old.severity if old else "error"),
        title=_text(table, "title") or (old.title if old else id.replace("_", " ").capitalize()),
        meaning=_text(table, "meaning") or (old.meaning if old else ""),
        action=_text(table, "action") or (old.action if old else ""),
    )
    ladder = _ladder(table, kind) if "ladder" in table else kind.ladder
    if not ladder:
        ladder = careful_ladder(kind)
    if kind.retryable != any(rung.name == "retry" for rung in ladder):
        if "ladder" in table:
            raise Fault(
                "ladder",
                "ladder: a rung 'retry' stands in it if, and only if, the kind is retryable",
            )
        ladder = with_retry(ladder) if kind.retryable else without_retry(ladder)
    categories = _categories(table) or (base.categories if base else {})
    causes = _text(table, "causes") or (base.causes if base else "")
    return KindEntry(replace(kind, ladder=ladder), MappingProxyType(dict(categories)), causes)


def careful_ladder(kind: Kind) -> Ladder:
    """The ladder of a user's kind that names none."""
    rungs = (Rung("adapt"), Rung("fall_back"), Rung("halt"))
    return with_retry(rungs) if kind.retryable else rungs


def with_retry(ladder: Ladder) -> Ladder:
    """``ladder`` with a retry before all else."""
    if any(rung.name == "retry" for rung in ladder):
        return ladder
    return (Rung("retry"), *ladder)


def without_retry(ladder: Ladder) -> Ladder:
    """``ladder`` without its retry."""
    return tuple(rung for rung in ladder if rung.name != "retry")


def _pick(given: bool | None, old: bool | None, default: bool) -> bool:
    if given is not None:
        return given
    return default if old is None else old


def _one_of(table: Mapping[str, Any], key: str, choices: tuple[Any, ...]) -> Any:
    value = table.get(key)
    if value is None or value in choices:
        return value
    raise Fault(key, f"{key}: expected one of {', '.join(choices)}, found {value!r}")


def _flag(table: Mapping[str, Any], key: str) -> bool | None:
    value = table.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise Fault(key, f"{key}: expected true or false, found {value!r}")


def _text(table: Mapping[str, Any], key: str) -> str | None:
    value = table.get(key)
    if value is None or isinstance(value, str):
        return value
    raise Fault(key, f"{key}: expected a text, found {value!r}")


def _categories(table: Mapping[str, Any]) -> Mapping[str, Category]:
    value = table.get("categories", {})
    known = (*STAGES, AFTER_INFERENCE)
    fits = isinstance(value, Mapping) and all(
        stage in known and category in CATEGORIES for stage, category in value.items()
    )
    if not fits:
        raise Fault(
            "categories",
            f"categories: expected {{ stage = category }} of the stages {', '.join(known)} and "
            f"the categories {', '.join(CATEGORIES)}, found {value!r}",
        )
    categories: Mapping[str, Category] = value
    return categories


def _ladder(table: Mapping[str, Any], kind: Kind) -> Ladder:
    value = table["ladder"]
    if not isinstance(value, list):
        raise Fault("ladder", f'ladder: expected a list such as [{{rung="halt"}}], found {value!r}')
    rungs = tuple(_rung(each) for each in value)
    order = [RUNGS.index(rung.name) for rung in rungs]
    if order != sorted(set(order)) or not rungs or rungs[-1].name != "halt":
        raise Fault(
            "ladder", f"ladder: expected rungs in the order {' > '.join(RUNGS)}, ending with halt"
        )
    return rungs


def _rung(value: Any) -> Rung:
    name = value.get("rung") if isinstance(value, Mapping) else value
    if name not in RUNGS:
        raise Fault("ladder", f"ladder: expected rungs of {', '.join(RUNGS)}, found {value!r}")
    numbers = {} if not isinstance(value, Mapping) else {k: value[k] for k in value if k != "rung"}
    for key, number in numbers.items():
        whole = isinstance(number, int) if key == "attempts" else isinstance(number, (int, float))
        if key not in _NUMBERS or not whole or isinstance(number, bool) or number <= 0:
            raise Fault(
                "ladder",
                "ladder: expected attempts (a whole number), within, base or cap (seconds) above "
                f"0, found {key} = {number!r}",
            )
    return Rung(name, **numbers)
