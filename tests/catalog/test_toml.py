"""The quick reading of the built-in files gives what TOML says."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot.catalog import loader, toml

FILES = sorted(loader.BUILTIN_RULES.glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_quick_reading_of_a_built_in_file_is_the_true_one(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    whole = toml.parse(text)
    head, rules = toml.parse_rules(text)
    for rule in rules:
        if isinstance(rule.get("example"), str):
            rule["example"] = toml.parse(rule["example"])["example"]
    assert rules == whole.pop("rule")
    assert head == whole
    assert toml.header(text) == whole


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_built_in_file_falls_back_to_the_slow_reading(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = path.read_text(encoding="utf-8")
    whole = toml.parse(text)
    parse = toml.parse

    def only_values(part: str) -> dict[str, object]:
        assert part.startswith("value = "), "the whole file was read by tomllib"
        return parse(part)

    monkeypatch.setattr(toml, "parse", only_values)
    assert len(toml.parse_rules(text).rules) == len(whole["rule"])


def test_kinds_are_read_quickly_and_rightly() -> None:
    text = (Path(loader.__file__).parent / "kinds.toml").read_text(encoding="utf-8")
    assert toml.parse_tables(text) == toml.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        'a = "x"\n[[rule]]\nid = "x.y"\nmessage = """\nlong\n"""\n',
        "a = 'x'\n[[rule]]\nid = 'x.y'\nstatus = [\n  1,\n  2,\n]\n",
        'a = "tab\\t"\n[[rule]]\n"id" = "x.y"\n',
        'a = true\nb = 1.5\n# remark\nc = 3 # remark\n[[rule]]\nid="x.y"\n[rule.other]\nz = 1\n',
        "a = ''\n[[rule]]\nid = \"it's\"\n",
        "[[rule]]\nstatus = [1,\n  2]\n",
        'a = ["b", \'c\', ]\n[[rule]]\nid = "x"\n[rule.example]\nm = 1\n[rule.example.cause]\nm = 2\n',
        "[[rule]]\nid = 7\n",
    ],
)
def test_whatever_is_valid_is_read_rightly(text: str) -> None:
    whole = toml.parse(text)
    head, rules = toml.parse_rules(text)
    for rule in rules:
        if isinstance(rule.get("example"), str):
            rule["example"] = toml.parse(rule["example"])["example"]
    assert rules == whole.pop("rule")
    assert head == whole


def test_tables_that_are_not_plain_are_read_slowly() -> None:
    text = '[a]\nx.y = 1\n[b]\nz = """\nlong"""\n'
    assert toml.parse_tables(text) == toml.parse(text)


def test_an_empty_value_is_an_error_of_toml() -> None:
    with pytest.raises(toml.TomlError):
        toml.parse_rules("[[rule]]\nid = \n")


@pytest.mark.parametrize(
    "value",
    [
        '{ code = ["a", "b"], "error.type" = "x", n = 3, yes = true }',
        '{ code = ["a", ] }',
        "{ code = ['a'] }",
        "{ error.code = 'a' }",
        '{ code = "a" } # a comment',
        '{ code = "quote \\" inside" }',
        "{ }",
    ],
)
def test_an_inline_table_is_read_as_toml_reads_it(value: str) -> None:
    text = f'library = "x"\n[[rule]]\nid = "x.a"\nattr = {value}\n'
    assert toml.parse_rules(text).rules == toml.parse(text)["rule"]


def test_a_head_that_is_not_plain_is_read_all_the_same() -> None:
    assert toml.header('a.b = 1\n[[rule]]\nid = "x"') == {"a": {"b": 1}}
