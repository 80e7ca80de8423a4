"""The story that the summary tells, from a document as `surefoot show --json` gives it."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from examples.file_triage import report, summary
from examples.file_triage.check import Check, Kill


def failure(step: str = "identify", kind: str = "rate_limited", **more: Any) -> dict[str, Any]:
    base = {
        "step": step,
        "kind": kind,
        "category": "model",
        "stage": "inference",
        "decision": "retry",
        "reason": "try 2 of 5",
        "waited": 1.0,
        "message": "Client error '429 Too Many Requests' for url 'http://127.0.0.1:1/v1/identify'",
    }
    return base | more


DOCUMENT: dict[str, Any] = {
    "run_id": "r",
    "status": "completed",
    "result": {"files": 3},
    "failures": [
        failure(reason="try 2 of 8, as the server asked (1 s)"),
        failure(reason="try 3 of 8, as the server asked (1 s)", waited=2.0),
        failure("read", "not_found", decision="skip", category="data", stage="ingestion"),
        failure(kind="connection", category="infrastructure", waited=0.25),
    ],
    "steps": [{"status": "completed"}, {"status": "skipped"}],
    "reused": 7,
    "time_saved": 1.5,
}


def test_alike_failures_are_told_together_in_the_order_of_the_pipeline() -> None:
    groups = report.tell(DOCUMENT).groups
    assert [(one.step, one.kind, one.count) for one in groups] == [
        ("read", "not_found", 1),
        ("identify", "rate_limited", 2),
        ("identify", "connection", 1),
    ]
    assert groups[0].done == "set aside, the others went on"
    assert groups[1].done == "retried after 1.0–2.0 s, as the server asked"
    assert groups[2].done == "retried after 0.2 s"


def test_a_decision_may_be_a_word_or_an_object() -> None:
    for decision in ("retry", "Retry", {"rung": "retry"}, {"type": "Retry"}):
        assert report.rung({"decision": decision}) == "retry"
    assert report.rung({"decision": None}) == "halt"
    assert report.rung({"decision": "FallBack"}) == "fall_back"


def test_a_long_path_keeps_its_end() -> None:
    words = report.in_few_words("[Errno 2] No such file: '/a/b/c/d/e/file.txt'\nmore")
    assert words == "No such file: '…/file.txt'"
    asked = "Client error '429 Too Many Requests' for url 'http://127.0.0.1:1/v1'"
    assert report.in_few_words(asked) == "Client error '429 Too Many Requests'"
    assert len(report.in_few_words("x" * 200)) == 46
    assert report.in_few_words("") == ""


def test_a_run_without_a_report_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="left no report"):
        report.load(tmp_path / "report.json")
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(ValueError, match="left no report"):
        report.load(tmp_path / "report.json")


def printed(tmp_path: Path, *checks: Check, story: report.Story | None) -> str:
    table = tmp_path / "findings.db"
    with closing(sqlite3.connect(table)) as db:
        db.execute("CREATE TABLE findings (path, description, score, verdict, at)")
        db.execute(
            "INSERT INTO findings VALUES ('/a/b/[red]x.jpg', 'Python source', 1, 'belies', 1)"
        )
        db.commit()
    out = Console(file=io.StringIO(), width=200)
    kills = [Kill(1.0, -9, "in the middle", 3, 2)]
    summary.show(out, story, checks, kills, table, 41.4, ["surefoot show r"])
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_the_summary_tells_what_failed_what_was_done_and_what_was_saved(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(DOCUMENT))
    story = report.load(tmp_path / "report.json")
    text = printed(tmp_path, Check("no row twice", True, "3 rows", "result table"), story=story)
    for expected in (
        "rate_limited",
        "as the server asked",
        "set aside",
        "7 calls were reused",
        "Time saved: 1.5 s",
        "b/[red]x.jpg is no .jpg: Python source (100%)",
        "no row twice",
        "It held.",
        "surefoot show r",
    ):
        assert expected in text


def test_the_summary_names_the_check_that_is_red(tmp_path: Path) -> None:
    red = Check("no row twice", False, "4 rows", "result table", ["/a/b"])
    text = printed(tmp_path, red, story=None)
    assert "It did not hold: no row twice." in text
    assert "/a/b" in text
    assert "It held" not in text
