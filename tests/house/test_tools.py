"""The house's own tools notice what they are there for."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch):
    """Imports a module of tools/."""

    def load(name: str) -> ModuleType:
        monkeypatch.syspath_prepend(str(ROOT / "tools"))
        return importlib.import_module(name)

    return load


def test_make_help_tells_of_every_target() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    done = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    phony = next(line for line in text.splitlines() if line.startswith(".PHONY:"))
    for target in phony.split()[1:]:
        assert any(line.split()[0] == target for line in done.stdout.splitlines()), target


def test_bootstrap_does_nothing_where_all_is_there() -> None:
    command = [sys.executable, str(ROOT / "tools" / "bootstrap.py"), "dev"]
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("not run from the environment that bootstrap makes")
    subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert done.stderr == ""


def test_bootstrap_refuses_a_python_that_is_not_there(tool) -> None:
    bootstrap = tool("bootstrap")
    with pytest.raises(SystemExit, match=r"no usable Python 2\.7"):
        bootstrap.choose((2, 7))


def test_an_environment_that_was_copied_or_broken_counts_as_missing(tool, tmp_path: Path) -> None:
    bootstrap = tool("bootstrap")
    assert bootstrap.version_of(tmp_path) is None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pip").write_text("#!/elsewhere/.venv/bin/python\n")
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    assert bootstrap.version_of(tmp_path) is None


def test_the_machines_own_python_is_the_main_one_if_it_is_new_enough(tool) -> None:
    pythons = tool("pythons")
    assert pythons.choose_main({(3, 12): "a", (3, 13): "b"}) == (3, 12)
    assert pythons.choose_main({(3, 10): "a", (3, 13): "b"}) == (3, 13)
    assert pythons.choose_main({(3, 14): "a", (3, 10): "b"}) == (3, 10)
    with pytest.raises(SystemExit, match="3.10 or newer"):
        pythons.choose_main({})


def test_links_and_headings_are_followed(tool, tmp_path: Path, monkeypatch) -> None:
    docs = tool("check_docs")
    (tmp_path / "docs").mkdir()
    page = tmp_path / "README.md"
    page.write_text("# A `b` c!\n[x](#a-b-c) [y](docs/) [z](docs/z.md) [w](#none)\n")
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    monkeypatch.setattr(docs, "DOCS", tmp_path / "docs")
    assert list(docs.broken_links()) == [
        "README.md: the link to docs/z.md leads nowhere",
        "README.md: #none: that page has no heading #none",
    ]


def test_a_section_ends_at_the_next_heading_of_its_rank(tool) -> None:
    docs = tool("check_docs")
    text = "# A\n## `surefoot run`\none\n### more\ntwo\n```sh\n# no heading\n```\n## B\nthree\n"
    found = docs.sections(text)
    assert "two" in found["surefoot run"]
    assert "three" not in found["surefoot run"]
    assert set(found) == {"A", "surefoot run", "more", "B"}


def test_a_signature_is_shown_with_its_defaults(tool) -> None:
    signatures = tool("signatures")
    import ast

    source = "def f(a: int, /, b=1, *rest: str, c: float = 2.0, **more: object) -> None:\n    pass"
    [node] = ast.parse(source).body
    assert signatures._function(node) == (
        "def f(a: int, /, b=1, *rest: str, c: float=2.0, **more: object) -> None: ..."
    )
    assert signatures._arguments(node.args) == [
        "a: int",
        "/",
        "b=1",
        "*rest: str",
        "c: float = 2.0",
        "**more: object",
    ]


def test_coverage_figures_tell_the_pure_layers_apart(tool) -> None:
    coverage = tool("check_coverage")
    summary = {"covered_lines": 3, "covered_branches": 1, "num_statements": 4, "num_branches": 2}
    entry = {"summary": summary, "missing_lines": [7], "missing_branches": [[5, -1]]}
    codec, root = coverage.read(
        {"files": {"src/surefoot/codec/arrays.py": entry, "src/surefoot/decide.py": entry}}
    )
    assert (codec.module, root.module) == ("codec", "decide")
    assert codec.missing == "7, 5→exit"
    assert coverage.percent([codec, root]) == pytest.approx(100 * 8 / 12)
