"""``surefoot map``: the failure-mode table of a workflow, in each of its formats."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from surefoot.cli.map_rows import grouped, tier_of
from tests.cli.conftest import Project

FLOW = '''
"""A workflow with something of everything."""

import sqlite3
import urllib.request

from surefoot import Happened, NotHappened, effect, idempotency_key, on, step, workflow

print("printed by the module")

@step(stage="ingestion", timeout=10)
def fetch(url: str) -> bytes:
    """Get <b>one</b> | page."""
    return urllib.request.urlopen(url).read()

def smaller(text: str) -> str:
    return text[:10]

@step(
    stage="inference",
    resource="model",
    recover=[
        on("rate_limited", "overloaded").retry(attempts=8, within=600).fall_back(smaller),
        on("auth").fall_back(text="password=hunter22"),
        on("content_filtered").skip(),
    ],
)
def answer(text: str) -> str:
    return text

def was_kept(text: str) -> Happened[int] | NotHappened:
    return NotHappened()

@effect(stage="postprocessing", key=lambda text: text, verify=was_kept)
def keep(text: str) -> int:
    sqlite3.connect("x.db")
    return 1

@step
def count(text: str) -> int:
    if text == "bad":
        raise ValueError("bad")
    return len(text)

@workflow
def triage(url: str = "") -> int:
    """Ask a model about <each> page."""
    if url:
        page = fetch(url)
        answers = answer.map([str(page)], workers=4)
        keep.map(answers.results)
    return count("bad")
'''


@pytest.fixture
def flow(project: Project) -> Project:
    project.write("flow.py", FLOW)
    return project


def test_people_get_stages_steps_and_what_will_happen(
    flow: Project, squeezed: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")  # nothing is wrapped
    told = squeezed(flow.run("map", "flow.py:triage").stdout)
    assert told.startswith("workflow triage: 4 steps, 1 effect among them\n code flow:triage\n")
    assert "stages ingestion: fetch\n inference: answer\n postprocessing: keep (effect)\n" in told
    assert re.search(
        r"used mapped in triage, line \d+, workers=4; failed items are set aside", told
    )
    assert "resource model" in told and "limits timeout 10 s, no deadline, up to 5 attempts" in told
    assert "its own on(rate_limited, overloaded): retry(attempts=8, within=600) →" in told
    assert (
        "tries up to 8 times within 10 min, then falls back to smaller, then sets the item" in told
    )
    assert "effect key text, match all\n verify was_kept, settle 0 s\n no compensate\n" in told
    assert "count it has no stage=" in told
    assert "WHEN IT HALTS WHAT A PERSON DOES" in told
    assert "Set the right credentials, and resume the run." in told
    assert "Steps are found by reading the code." in told
    assert "printed by the module" not in told


def test_kinds_with_one_end_share_a_row_and_all_gives_each_its_own(flow: Project) -> None:
    short = flow.run("map", "flow.py:triage").stdout
    long = flow.run("map", "flow.py:triage", "--all").stdout
    assert "overloaded, rate_limited, server_error" not in long
    assert len(long.splitlines()) > len(short.splitlines())
    assert "kinds more if it should come to use" in short and "more if it should" not in long
    assert "WHAT A PERSON DOES IF IT HALTS" in long


def test_no_kind_is_lost_between_the_rows_and_the_document(flow: Project) -> None:
    document = flow.json("map", "flow.py:triage")
    for step in document["steps"]:
        kinds = {row["kind"] for row in step["failures"]}
        each = grouped(step, all=True)
        assert len(each) == len(step["failures"])
        assert {name.split()[0] for row in each for name in row.kinds} == kinds
        shown = {row["kind"] for row in step["failures"] if tier_of(row) != "imported"}
        assert {name.split()[0] for row in grouped(step) for name in row.kinds} == shown


def test_programs_get_one_document_by_either_option(flow: Project) -> None:
    document = flow.json("map", "flow.py:triage")
    assert json.loads(flow.run("map", "flow.py:triage", "--format", "json").stdout) == document
    assert [one["name"] for one in document["steps"]] == ["fetch", "answer", "keep", "count"]
    answer = document["steps"][1]
    [limited] = [one for one in answer["failures"] if one["kind"] == "rate_limited"]
    assert limited["outcomes"][0]["ladder"] == [
        "retry(attempts=8, within=600, base=0.5, cap=30)",
        "fall_back(smaller)",
        "skip",
    ]
    assert limited["category"] == "model" and limited["recoverable"] is True
    assert limited["action"].startswith("Nothing, as long as it passes.")
    assert document["kinds"]["rate_limited"]["title"] == "Rate limit reached"


def test_secrets_in_options_are_left_out(flow: Project) -> None:
    for form in ("text", "md", "html", "json", "mermaid"):
        assert "hunter22" not in flow.run("map", "flow.py:triage", "--format", form, "--all").stdout
    assert "falls back to text=" in flow.run("map", "flow.py:triage").stdout


class _Page(HTMLParser):
    """What a browser would see: tags that are open, and whether anything comes from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_one_whole_page_with_everything_escaped(flow: Project) -> None:
    text = flow.run("map", "flow.py:triage", "--format", "html").stdout
    page = _Page()
    page.feed(text)
    assert text.startswith("<!DOCTYPE html>") and page.open == [] and page.links == []
    assert not page.tags & {"script", "link", "img", "each"} and "@media print" in text
    assert "Ask a model about <each> page." in page.text
    assert "Get <b>one</b> | page." in page.text
    assert "What can fail in triage" in page.text and "reviewed by" in page.text


def test_markdown_has_whole_tables(flow: Project) -> None:
    text = flow.run("map", "flow.py:triage", "--format", "md").stdout
    assert text.startswith("# What can fail in triage\n")
    assert "Get &lt;b>one&lt;/b> \\| page." in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    columns = {line: len(re.findall(r"(?<!\\)\|", line)) for line in rows}
    assert set(columns.values()) == {3, 4, 6} and len(rows) > 30
    assert "### keep" in text and "- effect: verify was_kept, settle 0 s" in text


def test_markdown_of_the_same_code_is_the_same(flow: Project) -> None:
    first = flow.run("map", "flow.py:triage", "--format", "md").stdout
    assert flow.run("map", "flow.py:triage", "--format", "md").stdout == first
    assert str(flow.path) not in first


def test_mermaid_shows_stages_steps_and_effects(flow: Project) -> None:
    lines = flow.run("map", "flow.py:triage", "--format", "mermaid").stdout.splitlines()
    assert lines[1] == "flowchart TD"
    assert '  subgraph g0["ingestion"]' in lines and lines.count("  end") == 4
    assert any(line.strip().startswith('s2{{"keep<br/>effect') for line in lines)
    assert any(line.strip().startswith('s1[["answer<br/>mapped') for line in lines)
    assert {"  start --> s0", "  s0 --> s1", "  s2 --> s3", "  class s2 effect"} <= set(lines)


def test_what_the_journal_has_seen_is_told(
    flow: Project, squeezed: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert "journal there is none yet" in squeezed(flow.run("map", "flow.py:triage").stdout)
    flow.run("run", "flow.py:triage", wanted=1)
    told = squeezed(flow.run("map", "flow.py:triage").stdout)
    assert re.search(r"journal \S+journal\.db: 1 run, the last at \d{4}-", told)
    assert re.search(r"seen 1×, last \S+ \S+; of 1 call 1 failed; raises ValueError", told)
    document = flow.json("map", "flow.py:triage")
    assert document["journal"]["runs"] == 1 and document["steps"][3]["calls_seen"]["calls"] == 1
    assert document["steps"][3]["failures"][0]["seen"]["halted"] == 1


USES = """
from concurrent.futures import ThreadPoolExecutor
from surefoot import effect, on, step, workflow

@step
def small(text: str) -> str:
    return text

@step(resource="model", checkpoint=False, recover=[on("timeout").fall_back(small)])
def large(text: str) -> str:
    return inner(text)

@step(stage="inference")
def inner(text: str) -> str:
    return text

@effect(stage="notification", on_doubt="rerun", timeout=3)
def send(text: str) -> None: ...

BOTH = {"a": small}

@workflow
def within() -> None:
    small.map([], on_failure="halt", max_failure_ratio=0.1)
    inner.with_options(timeout=float("3")).map([], max_failure_ratio=0.2, on_failure=MODE)

MODE = "quarantine"

@workflow
def triage(which: str = "a") -> None:
    try:
        large("a")
    except ValueError:
        pass
    within()
    with ThreadPoolExecutor() as pool:
        pool.submit(send, "a")
    BOTH[which]("b")
"""


def test_each_way_of_using_a_step_is_told(
    flow: Project, squeezed: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    flow.write("uses.py", USES)
    told = re.sub(r", line \d+", "", squeezed(flow.run("map", "uses.py:triage").stdout))
    for words in (
        "within within",
        "used called in triage; a try stands around it",
        "fallback of large; within large, which owns the retries",
        "called in large; within large, which owns the retries",
        "mapped in within; the first item that fails halts the map",
        "mapped in within; failed items are set aside (on_failure=MODE); more than 0.2 of 20",
        "with options that only a run knows (timeout)",
        "handed to pool.submit in triage",
        "called in triage; picked out of a collection",
        "result not kept: a resume runs it again",
        "effect no key\n no verify\n no compensate\n in doubt (rerun): done again",
        "fails into large, whose ladder goes on",
        "large step, no stage uses",
    ):
        assert words in told, words
    for form in ("md", "html", "mermaid"):
        assert flow.run("map", "uses.py:triage", "--format", form).stdout
    lines = flow.run("map", "uses.py:triage", "--format", "mermaid").stdout
    assert "-. falls back .->" in lines and "-. calls .->" in lines and "no stage" in lines


def test_steps_that_only_the_journal_knows_are_marked(
    flow: Project, squeezed: Callable[[str], str]
) -> None:
    flow.run("run", "flow.py:triage", wanted=1)
    flow.write(
        "flow.py", FLOW.replace("def count(", "def counts(").replace('count("bad', 'counts("bad')
    )
    child = flow.process("map", "flow.py:triage")
    told = squeezed(child.end(0)[0])
    assert "found in the journal alone: the code does not name it" in told
    assert "count past runs called it and the code does not name it" in told
    child = flow.process("map", "flow.py:triage", "--format", "mermaid")
    assert "class s4 seen" in child.end(0)[0]


def test_a_journal_that_was_named_must_be_there(flow: Project) -> None:
    error = flow.json("map", "flow.py:triage", "--journal", "other.db", wanted=3)["error"]
    assert error["exit_code"] == 3 and "there is no journal at" in error["message"]
    assert not (flow.path / "other.db").exists()


@pytest.mark.parametrize(
    "target",
    [
        "nowhere:triage",
        "flow.py:triag",
        "missing.py:triage",
        "flow.py",
        "pipeline.py:not_a_workflow",
    ],
)
def test_a_target_that_is_wrong_is_told_as_run_tells_it(flow: Project, target: str) -> None:
    error = flow.json("map", target, wanted=2)["error"]
    assert error == flow.json("run", target, wanted=2)["error"]


def test_a_module_that_cannot_be_imported_is_told_as_run_tells_it(flow: Project) -> None:
    flow.write("broken.py", "import surefoot\n1 / 0\n")
    error = flow.json("map", "broken.py:triage", wanted=2)["error"]
    assert "ZeroDivisionError" in error["message"]
    assert error == flow.json("run", "broken.py:triage", wanted=2)["error"]


def test_a_kind_that_there_is_not_is_told_as_a_run_tells_it(flow: Project) -> None:
    flow.write(
        "wrong.py",
        "from surefoot import on, step, workflow\n"
        "@step(recover=[on('rate_limit').retry()])\ndef one(): ...\n"
        "@workflow\ndef triage():\n    one()\n",
    )
    error = flow.json("map", "wrong.py:triage", wanted=2)["error"]
    assert (
        "step one: on('rate_limit') names no kind; did you mean 'rate_limited'?" in error["message"]
    )


def test_two_formats_at_once_are_refused(flow: Project) -> None:
    error = flow.json("map", "flow.py:triage", "--format", "md", wanted=2)["error"]
    assert error["message"] == "give --json or --format md, not both"


def test_a_workflow_without_steps_has_a_map(flow: Project) -> None:
    assert "workflow nothing: 0 steps" in flow.run("map", "pipeline.py:nothing").stdout
    for form in ("md", "html", "json", "mermaid"):
        assert flow.run("map", "pipeline.py:nothing", "--format", form).stdout


def test_nothing_of_the_workflow_runs(flow: Project) -> None:
    flow.write(
        "loud.py",
        "from surefoot import step, workflow\n"
        "@step\ndef one(): open('ran', 'w').close()\n"
        "@workflow\ndef triage():\n    open('ran', 'w').close()\n    one()\n",
    )
    flow.run("map", "loud.py:triage")
    assert not (flow.path / "ran").exists() and not (flow.path / ".surefoot").exists()
