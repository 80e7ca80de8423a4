"""What lint finds in users' rules: each thing that would go wrong later, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot.catalog import Catalog, load
from surefoot.catalog.lint import HARMLESS, lint
from surefoot.catalog.patterns import PatternSet
from surefoot.classify.review import review

NOW = 1_700_000_000.0
EXAMPLE = "\n[rule.example]\n"


def own(tmp_path: Path, text: str) -> Catalog:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return load([path])


def found(catalog: Catalog) -> list[str]:
    """Without the path, and without what is only missing."""
    rules = [rule for rule in catalog.rules if rule.user]
    return [
        f"{one.line}: {one.message}"
        for one in review(catalog, rules, now=NOW)
        if one.level == "problem"
    ]


def rule(id: str, *lines: str, kind: str = "timeout") -> str:
    return "\n".join(["[[rule]]", f'id = "{id}"', f'kind = "{kind}"', *lines, ""]) + "\n"


def test_the_built_in_catalog_has_no_surprises() -> None:
    catalog = load()
    assert [str(one) for one in review(catalog, catalog.rules[::40], now=NOW)] == []


def test_a_clean_file_has_none(tmp_path: Path) -> None:
    catalog = own(
        tmp_path,
        'packages = ["acme"]\n'
        + rule("acme.busy", 'class = "acme.Busy"', EXAMPLE, 'message = "try again in 5s"', "wait = 5.0")
        + rule("acme.seats", "message = '(?i)no licence seats'", EXAMPLE, 'type = "acme.Error"',
               'message = "No licence seats left"'),
    )  # fmt: skip
    assert review(catalog, [one for one in catalog.rules if one.user]) == []


def test_a_missing_example_is_a_warning(tmp_path: Path) -> None:
    catalog = own(tmp_path, "\n\n" + rule("acme.busy", 'class = "acme.Busy"'))
    (one,) = review(catalog, [catalog.rule("acme.busy")])
    assert (one.level, one.line) == ("warning", 3)
    assert one.message == "rule 'acme.busy': an example is missing"
    assert found(catalog) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (['class = "acme.A"'], ['class = "acme.A"']),
        (['class = ["acme.A", "acme.B"]'], ['class = "acme.B"']),
        (['class = "acme.A"', "status = [429, 503]"], ['class = "acme.A"', "status = 503"]),
        (['class = "acme.A"', 'sqlstate = "08*"'], ['class = "acme.A"', 'sqlstate = "0800*"']),
        (
            ['class = "acme.A"', 'stage = ["ingestion", "inference"]'],
            ['class = "acme.A"', 'stage = "inference"'],
        ),
        (['class = "acme.A"', 'message = "gone"'], ['class = "acme.A"', 'message = "gone"']),
        (['message = "gone away"'], ['message = "gone away"']),
        (['attr = { code = ["a", "b"] }'], ['attr = { code = "b" }']),
        (['class = "acme.A"', "truncated = true"], ['class = "acme.A"', "truncated = true"]),
        (['class = "acme.A"', "exact = true"], ['class = "acme.A"', "exact = true"]),
    ],
)
def test_a_rule_that_never_decides_is_found(
    tmp_path: Path, first: list[str], second: list[str]
) -> None:
    catalog = own(tmp_path, rule("acme.first", *first) + rule("acme.second", *second, kind="dns"))
    (message,) = found(catalog)
    assert message.startswith(f"{len(first) + 5}: rule 'acme.second': ")
    if first == second:
        assert "matches just what 'acme.first' matches, so that one of the two" in message
    else:
        assert message.endswith(
            "it never decides: whatever it matches, 'acme.first' matches before it"
        )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (['class = "acme.A"'], ['class = "acme.B"']),
        (['class = "acme.B"'], ['class = ["acme.A", "acme.B"]']),
        (['class = "acme.A"'], ['class = "acme.A"', "status = 503"]),
        (['class = "acme.A"', "exact = true"], ['class = "acme.A"', "status = 503"]),
        (['class = "acme.A"', "status = 503"], ['class = "acme.A"', "status = [429, 503]"]),
        (['class = "acme.A"', 'status = "5xx"'], ['class = "acme.A"', "status = 503"]),
        (['class = "acme.A"', 'sqlstate = "08*"'], ['class = "acme.A"', 'sqlstate = "09*"']),
        (['class = "acme.A"', "status = 503"], ['class = "acme.A"', 'sqlstate = "08000"']),
        (['class = "acme.A"', 'stage = "inference"'], ['class = "acme.A"', 'message = "gone"']),
        (
            ['class = "acme.A"', 'stage = "inference"'],
            ['class = "acme.A"', 'stage = ["ingestion", "inference"]'],
        ),
        (['class = "acme.A"', 'message = "gone"'], ['class = "acme.A"', 'message = "left"']),
        (['class = "acme.A"', "truncated = true"], ['class = "acme.A"', "truncated = false"]),
        (['message = "gone away"'], ['class = "acme.A"', 'message = "gone away"']),
        (
            ['class = "acme.A"', "status = 503", "exact = true"],
            ['class = "acme.A"', "status = 503", 'stage = "inference"'],
        ),
        (["status = 503"], ['message = "gone away"']),
    ],
)
def test_rules_that_both_have_their_turn_are_left_alone(
    tmp_path: Path, first: list[str], second: list[str]
) -> None:
    catalog = own(tmp_path, rule("acme.first", *first) + rule("acme.second", *second, kind="dns"))
    assert found(catalog) == []


def test_words_of_other_packages_hide_nothing(tmp_path: Path) -> None:
    texts = {
        "a.toml": 'packages = ["a"]\n' + rule("a.x", 'message = "gone away"'),
        "b.toml": 'packages = ["b"]\n' + rule("b.x", 'message = "gone away"'),
        "c.toml": 'packages = ["a", "c"]\n' + rule("c.x", 'message = "gone away"'),
        "d.toml": 'packages = ["c"]\n' + rule("d.x", 'message = "gone away"'),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (message,) = found(load([tmp_path / name for name in texts]))
    assert message.startswith("2: rule 'd.x': it never decides: whatever it matches, 'c.x' matches")


def test_an_id_of_the_catalog_is_no_users(tmp_path: Path) -> None:
    catalog = own(tmp_path, rule("builtins.disk_full", 'class = "acme.Full"'))
    assert found(catalog) == [
        "1: rule 'builtins.disk_full': the id is that of a built-in rule; give it one of its own"
    ]


def test_a_class_without_a_module_is_found(tmp_path: Path) -> None:
    catalog = own(
        tmp_path, rule("a.x", 'class = "ValueError"') + rule("a.y", 'class = "RateLimitError"')
    )
    assert found(catalog) == [
        (
            "1: rule 'a.x': class 'ValueError' names no module, so that it never matches: "
            "builtins.ValueError"
        ),
        (
            "6: rule 'a.y': class 'RateLimitError' names no module, so that it never matches: "
            "its.module.RateLimitError"
        ),
    ]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (".*", "matches the empty text, and so every message"),
        ("(?i)", "matches the empty text, and so every message"),
        ("a|", "matches the empty text, and so every message"),
        (".+", "matches nearly every message"),
        (r"\w+", "matches nearly every message"),
        ("e", "matches nearly every message"),
        ("429", r"'429' is so short that it stands in many messages: write a longer text, or \b429\b"),
        ("(?i)rate limit reached|no", "'no' is so short that it stands in many messages"),
        ("timeout", "matches messages in which nothing fails, as 'Model loaded; timeout is 60 s"),
        (r"\d{3} s", "matches messages in which nothing fails, as 'Processed 4290 of"),
        (r"\pN", "cannot be used without google-re2"),
    ],
)  # fmt: skip
def test_patterns_that_match_too_much_are_found(tmp_path: Path, pattern: str, said: str) -> None:
    (message,) = found(own(tmp_path, rule("a.x", f"message = '{pattern}'")))
    assert message.startswith("1: rule 'a.x': message: ")
    assert said in message


@pytest.mark.parametrize(
    "lines",
    [
        [r"message = '\b429\b.*too many'"],
        ["message = '^no$'"],
        ["message = 'licence seats|no seats'"],
        ["message = '(?i)(seat|licence)s? used up'"],
        ["message = '[Nn]o seats'"],
        ["class = 'acme.A'", "message = '429'"],
        ["status = 400", "message = 'no'"],
    ],
)
def test_patterns_that_say_enough_are_left_alone(tmp_path: Path, lines: list[str]) -> None:
    assert found(own(tmp_path, rule("a.x", *lines))) == []


def test_no_message_rule_of_the_catalog_matches_what_is_harmless() -> None:
    general = [one for one in load().rules if not one.classes and not one.conditions]
    patterns = PatternSet([one.message or "" for one in general])
    for text in HARMLESS:
        assert [general[index].id for index in patterns.search(text)] == []


def test_an_example_that_another_rule_decides_is_found_with_the_reason(tmp_path: Path) -> None:
    catalog = own(
        tmp_path,
        rule("a.words", "message = 'late again'", EXAMPLE, "type = 'acme.Late'",
             "message = 'late again'")
        + rule("a.late", "class = 'acme.Late'", EXAMPLE, "message = ''", kind="dns")
        + rule("a.bug", "message = 'no attribute .price.'", EXAMPLE,
               "type = 'builtins.AttributeError'", "message = \"no attribute 'price'\"")
        + rule("a.night", "class = 'acme.Stage'", "stage = 'ingestion'", kind="dns")
        + rule("a.stage", "class = 'acme.Stage'", "stage = 'inference'", EXAMPLE, "message = 'x'")
        + rule("a.other", "class = 'acme.Other'", EXAMPLE, "type = 'acme.Another'"),
    )  # fmt: skip
    assert [text.split(": ", 1)[1] for text in found(catalog)] == [
        (
            "rule 'a.words': its own example is dns by 'a.late': less specific: by message, the winner by "
            "class"
        ),
        (
            "rule 'a.bug': its own example is bug by 'builtins.attribute_error': its message fits, but "
            "general rules are not asked of mistakes in the code"
        ),
        (
            "rule 'a.stage': its own example is unknown by 'none': stage: inference is wanted, none is "
            "told"
        ),
        "rule 'a.other': its own example is unknown by 'none': it is not asked of this exception",
    ]


def test_an_example_whose_wait_or_retries_differ_is_found(tmp_path: Path) -> None:
    catalog = own(
        tmp_path,
        rule("a.wait", "class = 'acme.A'", EXAMPLE, "message = 'try again in 5s'", "wait = 6.0")
        + rule("a.spent", "class = 'acme.B'", EXAMPLE, "message = 'x'", "retries = 2"),
    )
    assert [text.split(": ", 2)[2] for text in found(catalog)] == [
        "its example should ask for a wait of 6.0 s, and asks for 5.0",
        "its example should tell of 2 retries, and tells of 0",
    ]


def test_an_example_that_cannot_be_made_is_a_problem(tmp_path: Path) -> None:
    (message,) = found(own(tmp_path, rule("a.x", "class = 'acme.A'", EXAMPLE, "mesage = 'x'")))
    assert "rule 'a.x': example: unknown key 'mesage'" in message


def test_rules_of_packages_need_a_source(tmp_path: Path) -> None:
    path = tmp_path / "theirs.toml"
    path.write_text(rule("acme.x", "class = 'acme.A'", EXAMPLE, "message = 'x'"), encoding="utf-8")
    catalog = load(brought=[path])
    (one,) = lint(catalog, [catalog.rule("acme.x")])
    assert one.message == "rule 'acme.x': source is missing: where is the fact from?"


def test_a_rule_may_speak_of_a_kind_that_a_later_file_registers(tmp_path: Path) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text(rule("a.x", "class = 'acme.A'", kind="embargoed"), encoding="utf-8")
    second.write_text('[kind.embargoed]\ncategory = "data"\ncauses = "A date."', encoding="utf-8")
    catalog = load([first, second])
    assert catalog.rule("a.x").kind == "embargoed"
    assert catalog.causes("embargoed") == "A date."
    table = {"kind": {"embargoed": {"category": "data"}}}
    assert load([first], table).rule("a.x").line == 1


def test_packages_register_kinds_and_change_none(tmp_path: Path) -> None:
    path = tmp_path / "theirs.toml"
    path.write_text(
        '[kind.embargoed]\ncategory = "data"\n[kind.auth]\nretryable = true\n'
        + rule("acme.x", "class = 'acme.A'", kind="embargoed")
        + rule("acme.y", "class = 'acme.A'", kind="nonsense"),
        encoding="utf-8",
    )
    told: list[str] = []
    catalog = load(brought=[path], on_brought=lambda one: told.append(f"{one.line}: {one.message}"))
    assert told == [
        "3: kind 'auth': a package may not change a built-in kind",
        "12: kind: there is no kind 'nonsense'; a table [kind.nonsense] registers it",
    ]
    assert not catalog.kind("auth").retryable
    assert catalog.rule("acme.x").kind == "embargoed"
    assert catalog.problems == ()
    assert load(brought=[path]).kind("embargoed").category == "data", "nobody has to listen"
