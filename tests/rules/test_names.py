"""The rules know the libraries as they are installed: their classes, all of them, by their real names."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from surefoot.catalog import Catalog
from surefoot.catalog.examples import build, build_for
from surefoot.catalog.rule import Rule
from surefoot.classify import classify

# library → the modules in which its exceptions are found
MODULES = {
    "httpx": ("httpx", "httpx2", "httpcore"),
    "requests": ("requests.exceptions",),
    "urllib3": ("urllib3.exceptions",),
    "openai": (
        *("openai", "openai._exceptions", "openai._response"),
        *("openai.lib.azure", "openai.lib._old_api", "openai._extras._common"),
    ),
    "anthropic": (
        *("anthropic", "anthropic._response", "anthropic._error_classes"),
        *("anthropic.lib.foundry", "anthropic.lib.tools._toolsets._errors"),
        "anthropic.lib.credentials._workload",
    ),
    "botocore": ("botocore.exceptions",),
    "pydantic": ("pydantic", "pydantic_core", "pydantic.errors", "pydantic.v1.error_wrappers"),
    "sqlite3": ("sqlite3",),
    "sqlalchemy": ("sqlalchemy.exc", "sqlalchemy.orm.exc"),
    "psycopg": ("psycopg", "psycopg.errors"),
}
# Not installed here: versions of old, and packages that only share these rules.
ELSEWHERE = (
    *("openai.error.", "pydantic.error_wrappers."),
    *("psycopg2.", "asyncpg.", "psycopg_pool.", "pydantic_settings."),
)
# What says nothing by its class alone: bases, and what is judged by status, code or text.
BY_MORE_THAN_THE_CLASS = {
    *("httpx.HTTPError", "httpx.HTTPStatusError", "httpx.RequestError"),
    *("httpx2.HTTPError", "httpx2.HTTPStatusError", "httpx2.RequestError"),
    *("requests.exceptions.RequestException", "requests.exceptions.HTTPError"),
    *("urllib3.exceptions.HTTPError", "urllib3.exceptions.PoolError"),
    "urllib3.exceptions.RequestError",
    *("openai.APIError", "openai.APIStatusError"),
    *("anthropic.APIError", "anthropic.APIStatusError", "anthropic.ClientClosedRequestError"),
    *("botocore.exceptions.BotoCoreError", "botocore.exceptions.ClientError"),
    "botocore.exceptions.EventStreamError",
    *("sqlite3.Error", "sqlite3.DatabaseError", "sqlite3.OperationalError"),
    "sqlalchemy.exc.SQLAlchemyError",
    *("psycopg.Error", "psycopg.DatabaseError", "psycopg.InternalError"),
    "psycopg.OperationalError",
}
# Never raised at a user: signals inside the library, or plain builtins under another name.
INTERNAL = {
    "httpcore.ConnectionNotAvailable",
    *("openai._response.MissingStreamClassError", "anthropic._response.MissingStreamClassError"),
    *("pydantic_core._pydantic_core.PydanticCustomError", "psycopg.Rollback"),
    *("pydantic_core._pydantic_core.PydanticKnownError", "psycopg.errors._WaitTimeout"),
    *("pydantic_core._pydantic_core.PydanticOmit", "pydantic.errors.PydanticImportError"),
    "pydantic_core._pydantic_core.PydanticUseDefault",
    "pydantic_core._pydantic_core.PydanticSerializationUnexpectedValue",
    "sqlalchemy.exc.EmulatedDBAPIException",
    # a model's tool says so to the model; the SDK catches them
    *(
        f"anthropic.lib.tools._toolsets._errors.{name}"
        for name in (
            *("ConfirmDeclinedError", "ConfirmFailedError", "DisabledMemberError"),
            *("InvalidMemberInputError", "TabMissingError", "URLRefusedError"),
            *("UnavailableMemberError", "UnknownMemberError", "UploadNoRootsError"),
            *("UploadOutsideRootsError", "UploadRefusedError"),
        )
    ),
    "anthropic.lib.tools._beta_functions.ToolError",
    "anthropic.lib.credentials._secrets._NonObjectPayloadError",
}


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _classes(library: str) -> list[type[Exception]]:
    found = set()
    for module in MODULES[library]:
        for value in list(vars(importlib.import_module(module)).values()):
            if (
                inspect.isclass(value)
                and issubclass(value, Exception)
                and not issubclass(value, Warning)
                and value.__name__ != "Warning"  # DB-API's, which nobody raises
                and value.__module__.split(".")[0] in {m.split(".")[0] for m in MODULES[library]}
            ):
                found.add(value)
    return sorted(found, key=_name)


def _rules(catalog: Catalog) -> Iterator[Rule]:
    return (rule for rule in catalog.rules if rule.library in MODULES)


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


@pytest.mark.parametrize("library", MODULES)
def test_every_exception_of_the_library_is_known(library: str, catalog: Catalog) -> None:
    unknown = []
    for cls in _classes(library):
        names = [_name(each) for each in cls.__mro__ if each not in (object, BaseException)]
        example: dict[str, Any] = {
            "type": names[0],
            "bases": [each for each in names[1:] if not each.startswith("builtins.")],
        }
        if state := getattr(cls, "sqlstate", None):
            example["sqlstate"] = state
        if classify(build(example), catalog=catalog).rule == "none":
            unknown.append(names[0])
    assert set(unknown) <= BY_MORE_THAN_THE_CLASS | INTERNAL


def test_every_class_that_a_rule_names_is_real(catalog: Catalog) -> None:
    wrong = []
    for rule in _rules(catalog):
        here = [name for name in rule.classes if not name.startswith(ELSEWHERE)]
        real = [_real(name) for name in here]
        wrong += [(rule.id, name) for name, cls in zip(here, real) if cls is None]
        # A name under which a class is imported is no help: it must stand there as it calls itself.
        wrong += [
            (rule.id, name)
            for name, cls in zip(here, real)
            if cls is not None and _name(cls) not in here
        ]
    assert wrong == []


def test_every_example_has_the_real_bases(catalog: Catalog) -> None:
    wrong = []
    for rule in _rules(catalog):
        example = rule.example
        assert example is not None
        name = example.get("type") or rule.classes[0]
        real = _real(name)
        if real is None:
            made_by_botocore = name.startswith("botocore.errorfactory.")
            assert made_by_botocore or name.startswith(ELSEWHERE), (rule.id, name)
            continue
        skip = (object, BaseException, Exception)
        bases = [_name(each) for each in real.__mro__[1:] if each not in skip]
        if bases != list(example.get("bases", [])):
            wrong.append((rule.id, bases))
    assert wrong == []


def test_every_example_is_recognised_by_its_own_rule(catalog: Catalog) -> None:
    wrong = []
    for rule in _rules(catalog):
        assert rule.source
        stage = (rule.example or {}).get("stage")
        found = classify(build_for(rule), catalog=catalog, stage=stage)
        if found.rule != rule.id:
            wrong.append((rule.id, found.rule))
    assert wrong == []
