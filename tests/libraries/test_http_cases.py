"""Each answer of cases/*.toml, served on loopback, raised by the real SDK, judged by the catalog.

The format of a case is told at the head of tests/rules/cases.toml. ``raised_by`` there names further
packages of which the deciding exception may be. A module in clients/ says how its SDKs are called:
``CALLS = {"groq": call}`` with ``call(url, stream, timeout)``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot.catalog import Catalog
from tests.rules.clients import PATIENCE
from tests.rules.conftest import Verdicts
from tests.rules.http import answer_of, hold_against, name_of, read_cases
from tests.rules.servers import Answer, serving

HERE = Path(__file__).parent
CASES = [case for path in sorted((HERE / "cases").glob("*.toml")) for case in read_cases(path)]
CALLS: dict[str, Callable[[str, bool, float], Any]] = {}
for module in sorted((HERE / "clients").glob("*.py")):
    if module.stem != "__init__":
        CALLS.update(importlib.import_module(f"tests.libraries.clients.{module.stem}").CALLS)

Served = tuple[str, Callable[[Answer], None]]


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_providers_real_answer_is_judged_right(
    case: dict[str, Any], server: Served, catalog: Catalog, verdicts: Verdicts
) -> None:
    url, answer = server
    answer(answer_of(case))
    with pytest.raises(Exception) as raised:
        CALLS[case["sdk"]](url, bool(case.get("stream")), PATIENCE)
    raised_by = (case["sdk"].replace("-", "_"), *case.get("raised_by", ()))
    hold_against(case, raised.value, catalog, verdicts, raised_by)


def test_there_are_cases_for_every_client_and_clients_for_every_case() -> None:
    assert {case["sdk"] for case in CASES} == set(CALLS)


def test_no_two_cases_share_a_name() -> None:
    names = [name_of(case) for case in CASES]
    assert sorted(set(names)) == sorted(names)


def test_every_case_says_where_it_is_from() -> None:
    assert [case["name"] for case in CASES if not case.get("source")] == []
