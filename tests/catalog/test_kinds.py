"""kinds.toml: the closed list, complete and consistent, and users' changes to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot.catalog import Catalog, load
from surefoot.catalog.kindtable import make_kind
from surefoot.catalog.problems import Fault
from surefoot.errors import ConfigError, UsageError
from surefoot.model import BUILTIN_KINDS, CATEGORIES, RUNGS, Kind, Rung

CATALOG = load()
NEVER_SET_ASIDE = {
    *("quota_exhausted", "model_not_found", "gpu_fault", "tls", "auth", "auth_expired"),
    *("permission", "disk_full", "storage_fault", "invalid_request"),
    *("misconfiguration", "resume_drift", "in_doubt", "run_locked", "cancelled", "control_flow"),
    *("bug", "recursion_limit", "unknown"),
}


def test_the_built_in_kinds_are_exactly_those_of_the_model() -> None:
    assert set(CATALOG.kinds) == set(BUILTIN_KINDS)


@pytest.mark.parametrize("kind", CATALOG.kinds.values(), ids=lambda kind: kind.id)
def test_every_kind_is_consistent_and_says_what_to_do(kind: Kind) -> None:
    names = [rung.name for rung in kind.ladder]
    assert names == sorted(set(names), key=RUNGS.index), "rungs in the one order"
    assert names[-1] == "halt"
    assert ("retry" in names) == kind.retryable
    assert kind.recoverable or not kind.retryable, "what can be retried can go on by itself"
    assert ("skip" in names) == (kind.id not in NEVER_SET_ASIDE)
    assert kind.category in CATEGORIES
    assert len(kind.title) > 3 and not kind.title.endswith(".")
    assert len(kind.meaning) > 40 or kind.id == "cancelled"
    assert kind.action.endswith((".", "?"))


def test_what_is_not_known_is_retried_once() -> None:
    assert CATALOG.kind("unknown").ladder[0] == Rung("retry", attempts=2)


def test_one_agent_that_goes_round_in_circles_does_not_halt_a_map() -> None:
    kind = CATALOG.kind("budget_exceeded")
    assert [rung.name for rung in kind.ladder] == ["fall_back", "skip", "halt"]
    assert kind.recoverable and not kind.retryable


def test_an_unknown_kind_is_told_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="there is no kind 'rate_limit'.*'rate_limited'"):
        CATALOG.kind("rate_limit")


def test_a_stage_gives_some_kinds_another_category() -> None:
    assert CATALOG.category("rate_limited", "inference", False) == "model"
    assert CATALOG.category("rate_limited", None, False) == "model"
    assert CATALOG.category("rate_limited", "notification", False) == "infrastructure"
    assert CATALOG.category("schema_mismatch", "ingestion", False) == "data"
    assert CATALOG.category("schema_mismatch", None, True) == "model"
    assert CATALOG.category("rate_limited", None, True) == "model"
    assert CATALOG.category("timeout", "inference", True) == "infrastructure"


def own(tmp_path: Path, text: str) -> Catalog:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return load([path])


def test_users_register_kinds_of_their_own(tmp_path: Path) -> None:
    catalog = own(
        tmp_path,
        '[kind.embargoed]\ncategory = "data"\n[kind.licence_busy]\ncategory = "infrastructure"\n'
        'retryable = true\n[kind.licence_gone]\ncategory = "infrastructure"\nladder = ["halt"]\n',
    )
    embargoed, busy = catalog.kind("embargoed"), catalog.kind("licence_busy")
    assert embargoed.title == "Embargoed"
    assert [rung.name for rung in embargoed.ladder] == ["adapt", "fall_back", "halt"]
    assert (busy.retryable, busy.recoverable) == (True, True)
    assert busy.ladder[0] == Rung("retry")
    assert catalog.kind("licence_gone").ladder == (Rung("halt"),)


def test_users_change_built_in_kinds_and_keep_what_they_do_not_name(tmp_path: Path) -> None:
    catalog = own(
        tmp_path,
        "[kind.timeout]\nretryable = false\n[kind.auth]\nretryable = true\n"
        '[kind.rate_limited]\nladder = [{rung="retry", within=60, attempts=3}, {rung="halt"}]\n'
        "[kind.parse_error]\ncategories = {}\n",
    )
    timeout, auth = catalog.kind("timeout"), catalog.kind("auth")
    assert not timeout.retryable and timeout.title == CATALOG.kind("timeout").title
    assert [rung.name for rung in timeout.ladder] == ["adapt", "fall_back", "skip", "halt"]
    assert [rung.name for rung in auth.ladder] == ["retry", "fall_back", "halt"]
    assert catalog.kind("rate_limited").ladder == (
        Rung("retry", within=60, attempts=3),
        Rung("halt"),
    )
    assert catalog.category("rate_limited", "notification", False) == "infrastructure"
    assert catalog.category("parse_error", "inference", False) == "model"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[kind.x]\nretryable = "yes"\ncategory = "data"', 2, "retryable: expected true or false"),
        ("[kind.x]\nretryable = false", 1, "category is missing"),
        ('[kind.x]\ncategory = "cloud"', 2, "category: expected one of data, model"),
        (
            '[kind.x]\ncategory = "data"\ntitel = "X"',
            3,
            "unknown key 'titel' (did you mean 'title'",
        ),
        ('[kind.x]\ncategory = "data"\ntitle = 3', 3, "title: expected a text"),
        ('[kind.x]\ncategory = "data"\nladder = "halt"', 3, "ladder: expected a list"),
        ('[kind.x]\ncategory = "data"\nladder = []', 3, "ladder: expected rungs in the order"),
        ('[kind.x]\ncategory = "data"\nladder = ["skip"]', 3, "ending with halt"),
        ('[kind.x]\ncategory = "data"\nladder = ["halt", "skip"]', 3, "in the order"),
        ('[kind.x]\ncategory = "data"\nladder = ["jump", "halt"]', 3, "expected rungs of retry"),
        ('[kind.x]\ncategory = "data"\nladder = ["retry", "halt"]', 3, "the kind is retryable"),
        (
            (
                '[kind.x]\ncategory = "data"\nretryable = true\n'
                'ladder = [{rung = "retry", attempts = 1.5}, "halt"]'
            ),
            4,
            "attempts (a whole number)",
        ),
        (
            (
                '[kind.x]\ncategory = "data"\nretryable = true\n'
                'ladder = [{rung = "retry", seconds = 5}, "halt"]'
            ),
            4,
            "found seconds = 5",
        ),
        ('[kind.x]\ncategory = "data"\ncategories = {night = "data"}', 3, "categories: expected"),
        ('[kind.X]\ncategory = "data"', 1, "small letters"),
        ("[kind]\nx = 3", None, "kind 'x': expected a table"),
        ("kind = 3", None, "kind: expected tables"),
    ],
)
def test_a_wrong_kind_is_told_with_its_line(
    tmp_path: Path, text: str, line: int | None, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        own(tmp_path, text)
    place = "own.toml:" if line is None else f"own.toml:{line}: "
    assert place in str(caught.value)
    assert said in str(caught.value)


def test_a_kind_out_of_nowhere_is_refused() -> None:
    with pytest.raises(Fault, match="category is missing"):
        make_kind("x", {})
