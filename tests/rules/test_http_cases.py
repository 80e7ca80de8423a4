"""Each answer of cases.toml, served on loopback, raised by the real library, judged by the catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot.catalog import Catalog
from tests.rules.clients import call, call_service
from tests.rules.conftest import Verdicts
from tests.rules.http import answer_of, hold_against, name_of, read_cases
from tests.rules.servers import Answer, serving

CASES = read_cases(Path(__file__).with_name("cases.toml"))
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
    stream = bool(case.get("stream"))
    with pytest.raises(Exception) as raised:
        if case["sdk"] == "botocore":
            call_service(case["service"], url, stream)
        else:
            call(case["sdk"], url, stream)
    # anthropic raises what httpx2 did
    raised_by = (case["sdk"], f"{case['sdk']}2", "httpx", "httpx2")
    hold_against(case, raised.value, catalog, verdicts, raised_by)


def test_no_two_cases_share_a_name() -> None:
    names = [name_of(case) + case.get("service", "") for case in CASES]
    assert sorted(set(names)) == sorted(names)


def test_every_case_says_where_it_is_from() -> None:
    assert [case["name"] for case in CASES if not case.get("source")] == []
