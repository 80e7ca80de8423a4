"""Loading: lazy and complete, and clear about what is wrong in users' files."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from surefoot.catalog import CatalogProblem, load, pattern_engine
from surefoot.catalog.examples import build, build_for
from surefoot.classify import classify
from surefoot.errors import ConfigError, UsageError

GOOD = """
library = "acme"
packages = ["acme"]

[[rule]]
id = "acme.busy"
kind = "overloaded"
class = "acme.BusyError"

[[rule]]
id = "acme.words"
kind = "quota_exhausted"
message = "licence seats"

[kind.embargoed]
category = "data"

[[rule]]
id = "acme.embargo"
kind = "embargoed"
class = "acme.EmbargoError"
[rule.example]
message = "not before Monday"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_users_rules_come_first(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[[rule]]\nid = "own.slow"\nkind = "overloaded"\nclass = "httpx.ReadTimeout"\n'
        '[[rule]]\nid = "own.any"\nkind = "quota_exhausted"\nmessage = "seats"\n',
    )
    catalog = load([path])
    slow = build({"type": "httpx.ReadTimeout", "bases": ["httpx.TimeoutException"]})
    assert classify(slow, catalog=catalog).rule == "own.slow"
    seats = build({"type": "httpx.ReadTimeout", "message": "no seats"})
    assert classify(seats, catalog=catalog).rule == "own.slow"
    assert classify(OSError(errno.ENOSPC, "no seats"), catalog=catalog).rule == "own.any"
    assert [rule.id for rule in catalog.rules[:2]] == ["own.slow", "own.any"]


def test_users_rules_may_keep_to_their_packages(tmp_path: Path) -> None:
    catalog = load([write(tmp_path, GOOD)])
    theirs = build({"type": "acme.Error", "message": "no licence seats left"})
    others = build({"type": "zeta.Error", "message": "no licence seats left"})
    assert classify(theirs, catalog=catalog).kind == "quota_exhausted"
    assert classify(others, catalog=catalog).kind == "unknown"
    assert classify(build({"type": "acme.EmbargoError"}), catalog=catalog).kind == "embargoed"
    assert catalog.rule("acme.embargo").example == {"message": "not before Monday"}
    assert catalog.rule("acme.busy").example is None


def test_rules_may_come_as_a_table(tmp_path: Path) -> None:
    table = {"rule": [{"id": "own.x", "kind": "timeout", "class": ["acme.X", "acme.Y"]}]}
    catalog = load(extra_rules=table)
    assert classify(build({"type": "acme.Y"}), catalog=catalog).rule == "own.x"
    with pytest.raises(ConfigError, match="the configuration: kind: there is no kind 'time'"):
        load(extra_rules={"rule": [{"id": "own.x", "kind": "time", "class": "acme.X"}]})
    with pytest.raises(ConfigError, match="the configuration: unknown key 'rules'"):
        load(extra_rules={"rules": []})


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("[[rule]\nid = 1", ":1: ", "expected TOML"),
        ('x = """', ":1: ", "expected TOML"),
        ('libary = "x"', ":1: ", "unknown key 'libary' (did you mean 'library'?)"),
        ("packages = 3", ":1: ", "packages: expected a list of texts, found 3"),
        ("packages = [3]", ":1: ", "packages: expected a list of texts, found [3]"),
        ("rule = 3", ": ", "rule: expected tables [[rule]], found 3"),
        ("rule = [3]", ": ", "rule: expected a table, found 3"),
        ('[[rule]]\nid = "a.b"\nkind = "timeouts"\nclass = "a.B"', ":3: ", "'timeout'"),
        ('[[rule]]\nid = "a.b"\nclass = "a.B"', ":1: ", "kind: expected a text, found None"),
        ('[[rule]]\nid = 7\nkind = "timeout"', ":2: ", "id: expected a text, found 7"),
        ('[[rule]]\nid = ""\nkind = "timeout"', ":2: ", "id: expected a text, found ''"),
        ('[[rule]]\nid = "a.b"\nkind = "timeout"', ":1: ", "would match everything"),
        ('[[rule]]\nid = "a.b"\nkind = "dns"\nclas = "a.B"', ":4: ", "did you mean 'class'"),
        ('[[rule]]\nid = "a.b"\nkind = "dns"\nclass = 3', ":4: ", "class: expected a text or a li"),
        ('[[rule]]\nid = "a.b"\nkind = "dns"\nclass = []', ":4: ", "an empty list never matches"),
        ('[[rule]]\nid = "a.b"\nkind = "dns"\nclass = [{}]', ":4: ", "expected a text, a number"),
        ('[[rule]]\nid = "a.b"\nkind = "dns"\nmessage = "("', ":4: ", "a pattern in RE2 syntax"),
        ('[[rule]]\nid = "a.b"\nkind = "dns"\nstatus = "6xx"', ":4: ", "status: expected numbers"),
        ('[[rule]]\nid = "a.b"\nkind = "dns"\nstatus = 42', ":4: ", "status: expected numbers"),
        ('[[rule]]\nid = "a.b"\nkind = "dns"\nerrno = 28', ":4: ", "errno: expected names"),
        ('[[rule]]\nid = "a.b"\nkind = "dns"\nerrno = "enospc"', ":4: ", "errno: expected names"),
        ('[[rule]]\nid = "a.b"\nkind = "dns"\nattr = "x"', ":4: ", "attr: expected a table"),
        ('[[rule]]\nid = "a.b"\nkind = "dns"\nclass = "a.B"\nwrapper = 1', ":5: ", "true or false"),
        (
            '[[rule]]\nid = "a.b"\nkind = "dns"\nclass = "a.B"\noutcome = "x"',
            ":5: ",
            "open, refused",
        ),
        (
            '[[rule]]\nid = "a.b"\nkind = "dns"\nclass = "a.B"\nexample = 1',
            ":5: ",
            "expected a table",
        ),
        (
            '[[rule]]\nid = "a.b"\nkind = "dns"\nstatus = 500\nexact = true',
            ":5: ",
            "goes with class",
        ),
        ('[[rule]]\nid = "a.b"\nkind = "dns"\n[rule.attr]\ncode = []', ":5: ", "never matches"),
        ('kind.x.category = "cloud"', ": ", "category: expected one of"),
        (
            (
                '[kind.x]\ncategory = "data"\n[kind.x.categories]\nnight = "data"\n[kind.y]\n'
                'category = "data"\n'
            ),
            ":1: ",
            "categories: expected",
        ),
        (
            '[[rule]]\nid = "a.b"\nkind = "dns"\nclass = "a.B"\nstage = "inferenz"',
            ":5: ",
            "did you mean 'inference'",
        ),
        (
            (
                '[[rule]]\nid = "a.a"\nkind = "dns"\nclass = "a.A"\n\n'
                '[[rule]]\nid = "a.b"\n[rule.example]\nkind = 1\n\n[[rule]]\nid = "a.c"\nkind = "x"'
            ),
            ":6: ",
            "kind: expected a text, found None",
        ),
        (
            (
                '[[rule]]\nid = "a.a"\nkind = "dns"\nclass = "a.A"\n'
                '[[rule]]\nid = "a.a"\nkind = "dns"\nclass = "a.B"'
            ),
            ":6: ",
            "two rules are called 'a.a'",
        ),
    ],
)
def test_a_broken_file_is_told_with_file_line_and_what_was_expected(
    tmp_path: Path, text: str, place: str, said: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load([path])
    assert f"{path}{place}" in str(caught.value)
    assert said in str(caught.value)


def test_one_package_may_stand_without_brackets(tmp_path: Path) -> None:
    catalog = load(
        [write(tmp_path, 'packages = "a"\n[[rule]]\nid = "a.b"\nkind = "dns"\nstatus = 404')]
    )
    assert catalog.rule("a.b").packages == ("a",)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: this file of rules cannot be read: No such"):
        load([tmp_path / "none.toml"])
    bad = tmp_path / "latin.toml"
    bad.write_bytes(b"library = '\xe9'")
    with pytest.raises(ConfigError, match="expected a TOML file in UTF-8"):
        load([bad])


def test_with_a_broken_file_the_other_rules_go_on_working(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[[rule]]\nid = "own.bad"\nkind = "nonsense"\nclass = "a.B"\n'
        '[[rule]]\nid = "own.good"\nkind = "dns"\nclass = "a.C"\n',
    )
    told: list[CatalogProblem] = []
    catalog = load([path], on_problem=told.append)
    assert [problem.line for problem in told] == [3]
    assert repr(told[0]).startswith("CatalogProblem(")
    assert catalog.problems == tuple(told)
    assert classify(build({"type": "a.C"}), catalog=catalog).rule == "own.good"
    assert classify(OSError(errno.ENOSPC, ""), catalog=catalog).kind == "disk_full"


def test_rules_of_libraries_are_read_when_they_are_needed() -> None:
    catalog = load()
    before = repr(catalog)
    classify(KeyError("a"), catalog=catalog)
    assert repr(catalog) == before
    classify(build({"type": "httpx.ReadTimeout"}), catalog=catalog)
    assert repr(catalog) != before
    assert len(catalog.rules) == len(load().rules)


def test_reading_lazily_or_all_at_once_gives_the_same() -> None:
    lazy, eager = load(), load()
    assert eager.rules
    for rule in eager.rules[::10]:
        exc = build_for(rule)
        assert classify(exc, catalog=lazy) == classify(exc, catalog=eager)


def test_a_rule_is_found_by_its_id() -> None:
    catalog = load()
    assert catalog.rule("builtins.disk_full").kind == "disk_full"
    with pytest.raises(UsageError, match="no rule 'builtins.diskfull'.*'builtins.disk_full'"):
        catalog.rule("builtins.diskfull")


def test_plans_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from surefoot.catalog import index

    monkeypatch.setattr(index, "_PLANS_KEPT", 3)
    catalog = load()
    for number in range(10):
        catalog.plan(type(f"E{number}", (ValueError,), {}))
    assert len(catalog._plans) <= 3


def test_the_engine_is_known() -> None:
    assert pattern_engine() == "re2"
