"""The catalog as documentation: every kind, in every form, and nothing that a reader could trip on."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from surefoot.catalog import Catalog, load
from surefoot.catalog.export import Seen, csv_text, document, html_page, markdown, recognised
from surefoot.model import BUILTIN_KINDS

CATALOG = load()
SEEN = {
    "timeout": Seen(42, 3, "2026-11-24 10:00 UTC", {"completed": 30, "degraded": 2, "failed": 1}),
    "dns": Seen(1, 1, "2026-11-20 08:00 UTC"),
    "old_kind": Seen(2, 1, "2025-01-01 00:00 UTC", {"skipped": 2}),
}
NASTY = """
library = "<b>acme</b>"
packages = ["acme"]

[kind.embargoed]
category = "data"
title = "<script>alert(1)</script> | not yet"
meaning = "a < b & c"

[[rule]]
id = "acme.`x`<i>"
kind = "embargoed"
class = "acme.Error"
message = "<img src=x onerror=alert(1)>|'\\""
source = '<a href="javascript:alert(1)">docs</a>'
"""


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    path = tmp_path_factory.mktemp("rules") / "acme.toml"
    path.write_text(NASTY, encoding="utf-8")
    return load([path])


@pytest.mark.parametrize("kind", BUILTIN_KINDS)
def test_every_kind_says_why_it_happens(kind: str) -> None:
    causes = CATALOG.causes(kind)
    assert len(causes) > 60 and causes.endswith(".")
    assert causes not in (CATALOG.kind(kind).meaning, CATALOG.kind(kind).action)


def test_the_document_has_every_kind_and_every_rule() -> None:
    told = document(CATALOG, SEEN)
    kinds = {one["id"]: one for one in told["kinds"]}
    assert set(kinds) == set(BUILTIN_KINDS)
    rules = [one["id"] for kind in told["kinds"] for of in kind["rules"].values() for one in of]
    assert sorted(rules) == sorted(rule.id for rule in CATALOG.rules)
    assert sum(told["libraries"].values()) == len(rules)
    assert kinds["timeout"]["seen"]["times"] == 42
    assert kinds["dns"]["seen"]["text"] == "Seen once in 1 run, last 2026-11-20 08:00 UTC."
    assert kinds["bug"]["seen"] is None
    assert list(told["no_longer_known"]) == ["old_kind"]
    limited = kinds["rate_limited"]
    assert limited["does"].startswith(
        "tries again, until 900 s after the first such failure, the first wait at most 1 s, the "
        "longest 60 s; then changes the arguments, where the step says how; then "
    )
    assert kinds["malformed_output"]["does"].startswith("tries again, 3 attempts in all; then")
    assert limited["elsewhere"].startswith("infrastructure at ingestion, ")
    assert "a model was asked before" in kinds["parse_error"]["elsewhere"]
    assert kinds["bug"]["elsewhere"] == ""


def test_a_rule_is_told_by_all_that_it_looks_at() -> None:
    table = {
        "id": "a.x",
        "kind": "dns",
        "class": ["a.A", "a.B"],
        "status": [429, "5xx"],
        "sqlstate": "08*",
        "stage": ["inference"],
        "message": "gone",
        "truncated": True,
    }
    full = load(extra_rules={"rule": [table]}).rule("a.x")
    assert recognised(full) == (
        "a.A or a.B, status 429 or 5xx, sqlstate 08*, stage inference, message /gone/, "
        "cut off at its end"
    )
    whole = {"id": "a.y", "kind": "dns", "class": "a.A", "truncated": False}
    assert recognised(load(extra_rules={"rule": [whole]}).rule("a.y")) == "a.A, not cut off"


def test_the_page_of_markdown_has_all_of_it() -> None:
    page = markdown(document(CATALOG))
    assert all(f"\n### `{kind}`\n" in page for kind in BUILTIN_KINDS)
    assert page.count("*Why it happens:* ") == len(BUILTIN_KINDS)
    assert "*Seen:*" not in page
    assert "`openai.rate_limited`" in page
    assert page.index("## Category model") < page.index("## Category data")
    assert markdown(document(CATALOG), "# Mine\n").startswith("# Mine\n\n## The ")


def test_with_a_journal_the_page_tells_what_was_seen() -> None:
    page = markdown(document(CATALOG, SEEN))
    assert (
        "*Seen:* Seen 42 times in 3 runs, last 2026-11-24 10:00 UTC. Of 33 calls: 30 came through, "
        "2 came through by a fallback, 1 failed.\n"
    ) in page
    assert "*Seen:* Never, in this journal." in page
    assert "- `old_kind`: Seen 2 times in 1 run, last 2025-01-01 00:00 UTC." in page
    assert re.search(r"\[`timeout`\].* 42 \|\n", page)
    assert re.search(r"\[`bug`\].* never \|\n", page)


def test_a_users_text_does_not_break_the_page_of_markdown(nasty: Catalog) -> None:
    page = markdown(document(nasty))
    assert "<script" not in page and "<b>" not in page and "<i>" not in page
    assert "**&lt;script>alert(1)&lt;/script> \\| not yet.** a &lt; b & c" in page
    assert "- &lt;b>acme&lt;/b>: `acme.'x'&lt;i>`" in page
    section = page[page.index("### `embargoed`") :].split("\n### ")[0]
    assert "Why it happens" not in section and "person should do" not in section


def test_a_kind_that_no_rule_speaks_of_has_no_list_of_rules() -> None:
    lonely = load(extra_rules={"kind": {"lonely": {"category": "data"}}})
    page = markdown(document(lonely))
    section = page[page.index("### `lonely`") :].split("\n## ")[0]
    assert "Its rules, by library" not in section


def rows(told: dict[str, Any]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_text(told))))


def test_the_table_has_a_line_for_each_kind() -> None:
    plain, seen = rows(document(CATALOG)), rows(document(CATALOG, SEEN))
    assert {one["id"] for one in plain} == set(BUILTIN_KINDS)
    assert "seen" not in plain[0]
    timeout = next(one for one in seen if one["id"] == "timeout")
    assert (timeout["seen"], timeout["runs"], timeout["completed"]) == ("42", "3", "30")
    assert timeout["skipped"] == "0"
    assert "builtins.timeout" in timeout["rules"]
    bug = next(one for one in seen if one["id"] == "bug")
    assert (bug["seen"], bug["last_seen"], bug["retryable"]) == ("0", "", "no")


class Page(HTMLParser):
    """Tags in their order, ids, links, text; fails on what is not closed."""

    VOID = frozenset(("meta", "br"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.ids.add(given.get("id") or "")
        self.links += [str(given[name]) for name in ("href", "src") if name in given]
        assert not any(name.startswith("on") for name in given)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_of_html_stands_alone() -> None:
    page = Page(html_page(document(CATALOG, SEEN)))
    assert set(BUILTIN_KINDS) <= page.ids
    assert all(link[1:] in page.ids and link[0] == "#" for link in page.links)
    assert page.tags.isdisjoint({"script", "link", "img", "iframe"})
    assert "Seen 42 times in 3 runs" in page.text
    assert "Never, in this journal." in page.text
    assert "old_kind" in page.text
    assert CATALOG.causes("dns") in page.text
    assert CATALOG.rule("openai.rate_limited").source in page.text
    assert "http" not in html_page(document(CATALOG))[:3_000], "nothing is fetched"


def test_a_users_text_is_only_text_in_html(nasty: Catalog) -> None:
    page = Page(html_page(document(nasty), title="</title><script>"))
    assert page.tags.isdisjoint({"script", "img", "i", "b"})
    assert all(link.startswith("#") for link in page.links)
    assert "<script>alert(1)</script> | not yet" in page.text
    assert "message /<img src=x onerror=alert(1)>|'\"/" in page.text


def test_nothing_seen_is_not_the_same_as_no_journal() -> None:
    assert "Never, in this journal." in markdown(document(CATALOG, {}))
    assert "no longer in the catalog" not in html_page(document(CATALOG, {}))
    assert Path(__file__).parents[2].joinpath("docs", "catalog.md").exists()


def test_a_kind_that_no_rule_names_is_told_without_a_list_of_rules() -> None:
    catalog = load(extra_rules={"kind": {"embargoed": {"category": "data", "title": "Not yet"}}})
    told = document(catalog)
    page = markdown(told)
    own = page[page.index("### `embargoed`") :].split("\n### ")[0]
    assert "Not yet" in own and "Its rules" not in own
    assert "Not yet" in html_page(told)
