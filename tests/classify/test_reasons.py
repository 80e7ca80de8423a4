"""Why an exception is what it is: the winner, those that lost, those that nearly held."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import pytest

from surefoot.catalog import Catalog, Rule, load
from surefoot.catalog.examples import build, build_for
from surefoot.classify import classify
from surefoot.classify.reasons import Reasons, reasons
from surefoot.errors import WorkflowCriticalError, WorkflowRetryError

CATALOG = load()
OWN = """
packages = ["acme"]

[[rule]]
id = "acme.busy"
kind = "overloaded"
class = "acme.Busy"

[[rule]]
id = "acme.busy_twice"
kind = "timeout"
class = "acme.Busy"

[[rule]]
id = "acme.any"
kind = "dns"
class = "acme.Error"

[[rule]]
id = "acme.busy_late"
kind = "deadline_exceeded"
class = "acme.Busy"
status = 503

[[rule]]
id = "acme.busy_words"
kind = "connection"
class = "acme.Busy"
message = "away"

[[rule]]
id = "acme.busy_broad"
kind = "server_error"
class = "acme.Busy"
status = "5xx"

[[rule]]
id = "acme.code"
kind = "auth"
attr = { code = ["a", "b", "c", "d*"] }

[[rule]]
id = "acme.stage"
kind = "parse_error"
class = "acme.Busy"
stage = ["ingestion", "after_inference"]
truncated = true

[[rule]]
id = "acme.whole"
kind = "corrupt_file"
class = "acme.Busy"
truncated = false
stage = "ingestion"

[[rule]]
id = "acme.wrapper"
kind = "retries_exhausted"
class = "acme.Gave.Up"
wrapper = true

[[rule]]
id = "acme.far"
kind = "not_found"
class = "acme.Busy"
status = 404
message = "nowhere"
"""


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    path = tmp_path_factory.mktemp("rules") / "acme.toml"
    path.write_text(OWN, encoding="utf-8")
    return load([path])


def busy(**more: Any) -> BaseException:
    return build({"type": "acme.Busy", "bases": ["acme.Error"], **more})


def lost(found: Reasons) -> dict[str, str]:
    return {one.rule: one.why for one in found.lost}


def near(found: Reasons) -> dict[str, str]:
    return {one.rule: one.why for one in found.near}


@pytest.mark.parametrize("rule", CATALOG.rules[::7], ids=lambda rule: rule.id)
def test_the_winner_is_the_one_that_classify_names(rule: Rule) -> None:
    example = rule.example or {}
    where = {
        "stage": example.get("stage"),
        "after_inference": example.get("after_inference", False),
    }
    found = reasons(build_for(rule), catalog=CATALOG, **where)
    assert found.rule == rule
    assert found.classification == classify(build_for(rule), catalog=CATALOG, **where)
    assert [one.decided for one in found.exceptions].count(True) == 1
    assert rule.id not in {*lost(found), *near(found)}


def test_each_rule_that_loses_says_what_put_it_behind(acme: Catalog) -> None:
    found = reasons(busy(status=503, message="away", attrs={"code": "d1"}), catalog=acme, most=99)
    assert found.rule is not None and found.rule.id == "acme.code"
    assert lost(found)["acme.busy"] == "less specific: by class, the winner by code"
    assert lost(found)["generic.http_unavailable"] == "a built-in rule: a rule of yours goes first"

    found = reasons(busy(status=503, message="away"), catalog=acme)
    assert found.rule is not None and found.rule.id == "acme.busy_late"
    assert found.why.startswith("the most specific of ")
    assert {name: why for name, why in lost(found).items() if name.startswith("acme.")} == {
        "acme.busy_broad": "a class of values, and the winner wants one of them",
        "acme.busy_words": "a message, and the winner goes by a value",
        "acme.busy": "fewer conditions: 1, the winner 2",
        "acme.busy_twice": "fewer conditions: 1, the winner 2",
        "acme.any": "further up: by acme.Error, the winner by acme.Busy",
    }
    assert lost(reasons(busy(), catalog=acme))["acme.busy_twice"] == "as specific, and listed later"


def test_rules_about_the_class_that_do_not_hold_say_what_is_missing(acme: Catalog) -> None:
    found = reasons(busy(message="slow", status=500), catalog=acme, stage="inference")
    told = near(found)
    assert told["acme.busy_late"] == "status: 503 is wanted, 500 or 5xx is there"
    assert told["acme.busy_words"] == "message: /away/ is not in it"
    assert told["acme.code"] == "attr code: a or b or c or … is wanted, nothing is there"
    assert told["acme.whole"] == "stage: ingestion is wanted, inference is told"
    assert "acme.stage" not in told, "nothing of it holds"
    assert "acme.far" not in told, "nothing of it holds"
    assert list(told)[-1] != "acme.busy_late"
    cut = reasons(busy(message="unexpected EOF"), catalog=acme, stage="ingestion")
    assert near(cut)["acme.whole"] == "its text is cut off"
    whole = reasons(busy(message="x"), catalog=acme, after_inference=True)
    assert near(whole)["acme.stage"] == "its text is not cut off"


def test_no_more_is_told_than_was_asked_for() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    every = reasons(full, catalog=CATALOG, most=1_000)
    few = reasons(full, catalog=CATALOG, most=2)
    assert every.left_off == 0
    assert (len(few.lost), len(few.near)) == (1, 2)
    assert few.left_off == len(every.near) - 2 > 5
    assert few.near == every.near[:2]


def test_a_chain_is_told_with_who_decides(acme: Catalog) -> None:
    outer = RuntimeError("could not load")
    outer.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    outer.__cause__.__context__ = KeyError("k")
    found = reasons(outer, catalog=acme)
    assert found.classification.kind == "connection"
    assert [(one.type, one.relation, one.decided) for one in found.exceptions] == [
        ("builtins.RuntimeError", "raised", False),
        ("builtins.ConnectionRefusedError", "cause", True),
        ("builtins.KeyError", "handled before", False),
    ]
    assert lost(found)[found.exceptions[2].rule] == (
        "less specific: by builtin class, the winner by errno"
    )


def test_what_was_being_handled_is_no_excuse_for_a_bug() -> None:
    bug = TypeError("no")
    bug.__context__ = build({"type": "httpx.ConnectTimeout", "bases": ["httpx.TimeoutException"]})
    found = reasons(bug, catalog=CATALOG)
    assert found.classification.kind == "bug"
    assert "merely being handled" in lost(found)[found.exceptions[1].rule]


def test_a_wrapper_steps_back(acme: Catalog) -> None:
    gave_up = build({"type": "acme.Gave.Up", "cause": {"type": "acme.Busy"}})
    assert lost(reasons(gave_up, catalog=acme))["acme.wrapper"] == (
        "a wrapper: it steps back for what it wraps"
    )
    alone = reasons(build({"type": "acme.Gave.Up"}), catalog=acme)
    assert alone.rule is not None and alone.rule.id == "acme.wrapper"
    assert alone.why == "what it wraps is not known"


def test_what_is_less_specific_in_the_chain_says_so(acme: Catalog) -> None:
    outer = build(
        {"type": "zeta.Error", "message": "rate limit reached", "cause": {"type": "acme.Busy"}}
    )
    told = lost(reasons(outer, catalog=acme))
    assert told["generic.rate_words"] == "a built-in rule: a rule of yours goes first"
    outer.__cause__ = build({"type": "httpx.ConnectTimeout", "bases": ["httpx.TimeoutException"]})
    told = lost(reasons(outer, catalog=CATALOG))
    assert told["generic.rate_words"] == "less specific: by message, the winner by class"


def test_what_is_as_specific_and_further_away_says_so(acme: Catalog) -> None:
    outer = build({"type": "acme.Error", "cause": {"type": "acme.Busy"}})
    assert lost(reasons(outer, catalog=acme))["acme.busy"] == (
        "its exception does not decide: it stands further from the one that was raised"
    )


def test_the_worst_member_of_a_group_decides() -> None:
    group = build(
        {
            "type": "exceptiongroup.ExceptionGroup",
            "members": [
                {"type": "builtins.TimeoutError"},
                {"type": "builtins.OSError", "errno": "ENOSPC", "message": "full"},
                {"type": "builtins.ConnectionResetError", "errno": "ECONNRESET"},
            ],
        }
    )
    found = reasons(group, catalog=CATALOG)
    assert found.classification.kind == "disk_full"
    assert found.why.endswith("that hold, about the worst member of the group")
    assert [one.relation for one in found.exceptions] == ["raised", *["member of a group"] * 3]
    assert "another member of the group is worse" in lost(found).values()


def test_a_cancellation_further_down_is_none() -> None:
    outer = build({"type": "acme.Odd"})
    outer.__context__ = asyncio.CancelledError()
    found = reasons(outer, catalog=CATALOG)
    assert (found.classification.kind, found.rule) == ("unknown", None)
    assert found.why == "no rule holds"
    assert list(lost(found).values()) == [
        "a cancellation, or control flow, further down decides nothing"
    ]


def test_general_rules_that_fit_and_are_not_asked_are_told() -> None:
    bug = reasons(TypeError("rate limit exceeded"), catalog=CATALOG)
    assert bug.classification.kind == "bug"
    assert lost(bug) == {
        "generic.rate_words": "its message fits, but general rules are not asked of mistakes in "
        "the code"
    }
    leaving = SystemExit(429)
    leaving.__context__ = SystemExit(429)
    told = lost(reasons(leaving, catalog=CATALOG))
    assert told["generic.http_too_many"] == (
        "its status fits, but general rules are not asked of what is no Exception"
    )


def test_the_users_own_word_is_told_as_such() -> None:
    for word in (WorkflowRetryError("again"), WorkflowCriticalError("stop")):
        word.__cause__ = TimeoutError("late")
        found = reasons(word, catalog=CATALOG)
        assert found.why == "the code that raised it says so itself, and no rule overrules that"
        assert found.rule is not None and found.rule.kind == "timeout"


def test_what_stands_too_far_down_is_not_explained() -> None:
    deep: BaseException = OSError(errno.ENOSPC, "full")
    for _ in range(60):
        outer = build({"type": "acme.Odd"})
        outer.__cause__ = deep
        deep = outer
    found = reasons(deep, catalog=CATALOG)
    assert found.classification.kind == "disk_full"
    assert (found.rule, found.why) == (None, "it stands too far down to be explained")
    assert len(found.exceptions) == 50


def test_rings_and_hostile_exceptions_are_explained_too() -> None:
    class Hostile(Exception):
        def __getattribute__(self, name: str) -> Any:
            raise SystemExit(name)

        def __str__(self) -> str:
            raise KeyboardInterrupt

    assert reasons(Hostile(), catalog=CATALOG).classification.kind == "unknown"
    ring = ValueError("a")
    ring.__cause__ = KeyError("b")
    ring.__cause__.__cause__ = ring
    assert len(reasons(ring, catalog=CATALOG).exceptions) == 2


def test_a_packages_rule_stands_between(tmp_path: Path) -> None:
    text = '[[rule]]\nid = "{0}.late"\nkind = "{1}"\nclass = "httpx.ReadTimeout"\n{2}'
    own, theirs = tmp_path / "own.toml", tmp_path / "theirs.toml"
    own.write_text(text.format("own", "dns", ""), encoding="utf-8")
    theirs.write_text(text.format("theirs", "overloaded", "message = 'late'"), encoding="utf-8")
    late = build({"type": "httpx.ReadTimeout", "message": "late"})
    found = reasons(late, catalog=load([own], brought=[theirs]))
    assert found.rule is not None and found.rule.id == "own.late"
    assert lost(found)["theirs.late"] == "a package's rule: a rule of yours goes first"
    found = reasons(late, catalog=load(brought=[theirs]))
    assert found.rule is not None and found.rule.id == "theirs.late"
    assert "a built-in rule: a package's rule goes first" in lost(found).values()


def test_reasons_go_to_json(acme: Catalog) -> None:
    told = reasons(busy(), catalog=acme).as_dict()
    assert told["exceptions"] == [
        {
            "type": "acme.Busy",
            "relation": "raised",
            "rule": "acme.busy",
            "kind": "overloaded",
            "decided": True,
        }
    ]
    assert told["lost"][0]["rule"] == "acme.busy_twice"
    assert reasons(build({"type": "zeta.Odd"}), catalog=acme).as_dict()["source"] is None
