"""The rules know the libraries as they are installed: their classes, all of them, by their real names."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

from surefoot.catalog import Catalog
from surefoot.catalog.examples import build_for
from surefoot.catalog.rule import Rule
from surefoot.classify import classify
from tests.libraries.census import Library, bases, libraries, name_of, unknown

LIBRARIES = libraries()


def _real(name: str) -> type | None:
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            value = getattr(value, part, None)
        return value if inspect.isclass(value) else None
    return None


def _rules(catalog: Catalog, library: Library) -> list[Rule]:
    return [rule for rule in catalog.rules if rule.file == f"{library.name}.toml"]


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda each: each.name)
def test_every_exception_of_the_library_is_known(library: Library, catalog: Catalog) -> None:
    assert unknown(library, catalog) == []


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda each: each.name)
def test_every_class_that_a_rule_names_is_real(library: Library, catalog: Catalog) -> None:
    rules = _rules(catalog, library)
    assert rules, f"{library.name} has no rules"
    wrong = []
    for rule in rules:
        here = [name for name in rule.classes if name.split(".")[0] in library.packages]
        for name in here:
            cls = _real(name)
            if cls is None or name_of(cls) not in here:
                wrong.append((rule.id, name, cls and name_of(cls)))
    assert wrong == []


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda each: each.name)
def test_every_example_has_the_real_bases(library: Library, catalog: Catalog) -> None:
    wrong = []
    for rule in _rules(catalog, library):
        name = (rule.example or {}).get("type") or rule.classes[0]
        cls = _real(name) if name.split(".")[0] in library.packages else None
        if cls is not None and bases(cls) != list((rule.example or {}).get("bases", [])):
            wrong.append((rule.id, bases(cls)))
    assert wrong == []


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda each: each.name)
def test_every_example_is_recognised_by_its_own_rule(library: Library, catalog: Catalog) -> None:
    wrong = []
    for rule in _rules(catalog, library):
        assert rule.source
        stage = (rule.example or {}).get("stage")
        found = classify(build_for(rule), catalog=catalog, stage=stage)
        if found.rule != rule.id:
            wrong.append((rule.id, found.rule))
    assert wrong == []
