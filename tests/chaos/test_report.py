"""The matrix as text, HTML and JUnit: honest numbers, and what to do next."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.chaos.html import page
from surefoot.chaos.junit import junit
from surefoot.chaos.model import Cell, CellResult, Counted, FaultSpec, Times
from surefoot.chaos.plan import kill_at, kill_id, pair_of
from surefoot.chaos.report import effects_of, groups, parts, scrubbed, summary, text
from tests.chaos.seen import CONTROL, KILL, TIMEOUT, cell, matrix, result

AUTH = FaultSpec("kind", "auth", step="pay")
PAID = Counted("pay", expected=1, received=2, applied=2, duplicate=("7",))
SPOKEN = text(
    matrix(
        result("recovered"),
        result("halted", allowed=False, fault=AUTH, detail="halted as auth; a resume completed it"),
        result(
            "duplicate", allowed=False, fault=KILL, effects=(PAID,), detail="done twice: pay: 7"
        ),
        result("not_fired", allowed=False, fault=FaultSpec("exit", "1", "before", "pay")),
    ),
    again="surefoot chaos replay",
)


# -- what is said ---------------------------------------------------------------------------------


def test_the_first_line_never_says_more_than_what_is_proved() -> None:
    assert "no cell was played; nothing is proved" in summary(matrix())
    assert "all of it is allowed" in summary(matrix(result("recovered")))
    silent = result("not_fired", allowed=False)
    assert summary(matrix(result("recovered"), silent)).endswith(
        "2 cells, 1 fired: 1 recovered, 1 not_fired; not all of it is proved"
    )
    assert "not all of it is proved" in summary(matrix(result("recovered"), not_played=3))
    assert summary(matrix(silent, result("lost", allowed=False))).endswith("1 violation")


def test_effects_that_nobody_counted_are_not_measured_and_never_0() -> None:
    rows = dict(effects_of(matrix(result("duplicate", allowed=False, effects=(PAID,)))))
    assert rows["pay"] == (2, 2, 1, 0, 0)
    assert rows["mail"] == (0, 0, 0, 0, 0)
    assert rows["log"] is None
    assert "log: not measured" in SPOKEN
    assert "pay: 2 received, 2 applied, 1 duplicated, 0 lost, 0 unknown" in SPOKEN


def test_a_violation_says_what_was_seen_what_to_do_and_how_to_play_it_again() -> None:
    squeezed = " ".join(SPOKEN.split())
    assert "pay: duplicate in 1 cell" in squeezed
    assert "seen done twice: pay: 7; allowed is recovered (the test says so)" in squeezed
    assert "next make what is done twice an @effect with a key=" in squeezed
    assert f"again surefoot chaos replay {cell(KILL).id}" in squeezed
    assert "not fired:" in squeezed and "give an input with which pay is called" in squeezed


def test_what_is_alike_is_told_once_with_the_table_that_would_allow_it() -> None:
    kinds = ["auth", "tls", "bug"]
    bad = [
        result("halted", allowed=False, fault=FaultSpec("kind", one, step="pay"), detail=one)
        for one in kinds
    ]
    [group] = groups(bad)
    assert len(group.results) == 3
    assert group.detail.startswith("e.g. auth; allowed is recovered")
    assert group.allow == (
        '[[chaos.expect]]\nstep = "pay"\nkind = ["auth", "tls", "bug"]\n'
        'allow = ["recovered", "halted"]'
    )


@pytest.mark.parametrize("outcome", ["duplicate", "lost", "wrong_output", "stuck", "not_fired"])
def test_nobody_is_told_to_allow_what_must_not_be(outcome: str) -> None:
    [group] = groups([result(outcome, allowed=False)])  # type: ignore[arg-type]
    assert group.allow is None and group.advice


def test_a_doubt_asks_for_a_verify() -> None:
    doubt = result("halted", allowed=False, detail="halted as in_doubt, in doubt: nobody can know")
    plain = result("halted", allowed=False, detail="halted as auth; a resume completed it")
    first, second = groups([doubt, plain])
    assert "verify=" in first.advice and "fall_back" in second.advice


def test_what_was_not_measured_of_a_time_is_no_0() -> None:
    told = parts(Times(None, None, 0.5, 0.5, 30.0))
    assert told == "0.500 s: not noticed, no other process, 0.500 s of work"
    assert "30.000 s of back-off" in parts(Times(0.1, None, 0.4, 30.5, 30.0, waited=True))


def test_secrets_in_deeds_and_details_are_left_out() -> None:
    bad = Counted("pay", 1, 2, 2, duplicate=("password=hunter22",))
    told = scrubbed(result("duplicate", effects=(bad,), detail="done twice: password=hunter22"))
    assert "hunter22" not in told.detail
    assert "hunter22" not in told.effects[0].duplicate[0]


def test_long_rows_of_writes_and_pairs_are_not_told_one_by_one() -> None:
    cells = [Cell(kill_id(kill_at(n)), (kill_at(n),), None) for n in range(1, 200)]
    told = text(matrix(*(_of(one) for one in cells)), again="x")
    assert "1/before, 1/inside, …, 67/before" in told
    assert len(told) < 3000


def _of(one: Cell) -> CellResult:
    return CellResult(one, "recovered", True, "seen", fired=1)


# -- HTML -----------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, told: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(told)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text.append(data)

    def close(self) -> None:
        super().close()
        assert not self._open, self._open

    def names(self) -> set[str]:
        return {name for name, _ in self.tags}


PAGE = page(
    matrix(
        result("recovered", effects=(PAID,)),
        result("halted", allowed=False, fault=AUTH),
        result("not_fired", allowed=False, fault=KILL),
        _of(Cell("write/1/inside", (kill_at(2),), None)),
        _of(pair_of(Cell("write/1/inside", (kill_at(2),), None), Cell("x", (kill_at(1),), None))),
        seed=42,
        notes=["a sample"],
    )
)


def test_the_page_is_one_file_without_a_script_that_loads_nothing() -> None:
    told = _Page(PAGE)
    assert not told.names() & {"script", "link", "img", "iframe", "object"}
    assert not any({"src", "href", "onclick", "style"} & set(attrs) for _, attrs in told.tags)
    assert "default-src 'none'" in PAGE and "url(" not in PAGE and "@import" not in PAGE


def test_the_page_has_headers_a_language_and_dark_and_printed_forms() -> None:
    told = _Page(PAGE)
    assert ("html", {"lang": "en"}) in told.tags
    scopes = [attrs.get("scope") for name, attrs in told.tags if name == "th"]
    assert scopes and set(scopes) <= {"col", "row"}
    tables = sum(name == "table" for name, _ in told.tags)
    assert tables == sum(name == "caption" for name, _ in told.tags) == 5
    assert "prefers-color-scheme: dark" in PAGE and "@media print" in PAGE


def test_an_outcome_is_a_word_and_what_is_not_allowed_has_a_cross() -> None:
    words = " ".join(_Page(PAGE).text)
    assert "✗ halted" in words and "✗ not_fired" in words and "recovered" in words
    assert PAGE.count("<details>") == 4


def test_the_page_tells_of_the_control_the_seed_the_versions_and_what_was_not_measured() -> None:
    words = " ".join(_Page(PAGE).text)
    for one in ("control run", "42", "Python 3.", "not measured", "a sample", "until noticed"):
        assert one in words


@given(st.text(min_size=1).filter(lambda one: one.strip() == one), st.text())
def test_whatever_a_workflow_is_called_and_says_nothing_of_it_is_markup(
    name: str, detail: str
) -> None:
    evil = f"<script>{name}</script>&\"'"
    fault = FaultSpec("kind", evil, step=evil)
    bad = result(
        "halted", allowed=False, fault=fault, detail=f"<img src=x>{detail}", effects=(PAID,)
    )
    told = _Page(page(matrix(bad, notes=[evil])))
    assert not told.names() & {"script", "img"}


# -- JUnit ----------------------------------------------------------------------------------------


def test_junit_has_a_case_for_each_cell_and_tells_failures_from_errors() -> None:
    told = junit(
        matrix(
            result("recovered"),
            result("halted", allowed=False, fault=AUTH),
            result("not_fired", allowed=False, fault=KILL),
        )
    )
    root = ElementTree.fromstring(told)
    assert root.attrib["tests"] == "3"
    assert (root.attrib["failures"], root.attrib["errors"]) == ("1", "1")
    suites = {one.attrib["name"]: one for one in root}
    assert suites["pay"].attrib["tests"] == "2" and suites["score"].attrib["failures"] == "0"
    failure = root.find(".//failure")
    assert failure is not None and "allowed is recovered" in failure.attrib["message"]
    assert failure.text is not None and "surefoot chaos replay" in failure.text


@given(st.text())
def test_junit_is_xml_whatever_was_said(words: str) -> None:
    told = junit(matrix(result("halted", allowed=False, detail=words)))
    ElementTree.fromstring(told)


def test_the_same_cells_make_the_same_page() -> None:
    again = matrix(result("recovered"), seed=1)
    assert page(again) == page(again)
    assert str(CONTROL.seconds)[:3] in page(again)


def test_a_pair_is_told_by_its_first_fault() -> None:
    both = pair_of(cell(KILL), cell(TIMEOUT))
    told = page(matrix(_of(both)))
    assert "Two faults, one after another" in told and cell(KILL).id in told
