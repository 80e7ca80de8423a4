"""Text, Markdown, HTML and JSON of a postmortem: the same facts, nothing hostile, nothing secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from surefoot import Runtime, effect, on, step, workflow
from surefoot.clock import ManualClock
from surefoot.postmortem.as_html import to_html
from surefoot.postmortem.as_json import to_json
from surefoot.postmortem.as_markdown import to_markdown
from surefoot.postmortem.as_text import to_text
from surefoot.postmortem.model import Postmortem

from .conftest import Tell
from .flaky import Times, refused
from .pages import Page

SECTIONS = [
    "Is it still happening?",
    "Is the data safe?",
    "What should I do?",
    "Timeline of attempts",
    "Why it was classified and decided so",
    "Cause",
    "What else it touched",
    "Proof of recovery",
    "What changed since it last worked",
    "Alerts",
    "Notes",
]
EVERY: list[Callable[[Postmortem], str]] = [
    to_text,
    to_markdown,
    to_html,
    lambda one: json.dumps(to_json(one)),
]


@pytest.fixture
def usual(tell: Tell, clock: ManualClock) -> Postmortem:
    """A run with a retry, a dead letter, an effect and a halt, resumed once."""
    flaky = Times(2, refused)
    mended = Times(1, lambda: KeyError("price"))

    @step(name="fetch", resource="crm", recover=[on("connection").retry(attempts=4, base=10)])
    def fetch(name: str, password: str) -> str:
        clock.advance(2)
        flaky()
        return name

    @step(name="answer")
    def answer(n: int) -> int:
        if n == 3:
            raise ValueError("bad item; api_key=sk-live-abcdef0123456789")
        return n

    @effect(name="pay", key=lambda n: f"pay:{n}")
    def pay(n: int) -> int:
        return n

    @step(name="price")
    def price() -> None:
        mended()

    @workflow(name="triage")
    def triage(name: str, password: str) -> None:
        fetch(name, password)
        answer.map(range(6))
        pay(1)
        price()

    run = triage.with_options(run_id="r-1").start("ada", "hunter22hunter22")
    assert run.status == "halted"
    clock.advance(5_000)
    return tell(triage.resume(run.run_id))


def test_the_sections_stand_in_the_order_in_which_a_person_reads(usual: Postmortem) -> None:
    text, page = to_text(usual), Page(to_html(usual))
    assert re.findall(r"^[A-Z][A-Z ?]+$", text, re.M) == [one.upper() for one in SECTIONS]
    assert re.findall(r"^## (.*)$", to_markdown(usual), re.M) == SECTIONS
    assert [data for tag, data in page.texts if tag == "h2"] == SECTIONS
    told = list(to_json(usual))
    assert told == [
        *("schema", "about", "summary", "now", "timeline", "classified", "causes", "touched"),
        *("recovery", "changes", "alerts", "notes"),
    ]


def test_the_first_line_says_all(usual: Postmortem) -> None:
    sentence = usual.summary.sentence
    assert sentence == (
        "One item of `answer` failed with invalid_value and was set aside as a dead letter; 2 other "
        "steps failed too and recovered; resumed once, 8 results reused (36 s saved); mend and replay "
        "it."
    )
    assert to_text(usual).split("\n")[0] == sentence
    assert to_markdown(usual).split("\n")[2].replace("\\", "") == f"**{sentence}**"
    assert Page(to_html(usual)).count("h1") == 1
    assert Page(to_html(usual)).text("h1").startswith("One item of  ")
    assert to_json(usual)["summary"] == {"sentence": sentence, "level": "act"}


def test_no_secret_is_in_any_page(usual: Postmortem) -> None:
    for write in EVERY:
        told = write(usual)
        assert "hunter22" not in told
        assert "sk-live" not in told
        assert "[secret" in told.replace("\\", "")


def test_a_text_fits_a_terminal(usual: Postmortem) -> None:
    lines = to_text(usual).split("\n")
    wide = [line for line in lines[1:] if len(line) > 140]
    assert wide == []
    assert all(line == line.rstrip() for line in lines)
    assert "surefoot dead-letters replay --all --run r-1" in [line.strip() for line in lines]


# -- HTML -----------------------------------------------------------------------------------------


def test_the_page_is_whole_and_needs_nothing_else(usual: Postmortem) -> None:
    told = to_html(usual)
    page = Page(told)
    assert told.startswith("<!DOCTYPE html>")
    assert "script" not in page.tags and "link" not in page.tags and "img" not in page.tags
    names = {name for _, name, _ in page.attributes}
    assert not names & {"href", "src", "srcset", "xlink:href", "action", "onclick", "onload"}
    assert not re.search(r"@import|url\((?!#)", told)
    assert "http:" not in told and "https:" not in told
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_the_page_can_be_read_in_the_dark_on_paper_and_aloud(usual: Postmortem) -> None:
    told = to_html(usual)
    page = Page(told)
    assert "prefers-color-scheme: dark" in told and "@media print" in told and "@page" in told
    assert ("html", "lang", "en") in page.attributes
    assert ("svg", "role", "img") in page.attributes
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    [named] = [v for tag, n, v in page.attributes if tag == "svg" and n == "aria-labelledby"]
    assert set(named.split()) <= set(ids)
    described = page.text("desc")
    assert "fetch: 2 failed attempts, then 3rd attempt succeeded" in described
    assert page.count("caption") == page.count("table") > 3
    heads = [value for tag, name, value in page.attributes if (tag, name) == ("th", "scope")]
    assert len(heads) == page.count("th") and set(heads) == {"col"}


def test_the_picture_shows_attempts_waits_and_the_resume(usual: Postmortem) -> None:
    page = Page(to_html(usual))
    kinds = [v for tag, name, v in page.attributes if (tag, name) == ("rect", "class")]
    assert kinds.count("failed") >= 4 and kinds.count("wait") >= 2 and "skipped" in kinds
    titles = page.text("title")
    assert "1st attempt: connection, tried again after 10 s (2 s)" in titles
    assert "waits 10 s (10 s)" in titles
    marks = [v for tag, name, v in page.attributes if (tag, name) == ("g", "class")]
    assert marks == ["mark began", "mark resumed", "mark ended"]
    # nothing ran for 5,000 s: the gap is folded, else the attempts would be slivers
    assert "1 h 23 min" in page.text("text") and "gap" in kinds
    for tag, name, value in page.attributes:
        if tag == "rect" and name in ("x", "width"):
            assert 0 <= float(value) <= 1000


# -- what is hostile ------------------------------------------------------------------------------

HOSTILE = (
    "</pre></script><img src=x onerror=alert(1)> & \"q\" 'a' `code` | cell [x](http://evil.example) "
    "\x1b[31mred\x07 \u202etxt.exe \ud800 <b>**bold** @team ${1} \\"
)


@pytest.fixture
def hostile(tell: Tell, runtime: Runtime) -> Postmortem:
    @step(
        name="</title><script>alert(1)</script>",
        recover=[on("connection").retry(attempts=2, base=1)],
    )
    def fetch(text: str) -> None:
        raise ConnectionRefusedError(111, HOSTILE)

    @step(name="`|<b>")
    def answer(text: str) -> str:
        if text != "ok":
            raise ValueError(HOSTILE)
        return text

    @workflow(name="<img src=x>`*")
    def triage(text: str) -> None:
        answer.map(["ok", "<i>\x1b[2J"], item_id=lambda text: text)
        fetch(text)

    return tell(triage.with_options(run_id="<u>`r`|").start("</script>\u2028"))


def test_html_escapes_what_is_hostile(hostile: Postmortem) -> None:
    told = to_html(hostile)
    page = Page(told)  # it nests: nothing broke out
    assert not {"script", "img", "b", "i", "u"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "alert(1)" in page.text()
    for steering in ("\x1b", "\x07", "\u202e", "\ud800", "\u2028"):
        assert steering not in told
    assert "\\u202etxt.exe" in page.text()
    told.encode("utf-8")


def test_text_steers_no_terminal(hostile: Postmortem) -> None:
    told = to_text(hostile)
    assert set(re.findall(r"[\x00-\x1f\x7f-\x9f]", told)) == {"\n"}
    assert not re.search("[\u202a-\u202e\u2028\u2029\ud800-\udfff]", told)


def test_markdown_makes_no_markup_of_it(hostile: Postmortem) -> None:
    told = to_markdown(hostile)
    outside = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", told, flags=re.M | re.S)
    spans = re.sub(r"`[^`\n]+`", "", outside.replace("\\`", ""))
    assert "<" not in spans
    assert "http://" not in spans and "@team" not in spans and "**bold**" not in spans
    for line in outside.split("\n"):
        if line.startswith("|"):  # as many cells as its table has, whatever stands in them
            assert line.count("|") - line.count("\\|") in range(3, 10)
    tables = re.findall(r"(?:^\|.*\n)+", outside, re.M)
    for table in tables:
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().split("\n")}
        assert len(counts) == 1, table
    told.encode("utf-8")


def test_json_is_plain_ascii(hostile: Postmortem) -> None:
    told = json.dumps(to_json(hostile), allow_nan=False)
    assert told.isascii()
    assert json.loads(told)["about"]["run_id"] == "<u>`r`|"


def test_a_step_that_cannot_be_scrubbed_is_dropped(usual: Postmortem, runtime: Runtime) -> None:
    from surefoot.postmortem.building import postmortem_of

    def broken(text: str) -> str:
        if "connection" in text:
            raise RuntimeError("the scrubber is broken")
        return text

    made = postmortem_of(runtime.journal, "r-1", kinds={}, scrub=runtime.scrub, scrub_text=broken)
    told = to_text(made)
    assert "connection" not in told
    assert "[dropped]" in told


# -- JSON -----------------------------------------------------------------------------------------


def shape(value: Any) -> Any:
    """The names of a document's fields, without what stands in them."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return None


def test_the_document_has_the_fields_that_the_docs_tell(usual: Postmortem) -> None:
    """A field that goes, or is renamed, needs another ``schema``: programs read it."""
    told = to_json(usual)
    assert told["schema"] == 1
    found = shape(told)
    assert set(found["about"]) == {
        *("what", "run_id", "workflow", "status", "degraded", "began_at", "started_at", "ended_at"),
        *("seconds", "input", "journal", "made_at", "incident"),
    }
    assert set(found["now"]) == {"happening", "happening_words", "data", "to_do"}
    assert set(found["now"]["data"]) == {
        *("safe", "words", "results_kept", "effects_done", "effects_in_doubt", "doubts"),
        *("effects_undone", "effects_not_undone", "letters_open", "letters_without_input"),
    }
    assert set(found["now"]["to_do"]) == {
        *("needed", "words", "command", "first", "effect", "action"),
    }
    assert set(found["timeline"]) == {"began_at", "ended_at", "lanes", "marks", "left_out"}
    assert set(found["timeline"]["lanes"][0]) == {
        *("label", "step", "call_id", "item", "item_id", "status", "calls", "failures", "bars"),
    }
    assert set(found["timeline"]["lanes"][0]["bars"][0]) == {
        *("kind", "began_at", "ended_at", "attempt", "words"),
    }
    assert set(found["timeline"]["marks"][0]) == {"kind", "at", "words"}
    assert set(found["classified"][0]) == {
        *("step", "stage", "fingerprint", "kind", "category", "title", "meaning", "recoverable"),
        *("retryable", "outcome", "retry_after_seconds", "rule", "evidence", "ladder", "failures"),
        *("calls", "decided"),
    }
    assert set(found["causes"][0]) == {
        *("step", "kind", "fingerprint", "type", "message", "at", "attempt", "item", "frames"),
        *(
            "causes",
            "stack",
            "notes",
            "inputs",
            "breadcrumbs",
            "resource",
            "thread",
            "task",
            "code",
        ),
        *("locals", "environment"),
    }
    assert set(found["touched"]) == {
        *("failures", "calls", "items", "steps", "resources", "cost_wasted", "tokens_wasted"),
        *("cost", "runs_total", "failures_elsewhere", "runs"),
    }
    assert set(found["recovery"]) == {
        *("recovered", "seconds", "resumes", "reused", "saved_seconds", "cost_saved", "verified"),
        *("steps", "undone", "settled", "letters"),
    }
    assert set(found["changes"]) == {"run_id", "began_at", "changes", "same", "unknown", "similar"}


def test_times_are_for_programs_in_json(usual: Postmortem) -> None:
    told = to_json(usual)
    assert told["about"]["began_at"] == "2023-11-14T22:13:20.000+00:00"
    assert told["timeline"]["lanes"][0]["bars"][0]["began_at"].endswith("+00:00")


def test_times_are_for_people_in_their_zone(
    usual: Postmortem, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert "2023-11-14 23:13:20 CET" in to_text(usual)
    finally:
        monkeypatch.undo()
        time.tzset()
